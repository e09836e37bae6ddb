/* event_sampler.h: which events to record where there are too many to record them all, and what each of the chosen
 * ones stands for.
 *
 * An event of d ns is wanted with probability min(1, d / rate) / F. If more are wanted than the budget allows, the
 * budget is shared between octaves of durations, so that neither many short ones nor many long ones drown the rest.
 * The share of an octave follows from what the windows of time before have seen, never from the event at hand; and what
 * is chosen weighs the inverse of its probability: so both the number of events and their time add up right on
 * average, however rates and load change. What a burst has chosen beyond the budget is cut: its weight is known too,
 * and whoever adds that up has totals that are still right.
 *
 * Any number of threads at once, without a lock; an event that is not chosen costs some ns. A static sampler that
 * is zeroed chooses nothing. [any], not in a signal handler */
#ifndef PROFILER_EVENT_SAMPLER_H
#define PROFILER_EVENT_SAMPLER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Recorded in any one second, at most. */
#define EVENT_SAMPLER_BUDGET 1000
/* Weights of counts are in units of 1/EVENT_COUNT_UNIT: an event may stand for 2.3 others. */
#define EVENT_COUNT_UNIT 1024
/* A duration's octave is its log2 in ns. */
#define EVENT_OCTAVES 64
/* Any second meets one more than so many windows, at most. */
#define EVENT_WINDOWS 10
/* The first threads count in a cell of their own each, so that those that contend for a lock do not contend here as
 * well; all others in the last one. */
#define EVENT_CELLS 64

struct event_cell {
    alignas(64) _Atomic uint64_t counts[EVENT_OCTAVES];
    _Atomic uint64_t ns;
};

struct event_sampler {
    _Atomic uint64_t rate_ns; /* 0: choose nothing */
    _Atomic uint64_t one_in;  /* F */
    /* The window of time that runs: how many were chosen, and how many may be recorded. */
    _Atomic uint32_t window_count, window_limit;
    _Atomic uint64_t window_end_ns;
    _Atomic double shares[EVENT_OCTAVES]; /* of the wanted ones that are chosen, above 0 */
    /* Of whoever begins the next window: the counts when this one began, and what the last ones took of the reserve. */
    uint64_t counts_before[EVENT_OCTAVES];
    uint32_t reserve_taken[EVENT_WINDOWS], window_index;
    struct event_cell cells[EVENT_CELLS];
};

/* From the next event on. rate_ns 0: off. one_in: F, at least 1. One thread at a time. */
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
 * passed. The sampler is on, or was a moment ago. */
enum event_choice event_sampler_choose(struct event_sampler *sampler, uint64_t ns, uint64_t now_ns,
                                       struct event_weight *weight);
/* Let the windows go on, also while nothing is chosen: call it with each event that knows the time. */
void event_sampler_tick(struct event_sampler *sampler, uint64_t now_ns);

/* All events, chosen or not. */
struct event_total {
    uint64_t count, ns;
};
struct event_total event_sampler_total(const struct event_sampler *sampler);

/* Tests only: what this thread draws from now on. */
void event_sampler_seed(uint64_t seed);

#endif
