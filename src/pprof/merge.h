/* merge.h: several profiles as one, and one less another, by the rules of `go tool pprof`.
 *
 * Sample types are those that all have, in the first one's order, each in the finest unit of them. Time is the
 * earliest, durations add up, the period is the longest, comments are kept once each. A mapping is the same if it is
 * as large, at the same offset and of the same build id (or else file), so that a restart changes nothing: addresses
 * count from its start. Samples whose values are all 0 are left out, and what only they refer to. [any] */
#ifndef PPROF_MERGE_H
#define PPROF_MERGE_H

#include "base/buf.h"
#include "pprof/profile.h"

#include <stddef.h>

struct merge_input {
    const struct profile *profile;
    const char *label_key, *label_value; /* put on each of its samples, replacing another value; NULL: none */
};

/* *merged is the caller's (profile_destroy). On failure it is NULL, and a sentence is appended to *problem:
 * ERR_UNSUPPORTED, they measure different things; ERR_TOO_LARGE, together they are beyond what a profile can hold. */
int profile_merge(const struct merge_input *inputs, size_t count, struct profile **merged,
                  struct buf *problem) MUST_USE;

/* profile less base. is_comparison says which flag of pprof it is:
 *   false  -base: equal samples cancel out, what remains is a profile of its own
 *   true   -diff_base: the base's samples stay, negative and labelled, so that shares are of the base's total */
int profile_subtract(const struct profile *profile, const struct profile *base, bool is_comparison,
                     struct profile **difference, struct buf *problem) MUST_USE;

#endif
