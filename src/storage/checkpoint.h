/* checkpoint.h: Kafka's text files of one offset a partition: version 0, a count, lines "topic partition offset". */
#ifndef STORAGE_CHECKPOINT_H
#define STORAGE_CHECKPOINT_H

#include "base/buf.h"
#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

struct checkpoint_entry {
    char *log_name; /* "topic-partition" */
    int64_t offset;
};
struct checkpoint {
    struct checkpoint_entry *entries; /* sorted by name */
    size_t count;
};

/* ERR_CORRUPT: not such a file. No file: 0 and no entries. Blocks. */
int checkpoint_read(const char *path, struct checkpoint *checkpoint) MUST_USE;
void checkpoint_deinit(struct checkpoint *checkpoint);
/* `otherwise` when the partition is not named. */
int64_t checkpoint_find(const struct checkpoint *checkpoint, const char *log_name, int64_t otherwise);

/* The file's text: begin with the count, then one line for each. */
void checkpoint_begin(struct buf *text, size_t count);
void checkpoint_add(struct buf *text, const char *topic, int32_t partition, int64_t offset);

#endif
