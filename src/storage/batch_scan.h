/* batch_scan.h: walk the record batches of a log file by their headers, without reading what lies between. */
#ifndef STORAGE_BATCH_SCAN_H
#define STORAGE_BATCH_SCAN_H

#include "base/check.h"
#include "kafka/record_batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_scan {
    int fd;
    int64_t batch_position;    /* where the batch that was found last begins */
    int64_t position, end;     /* of the next batch; the file's bytes that count */
    int64_t window_position;   /* what is buffered: many small batches cost one read */
    size_t window_size;
    uint8_t window[4096];
};

void batch_scan_init(struct batch_scan *scan, int fd, int64_t position, int64_t end);
/* 1: *batch is the next one (its `whole` has the size, but its bytes are in the file only). 0: exactly at the end.
 * ERR_TRUNCATED, ERR_MALFORMED, ERR_UNSUPPORTED: no whole batch begins here. Else a negated errno. Blocks. */
int batch_scan_next(struct batch_scan *scan, struct record_batch *batch) MUST_USE;
/* The checksum of the batch that was found last: 0, ERR_CORRUPT or a negated errno. Blocks. */
int batch_scan_check_crc(const struct batch_scan *scan, const struct record_batch *batch) MUST_USE;

#endif
