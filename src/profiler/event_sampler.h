/* event_sampler.h: chooses which events to record where there are too many to record them all, and what each of the
 * chosen ones stands for.
 *
 * An event of d ns is chosen with probability min(1, d / T) / F and weighs the inverse of that, so both the number of
 * events and their time add up right on average, and long ones are never missed for F = 1. T is the rate that was
 * asked for, or more, so that no more than EVENT_SAMPLER_BUDGET are recorded in any one second: it follows from what
 * the windows of time before have seen, and never from the event at hand. What a burst has chosen beyond the budget
 * is cut: its weight is known, and whoever adds that up has totals that are still right.
 *
 * Any number of threads at once, without a lock; an event that is not chosen costs a few ns. A static sampler that is
 * zeroed chooses nothing. [any], not in a signal handler */
#ifndef PROFILER_EVENT_SAMPLER_H
#define PROFILER_EVENT_SAMPLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENT_SAMPLER_BUDGET 1000

/* Weights of counts are in units of 1/EVENT_COUNT_UNIT: an event may stand for 2.3 others. */
#define EVENT_COUNT_UNIT 1024

#define EVENT_DURATION_BINS 64

struct event_sampler {
    _Atomic uint64_t rate_ns; /* as it was asked for; 0: choose nothing */
    _Atomic uint64_t one_in;  /* F */
    _Atomic uint64_t threshold_ns; /* T, in force */
    /* Of the window of time that runs: when it ends, how many were chosen, and how many by log2 of their ns. */
    _Atomic uint64_t window_end_ns;
    _Atomic uint32_t window_count;
    _Atomic uint32_t durations[EVENT_DURATION_BINS];
};

/* From the next event on. rate_ns: T where there is budget for it; 0: off. one_in: F, at least 1. */
void event_sampler_set(struct event_sampler *sampler, uint64_t rate_ns, uint64_t one_in);
static inline bool event_sampler_is_on(const struct event_sampler *sampler)
{
    return atomic_load_explicit(&sampler->rate_ns, memory_order_relaxed) != 0;
}

/* What a chosen event stands for. */
struct event_weight {
    uint64_t count; /* in units of 1/EVENT_COUNT_UNIT */
    uint64_t ns;
};
enum event_choice {
    EVENT_PASSED,
    EVENT_CHOSEN,
    EVENT_CUT, /* chosen, but beyond the budget */
};
/* An event of so many ns that ended now (clock_monotonic_ns; 0: look if need be). The weight is set if it is not
 * passed. The sampler is on. */
enum event_choice event_sampler_choose(struct event_sampler *sampler, uint64_t ns, uint64_t now_ns,
                                       struct event_weight *weight);
/* Let the windows go on, also while nothing is chosen: call it with each event that knows the time. */
void event_sampler_tick(struct event_sampler *sampler, uint64_t now_ns);

/* Tests only: what this thread draws from now on. */
void event_sampler_seed(uint64_t seed);

#endif
