/* stack_group.h: samples by their stacks, whatever their labels: who waits where, for how long, and how many of them.
 * [any] */
#ifndef PPROF_STACK_GROUP_H
#define PPROF_STACK_GROUP_H

#include "base/buf.h"
#include "base/json.h"
#include "pprof/filter.h"

/* More are counted, and not kept. */
#define STACK_GROUPS_MAX 100
/* Frames of a stack that are told of. */
#define STACK_GROUP_FRAMES_MAX 64

/* What a label of takhin's parked tasks is called: for how many seconds they have waited at least. */
#define STACK_GROUP_WAITED_LABEL "waited"

struct stack_group {
    int64_t sum;
    int64_t waited_s;    /* the longest wait of them, at least; 0: unknown, or shorter than any that is told */
    int64_t request_waited_s; /* the same of those of them that serve a request: they have the label api */
    const char *reason;  /* why the first of them waits that has this label, or "running"; NULL: unknown */
    uint32_t sample;     /* the first of them */
    bool has_other_reasons;
};

struct stack_groups {
    const struct filter *filter;
    struct stack_group *rows; /* largest first */
    uint32_t row_count;
    uint32_t group_count;       /* how many rows there would be without the limit */
    /* Who waits longest: of those that serve requests if any waits, as others idle for hours and nobody minds. waited_s
     * is 0 if that is not known of any. */
    struct stack_group longest;
    struct arena arena;
};

/* Samples that the filter keeps and that count for something; those that cancel out are no group. The filter must
 * outlive them. */
void stack_groups_init(struct stack_groups *groups, const struct filter *filter);
void stack_groups_deinit(struct stack_groups *groups);

/* Names of a sample's functions from the leaf on, without what the profile's drop_frames hides: how many there are, at
 * most names_max. */
uint32_t stack_group_names(const struct filter *filter, uint32_t sample, const char **names, uint32_t names_max);

/* Append "data wait, for 5m or longer, ": what is known of it. */
void stack_group_append_state(const struct stack_group *group, struct buf *out);
/* Append "poll < serve < main": functions from the leaf on, at most frames_max. */
void stack_group_append_stack(const struct filter *filter, const struct stack_group *group, uint32_t frames_max,
                              struct buf *out);

/* Append "stacks:" and a line for each group, at most row_limit; nothing if there are none. */
void stack_groups_print(const struct stack_groups *groups, uint32_t row_limit, struct buf *out);
/* An object: {"stacks", "rows": [{"sum", "share", "reason", "waited_s", "stack"}]}: how many groups there are; of each
 * its functions from the leaf on. reason and waited_s are null where they are not known. */
void stack_groups_write_json(const struct stack_groups *groups, struct json_writer *json, const char *name);

#endif
