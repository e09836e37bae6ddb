/* test_cpu_storm.c: at the highest rate, while objects, threads and memory come and go, nothing breaks.
 *
 * TAKHIN_TEST_STORM_SECONDS (of CPU time) and TAKHIN_TEST_STORM_HZ make it longer, and set the rate of the one reader
 * that stays:
 *   TAKHIN_TEST_STORM_SECONDS=600 TAKHIN_TEST_STORM_HZ=250 build/tests/profiler_test_cpu_storm */
#include "profiler/cpu.h"

#include "base/check.h"
#include "burn.h"
#include "collect.h"
#include "profiler/profiler.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define STORM_SECONDS 3

static atomic_bool stopping;

static void *load_and_unload(void *argument)
{
    (void)argument;
    static const char *const names[] = {"libuv.so.1", "libyaml-0.so.2", "libcurl.so.4"};
    for (unsigned i = 0; !atomic_load(&stopping); i++) {
        void *library = dlopen(names[i % ARRAY_COUNT(names)], RTLD_NOW | RTLD_LOCAL);
        if (library)
            dlclose(library);
    }
    return NULL;
}

static void *churn_memory(void *argument)
{
    (void)argument;
    void *live[64] = {NULL};
    for (unsigned i = 0; !atomic_load(&stopping); i++) {
        free(live[i % 64]);
        live[i % 64] = malloc(16 + i * 7919 % 100000);
        memset(live[i % 64], 1, 16);
    }
    for (unsigned i = 0; i < 64; i++)
        free(live[i]);
    return NULL;
}

static void *live_briefly(void *argument)
{
    (void)argument;
    burn(NS_PER_MS);
    return NULL;
}

static void *churn_threads(void *argument)
{
    (void)argument;
    while (!atomic_load(&stopping)) {
        pthread_t threads[4];
        unsigned count = 0;
        while (count < 4 && pthread_create(&threads[count], NULL, live_briefly, NULL) == 0)
            count++;
        while (count > 0)
            pthread_join(threads[--count], NULL);
    }
    return NULL;
}

/* Readers of different rates that come and go on top of one that stays. */
static void *churn_readers(void *argument)
{
    for (int i = 0; !atomic_load(&stopping); i++) {
        struct collection *reader;
        if (open_cpu(argument, 1 + i * 97 % CPU_HZ_MAX, &reader) < 0)
            abort();
        nanosleep(&(struct timespec){.tv_nsec = 20 * NS_PER_MS}, NULL);
        if (i % 2)
            collection_close(reader);
        else
            profile_destroy(finish(reader));
    }
    return NULL;
}

static int setting(const char *variable, int otherwise)
{
    const char *value = getenv(variable);
    return value ? atoi(value) : otherwise;
}

static void a_storm_is_survived_and_counted(void **state)
{
    (void)state;
    struct profiler_options options = {.enabled = true, .cpu_hz = 100, .max_duration_ns = NS_PER_S};
    struct profiler *profiler;
    assert_int_equal(profiler_create(&profiler, &options), 0);
    struct cpu_sampler *sampler = profiler_cpu(profiler);
    struct collection *reader;
    assert_int_equal(open_cpu(profiler, setting("TAKHIN_TEST_STORM_HZ", CPU_HZ_MAX), &reader), 0);

    void *(*const storms[])(void *) = {load_and_unload, churn_memory, churn_threads, churn_readers};
    pthread_t threads[ARRAY_COUNT(storms)];
    for (size_t i = 0; i < ARRAY_COUNT(storms); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storms[i], profiler), 0);
    /* However slow the machine is, it is so much that a period more or less for each thread is little of it. */
    uint64_t storm_ns = (uint64_t)setting("TAKHIN_TEST_STORM_SECONDS", STORM_SECONDS) * NS_PER_S;
    uint64_t end_ns = clock_process_cpu_ns() + storm_ns;
    struct cpu_stats stats;
    do {
        nanosleep(&(struct timespec){.tv_nsec = 10 * NS_PER_MS}, NULL);
        stats = cpu_sampler_stats(sampler);
    } while (clock_process_cpu_ns() < end_ns || (!SIGNALS_ARE_LATE && stats.sample_count == 0));
    struct profile *profile = finish(reader);
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_COUNT(storms); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);

    /* Threads that lived between two looks at the list are not in it; nothing is counted twice. */
    double profiled_s, used_s; /* both of the window that ended somewhere in the storm */
    const char *comment = comment_with(profile, "CPU time: ");
    assert_int_equal(sscanf(comment, "CPU time: %lf s here, %lf s by", &profiled_s, &used_s), 2);
    assert_true(profiled_s <= used_s * 1.25);
    for (uint32_t i = 0; i < profile->location_count; i++)
        assert_true(profile->locations[i].line_count > 0);
    printf("%u samples, %.2f s of %.2f s CPU; lost %u, rootless %u of %u\n", (unsigned)profile->sample_count,
           profiled_s, used_s, (unsigned)stats.lost_count, (unsigned)stats.rootless_count,
           (unsigned)stats.sample_count);
    profile_destroy(profile);
    assert_int_equal(cpu_sampler_stats(sampler).thread_count, 0);
    profiler_destroy(profiler);
}

static void a_profiler_keeps_its_options(void **state)
{
    (void)state;
    struct profiler_options options = {.enabled = true, .port = 6060, .cpu_hz = 100, .max_duration_ns = 7};
    struct profiler *profiler;
    assert_int_equal(profiler_create(&profiler, &options), 0);
    assert_int_equal(profiler_options(profiler).cpu_hz, 100);
    options.cpu_hz = 250;
    profiler_reconfigure(profiler, &options);
    assert_int_equal(profiler_options(profiler).cpu_hz, 250);
    assert_int_equal(profiler_options(profiler).max_duration_ns, 7);
    assert_non_null(profiler_symbols(profiler));
    profiler_destroy(profiler);
    options.cpu_hz = 0;
    assert_true(profiler_create(&profiler, &options) < 0);
    profiler_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_storm_is_survived_and_counted),
        cmocka_unit_test(a_profiler_keeps_its_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
