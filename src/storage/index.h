/* index.h: the entries of .index and .timeindex files and the search in them.
 *
 * .index: relative offset i32 (of a batch's last record), position i32 (where that batch begins).
 * .timeindex: timestamp i64 (the largest so far), relative offset i32 (last of the batch that has it).
 * Big-endian, ascending, no header and no checksum: whoever doubts an index rebuilds it from its segment. */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include "base/check.h"

#include <stdint.h>

#define INDEX_ENTRY_BYTES 8
#define TIME_INDEX_ENTRY_BYTES 12
/* Kafka's segment.index.bytes: a segment whose indexes are this large is full. */
#define INDEX_FILE_BYTES_MAX (10 * 1024 * 1024)

struct index_entry {
    int32_t relative_offset;
    int32_t position;
};
struct time_index_entry {
    int64_t timestamp;
    int32_t relative_offset;
};

void index_entry_encode(const struct index_entry *entry, uint8_t bytes[INDEX_ENTRY_BYTES]);
void time_index_entry_encode(const struct time_index_entry *entry, uint8_t bytes[TIME_INDEX_ENTRY_BYTES]);

/* The last of the first `count` entries with relative_offset <= offset (position <= position, timestamp <= timestamp).
 * 1: found; 0: none is that small, *entry is zero; or a negated errno. */
int index_find_offset(int fd, uint32_t count, int64_t offset, struct index_entry *entry) MUST_USE;
int index_find_position(int fd, uint32_t count, int64_t position, struct index_entry *entry) MUST_USE;
int time_index_find(int fd, uint32_t count, int64_t timestamp, struct time_index_entry *entry) MUST_USE;

#endif
