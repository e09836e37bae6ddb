/* stack_group.c: samples sorted by their stacks, so that equal ones are neighbours. */
#include "pprof/stack_group.h"

#include <stdlib.h>

static int compare_stacks(const void *left, const void *right, void *context)
{
    const struct profile *profile = *(const struct profile *const *)context;
    const struct profile_sample *a = &profile->samples[*(const uint32_t *)left];
    const struct profile_sample *b = &profile->samples[*(const uint32_t *)right];
    if (a->location_count != b->location_count)
        return a->location_count < b->location_count ? -1 : 1;
    if (a->location_count == 0)
        return 0;
    return memcmp(profile->sample_locations + a->location_start, profile->sample_locations + b->location_start,
                  a->location_count * sizeof(uint32_t));
}

static int compare_groups(const void *left, const void *right)
{
    const struct stack_group *a = left, *b = right;
    if (a->sum != b->sum)
        return a->sum > b->sum ? -1 : 1;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

static const char *label_text(const struct profile *profile, const struct profile_sample *sample, const char *key)
{
    for (uint32_t i = 0; i < sample->label_count; i++) {
        const struct profile_label *label = &profile->sample_labels[sample->label_start + i];
        if (label->text != 0 && strcmp(profile_text(profile, label->key), key) == 0)
            return profile_text(profile, label->text);
    }
    return NULL;
}

uint32_t stack_groups(const struct filter *filter, struct stack_group **groups, struct arena *arena)
{
    const struct profile *profile = filter->profile;
    uint32_t *order = arena_alloc_array(arena, profile->sample_count, sizeof(*order)), count = 0, group_count = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        if (filter_keeps(filter, i) && filter_value(filter, i) > 0)
            order[count++] = i;
    }
    if (count > 0)
        qsort_r(order, count, sizeof(*order), compare_stacks, &profile);
    struct stack_group *list = arena_alloc_array(arena, count, sizeof(*list));
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || compare_stacks(&order[i - 1], &order[i], &profile) != 0)
            list[group_count++] = (struct stack_group){.sample = order[i]};
        struct stack_group *group = &list[group_count - 1];
        /* Hostile values wrap, as in Go. */
        group->sum = (int64_t)((uint64_t)group->sum + (uint64_t)filter_value(filter, order[i]));
        if (order[i] < group->sample)
            group->sample = order[i];
        if (group->reason == NULL)
            group->reason = label_text(profile, &profile->samples[order[i]], "reason");
    }
    if (group_count > 0)
        qsort(list, group_count, sizeof(*list), compare_groups);
    *groups = list;
    return group_count;
}

void stack_group_append_names(const struct filter *filter, const struct stack_group *group, uint32_t frames_max,
                              struct buf *out)
{
    const struct profile *profile = filter->profile;
    const struct profile_sample *sample = &profile->samples[group->sample];
    uint32_t shown = 0;
    for (uint32_t i = prune_sample(&filter->prune, sample); i < sample->location_count && shown < frames_max; i++) {
        uint32_t id = profile->sample_locations[sample->location_start + i];
        const struct profile_location *location = &profile->locations[id - 1];
        for (uint32_t j = prune_first_line(&filter->prune, id); j < location->line_count && shown < frames_max; j++) {
            uint32_t function = profile->lines[location->line_start + j].function;
            buf_printf(out, "%s%s", shown++ == 0 ? "" : " < ",
                       profile_text(profile, profile->functions[function - 1].name));
        }
    }
    if (shown == 0)
        buf_append_string(out, "code without names");
}
