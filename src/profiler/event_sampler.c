/* event_sampler.c: draws by duration, and shares of the budget that follow the load from window to window. */
#include "profiler/event_sampler.h"

#include "base/check.h"
#include "base/clock.h"

#define WINDOW_NS (NS_PER_S / EVENT_WINDOWS)
/* Each window has as many for its own as the shares aim at, with room for chance; the rest of a second's budget is a
 * reserve for bursts, which is there again a second after it was taken. */
#define WINDOW_OWN 60
#define WINDOW_AIM 50
#define RESERVE (EVENT_SAMPLER_BUDGET - (EVENT_WINDOWS + 1) * WINDOW_OWN)
/* A share falls at once, but grows by this much a window, as bursts come again. */
#define SHARE_GROWTH (8.0 / 7)
/* After so many windows in which nothing happened, any share is whole again. */
#define GROWTH_WINDOWS_MAX 256

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

static bool comes_true(double probability)
{
    return probability >= 1 || (double)(next_random() >> 11) * 0x1p-53 < probability;
}

void event_sampler_seed(uint64_t seed)
{
    random_state = seed;
}

/* --- counting --- */

static unsigned octave_of(uint64_t ns)
{
    return 63 - (unsigned)__builtin_clzll(ns | 1);
}

/* Where nobody else writes, an addition need not lock the cache line, which is most of what an event would cost. */
static inline void add(_Atomic uint64_t *sum, uint64_t more, bool is_own)
{
    if (LIKELY(is_own))
        atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + more, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(sum, more, memory_order_relaxed);
}

static inline void count_event(struct event_sampler *sampler, uint64_t ns)
{
    static _Atomic uint64_t thread_count;
    static _Thread_local unsigned cell_number; /* from 1 on; the last one is of all threads that came too late */
    if (UNLIKELY(cell_number == 0)) {
        uint64_t index = atomic_fetch_add_explicit(&thread_count, 1, memory_order_relaxed);
        cell_number = index < EVENT_CELLS ? (unsigned)index + 1 : EVENT_CELLS;
    }
    struct event_cell *cell = &sampler->cells[cell_number - 1];
    bool is_own = cell_number < EVENT_CELLS;
    add(&cell->counts[octave_of(ns)], 1, is_own);
    add(&cell->ns, ns, is_own);
}

static uint64_t octave_count(const struct event_sampler *sampler, unsigned octave)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < EVENT_CELLS; i++)
        count += atomic_load_explicit(&sampler->cells[i].counts[octave], memory_order_relaxed);
    return count;
}

struct event_total event_sampler_total(const struct event_sampler *sampler)
{
    struct event_total total = {0};
    for (unsigned octave = 0; octave < EVENT_OCTAVES; octave++)
        total.count += octave_count(sampler, octave);
    for (unsigned i = 0; i < EVENT_CELLS; i++)
        total.ns += atomic_load_explicit(&sampler->cells[i].ns, memory_order_relaxed);
    return total;
}

/* --- windows --- */

/* How probably an event is wanted, the budget aside. */
static double wanted_part(double ns, uint64_t rate_ns, uint64_t one_in)
{
    return (ns < (double)rate_ns ? ns / (double)rate_ns : 1) / (double)one_in;
}

/* The most that each octave may have of `all`, as those that want less leave the rest to the others. */
static double fair_limit(const double wanted[EVENT_OCTAVES], double all)
{
    for (double limit = all / EVENT_OCTAVES;;) {
        double left = all;
        unsigned unsatisfied = 0;
        for (unsigned octave = 0; octave < EVENT_OCTAVES; octave++) {
            if (wanted[octave] > limit)
                unsatisfied++;
            else
                left -= wanted[octave];
        }
        if (unsatisfied == 0 || left / unsatisfied <= limit)
            return limit;
        limit = left / unsatisfied; /* grows until nobody can be satisfied any more */
    }
}

/* A window is over, and so many after it in which nothing happened. */
static void share_budget(struct event_sampler *sampler, uint64_t empty_windows)
{
    uint64_t rate_ns = atomic_load_explicit(&sampler->rate_ns, memory_order_relaxed);
    uint64_t one_in = atomic_load_explicit(&sampler->one_in, memory_order_relaxed);
    double wanted[EVENT_OCTAVES], rest_growth = 1;
    for (unsigned octave = 0; octave < EVENT_OCTAVES; octave++) {
        uint64_t before = sampler->counts_before[octave], count = octave_count(sampler, octave);
        sampler->counts_before[octave] = count;
        wanted[octave] = (double)(count - before) * wanted_part(1.5 * (double)(1ull << octave), rate_ns, one_in);
    }
    double limit = fair_limit(wanted, WINDOW_AIM);
    for (uint64_t i = 0; i < empty_windows && i < GROWTH_WINDOWS_MAX; i++)
        rest_growth *= SHARE_GROWTH;
    for (unsigned octave = 0; octave < EVENT_OCTAVES; octave++) {
        double grown = atomic_load_explicit(&sampler->shares[octave], memory_order_relaxed) * SHARE_GROWTH;
        double fair = wanted[octave] > limit ? limit / wanted[octave] : 1;
        double share = (grown < fair ? grown : fair) * rest_growth;
        atomic_store_explicit(&sampler->shares[octave], share < 1 ? share : 1, memory_order_relaxed);
    }
}

/* What the last windows have left of the reserve is this one's. */
static void limit_window(struct event_sampler *sampler, uint64_t empty_windows)
{
    uint32_t count = atomic_load_explicit(&sampler->window_count, memory_order_relaxed);
    uint32_t limit = atomic_load_explicit(&sampler->window_limit, memory_order_relaxed);
    uint32_t recorded = count < limit ? count : limit, left = RESERVE;
    for (uint64_t i = 0; i <= empty_windows && i <= EVENT_WINDOWS; i++)
        sampler->reserve_taken[sampler->window_index++ % EVENT_WINDOWS] =
            i == 0 && recorded > WINDOW_OWN ? recorded - WINDOW_OWN : 0;
    for (unsigned i = 0; i < EVENT_WINDOWS; i++)
        left -= sampler->reserve_taken[i];
    atomic_store_explicit(&sampler->window_limit, WINDOW_OWN + left, memory_order_relaxed);
    atomic_store_explicit(&sampler->window_count, 0, memory_order_relaxed);
}

void event_sampler_tick(struct event_sampler *sampler, uint64_t now_ns)
{
    uint64_t end_ns = atomic_load_explicit(&sampler->window_end_ns, memory_order_relaxed);
    if (LIKELY(now_ns < end_ns))
        return;
    /* Nobody else begins a window before this one has. */
    if (!atomic_compare_exchange_strong(&sampler->window_end_ns, &end_ns, UINT64_MAX))
        return;
    share_budget(sampler, (now_ns - end_ns) / WINDOW_NS);
    limit_window(sampler, (now_ns - end_ns) / WINDOW_NS);
    atomic_store(&sampler->window_end_ns, now_ns + WINDOW_NS);
}

void event_sampler_set(struct event_sampler *sampler, uint64_t rate_ns, uint64_t one_in)
{
    ASSERT(one_in >= 1);
    /* Shares stay as the load has made them, but at first. */
    for (unsigned octave = 0; octave < EVENT_OCTAVES; octave++) {
        double unknown = 0;
        atomic_compare_exchange_strong(&sampler->shares[octave], &unknown, 1);
    }
    atomic_store(&sampler->one_in, one_in);
    atomic_store(&sampler->rate_ns, rate_ns);
}

/* --- choosing --- */

static uint64_t whole(double value)
{
    return value < 0x1p62 ? (uint64_t)(value + 0.5) : 1ull << 62;
}

static NOINLINE enum event_choice weigh(struct event_sampler *sampler, uint64_t ns, uint64_t now_ns, double probability,
                                        struct event_weight *weight)
{
    event_sampler_tick(sampler, now_ns ? now_ns : clock_monotonic_ns());
    double stands_for = probability < 1 ? 1 / probability : 1;
    weight->count = whole(stands_for * EVENT_COUNT_UNIT);
    weight->ns = whole(stands_for * (double)ns);
    uint32_t before = atomic_fetch_add_explicit(&sampler->window_count, 1, memory_order_relaxed);
    return before < atomic_load_explicit(&sampler->window_limit, memory_order_relaxed) ? EVENT_CHOSEN : EVENT_CUT;
}

enum event_choice event_sampler_choose(struct event_sampler *sampler, uint64_t ns, uint64_t now_ns,
                                       struct event_weight *weight)
{
    count_event(sampler, ns);
    uint64_t rate_ns = atomic_load_explicit(&sampler->rate_ns, memory_order_relaxed);
    uint64_t one_in = atomic_load_explicit(&sampler->one_in, memory_order_relaxed);
    double share = atomic_load_explicit(&sampler->shares[octave_of(ns)], memory_order_relaxed);
    /* One of no duration can be chosen too. */
    double probability = wanted_part(ns ? (double)ns : 1, rate_ns, one_in) * share;
    return comes_true(probability) ? weigh(sampler, ns, now_ns, probability, weight) : EVENT_PASSED;
}
