/* test_merge.c: what becomes one and what does not; pprof's tables of merged profiles are test_golden.c's. */
#include "pprof/merge.h"

#include "base/error.h"
#include "example.h"
#include "pprof/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static struct profile *merged_of(const struct merge_input *inputs, size_t count)
{
    struct profile *merged;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_merge(inputs, count, &merged, &problem), 0);
    assert_int_equal(problem.size, 0);
    buf_deinit(&problem);
    return merged;
}

static void assert_refused(const struct profile *a, const struct profile *b, const char *part_of_problem)
{
    struct merge_input inputs[] = {{.profile = a}, {.profile = b}};
    struct profile *merged;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_merge(inputs, 2, &merged, &problem), ERR_UNSUPPORTED);
    assert_null(merged);
    assert_non_null(strstr(buf_string(&problem), part_of_problem));
    buf_deinit(&problem);
}

static int64_t sum_of(const struct profile *profile, uint32_t column)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++)
        sum += profile_sample_values(profile, &profile->samples[i])[column];
    return sum;
}

/* One function, one sample. */
static struct profile *small_profile(const char *type, const char *unit, int64_t value)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, type, unit);
    struct profile_line line = {profile_add_function(profile, "work", "a.c", 1), 2};
    uint32_t location = profile_add_location(profile, 0, 0x10, &line, 1);
    int64_t values[] = {1, value};
    profile_add_sample(profile, &location, 1, values, NULL, 0);
    return profile;
}

static void a_profile_with_itself_has_each_sample_once_and_twice_the_values(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct merge_input inputs[] = {{.profile = profile}, {.profile = profile}};

    struct profile *merged = merged_of(inputs, 2);

    assert_int_equal(merged->sample_count, profile->sample_count);
    assert_int_equal(merged->location_count, profile->location_count);
    assert_int_equal(merged->mapping_count, profile->mapping_count);
    assert_true(sum_of(merged, 1) == 2 * sum_of(profile, 1));
    assert_int_equal(merged->comment_count, 2);
    assert_true(merged->duration_ns == 2 * profile->duration_ns);
    assert_true(merged->time_ns == profile->time_ns);
    assert_int_equal(merged->period, profile->period);
    assert_string_equal(profile_text(merged, merged->period_type.unit), "nanoseconds");
    profile_destroy(merged);
    profile_destroy(profile);
}

static void one_profile_comes_back_without_what_no_sample_refers_to(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    profile_add_function(profile, "unused", "u.c", 1);
    int64_t zeros[] = {0, 0};
    struct profile_line line = {profile_add_function(profile, "idle", "u.c", 9), 9};
    uint32_t idle = profile_add_location(profile, 1, 0x400f00, &line, 1);
    profile_add_sample(profile, &idle, 1, zeros, NULL, 0);

    struct profile *merged = merged_of(&(struct merge_input){.profile = profile}, 1);

    assert_int_equal(merged->sample_count, 7);
    assert_int_equal(merged->function_count, profile->function_count - 2);
    assert_int_equal(merged->location_count, profile->location_count - 1);
    profile_destroy(merged);
    profile_destroy(profile);
}

static void a_label_keeps_the_sources_apart(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct merge_input inputs[] = {{profile, "broker", "a:6060"}, {profile, "broker", "b:6060"}};

    struct profile *merged = merged_of(inputs, 2);

    assert_int_equal(merged->sample_count, 14);
    for (uint32_t i = 0; i < merged->sample_count; i++) {
        uint32_t found = 0;
        for (uint32_t j = 0; j < merged->samples[i].label_count; j++) {
            struct profile_label label = profile_label_at(merged, merged->samples[i].label_start + j);
            if (strcmp(profile_text(merged, label.key), "broker") == 0) {
                assert_string_equal(profile_text(merged, label.text), i < 7 ? "a:6060" : "b:6060");
                found++;
            }
        }
        assert_int_equal(found, 1);
    }
    struct merge_input again[] = {{merged, "broker", "c"}};
    struct profile *renamed = merged_of(again, 1); /* the label replaces the one that was there: all are equal again */
    assert_int_equal(renamed->sample_count, 7);
    profile_destroy(renamed);
    profile_destroy(merged);
    profile_destroy(profile);
}

static void labels_in_another_order_are_the_same(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    struct profile_label labels[] = {
        {.key = profile_string(profile, "a"), .text = profile_string(profile, "1")},
        {.key = profile_string(profile, "b"), .number = 2},
        {.key = profile_string(profile, "c")}, /* says nothing */
    };
    struct profile_label turned[] = {labels[1], labels[0]};
    int64_t value = 3;
    profile_add_sample(profile, NULL, 0, &value, labels, 3);
    profile_add_sample(profile, NULL, 0, &value, turned, 2);
    assert_int_equal(profile->sample_count, 2);

    struct profile *merged = merged_of(&(struct merge_input){.profile = profile}, 1);

    assert_int_equal(merged->sample_count, 1);
    assert_int_equal(merged->sample_values[0], 6);
    assert_int_equal(merged->samples[0].label_count, 2);
    profile_destroy(merged);
    profile_destroy(profile);
}

static void a_mapping_that_was_loaded_elsewhere_is_the_same(void **state)
{
    (void)state;
    struct profile *profiles[2];
    for (uint64_t i = 0; i < 2; i++) {
        struct profile *profile = profiles[i] = profile_create();
        profile_add_sample_type(profile, "samples", "count");
        uint64_t start = 0x555500000000 + i * 0x7000;
        struct profile_mapping mapping = {.start = start, .limit = start + 0x2000 - i * 8, .file_offset = 0x1000,
                                          .file = profile_string(profile, i == 0 ? "/a/takhin" : "/b/takhin"),
                                          .build_id = profile_string(profile, "1234"), .has_functions = true};
        uint32_t id = profile_add_mapping(profile, &mapping);
        struct profile_line line = {profile_add_function(profile, "work", "a.c", 1), 2};
        uint32_t location = profile_add_location(profile, id, start + 0x123, &line, 1);
        int64_t value = 1;
        profile_add_sample(profile, &location, 1, &value, NULL, 0);
    }
    struct merge_input inputs[] = {{.profile = profiles[0]}, {.profile = profiles[1]}};

    struct profile *merged = merged_of(inputs, 2);

    assert_int_equal(merged->mapping_count, 1);
    assert_int_equal(merged->sample_count, 1);
    assert_true(merged->locations[0].address == 0x555500000123);
    assert_string_equal(profile_text(merged, merged->mappings[0].file), "/a/takhin");
    profile_destroy(merged);
    profile_destroy(profiles[0]);
    profile_destroy(profiles[1]);
}

static void values_are_taken_to_the_finest_unit(void **state)
{
    (void)state;
    struct profile *seconds = small_profile("cpu", "seconds", 2), *millis = small_profile("cpu", "milliseconds", 7);
    seconds->period_type.unit = profile_string(seconds, "seconds");
    millis->period_type.unit = profile_string(millis, "milliseconds");
    seconds->period = 1;
    millis->period = 10;
    struct merge_input inputs[] = {{.profile = seconds}, {.profile = millis}};

    struct profile *merged = merged_of(inputs, 2);

    assert_int_equal(sum_of(merged, 1), 2007);
    assert_string_equal(profile_text(merged, merged->sample_types[1].unit), "milliseconds");
    assert_int_equal(merged->period, 1000);
    profile_destroy(merged);
    profile_destroy(seconds);
    profile_destroy(millis);
}

static void sample_types_are_those_that_all_have(void **state)
{
    (void)state;
    struct profile *a = small_profile("cpu", "nanoseconds", 5), *b = profile_create();
    profile_add_sample_type(b, "wall", "nanoseconds");
    profile_add_sample_type(b, "cpu", "nanoseconds");
    b->default_sample_type = profile_string(b, "wall");
    int64_t values[] = {100, 7};
    profile_add_sample(b, NULL, 0, values, NULL, 0);
    struct merge_input inputs[] = {{.profile = a}, {.profile = b}};

    struct profile *merged = merged_of(inputs, 2);

    assert_int_equal(merged->sample_type_count, 1);
    assert_int_equal(sum_of(merged, 0), 12);
    assert_string_equal(profile_text(merged, merged->default_sample_type), "cpu");
    profile_destroy(merged);
    profile_destroy(b);
    profile_destroy(a);
}

static void different_things_are_refused(void **state)
{
    (void)state;
    struct profile *cpu = small_profile("cpu", "nanoseconds", 1), *bytes = small_profile("cpu", "bytes", 1);
    struct profile *heap = profile_create();
    profile_add_sample_type(heap, "space", "bytes");
    assert_refused(cpu, bytes, "measure cpu in different things: nanoseconds and bytes");
    assert_refused(cpu, heap, "no sample type in common");
    struct profile *other = small_profile("cpu", "nanoseconds", 1);
    other->period_type.type = profile_string(other, "space");
    assert_refused(cpu, other, "of different kinds");
    profile_destroy(other);
    profile_destroy(heap);
    profile_destroy(bytes);
    profile_destroy(cpu);
}

static void a_profile_less_itself_is_empty_and_keeps_its_program(void **state)
{
    (void)state;
    struct profile *profile = example_cpu(), *difference;
    struct buf problem;
    buf_init(&problem);

    assert_int_equal(profile_subtract(profile, profile, false, &difference, &problem), 0);

    assert_int_equal(difference->sample_count, 0);
    assert_int_equal(difference->location_count, 0);
    assert_int_equal(difference->mapping_count, 1);
    assert_string_equal(profile_text(difference, difference->mappings[0].file), "/usr/bin/takhin");
    profile_destroy(difference);
    buf_deinit(&problem);
    profile_destroy(profile);
}

static void a_comparison_keeps_both_sides(void **state)
{
    (void)state;
    struct profile *profile = example_cpu(), *difference;
    struct buf problem;
    buf_init(&problem);

    assert_int_equal(profile_subtract(profile, profile, true, &difference, &problem), 0);

    assert_int_equal(difference->sample_count, 14);
    assert_true(sum_of(difference, 1) == 0);
    const struct profile_sample *last = &difference->samples[13];
    assert_int_equal(last->label_count, 1);
    assert_string_equal(profile_text(difference, profile_label_at(difference, last->label_start).key), "pprof::base");
    profile_destroy(difference);
    buf_deinit(&problem);
    profile_destroy(profile);
}

/* Were each looked for among all, this would take an hour. */
static void comments_are_there_once(void **state)
{
    (void)state;
    enum { COMMENTS = 1 << 19 };
    struct profile *profile = example_cpu();
    uint32_t before = profile->comment_count;
    for (unsigned i = 0; i < COMMENTS; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        profile_add_comment(profile, text);
    }
    struct merge_input inputs[] = {{.profile = profile}, {.profile = profile}};
    struct profile *merged = merged_of(inputs, ARRAY_COUNT(inputs));
    assert_int_equal(merged->comment_count, before + COMMENTS);
    assert_string_equal(profile_text(merged, merged->comments[merged->comment_count - 1]), "524287");
    profile_destroy(merged);
    profile_destroy(profile);
}

static void what_no_index_can_hold_is_refused(void **state)
{
    (void)state;
    struct profile many = {.sample_count = ((uint32_t)1 << 29) + 1}; /* nobody looks at them */
    struct merge_input inputs[] = {{.profile = &many}, {.profile = &many}};
    struct profile *merged;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_merge(inputs, ARRAY_COUNT(inputs), &merged, &problem), ERR_TOO_LARGE);
    assert_null(merged);
    assert_string_equal(buf_string(&problem), "the profiles are too large to be one");
    buf_deinit(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_with_itself_has_each_sample_once_and_twice_the_values),
        cmocka_unit_test(one_profile_comes_back_without_what_no_sample_refers_to),
        cmocka_unit_test(a_label_keeps_the_sources_apart),
        cmocka_unit_test(labels_in_another_order_are_the_same),
        cmocka_unit_test(a_mapping_that_was_loaded_elsewhere_is_the_same),
        cmocka_unit_test(values_are_taken_to_the_finest_unit),
        cmocka_unit_test(sample_types_are_those_that_all_have),
        cmocka_unit_test(different_things_are_refused),
        cmocka_unit_test(a_profile_less_itself_is_empty_and_keeps_its_program),
        cmocka_unit_test(a_comparison_keeps_both_sides),
        cmocka_unit_test(comments_are_there_once),
        cmocka_unit_test(what_no_index_can_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
