/* weights.c: each frame of each sample adds to its node. */
#include "pprof/weights.h"

#include "pprof/value.h"

/* seen_in: by node, the last sample that counted there, from 1: recursion counts once. */
static void weigh_sample(struct weights *weights, uint32_t *seen_in, uint32_t number, int64_t value)
{
    const struct profile *profile = weights->filter->profile;
    const struct frame_table *table = &weights->table;
    const struct profile_sample *sample = &profile->samples[number];
    const uint32_t *ids = profile->sample_locations + sample->location_start;
    uint32_t leaf = UINT32_MAX;
    for (uint32_t i = sample->location_count, first = prune_sample(&weights->filter->prune, sample); i > first; i--) {
        for (uint32_t j = table->starts[ids[i - 1] - 1]; j < table->starts[ids[i - 1]]; j++) {
            leaf = table->frames[j].node;
            if (seen_in[leaf] != number + 1) {
                seen_in[leaf] = number + 1;
                weights->cum[leaf] = value_add(weights->cum[leaf], value);
            }
        }
    }
    if (leaf == UINT32_MAX)
        return;
    weights->flat[leaf] = value_add(weights->flat[leaf], value);
    weights->flat_sum = value_add(weights->flat_sum, value);
}

void weights_init(struct weights *weights, const struct filter *filter, bool by_line)
{
    *weights = (struct weights){.filter = filter, .by_line = by_line};
    arena_init(&weights->arena);
    frame_table_init(&weights->table, filter->profile, &filter->prune, by_line, &weights->arena);
    weights->flat = arena_alloc_array(&weights->arena, weights->table.node_count, sizeof(*weights->flat));
    weights->cum = arena_alloc_array(&weights->arena, weights->table.node_count, sizeof(*weights->cum));
    uint32_t *seen_in = mem_alloc_array(weights->table.node_count, sizeof(*seen_in));
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        int64_t value = filter_value(filter, i);
        if (value != 0 && filter_keeps(filter, i))
            weigh_sample(weights, seen_in, i, value);
    }
    mem_free(seen_in);
}

void weights_deinit(struct weights *weights)
{
    arena_deinit(&weights->arena);
}
