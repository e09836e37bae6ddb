/* storage.h: the data folder: its lock and identity, its topics, recovery at start and upkeep while running.
 *
 * What Kafka keeps in such a folder has Kafka's names and formats (kafka.apache.org, "Implementation: Log";
 * meta.properties, partition.metadata, checkpoints, segments), so Kafka's tools read it. */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "base/bytes.h"
#include "base/check.h"
#include "storage/options.h"
#include "base/uuid.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct storage;
struct storage_log;

/* How far storage_open is, for the readiness endpoint; zero it first. May be read while storage_open runs. [any] */
struct storage_progress {
    atomic_uint partitions_total, partitions_done;
};

/* What storage_open found. */
struct storage_report {
    bool was_clean;              /* the last run ended properly, nothing had to be checked */
    unsigned topics, partitions;
    unsigned segments_checked;   /* walked batch by batch */
    unsigned partitions_cut;     /* of which bytes had to be cut off; each is in the log as a warning */
    int64_t bytes_cut;
};

/* Open the folder, making it if missing, and bring each partition into order. Blocks, for long after a crash with much
 * data: call it from a plain thread before the ports open (or with task_offload). `progress` and `report` may be NULL.
 * The options are copied.
 *
 * ERR_BUSY: another process has it. ERR_CONFIG: it belongs to another node id, or an option cannot be. ERR_CORRUPT:
 * a file that says whose it is cannot be read. Else a negated errno. Each was logged with its file. */
int storage_open(struct storage **storage, const struct storage_options *options, struct storage_progress *progress,
                 struct storage_report *report) MUST_USE;
/* Flush everything, leave the mark of a proper end, free. Blocks; no task may use the storage any more and no topic be
 * held, but slices may. NULL is allowed. */
void storage_close(struct storage *storage);

/* The cluster's id as in meta.properties: 22 characters, made with the folder. Valid while the storage is. [any] */
const char *storage_cluster_id(const struct storage *storage);

/* Upkeep (retention, flush by time, checkpoints): the body of a task that the owner spawns, `void *` is the storage.
 * Returns when the task is cancelled. [task] */
void storage_maintain(void *storage);
/* One round of the same now, for tests and tools. [task] */
void storage_maintain_once(struct storage *storage);

/* A topic that somebody holds. Nothing in it changes; the logs are valid while it is held. */
struct storage_topic {
    atomic_uint references;
    char *name;
    struct label_name *label; /* LABEL_TOPIC: label_name_use gives the text for task_label */
    struct uuid id;
    int32_t partition_count;
    struct storage_log **logs; /* by partition */
};

/* [any] */
void storage_topic_release(struct storage_topic *topic);
/* NULL: no such topic. [task] */
struct storage_topic *storage_topic_find(struct storage *storage, struct bytes name) MUST_USE;
struct storage_topic *storage_topic_find_by_id(struct storage *storage, const struct uuid *id) MUST_USE;
/* All topics by name, each held, in an array that storage_topics_release takes back. [task] */
struct storage_topic **storage_topics_list(struct storage *storage, size_t *count) MUST_USE;
void storage_topics_release(struct storage_topic **topics, size_t count);

/* 1 to 249 of a-z A-Z 0-9 . _ - and neither "." nor "..": what Kafka allows. [any] */
bool storage_topic_name_valid(struct bytes name);
/* Make a topic with empty partitions, on the disk when it returns. *topic, if not NULL, is then held by the caller.
 * ERR_MALFORMED: the name or the count. ERR_EXISTS. Else a negated errno, nothing was made. [task] */
int storage_topic_create(struct storage *storage, struct bytes name, int32_t partition_count,
                         struct storage_topic **topic) MUST_USE;
/* The topic is gone at once for everybody, its files a moment later; slices stay readable until released.
 * ERR_NOT_FOUND, or a negated errno: the files could not be renamed, the next start may find the topic again. [task] */
int storage_topic_delete(struct storage *storage, struct bytes name) MUST_USE;

/* A producer id that no other producer was given, for InitProducerId. [any] */
int64_t storage_new_producer_id(void);

#endif
