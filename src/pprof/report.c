/* report.c: the parts of a report, in the order in which they are read. */
#include "pprof/report.h"

#include "pprof/summary.h"

/* What both forms show. */
struct report {
    struct filter filter;
    struct tables tables;
    struct summary summary;
    struct top top;
};

static int report_init(struct report *report, const struct profile *profile, const struct report_options *options,
                       struct buf *notes, struct buf *problem)
{
    int result = filter_init(&report->filter, profile, &options->filter, problem);
    if (result != 0)
        return result;
    tables_init(&report->tables, &report->filter, options->is_difference, options->elapsed_ns);
    summary_init(&report->summary, &report->tables);
    if (options->top.by_line)
        top_init(&report->top, &report->filter, &options->top);
    else
        top_init_weighed(&report->top, &report->tables.weights, &options->top);
    buf_append_bytes(notes, buf_bytes(&report->filter.notes));
    return 0;
}

static void report_deinit(struct report *report)
{
    top_deinit(&report->top);
    summary_deinit(&report->summary);
    tables_deinit(&report->tables);
    filter_deinit(&report->filter);
}

/* Half as many as functions: there are several such tables. */
static uint32_t row_limit(const struct report_options *options)
{
    return options->top.row_limit == 0 ? UINT32_MAX : options->top.row_limit / 2 + options->top.row_limit % 2;
}

/* An empty line before a table that is there. */
static void separate(struct buf *out, uint32_t row_count)
{
    if (row_count > 0)
        buf_append_byte(out, '\n');
}

static void print_tables(const struct tables *tables, uint32_t limit, struct buf *out)
{
    for (uint32_t i = 0; i < tables->label_count; i++) {
        if (tables->labels[i].value_count < 2)
            continue; /* it does not tell samples apart */
        separate(out, 1);
        by_label_print(&tables->labels[i], limit, out);
    }
    separate(out, tables->groups.row_count);
    stack_groups_print(&tables->groups, limit, out);
    separate(out, tables->waits.row_count);
    wait_table_print(&tables->waits, limit, out);
    separate(out, tables->live.row_count);
    live_table_print(&tables->live, limit, out);
}

static void write_tables(const struct tables *tables, struct json_writer *json)
{
    json_open_array(json, "labels");
    for (uint32_t i = 0; i < tables->label_count; i++)
        by_label_write_json(&tables->labels[i], json, NULL);
    json_close_array(json);
    switch (tables->kind) {
    case PROFILE_KIND_GOROUTINE:
        stack_groups_write_json(&tables->groups, json, "groups");
        break;
    case PROFILE_KIND_CONTENTION:
    case PROFILE_KIND_WALL:
        wait_table_write_json(&tables->waits, json, "waits");
        break;
    case PROFILE_KIND_HEAP:
        live_table_write_json(&tables->live, json, "live");
        break;
    default:
        break;
    }
}

int profile_write_report(const struct profile *profile, const struct report_options *options, struct buf *out,
                         struct buf *notes, struct buf *problem)
{
    struct report report;
    int result = report_init(&report, profile, options, notes, problem);
    if (result != 0)
        return result;
    summary_print(&report.summary, out);
    buf_append_byte(out, '\n');
    top_print(&report.top, out);
    print_tables(&report.tables, row_limit(options), out);
    report_deinit(&report);
    return 0;
}

int profile_write_report_json(const struct profile *profile, const struct report_options *options,
                              struct json_writer *json, struct buf *notes, struct buf *problem)
{
    struct report report;
    int result = report_init(&report, profile, options, notes, problem);
    if (result != 0)
        return result;
    summary_write_json(&report.summary, json, "summary");
    top_write_json(&report.top, json, "top");
    write_tables(&report.tables, json);
    report_deinit(&report);
    return 0;
}
