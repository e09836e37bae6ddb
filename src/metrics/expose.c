/* expose.c: metrics as text: Prometheus text format 0.0.4 and OpenMetrics 1.0.0.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://prometheus.io/docs/specs/om/open_metrics_spec/ */
#include "metrics/metrics.h"

#include "metrics/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct metrics_writer {
    struct buf *text;
    enum metrics_format format;
    const char *family; /* the one that samples belong to */
};

static const char *const content_types[] = {
    [METRICS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
    [METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
};

const char *metrics_content_type(enum metrics_format format)
{
    return content_types[format];
}

/* Both formats escape the same three characters in label values; OpenMetrics escapes them in help texts too, where
 * 0.0.4 leaves the quote alone. */
static void append_escaped(struct buf *text, const char *value, bool escape_quote)
{
    for (; *value; value++) {
        if (*value == '\n')
            buf_append_string(text, "\\n");
        else if (*value == '\\' || (*value == '"' && escape_quote))
            buf_printf(text, "\\%c", *value);
        else
            buf_append_byte(text, *value >= 0x20 && *value < 0x7f ? (uint8_t)*value : '?');
    }
}

/* The shortest text that reads back as the same number. */
static void append_number(struct buf *text, double value)
{
    if (isnan(value)) {
        buf_append_string(text, "NaN");
        return;
    }
    if (isinf(value)) {
        buf_append_string(text, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    char number[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, value);
        if (strtod(number, NULL) == value)
            break;
    }
    buf_append_string(text, number);
}

/* `le` is the bucket's bound as text, NULL for none. */
static void append_labels(struct buf *text, const char *const *labels, const char *le)
{
    if ((!labels || !labels[0]) && !le)
        return;
    char separator = '{';
    for (; labels && labels[0]; labels += 2) {
        buf_printf(text, "%c%s=\"", separator, labels[0]);
        append_escaped(text, labels[1], true);
        buf_append_byte(text, '"');
        separator = ',';
    }
    if (le)
        buf_printf(text, "%cle=\"%s\"", separator, le);
    buf_append_byte(text, '}');
}

void metrics_write_family(struct metrics_writer *writer, enum metric_type type, const char *name, const char *help)
{
    /* In OpenMetrics a counter's family is named without the _total that its samples carry. */
    int length = (int)strlen(name);
    if (writer->format == METRICS_OPENMETRICS && type == METRIC_COUNTER)
        length -= (int)strlen("_total");
    buf_printf(writer->text, "# HELP %.*s ", length, name);
    append_escaped(writer->text, help, writer->format == METRICS_OPENMETRICS);
    buf_printf(writer->text, "\n# TYPE %.*s %s\n", length, name, type_names[type]);
    writer->family = name;
}

void metrics_write_sample(struct metrics_writer *writer, double value, const char *const *labels)
{
    buf_append_string(writer->text, writer->family);
    append_labels(writer->text, labels, NULL);
    buf_append_byte(writer->text, ' ');
    append_number(writer->text, value);
    buf_append_byte(writer->text, '\n');
}

/* A bucket's bound; OpenMetrics wants floating point in its canonical form, "1.0" where 0.0.4 has "1". */
static void format_bound(enum metrics_format format, double bound, char *text, size_t capacity)
{
    bool whole = bound == floor(bound);
    snprintf(text, capacity, whole && format == METRICS_OPENMETRICS ? "%.1f" : "%.15g", bound);
}

static void write_histogram(struct metrics_writer *writer, const struct metric_histogram *histogram,
                            const char *const *labels)
{
    const struct metric_buckets *buckets = histogram->buckets;
    struct buf *text = writer->text;
    uint64_t count = 0;
    for (unsigned i = 0; i <= buckets->count; i++) {
        char le[32] = "+Inf";
        if (i < buckets->count)
            format_bound(writer->format, (double)buckets->bounds[i] / buckets->divisor, le, sizeof le);
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        buf_printf(text, "%s_bucket", writer->family);
        append_labels(text, labels, le);
        buf_printf(text, " %llu\n", (unsigned long long)count);
    }
    buf_printf(text, "%s_sum", writer->family);
    append_labels(text, labels, NULL);
    buf_append_byte(text, ' ');
    append_number(text, (double)atomic_load_explicit(&histogram->sum, memory_order_relaxed) / buckets->divisor);
    buf_printf(text, "\n%s_count", writer->family);
    append_labels(text, labels, NULL);
    buf_printf(text, " %llu\n", (unsigned long long)count);
}

static void write_series(struct metrics_writer *writer, enum metric_type type, const struct metric_series *series)
{
    const char *const *labels = (const char *const *)series->labels;
    switch (type) {
    case METRIC_COUNTER:
        metrics_write_sample(writer, (double)atomic_load_explicit(&series->counter.value, memory_order_relaxed),
                             labels);
        break;
    case METRIC_GAUGE:
        metrics_write_sample(writer, (double)atomic_load_explicit(&series->gauge.value, memory_order_relaxed), labels);
        break;
    case METRIC_HISTOGRAM:
        write_histogram(writer, &series->histogram, labels);
        break;
    }
}

void metrics_expose(struct metrics *metrics, enum metrics_format format, struct buf *text)
{
    struct metrics_writer writer = {text, format, NULL};
    pthread_mutex_lock(&metrics->lock);
    for (struct metric_family *family = metrics->first_family; family; family = family->next) {
        metrics_write_family(&writer, family->type, family->name, family->help);
        for (struct metric_series *series = family->first; series; series = series->next)
            write_series(&writer, family->type, series);
    }
    for (struct metric_collector *collector = metrics->first_collector; collector; collector = collector->next)
        collector->collect(&writer, collector->context);
    pthread_mutex_unlock(&metrics->lock);
    if (format == METRICS_OPENMETRICS)
        buf_append_string(text, "# EOF\n");
}
