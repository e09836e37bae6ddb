/* test_contention.c: waits and delays are found again where they happened, with their time, and hold nobody up. Times
 * and chance are given; what was gathered before a test is subtracted. */
#include "profiler/contention.h"

#include "base/clock.h"
#include "base/probe.h"
#include "installed_capture.h"
#include "profiler/event_sampler.h"
#include "profiler/type.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* --- what has come since a test began --- */

static struct stack_table *before[CONTENTION_KIND_COUNT];
static struct contention_total exact_before[CONTENTION_KIND_COUNT];
static struct profile_stats stats_before[CONTENTION_KIND_COUNT];
static uint64_t now_ns;
#define START_NS (1700000000 * (int64_t)NS_PER_S)

static int begin(void **state)
{
    (void)state;
    for (int kind = 0; kind < CONTENTION_KIND_COUNT; kind++) {
        before[kind] = stack_table_create(2);
        contention_collect((enum contention_kind)kind, before[kind]);
        exact_before[kind] = contention_total((enum contention_kind)kind);
        contention_stats((enum contention_kind)kind, &stats_before[kind]);
    }
    now_ns += 3600 * NS_PER_S; /* whatever the last test did to the budget is forgotten */
    clock_test_freeze(now_ns, START_NS);
    event_sampler_seed(20240229);
    return 0;
}

static int end(void **state)
{
    (void)state;
    contention_set_block_rate(0);
    contention_set_mutex_fraction(0);
    clock_test_real();
    for (int kind = 0; kind < CONTENTION_KIND_COUNT; kind++)
        stack_table_destroy(before[kind]);
    return 0;
}

static void move_time(uint64_t ns)
{
    now_ns += ns;
    clock_test_advance(ns);
}

static struct stack_table *collect(enum contention_kind kind)
{
    struct stack_table *stacks = stack_table_create(2);
    contention_collect(kind, stacks);
    stack_table_subtract(stacks, before[kind], 0);
    return stacks;
}

static const char lock_wait[] = "mutex lock", data_wait[] = "data wait";

/* Of entries with this text as their reason or in place of a stack; NULL: of all. */
static struct contention_total sum(enum contention_kind kind, const char *text)
{
    struct stack_table *stacks = collect(kind);
    struct contention_total total = {0};
    size_t count;
    const struct stack_entry *entries = stack_table_sort(stacks, &count);
    for (size_t i = 0; i < count; i++) {
        const char *own = entries[i].key.function ? entries[i].key.function : entries[i].key.labels[LABEL_REASON];
        if (text && (!own || strcmp(text, own) != 0))
            continue;
        total.count += (uint64_t)entries[i].values[0];
        total.ns += (uint64_t)entries[i].values[1];
    }
    stack_table_destroy(stacks);
    return total;
}

static struct contention_total exact(enum contention_kind kind)
{
    struct contention_total total = contention_total(kind);
    total.count -= exact_before[kind].count;
    total.ns -= exact_before[kind].ns;
    return total;
}

static struct profile_stats stats(enum contention_kind kind)
{
    struct profile_stats now;
    contention_stats(kind, &now);
    now.sample_count -= stats_before[kind].sample_count;
    now.lost_count -= stats_before[kind].lost_count;
    return now;
}

static void assert_near(uint64_t value, uint64_t expected, unsigned percent)
{
    assert_in_range(value, expected - expected * percent / 100, expected + expected * percent / 100);
}

/* --- waiters and holders --- */

static NOINLINE void wait_for(const char *reason, uint64_t ns)
{
    const struct probe_sink *sink = probe_sink_now();
    if (sink)
        sink->waited(reason, now_ns - ns, now_ns);
}

static NOINLINE void wait_at_lock(uint64_t ns)
{
    wait_for(lock_wait, ns);
}

static NOINLINE void let_go(uint64_t delay_ns)
{
    const struct probe_sink *sink = probe_sink_now();
    if (sink)
        sink->delayed(lock_wait, delay_ns);
}

static void there_is_a_sink_while_a_rate_is_on(void **state)
{
    (void)state;
    assert_null(probe_sink_now());
    assert_int_equal(contention_rate(CONTENTION_BLOCK), 0);
    assert_int_equal(contention_since_ns(CONTENTION_BLOCK), 0);
    contention_set_block_rate(10000);
    assert_non_null(probe_sink_now());
    assert_int_equal(contention_rate(CONTENTION_BLOCK), 10000);
    contention_set_mutex_fraction(10);
    assert_int_equal(contention_rate(CONTENTION_MUTEX), 10);
    contention_set_block_rate(0);
    assert_non_null(probe_sink_now());
    contention_set_mutex_fraction(0);
    assert_null(probe_sink_now());
    assert_int_equal(contention_rate(CONTENTION_MUTEX), 0);
    move_time(1000);
    contention_set_block_rate(1);
    assert_int_equal(contention_since_ns(CONTENTION_BLOCK), START_NS); /* the first time */
}

static void the_sink_may_be_called_after_it_is_gone(void **state)
{
    (void)state;
    contention_set_block_rate(1);
    const struct probe_sink *sink = probe_sink_now();
    contention_set_block_rate(0);
    sink->waited(lock_wait, now_ns - 1000, now_ns);
    sink->delayed(lock_wait, 1000);
    assert_int_equal(exact(CONTENTION_BLOCK).count, 0);
    assert_int_equal(exact(CONTENTION_MUTEX).count, 0);
}

static void a_wait_has_the_waiter_s_stack_labels_and_reason(void **state)
{
    (void)state;
    static const struct label_set labels = {.value = {[LABEL_API] = "Produce", [LABEL_TOPIC] = "orders"}};
    contention_set_block_rate(1);
    probe_execution.labels = &labels;
    wait_at_lock(5000);
    probe_execution.labels = NULL;

    struct stack_table *all = collect(CONTENTION_BLOCK);
    size_t count;
    const struct stack_entry *entry = stack_table_sort(all, &count);
    assert_int_equal(entry->values[0], 1);
    assert_int_equal(entry->values[1], 5000);
    assert_true(entry->key.pcs[0] - (uintptr_t)wait_for < 512); /* the sampler's own frames are left out */
    assert_true(entry->key.pcs[1] - (uintptr_t)wait_at_lock < 512);
    assert_string_equal(entry->key.labels[LABEL_API], "Produce");
    assert_string_equal(entry->key.labels[LABEL_TOPIC], "orders");
    assert_ptr_equal(entry->key.labels[LABEL_REASON], lock_wait);
    assert_non_null(entry->key.labels[LABEL_THREAD]);
    stack_table_destroy(all);
    assert_int_equal(sum(CONTENTION_MUTEX, NULL).count, 0);
}

static void a_delay_has_the_holder_s_stack(void **state)
{
    (void)state;
    contention_set_mutex_fraction(1);
    let_go(7000);
    let_go(3000);
    struct contention_total total = sum(CONTENTION_MUTEX, NULL);
    assert_int_equal(total.count, 2);
    assert_int_equal(total.ns, 10000);
    assert_int_equal(sum(CONTENTION_BLOCK, NULL).count, 0);
}

static size_t entry_count(enum contention_kind kind)
{
    struct stack_table *stacks = stack_table_create(2);
    contention_collect(kind, stacks);
    size_t count = stack_table_count(stacks);
    stack_table_destroy(stacks);
    return count;
}

static void waits_for_different_reasons_are_apart_unless_reasons_are_off(void **state)
{
    (void)state;
    contention_set_block_rate(1);
    for (int i = 0; i < 3; i++) { /* one place */
        size_t entries = entry_count(CONTENTION_BLOCK);
        label_key_switch(LABEL_REASON, i < 2);
        wait_for(i == 0 ? lock_wait : data_wait, 1000);
        label_key_switch(LABEL_REASON, true);
        assert_int_equal(entry_count(CONTENTION_BLOCK), entries + 1);
        assert_int_equal(contention_record_count(CONTENTION_BLOCK), entries + 1);
    }
}

/* --- totals --- */

static void sampled_time_is_true_to_place_and_in_all(void **state)
{
    (void)state;
    static const int64_t rates_ns[] = {1, 10000, 200000};
    uint64_t lock_ns = 0, data_ns = 0;
    for (size_t i = 0; i < ARRAY_COUNT(rates_ns); i++) {
        contention_set_block_rate(rates_ns[i]); /* changed midway, two times */
        for (uint64_t event = 0; event < 400000; event++) {
            uint64_t ns = 1000 + event * 7919 % 50000;
            move_time(25 * NS_PER_US);
            if (event % 8 == 0) {
                wait_for(data_wait, 4 * ns);
                data_ns += 4 * ns;
            } else {
                wait_at_lock(ns);
                lock_ns += ns;
            }
        }
    }
    struct contention_total all = sum(CONTENTION_BLOCK, NULL);
    assert_int_equal(exact(CONTENTION_BLOCK).count, 3 * 400000);
    assert_int_equal(exact(CONTENTION_BLOCK).ns, lock_ns + data_ns);
    assert_near(all.count, 3 * 400000, 5);
    assert_near(all.ns, lock_ns + data_ns, 5);
    assert_near(sum(CONTENTION_BLOCK, lock_wait).ns, lock_ns, 5);
    assert_near(sum(CONTENTION_BLOCK, data_wait).ns, data_ns, 5);
    assert_in_range(stats(CONTENTION_BLOCK).sample_count, 1, 30 * CONTENTION_EVENTS_MAX); /* in 30 s */
}

static void a_fraction_of_delays_stands_for_all(void **state)
{
    (void)state;
    contention_set_mutex_fraction(10);
    for (uint64_t event = 0; event < 200000; event++) {
        move_time(100 * NS_PER_US);
        let_go(1000 + event * 7919 % 50000);
    }
    struct contention_total sampled = sum(CONTENTION_MUTEX, NULL);
    assert_near(sampled.count, 200000, 5);
    assert_near(sampled.ns, exact(CONTENTION_MUTEX).ns, 5);
    assert_in_range(stats(CONTENTION_MUTEX).sample_count, 1, 20 * CONTENTION_EVENTS_MAX);
}

static void what_a_burst_loses_is_said_and_counted(void **state)
{
    (void)state;
    contention_set_block_rate(1);
    for (int i = 0; i < 3000; i++)
        wait_at_lock(2000);
    struct profile_stats counts = stats(CONTENTION_BLOCK);
    struct contention_total kept = sum(CONTENTION_BLOCK, lock_wait);
    struct contention_total lost = sum(CONTENTION_BLOCK, "[lost events]");
    assert_in_range(counts.sample_count, 1, CONTENTION_EVENTS_MAX);
    assert_int_equal(counts.lost_count, 3000 - counts.sample_count);
    assert_int_equal(kept.count, counts.sample_count);
    assert_int_equal(lost.count, counts.lost_count);
    assert_int_equal(kept.ns + lost.ns, 3000 * 2000);
}

/* Delays come without the time; a share that a burst left small is whole again as time goes by with the waits. */
static void waits_keep_the_budget_of_delays_going(void **state)
{
    (void)state;
    contention_set_mutex_fraction(1);
    for (int i = 0; i < 100000; i++) {
        move_time(20 * NS_PER_US);
        let_go(2000);
    }
    move_time(60 * NS_PER_S);
    wait_at_lock(1000);
    uint64_t before_rest = stats(CONTENTION_MUTEX).sample_count;
    for (int i = 0; i < 100; i++) {
        move_time(5 * NS_PER_MS);
        let_go(2000);
    }
    assert_true(before_rest < 3000);
    assert_int_equal(stats(CONTENTION_MUTEX).sample_count, before_rest + 100);
}

/* --- without a stack --- */

static void without_captures_events_are_lost_but_counted(void **state)
{
    (void)state;
    capture_remove();
    contention_set_block_rate(1);
    wait_at_lock(5000);
    capture_install(unwinder, symbols);
    assert_int_equal(sum(CONTENTION_BLOCK, lock_wait).count, 0);
    assert_int_equal(sum(CONTENTION_BLOCK, "[lost events]").ns, 5000);
    assert_int_equal(stats(CONTENTION_BLOCK).lost_count, 1);
}

static void an_event_inside_a_capture_is_lost_but_counted(void **state)
{
    (void)state;
    struct capture capture;
    contention_set_block_rate(1);
    assert_true(capture_begin(&capture));
    wait_at_lock(5000);
    capture_done();
    assert_int_equal(sum(CONTENTION_BLOCK, "[lost events]").ns, 5000);
}

/* --- threads --- */

#define THREAD_EVENTS 20000

static void *wait_and_let_go(void *argument)
{
    for (uint64_t i = 0; i < THREAD_EVENTS; i++) {
        wait_at_lock(1000 + i % 1000);
        let_go(*(const uint64_t *)argument);
    }
    return NULL;
}

static void threads_add_up_while_others_read_and_change_rates(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint64_t delays_ns[4] = {100, 1000, 10000, 100000};
    contention_set_block_rate(1);
    contention_set_mutex_fraction(1);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_and_let_go, &delays_ns[i]), 0);
    for (int i = 1; i <= 50; i++) {
        contention_set_block_rate(i);
        contention_set_mutex_fraction(i);
        stack_table_destroy(collect(CONTENTION_BLOCK));
        stats(CONTENTION_MUTEX);
    }
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(exact(CONTENTION_BLOCK).count, 4 * THREAD_EVENTS);
    assert_int_equal(exact(CONTENTION_MUTEX).count, 4 * THREAD_EVENTS);
    assert_int_equal(exact(CONTENTION_MUTEX).ns, 111100ull * THREAD_EVENTS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(there_is_a_sink_while_a_rate_is_on),
        TEST(the_sink_may_be_called_after_it_is_gone),
        TEST(a_wait_has_the_waiter_s_stack_labels_and_reason),
        TEST(a_delay_has_the_holder_s_stack),
        TEST(waits_for_different_reasons_are_apart_unless_reasons_are_off),
        TEST(sampled_time_is_true_to_place_and_in_all),
        TEST(a_fraction_of_delays_stands_for_all),
        TEST(what_a_burst_loses_is_said_and_counted),
        TEST(waits_keep_the_budget_of_delays_going),
        TEST(without_captures_events_are_lost_but_counted),
        TEST(an_event_inside_a_capture_is_lost_but_counted),
        TEST(threads_add_up_while_others_read_and_change_rates),
    };
    return cmocka_run_group_tests(tests, set_up_capture, tear_down_capture);
}
