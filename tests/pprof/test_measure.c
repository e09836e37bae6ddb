/* test_measure.c: units and rounding of sample values. */
#include "pprof/measure.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void values_print_in_the_asked_unit(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *from, *to, *expected;
    } cases[] = {
        {0, "nanoseconds", MEASURE_BEST_UNIT, "0"},
        {1, "nanoseconds", MEASURE_BEST_UNIT, "1ns"},
        {999, "nanoseconds", MEASURE_BEST_UNIT, "999ns"},
        {1500, "nanoseconds", MEASURE_BEST_UNIT, "1.50us"},
        {30020000000, "nanoseconds", MEASURE_BEST_UNIT, "30.02s"},
        {7200, "seconds", MEASURE_BEST_UNIT, "2hrs"},
        {10, "milliseconds", "s", "0.01s"},
        {1, "milliseconds", "s", "0"},
        {-1500, "nanoseconds", "us", "-1.50us"},
        {524288, "bytes", MEASURE_BEST_UNIT, "512kB"},
        {1536, "Bytes", "kB", "1.50kB"},
        {1, "kilobytes", "B", "1024B"},
        {5, "count", MEASURE_BEST_UNIT, "5"},
        {5, "count", "count", "5"},
        {5, "widgets", "widgets", "5widgets"},
        {5, "bytes", "nanoseconds", "5B"},
        {5, "auto", "auto", "5"},
        {14895, "GCU", MEASURE_BEST_UNIT, "14.89k*GCU"},
        {3533261397854, "nanogcus", "GCU", "3533.26GCU"},
        {1002000449, "gigaGCU", "P*GCU", "1002000449000000000GCU"},
        {INT64_MIN, "count", "count", "-9223372036854775808"},
        {INT64_MAX, "hours", "ns", "33204139332677192908800000000000ns"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[128];
        measure_format(cases[i].value, cases[i].from, cases[i].to, text, sizeof(text));
        assert_string_equal(text, cases[i].expected);
    }
}

static void percentages_have_two_digits_and_a_round_hundred(void **state)
{
    (void)state;
    static const struct {
        int64_t value, total;
        const char *expected;
    } cases[] = {
        {0, 0, "    0%"},        {5, 0, "    0%"},       {1234, 10000, "12.34%"}, {123, 10000, " 1.23%"},
        {45, 10000, " 0.45%"},   {5, 1000, "  0.5%"},    {1, 1000000, "0.0001%"}, {1, 100000000, "1e-06%"},
        {9994, 10000, "99.94%"}, {9995, 10000, "  100%"}, {10006, 10000, "100.06%"}, {-50, 100, "50.00%"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[32];
        measure_percentage(cases[i].value, cases[i].total, text, sizeof(text));
        assert_string_equal(text, cases[i].expected);
    }
}

static void units_of_one_family_are_convertible(void **state)
{
    (void)state;
    assert_true(measure_is_convertible("nanoseconds", "ms"));
    assert_true(measure_is_convertible("bytes", "kb"));
    assert_true(measure_is_convertible("widgets", "widgets"));
    assert_false(measure_is_convertible("bytes", "ms"));
    assert_false(measure_is_convertible("widgets", "count"));
    assert_false(measure_is_convertible("bytes", "count"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_print_in_the_asked_unit),
        cmocka_unit_test(percentages_have_two_digits_and_a_round_hundred),
        cmocka_unit_test(units_of_one_family_are_convertible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
