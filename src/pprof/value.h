/* value.h: sums and sizes of sample values, which may be any that 64 bits hold: they wrap, as in Go. [any] */
#ifndef PPROF_VALUE_H
#define PPROF_VALUE_H

#include <math.h>
#include <stdint.h>

static inline int64_t value_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline uint64_t value_magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

/* 1 is all of it; NAN: of nothing. */
static inline double value_share(int64_t value, int64_t total)
{
    return total == 0 ? NAN : (double)value / (double)total;
}

#endif
