/* metrics.h: counters, gauges and histograms, and how Prometheus reads them.
 *
 * Register once, keep the handle, update it from anywhere: an update is one or two relaxed atomic additions, without
 * a lock, an allocation or a loop that others can prolong. A handle lives as long as its registry.
 *
 *     struct metric_counter *errors = metrics_counter(metrics, "takhin_errors_total", "Requests that failed.",
 *                                                     METRIC_LABELS("api", "Fetch", "error", "UNKNOWN_TOPIC_ID"));
 *     metric_counter_add(errors, 1);
 *
 * Names: [a-z_][a-z0-9_]*, base units last (_seconds, _bytes), and a counter's name ends in _total; other names are a
 * bug and end the process. Label values may be anything; what is not printable ASCII is shown as "?". */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

struct metrics;

struct metrics *metrics_create(void);
/* Nobody may use its handles any more. NULL is allowed. */
void metrics_destroy(struct metrics *metrics);

/* Name, value, name, value ...; ended by NULL. */
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define METRIC_NO_LABELS NULL
#define METRIC_LABELS_MAX 4

/* Fields are the header's business: use the functions below. */
struct metric_counter {
    _Atomic uint64_t value;
};

struct metric_gauge {
    _Atomic int64_t value;
};

/* Where a histogram's buckets end. Values are observed as integers of a fine unit and shown in a base unit. */
struct metric_buckets {
    double divisor;         /* observed units in one shown unit: 1e9 for nanoseconds shown as seconds */
    unsigned count;         /* at most METRIC_BUCKETS_MAX; a last bucket without a bound is always there */
    const uint64_t *bounds; /* inclusive upper ends, ascending, in the observed unit */
};
#define METRIC_BUCKETS_MAX 32

struct metric_histogram {
    const struct metric_buckets *buckets;
    _Atomic uint64_t sum;
    _Atomic uint64_t counts[METRIC_BUCKETS_MAX + 1];
};

/* Nanoseconds shown as seconds: 10 us to 10 s, for anything a client or a disk makes us wait for. */
extern const struct metric_buckets metric_buckets_latency;
/* Bytes: 64 B to 64 MiB in powers of four. */
extern const struct metric_buckets metric_buckets_size;

/* Register, or get the one registered before under the same name and labels; type, help and buckets must then be
 * equal, and all series of a name have the same label names. Texts are copied; buckets must outlive the registry.
 * Takes a lock: not per request. A client must not be able to make ever new label values. [any] */
struct metric_counter *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                                       const char *const *labels);
struct metric_gauge *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                                   const char *const *labels);
struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                                           const struct metric_buckets *buckets, const char *const *labels);

/* [any], also [signal]. */
static inline void metric_counter_add(struct metric_counter *counter, uint64_t count)
{
    atomic_fetch_add_explicit(&counter->value, count, memory_order_relaxed);
}

static inline void metric_gauge_set(struct metric_gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

static inline void metric_gauge_add(struct metric_gauge *gauge, int64_t difference)
{
    atomic_fetch_add_explicit(&gauge->value, difference, memory_order_relaxed);
}

static inline void metric_histogram_observe(struct metric_histogram *histogram, uint64_t value)
{
    const struct metric_buckets *buckets = histogram->buckets;
    unsigned bucket = 0;
    while (bucket < buckets->count && value > buckets->bounds[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

/* A collector writes what is known only when somebody asks (lag of loops, offsets, /proc): whole families, whose
 * names nobody else uses. It runs on the thread that reads the metrics, under the registry's lock: it must not park,
 * and not register anything. [any] */
struct metrics_writer;
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

void metrics_collector_add(struct metrics *metrics, void (*collect)(struct metrics_writer *writer, void *context),
                           void *context);
/* On return it does not run and never will again. */
void metrics_collector_remove(struct metrics *metrics, void *context);
/* Inside collect: begin a family (counter or gauge), then write its samples. */
void metrics_write_family(struct metrics_writer *writer, enum metric_type type, const char *name, const char *help);
void metrics_write_sample(struct metrics_writer *writer, double value, const char *const *labels);

enum metrics_format {
    METRICS_TEXT,        /* Prometheus text format 0.0.4 */
    METRICS_OPENMETRICS, /* OpenMetrics 1.0.0: counters' families without _total, canonical le, # EOF */
};
/* What goes into the Content-Type of an answer in this format. */
const char *metrics_content_type(enum metrics_format format);
/* Append all metrics: what is registered, then what collectors write, both in order of registration. Each
 * number is read on its own, so that numbers updated meanwhile may differ by those updates; a histogram's count always
 * equals its last bucket. [any] */
void metrics_expose(struct metrics *metrics, enum metrics_format format, struct buf *text);

/* Register the process's own: process_* from /proc and takhin_build_info{version}. [any] */
void metrics_add_process(struct metrics *metrics, const char *version);

#endif
