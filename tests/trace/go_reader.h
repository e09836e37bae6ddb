/* go_reader.h: what `go tool trace` would say of a trace: an own reader of Go's two formats, which checks every rule
 * that the real ones are known to refuse a file for, or to fall over later.
 *
 * It shares nothing with the encoders, and is not made for speed. Stricter than Go in a few places: ids of strings and
 * stacks must be defined, a pc means one frame only, and records that takhin has no use for are refused. */
#ifndef TESTS_TRACE_GO_READER_H
#define TESTS_TRACE_GO_READER_H

#include "base/bytes.h"
#include "trace/event.h"

#define GO_READER_WAIT_COUNT (TRACE_EVENT_WAIT_SELECT + 1)

/* Durations count when they have ended in the trace. */
struct go_reader_counts {
    uint64_t tasks;          /* that were there, or came */
    uint64_t starts, yields, unparks, ends;
    uint64_t parks[GO_READER_WAIT_COUNT];   /* version 1.22 tells no conditions from locks: all are SYNC */
    uint64_t waited_ns[GO_READER_WAIT_COUNT];
    uint64_t runnable_ns;
    uint64_t calls, call_ns;
    uint64_t requests, request_ns; /* request_ns: of those that ended */
    uint64_t regions, region_ns;
    uint64_t logs, samples, heap_sizes;
    uint64_t lane_starts, lane_stops;
    uint64_t generations;
};

/* NULL if a file of either format is free of faults; else the first one, valid until the next call. */
const char *go_reader_check(struct bytes file, struct go_reader_counts *counts);

#endif
