/* tables.h: what is computed of a profile, each once: the summary says it in words, the report shows it. [any] */
#ifndef PPROF_TABLES_H
#define PPROF_TABLES_H

#include "pprof/by_label.h"
#include "pprof/live_table.h"
#include "pprof/stack_group.h"
#include "pprof/top.h"
#include "pprof/wait_table.h"

/* A profile may have any number of labels; more than these are not looked at. */
#define TABLES_LABELS_MAX 12

enum profile_kind {
    PROFILE_KIND_OTHER,
    PROFILE_KIND_CPU,
    PROFILE_KIND_HEAP,       /* heap and allocs */
    PROFILE_KIND_GOROUTINE,
    PROFILE_KIND_CONTENTION, /* block and mutex */
    PROFILE_KIND_WALL,       /* fgprof: on and off the processor */
    PROFILE_KIND_THREADS,    /* threadcreate */
    PROFILE_KIND_COUNT,
};

/* By the sample types, as they are the same with everybody who writes such profiles. */
enum profile_kind profile_kind(const struct profile *profile);
/* "cpu", "contention": for scripts. */
const char *profile_kind_name(enum profile_kind kind);

struct tables {
    const struct filter *filter;
    enum profile_kind kind;
    bool is_difference;
    int64_t elapsed_ns;   /* of a difference: from the base's time to the profile's; 0: unknown, or of two windows */
    int64_t sum;          /* of what is kept: less than the filter's total */
    struct weights weights; /* of functions */
    struct top functions; /* all, by what they weigh themselves, without marks */
    struct by_label labels[TABLES_LABELS_MAX]; /* in the order of by_label_keys */
    uint32_t label_count;

    /* Without rows where the kind has none. */
    struct stack_groups groups; /* goroutines */
    struct wait_table waits;    /* contention and wall */
    struct live_table live;     /* heap */
};

/* is_difference: the profile is what profile_subtract made, so values are growth. The filter must outlive them. */
void tables_init(struct tables *tables, const struct filter *filter, bool is_difference, int64_t elapsed_ns);
void tables_deinit(struct tables *tables);

#endif
