/* segment.h: one stretch of a partition: a .log file with its .index and .timeindex, named by the first offset.
 *
 * A segment is counted: the log holds it, and so does each reader that was given a part of it. Its state is written by
 * one appender at a time; everybody else works on a copy that was taken under the log's guard, and what lies within
 * the sizes of such a copy never changes again. */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include "base/check.h"
#include "storage/batch_scan.h"
#include "storage/index.h"

#include <stdatomic.h>
#include <stdint.h>

struct producers;

enum segment_file { SEGMENT_LOG, SEGMENT_INDEX, SEGMENT_TIME_INDEX, SEGMENT_FILE_COUNT };

struct segment_state {
    int64_t size_bytes;           /* of .log */
    uint32_t index_count, time_index_count;     /* entries */
    uint32_t index_written, time_index_written; /* of which are in the files, where readers see them */
    int64_t next_offset;          /* behind the last record */
    int64_t first_timestamp;      /* the first batch's largest, ms; -1: none or no batch */
    int64_t max_timestamp;        /* of all batches; -1: none */
    int64_t max_timestamp_offset; /* last record of the first batch that has it */
    int64_t indexed_timestamp;    /* of the last entry in .timeindex; -1: none */
    int64_t bytes_since_index;    /* from the batch of the last entry in .index to the end */
};

/* Each batch of some KiB brings one entry to each index. They wait here until there are a few, or no more come: a read
 * that begins among the last ones walks a few more batches, a write is saved with most appends. */
#define INDEX_TAIL_ENTRIES 8

struct storage_segment {
    atomic_uint references;
    int64_t base_offset;
    int fds[SEGMENT_FILE_COUNT];
    struct segment_state state;
    /* The appender's: entries from index_written on. */
    uint8_t index_tail[INDEX_TAIL_ENTRIES * INDEX_ENTRY_BYTES];
    uint8_t time_index_tail[INDEX_TAIL_ENTRIES * TIME_INDEX_ENTRY_BYTES];
};

/* "00000000000000000042.log" -> 42. Another suffix or not 20 digits: ERR_MALFORMED. */
int segment_parse_name(const char *name, const char *suffix, int64_t *base_offset) MUST_USE;
/* "<folder>/00000000000000000042<suffix>"; the caller frees it with mem_free. */
char *segment_path(const char *folder, int64_t base_offset, const char *suffix);
const char *segment_suffix(enum segment_file file);

/* Make an empty one. Files that are there already are emptied. */
int segment_create(const char *folder, int64_t base_offset, struct storage_segment **segment) MUST_USE;
/* Open the files; nothing is known about their content before segment_load or segment_recover. */
int segment_open(const char *folder, int64_t base_offset, struct storage_segment **segment) MUST_USE;

/* Believe the files, as after a proper end. next_offset is the next segment's base, or -1 for the last one, whose
 * batches behind the last index entry are walked. ERR_CORRUPT: they do not fit together; recover it. */
int segment_load(struct storage_segment *segment, int64_t next_offset) MUST_USE;
/* Believe only what checks: walk all batches with their checksums, cut .log behind the last good one, write both
 * indexes anew, tell `producers` of each batch. A batch that reaches offset_limit, where the next segment begins, is a
 * bad one. *bytes_cut is what was cut off. Nothing is synced. */
int segment_recover(struct storage_segment *segment, int64_t offset_limit, int64_t index_interval_bytes,
                    struct producers *producers, int64_t *bytes_cut) MUST_USE;

/* Write a batch whose offset is assigned, and index entries when enough have come together; *next is the state
 * afterwards, which the caller makes segment->state when the batch may be seen. On failure the files are cut back as
 * far as possible. */
int segment_append(struct storage_segment *segment, const struct record_batch *batch, int64_t index_interval_bytes,
                   struct segment_state *next) MUST_USE;
/* Take back what segment_append wrote when its state was not taken over. */
void segment_undo_append(struct storage_segment *segment);
/* Before no more is appended: write all index entries, and the last one of .timeindex. */
int segment_seal(struct storage_segment *segment, struct segment_state *next) MUST_USE;
/* Fsync .log, or all files. */
int segment_sync(const struct storage_segment *segment, bool all_files) MUST_USE;

/* Find the first batch whose last offset is at least `offset`: 1 with *batch and scan->batch_position, 0: none. */
int segment_find(const struct storage_segment *segment, const struct segment_state *state, int64_t offset,
                 struct batch_scan *scan, struct record_batch *batch) MUST_USE;
/* The same for a batch whose largest timestamp is at least `timestamp`, which is not negative. */
int segment_find_time(const struct storage_segment *segment, const struct segment_state *state, int64_t timestamp,
                      struct batch_scan *scan, struct record_batch *batch) MUST_USE;
/* Where the last whole batch ends that ends at most at `limit`, looking from the batch at `position` on. */
int segment_find_end(const struct storage_segment *segment, const struct segment_state *state, int64_t position,
                     int64_t limit, int64_t *end) MUST_USE;

void segment_acquire(struct storage_segment *segment);
/* The last one closes the files. */
void segment_release(struct storage_segment *segment);
/* Remove the segment's files from the open folder, whatever that is called by now; holders go on reading. 0, or a
 * negated errno when one of them is still there. */
int segment_unlink(int folder_fd, int64_t base_offset) MUST_USE;

#endif
