/* registry.h: what the registry and the text exposition share; for the files of this folder only. */
#ifndef METRICS_REGISTRY_H
#define METRICS_REGISTRY_H

#include "metrics/metrics.h"

#include <pthread.h>

/* One line of a counter or gauge, one set of buckets of a histogram. Never freed before the registry. */
struct metric_series {
    struct metric_series *next;
    char **labels; /* name, value, ..., NULL; NULL for none */
    union {
        struct metric_counter counter;
        struct metric_gauge gauge;
        struct metric_histogram histogram;
    };
};

struct metric_family {
    struct metric_family *next;
    enum metric_type type;
    char *name, *help;
    struct metric_series *first, **last;
};

struct metric_collector {
    struct metric_collector *next;
    void (*collect)(struct metrics_writer *writer, void *context);
    void *context;
};

struct metrics {
    pthread_mutex_t lock; /* of the lists; not of the values */
    struct metric_family *first_family, **last_family;
    struct metric_collector *first_collector, **last_collector;
};

#endif
