/* top_print.c: the table as text, to the byte as pprof prints it, and as JSON. */
#include "pprof/top.h"

#include "pprof/measure.h"
#include "pprof/value.h"

#include <inttypes.h>
#include <time.h>

#define VALUE_TEXT_MAX 128
#define PERCENTAGE_TEXT_MAX 32

static void format_value(const struct top *top, int64_t value, char text[VALUE_TEXT_MAX])
{
    measure_format(value, top->filter->unit, top->output_unit, text, VALUE_TEXT_MAX);
}

static void print_time(const struct profile *profile, struct buf *out)
{
    char text[64];
    time_t seconds = profile->time_ns / 1000000000;
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL)
        return;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &local);
    buf_printf(out, "Time: %s\n", text);
}

static void print_duration(const struct top *top, struct buf *out)
{
    int64_t duration_ns = top->filter->profile->duration_ns;
    char duration[VALUE_TEXT_MAX], total[VALUE_TEXT_MAX], percentage[PERCENTAGE_TEXT_MAX];
    measure_format(duration_ns, "nanoseconds", MEASURE_BEST_UNIT, duration, sizeof(duration));
    format_value(top, top->filter->total, total);
    buf_printf(out, "Duration: %s, Total samples = %s ", duration, total);
    struct measured in_ns = measure_scale(top->filter->total, top->filter->unit, "nanoseconds");
    if (strcmp(in_ns.unit, "ns") == 0 && in_ns.value != 0 && in_ns.value < 0x1p63 && in_ns.value > -0x1p63) {
        measure_percentage((int64_t)in_ns.value, duration_ns, percentage, sizeof(percentage));
        buf_printf(out, "(%s)", percentage);
    }
    buf_append_string(out, "\n");
}

static void print_header(const struct top *top, struct buf *out)
{
    const struct profile *profile = top->filter->profile;
    if (profile->mapping_count > 0 && profile->mappings[0].file != 0)
        buf_printf(out, "File: %s\n", profile_base_name(profile_text(profile, profile->mappings[0].file)));
    if (profile->mapping_count > 0 && profile->mappings[0].build_id != 0)
        buf_printf(out, "Build ID: %s\n", profile_text(profile, profile->mappings[0].build_id));
    for (uint32_t i = 0; i < profile->comment_count; i++) {
        const char *comment = profile_text(profile, profile->comments[i]);
        if (*comment != '#')
            buf_printf(out, "%s\n", comment);
    }
    if (*top->filter->type != '\0')
        buf_printf(out, "Type: %s\n", top->filter->type);
    if (profile->doc_url != 0)
        buf_printf(out, "Doc: %s\n", profile_text(profile, profile->doc_url));
    if (profile->time_ns != 0)
        print_time(profile, out);
    if (profile->duration_ns != 0)
        print_duration(top, out);
    buf_append_bytes(out, buf_bytes(&top->filter->active));
}

static void print_summary(const struct top *top, struct buf *out)
{
    int64_t shown = 0;
    for (uint32_t i = 0; i < top->row_count; i++)
        shown = value_add(shown, top->rows[i].flat);
    char shown_text[VALUE_TEXT_MAX], total[VALUE_TEXT_MAX], percentage[PERCENTAGE_TEXT_MAX], cutoff[VALUE_TEXT_MAX];
    format_value(top, shown, shown_text);
    format_value(top, top->filter->total, total);
    measure_percentage(shown, top->filter->total, percentage, sizeof(percentage));
    buf_printf(out, "Showing nodes accounting for %s, %s of %s total\n", shown_text,
               percentage + strspn(percentage, " "), total);
    if (top->filter->total == 0)
        return;
    if (top->dropped_count > 0) {
        format_value(top, top_fraction(top->filter->total, TOP_NODE_FRACTION), cutoff);
        buf_printf(out, "Dropped %u node%s (cum <= %s)\n", top->dropped_count, top->dropped_count > 1 ? "s" : "",
                   cutoff);
    }
    if (top->row_count > 0 && top->row_count < top->candidate_count)
        buf_printf(out, "Showing top %u nodes out of %u\n", top->row_count, top->candidate_count);
}

static void print_rows(const struct top *top, struct buf *out)
{
    buf_printf(out, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
    int64_t sum = 0;
    for (uint32_t i = 0; i < top->row_count; i++) {
        const struct top_row *row = &top->rows[i];
        sum = value_add(sum, row->flat);
        char flat[VALUE_TEXT_MAX], cum[VALUE_TEXT_MAX];
        char flat_share[PERCENTAGE_TEXT_MAX], sum_share[PERCENTAGE_TEXT_MAX], cum_share[PERCENTAGE_TEXT_MAX];
        format_value(top, row->flat, flat);
        format_value(top, row->cum, cum);
        measure_percentage(row->flat, top->filter->total, flat_share, sizeof(flat_share));
        measure_percentage(sum, top->filter->total, sum_share, sizeof(sum_share));
        measure_percentage(row->cum, top->filter->total, cum_share, sizeof(cum_share));
        buf_printf(out, "%*s %s %s %*s %s  %s%s%s\n", measure_width(flat, 10), flat, flat_share, sum_share,
                   measure_width(cum, 10), cum, cum_share, row->text, *row->mark == '\0' ? "" : " ", row->mark);
    }
}

void top_print(const struct top *top, struct buf *out)
{
    print_header(top, out);
    print_summary(top, out);
    print_rows(top, out);
}

void top_write_json(const struct top *top, struct json_writer *json, const char *name)
{
    json_open_object(json, name);
    json_write_string(json, "type", top->filter->type);
    json_write_string(json, "unit", top->filter->unit);
    json_write_integer(json, "total", top->filter->total);
    json_write_integer(json, "time_ns", top->filter->profile->time_ns);
    json_write_integer(json, "duration_ns", top->filter->profile->duration_ns);
    json_write_integer(json, "dropped", top->dropped_count);
    json_write_integer(json, "candidates", top->candidate_count);
    json_open_array(json, "rows");
    for (uint32_t i = 0; i < top->row_count; i++) {
        const struct top_row *row = &top->rows[i];
        json_open_object(json, NULL);
        json_write_string(json, "name", row->text);
        json_write_string(json, "function", row->function);
        if (*row->file != '\0')
            json_write_string(json, "file", row->file);
        if (row->line != 0)
            json_write_integer(json, "line", row->line);
        json_write_integer(json, "flat", row->flat);
        json_write_integer(json, "cum", row->cum);
        json_write_bool(json, "inlined", *row->mark != '\0');
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
