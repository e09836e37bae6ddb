/* row.h: what rows of a report's smaller tables have in common: those by label, of stacks, of waits. [any] */
#ifndef PPROF_ROW_H
#define PPROF_ROW_H

#include "base/buf.h"
#include "pprof/filter.h"

/* Append "     180ms 42.86%": a sum, in the filter's unit, and its share of the filter's total. */
void row_append_sum(const struct filter *filter, int64_t sum, struct buf *out);

/* Append "and 3 more" as a row's text, if there are any. */
void row_append_rest(uint32_t count, struct buf *out);

#endif
