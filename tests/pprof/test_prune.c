/* test_prune.c: which frames drop_frames and keep_frames hide. */
#include "pprof/prune.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One sample whose stack is these functions, leaf first; how many of them are hidden. */
static uint32_t hidden_of(const char *const *names, uint32_t count, const char *drop, const char *keep)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    profile->drop_frames = profile_string(profile, drop);
    profile->keep_frames = profile_string(profile, keep);
    uint32_t stack[8];
    for (uint32_t i = 0; i < count; i++) {
        struct profile_line line = {profile_add_function(profile, names[i], "", 0), 0};
        stack[i] = profile_add_location(profile, 0, i + 1, &line, 1);
    }
    int64_t value = 1;
    profile_add_sample(profile, stack, count, &value, NULL, 0);
    struct arena arena;
    arena_init(&arena);
    struct prune prune;
    assert_int_equal(prune_init(&prune, profile, &arena), 0);
    uint32_t hidden = prune_sample(&prune, &profile->samples[0]);
    arena_deinit(&arena);
    profile_destroy(profile);
    return hidden;
}

static void a_dropped_frame_takes_its_callees_along(void **state)
{
    (void)state;
    static const char *const stack[] = {"leaf", "malloc", "work", "main"};
    assert_int_equal(hidden_of(stack, 4, "malloc", ""), 2);
    assert_int_equal(hidden_of(stack, 4, "leaf", ""), 1);
    assert_int_equal(hidden_of(stack, 4, "work", ""), 3);
    assert_int_equal(hidden_of(stack, 4, "", ""), 0);
}

static void a_sample_without_a_stack_hides_nothing(void **state)
{
    (void)state;
    assert_int_equal(hidden_of(NULL, 0, "malloc", ""), 0);
}

static void frames_before_the_first_shown_one_stay(void **state)
{
    (void)state;
    static const char *const stack[] = {"leaf", "malloc", "main"};
    assert_int_equal(hidden_of(stack, 3, "main|malloc|leaf", ""), 0);
    assert_int_equal(hidden_of(stack, 3, "main", ""), 0);
}

static void whole_names_are_matched_without_arguments_and_first_dot(void **state)
{
    (void)state;
    static const char *const stack[] = {".malloc(unsigned long)", "main"};
    assert_int_equal(hidden_of(stack, 2, "malloc", ""), 1);
    assert_int_equal(hidden_of(stack, 2, "mall", ""), 0);
    static const char *const operator_stack[] = {"a::operator()(int)", "main"};
    assert_int_equal(hidden_of(operator_stack, 2, "a::operator\\(\\)", ""), 1);
}

static void kept_frames_are_not_dropped(void **state)
{
    (void)state;
    static const char *const stack[] = {"malloc_slow", "main"};
    assert_int_equal(hidden_of(stack, 2, "malloc.*", ""), 1);
    assert_int_equal(hidden_of(stack, 2, "malloc.*", ".*_slow"), 0);
}

static void in_a_location_only_the_matching_line_and_what_is_inlined_into_it_go(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    struct profile_line lines[] = {{profile_add_function(profile, "inner", "", 0), 1},
                                   {profile_add_function(profile, "wrapper", "", 0), 2},
                                   {profile_add_function(profile, "outer", "", 0), 3}};
    uint32_t leaf = profile_add_location(profile, 0, 1, lines, 3);
    uint32_t root = profile_add_location(profile, 0, 2, lines + 2, 1);
    uint32_t stack[] = {leaf, root};
    int64_t value = 1;
    profile_add_sample(profile, stack, 2, &value, NULL, 0);
    profile->drop_frames = profile_string(profile, "wrapper");
    struct arena arena;
    arena_init(&arena);
    struct prune prune;

    assert_int_equal(prune_init(&prune, profile, &arena), 0);

    assert_int_equal(prune_first_line(&prune, leaf), 2);
    assert_int_equal(prune_first_line(&prune, root), 0);
    assert_int_equal(prune_sample(&prune, &profile->samples[0]), 0);
    arena_deinit(&arena);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dropped_frame_takes_its_callees_along),
        cmocka_unit_test(a_sample_without_a_stack_hides_nothing),
        cmocka_unit_test(frames_before_the_first_shown_one_stay),
        cmocka_unit_test(whole_names_are_matched_without_arguments_and_first_dot),
        cmocka_unit_test(kept_frames_are_not_dropped),
        cmocka_unit_test(in_a_location_only_the_matching_line_and_what_is_inlined_into_it_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
