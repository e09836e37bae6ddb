/* stack_group.h: samples by their stacks, whatever their labels: who waits where, and how many of them. [any] */
#ifndef PPROF_STACK_GROUP_H
#define PPROF_STACK_GROUP_H

#include "base/buf.h"
#include "base/mem.h"
#include "pprof/filter.h"

struct stack_group {
    uint32_t sample; /* one of them */
    int64_t sum;
    const char *reason; /* why they wait, a label of one of them; NULL: unknown */
};

/* How many different stacks the samples have that the filter keeps and that count for more than nothing; *groups, the
 * arena's, has the largest first. Takes 32 bytes a sample. */
uint32_t stack_groups(const struct filter *filter, struct stack_group **groups, struct arena *arena);

/* Append "poll < serve < main": functions from the leaf on, at most frames_max. */
void stack_group_append_names(const struct filter *filter, const struct stack_group *group, uint32_t frames_max,
                              struct buf *out);

#endif
