/* wait_table.c: each sample's stack and labels become a pair of names, and pairs are added up. */
#include "pprof/wait_table.h"

#include "pprof/heaviest.h"
#include "pprof/measure.h"
#include "pprof/pair_map.h"
#include "pprof/row.h"
#include "pprof/value.h"

#define NAME_COLUMN_MAX 40

/* What a function's name says of it, once it was looked at. */
enum verdict {
    UNKNOWN,
    OWN,     /* of the program */
    MEANS,   /* what waiting is made of: Go's locks and channels, takhin's tasks, the C library */
    RELEASE, /* such, and it lets go of a lock */
};

struct pair {
    int64_t time, count;
    uint32_t who, what; /* strings */
    bool is_api;
};

struct collector {
    struct wait_table *table;
    const struct profile *profile;
    uint32_t count_column; /* or FILTER_NO_COLUMN */
    uint32_t api_key, reason_key;
    uint8_t *verdicts; /* by string */
    struct pair_map places;
    struct pair *pairs;
    uint32_t count, capacity;
};

static enum verdict judge(struct collector *collector, uint32_t name)
{
    static const char *const prefixes[] = {"sync.", "runtime.", "internal/", "task_", "pthread_", "__"};
    uint8_t *verdict = &collector->verdicts[name];
    if (*verdict != UNKNOWN)
        return *verdict;
    const char *text = profile_text(collector->profile, name);
    *verdict = OWN;
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            *verdict = strstr(text, "unlock") != NULL || strstr(text, "Unlock") != NULL ? RELEASE : MEANS;
    }
    return *verdict;
}

/* What the leaf end of a stack says. Strings; 0: nothing. */
struct place {
    uint32_t leaf;  /* the function that the stack ends in */
    uint32_t owner; /* the one of the program nearest to it */
    bool is_release;
};

static struct place look_at_stack(struct collector *collector, const struct profile_sample *sample)
{
    const struct profile *profile = collector->profile;
    const struct prune *prune = &collector->table->times.prune;
    struct place place = {0};
    for (uint32_t i = prune_sample(prune, sample); i < sample->location_count && place.owner == 0; i++) {
        uint32_t id = profile->sample_locations[sample->location_start + i];
        const struct profile_location *location = &profile->locations[id - 1];
        for (uint32_t j = prune_first_line(prune, id); j < location->line_count && place.owner == 0; j++) {
            uint32_t name = profile->functions[profile->lines[location->line_start + j].function - 1].name;
            enum verdict verdict = judge(collector, name);
            place.leaf = place.leaf == 0 ? name : place.leaf;
            place.owner = verdict == OWN ? name : 0;
            place.is_release = place.is_release || verdict == RELEASE;
        }
    }
    place.owner = place.owner == 0 ? place.leaf : place.owner; /* only means: the Go runtime's own waits */
    return place;
}

/* The sample's text for a label; of several the last. 0: it has none. */
static uint32_t text_of(const struct profile *profile, const struct profile_sample *sample, uint32_t key)
{
    uint32_t text = 0;
    for (uint32_t i = 0; i < sample->label_count && key != 0; i++) {
        struct profile_label label = profile_label_at(profile, sample->label_start + i);
        text = label.key == key && label.text != 0 ? label.text : text;
    }
    return text;
}

static struct pair *pair_of(struct collector *collector, uint32_t who, uint32_t what)
{
    uint32_t place = pair_map_find_or_add(&collector->places, who, what, collector->count);
    if (place < collector->count)
        return &collector->pairs[place];
    if (collector->count == collector->capacity) {
        collector->capacity = collector->capacity == 0 ? 64 : collector->capacity * 2;
        collector->pairs = mem_realloc(collector->pairs, collector->capacity * sizeof(*collector->pairs));
    }
    collector->pairs[collector->count] = (struct pair){.who = who, .what = what};
    return &collector->pairs[collector->count++];
}

static void add_sample(struct collector *collector, uint32_t number)
{
    const struct profile *profile = collector->profile;
    const struct profile_sample *sample = &profile->samples[number];
    uint32_t api = text_of(profile, sample, collector->api_key);
    uint32_t reason = text_of(profile, sample, collector->reason_key);
    enum wait_table_of of = collector->table->of;
    if (of == REQUESTS && (api == 0 || reason == 0))
        return;
    bool is_api = api != 0 && of != HOLDERS;
    struct place place = is_api && reason != 0 ? (struct place){0} : look_at_stack(collector, sample);
    uint32_t who = is_api ? api : place.owner, what = of == HOLDERS ? api : reason != 0 ? reason : place.leaf;
    struct pair *pair = pair_of(collector, who, what);
    pair->is_api = is_api;
    pair->time = value_add(pair->time, filter_value(&collector->table->times, number));
    if (collector->count_column != FILTER_NO_COLUMN)
        pair->count = value_add(pair->count, profile_sample_values(profile, sample)[collector->count_column]);
}

/* Whether most of the time is of stacks that let go of a lock. */
static bool is_of_holders(struct collector *collector)
{
    const struct filter *times = &collector->table->times;
    double of_release = 0, whole = 0;
    for (uint32_t i = 0; i < collector->profile->sample_count; i++) {
        double time = (double)value_magnitude(filter_value(times, i));
        if (time == 0 || !filter_keeps(times, i))
            continue;
        whole += time;
        if (look_at_stack(collector, &collector->profile->samples[i]).is_release)
            of_release += time;
    }
    return of_release > whole / 2;
}

static int compare_rows(const void *left, const void *right)
{
    const struct wait_row *a = left, *b = right;
    if (value_magnitude(a->time) != value_magnitude(b->time))
        return value_magnitude(a->time) > value_magnitude(b->time) ? -1 : 1;
    int by_who = strcmp(a->who, b->who);
    if (by_who != 0 || a->what == NULL || b->what == NULL)
        return by_who != 0 ? by_who : (a->what == NULL) - (b->what == NULL);
    return strcmp(a->what, b->what);
}

static void select_rows(struct collector *collector)
{
    struct wait_table *table = collector->table;
    table->rows = arena_alloc_array(&table->arena, WAIT_ROWS_MAX, sizeof(*table->rows));
    struct heaviest heaviest = {.rows = table->rows, .row_size = sizeof(*table->rows), .capacity = WAIT_ROWS_MAX,
                                .compare = compare_rows};
    for (uint32_t i = 0; i < collector->count; i++) {
        const struct pair *pair = &collector->pairs[i];
        if (pair->time == 0)
            continue;
        table->pair_count++;
        struct wait_row row = {.time = pair->time, .count = pair->count, .is_api = pair->is_api,
                               .who = pair->who == 0 ? "code without names"
                                                     : profile_text(collector->profile, pair->who),
                               .what = pair->what == 0 ? NULL : profile_text(collector->profile, pair->what)};
        heaviest_offer(&heaviest, &row);
    }
    table->row_count = heaviest.count;
}

void wait_table_init(struct wait_table *table, const struct filter *filter)
{
    const struct profile *profile = filter->profile;
    *table = (struct wait_table){0};
    arena_init(&table->arena);
    uint32_t delay = filter_find_column(profile, "delay");
    uint32_t column = delay != FILTER_NO_COLUMN ? delay : filter_find_column(profile, "time");
    if (column == FILTER_NO_COLUMN)
        return;
    table->times = filter_by_column(filter, column);
    struct collector collector = {.table = table, .profile = profile, .count_column = FILTER_NO_COLUMN,
                                  .api_key = profile_find_string(profile, "api"),
                                  .reason_key = profile_find_string(profile, "reason")};
    if (delay != FILTER_NO_COLUMN)
        collector.count_column = filter_find_column(profile, "contentions");
    table->has_counts = collector.count_column != FILTER_NO_COLUMN;
    collector.verdicts = mem_alloc_array(profile->string_count, sizeof(*collector.verdicts));
    table->of = delay == FILTER_NO_COLUMN ? REQUESTS : is_of_holders(&collector) ? HOLDERS : WAITERS;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        if (filter_keeps(filter, i) && filter_value(&table->times, i) != 0)
            add_sample(&collector, i);
    }
    select_rows(&collector);
    pair_map_deinit(&collector.places);
    mem_free(collector.pairs);
    mem_free(collector.verdicts);
}

void wait_table_deinit(struct wait_table *table)
{
    arena_deinit(&table->arena);
}

static void print_row(const struct wait_table *table, const struct wait_row *row, int who_width, struct buf *out)
{
    char mean[128] = "";
    row_append_sum(&table->times, row->time, out);
    if (table->has_counts) {
        if (row->count > 0)
            measure_format(row->time / row->count, table->times.unit, MEASURE_BEST_UNIT, mean, sizeof(mean));
        buf_printf(out, " %10lld %10s", (long long)row->count, mean);
    }
    buf_printf(out, "  %-*s  %s\n", who_width, row->who, row->what == NULL ? "-" : row->what);
}

/* By enum wait_table_of. */
static const struct {
    const char *name, *title, *what;
} words[] = {
    [WAITERS] = {"waiters", "who waits for what", "for what"},
    [HOLDERS] = {"holders", "who makes others wait", "working for"},
    [REQUESTS] = {"requests", "where requests spend their time", "state"},
};

void wait_table_print(const struct wait_table *table, uint32_t row_limit, struct buf *out)
{
    if (table->row_count == 0)
        return;
    uint32_t shown = row_limit < table->row_count ? row_limit : table->row_count;
    int who_width = 3;
    for (uint32_t i = 0; i < shown; i++) {
        size_t width = strnlen(table->rows[i].who, NAME_COLUMN_MAX);
        who_width = (int)width > who_width ? (int)width : who_width;
    }
    buf_printf(out, "%s:\n%10s %6s", words[table->of].title, "time", "share");
    if (table->has_counts)
        buf_printf(out, " %10s %10s", "count", "mean");
    buf_printf(out, "  %-*s  %s\n", who_width, "who", words[table->of].what);
    for (uint32_t i = 0; i < shown; i++)
        print_row(table, &table->rows[i], who_width, out);
    row_append_rest(table->pair_count - shown, out);
}

void wait_table_write_json(const struct wait_table *table, struct json_writer *json, const char *name)
{
    json_open_object(json, name);
    json_write_string(json, "of", words[table->of].name);
    json_write_string(json, "unit", table->times.unit);
    json_write_integer(json, "pairs", table->pair_count);
    json_open_array(json, "rows");
    for (uint32_t i = 0; i < table->row_count; i++) {
        const struct wait_row *row = &table->rows[i];
        json_open_object(json, NULL);
        json_write_string(json, "who", row->who);
        json_write_string(json, "what", row->what);
        json_write_integer(json, "time", row->time);
        json_write_number(json, "share", value_share(row->time, table->times.total));
        if (table->has_counts)
            json_write_integer(json, "count", row->count);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
