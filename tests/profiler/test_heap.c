/* test_heap.c: the heap profile against a recorder that counts everything, and every way in which a block comes, moves
 * and goes. */
#include "heap_totals.h"

#include "profiler/type.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef TAKHIN_TEST_LIBRARIES
#include <uv.h>
#endif

#define SEED 42
#define RANGE_BYTES ((size_t)4 << 30)

/* For 5 % to be five times the spread of an estimate, it takes so many samples. */
#define SAMPLES 10000

#define ONCE(rate, size) ((size_t)(SAMPLES * (rate) / (size) > SAMPLES ? SAMPLES * (rate) / (size) : SAMPLES))

static void assert_close(int64_t estimate, int64_t truth)
{
    double error = 100 * (double)(estimate - truth) / (double)truth;
    if (error < -5 || error > 5)
        fail_msg("%lld instead of %lld: %.1f %% off", (long long)estimate, (long long)truth, error);
}

/* Memory that nobody touches, so that millions of blocks cost nothing. */
static SITE void *allocate(size_t size)
{
    void *volatile memory = malloc(size);
    return memory;
}

static SITE void *resize(void *memory, size_t size)
{
    void *volatile moved = realloc(memory, size);
    return moved;
}

/* --- estimates --- */

static void estimates_are_right_at_every_rate_and_size(void **state)
{
    (void)state;
    const int64_t rates[] = {64, 4096, 65536};
    const size_t sizes[] = {24, 100, 1000, 5000, 70000, 1000000};
    for (size_t r = 0; r < ARRAY_COUNT(rates); r++) {
        for (size_t s = 0; s < ARRAY_COUNT(sizes); s++) {
            if (rates[r] > 2000 * (int64_t)sizes[s]) /* too many allocations to a sample */
                continue;
            size_t count = ONCE((size_t)rates[r], sizes[s]);
            struct totals before = totals_now();
            heap_set_rate(rates[r]);
            for (size_t i = 0; i < count; i++)
                free(allocate(sizes[s]));
            heap_set_rate(0);
            struct totals totals = totals_since(before);
            assert_close(totals.alloc_objects, (int64_t)count);
            assert_close(totals.alloc_bytes, (int64_t)(count * sizes[s]));
            assert_int_equal(totals.inuse_objects, 0);
            assert_int_equal(totals.inuse_bytes, 0);
        }
    }
}

static void a_mixture_of_sizes_is_estimated_right(void **state)
{
    (void)state;
    static void *blocks[60000];
    int64_t bytes = 0;
    uint32_t random = 1;
    struct totals before = totals_now();
    heap_set_rate(256);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        random = random * 1664525 + 1013904223;
        size_t size = 16u << (random >> 29); /* 16 to 2048 */
        size += (random >> 8) % size;
        blocks[i] = allocate(size);
        bytes += (int64_t)size;
    }
    heap_set_rate(0);
    struct totals totals = totals_since(before);
    assert_close(totals.inuse_objects, (int64_t)ARRAY_COUNT(blocks));
    assert_close(totals.inuse_bytes, bytes);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i]);
    totals = totals_since(before);
    assert_int_equal(totals.inuse_objects, 0);
    assert_int_equal(totals.inuse_bytes, 0);
}

static void a_change_of_rate_skews_nothing(void **state)
{
    (void)state;
    static void *blocks[120000];
    const int64_t rates[] = {512, 2048, 64, 1024};
    const size_t size = 200, part = ARRAY_COUNT(blocks) / ARRAY_COUNT(rates);
    struct totals before = totals_now();
    /* Often, too: a change throws away how far it was to the next sample. */
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        if (i % 100 == 0)
            heap_set_rate(rates[i / part] + (int64_t)(i / 100 % 2));
        blocks[i] = allocate(size);
    }
    struct totals totals = totals_since(before);
    assert_close(totals.inuse_bytes, (int64_t)(size * ARRAY_COUNT(blocks)));
    assert_close(totals.inuse_objects, (int64_t)ARRAY_COUNT(blocks));
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i += 2)
        free(blocks[i]);
    totals = totals_since(before);
    assert_close(totals.inuse_objects, (int64_t)ARRAY_COUNT(blocks) / 2);
    heap_set_rate(0); /* what was sampled before stays counted until it is freed */
    for (size_t i = 1; i < ARRAY_COUNT(blocks); i += 2)
        free(blocks[i]);
    totals = totals_since(before);
    assert_int_equal(totals.inuse_objects, 0);
    assert_int_equal(totals.inuse_bytes, 0);
}

/* Each thread allocates, and frees what another one allocated. */
#define THREAD_COUNT 6
#define EXCHANGE_SLOTS 1024
#define EXCHANGES 60000

static _Atomic(void *) exchange[EXCHANGE_SLOTS];
static _Atomic int64_t recorded_bytes;

static void *run_exchanger(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    for (int i = 0; i < EXCHANGES; i++) {
        random = random * 1664525 + 1013904223;
        size_t size = 1 + (random >> 16) % 1000;
        atomic_fetch_add(&recorded_bytes, (int64_t)size);
        free(atomic_exchange(&exchange[(random >> 6) % EXCHANGE_SLOTS], allocate(size)));
    }
    return NULL;
}

static void threads_free_what_others_allocated(void **state)
{
    (void)state;
    pthread_t threads[THREAD_COUNT];
    struct totals before = totals_now();
    heap_set_rate(1000);
    for (uintptr_t i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_exchanger, (void *)(i + 1)), 0);
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < EXCHANGE_SLOTS; i++)
        free(atomic_exchange(&exchange[i], NULL));
    heap_set_rate(0);
    struct totals totals = totals_since(before);
    assert_close(totals.alloc_bytes, atomic_load(&recorded_bytes));
    assert_close(totals.alloc_objects, THREAD_COUNT * EXCHANGES);
    assert_int_equal(totals.inuse_objects, 0);
    assert_int_equal(totals.inuse_bytes, 0);
}

/* --- exactly --- */

static void rate_one_counts_every_allocation(void **state)
{
    (void)state;
    struct totals before = totals_now();
    heap_set_rate(1);
    void *small = allocate(10), *large = allocate(100000), *nothing = allocate(0);
    heap_set_rate(0);
    void *uncounted = allocate(10);
    struct totals totals = totals_since(before);
    assert_totals(totals, 3, 100010, 3, 100010);
    free(small);
    free(large);
    free(nothing);
    free(uncounted);
    totals = totals_since(before);
    assert_totals(totals, 3, 100010, 0, 0);
}

static void realloc_is_a_free_and_an_allocation(void **state)
{
    (void)state;
    struct totals before = totals_now(), totals;
    heap_set_rate(1);
    void *memory = resize(NULL, 100);
    totals = totals_since(before);
    assert_totals(totals, 1, 100, 1, 100);
    memory = resize(memory, 40000);
    totals = totals_since(before);
    assert_totals(totals, 2, 40100, 1, 40000);
    memory = resize(memory, 50);
    totals = totals_since(before);
    assert_totals(totals, 3, 40150, 1, 50);
    assert_null(resize(memory, 0));
    totals = totals_since(before);
    assert_totals(totals, 3, 40150, 0, 0);
    heap_set_rate(0);
}

static void realloc_moves_between_sampled_and_not(void **state)
{
    (void)state;
    struct totals before = totals_now(), totals;
    char *text = allocate(20);
    strcpy(text, "nineteen characters");
    heap_set_rate(1);
    text = resize(text, 5000); /* from glibc's */
    totals = totals_since(before);
    assert_totals(totals, 1, 5000, 1, 5000);
    assert_string_equal(text, "nineteen characters");
    heap_set_rate(0);
    text = resize(text, 30); /* to glibc's */
    totals = totals_since(before);
    assert_totals(totals, 1, 5000, 0, 0);
    assert_string_equal(text, "nineteen characters");
    free(text);
}

static void a_failed_realloc_leaves_the_block(void **state)
{
    (void)state;
    struct totals before = totals_now();
    volatile size_t impossible = PTRDIFF_MAX; /* the compiler need not know */
    heap_set_rate(1);
    char *text = allocate(8);
    strcpy(text, "text");
    assert_null(resize(text, impossible));
    assert_string_equal(text, "text");
    struct totals totals = totals_since(before);
    assert_totals(totals, 1, 8, 1, 8);
    free(text);
    heap_set_rate(0);
}

/* --- who --- */

static void the_stack_begins_with_who_called_malloc(void **state)
{
    (void)state;
    size_t count, found = 0;
    heap_set_rate(1);
    void *memory = allocate(4321);
    heap_set_rate(0);
    struct stack_table *stacks = stack_table_create(4);
    heap_collect(stacks);
    const struct stack_entry *entries = stack_table_sort(stacks, &count);
    for (size_t i = 0; i < count; i++) {
        const struct stack_key *key = &entries[i].key;
        if (entries[i].values[3] != 4321 || !is_of_a_site(key))
            continue;
        found++;
        assert_true(key->is_parked);
        assert_true(key->number >= 4321 && key->number < 4321 * 9 / 8);
#ifndef TAKHIN_TEST_SANITIZED /* else the hook itself is first */
        assert_true(key->pcs[0] >= (uintptr_t)__start_heap_sites && key->pcs[0] < (uintptr_t)__stop_heap_sites);
#endif
    }
    assert_int_equal(found, 1);
    stack_table_destroy(stacks);
    free(memory);
}

static void without_a_stack_it_still_counts(void **state)
{
    (void)state;
    struct capture capture;
    size_t count;
    int64_t bytes = 0;
    heap_set_rate(1);
    assert_true(capture_begin(&capture)); /* whoever is in one cannot have another */
    void *volatile memory = malloc(777);
    capture_done();
    heap_set_rate(0);
    struct stack_table *stacks = stack_table_create(4);
    heap_collect(stacks);
    const struct stack_entry *entries = stack_table_sort(stacks, &count);
    for (size_t i = 0; i < count; i++)
        if (entries[i].key.function && strcmp(entries[i].key.function, "[no stack]") == 0)
            bytes += entries[i].values[3];
    assert_int_equal(bytes, 777);
    stack_table_destroy(stacks);
    free(memory);
}

#ifdef TAKHIN_TEST_LIBRARIES
static SITE char *copy(const char *text)
{
    char *volatile copied = strdup(text);
    return copied;
}

static SITE uv_loop_t *create_loop(void)
{
    uv_loop_t *volatile loop = uv_loop_new();
    return loop;
}

static void allocations_of_libraries_are_seen(void **state)
{
    (void)state;
    struct totals before = totals_now();
    heap_set_rate(1);
    char *copied = copy("twelve chars");
    struct totals totals = totals_since(before);
    assert_totals(totals, 1, 13, 1, 13);
    uv_loop_t *loop = create_loop();
    totals = totals_since(before);
    assert_true(totals.inuse_bytes >= 13 + (int64_t)sizeof *loop);
    uv_loop_delete(loop);
    free(copied);
    heap_set_rate(0);
    totals = totals_since(before);
    assert_int_equal(totals.inuse_objects, 0);
}
#endif

static void it_says_since_when_and_how_much(void **state)
{
    (void)state;
    struct profile_stats stats;
    heap_stats(&stats);
    assert_true(heap_is_hooked());
    assert_true(heap_is_possible());
    assert_true(heap_since_ns() > 0);
    assert_true(stats.sample_count > 10000);
    assert_int_equal(stats.truncated_count, 0);
    assert_true(stats.overhead_ns > 0 && stats.held_bytes > 0);
    assert_true(heap_record_count() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_one_counts_every_allocation),
        cmocka_unit_test(realloc_is_a_free_and_an_allocation),
        cmocka_unit_test(realloc_moves_between_sampled_and_not),
        cmocka_unit_test(a_failed_realloc_leaves_the_block),
        cmocka_unit_test(the_stack_begins_with_who_called_malloc),
        cmocka_unit_test(without_a_stack_it_still_counts),
#ifdef TAKHIN_TEST_LIBRARIES
        cmocka_unit_test(allocations_of_libraries_are_seen),
#endif
        cmocka_unit_test(estimates_are_right_at_every_rate_and_size),
        cmocka_unit_test(a_mixture_of_sizes_is_estimated_right),
        cmocka_unit_test(a_change_of_rate_skews_nothing),
        cmocka_unit_test(threads_free_what_others_allocated),
        cmocka_unit_test(it_says_since_when_and_how_much),
    };
    heap_test_prepare(SEED, RANGE_BYTES);
    return cmocka_run_group_tests(tests, set_up_capture, stop_sampling_and_capture);
}
