/* storage_private.h: the inside of struct storage, shared by the files of this folder. */
#ifndef STORAGE_STORAGE_PRIVATE_H
#define STORAGE_STORAGE_PRIVATE_H

#include "base/buf.h"
#include "base/hash.h"
#include "runtime/lock.h"
#include "storage/storage.h"

struct topic_entry {
    struct storage_topic topic;
    UT_hash_handle by_name, by_id;
};

struct storage {
    struct storage_options options;
    char *data_dir;
    int lock_fd;
    char cluster_id[UUID_TEXT_BYTES];

    /* One topic is made or deleted at a time; held across the file work. */
    struct task_mutex change_lock;
    /* The tables; held for the look-up or the change alone. The table holds each topic once. */
    struct task_rwlock table_lock;
    struct topic_entry *by_name, *by_id;

    struct buf checkpoint_written; /* what the file has; under change_lock */
};

/* One partition of a topic more than this is a mistake, of a folder's name or of a request. */
#define PARTITIONS_MAX 100000

/* Our own name, so that Kafka never takes our word for an end that was proper, nor we Kafka's. */
#define STORAGE_CLEAN_MARKER ".takhin_cleanshutdown"
#define KAFKA_CLEAN_MARKER ".kafka_cleanshutdown"
#define STORAGE_RECOVERY_POINTS "recovery-point-offset-checkpoint"

/* "<data folder>/<name>"; the caller frees it with mem_free. */
char *storage_path(const struct storage *storage, const char *name);
/* Write the recovery points if they changed. The caller holds change_lock. [task] */
void storage_write_checkpoint(struct storage *storage);
/* Free everything; the files stay as they are. */
void storage_destroy(struct storage *storage);

/* A topic with room for its logs, held once; its label is interned. */
struct topic_entry *topic_entry_create(const char *name, int32_t partition_count, const struct uuid *id);
/* The caller holds table_lock for writing, or is alone. */
void topic_table_add(struct storage *storage, struct topic_entry *entry);
void topic_table_remove(struct storage *storage, struct topic_entry *entry);

#endif
