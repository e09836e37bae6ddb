/* summary_difference.c: what the difference of two profiles is asked: what grew, what shrank, and how fast. */
#include "pprof/summary_writer.h"
#include "pprof/value.h"

#include <math.h>

#define FUNCTIONS_SAID 3
#define WORTH_SAYING 0.05 /* of the largest growth, or shrinking */

/* ", 1.36MB a minute"; "" if the time between is not known. */
static const char *rate(struct summary_writer *writer, int64_t change)
{
    int64_t elapsed_ns = writer->tables->elapsed_ns;
    if (elapsed_ns <= 0)
        return "";
    return arena_printf(&writer->summary->arena, ", %s a minute",
                        summary_amount(writer, live_table_per_minute(change, elapsed_ns)).content);
}

static void add_total(struct summary_writer *writer)
{
    const struct filter *filter = writer->filter;
    int64_t sum = writer->tables->sum, change = (int64_t)value_magnitude(sum);
    if (sum == 0) {
        summary_add(writer, "growth", 0, NAN, "%s is as much as it was, of other functions", filter->type);
        return;
    }
    const char *of_base = "";
    if (filter->has_base)
        of_base = arena_printf(&writer->summary->arena, ", %s of the base's %s",
                               summary_percent(sum, filter->total).content,
                               summary_amount(writer, filter->total).content);
    const char *elapsed = "";
    if (writer->tables->elapsed_ns > 0)
        elapsed = arena_printf(&writer->summary->arena, " in %s",
                               summary_measure(writer->tables->elapsed_ns, "nanoseconds").content);
    summary_add(writer, "growth", sum, filter->has_base ? value_share(sum, filter->total) : NAN, "%s %s by %s%s%s%s",
                filter->type, sum < 0 ? "shrank" : "grew", summary_amount(writer, change).content, elapsed,
                rate(writer, change), of_base);
}

/* The functions that changed most in one direction; rows are sorted by how much that is. False: none did. */
static bool add_changes(struct summary_writer *writer, bool of_growth)
{
    const struct top *functions = &writer->tables->functions;
    int64_t largest = 0;
    uint32_t said = 0;
    for (uint32_t i = 0; i < functions->row_count && said < FUNCTIONS_SAID; i++) {
        const struct top_row *row = &functions->rows[i];
        if (row->flat == 0 || (row->flat > 0) != of_growth)
            continue;
        if (said > 0 && fabs((double)row->flat) < WORTH_SAYING * fabs((double)largest))
            break;
        largest = said == 0 ? row->flat : largest;
        int64_t change = (int64_t)value_magnitude(row->flat);
        struct finding *finding =
            summary_add(writer, of_growth ? "grew" : "shrank", row->flat,
                        value_share(row->flat, writer->filter->total), "%s %s by %s%s", row->text,
                        of_growth ? "grew" : "shrank", summary_amount(writer, change).content, rate(writer, change));
        if (said++ == 0)
            finding->next = summary_look_at_function(writer, row->text, "on which paths");
    }
    return said > 0;
}

void summary_of_difference(struct summary_writer *writer)
{
    add_total(writer);
    if (!add_changes(writer, true))
        summary_add(writer, "nothing_grew", 0, NAN, "nothing grew");
    add_changes(writer, false);
    summary_add_labels(writer);
}
