/* trace_clock.h: from the ticks of records (base/trace.h) to the kernel's CLOCK_MONOTONIC.
 *
 * The kernel adjusts the length of its seconds, by half a millisecond a second at most, and nobody tells how long a
 * tick is. So both clocks are read together again and again; in between, a straight line. One thread at a time. */
#ifndef PROFILER_TRACE_CLOCK_H
#define PROFILER_TRACE_CLOCK_H

#include <stdint.h>

struct trace_clock_pair {
    uint64_t ticks, ns;
};

/* Pairs lie at least a second apart: more than an hour of them. What is older goes by the oldest. */
#define TRACE_CLOCK_PAIRS 4096

struct trace_clock {
    struct trace_clock_pair pairs[TRACE_CLOCK_PAIRS]; /* a ring */
    uint64_t count;                                   /* pairs that were ever kept */
    struct trace_clock_pair newest;                   /* not kept yet */
};

/* A straight line, also beyond its ends. */
struct trace_clock_line {
    struct trace_clock_pair start, end;
    double ns_per_tick;
};

/* Read both clocks: soon before any ticks are converted that are newer than the last reading. */
void trace_clock_read(struct trace_clock *clock);
/* The line that these ticks lie on, or the nearest. The clock was read twice at least. */
struct trace_clock_line trace_clock_line_at(const struct trace_clock *clock, uint64_t ticks);
/* The ticks at this time; those of the newest reading if the clock stood still meanwhile, and 0 for
 * what was before the first tick. */
uint64_t trace_clock_ticks_at(const struct trace_clock *clock, uint64_t ns);

static inline uint64_t trace_clock_ns(const struct trace_clock_line *line, uint64_t ticks)
{
    double ns = (double)(int64_t)(ticks - line->start.ticks) * line->ns_per_tick;
    return line->start.ns + (uint64_t)(int64_t)ns;
}

#endif
