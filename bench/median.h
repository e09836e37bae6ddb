/* median.h: of what a benchmark measured in its rounds. */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static inline int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The values stay in their order, which is that of the rounds. */
static inline double median(const double *values, size_t count)
{
    double *sorted = calloc(count, sizeof *sorted);
    if (!sorted)
        abort();
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    double middle = sorted[count / 2];
    free(sorted);
    return middle;
}

#endif
