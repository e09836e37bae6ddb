/* test_fgprof.c: the wall-clock profile gives each task and thread all of the window's time, running or not. */
#include "burn.h"
#include "file_limit.h"
#include "one_profiler.h"
#include "own_threads.h"
#include "parked_threads.h"
#include "profiler/tasks.h"
#include "profiler/type.h"
#include "task_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static int create(void **state)
{
    source_reset();
    return create_profiler(state);
}

static struct collection *open_fgprof(int64_t hz)
{
    return open_type("fgprof", &(struct profile_query){.rate = hz});
}

static uint64_t labelled_samples(const struct profile *profile, const char *key, const char *text)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++)
        if (strcmp(sample_label(profile, &profile->samples[i], key), text) == 0)
            sum += (uint64_t)profile_sample_values(profile, &profile->samples[i])[0];
    return sum;
}

/* The test's own wait for looks: there is nothing to wake it. */
static void wait_for_looks(unsigned count)
{
    while (atomic_load(&source.look_count) < count)
        usleep(1000);
}

static uint64_t silent_count(void)
{
    struct profile_stats stats;
    profile_type_find(bytes_of_string("fgprof"))->stats(profiler, &stats);
    return stats.lost_count;
}

/* A busy machine may let threads be late for one look and another; for one they are all in time. */
static void wait_for_a_look_that_all_answer(void)
{
    uint64_t before;
    do {
        before = silent_count();
        wait_for_looks(atomic_load(&source.look_count) + 2); /* the next one is counted when another one follows */
    } while (silent_count() != before);
}

static void what_waits_and_what_runs_both_get_the_whole_window(void **state)
{
    (void)state;
    struct test_thread computing = {.name = "computing", .task_id = 7}, reading = {.name = "reading", .reads = true};
    test_thread_start(&computing);
    test_thread_start(&reading);
    source_add(1, "waits", "mutex lock", 0);
    /* As in a reactor: whether its thread answers or the source speaks for it, the thread has one name. */
    source_add_running(7, "spins", computing.id)->seen.thread = computing.name;

    struct collection *collection = open_fgprof(0);
    wait_for_looks(20);
    if (!SIGNALS_ARE_LATE)
        wait_for_a_look_that_all_answer();
    struct profile *profile = finish(collection);
    test_thread_end(&computing); /* before a failure could leave them to the next test */
    test_thread_end(&reading);

    assert_string_equal(profile_text(profile, profile->sample_types[0].type), "samples");
    assert_string_equal(profile_text(profile, profile->sample_types[1].type), "time");
    assert_string_equal(profile_text(profile, profile->sample_types[1].unit), "nanoseconds");
    assert_true(profile->period > 0);
    uint64_t window_ns = labelled_ns(profile, "reason", "mutex lock");
    assert_int_equal(window_ns, profile->duration_ns);
    assert_int_equal(labelled_ns(profile, "thread", "reading"), window_ns);
    assert_int_equal(labelled_ns(profile, "thread", "computing"), window_ns);
    assert_true(labelled_samples(profile, "reason", "mutex lock") >= 20);
    if (!SIGNALS_ARE_LATE) {
        assert_true(function_ns(profile, "test_thread_compute") > 0);
        assert_true(function_ns(profile, "test_thread_read") > 0);
        assert_true(labelled_ns(profile, "reason", "running") > 0);
        assert_true(labelled_ns(profile, "reason", "syscall") > 0);
    }
    assert_int_equal(labelled_ns(profile, "thread", "takhin-profiler"), 0);
    profile_destroy(profile);
}

/* It makes each look wait for it in vain, and each dump of others longer, which looks wait for. */
static void a_thread_that_does_not_answer_takes_nothing_from_the_totals(void **state)
{
    (void)state;
    struct test_thread deaf = {.name = "deaf", .reads = true, .blocks_signal = true};
    struct test_thread reading = {.name = "reading", .reads = true};
    test_thread_start(&deaf);
    test_thread_start(&reading);
    source_add(1, "waits", "mutex lock", 0);

    struct collection *collection = open_fgprof(200);
    for (unsigned i = 0; i < 3; i++)
        task_dump_destroy(task_dump_create(profiler));
    wait_for_looks(atomic_load(&source.look_count) + 5);
    struct profile *profile = finish(collection);
    test_thread_end(&deaf);
    test_thread_end(&reading);

    uint64_t window_ns = (uint64_t)profile->duration_ns;
    assert_int_equal(labelled_ns(profile, "reason", "mutex lock"), window_ns);
    assert_int_equal(labelled_ns(profile, "thread", "deaf"), window_ns);
    assert_true(labelled_ns(profile, "reason", "not answering") >= window_ns); /* others may be late now and then */
    assert_int_equal(labelled_ns(profile, "thread", "reading"), window_ns);
    profile_destroy(profile);
}

static void be_slow(unsigned look)
{
    (void)look;
    burn(20 * NS_PER_MS);
}

/* A hundred looks a second that take 20 ms each would do nothing but look. */
static void dear_looks_are_rarer_and_weigh_more(void **state)
{
    (void)state;
    source_add(1, "waits", "mutex lock", 0);
    source.before_look = be_slow;

    struct collection *collection = open_fgprof(100);
    wait_for_looks(3);
    struct profile *profile = finish(collection);

    uint64_t samples = labelled_samples(profile, "reason", "mutex lock"), duration_ns = (uint64_t)profile->duration_ns;
    assert_true(samples >= 3);
    assert_true(samples <= duration_ns / (10 * 20 * NS_PER_MS) + 2); /* but for the first, and the one at the end */
    assert_int_equal(labelled_ns(profile, "reason", "mutex lock"), duration_ns);
    assert_true(has_comment(profile, "100 a second asked"));
    profile_destroy(profile);
}

static void looks_that_see_no_threads_are_told_of(void **state)
{
    (void)state;
    source_add(1, "waits", "mutex lock", 0);
    struct rlimit limit;
    struct collection *collection = open_fgprof(0);
    forbid_files(&limit);
    struct profile *profile = finish(collection); /* its last look is one of them */
    allow_files(&limit);

    const char *missing = comment_with(profile, "threads that are missing: all that run no task, in ");
    assert_non_null(missing);
    assert_non_null(strstr(missing, " looks, as they could not be listed: Too many open files"));
    assert_int_equal(labelled_ns(profile, "reason", "mutex lock"), profile->duration_ns);
    profile_destroy(profile);
}

static void it_has_a_thread_only_while_somebody_collects(void **state)
{
    (void)state;
    wait_for_own_threads(0);
    struct collection *one = open_fgprof(0), *other = open_fgprof(1000);
    wait_for_own_threads(2);
    wait_for_looks(2);

    collection_close(one); /* given up */
    wait_for_own_threads(1);
    struct profile *profile = finish(other);

    assert_true(profile->sample_count > 0);
    wait_for_own_threads(0);
    profile_destroy(profile);
}

static void a_rate_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    struct collection *collection;
    const struct profile_query query = {.rate = 100000};
    assert_true(collection_open(profiler, profile_type_find(bytes_of_string("fgprof")), &query, &collection) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy_profiler)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_waits_and_what_runs_both_get_the_whole_window),
        TEST(a_thread_that_does_not_answer_takes_nothing_from_the_totals),
        TEST(dear_looks_are_rarer_and_weigh_more),
        TEST(looks_that_see_no_threads_are_told_of),
        TEST(it_has_a_thread_only_while_somebody_collects),
        TEST(a_rate_beyond_the_limits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
