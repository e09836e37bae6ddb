/* log_private.h: the inside of struct storage_log, shared by the files of this folder. */
#ifndef STORAGE_LOG_PRIVATE_H
#define STORAGE_LOG_PRIVATE_H

#include "runtime/lock.h"
#include "storage/log.h"
#include "storage/options.h"
#include "storage/producers.h"
#include "storage/segment.h"

#include <pthread.h>

struct storage_log {
    const struct storage_options *options; /* the storage's */
    char *name, *topic_name;
    int32_t partition;

    /* [any], written by who holds append_lock. */
    atomic_bool failed;
    _Atomic int64_t start_offset, end_offset, size_bytes;
    _Atomic int64_t recovery_point; /* what lies before is on the disk */

    /* Orders whoever changes the log: appends, rolls, retention, deletion. May be held across a park. */
    struct task_mutex append_lock;
    char *path; /* of the folder; once deleted, another topic's folder may be there */
    struct producers *producers;
    bool deleted;
    bool touched;                 /* appended to since it was opened */
    int64_t unflushed_messages;
    uint64_t unflushed_since_ns;  /* monotonic; of the first append behind the recovery point */

    /* Held for a few instructions, never across a park or a file operation. Readers take it to copy what they need.
     * What it covers is changed under both locks, so a holder of append_lock reads it without the guard. */
    pthread_mutex_t guard;
    struct storage_segment **segments; /* ascending; the last one is appended to. None once deleted */
    size_t segment_count, segment_capacity;
    struct list watches;
    /* Where the last read that reached the end stopped: the same reader's next one begins there, unsearched. */
    struct {
        int64_t segment_base, offset, position;
    } read_end;
};

struct log_recovery {
    bool was_clean;         /* believe the files */
    int64_t recovery_point; /* otherwise: what lies before was on the disk */
    unsigned segments_checked;
    int64_t bytes_cut;
};

/* Open the partition whose folder is there, recovering as told. The caller holds the strings. Blocks. */
int log_open(struct storage_log **log, const struct storage_options *options, const char *folder,
             const char *topic_name, int32_t partition, struct log_recovery *recovery) MUST_USE;
/* Flush and leave what the next start reads; for a log that no task uses any more. Blocks. */
int log_shut(struct storage_log *log) MUST_USE;
/* Free; the files stay as they are. [any] */
void log_destroy(struct storage_log *log);

/* The topic is deleted: nobody gets at the data from here on; waiters wake. [task] */
void log_mark_deleted(struct storage_log *log);
/* Delete what options.retention_* no longer keep, and flush what is due. [task] */
void log_maintain(struct storage_log *log, bool with_retention);

/* What lies before this offset is on the disk. [any] */
int64_t log_recovery_point(const struct storage_log *log);

/* For the files that make up the log. */
void log_fail(struct storage_log *log, const char *what, int error);
void log_add_segment(struct storage_log *log, struct storage_segment *segment);
struct storage_segment *log_active_segment(const struct storage_log *log);
/* Begin a new segment at the log's end. The caller holds append_lock. */
int log_roll(struct storage_log *log) MUST_USE;
/* Fsync up to end_offset while holding append_lock: nothing is appended meanwhile. 0, ERR_IO, -ECANCELED. [task] */
int log_flush_held(struct storage_log *log, int64_t end_offset) MUST_USE;
/* Fsync everything, indexes included, of a log that no task uses any more. Blocks. 0 or ERR_IO. */
int log_flush_last(struct storage_log *log) MUST_USE;

#endif
