/* metrics.c: the registry: which families, series and collectors there are. */
#include "metrics/metrics.h"

#include "base/mem.h"
#include "metrics/registry.h"

#include <string.h>

static const uint64_t latency_bounds_ns[] = {
    10000,    25000,    50000,     100000,    250000,    500000,     1000000,    2500000,    5000000,     10000000,
    25000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000,
};
const struct metric_buckets metric_buckets_latency = {1e9, ARRAY_COUNT(latency_bounds_ns), latency_bounds_ns};

static const uint64_t size_bounds[] = {
    64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
};
const struct metric_buckets metric_buckets_size = {1, ARRAY_COUNT(size_bounds), size_bounds};

_Static_assert(ARRAY_COUNT(latency_bounds_ns) <= METRIC_BUCKETS_MAX, "the latency buckets fit");
_Static_assert(ARRAY_COUNT(size_bounds) <= METRIC_BUCKETS_MAX, "the size buckets fit");

struct metrics *metrics_create(void)
{
    struct metrics *metrics = MEM_NEW(struct metrics);
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->last_family = &metrics->first_family;
    metrics->last_collector = &metrics->first_collector;
    return metrics;
}

static void series_destroy(struct metric_series *series)
{
    for (char **label = series->labels; label && *label; label++)
        mem_free(*label);
    mem_free(series->labels);
    mem_free(series);
}

static void family_destroy(struct metric_family *family)
{
    for (struct metric_series *series = family->first, *next; series; series = next) {
        next = series->next;
        series_destroy(series);
    }
    mem_free(family->name);
    mem_free(family->help);
    mem_free(family);
}

void metrics_destroy(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (struct metric_family *family = metrics->first_family, *next; family; family = next) {
        next = family->next;
        family_destroy(family);
    }
    for (struct metric_collector *collector = metrics->first_collector, *next; collector; collector = next) {
        next = collector->next;
        mem_free(collector);
    }
    pthread_mutex_destroy(&metrics->lock);
    mem_free(metrics);
}

static bool is_name(const char *name)
{
    if (*name >= '0' && *name <= '9')
        return false;
    return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool ends_in_total(const char *name)
{
    static const char suffix[] = "_total";
    size_t length = strlen(name);
    return length >= sizeof suffix && strcmp(name + length - (sizeof suffix - 1), suffix) == 0;
}

static unsigned label_count(const char *const *labels)
{
    unsigned count = 0;
    while (labels && labels[count * 2]) {
        ASSERT(is_name(labels[count * 2]));
        ASSERT(labels[count * 2 + 1]);
        count++;
    }
    ASSERT(count <= METRIC_LABELS_MAX);
    return count;
}

static struct metric_family *family_get(struct metrics *metrics, enum metric_type type, const char *name,
                                        const char *help)
{
    for (struct metric_family *family = metrics->first_family; family; family = family->next) {
        if (strcmp(family->name, name) == 0) {
            ASSERT(family->type == type);
            ASSERT(strcmp(family->help, help) == 0);
            return family;
        }
    }
    ASSERT(is_name(name));
    ASSERT((type == METRIC_COUNTER) == ends_in_total(name));
    struct metric_family *family = MEM_NEW(struct metric_family);
    family->type = type;
    family->name = mem_copy_string(name);
    family->help = mem_copy_string(help);
    family->last = &family->first;
    *metrics->last_family = family;
    metrics->last_family = &family->next;
    return family;
}

/* Whether the label values are equal; the names have to be. */
static bool labels_equal(char *const *have, const char *const *wanted, unsigned count)
{
    bool equal = true;
    for (unsigned i = 0; i < count; i++) {
        ASSERT(have && have[i * 2] && strcmp(have[i * 2], wanted[i * 2]) == 0);
        equal = equal && strcmp(have[i * 2 + 1], wanted[i * 2 + 1]) == 0;
    }
    ASSERT(!have || !have[count * 2]);
    return equal;
}

static struct metric_series *series_get(struct metric_family *family, const char *const *labels)
{
    unsigned count = label_count(labels);
    for (struct metric_series *series = family->first; series; series = series->next)
        if (labels_equal(series->labels, labels, count))
            return series;
    struct metric_series *series = MEM_NEW(struct metric_series);
    if (count > 0) {
        series->labels = mem_alloc_array((size_t)count * 2 + 1, sizeof *series->labels);
        for (unsigned i = 0; i < count * 2; i++)
            series->labels[i] = mem_copy_string(labels[i]);
    }
    *family->last = series;
    family->last = &series->next;
    return series;
}

static struct metric_series *register_series(struct metrics *metrics, enum metric_type type, const char *name,
                                             const char *help, const struct metric_buckets *buckets,
                                             const char *const *labels)
{
    pthread_mutex_lock(&metrics->lock);
    struct metric_series *series = series_get(family_get(metrics, type, name, help), labels);
    if (type == METRIC_HISTOGRAM) {
        ASSERT(buckets->count <= METRIC_BUCKETS_MAX);
        ASSERT(!series->histogram.buckets || series->histogram.buckets == buckets);
        series->histogram.buckets = buckets;
    }
    pthread_mutex_unlock(&metrics->lock);
    return series;
}

struct metric_counter *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                                       const char *const *labels)
{
    return &register_series(metrics, METRIC_COUNTER, name, help, NULL, labels)->counter;
}

struct metric_gauge *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                                   const char *const *labels)
{
    return &register_series(metrics, METRIC_GAUGE, name, help, NULL, labels)->gauge;
}

struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                                           const struct metric_buckets *buckets, const char *const *labels)
{
    return &register_series(metrics, METRIC_HISTOGRAM, name, help, buckets, labels)->histogram;
}

void metrics_collector_add(struct metrics *metrics, void (*collect)(struct metrics_writer *writer, void *context),
                           void *context)
{
    struct metric_collector *collector = MEM_NEW(struct metric_collector);
    collector->collect = collect;
    collector->context = context;
    pthread_mutex_lock(&metrics->lock);
    *metrics->last_collector = collector;
    metrics->last_collector = &collector->next;
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_collector_remove(struct metrics *metrics, void *context)
{
    pthread_mutex_lock(&metrics->lock);
    struct metric_collector **link = &metrics->first_collector;
    while (*link) {
        struct metric_collector *collector = *link;
        if (collector->context == context) {
            *link = collector->next;
            mem_free(collector);
        } else {
            link = &collector->next;
        }
    }
    metrics->last_collector = link;
    pthread_mutex_unlock(&metrics->lock);
}
