/* report.h: everything that takhin-profiler says of a profile, to people and to scripts: in words what stands out, the
 * table of functions, and how much each value of the labels has. [any] */
#ifndef PPROF_REPORT_H
#define PPROF_REPORT_H

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "pprof/filter.h"
#include "pprof/profile.h"
#include "pprof/top.h"

#include <stdbool.h>

struct report_options {
    struct filter_options filter;
    struct top_options top;
    bool is_difference; /* profile_subtract made it: values are growth */
    int64_t elapsed_ns; /* of a difference: from the base's time to the profile's; 0: unknown */
};

/* Append the report to *out, and to *notes what matched nothing, a line each. The profile's names are simple already
 * (simplify.h). ERR_MALFORMED or ERR_OUT_OF_RANGE: as filter_init says, with a sentence in *problem; *out is as before.
 *
 * An empty line is between its parts: the summary in words; the table, to the byte what `go tool pprof -top` prints; a
 * table for each label that tells samples apart; and then, by kind, for goroutines each group of equal stacks with its
 * state and how long its longest member has waited at least; for block, mutex and fgprof who waits for what, or who
 * makes others wait; for heap what is live beside what was allocated, by function. The tables behind the first have
 * half as many rows as it may have, or, with a row limit of 0, all that they keep (100 each). */
int profile_write_report(const struct profile *profile, const struct report_options *options, struct buf *out,
                         struct buf *notes, struct buf *problem) MUST_USE;

/* The same as members of an object that the caller has opened. Numbers are in the unit of the sample type, and whole;
 * shares are of the total, 1 is all of it. Tables have all rows that are kept, but for top, which has its row limit.
 *
 *   "summary": {"kind": "cpu", "findings": [{"id", "text", "next", "value", "unit", "share"}]}
 *   "top": {"type", "unit", "total", "time_ns", "duration_ns", "dropped", "candidates",
 *           "rows": [{"name", "function", "file", "line", "flat", "cum", "inlined"}]}   file and line only by line
 *   "labels": [{"key", "values", "rows": [{"value", "sum", "share", "samples"}]}]       value null: without the label
 * and of these, one at most:
 *   "groups": {"stacks", "rows": [{"sum", "share", "reason", "waited_s", "stack": ["leaf", ...]}]}         goroutines
 *   "waits": {"of": "waiters", "holders" or "requests", "unit", "pairs",
 *             "rows": [{"who", "what", "time", "share", "count"}]}                              block, mutex, fgprof
 *   "live": {"functions", "elapsed_ns",
 *            "rows": [{"function", "inuse_space", "inuse_objects", "alloc_space", "alloc_objects"}]}           heap
 *
 * kind is cpu, heap, goroutine, contention, wall, threadcreate or other. values, stacks, pairs and functions say how
 * many rows there would be if all were kept. What is not known is null, or absent where it never is for this kind. */
int profile_write_report_json(const struct profile *profile, const struct report_options *options,
                              struct json_writer *json, struct buf *notes, struct buf *problem) MUST_USE;

#endif
