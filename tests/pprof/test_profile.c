/* test_profile.c: a profile's tables hold each string, function, location and sample once. */
#include "pprof/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static void string_zero_is_the_empty_text(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    assert_int_equal(profile_string(profile, ""), 0);
    assert_int_equal(profile->string_count, 1);
    assert_string_equal(profile_text(profile, 0), "");
    profile_destroy(profile);
}

static void equal_strings_share_an_index_and_keep_their_text(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            char text[32];
            snprintf(text, sizeof(text), "function_%u", i);
            assert_int_equal(profile_string(profile, text), i + 1);
            assert_string_equal(profile_text(profile, i + 1), text);
        }
    }
    assert_int_equal(profile->string_count, 5001);
    profile_destroy(profile);
}

static void strings_that_differ_behind_a_nul_are_different(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    uint32_t a = profile_string_bytes(profile, bytes_of("x\0a", 3));
    uint32_t b = profile_string_bytes(profile, bytes_of("x\0b", 3));
    assert_int_not_equal(a, b);
    profile_destroy(profile);
}

static void equal_functions_and_locations_get_the_same_id(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    uint32_t run = profile_add_function(profile, "run", "a.c", 10);
    assert_int_equal(run, 1);
    assert_int_equal(profile_add_function(profile, "run", "a.c", 10), run);
    uint32_t other = profile_add_function(profile, "run", "b.c", 10);
    assert_int_equal(other, 2);

    struct profile_line lines[] = {{run, 11}, {other, 12}};
    uint32_t one = profile_add_location(profile, 0, 0x1000, lines, 2);
    assert_int_equal(profile_add_location(profile, 0, 0x1000, lines, 2), one);
    assert_int_not_equal(profile_add_location(profile, 0, 0x1001, lines, 2), one);
    assert_int_not_equal(profile_add_location(profile, 0, 0x1000, lines, 1), one);
    lines[1].line = 13;
    assert_int_not_equal(profile_add_location(profile, 0, 0x1000, lines, 2), one);
    assert_int_equal(profile->location_count, 4);
    profile_destroy(profile);
}

static void equal_mappings_get_the_same_id(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    struct profile_mapping mapping = {.start = 0x1000, .limit = 0x2000, .file = profile_string(profile, "/bin/x")};
    uint32_t one = profile_add_mapping(profile, &mapping);
    assert_int_equal(profile_add_mapping(profile, &mapping), one);
    mapping.has_functions = true;
    assert_int_equal(profile_add_mapping(profile, &mapping), one + 1);
    profile_destroy(profile);
}

static void samples_with_equal_stack_and_labels_add_up(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    struct profile_line line = {profile_add_function(profile, "run", "a.c", 1), 2};
    uint32_t stack[] = {profile_add_location(profile, 0, 1, &line, 1), profile_add_location(profile, 0, 2, &line, 1)};
    struct profile_label label = {.key = profile_string(profile, "api"), .text = profile_string(profile, "Fetch")};
    int64_t values[] = {1, 10};

    profile_add_sample(profile, stack, 2, values, NULL, 0);
    profile_add_sample(profile, stack, 2, values, NULL, 0);
    profile_add_sample(profile, stack, 1, values, NULL, 0);
    profile_add_sample(profile, stack, 2, values, &label, 1);
    label.text = profile_string(profile, "Produce");
    profile_add_sample(profile, stack, 2, values, &label, 1);
    profile_add_sample(profile, stack, 2, values, &label, 1);
    profile_add_sample(profile, NULL, 0, values, NULL, 0);

    assert_int_equal(profile->sample_count, 5);
    static const int64_t expected[][2] = {{2, 20}, {1, 10}, {1, 10}, {2, 20}, {1, 10}};
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const int64_t *sums = profile_sample_values(profile, &profile->samples[i]);
        assert_int_equal(sums[0], expected[i][0]);
        assert_int_equal(sums[1], expected[i][1]);
    }
    profile_destroy(profile);
}

static void number_labels_with_different_numbers_are_different(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "inuse_space", "bytes");
    struct profile_label label = {.key = profile_string(profile, "bytes"), .number = 16};
    int64_t value = 1;
    profile_add_sample(profile, NULL, 0, &value, &label, 1);
    label.number = 32;
    profile_add_sample(profile, NULL, 0, &value, &label, 1);
    label.unit = profile_string(profile, "bytes");
    profile_add_sample(profile, NULL, 0, &value, &label, 1);
    assert_int_equal(profile->sample_count, 3);
    profile_destroy(profile);
}

static void a_label_is_read_back_as_it_was_added(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    uint32_t key = profile_string(profile, "key"), text = profile_string(profile, "text");
    const struct profile_label labels[] = {
        {.key = key, .text = text},
        {.key = key, .number = INT64_MIN, .unit = text},
        {.key = key},
        {.key = key, .unit = text},
        {.key = key, .text = text, .number = -1, .unit = key}, /* against the format, but somebody may write it */
    };
    int64_t value = 1;
    profile_add_sample(profile, NULL, 0, &value, labels, ARRAY_COUNT(labels));
    for (uint32_t i = 0; i < ARRAY_COUNT(labels); i++) {
        struct profile_label label = profile_label_at(profile, profile->samples[0].label_start + i);
        assert_int_equal(label.key, labels[i].key);
        assert_int_equal(label.text, labels[i].text);
        assert_int_equal(label.number, labels[i].number);
        assert_int_equal(label.unit, labels[i].unit);
    }
    profile_destroy(profile);
}

/* Were the words of a key only joined before they are hashed, or one of them left out, all of these would fall in one
 * place, and this would take minutes. */
static void keys_that_were_chosen_to_collide_do_not(void **state)
{
    (void)state;
    enum { KEYS = 1 << 19 };
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    for (uint32_t i = 1; i < KEYS; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(profile_string(profile, text), i + 2);
    }
    int64_t value = 1;
    for (uint32_t i = 1; i < KEYS; i++) {
        struct profile_mapping mapping = {.start = i, .limit = i ^ KEYS};
        struct profile_function function = {.name = i, .file = i ^ 1};
        struct profile_label label = {.key = 1, .unit = i};
        assert_int_equal(profile_add_mapping(profile, &mapping), i);
        assert_int_equal(profile_add_function_record(profile, &function), i);
        profile_add_sample(profile, NULL, 0, &value, &label, 1);
    }
    assert_int_equal(profile->sample_count, KEYS - 1);
    profile_destroy(profile);
}

static void appended_samples_stay_apart_until_one_is_added(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    struct profile_label label = {.key = profile_string(profile, "api"), .text = profile_string(profile, "Fetch")};
    int64_t value = 2;
    profile_append_sample(profile, NULL, 0, &value, &label, 1);
    profile_append_sample(profile, NULL, 0, &value, &label, 1);
    assert_int_equal(profile->sample_count, 2);
    assert_int_equal(profile->sample_label_count, 1); /* shared */
    assert_int_equal(profile->samples[1].label_start, profile->samples[0].label_start);

    profile_add_sample(profile, NULL, 0, &value, &label, 1);

    assert_int_equal(profile->sample_count, 2);
    assert_int_equal(profile->sample_values[0] + profile->sample_values[1], 6);
    profile_destroy(profile);
}

static void destroy_accepts_null(void **state)
{
    (void)state;
    profile_destroy(NULL);
}

static void strings_that_differ_in_what_is_no_utf8_become_one(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    uint32_t first = profile_string(profile, "id \xff");
    assert_int_equal(profile_string(profile, "id \xfe"), first);
    assert_int_equal(profile_string(profile, "id ?"), first);
    assert_string_equal(profile_text(profile, first), "id ?");
    assert_int_not_equal(profile_string(profile, "id \xc3\xbf"), first);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_that_differ_in_what_is_no_utf8_become_one),
        cmocka_unit_test(string_zero_is_the_empty_text),
        cmocka_unit_test(equal_strings_share_an_index_and_keep_their_text),
        cmocka_unit_test(strings_that_differ_behind_a_nul_are_different),
        cmocka_unit_test(equal_functions_and_locations_get_the_same_id),
        cmocka_unit_test(equal_mappings_get_the_same_id),
        cmocka_unit_test(samples_with_equal_stack_and_labels_add_up),
        cmocka_unit_test(number_labels_with_different_numbers_are_different),
        cmocka_unit_test(a_label_is_read_back_as_it_was_added),
        cmocka_unit_test(keys_that_were_chosen_to_collide_do_not),
        cmocka_unit_test(appended_samples_stay_apart_until_one_is_added),
        cmocka_unit_test(destroy_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
