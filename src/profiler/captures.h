/* captures.h: traces of what was slow, saved by the profiler itself: a folder of files with a cap.
 *
 * A request that takes longer than profiler.slow_request_ms saves the trace of the time around it, at most one per
 * cooldown; the oldest files are removed when they are too old or too many. */
#ifndef PROFILER_CAPTURES_H
#define PROFILER_CAPTURES_H

#include "base/buf.h"
#include "base/check.h"
#include "profiler/options.h"

#include <stddef.h>
#include <stdint.h>

struct captures;
struct profiler;

struct captures *captures_create(struct profiler *profiler);
void captures_destroy(struct captures *captures);
/* The folder is made when it is first needed. [any] */
void captures_configure(struct captures *captures, const struct profiler_options *options);

/* Of a capture's name, with the NUL. */
#define CAPTURE_NAME_BYTES 72

struct capture_file {
    char name[CAPTURE_NAME_BYTES]; /* "20261123T031502Z-Produce-1203ms.trace": nothing that needs escaping */
    int64_t time_ns;    /* when the request ended, since 1970 */
    uint64_t size_bytes;
};
/* Newest first; the caller frees *files with mem_free. How many, or a negative error. Blocks: off the loops. [any] */
int captures_list(struct captures *captures, struct capture_file **files) MUST_USE;
/* The whole of one. ERR_NOT_FOUND: no capture has this name (or it is no name of a capture). Blocks. [any] */
int captures_read(struct captures *captures, const char *name, struct buf *content) MUST_USE;

struct captures_stats {
    uint64_t saved_count, skipped_count, failed_count; /* skipped: within the cooldown */
    uint64_t held_bytes;
};
struct captures_stats captures_stats(struct captures *captures);

#endif
