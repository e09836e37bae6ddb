/* test_threadcreate.c: every thread is counted, by who started it if that could be seen. */
#include "profiler/threadcreate.h"

#include "profiler/capture.h"
#include "profiler/stack_table.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct counts {
    int64_t before_profiling, here, total;
};

static void *end_at_once(void *argument)
{
    return argument;
}

static NOINLINE __attribute__((section("thread_sites"))) int start_one(const pthread_attr_t *attributes)
{
    pthread_t thread;
    volatile int rc = pthread_create(&thread, attributes, end_at_once, NULL);
    if (rc == 0)
        pthread_join(thread, NULL);
    return rc;
}

extern const char __start_thread_sites[], __stop_thread_sites[];

/* Whether the stack begins there: the hook is not in it. */
static bool is_started_here(const struct stack_key *key)
{
    return key->depth > 0 && key->pcs[0] >= (uintptr_t)__start_thread_sites &&
           key->pcs[0] < (uintptr_t)__stop_thread_sites;
}

static struct counts count_threads(void)
{
    size_t count;
    struct counts counts = {0};
    struct stack_table *stacks = stack_table_create(1);
    threadcreate_collect(stacks);
    const struct stack_entry *entries = stack_table_sort(stacks, &count);
    for (size_t i = 0; i < count; i++) {
        const struct stack_key *key = &entries[i].key;
        counts.total += entries[i].values[0];
        if (is_started_here(key))
            counts.here += entries[i].values[0];
        if (key->function && strcmp(key->function, "[before profiling]") == 0)
            counts.before_profiling += entries[i].values[0];
    }
    stack_table_destroy(stacks);
    return counts;
}

static void threads_are_counted_before_and_while_there_are_captures(void **state)
{
    (void)state;
    assert_non_null(&threadcreate_hook_is_linked);
    assert_int_equal(count_threads().total, 1); /* the one that runs main */
    assert_int_equal(start_one(NULL), 0);
    assert_int_equal(count_threads().before_profiling, 2);

    struct unwinder *unwinder = unwinder_create();
    struct symbols *symbols = symbols_create();
    capture_install(unwinder, symbols);
    for (int i = 0; i < 3; i++)
        assert_int_equal(start_one(NULL), 0);
    struct counts counts = count_threads();
    assert_int_equal(counts.here, 3);
    assert_int_equal(counts.before_profiling, 2);
    assert_int_equal(counts.total, 5);

    capture_remove();
    symbols_destroy(symbols);
    unwinder_destroy(unwinder);
    assert_int_equal(start_one(NULL), 0);
    counts = count_threads();
    assert_int_equal(counts.here, 3);
    assert_int_equal(counts.total, 6);
}

static void a_thread_that_could_not_be_started_is_not_counted(void **state)
{
    (void)state;
    pthread_attr_t attributes;
    int64_t before = count_threads().total;
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)1 << 47), 0); /* more than a process has */
    assert_int_not_equal(start_one(&attributes), 0);
    pthread_attr_destroy(&attributes);
    assert_int_equal(count_threads().total, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_counted_before_and_while_there_are_captures),
        cmocka_unit_test(a_thread_that_could_not_be_started_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
