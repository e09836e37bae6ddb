/* tag_filter.h: one tagfocus or tagignore: whether a sample's labels match. Part of filter.c. */
#ifndef PPROF_TAG_FILTER_H
#define PPROF_TAG_FILTER_H

#include "pprof/filter.h"
#include "pprof/pair_map.h"
#include "pprof/pattern.h"

#define TAG_PATTERNS_MAX 31 /* separated by commas: a bit each */

struct tag_filter {
    const struct profile *profile;
    uint32_t key;     /* string, or any */
    bool has_key;

    /* Either a range of numbers. */
    bool is_range;
    bool has_low, has_high;
    double low, high;
    const char *unit;
    uint32_t *key_units; /* by key: the string of its first unit, 0: none */

    /* Or expressions. */
    struct pattern *patterns[TAG_PATTERNS_MAX];
    uint32_t pattern_count;
    struct pair_map verdicts; /* of (key, text): which patterns match, a bit each */
};

/* expression: not empty. ERR_MALFORMED. To be deinit'ed in any case; memory is the arena's and its own. */
int tag_filter_init(struct tag_filter *filter, const struct profile *profile, const char *expression,
                    struct arena *arena) MUST_USE;
void tag_filter_deinit(struct tag_filter *filter);
bool tag_filter_matches(struct tag_filter *filter, const struct profile_sample *sample);

#endif
