/* report.c: the parts of a report, in the order in which they are read. */
#include "pprof/report.h"

#include "pprof/by_label.h"
#include "pprof/summary.h"

#define LABEL_TABLES_MAX 12
#define LABEL_ROWS_SHOWN 10

static size_t label_keys(const struct profile *profile, const char *keys[LABEL_TABLES_MAX])
{
    size_t count = by_label_keys(profile, keys, LABEL_TABLES_MAX);
    return count < LABEL_TABLES_MAX ? count : LABEL_TABLES_MAX;
}

static void print_labels(const struct filter *filter, struct buf *out)
{
    const char *keys[LABEL_TABLES_MAX];
    size_t key_count = label_keys(filter->profile, keys);
    for (size_t i = 0; i < key_count; i++) {
        struct by_label table;
        by_label_init(&table, filter, keys[i]);
        if (table.row_count > 1) {
            buf_append_byte(out, '\n');
            by_label_print(&table, LABEL_ROWS_SHOWN, out);
        }
        by_label_deinit(&table);
    }
}

static void write_labels(const struct filter *filter, struct json *json)
{
    const char *keys[LABEL_TABLES_MAX];
    size_t key_count = label_keys(filter->profile, keys);
    json_open_array(json, "labels");
    for (size_t i = 0; i < key_count; i++) {
        struct by_label table;
        by_label_init(&table, filter, keys[i]);
        by_label_write_json(&table, json, NULL);
        by_label_deinit(&table);
    }
    json_close_array(json);
}

int profile_write_report(const struct profile *profile, const struct report_options *options, struct buf *out,
                         struct buf *notes, struct buf *problem)
{
    struct filter filter;
    int result = filter_init(&filter, profile, &options->filter, problem);
    if (result != 0)
        return result;
    struct summary summary;
    summary_init(&summary, &filter, options->is_difference);
    struct top top;
    top_init(&top, &filter, &options->top);
    summary_print(&summary, out);
    if (summary.finding_count > 0)
        buf_append_byte(out, '\n');
    top_print(&top, out);
    print_labels(&filter, out);
    buf_append_bytes(notes, buf_bytes(&filter.notes));
    top_deinit(&top);
    summary_deinit(&summary);
    filter_deinit(&filter);
    return 0;
}

int profile_write_report_json(const struct profile *profile, const struct report_options *options, struct json *json,
                              struct buf *notes, struct buf *problem)
{
    struct filter filter;
    int result = filter_init(&filter, profile, &options->filter, problem);
    if (result != 0)
        return result;
    struct summary summary;
    summary_init(&summary, &filter, options->is_difference);
    struct top top;
    top_init(&top, &filter, &options->top);
    summary_write_json(&summary, json, "summary");
    top_write_json(&top, json, "top");
    write_labels(&filter, json);
    buf_append_bytes(notes, buf_bytes(&filter.notes));
    top_deinit(&top);
    summary_deinit(&summary);
    filter_deinit(&filter);
    return 0;
}
