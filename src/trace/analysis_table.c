/* analysis_table.c: the table of requests by name. */
#include "trace/analysis_table.h"

#include "trace/analysis_words.h"

#include <inttypes.h>
#include <stdio.h>

#define API_ROWS 10
#define COLUMNS_MAX 6 /* of a split, as 120 have to do for all; what takes least is summed up as "other" */
#define NAME_SIZE 18

/* Which activities have a column, in their own order; what has none is summed up as other. */
struct columns {
    enum activity activities[COLUMNS_MAX];
    unsigned count;
    bool has[ACTIVITY_COUNT];
};

static struct columns choose_columns(const uint64_t *split_ns)
{
    struct columns columns = {.count = 0};
    columns.has[ACTIVITY_RUNNING] = columns.has[ACTIVITY_RUNNABLE] = true;
    for (unsigned chosen = 2; chosen < COLUMNS_MAX - 1; chosen++) {
        unsigned most = ACTIVITY_OTHER;
        for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
            if (i != ACTIVITY_OTHER && !columns.has[i] && split_ns[i] > (most == ACTIVITY_OTHER ? 0 : split_ns[most]))
                most = i;
        columns.has[most] = true;
    }
    columns.has[ACTIVITY_OTHER] = false;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        if (columns.has[i])
            columns.activities[columns.count++] = (enum activity)i;
    uint64_t rest = 0;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        rest += columns.has[i] ? 0 : split_ns[i];
    if (rest > 0)
        columns.activities[columns.count++] = ACTIVITY_OTHER;
    return columns;
}

static uint64_t column_ns(const struct columns *columns, enum activity activity, const uint64_t *split_ns)
{
    if (activity != ACTIVITY_OTHER)
        return split_ns[activity];
    uint64_t rest = 0;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        rest += columns->has[i] ? 0 : split_ns[i];
    return rest;
}

static void write_api_row(const struct trace_analysis *analysis, struct buf *text, const struct columns *columns,
                          const struct api *api)
{
    struct bytes name = trace_string_text(analysis->tables, api->name);
    size_t start = text->size;
    words_write_name(text, name.size > 0 ? (const char *)name.data : "(no name)");
    if (text->size > start + NAME_SIZE)
        text->size = start + NAME_SIZE;
    while (text->size < start + NAME_SIZE)
        buf_append_byte(text, ' ');
    buf_printf(text, "%8zu %9.3f %9.3f %9.3f %9.3f", api->count, words_ms(api->total_ns) / (double)api->count,
               words_ms(facts_percentile_ns(api, 50)), words_ms(facts_percentile_ns(api, 99)),
               words_ms(api->durations_ns[api->count - 1]));
    for (unsigned i = 0; i < columns->count; i++)
        buf_printf(text, " %8.3f",
                   words_ms(column_ns(columns, columns->activities[i], api->split_ns)) / (double)api->count);
    buf_append_byte(text, '\n');
}

void analysis_table_write(const struct trace_analysis *analysis, const struct facts *facts, struct buf *text)
{
    uint32_t count = facts->api_count;
    if (count == 0)
        return;
    uint64_t split_ns[ACTIVITY_COUNT] = {0};
    for (uint32_t i = 0; i < count; i++)
        for (unsigned j = 0; j < ACTIVITY_COUNT; j++)
            split_ns[j] += facts->apis[i]->split_ns[j];
    struct columns columns = choose_columns(split_ns);
    buf_printf(text, "\n%-*s%8s %9s %9s %9s %9s", NAME_SIZE, "Requests, in ms", "count", "mean", "p50", "p99", "max");
    for (unsigned i = 0; i < columns.count; i++) {
        size_t start = text->size;
        words_write_name(text, words_activity_name(analysis, columns.activities[i]));
        struct bytes name = bytes_of(text->data + start, text->size - start);
        char cell[16];
        snprintf(cell, sizeof cell, " %8.*s", name.size < 8 ? (int)name.size : 8, (const char *)name.data);
        text->size = start;
        buf_append_string(text, cell);
    }
    buf_append_byte(text, '\n');
    for (uint32_t i = 0; i < count && i < API_ROWS; i++)
        write_api_row(analysis, text, &columns, facts->apis[i]);
    if (count > API_ROWS)
        buf_printf(text, "and %" PRIu32 " more that took less in all\n", count - API_ROWS);
    buf_append_string(text, "(on the right what a request's time went into, on average: it sums up to the mean)\n");
}
