/* test_by_label.c: shares of labels, of what the filter keeps. */
#include "pprof/by_label.h"

#include "example.h"

#include <inttypes.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_table(const struct filter_options *options, const char *key, uint32_t row_limit,
                         const char *expected)
{
    struct profile *profile = example_cpu();
    struct buf out;
    buf_init(&out);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, options, &out), 0);
    struct by_label table;
    by_label_init(&table, &filter, key);
    by_label_print(&table, row_limit, &out);
    assert_string_equal(buf_string(&out), expected);
    by_label_deinit(&table);
    filter_deinit(&filter);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void values_and_what_has_none_are_rows(void **state)
{
    (void)state;
    assert_table(&(struct filter_options){0}, "api", 10,
                 "api:\n"
                 "    23.64s 84.49%  Produce\n"
                 "     4.34s 15.51%  (without)\n");
    assert_table(&(struct filter_options){0}, "api", 1,
                 "api:\n"
                 "    23.64s 84.49%  Produce\n"
                 "                   and 1 more\n");
}

static void what_is_filtered_out_does_not_count(void **state)
{
    (void)state;
    assert_table(&(struct filter_options){.focus = "memcpy", .sample_index = "samples"}, "api", 10,
                 "api:\n"
                 "      1234 44.10%  Produce\n");
}

static void a_label_that_no_sample_has_is_no_table(void **state)
{
    (void)state;
    assert_table(&(struct filter_options){0}, "topic", 10, "");
    assert_table(&(struct filter_options){0}, "latency", 10, ""); /* a number */
    assert_table(&(struct filter_options){.focus = "tree_walk"}, "api", 10, "");
}

static void keys_are_those_of_texts(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct profile_label base = {.key = profile_string(profile, FILTER_BASE_LABEL),
                                 .text = profile_string(profile, "true")};
    struct profile_label thread = {.key = profile_string(profile, "thread"), .text = profile_string(profile, "t")};
    struct profile_label both[] = {base, thread};
    int64_t values[] = {1, 1};
    profile_add_sample(profile, NULL, 0, values, both, 2);
    const char *keys[1] = {NULL};
    assert_int_equal(by_label_keys(profile, keys, 1), 2);
    assert_string_equal(keys[0], "api");
    profile_destroy(profile);
}

static void keys_of_takhin_come_first_in_their_order(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    static const char *const used[] = {"zone", "broker", "reason", "topic"};
    static const char *const expected[] = {"topic", "reason", "broker", "zone"};
    for (size_t i = 0; i < ARRAY_COUNT(used); i++) {
        struct profile_label label = {.key = profile_string(profile, used[i]), .text = profile_string(profile, "x")};
        int64_t value = 1;
        profile_add_sample(profile, NULL, 0, &value, &label, 1);
    }

    const char *keys[8];
    assert_int_equal(by_label_keys(profile, keys, ARRAY_COUNT(keys)), ARRAY_COUNT(expected));

    for (size_t i = 0; i < ARRAY_COUNT(expected); i++)
        assert_string_equal(keys[i], expected[i]);
    profile_destroy(profile);
}

static void of_many_values_the_heaviest_are_kept(void **state)
{
    (void)state;
    enum { VALUES = 5000 };
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    for (int64_t i = 0; i < VALUES; i++) {
        char text[16];
        snprintf(text, sizeof(text), "client-%" PRId64, i * 7919 % VALUES);
        struct profile_label label = {.key = profile_string(profile, "client_id"),
                                      .text = profile_string(profile, text)};
        int64_t value = i * 7919 % VALUES - VALUES / 2;
        profile_append_sample(profile, NULL, 0, &value, &label, 1);
    }
    struct buf problem;
    buf_init(&problem);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &problem), 0);
    struct by_label table;

    by_label_init(&table, &filter, "client_id");

    assert_int_equal(table.value_count, VALUES - 1); /* one of them counts for nothing */
    assert_int_equal(table.row_count, BY_LABEL_ROWS_MAX);
    for (uint32_t i = 0; i < table.row_count; i++) {
        int64_t magnitude = VALUES / 2 - (i + 1) / 2; /* -2500, then 2499 and -2499, ... */
        assert_int_equal(table.rows[i].sum < 0 ? -table.rows[i].sum : table.rows[i].sum, magnitude);
    }
    by_label_deinit(&table);
    filter_deinit(&filter);
    buf_deinit(&problem);
    profile_destroy(profile);
}

static void json_has_the_same_rows(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct buf out;
    buf_init(&out);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){.sample_index = "0"}, &out), 0);
    struct by_label table;
    by_label_init(&table, &filter, "api");
    struct json_writer json;
    json_writer_init(&json, &out);
    by_label_write_json(&table, &json, NULL);
    assert_string_equal(buf_string(&out),
                        "{\"key\":\"api\",\"values\":2,\"rows\":["
                        "{\"value\":\"Produce\",\"sum\":2364,\"share\":0.844889,\"samples\":4},"
                        "{\"value\":null,\"sum\":434,\"share\":0.155111,\"samples\":3}]}");
    by_label_deinit(&table);
    filter_deinit(&filter);
    buf_deinit(&out);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_what_has_none_are_rows),
        cmocka_unit_test(what_is_filtered_out_does_not_count),
        cmocka_unit_test(a_label_that_no_sample_has_is_no_table),
        cmocka_unit_test(keys_are_those_of_texts),
        cmocka_unit_test(keys_of_takhin_come_first_in_their_order),
        cmocka_unit_test(of_many_values_the_heaviest_are_kept),
        cmocka_unit_test(json_has_the_same_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
