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
    struct json json;
    buf_init(&out);
    json_init(&json, &out);
    json_open_object(&json, NULL);
    json_open_array(&json, "empty");
    json_close_array(&json);
    json_open_array(&json, "rows");
    json_integer(&json, NULL, INT64_MIN);
    json_open_object(&json, NULL);
    json_close_object(&json);
    json_bool(&json, NULL, true);
    json_close_array(&json);
    json_bool(&json, "b", false);
    json_close_object(&json);
    assert_string_equal(buf_string(&out), "{\"empty\":[],\"rows\":[-9223372036854775808,{},true],\"b\":false}");
    buf_deinit(&out);
}

static void texts_are_escaped_and_numbers_are_numbers(void **state)
{
    (void)state;
    struct buf out;
    struct json json;
    buf_init(&out);
    json_init(&json, &out);
    json_open_array(&json, NULL);
    json_string(&json, NULL, "a\"b\\c\n\x1b\x7f\xc3\xa9\xff" "d/");
    json_string(&json, NULL, NULL);
    json_string(&json, NULL, "");
    json_number(&json, NULL, 0.5187165);
    json_number(&json, NULL, NAN);
    json_number(&json, NULL, -INFINITY);
    json_close_array(&json);
    assert_string_equal(buf_string(&out),
                        "[\"a\\\"b\\\\c\\u000a\\u001b\\u007f\xc3\xa9?d/\",null,\"\",0.518717,null,null]");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_between_and_nowhere_else),
        cmocka_unit_test(texts_are_escaped_and_numbers_are_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
