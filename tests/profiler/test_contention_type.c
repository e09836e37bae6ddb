/* test_contention_type.c: the profiles block and mutex as they are sent, in binary and as text. */
#include "base/clock.h"
#include "base/probe.h"
#include "pprof/prune.h"
#include "profiler/contention.h"
#include "burn.h"
#include "one_profiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void set_rates(int64_t block_rate, int64_t mutex_fraction)
{
    struct profiler_options options = profiler_options(profiler);
    options.block_rate = block_rate;
    options.mutex_fraction = mutex_fraction;
    profiler_reconfigure(profiler, &options);
}

static int switch_off(void **state)
{
    (void)state;
    set_rates(0, 0);
    return 0;
}

/* --- as the runtime calls the sink: these names are its own --- */

NOINLINE void queue_wait(uint64_t ns);
NOINLINE void task_condition_wait(uint64_t ns);
NOINLINE void task_mutex_unlock_contended(uint64_t ns);
NOINLINE void task_mutex_unlock(uint64_t ns);

void queue_wait(uint64_t ns)
{
    const struct probe_sink *sink = probe_sink_now();
    uint64_t now_ns = clock_monotonic_ns();
    if (sink)
        sink->waited("condition wait", now_ns - ns, now_ns);
}

void task_condition_wait(uint64_t ns)
{
    queue_wait(ns);
}

static NOINLINE void wait_for_others(uint64_t ns)
{
    task_condition_wait(ns);
}

void task_mutex_unlock_contended(uint64_t ns)
{
    const struct probe_sink *sink = probe_sink_now();
    if (sink)
        sink->delayed("mutex lock", ns);
}

void task_mutex_unlock(uint64_t ns)
{
    task_mutex_unlock_contended(ns);
}

static NOINLINE void delay_others(uint64_t ns)
{
    task_mutex_unlock(ns);
}

/* --- reading --- */

static struct collection *open_delta(const char *name)
{
    return open_type(name, &(struct profile_query){.is_delta = true});
}

static const char *string_at(const struct profile *profile, uint32_t index)
{
    return profile_text(profile, index);
}

/* The function of a sample's leaf, as a viewer shows it. */
static const char *shown_leaf(const struct profile *profile, const struct profile_sample *sample)
{
    struct arena arena;
    struct prune prune;
    arena_init(&arena);
    assert_int_equal(prune_init(&prune, profile, &arena), 0);
    uint32_t first = prune_sample(&prune, sample);
    assert_true(first < sample->location_count);
    uint32_t id = profile->sample_locations[sample->location_start + first];
    const struct profile_location *location = &profile->locations[id - 1];
    uint32_t line = location->line_start + prune_first_line(&prune, id);
    const char *name = string_at(profile, profile->functions[profile->lines[line].function - 1].name);
    arena_deinit(&arena);
    return name;
}

static void assert_columns(const struct profile *profile)
{
    assert_int_equal(profile->sample_type_count, 2);
    assert_string_equal(string_at(profile, profile->sample_types[0].type), "contentions");
    assert_string_equal(string_at(profile, profile->sample_types[0].unit), "count");
    assert_string_equal(string_at(profile, profile->sample_types[1].type), "delay");
    assert_string_equal(string_at(profile, profile->sample_types[1].unit), "nanoseconds");
    assert_int_equal(profile->default_sample_type, 0);
    assert_string_equal(string_at(profile, profile->period_type.type), "contentions");
    assert_string_equal(string_at(profile, profile->period_type.unit), "count");
    assert_int_equal(profile->period, 1);
}

static void block_shows_the_waiter_from_the_lock_s_function_on(void **state)
{
    (void)state;
    set_rates(1, 0);
    struct collection *collection = open_delta("block");
    for (volatile int i = 0; i < 2; i++) /* volatile: from one place, not unrolled into two */
        wait_for_others(2500);
    struct profile *profile = finish(collection);
    assert_columns(profile);
    assert_int_equal(profile->sample_count, 1);
    const struct profile_sample *sample = &profile->samples[0];
    assert_int_equal(profile_sample_values(profile, sample)[0], 2);
    assert_int_equal(profile_sample_values(profile, sample)[1], 5000);
    assert_string_equal(sample_label(profile, sample, "reason"), "condition wait");
    assert_string_equal(shown_leaf(profile, sample), "task_condition_wait");
    assert_true(has_comment(profile, "a sample for each 1 ns on average, at most 1000 a second"));
    assert_true(has_comment(profile, "since then exactly: "));
    profile_destroy(profile);
}

static void mutex_shows_the_holder_from_the_lock_s_function_on(void **state)
{
    (void)state;
    set_rates(0, 1);
    struct collection *collection = open_delta("mutex");
    delay_others(7000);
    struct profile *profile = finish(collection);
    assert_columns(profile);
    assert_int_equal(profile->sample_count, 1);
    const struct profile_sample *sample = &profile->samples[0];
    assert_int_equal(profile_sample_values(profile, sample)[0], 1);
    assert_int_equal(profile_sample_values(profile, sample)[1], 7000);
    assert_string_equal(sample_label(profile, sample, "reason"), "mutex lock");
    assert_string_equal(shown_leaf(profile, sample), "task_mutex_unlock");
    assert_true(has_comment(profile, "one in 1, at most 1000 a second"));
    profile_destroy(profile);
}

static void a_profile_without_a_rate_says_so(void **state)
{
    (void)state;
    struct profile *block = finish(open_delta("block")), *mutex = finish(open_delta("mutex"));
    assert_int_equal(block->sample_count, 0);
    assert_true(has_comment(block, "sampling is off: profiler.block_rate is 0"));
    assert_true(has_comment(mutex, "sampling is off: profiler.mutex_fraction is 0"));
    profile_destroy(block);
    profile_destroy(mutex);
}

static void a_request_s_own_rate_lasts_as_long_as_it(void **state)
{
    (void)state;
    struct collection *collection = open_type("block", &(struct profile_query){.is_delta = true, .rate = 1});
    assert_int_equal(contention_rate(CONTENTION_BLOCK), 1);
    wait_for_others(100);
    struct profile *profile = finish(collection);
    assert_int_equal(profile->sample_count, 1);
    assert_int_equal(contention_rate(CONTENTION_BLOCK), 0);
    profile_destroy(profile);
}

static void write_text(const char *name, void (*event)(uint64_t ns), struct buf *text)
{
    struct collection *collection = open_delta(name);
    event(1234);
    collection_write_text(collection, 1, text);
    collection_close(collection);
}

static void block_s_text_is_go_s(void **state)
{
    (void)state;
    set_rates(1, 0);
    struct buf text;
    buf_init(&text);
    write_text("block", wait_for_others, &text);
    static const char head[] = "--- contention:\ncycles/second=1000000000\n1234 1 @ 0x";
    assert_memory_equal(buf_string(&text), head, strlen(head));
    assert_non_null(strstr(buf_string(&text), "\n# labels: {\"reason\":\"condition wait\", \"thread\":"));
    assert_non_null(strstr(buf_string(&text), "\twait_for_others+0x"));
    buf_deinit(&text);
}

static void mutex_s_text_is_go_s(void **state)
{
    (void)state;
    set_rates(0, 1);
    struct buf text;
    buf_init(&text);
    write_text("mutex", delay_others, &text);
    static const char head[] = "--- mutex:\ncycles/second=1000000000\nsampling period=1\n1234 1 @ 0x";
    assert_memory_equal(buf_string(&text), head, strlen(head));
    assert_non_null(strstr(buf_string(&text), "\tdelay_others+0x"));
    buf_deinit(&text);
}

static void the_index_and_the_metrics_see_what_was_recorded(void **state)
{
    (void)state;
    set_rates(1, 1);
    const struct profile_type *block = profile_type_find(bytes_of_string("block"));
    const struct profile_type *mutex = profile_type_find(bytes_of_string("mutex"));
    struct profile_stats before[2], after[2];
    block->stats(profiler, &before[0]);
    mutex->stats(profiler, &before[1]);
    wait_for_others(1000);
    delay_others(1000);
    block->stats(profiler, &after[0]);
    mutex->stats(profiler, &after[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(after[i].sample_count, before[i].sample_count + 1);
        assert_int_equal(after[i].lost_count, before[i].lost_count);
        assert_int_equal(after[i].rootless_count, before[i].rootless_count);
        assert_true(after[i].held_bytes > 0);
    }
    assert_true(block->count(profiler) > 0);
    assert_true(mutex->count(profiler) > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, switch_off)
    const struct CMUnitTest tests[] = {
        TEST(block_shows_the_waiter_from_the_lock_s_function_on),
        TEST(mutex_shows_the_holder_from_the_lock_s_function_on),
        TEST(a_profile_without_a_rate_says_so),
        TEST(a_request_s_own_rate_lasts_as_long_as_it),
        TEST(block_s_text_is_go_s),
        TEST(mutex_s_text_is_go_s),
        TEST(the_index_and_the_metrics_see_what_was_recorded),
    };
    return cmocka_run_group_tests(tests, create_profiler, destroy_profiler);
}
