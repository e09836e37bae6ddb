/* test_trace_clock.c: ticks become times on the line between the readings around them. */
#include "profiler/trace_clock.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"
#include "profiler/own_thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static uint64_t ns_at(const struct trace_clock *clock, uint64_t ticks)
{
    struct trace_clock_line line = trace_clock_line_at(clock, ticks);
    return trace_clock_ns(&line, ticks);
}

/* Two ticks a nanosecond, then one, then four for what was read last. */
static struct trace_clock *bent_clock(void)
{
    struct trace_clock *clock = MEM_NEW(struct trace_clock);
    clock->pairs[clock->count++] = (struct trace_clock_pair){1000, 10000};
    clock->pairs[clock->count++] = (struct trace_clock_pair){3000, 11000};
    clock->pairs[clock->count++] = (struct trace_clock_pair){4000, 12000};
    clock->newest = (struct trace_clock_pair){8000, 13000};
    return clock;
}

static const struct trace_clock_pair known[] = {
    {1000, 10000}, {2000, 10500}, {3000, 11000}, {3500, 11500}, {4000, 12000}, {6000, 12500}, {8000, 13000},
    {0, 9500}, {12000, 14000}, /* beyond the ends */
};

static void times_lie_between_the_readings_around_them(void **state)
{
    (void)state;
    struct trace_clock *clock = bent_clock();
    for (unsigned i = 0; i < ARRAY_COUNT(known); i++) {
        assert_int_equal(ns_at(clock, known[i].ticks), known[i].ns);
        assert_int_equal(trace_clock_ticks_at(clock, known[i].ns), known[i].ticks);
    }
    mem_free(clock);
}

static void nothing_was_before_the_first_tick(void **state)
{
    (void)state;
    struct trace_clock *clock = MEM_NEW(struct trace_clock);
    clock->pairs[clock->count++] = (struct trace_clock_pair){.ticks = 1000, .ns = 1000000};
    clock->newest = (struct trace_clock_pair){.ticks = 2000, .ns = 1001000};
    assert_int_equal(trace_clock_ticks_at(clock, 999500), 500);
    assert_int_equal(trace_clock_ticks_at(clock, 0), 0);
    mem_free(clock);
}

static void the_oldest_readings_make_room(void **state)
{
    (void)state;
    struct trace_clock *clock = MEM_NEW(struct trace_clock);
    for (; clock->count < 3 * TRACE_CLOCK_PAIRS / 2; clock->count++)
        clock->pairs[clock->count % TRACE_CLOCK_PAIRS] =
            (struct trace_clock_pair){clock->count * 300, clock->count * 100};
    clock->newest = (struct trace_clock_pair){clock->count * 300, clock->count * 100};
    for (uint64_t i = 0; i <= clock->count; i++) {
        assert_int_equal(ns_at(clock, i * 300), i * 100);
        assert_int_equal(trace_clock_ticks_at(clock, i * 100), i * 300);
    }
    mem_free(clock);
}

static void a_clock_that_stands_still_has_one_time(void **state)
{
    (void)state;
    struct trace_clock *clock = MEM_NEW(struct trace_clock);
    clock->pairs[clock->count++] = (struct trace_clock_pair){1000, 500};
    clock->newest = (struct trace_clock_pair){2000, 500};
    assert_int_equal(ns_at(clock, 1700), 500);
    assert_int_equal(trace_clock_ticks_at(clock, 400), 2000);
    mem_free(clock);
}

static void readings_agree_with_the_kernels_clock(void **state)
{
    (void)state;
    struct trace_clock *clock = MEM_NEW(struct trace_clock);
    trace_clock_read(clock);
    uint64_t before_ns = own_thread_clock_ns(), ticks = trace_ticks(), after_ns = own_thread_clock_ns();
    while (own_thread_clock_ns() < after_ns + NS_PER_MS)
        continue;
    trace_clock_read(clock);
    assert_in_range(ns_at(clock, ticks), before_ns - NS_PER_MS, after_ns + NS_PER_MS);
    mem_free(clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_lie_between_the_readings_around_them),
        cmocka_unit_test(nothing_was_before_the_first_tick),
        cmocka_unit_test(the_oldest_readings_make_room),
        cmocka_unit_test(a_clock_that_stands_still_has_one_time),
        cmocka_unit_test(readings_agree_with_the_kernels_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
