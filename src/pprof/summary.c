/* summary.c: asks what a kind of profile is asked, and says what was found. */
#include "pprof/summary.h"

#include "pprof/summary_writer.h"

#include <math.h>

static void say_empty(struct summary_writer *writer)
{
    if (writer->tables->is_difference)
        summary_add(writer, "unchanged", 0, NAN, "nothing grew and nothing shrank: %s is as it was",
                    writer->filter->type);
    else if (writer->filter->total == 0)
        summary_add(writer, "empty", 0, NAN, "the profile has no samples of %s", writer->filter->type);
    else
        summary_add(writer, "filtered_out", 0, NAN, "of %s in the profile the filters leave nothing",
                    summary_amount(writer, writer->filter->total).content);
}

void summary_init(struct summary *summary, const struct tables *tables)
{
    *summary = (struct summary){.kind = tables->kind};
    arena_init(&summary->arena);
    summary->findings = arena_alloc_array(&summary->arena, SUMMARY_FINDINGS_MAX, sizeof(*summary->findings));
    const struct summary_kind *kind = &summary_kinds[tables->kind];
    struct summary_writer writer = {.summary = summary, .tables = tables, .filter = tables->filter,
                                    .noun = kind->noun};
    bool has_functions = tables->functions.row_count > 0, is_whole = tables->filter->kept == NULL;
    if (!has_functions && tables->sum == 0 && (!is_whole || tables->filter->total == 0))
        say_empty(&writer);
    else
        (tables->is_difference ? summary_of_difference : kind->summarize)(&writer);
    if (summary->finding_count == 0)
        summary_add(&writer, "total", tables->sum, NAN, "%s of %s in all", summary_amount(&writer, tables->sum).content,
                    tables->filter->type);
}

void summary_deinit(struct summary *summary)
{
    arena_deinit(&summary->arena);
}

void summary_print(const struct summary *summary, struct buf *out)
{
    for (uint32_t i = 0; i < summary->finding_count; i++) {
        const struct finding *finding = &summary->findings[i];
        buf_printf(out, "%s\n", finding->text);
        if (finding->next != NULL)
            buf_printf(out, "    next: %s\n", finding->next);
    }
}

void summary_write_json(const struct summary *summary, struct json_writer *json, const char *name)
{
    json_open_object(json, name);
    json_write_string(json, "kind", profile_kind_name(summary->kind));
    json_open_array(json, "findings");
    for (uint32_t i = 0; i < summary->finding_count; i++) {
        const struct finding *finding = &summary->findings[i];
        json_open_object(json, NULL);
        json_write_string(json, "id", finding->id);
        json_write_string(json, "text", finding->text);
        json_write_string(json, "next", finding->next);
        json_write_integer(json, "value", finding->value);
        json_write_string(json, "unit", finding->unit);
        if (isfinite(finding->share))
            json_write_number(json, "share", finding->share);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
