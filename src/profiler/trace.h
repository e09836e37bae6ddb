/* trace.h: one trace on its way from the recorder to its bytes, on a thread of its own.
 *
 * recorder -> reader (in order) -> repair (free of contradictions) -> encoder of a format -> bytes, which the caller
 * takes as they come. */
#ifndef PROFILER_TRACE_H
#define PROFILER_TRACE_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct profiler;
struct trace_collection;
struct trace_format;

/* Larger files take viewers minutes and gigabytes (4 million events: 1.4 GB in go tool trace 1.19). */
#define TRACE_BYTES_MAX ((size_t)32 << 20)

struct trace_query {
    const struct trace_format *format;
    uint64_t duration_ns; /* from now on; or, if 0: */
    uint64_t last_ns;     /* what was recorded in the time before now */
    bool full_stacks;     /* not with last_ns: what is recorded already has the stacks it has */
    bool is_reserved;     /* never too many: for one at a time that nobody has asked for, a capture */
    /* Called on the collection's own thread when there are more bytes to take, or none will come any more. Or NULL. */
    void (*notify)(void *context);
    void *context;
};

/* 0, or negative: ERR_UNSUPPORTED: last_ns, but the flight recorder is off; ERR_BUSY: too many at once. [any] */
int trace_open(struct profiler *profiler, const struct trace_query *query, struct trace_collection **collection)
    MUST_USE;
/* Append the bytes that are there to `out`. False: these were the last. Never waits. [any] */
bool trace_take(struct trace_collection *collection, struct buf *out);
/* End now: what was recorded so far is the trace. [any] */
void trace_stop(struct trace_collection *collection);
/* Stop if it has not ended, and free it. Waits for its thread: some milliseconds. */
void trace_close(struct trace_collection *collection);

/* What all collections have done since the program started, for /metrics. */
struct trace_stats {
    uint64_t record_count, lost_count, held_bytes, history_ns; /* the recorder's */
    uint64_t event_count, repaired_count, trace_count, cut_count, byte_count;
};
struct trace_stats trace_stats(struct profiler *profiler);

#endif
