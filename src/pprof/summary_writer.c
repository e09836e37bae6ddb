/* summary_writer.c: figures become sentences. */
#include "pprof/summary_writer.h"

#include "pprof/measure.h"
#include "pprof/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WORTH_SAYING 0.05 /* a smaller share of a label does not stand out */
#define VALUES_SAID 3

struct summary_text summary_measure(int64_t value, const char *unit)
{
    struct summary_text text;
    measure_format(value, unit, MEASURE_BEST_UNIT, text.content, sizeof(text.content));
    return text;
}

struct summary_text summary_amount(const struct summary_writer *writer, int64_t value)
{
    return summary_measure(value, writer->filter->unit);
}

struct summary_text summary_percent(int64_t value, int64_t total)
{
    struct summary_text text, padded;
    measure_percentage(value, total, padded.content, sizeof(padded.content));
    snprintf(text.content, sizeof(text.content), "%s", padded.content + strspn(padded.content, " "));
    return text;
}

struct finding *summary_add(struct summary_writer *writer, const char *id, int64_t value, double share,
                            const char *format, ...)
{
    struct summary *summary = writer->summary;
    ASSERT(summary->finding_count < SUMMARY_FINDINGS_MAX);
    char *text;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    ASSERT(length >= 0);
    struct finding *finding = &summary->findings[summary->finding_count++];
    *finding = (struct finding){.id = id, .text = arena_copy_bytes(&summary->arena, bytes_of(text, (size_t)length)),
                                .value = value, .unit = writer->filter->unit, .share = share};
    free(text);
    return finding;
}

const char *summary_quote(struct summary_writer *writer, const char *text)
{
    struct buf expression;
    buf_init(&expression);
    buf_append_byte(&expression, '^');
    for (; *text != '\0'; text++) {
        /* A comma ends an expression of -tagfocus, an apostrophe a word of the shell. */
        if (*text == ',' || *text == '\'' || (uint8_t)*text < ' ')
            buf_printf(&expression, "\\x%02x", *text);
        else if (strchr(".[]()*+?{}|^$\\", *text) != NULL)
            buf_printf(&expression, "\\%c", *text);
        else
            buf_append_byte(&expression, (uint8_t)*text);
    }
    buf_append_byte(&expression, '$');
    char *copy = arena_copy_bytes(&writer->summary->arena, buf_bytes(&expression));
    buf_deinit(&expression);
    return copy;
}

const char *summary_look_at_function(struct summary_writer *writer, const char *function, const char *what)
{
    return arena_printf(&writer->summary->arena, "-focus='%s' -cum: %s", summary_quote(writer, function), what);
}

/* That the profile was merged from; 1 if it does not tell them apart. */
static uint32_t count_brokers(const struct filter *filter)
{
    struct filter whole = *filter;
    struct by_label brokers;
    whole.kept = NULL;
    by_label_init(&brokers, &whole, "broker");
    uint32_t count = brokers.value_count;
    by_label_deinit(&brokers);
    return count > 1 ? count : 1;
}

void summary_add_busy(struct summary_writer *writer, const char *what)
{
    int64_t sum = writer->tables->sum, duration_ns = writer->filter->profile->duration_ns;
    struct measured in_ns = measure_scale(sum, writer->filter->unit, "nanoseconds");
    if (strcmp(in_ns.unit, "ns") != 0 || duration_ns <= 0 || sum <= 0)
        return;
    uint32_t broker_count = count_brokers(writer->filter);
    if (broker_count > 1 && writer->filter->kept != NULL)
        return; /* the duration is that of all brokers together, and what is kept may be of some */
    const char *together = broker_count == 1 ? "" : arena_printf(&writer->summary->arena, " of %u brokers together",
                                                                 broker_count);
    summary_add(writer, "total", sum, value_share(sum, writer->filter->total), "%s of %s in %s%s: %.2f %s on average%s",
                summary_amount(writer, sum).content, writer->noun,
                summary_measure(duration_ns, "nanoseconds").content, together, in_ns.value / (double)duration_ns, what,
                broker_count == 1 ? "" : " in each");
}

void summary_add_heaviest(struct summary_writer *writer, const char *verb)
{
    const struct top *functions = &writer->tables->functions;
    const struct top_row *row = &functions->rows[0];
    int64_t total = writer->filter->total;
    if (functions->row_count == 0 || row->flat <= 0)
        return;
    struct finding *finding =
        summary_add(writer, "top_function", row->flat, value_share(row->flat, total), "%s %s the most itself: %s, %s",
                    row->text, verb, summary_amount(writer, row->flat).content,
                    summary_percent(row->flat, total).content);
    finding->next = summary_look_at_function(writer, row->text, "who calls it");
}

void summary_add_waist(struct summary_writer *writer, const char *named)
{
    const struct top *functions = &writer->tables->functions;
    int64_t sum = writer->tables->sum, total = writer->filter->total;
    const struct top_row *waist = NULL;
    for (uint32_t i = 1; i < functions->row_count; i++) {
        const struct top_row *row = &functions->rows[i];
        bool is_wide = row->cum > 0 && row->cum >= sum / 2;
        if (is_wide && (waist == NULL || row->cum < waist->cum || (row->cum == waist->cum && row->flat > waist->flat)))
            waist = row;
    }
    if (waist == NULL || waist->cum >= sum || (named != NULL && strcmp(waist->text, named) == 0))
        return;
    struct finding *finding =
        summary_add(writer, "waist", waist->cum, value_share(waist->cum, total),
                    "%s of the %s goes through %s and what it calls: %s", summary_percent(waist->cum, total).content,
                    writer->noun, waist->text, summary_amount(writer, waist->cum).content);
    finding->next = summary_look_at_function(writer, waist->text, "where in it");
}

static const struct by_label *find_label(const struct tables *tables, const char *key)
{
    for (uint32_t i = 0; i < tables->label_count; i++) {
        if (strcmp(tables->labels[i].key, key) == 0)
            return &tables->labels[i];
    }
    return NULL;
}

void summary_add_label(struct summary_writer *writer, const char *key)
{
    const struct by_label *table = find_label(writer->tables, key);
    if (table == NULL)
        return;
    struct buf list;
    buf_init(&list);
    const struct by_label_row *first = NULL;
    int64_t total = writer->filter->total;
    for (uint32_t i = 0, said = 0; i < table->row_count && said < VALUES_SAID; i++) {
        const struct by_label_row *row = &table->rows[i];
        if (row->value == NULL || !(fabs(value_share(row->sum, total)) >= WORTH_SAYING))
            continue;
        buf_printf(&list, "%s%s %s (%s)", said++ == 0 ? "" : ", ", row->value,
                   summary_amount(writer, row->sum).content, summary_percent(row->sum, total).content);
        first = first == NULL ? row : first;
    }
    if (first != NULL) {
        struct arena *arena = &writer->summary->arena;
        struct finding *finding = summary_add(writer, arena_printf(arena, "by_%s", key), first->sum,
                                              value_share(first->sum, total), "by %s: %s", key, buf_string(&list));
        if (table->row_count > 1 && (strcmp(key, "api") == 0 || strcmp(key, "reason") == 0))
            finding->next =
                arena_printf(arena, "-tagfocus='%s=%s': that alone", key, summary_quote(writer, first->value));
    }
    buf_deinit(&list);
}

void summary_add_labels(struct summary_writer *writer)
{
    static const char *const keys[] = {"api", "topic", "client_id"};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        summary_add_label(writer, keys[i]);
}
