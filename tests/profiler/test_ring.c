/* test_ring.c: records come out whole and in order, whatever their lengths, and a full ring says so. */
#include "profiler/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define WORDS 64
#define RECORDS 20000

/* A record says how long it is, and which one, in each word. */
static bool put(struct ring *ring, uint64_t number, uint64_t length, uint64_t words_max)
{
    uint64_t *words = ring_reserve(ring, words_max);
    if (!words)
        return false;
    for (uint64_t i = 0; i < length; i++)
        words[i] = number << 8 | length;
    ring_commit(ring, length);
    return true;
}

static void take(struct ring *ring, uint64_t number)
{
    const uint64_t *words = ring_next(ring);
    assert_non_null(words);
    uint64_t length = words[0] & 0xff;
    for (uint64_t i = 0; i < length; i++)
        assert_int_equal(words[i], number << 8 | length);
    ring_release(ring);
}

static void records_of_any_length_survive_the_end_of_the_memory(void **state)
{
    (void)state;
    struct ring ring;
    ring_init(&ring, WORDS);
    assert_null(ring_next(&ring));
    for (uint64_t number = 0; number < 1000; number++) {
        assert_true(put(&ring, number, 1 + number % 20, 20));
        take(&ring, number);
        assert_null(ring_next(&ring));
    }
    ring_deinit(&ring);
}

static void a_full_ring_refuses_and_loses_nothing(void **state)
{
    (void)state;
    struct ring ring;
    ring_init(&ring, WORDS);
    for (uint64_t round = 0; round < 50; round++) {
        uint64_t count = 0;
        while (put(&ring, count, 1 + (round + count) % 7, 7))
            count++;
        assert_true(count >= 5);
        for (uint64_t number = 0; number < count; number++)
            take(&ring, number);
        assert_null(ring_next(&ring));
    }
    ring_deinit(&ring);
}

static void what_was_reserved_and_not_handed_over_is_not_seen(void **state)
{
    (void)state;
    struct ring ring;
    ring_init(&ring, WORDS);
    assert_non_null(ring_reserve(&ring, 10));
    assert_null(ring_next(&ring));
    assert_true(put(&ring, 7, 3, 10));
    take(&ring, 7);
    ring_deinit(&ring);
}

static void *write_all(void *argument)
{
    for (uint64_t number = 0; number < RECORDS; number++)
        while (!put(argument, number, 1 + number % 13, 13))
            sched_yield();
    return NULL;
}

static void a_writer_and_a_reader_run_side_by_side(void **state)
{
    (void)state;
    struct ring ring;
    pthread_t writer;
    ring_init(&ring, WORDS);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &ring), 0);
    for (uint64_t number = 0; number < RECORDS; number++) {
        while (!ring_next(&ring))
            sched_yield();
        take(&ring, number);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    ring_deinit(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_any_length_survive_the_end_of_the_memory),
        cmocka_unit_test(a_full_ring_refuses_and_loses_nothing),
        cmocka_unit_test(what_was_reserved_and_not_handed_over_is_not_seen),
        cmocka_unit_test(a_writer_and_a_reader_run_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
