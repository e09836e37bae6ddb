/* producers.h: what a partition remembers of its idempotent producers, so that a batch sent twice is kept once.
 *
 * The rules are Kafka's (KIP-98, ProducerStateManager): the last five batches of each producer are known; a new epoch
 * starts at sequence 0; a producer that is not known may start anywhere. Not thread-safe: the log's appender has it. */
#ifndef STORAGE_PRODUCERS_H
#define STORAGE_PRODUCERS_H

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

struct producers;
struct record_batch;

#define PRODUCERS_SNAPSHOT_SUFFIX ".snapshot"
/* Batches that a client may have in flight at once (max.in.flight.requests.per.connection of idempotent ones). */
#define PRODUCERS_BATCHES 5
/* Kafka's producer.id.expiration.ms. */
#define PRODUCERS_EXPIRE_MS (24ll * 3600 * 1000)
/* Beyond this the producer that was silent longest is forgotten: ids are the clients' to choose. */
#define PRODUCERS_MAX 8192

struct producers *producers_create(void);
void producers_destroy(struct producers *producers);
void producers_clear(struct producers *producers);
size_t producers_count(const struct producers *producers);

enum producers_verdict { PRODUCERS_NEW, PRODUCERS_DUPLICATE };
/* Whether this batch is the next one of its producer, or one of the last five again: then *base_offset is the offset
 * that it has. ERR_SEQUENCE, ERR_FENCED. */
int producers_check(const struct producers *producers, const struct record_batch *batch,
                    int64_t *base_offset) MUST_USE;
/* The batch is in the log at its offset. now_ms is the wall clock's, no client's timestamp; who is silent for too long
 * is forgotten by it. */
void producers_update(struct producers *producers, const struct record_batch *batch, int64_t now_ms);

/* The snapshot file that Kafka has beside segments (version 1, ProducerSnapshot): the batches of each producer. No
 * producers: no file. Not synced, for a roll writes it on the way: one that a crash of the machine tore has a wrong
 * checksum, and all that is lost is who sent what twice. Blocks shortly. */
int producers_save(const struct producers *producers, const char *path) MUST_USE;
/* Replace what is known. 0 and nothing known when there is no file. ERR_CORRUPT: not to be believed. Blocks. */
int producers_load(struct producers *producers, const char *path) MUST_USE;

#endif
