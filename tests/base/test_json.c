/* test_json.c: commas, quotes, and what is no number or no UTF-8. */
#include "base/json.h"

#include "base/mem.h"

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

static bool is_valid(const char *text)
{
    return json_is_valid(bytes_of_string(text));
}

static void json_of_others_is_told_from_what_is_none(void **state)
{
    (void)state;
    static const char *const valid[] = {"{}", " [ ] ", "null", "-0.5e+7", "0", "\"\\u00e9\\n\u00e9\"",
                                        "{\"a\":[1,true,{\"b\":\"\"}] , \"c\":1E2}\n"};
    static const char *const invalid[] = {"", " ", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "1.", "-",
                                          ".5", "1e", "+1", "nul", "nulll", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\n\"",
                                          "\"\xff\"", "{} {}", "\"\\\"", "[\"\x80\"]", "'a'", "<html>"};
    for (size_t i = 0; i < ARRAY_COUNT(valid); i++)
        assert_true(is_valid(valid[i]));
    for (size_t i = 0; i < ARRAY_COUNT(invalid); i++)
        assert_false(is_valid(invalid[i]));
    assert_false(json_is_valid(bytes_of("[\0]", 3)));
}

static void json_of_others_is_valid_as_a_whole_only(void **state)
{
    (void)state;
    const char *text = "{\"a\":[-1.5e3,true,null,{\"b\":\"\\u00e9\xc3\xa9\"}]}";
    for (size_t size = 0; size < strlen(text); size++) {
        char *cut = mem_copy_bytes(bytes_of(text, size)); /* of its own, so that a read behind it is seen */
        assert_false(json_is_valid(bytes_of(cut, size)));
        mem_free(cut);
    }
    assert_true(is_valid(text));
}

static void json_that_is_nested_too_deep_is_none(void **state)
{
    (void)state;
    char text[130];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_true(json_is_valid(bytes_of(text + 1, 128)));
    assert_false(json_is_valid(bytes_of(text, 130)));
}

static void what_is_copied_is_json_or_null(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer json;
    buf_init(&out);
    json_writer_init(&json, &out);
    json_open_array(&json, NULL);
    json_write_copy(&json, NULL, bytes_of_string("{\"a\": 1}"));
    json_write_copy(&json, NULL, bytes_of_string("1,2"));
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
        cmocka_unit_test(json_of_others_is_told_from_what_is_none),
        cmocka_unit_test(json_of_others_is_valid_as_a_whole_only),
        cmocka_unit_test(json_that_is_nested_too_deep_is_none),
        cmocka_unit_test(what_is_copied_is_json_or_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
