/* report.h: everything that takhin-profiler says of a profile, for people and for scripts: in words what stands out, the
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
 * Beyond summary and table: for goroutines, each group of equal stacks with its state and how long its longest member
 * has waited at least; for block and mutex, who waits for what; for heap, live beside allocated by function. */
int profile_write_report(const struct profile *profile, const struct report_options *options, struct buf *out,
                         struct buf *notes, struct buf *problem) MUST_USE;

/* The same as members of an object that the caller has opened: "summary", "top", "labels", "groups" ... */
int profile_write_report_json(const struct profile *profile, const struct report_options *options, struct json *json,
                              struct buf *notes, struct buf *problem) MUST_USE;

#endif
