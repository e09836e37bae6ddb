/* contention.c: the probe sink: events become samples of block and of mutex. */
#include "profiler/contention.h"

#include "base/clock.h"
#include "base/probe.h"
#include "profiler/capture.h"
#include "profiler/event_sampler.h"
#include "profiler/stack_records.h"
#include "profiler/type.h"

#include <stdatomic.h>

_Static_assert(EVENT_SAMPLER_BUDGET == CONTENTION_EVENTS_MAX, "the header promises what the sampler keeps to");

/* The cost is measured on one sample of so many. */
#define MEASURE_EVERY 16

/* Values of a record: the count in units of 1/EVENT_COUNT_UNIT, and ns. */
#define VALUE_COUNT 2

/* All that one kind has gathered since the program started. Neither locks nor malloc, so there is no order to keep with
 * the heap sampler's, or with the locks whose events these are. */
static struct contention {
    struct event_sampler sampler;
    struct stack_records records;
    _Atomic uint64_t lost[VALUE_COUNT]; /* chosen, but without a stack */
    _Atomic uint64_t sample_count, lost_count, truncated_count, rootless_count, overhead_ns;
    _Atomic int64_t since_ns;
} kinds[] = {
    [CONTENTION_BLOCK] = {.records = STACK_RECORDS_INIT},
    [CONTENTION_MUTEX] = {.records = STACK_RECORDS_INIT},
};
_Static_assert(ARRAY_COUNT(kinds) == CONTENTION_KIND_COUNT, "each kind is here");

static void bump(_Atomic uint64_t *sum, uint64_t by)
{
    atomic_fetch_add_explicit(sum, by, memory_order_relaxed);
}

/* --- recording --- */

static void add(_Atomic uint64_t values[VALUE_COUNT], const struct event_weight *weight)
{
    bump(&values[0], weight->count);
    bump(&values[1], weight->ns);
}

/* Its weight counts, only not where it belongs. */
static void lose(struct contention *contention, const struct event_weight *weight)
{
    bump(&contention->lost_count, 1);
    add(contention->lost, weight);
}

static void add_sample(struct contention *contention, const struct event_weight *weight, const char *reason,
                       const void *frame)
{
    struct capture capture;
    if (!capture_begin_from(&capture, frame)) {
        lose(contention, weight);
        return;
    }
    capture_done();
    if (capture.is_truncated)
        bump(&contention->truncated_count, 1);
    if (capture.is_rootless)
        bump(&contention->rootless_count, 1);
    capture.key.labels[LABEL_REASON] = label_key_is_on(LABEL_REASON) ? reason : NULL;
    add(stack_records_find(&contention->records, &capture.key)->values, weight);
}

static NOINLINE void record(struct contention *contention, enum event_choice choice, const struct event_weight *weight,
                            const char *reason, const void *frame)
{
    if (choice == EVENT_CUT) {
        lose(contention, weight);
        return;
    }
    uint64_t index = atomic_fetch_add_explicit(&contention->sample_count, 1, memory_order_relaxed);
    bool is_measured = index % MEASURE_EVERY == MEASURE_EVERY - 1; /* not the first, which is the dearest */
    uint64_t start_ns = is_measured ? clock_monotonic_ns() : 0;
    add_sample(contention, weight, reason, frame);
    if (is_measured)
        bump(&contention->overhead_ns, (clock_monotonic_ns() - start_ns) * MEASURE_EVERY);
}

/* now_ns: 0 where it is not known. frame: of the function that the sink's user called. */
static inline void hear(enum contention_kind kind, uint64_t ns, uint64_t now_ns, const char *reason, const void *frame)
{
    struct contention *contention = &kinds[kind];
    if (!event_sampler_is_on(&contention->sampler))
        return;
    struct event_weight weight;
    enum event_choice choice = event_sampler_choose(&contention->sampler, ns, now_ns, &weight);
    if (UNLIKELY(choice != EVENT_PASSED))
        record(contention, choice, &weight, reason, frame);
}

/* Who delays others makes them wait, so the time that waits come with keeps both samplers' windows going: only a delay
 * that is chosen looks at the clock. */
static void waited(const char *reason, uint64_t start_ns, uint64_t end_ns)
{
    for (unsigned kind = 0; kind < CONTENTION_KIND_COUNT; kind++)
        event_sampler_tick(&kinds[kind].sampler, end_ns);
    hear(CONTENTION_BLOCK, end_ns > start_ns ? end_ns - start_ns : 0, end_ns, reason, __builtin_frame_address(0));
}

static void delayed(const char *reason, uint64_t delay_ns)
{
    hear(CONTENTION_MUTEX, delay_ns, 0, reason, __builtin_frame_address(0));
}

static const struct probe_sink sink = {.waited = waited, .delayed = delayed};

/* --- rates --- */

static void set_rate(enum contention_kind kind, uint64_t rate_ns, uint64_t one_in)
{
    int64_t never = 0;
    if (rate_ns != 0)
        atomic_compare_exchange_strong(&kinds[kind].since_ns, &never, clock_wall_ns());
    event_sampler_set(&kinds[kind].sampler, rate_ns, one_in);
    bool is_on = event_sampler_is_on(&kinds[CONTENTION_BLOCK].sampler) ||
                 event_sampler_is_on(&kinds[CONTENTION_MUTEX].sampler);
    atomic_store(&probe_sink, is_on ? &sink : NULL);
}

void contention_set_block_rate(int64_t ns)
{
    ASSERT(ns >= 0);
    set_rate(CONTENTION_BLOCK, (uint64_t)ns, 1);
}

void contention_set_mutex_fraction(int64_t one_in)
{
    ASSERT(one_in >= 0);
    set_rate(CONTENTION_MUTEX, one_in > 0, one_in > 0 ? (uint64_t)one_in : 1);
}

int64_t contention_rate(enum contention_kind kind)
{
    const struct event_sampler *sampler = &kinds[kind].sampler;
    if (!event_sampler_is_on(sampler))
        return 0;
    return (int64_t)atomic_load(kind == CONTENTION_BLOCK ? &sampler->rate_ns : &sampler->one_in);
}

int64_t contention_since_ns(enum contention_kind kind)
{
    return atomic_load(&kinds[kind].since_ns);
}

/* --- reading --- */

struct reading {
    struct stack_table *stacks;
    struct contention_total total;
};

static void read_entry(struct reading *reading, const struct stack_key *key, const _Atomic uint64_t *values)
{
    uint64_t count = atomic_load_explicit(&values[0], memory_order_relaxed);
    uint64_t ns = atomic_load_explicit(&values[1], memory_order_relaxed);
    count = (count + EVENT_COUNT_UNIT / 2) / EVENT_COUNT_UNIT;
    reading->total.count += count;
    reading->total.ns += ns;
    stack_table_add(reading->stacks, key, (const int64_t[VALUE_COUNT]){(int64_t)count, (int64_t)ns});
}

static void read_record(const struct stack_record *record, void *context)
{
    read_entry(context, &record->key, record->values);
}

static bool has_lost(const struct contention *contention)
{
    return atomic_load_explicit(&contention->lost_count, memory_order_relaxed) != 0;
}

struct contention_total contention_collect(enum contention_kind kind, struct stack_table *stacks)
{
    struct contention *contention = &kinds[kind];
    struct reading reading = {.stacks = stacks};
    stack_records_visit(&contention->records, read_record, &reading);
    static const struct stack_key lost_events = {.function = "[lost events]"};
    if (has_lost(contention))
        read_entry(&reading, &lost_events, contention->lost);
    return reading.total;
}

uint64_t contention_record_count(enum contention_kind kind)
{
    return stack_records_count(&kinds[kind].records) + has_lost(&kinds[kind]);
}

struct contention_total contention_total(enum contention_kind kind)
{
    struct event_total total = event_sampler_total(&kinds[kind].sampler);
    return (struct contention_total){.count = total.count, .ns = total.ns};
}

void contention_stats(enum contention_kind kind, struct profile_stats *stats)
{
    struct contention *contention = &kinds[kind];
    *stats = (struct profile_stats){
        .sample_count = atomic_load(&contention->sample_count),
        .lost_count = atomic_load(&contention->lost_count),
        .truncated_count = atomic_load(&contention->truncated_count),
        .rootless_count = atomic_load(&contention->rootless_count),
        .overhead_ns = atomic_load(&contention->overhead_ns),
        .held_bytes = stack_records_bytes(&contention->records),
    };
}
