/* test_event_sampler.c: what is chosen adds up to what happened, and never exceeds the budget. Times and chance are
 * given, so each run is the same. */
#include "profiler/event_sampler.h"

#include "base/check.h"
#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* --- events of known durations --- */

static uint64_t test_random_state;

/* xorshift: not the generator that is under test. */
static double uniform(void)
{
    test_random_state ^= test_random_state << 13;
    test_random_state ^= test_random_state >> 7;
    test_random_state ^= test_random_state << 17;
    return (double)(test_random_state >> 11) / 0x1p53;
}

static uint64_t always_2us(void)
{
    return 2 * NS_PER_US;
}

/* Mean 20 us. */
static uint64_t exponential(void)
{
    return (uint64_t)(-log(1 - uniform()) * 20000);
}

/* 100 ns to 10 s, the same number in each decade: as rare long waits among many short ones. */
static uint64_t over_eight_decades(void)
{
    return (uint64_t)(100 * pow(10, uniform() * 8));
}

/* Half are spins, half are long polls. */
static uint64_t spins_and_long_polls(void)
{
    return uniform() < 0.5 ? 300 : 500 * NS_PER_MS;
}

struct load {
    const char *name;
    uint64_t (*duration)(void);
    uint64_t gap_ns; /* between the ends of two events */
};

static const struct load loads[] = {
    {"2 us, 10,000/s", always_2us, 100 * NS_PER_US},
    {"2 us, 200,000/s", always_2us, 5 * NS_PER_US},
    {"20 us on average, 1,000/s", exponential, NS_PER_MS},
    {"20 us on average, 100,000/s", exponential, 10 * NS_PER_US},
    {"100 ns to 10 s, 500/s", over_eight_decades, 2 * NS_PER_MS},
    {"100 ns to 10 s, 50,000/s", over_eight_decades, 20 * NS_PER_US},
    {"300 ns and 0.5 s, 20,000/s", spins_and_long_polls, 50 * NS_PER_US},
};

struct outcome {
    uint64_t count, ns;                   /* exactly */
    uint64_t weighted_count, weighted_ns; /* of all that was chosen, cut or not */
    uint64_t recorded, cut, most_in_a_second;
};

/* The last so many recorded ones, for the busiest second. */
static uint64_t recorded_at_ns[1 << 20];

static void note_recorded(struct outcome *outcome, uint64_t now_ns)
{
    assert_in_range(outcome->recorded, 0, ARRAY_COUNT(recorded_at_ns) - 1);
    recorded_at_ns[outcome->recorded++] = now_ns;
    uint64_t first = outcome->recorded;
    while (first > 0 && recorded_at_ns[first - 1] + NS_PER_S > now_ns)
        first--;
    uint64_t in_a_second = outcome->recorded - first;
    if (in_a_second > outcome->most_in_a_second)
        outcome->most_in_a_second = in_a_second;
}

static uint64_t now_ns;

static void hear(struct event_sampler *sampler, uint64_t ns, bool tells_time, struct outcome *outcome)
{
    struct event_weight weight = {0};
    outcome->count++;
    outcome->ns += ns;
    event_sampler_tick(sampler, now_ns);
    enum event_choice choice = event_sampler_choose(sampler, ns, tells_time ? now_ns : 0, &weight);
    if (choice == EVENT_PASSED)
        return;
    outcome->weighted_count += weight.count;
    outcome->weighted_ns += weight.ns;
    if (choice == EVENT_CUT)
        outcome->cut++;
    else
        note_recorded(outcome, now_ns);
}

static void run(struct event_sampler *sampler, const struct load *load, uint64_t seconds, struct outcome *outcome)
{
    for (uint64_t end_ns = now_ns + seconds * NS_PER_S; now_ns < end_ns; now_ns += load->gap_ns)
        hear(sampler, load->duration(), true, outcome);
}

static struct event_sampler *fresh_sampler(uint64_t rate_ns, uint64_t one_in)
{
    static struct event_sampler sampler;
    memset(&sampler, 0, sizeof sampler);
    event_sampler_set(&sampler, rate_ns, one_in);
    event_sampler_seed(20240229);
    test_random_state = 88172645463325252;
    now_ns = 1000 * NS_PER_S;
    return &sampler;
}

static void assert_within(double value, double exact, double percent, const char *what)
{
    if (fabs(value - exact) > exact * percent / 100)
        fail_msg("%s: %.0f, but exactly %.0f", what, value, exact);
}

static void assert_unbiased(const struct outcome *outcome, const char *name)
{
    assert_within((double)outcome->weighted_ns, (double)outcome->ns, 5, name);
    assert_within((double)outcome->weighted_count / EVENT_COUNT_UNIT, (double)outcome->count, 5, name);
}

/* --- totals --- */

static void totals_are_right_for_any_load_and_rate(void **state)
{
    (void)state;
    static const uint64_t rates_ns[] = {1, 1000, 10 * NS_PER_US};
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        for (size_t j = 0; j < ARRAY_COUNT(rates_ns); j++) {
            struct event_sampler *sampler = fresh_sampler(rates_ns[j], 1);
            struct outcome outcome = {0};
            run(sampler, &loads[i], 60, &outcome);
            assert_unbiased(&outcome, loads[i].name);
            assert_in_range(outcome.most_in_a_second, 1, EVENT_SAMPLER_BUDGET);
        }
    }
}

static void totals_are_right_for_one_in_many(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 10);
    struct outcome outcome = {0};
    run(sampler, &loads[3], 60, &outcome);
    assert_unbiased(&outcome, loads[3].name);
    assert_in_range(outcome.most_in_a_second, 1, EVENT_SAMPLER_BUDGET);
}

static void rates_that_change_midway_leave_totals_right(void **state)
{
    (void)state;
    static const uint64_t rates_ns[] = {10 * NS_PER_US, 1, 100 * NS_PER_US, 1000, NS_PER_MS, 5000};
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    for (size_t i = 0; i < 60; i++) {
        event_sampler_set(sampler, rates_ns[i % ARRAY_COUNT(rates_ns)], 1 + i % 3);
        run(sampler, &loads[3], 1, &outcome);
    }
    assert_unbiased(&outcome, loads[3].name);
    assert_in_range(outcome.most_in_a_second, 1, EVENT_SAMPLER_BUDGET);
}

static void every_event_counts_once_at_rate_one_while_there_is_budget(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    for (int i = 0; i < 400; i++, now_ns += 5 * NS_PER_MS)
        hear(sampler, exponential(), true, &outcome);
    assert_int_equal(outcome.recorded, 400);
    assert_int_equal(outcome.weighted_count, 400 * EVENT_COUNT_UNIT);
    assert_int_equal(outcome.weighted_ns, outcome.ns);
}

static void an_event_as_long_as_the_rate_is_never_missed(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(10 * NS_PER_US, 1);
    struct outcome outcome = {0};
    for (int i = 0; i < 1000; i++, now_ns += 5 * NS_PER_MS)
        hear(sampler, 10 * NS_PER_US + (uint64_t)i, true, &outcome);
    assert_int_equal(outcome.recorded, 1000);
    assert_int_equal(outcome.weighted_ns, outcome.ns);
}

static void one_in_so_many_is_chosen(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 10);
    struct outcome outcome = {0};
    for (int i = 0; i < 10000; i++, now_ns += 5 * NS_PER_MS)
        hear(sampler, 2 * NS_PER_US, true, &outcome);
    assert_within((double)outcome.recorded, 1000, 10, "one in ten");
}

static void what_is_not_wanted_takes_nothing_of_the_budget(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(20 * NS_PER_US, 1);
    struct outcome outcome = {0};
    for (int i = 0; i < 20000; i++, now_ns += NS_PER_MS) /* a tenth is wanted: 100 a second */
        hear(sampler, 2 * NS_PER_US, true, &outcome);
    assert_within((double)outcome.recorded, 2000, 10, "wanted");
}

static void an_event_without_duration_counts_too(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    hear(sampler, 0, true, &outcome);
    assert_int_equal(outcome.weighted_count, EVENT_COUNT_UNIT);
}

/* --- budget --- */

static void a_burst_is_cut_but_not_lost_from_totals(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    for (int i = 0; i < 5000; i++, now_ns += 1000) /* 5 ms in all */
        hear(sampler, 2 * NS_PER_US, true, &outcome);
    assert_in_range(outcome.recorded, 300, EVENT_SAMPLER_BUDGET);
    assert_int_equal(outcome.recorded + outcome.cut, 5000);
    assert_int_equal(outcome.weighted_count, 5000 * EVENT_COUNT_UNIT);
    assert_int_equal(outcome.weighted_ns, outcome.ns);
}

/* Each of durations that were not there before, so that no share was made small. */
static void burst_upon_burst_keeps_to_the_budget_in_any_second(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    for (unsigned burst = 0; burst < 30; burst++, now_ns += 100 * NS_PER_MS)
        for (int i = 0; i < 500; i++, now_ns += 1000)
            hear(sampler, 1ull << burst, true, &outcome);
    assert_in_range(outcome.most_in_a_second, EVENT_SAMPLER_BUDGET * 8 / 10, EVENT_SAMPLER_BUDGET);
    assert_int_equal(outcome.weighted_ns, outcome.ns);
}

static void a_small_burst_is_recorded_whole(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    for (int burst = 0; burst < 10; burst++, now_ns += 1500 * NS_PER_MS)
        for (int i = 0; i < 300; i++, now_ns += 100 * NS_PER_US)
            hear(sampler, exponential(), true, &outcome);
    assert_int_equal(outcome.cut, 0);
}

static void bursts_that_come_again_are_expected(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome first = {0}, later = {0};
    for (int burst = 0; burst < 20; burst++, now_ns += 700 * NS_PER_MS)
        for (int i = 0; i < 30000; i++, now_ns += 10 * NS_PER_US)
            hear(sampler, exponential(), true, burst == 0 ? &first : &later);
    assert_true(first.cut > first.recorded);
    assert_in_range(later.cut, 0, later.recorded / 20);
}

static void a_steady_load_is_cut_at_its_start_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        struct event_sampler *sampler = fresh_sampler(1, 1);
        struct outcome start = {0}, later = {0};
        run(sampler, &loads[i], 2, &start);
        run(sampler, &loads[i], 30, &later);
        assert_in_range(later.cut, 0, later.recorded / 200);
        /* And a good part of the budget is made use of. */
        if (loads[i].gap_ns < NS_PER_MS)
            assert_in_range(later.recorded, 30 * EVENT_SAMPLER_BUDGET / 6, 30 * EVENT_SAMPLER_BUDGET);
    }
}

static void after_a_burst_and_a_rest_every_event_counts_again(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1000, 1);
    struct outcome burst = {0}, later = {0};
    run(sampler, &loads[1], 5, &burst);
    assert_true(burst.recorded < burst.count / 100);
    now_ns += 60 * NS_PER_S; /* nothing happens */
    for (int i = 0; i < 100; i++, now_ns += 5 * NS_PER_MS)
        hear(sampler, 2 * NS_PER_US, true, &later);
    assert_int_equal(later.recorded, 100);
}

static void many_long_events_do_not_hide_a_few_short_ones(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1000, 1);
    struct outcome of_long = {0}, of_short = {0};
    for (int i = 0; i < 60 * 5000; i++, now_ns += 200 * NS_PER_US) {
        hear(sampler, 500 * NS_PER_MS, true, &of_long);
        if (i % 50 == 0)
            hear(sampler, 5 * NS_PER_US, true, &of_short);
    }
    assert_unbiased(&of_long, "long");
    assert_unbiased(&of_short, "short");
    assert_true(of_short.recorded > of_short.count / 2);
}

static void totals_without_sampling_are_exact(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(NS_PER_S, 100);
    struct outcome outcome = {0};
    run(sampler, &loads[3], 5, &outcome);
    struct event_total total = event_sampler_total(sampler);
    assert_int_equal(total.count, outcome.count);
    assert_int_equal(total.ns, outcome.ns);
}

#define MANY_THREADS (2 * EVENT_CELLS)
#define THREAD_EVENTS 200000

static pthread_barrier_t all_there;

static void *count_events(void *sampler)
{
    struct event_weight weight;
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < THREAD_EVENTS; i++)
        (void)event_sampler_choose(sampler, 3, now_ns, &weight);
    return NULL;
}

static void totals_of_more_threads_than_cells_are_exact(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(3600 * NS_PER_S, 1);
    pthread_t threads[MANY_THREADS];
    pthread_barrier_init(&all_there, NULL, MANY_THREADS);
    for (unsigned i = 0; i < MANY_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_events, sampler), 0);
    for (unsigned i = 0; i < MANY_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_there);
    struct event_total total = event_sampler_total(sampler);
    assert_int_equal(total.count, MANY_THREADS * THREAD_EVENTS);
    assert_int_equal(total.ns, 3 * MANY_THREADS * THREAD_EVENTS);
}

static void a_delay_that_comes_without_time_looks_at_the_clock(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    clock_test_freeze(NS_PER_S, 0);
    for (int second = 0; second < 20; second++) {
        for (int i = 0; i < 5000; i++) {
            struct event_weight weight;
            outcome.count++;
            enum event_choice choice = event_sampler_choose(sampler, 1000, 0, &weight);
            outcome.recorded += choice == EVENT_CHOSEN;
            outcome.weighted_count += choice != EVENT_PASSED ? weight.count : 0;
            clock_test_advance(200 * NS_PER_US);
        }
        assert_in_range(outcome.recorded, 1, (uint64_t)(second + 1) * EVENT_SAMPLER_BUDGET);
    }
    clock_test_real();
    assert_true(outcome.recorded > 20 * EVENT_SAMPLER_BUDGET / 6);
    assert_within((double)outcome.weighted_count / EVENT_COUNT_UNIT, (double)outcome.count, 5, "count");
}

static void off_and_on_again_goes_on_as_before(void **state)
{
    (void)state;
    struct event_sampler *sampler = fresh_sampler(1, 1);
    struct outcome outcome = {0};
    run(sampler, &loads[0], 1, &outcome);
    event_sampler_set(sampler, 0, 1);
    assert_false(event_sampler_is_on(sampler));
    event_sampler_set(sampler, 1, 1);
    assert_true(event_sampler_is_on(sampler));
    outcome = (struct outcome){0};
    run(sampler, &loads[0], 5, &outcome);
    assert_unbiased(&outcome, loads[0].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_are_right_for_any_load_and_rate),
        cmocka_unit_test(totals_are_right_for_one_in_many),
        cmocka_unit_test(rates_that_change_midway_leave_totals_right),
        cmocka_unit_test(every_event_counts_once_at_rate_one_while_there_is_budget),
        cmocka_unit_test(an_event_as_long_as_the_rate_is_never_missed),
        cmocka_unit_test(one_in_so_many_is_chosen),
        cmocka_unit_test(what_is_not_wanted_takes_nothing_of_the_budget),
        cmocka_unit_test(an_event_without_duration_counts_too),
        cmocka_unit_test(a_burst_is_cut_but_not_lost_from_totals),
        cmocka_unit_test(burst_upon_burst_keeps_to_the_budget_in_any_second),
        cmocka_unit_test(a_small_burst_is_recorded_whole),
        cmocka_unit_test(bursts_that_come_again_are_expected),
        cmocka_unit_test(a_steady_load_is_cut_at_its_start_only),
        cmocka_unit_test(after_a_burst_and_a_rest_every_event_counts_again),
        cmocka_unit_test(many_long_events_do_not_hide_a_few_short_ones),
        cmocka_unit_test(totals_without_sampling_are_exact),
        cmocka_unit_test(totals_of_more_threads_than_cells_are_exact),
        cmocka_unit_test(a_delay_that_comes_without_time_looks_at_the_clock),
        cmocka_unit_test(off_and_on_again_goes_on_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
