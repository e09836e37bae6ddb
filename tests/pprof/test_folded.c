/* test_folded.c: folded stacks, golden, and what must not break a line. */
#include "pprof/folded.h"

#include "base/error.h"
#include "base/mem.h"
#include "example.h"
#include "flamegraph_profiles.h"
#include "pprof/flamegraph.h"
#include "pprof/flamegraph_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_folded_by(struct profile *profile, const struct filter_options *options, const char *expected)
{
    struct filter filter;
    struct buf out;
    buf_init(&out);
    assert_int_equal(filter_init(&filter, profile, options, &out), 0);
    assert_int_equal(profile_write_folded(&filter, &out), 0);
    assert_string_equal(buf_string(&out), expected);
    filter_deinit(&filter);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void assert_folded(struct profile *profile, uint32_t sample_type_index, const char *expected)
{
    char index[16];
    snprintf(index, sizeof(index), "%u", sample_type_index);
    assert_folded_by(profile, &(struct filter_options){.sample_index = index}, expected);
}

static void example_gives_the_golden_lines(void **state)
{
    (void)state;
    assert_folded(example_cpu(), 0,
                  "main;connection_serve 100\n"
                  "main;connection_serve;kafka_handler_produce;get_varint 333\n"
                  "main;connection_serve;kafka_handler_produce;storage_log_append;crc32c 797\n"
                  "main;connection_serve;kafka_handler_produce;storage_log_append;memcpy 1234\n"
                  "main;rare 1\n"
                  "main;tree_walk;tree_walk;tree_walk 333\n");
}

static void sample_type_is_chosen_by_index(void **state)
{
    (void)state;
    assert_folded(example_heap(), 1, "main 1024\nmain;[libuv.so.1] 1572864\n");
    assert_folded(example_heap(), 3, "main;[libuv.so.1] 524288\n");
}

static void dropped_frames_weigh_on_their_callers(void **state)
{
    (void)state;
    struct profile *profile = example_changed();
    profile->drop_frames = profile_string(profile, "crc32c|storage.*");
    assert_folded(profile, 0,
                  "main;compress 200\n"
                  "main;connection_serve 300\n"
                  "main;connection_serve;kafka_handler_produce 500\n");
}

static void equal_stacks_with_other_labels_and_lines_are_one(void **state)
{
    (void)state;
    struct profile *profile = example_empty();
    example_add(profile, "a;b", (int64_t[]){1, 0}, "api", "Fetch");
    example_add(profile, "a;b", (int64_t[]){2, 0}, "api", "Produce");
    struct profile_line line = {profile_add_function(profile, "a", "other.c", 7), 9};
    uint32_t location = profile_add_location(profile, 0, 99, &line, 1);
    profile_add_sample(profile, &location, 1, (int64_t[]){4, 0}, NULL, 0);
    example_add(profile, "a", (int64_t[]){8, 0}, "", "");
    assert_folded(profile, 0, "a 12\na;b 3\n");
}

static void names_cannot_break_a_line(void **state)
{
    (void)state;
    struct profile *profile = example_empty();
    uint32_t ids[2];
    static const char *const names[] = {"leaf\nnext 9", "std::map<int;\t\x7fint>"};
    for (uint32_t i = 0; i < 2; i++) {
        struct profile_line line = {profile_add_function(profile, names[i], "", 0), 0};
        ids[i] = profile_add_location(profile, 0, i, &line, 1);
    }
    profile_add_sample(profile, ids, 2, (int64_t[]){5, 0}, NULL, 0);
    assert_folded(profile, 0, "std::map<int:  int>;leaf next 9 5\n");
}

static void values_below_zero_stay_and_sums_of_zero_go(void **state)
{
    (void)state;
    struct profile *profile = example_difference();
    example_add(profile, "main;same", (int64_t[]){3, 30}, "api", "a");
    example_add(profile, "main;same", (int64_t[]){-3, -30}, "api", "b");
    assert_folded(profile, 0, "main;grown 30\nmain;shrunk -10\n");
}

static void sums_wrap(void **state)
{
    (void)state;
    struct profile *profile = example_empty();
    example_add(profile, "a", (int64_t[]){INT64_MAX, 0}, "api", "a");
    example_add(profile, "a", (int64_t[]){1, 0}, "api", "b");
    assert_folded(profile, 0, "a -9223372036854775808\n");
}

static void only_what_the_filter_keeps_is_written(void **state)
{
    (void)state;
    const struct filter_options options = {.sample_index = "samples", .focus = "kafka_", .ignore = "crc32"};
    assert_folded_by(example_cpu(), &options,
                     "main;connection_serve;kafka_handler_produce;get_varint 333\n"
                     "main;connection_serve;kafka_handler_produce;storage_log_append;memcpy 1234\n");
}

static void more_stacks_than_memory_is_spent_on_are_refused(void **state)
{
    (void)state;
    struct profile *profile = example_empty();
    struct profile_line line = {profile_add_function(profile, "again", "a.c", 1), 1};
    uint32_t depth = FLAMEGRAPH_NODES_MAX, location = profile_add_location(profile, 0, 1, &line, 1);
    uint32_t *stack = mem_alloc_array(depth, sizeof(*stack));
    for (uint32_t i = 0; i < depth; i++)
        stack[i] = location;
    profile_append_sample(profile, stack, depth, (int64_t[]){1, 1}, NULL, 0);
    struct filter filter;
    struct buf out;
    buf_init(&out);
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &out), 0);

    assert_int_equal(profile_write_folded(&filter, &out), ERR_TOO_LARGE);
    assert_int_equal(profile_write_flamegraph(profile, NULL, NULL, &out), ERR_TOO_LARGE);
    assert_int_equal(out.size, 0);

    filter_deinit(&filter);
    mem_free(stack);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void no_samples_give_no_lines(void **state)
{
    (void)state;
    assert_folded(example_empty(), 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_gives_the_golden_lines),
        cmocka_unit_test(sample_type_is_chosen_by_index),
        cmocka_unit_test(dropped_frames_weigh_on_their_callers),
        cmocka_unit_test(equal_stacks_with_other_labels_and_lines_are_one),
        cmocka_unit_test(names_cannot_break_a_line),
        cmocka_unit_test(values_below_zero_stay_and_sums_of_zero_go),
        cmocka_unit_test(sums_wrap),
        cmocka_unit_test(more_stacks_than_memory_is_spent_on_are_refused),
        cmocka_unit_test(only_what_the_filter_keeps_is_written),
        cmocka_unit_test(no_samples_give_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
