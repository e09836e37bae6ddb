/* test_types.c: what holds for every row of the table of profile types. */
#include "profiler/type.h"
#include "profiler/wait_frames.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void names_are_in_order_and_found(void **state)
{
    (void)state;
    assert_true(profile_type_count > 0);
    for (unsigned i = 1; i < profile_type_count; i++)
        assert_true(strcmp(profile_types[i - 1]->name, profile_types[i]->name) < 0);
    for (unsigned i = 0; i < profile_type_count; i++)
        assert_ptr_equal(profile_type_find(bytes_of_string(profile_types[i]->name)), profile_types[i]);
}

static void what_is_no_name_is_not_found(void **state)
{
    (void)state;
    assert_null(profile_type_find(bytes_of_string("")));
    assert_null(profile_type_find(bytes_of_string("nothing")));
    assert_null(profile_type_find(bytes_of_string("profile ")));
    assert_null(profile_type_find(bytes_of_string("profil")));
}

static bool has_column(const struct profile_type *type, const char *name)
{
    for (unsigned i = 0; i < type->column_count; i++)
        if (strcmp(type->columns[i].type, name) == 0)
            return true;
    return false;
}

static void every_row_says_what_its_columns_are(void **state)
{
    (void)state;
    for (unsigned t = 0; t < profile_type_count; t++) {
        const struct profile_type *type = profile_types[t];
        assert_in_range(type->column_count, 1, STACK_VALUES_MAX);
        for (unsigned i = 0; i < type->column_count; i++) {
            assert_non_null(type->columns[i].type);
            assert_non_null(type->columns[i].unit);
        }
        for (unsigned i = type->column_count; i < STACK_VALUES_MAX; i++)
            assert_null(type->columns[i].type);
        assert_true(!type->default_column || has_column(type, type->default_column));
        assert_non_null(type->period.type);
        assert_non_null(type->period.unit);
    }
}

static void every_row_has_a_word_for_the_index_page(void **state)
{
    (void)state;
    for (unsigned t = 0; t < profile_type_count; t++) {
        const struct profile_type *type = profile_types[t];
        size_t length = strlen(type->summary);
        assert_true(length > 10);
        assert_true(type->summary[length - 1] == '.');
    }
}

static void windows_begin_and_end_and_snapshots_need_not(void **state)
{
    (void)state;
    for (unsigned t = 0; t < profile_type_count; t++) {
        const struct profile_type *type = profile_types[t];
        assert_non_null(type->collect);
        assert_true(type->needs_window == (type->start != NULL));
        assert_true(type->needs_window == (type->cancel != NULL));
        assert_false(type->needs_window && type->has_delta);
    }
}

static void hidden_frames_are_an_expression(void **state)
{
    (void)state;
    for (unsigned t = 0; t < profile_type_count; t++) {
        const struct profile_type *type = profile_types[t];
        regex_t expression;
        if (!type->drop_frames)
            continue;
        assert_int_equal(regcomp(&expression, type->drop_frames, REG_EXTENDED | REG_NOSUB), 0);
        regfree(&expression);
    }
}

static void rows_of_waits_begin_at_what_was_called(void **state)
{
    (void)state;
    const char *const names[] = {"block", "fgprof", "goroutine", "goroutineleak", "mutex"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_string_equal(profile_type_find(bytes_of_string(names[i]))->drop_frames, WAIT_FRAMES);
    assert_true(wait_frames_have("park") && wait_frames_have("task_park_from") && wait_frames_have("wait_readable"));
    assert_false(wait_frames_have("") || wait_frames_have("task") || wait_frames_have("park|") ||
                 wait_frames_have("task_park_fro") || wait_frames_have("task_mutex_lock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_in_order_and_found),
        cmocka_unit_test(what_is_no_name_is_not_found),
        cmocka_unit_test(every_row_says_what_its_columns_are),
        cmocka_unit_test(every_row_has_a_word_for_the_index_page),
        cmocka_unit_test(windows_begin_and_end_and_snapshots_need_not),
        cmocka_unit_test(hidden_frames_are_an_expression),
        cmocka_unit_test(rows_of_waits_begin_at_what_was_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
