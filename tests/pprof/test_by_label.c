/* test_by_label.c: shares of labels, of what the filter keeps. */
#include "pprof/by_label.h"

#include "example.h"

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
    assert_table(&(struct filter_options){0}, "api", 0,
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
    assert_table(&(struct filter_options){.focus = "memcpy", .sample_index = "samples"}, "api", 0,
                 "api:\n"
                 "      1234 44.10%  Produce\n");
}

static void a_label_that_no_sample_has_is_no_table(void **state)
{
    (void)state;
    assert_table(&(struct filter_options){0}, "topic", 0, "");
    assert_table(&(struct filter_options){0}, "latency", 0, ""); /* a number */
    assert_table(&(struct filter_options){.focus = "tree_walk"}, "api", 0, "");
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

static void the_largest_pair_is_that_of_two_labels_together(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "delay", "nanoseconds");
    uint32_t keys[] = {profile_string(profile, "api"), profile_string(profile, "reason")};
    static const struct {
        const char *api, *reason;
        int64_t delay;
    } samples[] = {{"Fetch", "data wait", 7}, {"Fetch", "mutex lock", 6}, {"Produce", "mutex lock", 5},
                   {NULL, "mutex lock", 100}, {"Produce", "mutex lock", 4}};
    struct filter filter;
    struct buf problem;
    struct by_label_pair largest;
    buf_init(&problem);
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
        struct profile_label labels[] = {
            {.key = keys[1], .text = profile_string(profile, samples[i].reason)},
            {.key = keys[0], .text = profile_string(profile, samples[i].api == NULL ? "" : samples[i].api)},
        };
        uint32_t label_count = samples[i].api == NULL ? 1 : 2;
        profile_append_sample(profile, NULL, 0, &samples[i].delay, labels, label_count);
        if (i > 0)
            continue;
        assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &problem), 0);
        assert_false(by_label_largest_pair(&filter, "api", "reason", &largest)); /* of one pair nothing can be said */
        filter_deinit(&filter);
    }
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &problem), 0);

    assert_true(by_label_largest_pair(&filter, "api", "reason", &largest));

    assert_string_equal(largest.first, "Produce");
    assert_string_equal(largest.second, "mutex lock");
    assert_int_equal(largest.sum, 9);
    assert_false(by_label_largest_pair(&filter, "api", "topic", &largest));
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
    struct json json;
    json_init(&json, &out);
    by_label_write_json(&table, &json, NULL);
    assert_string_equal(buf_string(&out),
                        "{\"key\":\"api\",\"rows\":["
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
        cmocka_unit_test(the_largest_pair_is_that_of_two_labels_together),
        cmocka_unit_test(json_has_the_same_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
