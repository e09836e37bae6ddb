/* top.h: the table of the functions, or lines, that weigh most, as `go tool pprof -top` prints it.
 *
 * Follows the pprof of Go 1.26 to the byte: one row a function name, those below 0.5 % left out. Not done here:
 * symbols for locations that have none (pprof opens the binary), and mangled names of C++ (see simplify.h for what is).
 * Told otherwise: a profile without mappings that is compared with a base has the base's File and Build ID lines
 * (pprof has none); and a Duration line has no percentage of a time that no 64 bits hold (pprof's is of what they wrap
 * to).
 *
 * The pprof of Go 1.19 prints the same but for this: the Time line has another form, there is no Doc line, a base must
 * have the same sample types, samples without a stack are not asked for their labels; and a profile that is alone is
 * merged like several: equal samples, mappings and comments are one, and what no sample has a use for is gone. So the
 * total is less where samples of one stack and labels have different signs, a mapping may have another's name, and an
 * expression may match nothing. [any] */
#ifndef PPROF_TOP_H
#define PPROF_TOP_H

#include "base/buf.h"
#include "base/json.h"
#include "pprof/filter.h"
#include "pprof/profile.h"
#include "pprof/weights.h"

/* pprof's default for -nodefraction. */
#define TOP_NODE_FRACTION 0.005

struct top_options {
    uint32_t row_limit; /* -nodecount; 0: all rows */
    bool by_cum;        /* -cum: sorted by it */
    bool by_line;       /* -lines: a row a line of source, not a function */
    bool is_unmarked;   /* no row has a mark: half the time */
};

struct top_row {
    const char *text;     /* as printed, without the mark */
    const char *function, *file; /* "" if unknown; the file only by line */
    int64_t line;         /* 0: unknown, or not by line */
    int64_t flat, cum;
    const char *mark;     /* "", "(inline)", "(partial-inline)" */
};

struct top {
    const struct filter *filter;
    struct top_row *rows;
    uint32_t row_count;
    uint32_t candidate_count, dropped_count; /* nodes above and below the cutoff */
    const char *output_unit; /* one for all values */
    struct arena arena;
};

/* The filter must outlive the table. */
void top_init(struct top *top, const struct filter *filter, const struct top_options *options);
/* The same of samples that are added up already, by what the options say; the weights may go then. */
void top_init_weighed(struct top *top, const struct weights *weights, const struct top_options *options);
void top_deinit(struct top *top);

/* Append header and table. The time is that of the local zone. */
void top_print(const struct top *top, struct buf *out);
/* {"type", "unit", "total", "duration_ns", "dropped", "rows": [{"function", "flat", "cum", ...}]} */
void top_write_json(const struct top *top, struct json_writer *json, const char *name);

/* That part of a value as pprof cuts it off, without its sign. */
int64_t top_fraction(int64_t value, double fraction);

/* The table of the whole profile by its default sample type, in one call. ERR_MALFORMED: the profile's drop_frames or
 * keep_frames is no regular expression; *out is as before. */
int profile_top(const struct profile *profile, uint32_t row_limit, struct buf *out) MUST_USE;

#endif
