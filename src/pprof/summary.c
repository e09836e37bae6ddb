/* summary.c: what each kind of profile is asked, and the sentences that the answers become. */
#include "pprof/summary.h"

#include "pprof/by_label.h"
#include "pprof/measure.h"
#include "pprof/stack_group.h"
#include "pprof/top.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FINDINGS_MAX 16
#define GROUPS_SHOWN 3
#define FRAMES_SHOWN 5
#define FEW_SAMPLES 400    /* fewer: a share of one half is off by more than 5 points every twentieth time */
#define WORTH_SAYING 0.05  /* a smaller share of a label does not stand out */

struct writer {
    struct summary *summary;
    const struct filter *filter;
    struct top top;     /* all functions, by what they weigh themselves */
    int64_t sum;        /* of what is kept: less than the filter's total */
    const char *noun;   /* what is shared out: "CPU time" */
};

struct text {
    char content[128];
};

static struct text amount(const struct writer *writer, int64_t value)
{
    struct text text;
    measure_format(value, writer->filter->unit, MEASURE_BEST_UNIT, text.content, sizeof(text.content));
    return text;
}

static struct text percent(int64_t value, int64_t total)
{
    struct text text, padded;
    measure_percentage(value, total, padded.content, sizeof(padded.content));
    snprintf(text.content, sizeof(text.content), "%s", padded.content + strspn(padded.content, " "));
    return text;
}

static double share_of(int64_t value, int64_t total)
{
    return total == 0 ? NAN : (double)value / (double)total;
}

/* The figure is one of the filter's unit; the caller sets another. */
static PRINTF_LIKE(5, 6) struct finding *report(struct writer *writer, const char *id, int64_t value, double share,
                                                const char *format, ...)
{
    struct summary *summary = writer->summary;
    ASSERT(summary->finding_count < FINDINGS_MAX);
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

/* The expression that matches this text and no other. */
static const char *quoted(struct writer *writer, const char *text)
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

static const char *look_at_function(struct writer *writer, const char *function, const char *what)
{
    return arena_printf(&writer->summary->arena, "-focus='%s' -cum: %s", quoted(writer, function), what);
}

/* --- what several kinds are asked --- */

static int64_t sum_of(const struct filter *filter)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        if (filter_keeps(filter, i))
            sum += (uint64_t)filter_value(filter, i);
    }
    return (int64_t)sum;
}

/* The same samples by another of their values. It is for reading only and owns nothing. */
static struct filter by_column(const struct filter *filter, uint32_t column)
{
    struct filter other = *filter;
    other.value_index = column;
    other.type = profile_text(filter->profile, filter->profile->sample_types[column].type);
    other.unit = profile_text(filter->profile, filter->profile->sample_types[column].unit);
    return other;
}

#define NO_COLUMN UINT32_MAX

static uint32_t find_column(const struct profile *profile, const char *type)
{
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        if (strcmp(profile_text(profile, profile->sample_types[i].type), type) == 0)
            return i;
    }
    return NO_COLUMN;
}

static void report_heaviest(struct writer *writer, const char *verb)
{
    if (writer->top.row_count == 0 || writer->top.rows[0].flat <= 0)
        return;
    const struct top_row *row = &writer->top.rows[0];
    struct finding *finding =
        report(writer, "top_function", row->flat, share_of(row->flat, writer->filter->total),
               "%s %s the most itself: %s, %s", row->text, verb, amount(writer, row->flat).content,
               percent(row->flat, writer->filter->total).content);
    finding->next = look_at_function(writer, row->text, "who calls it");
}

/* The function nearest to the leaves that half of everything goes through. */
static void report_waist(struct writer *writer)
{
    const struct top_row *waist = NULL;
    for (uint32_t i = 1; i < writer->top.row_count; i++) { /* the first one was named already */
        const struct top_row *row = &writer->top.rows[i];
        bool is_wide = row->cum > 0 && row->cum >= writer->sum / 2;
        if (is_wide && (waist == NULL || row->cum < waist->cum || (row->cum == waist->cum && row->flat > waist->flat)))
            waist = row;
    }
    if (waist == NULL || waist->cum >= writer->sum)
        return;
    struct finding *finding =
        report(writer, "waist", waist->cum, share_of(waist->cum, writer->filter->total),
               "%s of the %s goes through %s and what it calls: %s", percent(waist->cum, writer->filter->total).content,
               writer->noun, waist->text, amount(writer, waist->cum).content);
    finding->next = look_at_function(writer, waist->text, "where in it");
}

static void report_spread(struct writer *writer)
{
    int64_t reached = 0, goal = writer->sum - writer->sum / 5;
    uint32_t count = 0;
    while (count < writer->top.row_count && reached < goal)
        reached = (int64_t)((uint64_t)reached + (uint64_t)writer->top.rows[count++].flat); /* may wrap, as in Go */
    if (count < 2 || reached < goal)
        return;
    report(writer, "spread", reached, share_of(reached, writer->filter->total),
           "%u functions of %u have %s of the %s in themselves", count,
           writer->top.candidate_count + writer->top.dropped_count, percent(reached, writer->filter->total).content,
           writer->noun);
}

/* "by api: Produce 51.87%, Fetch 44.92%". */
static void report_label(struct writer *writer, const char *key)
{
    struct by_label table;
    by_label_init(&table, writer->filter, key);
    struct buf list;
    buf_init(&list);
    const struct by_label_row *first = NULL;
    for (uint32_t i = 0, shown = 0; i < table.row_count && shown < 3; i++) {
        const struct by_label_row *row = &table.rows[i];
        if (row->value == NULL || fabs(share_of(row->sum, writer->filter->total)) < WORTH_SAYING)
            continue;
        buf_printf(&list, "%s%s %s (%s)", shown++ == 0 ? "" : ", ", row->value, amount(writer, row->sum).content,
                   percent(row->sum, writer->filter->total).content);
        first = first == NULL ? row : first;
    }
    if (first != NULL) {
        struct finding *finding = report(writer, arena_printf(&writer->summary->arena, "by_%s", key), first->sum,
                                         share_of(first->sum, writer->filter->total), "by %s: %s", key,
                                         buf_string(&list));
        if (table.row_count > 1 && (strcmp(key, "api") == 0 || strcmp(key, "reason") == 0))
            finding->next = arena_printf(&writer->summary->arena, "-tagfocus='%s=%s': that alone", key,
                                         quoted(writer, first->value));
    }
    buf_deinit(&list);
    by_label_deinit(&table);
}

/* --- kinds --- */

static bool is_time(const struct filter *filter)
{
    return strcmp(measure_scale(1, filter->unit, "nanoseconds").unit, "ns") == 0;
}

static void report_busy(struct writer *writer, const char *what)
{
    double ns = measure_scale(writer->sum, writer->filter->unit, "nanoseconds").value;
    int64_t duration_ns = writer->filter->profile->duration_ns;
    if (!is_time(writer->filter) || duration_ns <= 0 || writer->sum <= 0)
        return;
    struct text duration;
    measure_format(duration_ns, "nanoseconds", MEASURE_BEST_UNIT, duration.content, sizeof(duration.content));
    report(writer, "total", writer->sum, share_of(writer->sum, writer->filter->total),
           "%s of %s in %s: %.2f %s on average", amount(writer, writer->sum).content, writer->noun, duration.content,
           ns / (double)duration_ns, what);
}

static void report_few_samples(struct writer *writer)
{
    uint32_t column = find_column(writer->filter->profile, "samples");
    if (column == NO_COLUMN)
        return;
    struct filter samples = by_column(writer->filter, column);
    int64_t count = sum_of(&samples);
    if (count <= 0 || count >= FEW_SAMPLES)
        return;
    struct finding *finding =
        report(writer, "few_samples", count, NAN, "only %lld sample%s: a share is exact to some %.0f points",
               (long long)count, count == 1 ? "" : "s", fmin(100 / sqrt((double)count), 100));
    finding->unit = "count";
    finding->next = "collect for longer, or more often a second";
}

static void report_labels(struct writer *writer)
{
    static const char *const keys[] = {"api", "topic", "client_id"};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        report_label(writer, keys[i]);
}

static void summarize_cpu(struct writer *writer)
{
    report_busy(writer, "processors busy");
    report_heaviest(writer, "uses");
    report_waist(writer);
    report_spread(writer);
    report_labels(writer);
    report_label(writer, "thread");
    report_few_samples(writer);
}

/* Sums of two columns, such as bytes and objects, of what is kept. */
static bool sums_of(const struct writer *writer, const char *const types[2], int64_t sums[2])
{
    for (int i = 0; i < 2; i++) {
        uint32_t column = find_column(writer->filter->profile, types[i]);
        if (column == NO_COLUMN)
            return false;
        struct filter filter = by_column(writer->filter, column);
        sums[i] = sum_of(&filter);
    }
    return true;
}

static void report_live(struct writer *writer)
{
    static const char *const spaces[] = {"inuse_space", "alloc_space"};
    static const char *const objects[] = {"inuse_objects", "alloc_objects"};
    int64_t bytes[2], counts[2];
    if (!sums_of(writer, spaces, bytes) || !sums_of(writer, objects, counts) || bytes[1] <= 0)
        return;
    struct text live, allocated;
    measure_format(bytes[0], "bytes", MEASURE_BEST_UNIT, live.content, sizeof(live.content));
    measure_format(bytes[1], "bytes", MEASURE_BEST_UNIT, allocated.content, sizeof(allocated.content));
    struct finding *finding =
        report(writer, "live", bytes[0], share_of(bytes[0], bytes[1]),
               "%s live in %lld objects, of %s in %lld allocated: %s is still there", live.content,
               (long long)counts[0], allocated.content, (long long)counts[1], percent(bytes[0], bytes[1]).content);
    finding->unit = "bytes";
    if (writer->filter->value_index == find_column(writer->filter->profile, "inuse_space"))
        finding->next = "-sample_index=alloc_space: who allocates most, live or not";
}

static void summarize_heap(struct writer *writer)
{
    report_live(writer);
    report_heaviest(writer, strncmp(writer->filter->type, "alloc", 5) == 0 ? "allocates" : "holds");
    report_waist(writer);
    report_labels(writer);
}

/* --- goroutines --- */

static void report_group(struct writer *writer, const struct stack_group *group)
{
    struct buf stack;
    buf_init(&stack);
    stack_group_append_names(writer->filter, group, FRAMES_SHOWN, &stack);
    report(writer, "stack_group", group->sum, share_of(group->sum, writer->filter->total), "%lld (%s) %s%sin %s",
           (long long)group->sum, percent(group->sum, writer->filter->total).content,
           group->reason == NULL ? "" : group->reason, group->reason == NULL ? "" : ", ", buf_string(&stack));
    buf_deinit(&stack);
}

static void summarize_goroutines(struct writer *writer)
{
    struct arena arena;
    arena_init(&arena);
    struct stack_group *groups;
    uint32_t group_count = stack_groups(writer->filter, &groups, &arena);
    if (group_count > 0)
        report(writer, "groups", group_count, NAN, "%lld %ss with %u different stack%s", (long long)writer->sum,
               writer->filter->type, group_count, group_count == 1 ? "" : "s")->unit = "count";
    report_label(writer, "reason");
    for (uint32_t i = 0; i < group_count && i < GROUPS_SHOWN; i++)
        report_group(writer, &groups[i]);
    arena_deinit(&arena);
    report_labels(writer);
}

/* --- contention --- */

static void report_contentions(struct writer *writer)
{
    static const char *const types[] = {"contentions", "delay"};
    int64_t sums[2];
    if (!sums_of(writer, types, sums) || sums[0] <= 0)
        return;
    struct filter delays = by_column(writer->filter, find_column(writer->filter->profile, "delay"));
    struct text total, mean;
    measure_format(sums[1], delays.unit, MEASURE_BEST_UNIT, total.content, sizeof(total.content));
    measure_format(sums[1] / sums[0], delays.unit, MEASURE_BEST_UNIT, mean.content, sizeof(mean.content));
    report(writer, "mean", sums[1] / sums[0], NAN, "%s of delay in %lld contentions: %s each on average", total.content,
           (long long)sums[0], mean.content)->unit = delays.unit;
}

/* Which requests wait for what. */
static void report_pair(struct writer *writer, const char *first_key, const char *second_key)
{
    struct by_label_pair pair;
    if (!by_label_largest_pair(writer->filter, first_key, second_key, &pair))
        return;
    struct finding *finding =
        report(writer, "largest_pair", pair.sum, share_of(pair.sum, writer->filter->total),
               "%s with %s is the most: %s, %s", pair.first, pair.second, amount(writer, pair.sum).content,
               percent(pair.sum, writer->filter->total).content);
    finding->next = arena_printf(&writer->summary->arena, "-tagfocus='%s=%s' -cum: in which functions", first_key,
                                 quoted(writer, pair.first));
}

static void summarize_contention(struct writer *writer)
{
    report_contentions(writer);
    report_label(writer, "reason");
    report_pair(writer, "api", "reason");
    report_waist(writer);
    report_labels(writer);
}

static void summarize_wall(struct writer *writer)
{
    report_busy(writer, "tasks and threads");
    report_label(writer, "reason");
    report_pair(writer, "api", "reason");
    report_heaviest(writer, "has");
    report_labels(writer);
}

static void summarize_threads(struct writer *writer)
{
    report(writer, "total", writer->sum, NAN, "%lld %s", (long long)writer->sum, writer->noun);
    report_heaviest(writer, "has");
}

static void summarize_other(struct writer *writer)
{
    report_heaviest(writer, "has");
    report_waist(writer);
    report_labels(writer);
}

/* --- differences --- */

static void report_change(struct writer *writer, const char *id, const struct top_row *row, const char *verb)
{
    struct finding *finding = report(writer, id, row->flat, share_of(row->flat, writer->filter->total),
                                     "%s %s most: %s", row->text, verb, amount(writer, row->flat).content);
    finding->next = look_at_function(writer, row->text, "on which paths");
}

static void summarize_difference(struct writer *writer)
{
    const char *verb = writer->sum < 0 ? "shrank" : "grew";
    int64_t change = writer->sum < 0 ? (int64_t)(0 - (uint64_t)writer->sum) : writer->sum;
    if (writer->filter->has_base)
        report(writer, "growth", writer->sum, share_of(writer->sum, writer->filter->total),
               "%s %s by %s, %s of the base's %s", writer->filter->type, verb, amount(writer, change).content,
               percent(change, writer->filter->total).content, amount(writer, writer->filter->total).content);
    else
        report(writer, "growth", writer->sum, NAN, "%s %s by %s", writer->filter->type, verb,
               amount(writer, change).content);
    const struct top_row *grew = NULL, *shrank = NULL;
    for (uint32_t i = 0; i < writer->top.row_count; i++) {
        const struct top_row *row = &writer->top.rows[i];
        if (row->flat > 0 && (grew == NULL || row->flat > grew->flat))
            grew = row;
        if (row->flat < 0 && (shrank == NULL || row->flat < shrank->flat))
            shrank = row;
    }
    if (grew != NULL)
        report_change(writer, "grew_most", grew, "grew");
    if (shrank != NULL)
        report_change(writer, "shrank_most", shrank, "shrank");
    report_labels(writer);
}

/* --- the whole --- */

static const struct {
    const char *name;
    const char *type;  /* a profile with this sample type is of this kind; the first row that fits decides */
    enum profile_kind kind;
    const char *noun;
    void (*summarize)(struct writer *writer);
} kinds[] = {
    {"cpu", "cpu", PROFILE_KIND_CPU, "CPU time", summarize_cpu},
    {"heap", "inuse_space", PROFILE_KIND_HEAP, "memory", summarize_heap},
    {"heap", "alloc_space", PROFILE_KIND_HEAP, "memory", summarize_heap},
    {"heap", "space", PROFILE_KIND_HEAP, "memory", summarize_heap},
    {"goroutine", "goroutine", PROFILE_KIND_GOROUTINE, "goroutines", summarize_goroutines},
    {"goroutine", "goroutineleak", PROFILE_KIND_GOROUTINE, "leaked goroutines", summarize_goroutines},
    {"contention", "delay", PROFILE_KIND_CONTENTION, "delay", summarize_contention},
    {"threadcreate", "threadcreate", PROFILE_KIND_THREADS, "threads", summarize_threads},
    {"wall", "time", PROFILE_KIND_WALL, "time", summarize_wall},
    {"other", NULL, PROFILE_KIND_OTHER, "whole", summarize_other},
};

static size_t find_kind(const struct profile *profile)
{
    size_t i = 0;
    while (kinds[i].type != NULL && find_column(profile, kinds[i].type) == NO_COLUMN)
        i++;
    return i;
}

enum profile_kind profile_kind(const struct profile *profile)
{
    return kinds[find_kind(profile)].kind;
}

void summary_init(struct summary *summary, const struct filter *filter, bool is_difference)
{
    size_t kind = find_kind(filter->profile);
    *summary = (struct summary){.kind = kinds[kind].kind};
    arena_init(&summary->arena);
    summary->findings = arena_alloc_array(&summary->arena, FINDINGS_MAX, sizeof(*summary->findings));
    struct writer writer = {.summary = summary, .filter = filter, .noun = kinds[kind].noun, .sum = sum_of(filter)};
    top_init(&writer.top, filter, &(struct top_options){0});
    if (writer.top.row_count > 0)
        (is_difference ? summarize_difference : kinds[kind].summarize)(&writer);
    top_deinit(&writer.top);
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

void summary_write_json(const struct summary *summary, struct json *json, const char *name)
{
    size_t kind = 0;
    while (kinds[kind].kind != summary->kind)
        kind++;
    json_open_object(json, name);
    json_string(json, "kind", kinds[kind].name);
    json_open_array(json, "findings");
    for (uint32_t i = 0; i < summary->finding_count; i++) {
        const struct finding *finding = &summary->findings[i];
        json_open_object(json, NULL);
        json_string(json, "id", finding->id);
        json_string(json, "text", finding->text);
        json_string(json, "next", finding->next);
        json_integer(json, "value", finding->value);
        json_string(json, "unit", finding->unit);
        if (isfinite(finding->share))
            json_number(json, "share", finding->share);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}
