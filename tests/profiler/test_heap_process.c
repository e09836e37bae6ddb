/* test_heap_process.c: what happens to a process happens to its heap: forks, threads that come and go, no memory, no
 * addresses, and allocations before main. */
#include "heap_totals.h"

#include "profiler/type.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANGE_BYTES ((size_t)4 << 30)

static void *early;

__attribute__((constructor)) static void allocate_before_main(void)
{
    early = malloc(1000);
    early = realloc(early, 2000);
    free(calloc(1, 10));
}

static SITE void *allocate(size_t size)
{
    void *volatile memory = malloc(size);
    return memory;
}

/* 0: it went well; else the number of what did not. A deadlock ends by SIGALRM. */
static void assert_child_is_well(int (*run)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        _exit(run());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#ifndef TAKHIN_TEST_SANITIZED /* their shadow needs more addresses than any limit */
static void allow_more_addresses(size_t bytes)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        _exit(100);
    fclose(file);
    struct rlimit limit = {pages * 4096 + bytes, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(101);
}

static int sample_with_few_addresses(void)
{
    allow_more_addresses((size_t)400 << 20);
    heap_set_rate(1);
    if (!heap_is_possible() || heap_rate() != 1)
        return 1;
    struct totals before = totals_now();
    void *memory = allocate(12345);
    struct totals totals = totals_since(before);
    free(memory);
    return totals.inuse_bytes == 12345 ? 0 : 2;
}

static int sample_without_addresses(void)
{
    allow_more_addresses((size_t)4 << 20);
    heap_set_rate(1);
    if (heap_is_possible())
        return 1;
    free(allocate(1000));
    return totals_now().alloc_objects == 0 ? 0 : 2;
}

/* In a child, as the range is reserved once. */
static void few_addresses_make_a_small_range(void **state)
{
    (void)state;
    assert_child_is_well(sample_with_few_addresses);
}

static void without_addresses_malloc_works_unsampled(void **state)
{
    (void)state;
    assert_child_is_well(sample_without_addresses);
}

static int run_out_of_memory(void)
{
    static void *blocks[4096];
    size_t count = 0;
    heap_set_rate(4096);
    allow_more_addresses((size_t)64 << 20);
    setrlimit(RLIMIT_DATA, &(struct rlimit){(size_t)128 << 20, RLIM_INFINITY});
    for (int repeat = 0; repeat < 3; repeat++) {
        errno = 0;
        while (count < ARRAY_COUNT(blocks) && (blocks[count] = allocate((size_t)1 << 20)))
            count++;
        if (count == 0 || count == ARRAY_COUNT(blocks) || errno != ENOMEM)
            return 1;
        void *volatile more = calloc(1 << 20, 1 << 12);
        if (more || realloc(blocks[0], (size_t)1 << 31) || errno != ENOMEM)
            return 2;
        if (posix_memalign(&blocks[count], 4096, (size_t)1 << 31) != ENOMEM)
            return 3;
        while (count > 0)
            free(blocks[--count]);
    }
    return 0;
}

static void out_of_memory_is_said_and_survived(void **state)
{
    (void)state;
    assert_child_is_well(run_out_of_memory);
}
#endif

static void what_was_allocated_before_main_is_freed(void **state)
{
    (void)state;
    heap_set_rate(1);
    early = realloc(early, 3000);
    assert_non_null(early);
    free(early);
    heap_set_rate(0);
}

static atomic_bool stopping;

static void *churn(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    void *blocks[16] = {NULL};
    while (!atomic_load(&stopping)) {
        random = random * 1664525 + 1013904223;
        void **block = &blocks[random >> 28];
        free(*block);
        *block = allocate((random >> 8) % 20000);
    }
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i]);
    return NULL;
}

static int allocate_in_child(void)
{
    struct totals before = totals_now();
    void *blocks[100];
    heap_set_rate(1);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        blocks[i] = allocate(i * 100);
    struct totals totals = totals_since(before);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i]);
    return totals.inuse_objects == (int64_t)ARRAY_COUNT(blocks) ? 0 : 1;
}

static void a_child_allocates_whatever_other_threads_were_doing(void **state)
{
    (void)state;
    pthread_t threads[3];
    heap_set_rate(2000);
    atomic_store(&stopping, false);
    for (uintptr_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 40; i++)
        assert_child_is_well(allocate_in_child);
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    heap_set_rate(0);
}

static void *allocate_and_end(void *size)
{
    return allocate((size_t)size);
}

static void blocks_outlive_their_threads(void **state)
{
    (void)state;
    static void *blocks[500];
    struct totals before = totals_now();
    heap_set_rate(1);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, allocate_and_end, (void *)(100 + i)), 0);
        assert_int_equal(pthread_join(thread, &blocks[i]), 0);
    }
    struct totals totals = totals_since(before);
    assert_int_equal(totals.inuse_objects, ARRAY_COUNT(blocks));
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i]);
    heap_set_rate(0);
    totals = totals_since(before);
    assert_int_equal(totals.inuse_objects, 0);
    assert_int_equal(totals.inuse_bytes, 0);
}

/* A profile is read, and memory given back, while all threads allocate: nothing is ever negative. */
static void it_is_read_while_threads_allocate(void **state)
{
    (void)state;
    pthread_t threads[3];
    heap_set_rate(500);
    atomic_store(&stopping, false);
    for (uintptr_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    for (int i = 0; i < 200; i++) {
        size_t count;
        struct stack_table *stacks = stack_table_create(4);
        heap_collect(stacks);
        const struct stack_entry *entries = stack_table_sort(stacks, &count);
        for (size_t entry = 0; entry < count; entry++)
            for (int column = 0; column < 4; column++)
                assert_true(entries[entry].values[column] >= 0);
        stack_table_destroy(stacks);
        heap_trim();
        heap_set_rate(500 + i);
    }
    atomic_store(&stopping, true);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    heap_set_rate(0);
    struct totals totals = totals_now();
    assert_int_equal(totals.inuse_objects, 0);
    assert_int_equal(totals.inuse_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef TAKHIN_TEST_SANITIZED /* first, before there is a range */
        cmocka_unit_test(few_addresses_make_a_small_range),
        cmocka_unit_test(without_addresses_malloc_works_unsampled),
        cmocka_unit_test(out_of_memory_is_said_and_survived),
#endif
        cmocka_unit_test(what_was_allocated_before_main_is_freed),
        cmocka_unit_test(a_child_allocates_whatever_other_threads_were_doing),
        cmocka_unit_test(blocks_outlive_their_threads),
        cmocka_unit_test(it_is_read_while_threads_allocate),
    };
    heap_test_prepare(1, RANGE_BYTES);
    return cmocka_run_group_tests(tests, set_up_capture, stop_sampling_and_capture);
}
