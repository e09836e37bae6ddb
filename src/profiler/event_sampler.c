/* event_sampler.c: draws by duration, and a threshold that follows the load from window to window. */
#include "profiler/event_sampler.h"

#include "base/check.h"
#include "base/clock.h"

/* Any second meets 11 windows at most. */
#define WINDOW_NS (100 * NS_PER_MS)
#define WINDOW_COUNT_MAX (EVENT_SAMPLER_BUDGET / 11)
/* What the threshold aims at; the rest is room for chance. */
#define WINDOW_COUNT_AIM (WINDOW_COUNT_MAX / 2)
/* 18 minutes: more waiting than this would need hundreds of thousands of tasks that all wait. */
#define THRESHOLD_BITS_MAX 40
/* After so many windows without a need for it, any threshold is down to nothing. */
#define FALL_WINDOWS_MAX 256

/* --- chance --- */

static _Thread_local uint64_t random_state; /* 0: not seeded yet */

/* splitmix64 (Steele, Lea, Flood 2014): any state is a good one, and threads may start from neighbours. */
static uint64_t next_random(void)
{
    static _Atomic uint64_t thread_count;
    if (UNLIKELY(random_state == 0)) {
        uint64_t index = atomic_fetch_add_explicit(&thread_count, 1, memory_order_relaxed);
        random_state = (clock_monotonic_ns() << 16) + index + 1;
    }
    uint64_t mixed = random_state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

/* Evenly among [0, limit). */
static uint64_t random_below(uint64_t limit)
{
    return (uint64_t)((unsigned __int128)next_random() * limit >> 64);
}

void event_sampler_seed(uint64_t seed)
{
    random_state = seed;
}

/* --- windows --- */

static unsigned bin_of(uint64_t ns)
{
    return 63 - (unsigned)__builtin_clzll(ns);
}

/* How many would have been chosen in the window if the threshold had been `wanted` instead of `old`. */
static double expected_count(const uint32_t counts[EVENT_DURATION_BINS], uint64_t old, uint64_t wanted)
{
    double expected = 0;
    for (unsigned bin = 0; bin < EVENT_DURATION_BINS; bin++) {
        if (counts[bin] == 0)
            continue;
        double ns = 1.5 * (double)(1ull << bin);
        double events = ns < (double)old ? (double)old / ns : 1;
        expected += counts[bin] * events * (ns < (double)wanted ? ns / (double)wanted : 1);
    }
    return expected;
}

/* The lowest threshold for as many as we aim at: the rate that was asked for, or the next power of two that will do. */
static uint64_t threshold_for(const uint32_t counts[EVENT_DURATION_BINS], uint64_t old, uint64_t rate)
{
    uint64_t wanted = rate;
    while (expected_count(counts, old, wanted) > WINDOW_COUNT_AIM && wanted >> THRESHOLD_BITS_MAX == 0)
        wanted = 1ull << (bin_of(wanted) + 1);
    return wanted;
}

/* A window is over, and so many after it in which nothing ended. The threshold rises at once, and falls by an eighth a
 * window, as bursts come again. */
static void adjust(struct event_sampler *sampler, uint64_t empty_windows)
{
    uint32_t counts[EVENT_DURATION_BINS];
    for (unsigned bin = 0; bin < EVENT_DURATION_BINS; bin++)
        counts[bin] = atomic_exchange_explicit(&sampler->durations[bin], 0, memory_order_relaxed);
    uint64_t rate = atomic_load_explicit(&sampler->rate_ns, memory_order_relaxed);
    uint64_t old = atomic_load_explicit(&sampler->threshold_ns, memory_order_relaxed);
    if (rate > 0) {
        uint64_t fallen = old;
        for (uint64_t i = 0; i <= empty_windows && i < FALL_WINDOWS_MAX; i++)
            fallen -= fallen / 8 + (fallen % 8 != 0);
        uint64_t wanted = threshold_for(counts, old, rate);
        /* Unless the rate was set meanwhile. */
        atomic_compare_exchange_strong(&sampler->threshold_ns, &old, wanted > fallen ? wanted : fallen);
    }
    atomic_store(&sampler->window_count, 0);
}

void event_sampler_tick(struct event_sampler *sampler, uint64_t now_ns)
{
    uint64_t end_ns = atomic_load_explicit(&sampler->window_end_ns, memory_order_relaxed);
    if (LIKELY(now_ns < end_ns))
        return;
    if (atomic_compare_exchange_strong(&sampler->window_end_ns, &end_ns, now_ns + WINDOW_NS))
        adjust(sampler, (now_ns - end_ns) / WINDOW_NS);
}

void event_sampler_set(struct event_sampler *sampler, uint64_t rate_ns, uint64_t one_in)
{
    ASSERT(one_in >= 1);
    atomic_store(&sampler->one_in, one_in);
    atomic_store(&sampler->threshold_ns, rate_ns);
    atomic_store(&sampler->rate_ns, rate_ns);
}

/* --- choosing --- */

static NOINLINE enum event_choice weigh(struct event_sampler *sampler, uint64_t ns, uint64_t now_ns,
                                        uint64_t threshold_ns, uint64_t one_in, struct event_weight *weight)
{
    event_sampler_tick(sampler, now_ns ? now_ns : clock_monotonic_ns());
    double stands_for = (double)one_in * (ns < threshold_ns ? (double)threshold_ns / (double)ns : 1);
    *weight = (struct event_weight){
        .count = (uint64_t)(stands_for * EVENT_COUNT_UNIT + 0.5),
        .ns = one_in * (ns < threshold_ns ? threshold_ns : ns),
    };
    atomic_fetch_add_explicit(&sampler->durations[bin_of(ns)], 1, memory_order_relaxed);
    uint32_t before = atomic_fetch_add_explicit(&sampler->window_count, 1, memory_order_relaxed);
    return before < WINDOW_COUNT_MAX ? EVENT_CHOSEN : EVENT_CUT;
}

enum event_choice event_sampler_choose(struct event_sampler *sampler, uint64_t ns, uint64_t now_ns,
                                       struct event_weight *weight)
{
    uint64_t threshold_ns = atomic_load_explicit(&sampler->threshold_ns, memory_order_relaxed);
    uint64_t one_in = atomic_load_explicit(&sampler->one_in, memory_order_relaxed);
    ns += ns == 0; /* so that it can be chosen at all */
    if (one_in > 1 && random_below(one_in) != 0)
        return EVENT_PASSED;
    if (ns < threshold_ns && random_below(threshold_ns) >= ns)
        return EVENT_PASSED;
    return weigh(sampler, ns, now_ns, threshold_ns, one_in, weight);
}
