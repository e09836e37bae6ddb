/* producers.c: what a partition remembers of its idempotent producers. */
#include "storage/producers.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "kafka/record_batch.h"
#include "storage/big_endian.h"
#include "storage/files.h"

#include <errno.h>

struct sent_batch {
    int32_t last_sequence;
    int32_t offset_delta; /* from its first record to its last; sequences span the same */
    int64_t last_offset;
};

struct producer {
    int64_t id;
    int16_t epoch;
    unsigned batch_count;
    struct sent_batch batches[PRODUCERS_BATCHES]; /* oldest first */
    int64_t last_seen_ms;
    struct list link;
    UT_hash_handle hh;
};

struct producers {
    struct producer *by_id;
    struct list by_age; /* who was silent longest first */
};

struct producers *producers_create(void)
{
    struct producers *producers = MEM_NEW(struct producers);
    list_init(&producers->by_age);
    return producers;
}

static void forget(struct producers *producers, struct producer *producer)
{
    list_remove(&producer->link);
    HASH_DEL(producers->by_id, producer);
    mem_free(producer);
}

void producers_clear(struct producers *producers)
{
    LIST_EACH_SAFE(link, &producers->by_age)
        forget(producers, LIST_ENTRY(link, struct producer, link));
}

void producers_destroy(struct producers *producers)
{
    if (!producers)
        return;
    producers_clear(producers);
    mem_free(producers);
}

size_t producers_count(const struct producers *producers)
{
    return HASH_COUNT(producers->by_id);
}

static struct producer *find(const struct producers *producers, int64_t id)
{
    struct producer *producer;
    HASH_FIND(hh, producers->by_id, &id, sizeof id, producer);
    return producer;
}

static struct producer *add(struct producers *producers, int64_t id)
{
    struct producer *producer = MEM_NEW(struct producer);
    producer->id = id;
    list_append(&producers->by_age, &producer->link);
    HASH_ADD(hh, producers->by_id, id, sizeof producer->id, producer);
    return producer;
}

/* Sequences go from 0 to INT32_MAX and begin again. */
static int32_t sequence_after(int32_t sequence, int32_t steps)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)steps) & INT32_MAX);
}

static bool same_sequences(const struct sent_batch *sent, const struct record_batch *batch)
{
    return sent->offset_delta == batch->last_offset_delta &&
           sent->last_sequence == sequence_after(batch->base_sequence, batch->last_offset_delta);
}

int producers_check(const struct producers *producers, const struct record_batch *batch, int64_t *base_offset)
{
    if (batch->producer_id < 0)
        return PRODUCERS_NEW;
    const struct producer *producer = find(producers, batch->producer_id);
    if (!producer)
        return PRODUCERS_NEW;
    if (batch->producer_epoch < producer->epoch)
        return ERR_FENCED;
    if (batch->producer_epoch > producer->epoch)
        return batch->base_sequence == 0 ? PRODUCERS_NEW : ERR_SEQUENCE;
    for (unsigned i = 0; i < producer->batch_count; i++) {
        const struct sent_batch *sent = &producer->batches[i];
        if (same_sequences(sent, batch)) {
            *base_offset = sent->last_offset - sent->offset_delta;
            return PRODUCERS_DUPLICATE;
        }
    }
    const struct sent_batch *newest = &producer->batches[producer->batch_count - 1];
    return batch->base_sequence == sequence_after(newest->last_sequence, 1) ? PRODUCERS_NEW : ERR_SEQUENCE;
}

static void forget_silent(struct producers *producers, int64_t now_ms)
{
    while (!list_empty(&producers->by_age)) {
        struct producer *oldest = LIST_ENTRY(producers->by_age.next, struct producer, link);
        if (oldest->last_seen_ms > now_ms - PRODUCERS_EXPIRE_MS && producers_count(producers) <= PRODUCERS_MAX)
            break;
        forget(producers, oldest);
    }
}

/* The producer's newest batch. A new epoch forgets the batches of the one before. */
static void note_batch(struct producers *producers, int64_t id, int16_t epoch, struct sent_batch batch, int64_t now_ms)
{
    struct producer *producer = find(producers, id);
    if (!producer)
        producer = add(producers, id);
    if (producer->epoch != epoch)
        producer->batch_count = 0;
    if (producer->batch_count == PRODUCERS_BATCHES) {
        producer->batch_count--;
        memmove(producer->batches, producer->batches + 1, producer->batch_count * sizeof producer->batches[0]);
    }
    producer->epoch = epoch;
    producer->batches[producer->batch_count++] = batch;
    producer->last_seen_ms = now_ms;
    list_remove(&producer->link);
    list_append(&producers->by_age, &producer->link);
}

void producers_update(struct producers *producers, const struct record_batch *batch, int64_t now_ms)
{
    if (batch->producer_id < 0 || batch->attributes & RECORD_BATCH_CONTROL)
        return;
    struct sent_batch sent = {
        .last_sequence = sequence_after(batch->base_sequence, batch->last_offset_delta),
        .offset_delta = batch->last_offset_delta,
        .last_offset = record_batch_last_offset(batch),
    };
    note_batch(producers, batch->producer_id, batch->producer_epoch, sent, now_ms);
    forget_silent(producers, now_ms);
}

/* The snapshot: version i16, checksum u32 (of what follows), count i32, entries. Kafka writes one entry a producer, its
 * newest batch. Ours has one a batch, the newest last: of entries with the same id Kafka takes the last. */
#define SNAPSHOT_VERSION 1
#define CRC_AT 2
#define COUNT_AT 6
#define ENTRIES_AT 10
#define ENTRY_BYTES 46
#define LAST_SEQUENCE_AT 10
#define LAST_OFFSET_AT 14
#define DELTA_AT 22
#define LAST_SEEN_AT 26
#define SNAPSHOT_BYTES_MAX (ENTRIES_AT + PRODUCERS_MAX * PRODUCERS_BATCHES * ENTRY_BYTES)

static void encode_entry(const struct producer *producer, const struct sent_batch *batch, uint8_t *entry)
{
    big_endian_write_64(entry, producer->id);
    entry[8] = (uint8_t)((uint16_t)producer->epoch >> 8);
    entry[9] = (uint8_t)producer->epoch;
    big_endian_write_32(entry + LAST_SEQUENCE_AT, batch->last_sequence);
    big_endian_write_64(entry + LAST_OFFSET_AT, batch->last_offset);
    big_endian_write_32(entry + DELTA_AT, batch->offset_delta);
    big_endian_write_64(entry + LAST_SEEN_AT, producer->last_seen_ms);
    big_endian_write_32(entry + 34, -1); /* coordinator epoch: no transactions */
    big_endian_write_64(entry + 38, -1); /* first offset of the current transaction */
}

/* false: no broker wrote this. */
static bool decode_entry(struct producers *producers, const uint8_t *entry)
{
    struct sent_batch batch = {
        .last_sequence = big_endian_read_32(entry + LAST_SEQUENCE_AT),
        .offset_delta = big_endian_read_32(entry + DELTA_AT),
        .last_offset = big_endian_read_64(entry + LAST_OFFSET_AT),
    };
    if (batch.offset_delta < 0 || batch.last_offset < batch.offset_delta)
        return false;
    note_batch(producers, big_endian_read_64(entry), (int16_t)(entry[8] << 8 | entry[9]), batch,
               big_endian_read_64(entry + LAST_SEEN_AT));
    return true;
}

static size_t count_batches(const struct producers *producers)
{
    size_t count = 0;
    LIST_EACH(link, &producers->by_age)
        count += LIST_ENTRY(link, struct producer, link)->batch_count;
    return count;
}

int producers_save(const struct producers *producers, const char *path)
{
    size_t count = count_batches(producers), size = ENTRIES_AT + count * ENTRY_BYTES;
    if (count == 0)
        return 0;
    uint8_t *bytes = mem_alloc(size), *entry = bytes + ENTRIES_AT;
    LIST_EACH(link, &producers->by_age) {
        const struct producer *producer = LIST_ENTRY(link, struct producer, link);
        for (unsigned i = 0; i < producer->batch_count; i++, entry += ENTRY_BYTES)
            encode_entry(producer, &producer->batches[i], entry);
    }
    bytes[1] = SNAPSHOT_VERSION;
    big_endian_write_32(bytes + COUNT_AT, (int32_t)count);
    big_endian_write_32(bytes + CRC_AT, (int32_t)crc32c(bytes_of(bytes + COUNT_AT, size - COUNT_AT)));
    int rc = file_replace(path, bytes_of(bytes, size), FILE_CACHED);
    mem_free(bytes);
    return rc;
}

static int decode_snapshot(struct producers *producers, const uint8_t *bytes, size_t size)
{
    if (size < ENTRIES_AT || bytes[0] != 0 || bytes[1] != SNAPSHOT_VERSION)
        return ERR_CORRUPT;
    if ((uint32_t)big_endian_read_32(bytes + CRC_AT) != crc32c(bytes_of(bytes + COUNT_AT, size - COUNT_AT)))
        return ERR_CORRUPT;
    size_t count = (uint32_t)big_endian_read_32(bytes + COUNT_AT);
    if (size != ENTRIES_AT + count * ENTRY_BYTES)
        return ERR_CORRUPT;
    for (const uint8_t *entry = bytes + ENTRIES_AT; entry < bytes + size; entry += ENTRY_BYTES) {
        if (!decode_entry(producers, entry)) {
            producers_clear(producers);
            return ERR_CORRUPT;
        }
    }
    return 0;
}

int producers_load(struct producers *producers, const char *path)
{
    producers_clear(producers);
    char *content;
    size_t size;
    int rc = file_read_all(path, SNAPSHOT_BYTES_MAX, &content, &size);
    if (rc == -ENOENT)
        return 0;
    if (rc == ERR_TOO_LARGE)
        return ERR_CORRUPT;
    if (rc != 0)
        return rc;
    rc = decode_snapshot(producers, (const uint8_t *)content, size);
    mem_free(content);
    return rc;
}
