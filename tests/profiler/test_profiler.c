/* test_profiler.c: how the profiler is set, by several at once. */
#include "profiler/profiler.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define CHANGES 20000

static bool add_second(struct profiler_options *options, void *context)
{
    (void)context;
    options->max_duration_ns += NS_PER_S;
    sched_yield(); /* another comes in between if it can */
    return true;
}

static bool add_second_and_refuse(struct profiler_options *options, void *context)
{
    (void)add_second(options, context);
    return false;
}

static pthread_barrier_t both_run;

static void *change_often(void *argument)
{
    pthread_barrier_wait(&both_run);
    for (unsigned i = 0; i < CHANGES; i++)
        profiler_change(argument, add_second, NULL);
    return NULL;
}

static void no_change_is_lost_to_another(void **state)
{
    (void)state;
    struct profiler *profiler;
    pthread_t other;
    assert_int_equal(profiler_create(&profiler, &(struct profiler_options){.cpu_hz = 100}), 0);
    pthread_barrier_init(&both_run, NULL, 2);
    assert_int_equal(pthread_create(&other, NULL, change_often, profiler), 0);
    change_often(profiler);
    pthread_join(other, NULL);
    pthread_barrier_destroy(&both_run);
    assert_int_equal(profiler_options(profiler).max_duration_ns, 2 * CHANGES * (int64_t)NS_PER_S);
    profiler_destroy(profiler);
}

static void what_is_refused_changes_nothing(void **state)
{
    (void)state;
    struct profiler *profiler;
    assert_int_equal(profiler_create(&profiler, &(struct profiler_options){.cpu_hz = 100}), 0);
    int64_t configured_ns = profiler_configured_ns(profiler);
    profiler_change(profiler, add_second_and_refuse, NULL);
    assert_int_equal(profiler_options(profiler).max_duration_ns, 0);
    assert_int_equal(profiler_configured_ns(profiler), configured_ns);
    profiler_destroy(profiler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_change_is_lost_to_another),
        cmocka_unit_test(what_is_refused_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
