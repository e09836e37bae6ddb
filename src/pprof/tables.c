/* tables.c: which tables each kind of profile has. */
#include "pprof/tables.h"

#include "pprof/value.h"

static const struct {
    const char *type; /* a profile with this sample type is of this kind; the first row that fits decides */
    enum profile_kind kind;
} types[] = {
    {"cpu", PROFILE_KIND_CPU},
    {"inuse_space", PROFILE_KIND_HEAP},
    {"alloc_space", PROFILE_KIND_HEAP},
    {"space", PROFILE_KIND_HEAP},
    {"goroutine", PROFILE_KIND_GOROUTINE},
    {"goroutineleak", PROFILE_KIND_GOROUTINE},
    {"delay", PROFILE_KIND_CONTENTION},
    {"threadcreate", PROFILE_KIND_THREADS},
    {"time", PROFILE_KIND_WALL},
};

enum profile_kind profile_kind(const struct profile *profile)
{
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (filter_find_column(profile, types[i].type) != FILTER_NO_COLUMN)
            return types[i].kind;
    }
    return PROFILE_KIND_OTHER;
}

const char *profile_kind_name(enum profile_kind kind)
{
    static const char *const names[PROFILE_KIND_COUNT] = {
        [PROFILE_KIND_OTHER] = "other",
        [PROFILE_KIND_CPU] = "cpu",
        [PROFILE_KIND_HEAP] = "heap",
        [PROFILE_KIND_GOROUTINE] = "goroutine",
        [PROFILE_KIND_CONTENTION] = "contention",
        [PROFILE_KIND_WALL] = "wall",
        [PROFILE_KIND_THREADS] = "threadcreate",
    };
    return names[kind];
}

static int64_t sum_of(const struct filter *filter)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        if (filter_keeps(filter, i))
            sum = value_add(sum, filter_value(filter, i));
    }
    return sum;
}

static void add_labels(struct tables *tables)
{
    const char *keys[TABLES_LABELS_MAX];
    size_t key_count = by_label_keys(tables->filter->profile, keys, TABLES_LABELS_MAX);
    for (size_t i = 0; i < key_count && i < TABLES_LABELS_MAX; i++)
        by_label_init(&tables->labels[tables->label_count++], tables->filter, keys[i]);
}

/* What came in one window and what came in another is no growth over the time between them; but what is live is so
 * when its window ends. */
static bool changes_with_time(const struct filter *filter)
{
    return filter->profile->duration_ns <= 0 || strncmp(filter->type, "inuse_", 6) == 0;
}

void tables_init(struct tables *tables, const struct filter *filter, bool is_difference, int64_t elapsed_ns)
{
    *tables = (struct tables){.filter = filter, .kind = profile_kind(filter->profile), .is_difference = is_difference,
                              .elapsed_ns = changes_with_time(filter) ? elapsed_ns : 0, .sum = sum_of(filter)};
    weights_init(&tables->weights, filter, false);
    top_init_weighed(&tables->functions, &tables->weights, &(struct top_options){.is_unmarked = true});
    add_labels(tables);
    if (tables->kind == PROFILE_KIND_GOROUTINE)
        stack_groups_init(&tables->groups, filter);
    if (tables->kind == PROFILE_KIND_CONTENTION || tables->kind == PROFILE_KIND_WALL)
        wait_table_init(&tables->waits, filter);
    if (tables->kind == PROFILE_KIND_HEAP)
        live_table_init(&tables->live, filter, is_difference ? elapsed_ns : 0);
}

void tables_deinit(struct tables *tables)
{
    live_table_deinit(&tables->live);
    wait_table_deinit(&tables->waits);
    stack_groups_deinit(&tables->groups);
    for (uint32_t i = 0; i < tables->label_count; i++)
        by_label_deinit(&tables->labels[i]);
    top_deinit(&tables->functions);
    weights_deinit(&tables->weights);
}
