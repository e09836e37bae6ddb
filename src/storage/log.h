/* log.h: one partition: an append-only row of record batches over segment files, byte-compatible with Kafka's.
 *
 * A log belongs to its topic (storage.h): it stays valid while the caller holds that topic. Everything may be called
 * from tasks of any reactor at the same time. A record is visible once its batch is written (and, where a flush was
 * due, on the disk); on this single node the end of the visible records is the high watermark. */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct storage_log;
struct storage_segment;
struct task;

/* "orders-0": the name of its folder. Valid while the log is. [any] */
const char *storage_log_name(const struct storage_log *log);
/* The first offset that is still there, and the one that the next record will get. [any] */
int64_t storage_log_start_offset(const struct storage_log *log);
int64_t storage_log_end_offset(const struct storage_log *log);
/* Bytes of all its .log files. [any] */
int64_t storage_log_size_bytes(const struct storage_log *log);
/* A write or an fsync failed before: it can be read but not appended to. [any] */
bool storage_log_failed(const struct storage_log *log);

/* Append one record batch, as one partition of a Produce request has it (Kafka takes exactly one since version 3).
 * The bytes stay the caller's; offset and leader epoch 0 are written into them. *base_offset gets the offset of its
 * first record; for a batch that an idempotent producer sends again, the one it got the first time.
 *
 * Returns when the bytes are in the page cache, where a death of the process cannot hurt them, or on the disk when
 * options.flush_messages made a flush due. Other partitions go on meanwhile.
 *
 * ERR_TRUNCATED, ERR_MALFORMED: not exactly one whole batch, or record_batch_check_produced says so. ERR_CORRUPT: the
 * checksum. ERR_UNSUPPORTED: another magic or codec, or transactional. ERR_TOO_LARGE: more than max_batch_bytes or
 * than a segment. ERR_SEQUENCE: a sequence is missing. ERR_FENCED: a newer epoch of the producer
 * has written. ERR_IO: this write failed or one before did, the partition is read-only. ERR_CLOSED: the topic was
 * deleted. -ECANCELED: the task was cancelled when a flush was due; the batch is there all the same. [task] */
int storage_log_append(struct storage_log *log, uint8_t *batch, size_t size, size_t max_batch_bytes,
                       int64_t *base_offset) MUST_USE;

/* A run of whole batches inside one segment file: a view of the file, not a copy. */
struct storage_slice {
    struct storage_segment *segment; /* kept alive, even when deleted meanwhile; NULL: empty */
    int fd;                          /* the segment's; -1: empty */
    off_t position;
    size_t size;
    int64_t start_offset, end_offset; /* of the log when it was read: log start and high watermark */
};

/* The batches from the one that holds `offset` on, as many whole ones as fit in max_bytes and lie in one segment. If
 * even the first does not fit: that one whole when at_least_one, else none. The first batch may begin before
 * `offset`; clients skip what they did not ask for. An empty slice at the log's end.
 *
 * 0: the caller owns the slice until storage_slice_release. ERR_OUT_OF_RANGE (only both offsets are set),
 * ERR_CLOSED: the topic was deleted, ERR_CORRUPT or a negated errno: the file cannot be read. [task] */
int storage_log_read(struct storage_log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                     struct storage_slice *slice) MUST_USE;
/* Harmless for an empty or zeroed slice. [any] */
void storage_slice_release(struct storage_slice *slice);

/* Kafka's special times (ListOffsets). */
enum storage_time {
    STORAGE_TIME_LATEST = -1,   /* the log's end; no timestamp */
    STORAGE_TIME_EARLIEST = -2, /* the log's start; no timestamp */
    STORAGE_TIME_MAX = -3,      /* the record with the largest timestamp */
};

/* The first record whose timestamp (ms since 1970) is at least time_ms, or one of the special ones. Inside of a
 * compressed batch, which is not unpacked, it is the batch's first record.
 * 0 with *offset and *timestamp (-1: none), ERR_NOT_FOUND: no such record, else as storage_log_read. [task] */
int storage_log_offset_for_time(struct storage_log *log, int64_t time_ms, int64_t *offset,
                                int64_t *timestamp) MUST_USE;

/* Fsync what was appended. 0, ERR_IO, ERR_CLOSED or -ECANCELED. [task] */
int storage_log_flush(struct storage_log *log);

/* A task that waits for appends to any of several logs, as a long poll does:
 *
 *     storage_waiter_init(&waiter);
 *     for each log: storage_log_watch(log, &watches[i], &waiter);
 *     while (read of all gives too little && storage_waiter_wait(&waiter, rest_ms) == 0)
 *         ;
 *     for each log: storage_log_unwatch(log, &watches[i]);
 *
 * Watching before the first read is what loses no wake-up. Both structs may live on the task's stack. */
struct storage_waiter {
    struct task *task;
    atomic_bool woken;
};
struct storage_watch {
    struct list link;
    struct storage_waiter *waiter;
};

/* For the task that runs now. [task] */
void storage_waiter_init(struct storage_waiter *waiter);
/* Until something was appended to (or happened to the topic of) a watched log since init or the last return; at most
 * timeout_ms. 0, -ETIMEDOUT, -ECANCELED. [task] */
int storage_waiter_wait(struct storage_waiter *waiter, uint64_t timeout_ms);
/* Afterwards the watch is in use until storage_log_unwatch. [task] */
void storage_log_watch(struct storage_log *log, struct storage_watch *watch, struct storage_waiter *waiter);
void storage_log_unwatch(struct storage_log *log, struct storage_watch *watch);

#endif
