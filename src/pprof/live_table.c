/* live_table.c: four columns added up by the function at the leaf. */
#include "pprof/live_table.h"

#include "pprof/frame_table.h"
#include "pprof/heaviest.h"
#include "pprof/measure.h"
#include "pprof/value.h"

#define NS_PER_MINUTE 60e9

static const char *const column_names[LIVE_COLUMN_COUNT] = {"inuse_space", "inuse_objects", "alloc_space",
                                                            "alloc_objects"};

struct collector {
    const struct filter *filter;
    uint32_t columns[LIVE_COLUMN_COUNT];
    struct frame_table frames;
    struct live_row *by_node;
};

static int compare_rows(const void *left, const void *right)
{
    const struct live_row *a = left, *b = right;
    for (int i = 0; i < LIVE_COLUMN_COUNT; i++) {
        if (value_magnitude(a->values[i]) != value_magnitude(b->values[i]))
            return value_magnitude(a->values[i]) > value_magnitude(b->values[i]) ? -1 : 1;
    }
    return strcmp(a->function, b->function);
}

static bool is_nothing(const struct live_row *row)
{
    for (int i = 0; i < LIVE_COLUMN_COUNT; i++) {
        if (row->values[i] != 0)
            return false;
    }
    return true;
}

static void add_sample(const struct collector *collector, const struct profile_sample *sample, int64_t *totals)
{
    const struct profile *profile = collector->filter->profile;
    uint32_t first = prune_sample(&collector->filter->prune, sample);
    struct live_row *row = NULL;
    if (first < sample->location_count) {
        uint32_t leaf = profile->sample_locations[sample->location_start + first];
        row = &collector->by_node[collector->frames.frames[collector->frames.starts[leaf] - 1].node];
    }
    for (int i = 0; i < LIVE_COLUMN_COUNT; i++) {
        int64_t value = profile_sample_values(profile, sample)[collector->columns[i]];
        totals[i] = value_add(totals[i], value);
        if (row != NULL)
            row->values[i] = value_add(row->values[i], value);
    }
}

/* Memory that lives is never less than none. */
static bool has_negative(const struct filter *filter, uint32_t column)
{
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        if (profile_sample_values(filter->profile, &filter->profile->samples[i])[column] < 0)
            return true;
    }
    return false;
}

static void collect(struct live_table *table, const struct filter *filter, struct collector *collector)
{
    struct arena scratch;
    arena_init(&scratch);
    frame_table_init(&collector->frames, filter->profile, &filter->prune, false, &scratch);
    collector->by_node = arena_alloc_array(&scratch, collector->frames.node_count, sizeof(*collector->by_node));
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        if (filter_keeps(filter, i))
            add_sample(collector, &filter->profile->samples[i], table->totals);
    }
    table->rows = arena_alloc_array(&table->arena, LIVE_ROWS_MAX, sizeof(*table->rows));
    struct heaviest heaviest = {.rows = table->rows, .row_size = sizeof(*table->rows), .capacity = LIVE_ROWS_MAX,
                                .compare = compare_rows};
    for (uint32_t i = 0; i < collector->frames.node_count; i++) {
        struct live_row *row = &collector->by_node[i];
        if (is_nothing(row))
            continue;
        table->function_count++;
        row->function = frame_table_text(&collector->frames.nodes[i], &table->arena);
        heaviest_offer(&heaviest, row);
    }
    table->row_count = heaviest.count;
    arena_deinit(&scratch);
}

void live_table_init(struct live_table *table, const struct filter *filter, int64_t elapsed_ns)
{
    *table = (struct live_table){.elapsed_ns = elapsed_ns};
    arena_init(&table->arena);
    struct collector collector = {.filter = filter};
    for (int i = 0; i < LIVE_COLUMN_COUNT; i++) {
        collector.columns[i] = filter_find_column(filter->profile, column_names[i]);
        if (collector.columns[i] == FILTER_NO_COLUMN)
            return;
    }
    table->is_of_window = filter->profile->duration_ns > 0;
    table->is_growth = has_negative(filter, collector.columns[LIVE_BYTES]);
    collect(table, filter, &collector);
}

void live_table_deinit(struct live_table *table)
{
    arena_deinit(&table->arena);
}

int64_t live_table_per_minute(int64_t value, int64_t elapsed_ns)
{
    double rate = (double)value * (NS_PER_MINUTE / (double)elapsed_ns);
    return rate >= 0x1p63 ? INT64_MAX : rate <= -0x1p63 ? INT64_MIN : (int64_t)rate;
}

static void print_row(const struct live_table *table, const struct live_row *row, struct buf *out)
{
    char live[128], allocated[128], share[32], rate[128];
    measure_format(row->values[LIVE_BYTES], "bytes", MEASURE_BEST_UNIT, live, sizeof(live));
    measure_format(row->values[ALLOCATED_BYTES], "bytes", MEASURE_BEST_UNIT, allocated, sizeof(allocated));
    measure_percentage(row->values[LIVE_BYTES], row->values[ALLOCATED_BYTES], share, sizeof(share));
    buf_printf(out, "%10s %10lld %10s %10lld", live, (long long)row->values[LIVE_OBJECTS], allocated,
               (long long)row->values[ALLOCATED_OBJECTS]);
    bool is_part = row->values[LIVE_BYTES] >= 0 && row->values[LIVE_BYTES] <= row->values[ALLOCATED_BYTES];
    if (!table->is_of_window)
        buf_printf(out, " %10s", is_part && row->values[ALLOCATED_BYTES] > 0 ? share : "");
    if (table->elapsed_ns > 0) {
        measure_format(live_table_per_minute(row->values[LIVE_BYTES], table->elapsed_ns), "bytes", MEASURE_BEST_UNIT,
                       rate, sizeof(rate));
        buf_printf(out, " %10s", rate);
    }
    buf_printf(out, "  %s\n", row->function);
}

void live_table_print(const struct live_table *table, uint32_t row_limit, struct buf *out)
{
    if (table->row_count == 0)
        return;
    uint32_t shown = row_limit < table->row_count ? row_limit : table->row_count;
    buf_append_string(out, !table->is_of_window ? "live beside allocated:\n"
                           : table->is_growth  ? "how much more is live, beside allocated meanwhile:\n"
                                               : "live at the end, beside allocated meanwhile:\n");
    buf_printf(out, "%10s %10s %10s %10s", "live", "objects", "allocated", "objects");
    if (!table->is_of_window)
        buf_printf(out, " %10s", "still live");
    if (table->elapsed_ns > 0)
        buf_printf(out, " %10s", "live/min");
    buf_append_string(out, "  function\n");
    for (uint32_t i = 0; i < shown; i++)
        print_row(table, &table->rows[i], out);
    if (shown < table->function_count)
        buf_printf(out, "%10s and %u more\n", "", table->function_count - shown);
}

void live_table_write_json(const struct live_table *table, struct json_writer *json, const char *name)
{
    json_open_object(json, name);
    json_write_integer(json, "functions", table->function_count);
    if (table->elapsed_ns > 0)
        json_write_integer(json, "elapsed_ns", table->elapsed_ns);
    json_open_array(json, "rows");
    for (uint32_t i = 0; i < table->row_count; i++) {
        const struct live_row *row = &table->rows[i];
        json_open_object(json, NULL);
        json_write_string(json, "function", row->function);
        for (int j = 0; j < LIVE_COLUMN_COUNT; j++)
            json_write_integer(json, column_names[j], row->values[j]);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
