/* test_maps.c: the maps of the encoders find what was put in, while they grow and shrink. */
#include "trace/index_map.h"
#include "trace/task_map.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct entry {
    uint64_t id, value;
};

static void tasks_come_and_go(void **state)
{
    (void)state;
    enum { IDS = 300 };
    struct task_map map;
    struct entry *entries[IDS + 1] = {0}; /* what the map has to have */
    uint32_t count = 0, random = 1;
    task_map_init(&map, sizeof(struct entry));
    for (unsigned step = 0; step < 20000; step++) {
        random = random * 1664525 + 1013904223;
        unsigned id = 1 + (random >> 8) % IDS;
        if (entries[id]) {
            task_map_remove(&map, entries[id]);
            entries[id] = NULL;
            count--;
        } else if (count < IDS / 2) {
            entries[id] = task_map_add(&map, id);
            entries[id]->value = step;
            count++;
        }
        for (unsigned i = 1; step % 16 == 0 && i <= IDS; i++)
            assert_ptr_equal(task_map_find(&map, i), entries[i]);
        assert_int_equal(map.count, count);
    }
    task_map_deinit(&map);
}

static void new_task_is_zeroed(void **state)
{
    (void)state;
    struct task_map map;
    task_map_init(&map, sizeof(struct entry));
    struct entry *entry = task_map_add(&map, UINT64_MAX);
    assert_true(entry->id == UINT64_MAX);
    assert_int_equal(entry->value, 0);
    task_map_deinit(&map);
}

static void pairs_are_numbered_as_they_come(void **state)
{
    (void)state;
    struct index_map map = {.count = 0};
    bool is_new;
    for (unsigned round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 1000; i++) {
            assert_int_equal(index_map_number(&map, i << 32, i % 7, &is_new), i + 1);
            assert_int_equal(is_new, round == 0);
        }
    assert_int_equal(index_map_number(&map, 7, 0, &is_new), 1001); /* the pair counts, not its sum */
    assert_int_equal(index_map_number(&map, 0, 7, &is_new), 1002);

    index_map_clear(&map);

    assert_int_equal(index_map_number(&map, 0, 7, &is_new), 1);
    assert_true(is_new);
    index_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_come_and_go),
        cmocka_unit_test(new_task_is_zeroed),
        cmocka_unit_test(pairs_are_numbered_as_they_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
