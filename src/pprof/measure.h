/* measure.h: sample values as `go tool pprof` prints them: 1.20s, 512.50kB, 12.34%. [any] */
#ifndef PPROF_MEASURE_H
#define PPROF_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ask measure_scale for the largest unit in which the value is at least 1. */
#define MEASURE_BEST_UNIT "minimum"

struct measured {
    double value;
    const char *unit; /* "" where a unit would say nothing ("count"); else a constant or the caller's `to` */
};

/* From one unit to another of its family (bytes, time or GCU; "kilobytes", "ms" and such are understood). A unit of no
 * family keeps the value as it is. */
struct measured measure_scale(int64_t value, const char *from, const char *to);

/* Whether values of the two can be added once they are scaled: both are equal, or of one family. */
bool measure_is_convertible(const char *from, const char *to);

/* "1.20s": at most two digits behind the point, none if they are zeros; zero has no unit. */
void measure_format(int64_t value, const char *from, const char *to, char *text, size_t capacity);

/* For printf's "%*s": the width that makes the text as many characters wide, which are bytes to printf ("μs": 3). */
int measure_width(const char *text, int characters);

/* "12.34%", " 0.5%", "  100%": at least five characters and the sign. 0% of a total of 0. */
void measure_percentage(int64_t value, int64_t total, char *text, size_t capacity);

#endif
