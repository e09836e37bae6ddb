/* test_stack_table.c: equal stacks are counted together, different ones apart, and always in the same order. */
#include "profiler/stack_table.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uintptr_t pcs[] = {100, 200, 300};
static const struct stack_key plain = {.epoch = 1, .depth = 3, .labels[LABEL_THREAD] = "worker", .pcs = pcs};

static void equal_stacks_add_up(void **state)
{
    (void)state;
    struct stack_table *table = stack_table_create(2);
    uintptr_t copy[] = {100, 200, 300};
    struct stack_key same = plain;
    same.pcs = copy;
    stack_table_add(table, &plain, (int64_t[]){1, 10});
    stack_table_add(table, &same, (int64_t[]){2, 20});
    memset(copy, 0, sizeof copy);

    size_t count;
    const struct stack_entry *entries = stack_table_sort(table, &count);

    assert_int_equal(count, 1);
    assert_int_equal(entries[0].values[0], 3);
    assert_int_equal(entries[0].values[1], 30);
    assert_memory_equal(entries[0].key.pcs, pcs, sizeof pcs);
    stack_table_destroy(table);
}

static void whatever_differs_keeps_stacks_apart(void **state)
{
    (void)state;
    static const uintptr_t other_pcs[] = {100, 200, 301};
    struct stack_key keys[7];
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        keys[i] = plain;
    keys[1].epoch = 2;
    keys[2].depth = 2;
    keys[3].labels[LABEL_THREAD] = "other";
    keys[4].labels[LABEL_TOPIC] = "orders";
    keys[5].pcs = other_pcs;
    keys[6].function = "[lost samples]";
    struct stack_table *table = stack_table_create(2);
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        stack_table_add(table, &keys[i], (int64_t[]){1, 1});
    size_t count;
    stack_table_sort(table, &count);
    assert_int_equal(count, ARRAY_COUNT(keys));
    stack_table_destroy(table);
}

static void many_stacks_are_found_again(void **state)
{
    (void)state;
    enum { STACKS = 5000 };
    struct stack_table *table = stack_table_create(2);
    for (int round = 0; round < 3; round++)
        for (uintptr_t i = 0; i < STACKS; i++) {
            uintptr_t stack[] = {i * 16, 7, i};
            struct stack_key key = {.depth = 3, .pcs = stack};
            stack_table_add(table, &key, (int64_t[]){1, (int64_t)i});
        }
    size_t count;
    const struct stack_entry *entries = stack_table_sort(table, &count);
    assert_int_equal(count, STACKS);
    for (size_t i = 0; i < count; i++) { /* the heaviest first */
        assert_int_equal(entries[i].values[0], 3);
        assert_int_equal(entries[i].values[1], 3 * (STACKS - 1 - i));
        assert_int_equal(entries[i].key.pcs[2], STACKS - 1 - i);
    }
    stack_table_destroy(table);
}

static void the_order_does_not_depend_on_the_order_of_arrival(void **state)
{
    (void)state;
    struct stack_key keys[4];
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        keys[i] = plain;
    keys[0].labels[LABEL_THREAD] = "a";
    keys[1].labels[LABEL_THREAD] = "b";
    keys[2].labels[LABEL_API] = "Fetch";
    keys[3].depth = 0; /* lost samples */
    for (size_t first = 0; first < ARRAY_COUNT(keys); first++) {
        struct stack_table *table = stack_table_create(2);
        for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
            stack_table_add(table, &keys[(first + i) % ARRAY_COUNT(keys)], (int64_t[]){1, 5});
        size_t count;
        const struct stack_entry *entries = stack_table_sort(table, &count);
        assert_int_equal(count, ARRAY_COUNT(keys));
        assert_int_equal(entries[0].key.depth, 0);
        assert_string_equal(entries[1].key.labels[LABEL_THREAD], "a");
        assert_string_equal(entries[2].key.labels[LABEL_THREAD], "b");
        assert_string_equal(entries[3].key.labels[LABEL_API], "Fetch");
        stack_table_destroy(table);
    }
}

static const struct stack_entry *only_entry(struct stack_table *table)
{
    size_t count;
    const struct stack_entry *entries = stack_table_sort(table, &count);
    assert_int_equal(count, 1);
    return entries;
}

static void levels_are_not_subtracted_from(void **state)
{
    (void)state;
    struct stack_table *before = stack_table_create(2), *after = stack_table_create(2);
    stack_table_add(before, &plain, (int64_t[]){10, 7});
    stack_table_add(after, &plain, (int64_t[]){15, 3});
    stack_table_subtract(after, before, 1u << 1);
    assert_int_equal(only_entry(after)->values[0], 5);
    assert_int_equal(only_entry(after)->values[1], 3);
    assert_int_equal(only_entry(before)->values[0], 10);
    stack_table_destroy(before);
    stack_table_destroy(after);
}

static void what_was_there_only_before_is_negative_until_it_is_raised(void **state)
{
    (void)state;
    struct stack_table *before = stack_table_create(2), *after = stack_table_create(2);
    stack_table_add(before, &plain, (int64_t[]){10, 7});
    stack_table_subtract(after, before, 1u << 1);
    assert_int_equal(only_entry(after)->values[0], -10);
    assert_int_equal(only_entry(after)->values[1], 0);
    assert_false(stack_entry_is_zero(only_entry(after)));
    stack_table_raise_to_zero(after);
    assert_true(stack_entry_is_zero(only_entry(after)));
    stack_table_destroy(before);
    stack_table_destroy(after);
}

static void a_copy_changes_on_its_own(void **state)
{
    (void)state;
    enum { STACKS = 300 };
    struct stack_table *table = stack_table_create(2);
    for (uintptr_t i = 0; i < STACKS; i++)
        stack_table_add(table, &(struct stack_key){.depth = 1, .pcs = &i}, (int64_t[]){1, (int64_t)i});
    struct stack_table *copy = stack_table_copy(table);
    for (uintptr_t i = 0; i < 2 * STACKS; i++)
        stack_table_add(copy, &(struct stack_key){.depth = 1, .pcs = &i}, (int64_t[]){1, 0});
    assert_int_equal(stack_table_count(table), STACKS);
    assert_int_equal(stack_table_count(copy), 2 * STACKS);

    size_t count;
    const struct stack_entry *entries = stack_table_sort(copy, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(entries[i].values[0], entries[i].key.pcs[0] < STACKS ? 2 : 1);
    entries = stack_table_sort(table, &count);
    for (size_t i = 0; i < STACKS; i++)
        assert_int_equal(entries[i].values[0], 1);
    stack_table_destroy(copy);
    stack_table_destroy(table);
}

static void an_empty_table_has_no_entries(void **state)
{
    (void)state;
    struct stack_table *table = stack_table_create(2);
    size_t count = 1;
    stack_table_sort(table, &count);
    assert_int_equal(count, 0);
    stack_table_destroy(table);
    stack_table_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stacks_add_up),
        cmocka_unit_test(whatever_differs_keeps_stacks_apart),
        cmocka_unit_test(many_stacks_are_found_again),
        cmocka_unit_test(the_order_does_not_depend_on_the_order_of_arrival),
        cmocka_unit_test(levels_are_not_subtracted_from),
        cmocka_unit_test(what_was_there_only_before_is_negative_until_it_is_raised),
        cmocka_unit_test(a_copy_changes_on_its_own),
        cmocka_unit_test(an_empty_table_has_no_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
