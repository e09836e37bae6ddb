/* stack_group.c: samples with equal stacks, found by the hash of those. */
#include "pprof/stack_group.h"

#include "pprof/heaviest.h"
#include "pprof/index.h"
#include "pprof/row.h"
#include "pprof/value.h"

#define FRAMES_PRINTED 8

struct collector {
    const struct profile *profile;
    struct stack_group *groups;
    uint32_t count, capacity;
    struct index index; /* of groups by their stacks */
    uint32_t api_key, reason_key, waited_key, seconds; /* strings */
};

static uint32_t hash_stack(const struct profile *profile, const struct profile_sample *sample)
{
    const uint32_t *ids = profile->sample_locations + sample->location_start;
    uint64_t hash = hash_begin(sample->location_count);
    for (uint32_t i = 0; i < sample->location_count; i++)
        hash = hash_mix(hash, ids[i]);
    return hash_finish(hash);
}

static bool has_stack(const void *owner, uint32_t position, const void *key)
{
    const struct collector *collector = owner;
    const uint32_t *ids = collector->profile->sample_locations;
    const struct profile_sample *a = &collector->profile->samples[collector->groups[position].sample], *b = key;
    return a->location_count == b->location_count &&
           memcmp(ids + a->location_start, ids + b->location_start, a->location_count * sizeof(*ids)) == 0;
}

static struct stack_group *group_of(struct collector *collector, uint32_t sample)
{
    const struct profile_sample *key = &collector->profile->samples[sample];
    uint32_t hash = hash_stack(collector->profile, key);
    uint32_t position = index_find(&collector->index, hash, has_stack, collector, key);
    if (position != NOT_IN_INDEX)
        return &collector->groups[position];
    if (collector->count == collector->capacity) {
        collector->capacity = collector->capacity == 0 ? 64 : collector->capacity * 2;
        collector->groups = mem_realloc(collector->groups, collector->capacity * sizeof(*collector->groups));
    }
    index_insert(&collector->index, hash, collector->count);
    collector->groups[collector->count] = (struct stack_group){.sample = sample};
    return &collector->groups[collector->count++];
}

static void note_labels(const struct collector *collector, const struct profile_sample *sample,
                        struct stack_group *group)
{
    const struct profile *profile = collector->profile;
    int64_t waited_s = 0;
    bool is_request = false;
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(profile, sample->label_start + i);
        if (label.key == 0)
            continue; /* it has no name, and is not one of those that are looked for and not there */
        if (label.text == 0) {
            if (label.key == collector->waited_key && label.unit == collector->seconds && collector->seconds != 0)
                waited_s = label.number;
        } else if (label.key == collector->api_key) {
            is_request = true;
        } else if (label.key == collector->reason_key) {
            const char *reason = profile_text(profile, label.text); /* one text, one address */
            group->has_other_reasons |= group->reason != NULL && group->reason != reason;
            group->reason = group->reason == NULL ? reason : group->reason;
        }
    }
    if (waited_s > group->waited_s)
        group->waited_s = waited_s;
    if (is_request && waited_s > group->request_waited_s)
        group->request_waited_s = waited_s;
}

static int compare_groups(const void *left, const void *right)
{
    const struct stack_group *a = left, *b = right;
    if (value_magnitude(a->sum) != value_magnitude(b->sum))
        return value_magnitude(a->sum) > value_magnitude(b->sum) ? -1 : 1;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

static bool waits_longer(const struct stack_group *group, const struct stack_group *than)
{
    if (group->request_waited_s != than->request_waited_s)
        return group->request_waited_s > than->request_waited_s;
    return group->waited_s > than->waited_s;
}

void stack_groups_init(struct stack_groups *groups, const struct filter *filter)
{
    const struct profile *profile = filter->profile;
    *groups = (struct stack_groups){.filter = filter};
    arena_init(&groups->arena);
    struct collector collector = {.profile = profile, .api_key = profile_find_string(profile, "api"),
                                  .reason_key = profile_find_string(profile, "reason"),
                                  .waited_key = profile_find_string(profile, STACK_GROUP_WAITED_LABEL),
                                  .seconds = profile_find_string(profile, "seconds")};
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        int64_t value = filter_value(filter, i);
        if (value == 0 || !filter_keeps(filter, i))
            continue;
        struct stack_group *group = group_of(&collector, i);
        group->sum = value_add(group->sum, value);
        if (value > 0) /* of a difference: how it is now */
            note_labels(&collector, &profile->samples[i], group);
    }
    groups->rows = arena_alloc_array(&groups->arena, STACK_GROUPS_MAX, sizeof(*groups->rows));
    struct heaviest heaviest = {.rows = groups->rows, .row_size = sizeof(*groups->rows),
                                .capacity = STACK_GROUPS_MAX, .compare = compare_groups};
    for (uint32_t i = 0; i < collector.count; i++) {
        const struct stack_group *group = &collector.groups[i];
        if (group->sum == 0)
            continue;
        groups->group_count++;
        heaviest_offer(&heaviest, group);
        if (waits_longer(group, &groups->longest))
            groups->longest = *group;
    }
    groups->row_count = heaviest.count;
    mem_free(collector.groups);
    index_deinit(&collector.index);
}

void stack_groups_deinit(struct stack_groups *groups)
{
    arena_deinit(&groups->arena);
}

uint32_t stack_group_names(const struct filter *filter, uint32_t sample, const char **names, uint32_t names_max)
{
    const struct profile *profile = filter->profile;
    const struct profile_sample *of = &profile->samples[sample];
    uint32_t count = 0;
    for (uint32_t i = prune_sample(&filter->prune, of); i < of->location_count && count < names_max; i++) {
        uint32_t id = profile->sample_locations[of->location_start + i];
        const struct profile_location *location = &profile->locations[id - 1];
        for (uint32_t j = prune_first_line(&filter->prune, id); j < location->line_count && count < names_max; j++) {
            uint32_t function = profile->lines[location->line_start + j].function;
            names[count++] = profile_text(profile, profile->functions[function - 1].name);
        }
    }
    return count;
}

/* Whole days, hours, minutes or seconds: "5m". */
static void append_seconds(int64_t seconds, struct buf *out)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (seconds % units[i].seconds != 0)
        i++;
    buf_printf(out, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
}

void stack_group_append_state(const struct stack_group *group, struct buf *out)
{
    if (group->reason != NULL)
        buf_printf(out, "%s%s, ", group->reason, group->has_other_reasons ? " and others" : "");
    if (group->waited_s > 0) {
        buf_append_string(out, "for ");
        append_seconds(group->waited_s, out);
        buf_append_string(out, " or longer, ");
    }
}

void stack_group_append_stack(const struct filter *filter, const struct stack_group *group, uint32_t frames_max,
                              struct buf *out)
{
    ASSERT(frames_max <= STACK_GROUP_FRAMES_MAX);
    const char *names[STACK_GROUP_FRAMES_MAX];
    uint32_t count = stack_group_names(filter, group->sample, names, frames_max);
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : " < ", names[i]);
    if (count == 0)
        buf_append_string(out, "code without names");
}

void stack_groups_print(const struct stack_groups *groups, uint32_t row_limit, struct buf *out)
{
    if (groups->row_count == 0)
        return;
    buf_append_string(out, "stacks:\n");
    uint32_t shown = row_limit < groups->row_count ? row_limit : groups->row_count;
    for (uint32_t i = 0; i < shown; i++) {
        const struct stack_group *group = &groups->rows[i];
        row_append_sum(groups->filter, group->sum, out);
        buf_append_string(out, "  ");
        stack_group_append_state(group, out);
        buf_append_string(out, "in ");
        stack_group_append_stack(groups->filter, group, FRAMES_PRINTED, out);
        buf_append_byte(out, '\n');
    }
    row_append_rest(groups->group_count - shown, out);
}

void stack_groups_write_json(const struct stack_groups *groups, struct json_writer *json, const char *name)
{
    json_open_object(json, name);
    json_write_integer(json, "stacks", groups->group_count);
    json_open_array(json, "rows");
    for (uint32_t i = 0; i < groups->row_count; i++) {
        const struct stack_group *group = &groups->rows[i];
        json_open_object(json, NULL);
        json_write_integer(json, "sum", group->sum);
        json_write_number(json, "share", value_share(group->sum, groups->filter->total));
        json_write_string(json, "reason", group->reason);
        if (group->waited_s > 0)
            json_write_integer(json, "waited_s", group->waited_s);
        else
            json_write_string(json, "waited_s", NULL);
        json_open_array(json, "stack");
        const char *names[STACK_GROUP_FRAMES_MAX];
        uint32_t count = stack_group_names(groups->filter, group->sample, names, STACK_GROUP_FRAMES_MAX);
        for (uint32_t j = 0; j < count; j++)
            json_write_string(json, NULL, names[j]);
        json_close_array(json);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
