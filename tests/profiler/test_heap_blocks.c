/* test_heap_blocks.c: sampled blocks are as good as malloc's: aligned, zeroed, sized, reused, and never out of room for
 * others. */
#include "heap_totals.h"

#include "profiler/heap_blocks.h"
#include "profiler/heap_hook.h"
#include "profiler/type.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANGE_BYTES ((size_t)64 << 20)

static int sample_all(void **state)
{
    (void)state;
    heap_set_rate(1);
    return 0;
}

static int sample_none(void **state)
{
    (void)state;
    heap_set_rate(0);
    return 0;
}

static struct profile_stats stats_now(void)
{
    struct profile_stats stats;
    heap_stats(&stats);
    return stats;
}

static void assert_aligned(const void *memory, size_t alignment)
{
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % alignment, 0);
}

static void blocks_are_aligned_as_asked(void **state)
{
    (void)state;
    for (size_t alignment = sizeof(void *); alignment <= 1 << 20; alignment *= 2) {
        for (size_t size = 1; size <= 100000; size = size * 3 + 1) {
            void *memory[4];
            assert_int_equal(posix_memalign(&memory[0], alignment, size), 0);
            memory[1] = aligned_alloc(alignment, size);
            memory[2] = memalign(alignment, size);
            memory[3] = malloc(size);
            for (int i = 0; i < 3; i++)
                assert_aligned(memory[i], alignment);
            assert_aligned(memory[3], 16);
            for (int i = 0; i < 4; i++) {
                memset(memory[i], 0xa5, size);
                free(memory[i]);
            }
        }
    }
    size_t page = (size_t)getpagesize();
    void *whole_page = pvalloc(10), *at_page = valloc(10);
    assert_aligned(whole_page, page);
    assert_aligned(at_page, page);
    assert_true(malloc_usable_size(whole_page) >= page);
    free(whole_page);
    free(at_page);
}

static void a_bad_alignment_is_refused(void **state)
{
    (void)state;
    void *untouched = &untouched, *memory = untouched;
    assert_int_equal(posix_memalign(&memory, 24, 100), EINVAL);
    assert_int_equal(posix_memalign(&memory, 4, 100), EINVAL);
    assert_ptr_equal(memory, untouched);
}

static void calloc_is_zeroed_where_memory_was_used_before(void **state)
{
    (void)state;
    for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
        for (int again = 0; again < 3; again++) {
            char *memory = calloc(1, size);
            assert_non_null(memory);
            for (size_t i = 0; i < size; i++)
                if (memory[i] != 0)
                    fail_msg("byte %zu of %zu", i, size);
            memset(memory, 0xff, size);
            free(memory);
        }
    }
}

static void impossible_sizes_fail_as_malloc_does(void **state)
{
    (void)state;
    volatile size_t half = SIZE_MAX / 2;
    void *volatile memory; /* or the compiler takes it that there is some */
    errno = 0;
    memory = calloc(half, 3);
    assert_null(memory);
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    memory = reallocarray(NULL, half, 3);
    assert_null(memory);
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    memory = malloc(half + 1);
    assert_null(memory);
    assert_int_equal(errno, ENOMEM);
}

static void blocks_are_as_large_as_asked(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200000; size = size * 2 + 1) {
        char *sampled = malloc(size);
        assert_true(malloc_usable_size(sampled) >= size);
        heap_set_rate(0);
        char *ordinary = malloc(size);
        heap_set_rate(1);
        assert_true(malloc_usable_size(ordinary) >= size);
        free(sampled);
        free(ordinary);
    }
    assert_int_equal(malloc_usable_size(NULL), 0);
}

/* Each byte says whose it is, so two blocks on the same memory are found out. */
static void blocks_do_not_overlap(void **state)
{
    (void)state;
    static struct {
        unsigned char *memory;
        size_t size;
    } blocks[500];
    uint32_t random = 7;
    for (int step = 0; step < 40000; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % ARRAY_COUNT(blocks);
        for (size_t byte = 0; byte < blocks[i].size; byte += 1 + blocks[i].size / 16)
            assert_int_equal(blocks[i].memory[byte], i & 0xff);
        if ((random >> 20) % 4 == 0) {
            free(blocks[i].memory);
            blocks[i].memory = NULL;
            blocks[i].size = 0;
            continue;
        }
        size_t size = ((size_t)1 << (random >> 28)) + (random >> 12) % 200; /* to 32 KiB */
        blocks[i].memory = realloc(blocks[i].memory, size);
        blocks[i].size = size;
        memset(blocks[i].memory, (int)(i & 0xff), size);
    }
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i].memory);
}

static void a_full_range_leaves_the_rest_to_malloc(void **state)
{
    (void)state;
    static void *blocks[200];
    struct profile_stats before = stats_now();
    for (int repeat = 0; repeat < 2; repeat++) {
        for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
            blocks[i] = malloc((size_t)1 << 20);
            assert_non_null(blocks[i]);
        }
        for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
            free(blocks[i]);
    }
    struct profile_stats after = stats_now();
    uint64_t sampled = after.sample_count - before.sample_count, lost = after.lost_count - before.lost_count;
    assert_true(sampled + lost >= 2 * ARRAY_COUNT(blocks));
    assert_true(lost >= 2 * (ARRAY_COUNT(blocks) - 64)); /* more are not possible */
    assert_true(sampled >= 2 * 45);
}

static void free_memory_goes_back_to_the_system(void **state)
{
    (void)state;
    static void *blocks[300];
    heap_trim();
    uint64_t before = stats_now().held_bytes;
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        blocks[i] = malloc(100000);
        memset(blocks[i], 1, 100000);
    }
    assert_true(stats_now().held_bytes >= before + ARRAY_COUNT(blocks) * 100000);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i]);
    uint64_t kept = stats_now().held_bytes;
    assert_true(kept <= before + ((uint64_t)17 << 20)); /* some stays, for who comes next */
    heap_trim();
    assert_true(stats_now().held_bytes <= before + (1 << 16));
}

/* Of the mappings that sampled blocks are in, swapped out or not. */
static uint64_t resident_bytes(void)
{
    uintptr_t range = atomic_load(&heap_gate.range_base), start = 0, end;
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    char line[512];
    uint64_t sum_kib = 0, kib;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            continue;
        if (start - range < RANGE_BYTES &&
            (sscanf(line, "Rss: %" SCNu64, &kib) == 1 || sscanf(line, "Swap: %" SCNu64, &kib) == 1))
            sum_kib += kib;
    }
    fclose(file);
    return sum_kib * 1024;
}

static void assert_held_is_resident(void)
{
    uint64_t held = heap_blocks_stats().held_bytes, resident = resident_bytes();
    assert_in_range(held, resident, resident + ((uint64_t)128 << 10)); /* with what is known of each chunk */
}

static void what_is_held_is_what_is_resident(void **state)
{
    (void)state;
    static char *blocks[200];
    heap_trim();
    for (int times = 0; times < 3; times++) {
        for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) { /* one of each size: most chunks have one slot in use */
            size_t size = (i + 1) * (i + 1) * 2;
            blocks[i] = malloc(size);
            memset(blocks[i], 1, size);
        }
        assert_held_is_resident();
        for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
            free(blocks[i]);
        assert_held_is_resident();
    }
    heap_trim();
    assert_held_is_resident();
}

static void what_a_block_grows_by_is_not_touched(void **state)
{
    (void)state;
    size_t grown = (size_t)40 << 20;
    heap_set_rate(0);
    char *memory = malloc(100);
    memset(memory, 7, 100);
    heap_set_rate(1);
    heap_trim();
    memory = realloc(memory, grown); /* now it is a sampled one */
    assert_true(heap_is_sampled(memory));
    for (int i = 0; i < 100; i++)
        assert_int_equal(memory[i], 7);
    assert_true(resident_bytes() < grown / 4);
    free(memory);
}

static void free_twice(void)
{
    void *volatile memory = malloc(100);
    free(memory);
    free(memory);
}

static void free_the_middle(void)
{
    char *memory = malloc(100), *volatile wrong = memory + 16;
    free(wrong);
}

static void free_the_middle_of_a_large_one(void)
{
    char *memory = malloc(300000), *volatile wrong = memory + 65536;
    free(wrong);
}

/* What it says before it ends. */
static void assert_ends_with_a_message(void (*misuse)(void))
{
    int output[2], status;
    char text[512] = "";
    assert_int_equal(pipe(output), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(output[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        misuse();
        _exit(0);
    }
    close(output[1]);
    ssize_t length = read(output[0], text, sizeof text - 1);
    assert_true(length > 0);
    assert_non_null(strstr(text, "was_allocated"));
    close(output[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void a_wrong_free_ends_the_process(void **state)
{
    (void)state;
    assert_ends_with_a_message(free_twice);
    assert_ends_with_a_message(free_the_middle);
    assert_ends_with_a_message(free_the_middle_of_a_large_one);
}

#define ALL_SAMPLED(test) cmocka_unit_test_setup_teardown(test, sample_all, sample_none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL_SAMPLED(blocks_are_aligned_as_asked),
        ALL_SAMPLED(a_bad_alignment_is_refused),
        ALL_SAMPLED(calloc_is_zeroed_where_memory_was_used_before),
        ALL_SAMPLED(impossible_sizes_fail_as_malloc_does),
        ALL_SAMPLED(blocks_are_as_large_as_asked),
        ALL_SAMPLED(blocks_do_not_overlap),
        ALL_SAMPLED(a_full_range_leaves_the_rest_to_malloc),
        ALL_SAMPLED(free_memory_goes_back_to_the_system),
        ALL_SAMPLED(what_is_held_is_what_is_resident),
        ALL_SAMPLED(what_a_block_grows_by_is_not_touched),
        ALL_SAMPLED(a_wrong_free_ends_the_process),
    };
    heap_test_prepare(1, RANGE_BYTES);
    return cmocka_run_group_tests(tests, set_up_capture, stop_sampling_and_capture);
}
