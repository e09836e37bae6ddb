/* trace_clock.c: readings of two clocks, at most one kept for each second, and lines between them. */
#include "profiler/trace_clock.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/trace.h"
#include "profiler/own_thread.h"

#define KEEP_EVERY_NS NS_PER_S
/* A reading with an interruption in it is off by as much as that took. */
#define TRIES 5

/* The best of several. */
static struct trace_clock_pair read_pair(void)
{
    struct trace_clock_pair best = {0};
    uint64_t best_took = UINT64_MAX;
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t before = trace_ticks(), ns = own_thread_clock_ns(), took = trace_ticks() - before;
        if (took < best_took) {
            best_took = took;
            best = (struct trace_clock_pair){before + took / 2, ns};
        }
    }
    return best;
}

void trace_clock_read(struct trace_clock *clock)
{
    struct trace_clock_pair pair = read_pair();
    if (clock->count > 0 && pair.ticks <= clock->newest.ticks)
        return;
    uint64_t kept_ns = clock->count > 0 ? clock->pairs[(clock->count - 1) % TRACE_CLOCK_PAIRS].ns : 0;
    if (clock->count == 0)
        clock->pairs[clock->count++ % TRACE_CLOCK_PAIRS] = pair;
    else if (clock->newest.ns - kept_ns >= KEEP_EVERY_NS)
        clock->pairs[clock->count++ % TRACE_CLOCK_PAIRS] = clock->newest;
    clock->newest = pair;
}

/* The pair with this number, counted from the oldest that is kept; behind the last of those, the newest. */
static struct trace_clock_pair pair_at(const struct trace_clock *clock, uint64_t index)
{
    uint64_t first = clock->count > TRACE_CLOCK_PAIRS ? clock->count - TRACE_CLOCK_PAIRS : 0;
    return first + index < clock->count ? clock->pairs[(first + index) % TRACE_CLOCK_PAIRS] : clock->newest;
}

static uint64_t pair_count(const struct trace_clock *clock)
{
    return (clock->count < TRACE_CLOCK_PAIRS ? clock->count : TRACE_CLOCK_PAIRS) + 1;
}

static struct trace_clock_line line_between(struct trace_clock_pair start, struct trace_clock_pair end)
{
    struct trace_clock_line line = {.start = start, .end = end};
    if (end.ticks > start.ticks)
        line.ns_per_tick = (double)(end.ns - start.ns) / (double)(end.ticks - start.ticks);
    return line;
}

/* The line whose start is the last pair before `value`, which is ticks or ns. */
static struct trace_clock_line find_line(const struct trace_clock *clock, uint64_t value, bool is_ns)
{
    uint64_t low = 0, high = pair_count(clock) - 2; /* of the starts of lines */
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        struct trace_clock_pair pair = pair_at(clock, middle);
        if ((is_ns ? pair.ns : pair.ticks) <= value)
            low = middle;
        else
            high = middle - 1;
    }
    return line_between(pair_at(clock, low), pair_at(clock, low + 1));
}

struct trace_clock_line trace_clock_line_at(const struct trace_clock *clock, uint64_t ticks)
{
    ASSERT(clock->count > 0);
    return find_line(clock, ticks, false);
}

uint64_t trace_clock_ticks_at(const struct trace_clock *clock, uint64_t ns)
{
    ASSERT(clock->count > 0);
    struct trace_clock_line line = find_line(clock, ns, true);
    if (line.ns_per_tick <= 0)
        return clock->newest.ticks;
    int64_t step = (int64_t)((double)(int64_t)(ns - line.start.ns) / line.ns_per_tick);
    return step < 0 && line.start.ticks < (uint64_t)-step ? 0 : line.start.ticks + (uint64_t)step;
}
