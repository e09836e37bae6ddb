/* test_units.c: sizes and durations as people write them. */
#include "base/units.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t bytes;
    } cases[] = {
        {"0", 0, 0},           {"1048576", 0, 1048576}, {"1GiB", 0, 1ll << 30}, {"64 kib", 0, 65536},
        {"10MB", 0, 10000000}, {"1g", 0, 1ll << 30},    {"", ERR_MALFORMED, 0}, {"GiB", ERR_MALFORMED, 0},
        {"-1", ERR_MALFORMED, 0}, {"1XB", ERR_MALFORMED, 0}, {"9223372036854775808", ERR_OUT_OF_RANGE, 0},
        {"9000000000TiB", ERR_OUT_OF_RANGE, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int64_t bytes = 0;
        assert_int_equal(units_parse_size(cases[i].text, &bytes), cases[i].rc);
        if (cases[i].rc == 0)
            assert_int_equal(bytes, cases[i].bytes);
    }
}

static void durations_are_read_as_go_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t ns;
    } cases[] = {
        {"30s", 0, 30000000000},  {"500ms", 0, 500000000},    {"1m30s", 0, 90000000000}, {"1.5h", 0, 5400000000000},
        {"0", 0, 0},              {"-2s", 0, -2000000000},    {"2us", 0, 2000},          {".5s", 0, 500000000},
        {"1.000000001s", 0, 1000000001}, {"30", ERR_MALFORMED, 0}, {"s", ERR_MALFORMED, 0}, {"", ERR_MALFORMED, 0},
        {"1s ", ERR_MALFORMED, 0}, {"1x", ERR_MALFORMED, 0},  {".s", ERR_MALFORMED, 0},  {"300000000000h", ERR_OUT_OF_RANGE, 0},
        {"7d", 0, 604800000000000}, {"1sm", ERR_MALFORMED, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int64_t ns = 0;
        assert_int_equal(units_parse_duration(cases[i].text, &ns), cases[i].rc);
        if (cases[i].rc == 0)
            assert_int_equal(ns, cases[i].ns);
    }
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } durations[] = {
        {0, "0s"}, {999, "999ns"}, {1500000, "1.5ms"}, {90000000000, "1m30s"}, {3600000000000, "1h"},
        {604800000000000, "168h"}, {-2000000000, "-2s"}, {60500000000, "1m0.5s"}, {1000000001, "1.000000001s"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(durations); i++) {
        char text[64];
        int64_t ns;
        units_format_duration(durations[i].ns, text, sizeof text);
        assert_string_equal(text, durations[i].text);
        assert_int_equal(units_parse_duration(text, &ns), 0);
        assert_int_equal(ns, durations[i].ns);
    }
    static const struct {
        int64_t bytes;
        const char *text;
    } sizes[] = {{0, "0"}, {1000, "1000"}, {1ll << 30, "1GiB"}, {1536, "1536"}, {65536, "64KiB"}};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        char text[32];
        units_format_size(sizes[i].bytes, text, sizeof text);
        assert_string_equal(text, sizes[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(durations_are_read_as_go_reads_them),
        cmocka_unit_test(what_is_printed_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
