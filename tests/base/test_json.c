/* test_json.c: commas, quotes, and what is no number or no UTF-8. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static void commas_stand_between_and_nowhere_else(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer json;
    buf_init(&out);
    json_writer_init(&json, &out);
    json_open_object(&json, NULL);
    json_open_array(&json, "empty");
    json_close_array(&json);
    json_open_array(&json, "rows");
    json_write_integer(&json, NULL, INT64_MIN);
    json_open_object(&json, NULL);
    json_close_object(&json);
    json_write_bool(&json, NULL, true);
    json_close_array(&json);
    json_write_bool(&json, "b", false);
    json_close_object(&json);
    assert_string_equal(buf_string(&out), "{\"empty\":[],\"rows\":[-9223372036854775808,{},true],\"b\":false}");
    buf_deinit(&out);
}

static void what_does_not_stand_deep_has_a_line_of_its_own(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer json;
    buf_init(&out);
    json_writer_init(&json, &out);
    json.line_depth = 2;
    json_open_object(&json, NULL);
    json_write_bool(&json, "a", true);
    json_open_array(&json, "rows");
    for (int i = 0; i < 2; i++) {
        json_open_object(&json, NULL);
        json_write_integer(&json, "x", i);
        json_write_integer(&json, "y", i);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_open_array(&json, "empty");
    json_close_array(&json);
    json_close_object(&json);
    assert_string_equal(buf_string(&out), "{\n  \"a\":true,\n  \"rows\":[\n    {\"x\":0,\"y\":0},\n    {\"x\":1,\"y\":1}\n"
                                          "  ],\n  \"empty\":[]\n}");
    buf_deinit(&out);
}

static void texts_are_escaped_and_numbers_are_numbers(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer json;
    buf_init(&out);
    json_writer_init(&json, &out);
    json_open_array(&json, NULL);
    json_write_string(&json, NULL, "a\"b\\c\n\x1b\x7f\xc3\xa9\xff" "d/");
    json_write_string(&json, NULL, NULL);
    json_write_string(&json, NULL, "");
    json_write_number(&json, NULL, 0.5187165);
    json_write_number(&json, NULL, NAN);
    json_write_number(&json, NULL, -INFINITY);
    json_close_array(&json);
    assert_string_equal(buf_string(&out),
                        "[\"a\\\"b\\\\c\\u000a\\u001b\\u007f\xc3\xa9?d/\",null,\"\",0.518717,null,null]");
    buf_deinit(&out);
}

static void what_is_copied_stays_as_it_is(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer json;
    buf_init(&out);
    json_writer_init(&json, &out);
    json_open_array(&json, NULL);
    json_write_copy(&json, NULL, "{\"a\": 1}");
    json_write_copy(&json, NULL, NULL);
    json_close_array(&json);
    assert_string_equal(buf_string(&out), "[{\"a\": 1},null]");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_and_nowhere_else),
        cmocka_unit_test(what_does_not_stand_deep_has_a_line_of_its_own),
        cmocka_unit_test(texts_are_escaped_and_numbers_are_numbers),
        cmocka_unit_test(what_is_copied_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
