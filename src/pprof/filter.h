/* filter.h: which samples of a profile a report counts, and by which of their values: the flags of `go tool pprof`.
 *
 * Everything means what it means there. focus and ignore are matched against the names of functions, their files and
 * the mapped files of all frames of a stack; tag_focus and tag_ignore against labels:
 *   "Fetch"          some label, written key:value, matches; of "a,b" both must, each some label
 *   "api=Fetch"      the label api matches; of "api=a,b" either may
 *   "bytes=4kb:"     a number in the unit, a range: "4kb", ":4kb", "4kb:", "4kb:1mb"
 * Expressions are pattern.h's. [any] */
#ifndef PPROF_FILTER_H
#define PPROF_FILTER_H

#include "base/buf.h"
#include "base/mem.h"
#include "pprof/profile.h"
#include "pprof/prune.h"

/* NULL or "": not asked for. */
struct filter_options {
    const char *sample_index; /* a sample type's name ("inuse_space" also finds "space") or its number */
    const char *focus, *ignore;
    const char *tag_focus, *tag_ignore;
};

/* Label of the samples of a base that a profile is compared with (merge.h); its value is "true". */
#define FILTER_BASE_LABEL "pprof::base"

struct filter {
    const struct profile *profile;
    uint32_t value_index;      /* of the sample type that is counted */
    const char *type, *unit;   /* its two texts */
    int64_t total;             /* magnitudes of all samples, kept or not; of those of the base alone if there are any */
    bool has_base;             /* some samples carry FILTER_BASE_LABEL */
    struct prune prune;        /* what drop_frames hides */
    uint8_t *kept;             /* by sample; NULL: all are */
    struct buf active;         /* "Active filters:" and a line each, as a report's header has them; or empty */
    struct buf notes;          /* lines that pprof writes to standard error: what matched nothing; or empty */
    struct arena arena;
};

/* The profile must outlive the filter. On failure a sentence is appended to *problem and there is nothing to deinit:
 *   ERR_MALFORMED     one of the expressions, or the profile's own drop_frames, is none that is understood here
 *   ERR_OUT_OF_RANGE  no such sample index; the sentence lists those that there are */
int filter_init(struct filter *filter, const struct profile *profile, const struct filter_options *options,
                struct buf *problem) MUST_USE;
void filter_deinit(struct filter *filter);

/* The same samples by another of their values, with the total of those. It borrows all else: nothing to deinit. */
struct filter filter_by_column(const struct filter *filter, uint32_t value_index);
#define FILTER_NO_COLUMN UINT32_MAX
/* The sample type of this name. */
uint32_t filter_find_column(const struct profile *profile, const char *type);

/* The choice of sample_index alone; NULL or "" is the profile's default. */
int filter_value_index(const struct profile *profile, const char *sample_index, uint32_t *index,
                       struct buf *problem) MUST_USE;

static inline bool filter_keeps(const struct filter *filter, uint32_t sample)
{
    return filter->kept == NULL || filter->kept[sample] != 0;
}

static inline int64_t filter_value(const struct filter *filter, uint32_t sample)
{
    return profile_sample_values(filter->profile, &filter->profile->samples[sample])[filter->value_index];
}

#endif
