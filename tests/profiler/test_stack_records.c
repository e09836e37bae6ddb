/* test_stack_records.c: one record for each stack, whoever asks first, and one for all that there is no room for. */
#include "profiler/stack_records.h"

#include "profiler/unwind.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define THREAD_COUNT 4
#define STACK_COUNT 3000
#define ROUNDS 5

struct totals {
    uint64_t record_count, value, rest_value;
};

static void add_totals(const struct stack_record *record, void *context)
{
    struct totals *totals = context;
    totals->record_count++;
    totals->value += atomic_load(&record->values[0]);
    if (record->key.function && strcmp(record->key.function, "[other stacks]") == 0)
        totals->rest_value += atomic_load(&record->values[0]);
}

static struct totals visit(struct stack_records *records)
{
    struct totals totals = {0};
    stack_records_visit(records, add_totals, &totals);
    return totals;
}

/* Different for each number, in their last address. */
static struct stack_record *find(struct stack_records *records, uintptr_t number, uint32_t depth)
{
    uintptr_t pcs[UNWIND_DEPTH_MAX] = {0};
    pcs[depth - 1] = number + 1;
    return stack_records_find(records, &(struct stack_key){.depth = depth, .pcs = pcs, .number = 16});
}

static void equal_keys_have_one_record_and_others_have_others(void **state)
{
    (void)state;
    static struct stack_records records = STACK_RECORDS_INIT;
    assert_int_equal(stack_records_count(&records), 0);
    assert_int_equal(stack_records_bytes(&records), 0);
    struct stack_record *record = find(&records, 1, 3);
    assert_ptr_equal(find(&records, 1, 3), record);
    assert_ptr_not_equal(find(&records, 2, 3), record);
    assert_ptr_not_equal(find(&records, 1, 4), record);
    assert_int_equal(record->key.depth, 3);
    assert_int_equal(record->key.pcs[2], 2); /* a copy: what it was found with is gone */
    assert_int_equal(record->key.number, 16);
    assert_int_equal(stack_records_count(&records), 3);
    assert_int_equal(visit(&records).record_count, 3);
}

static struct stack_records shared = STACK_RECORDS_INIT;

static void *add_to_all(void *argument)
{
    (void)argument;
    for (uintptr_t i = 0; i < (uintptr_t)STACK_COUNT * ROUNDS; i++)
        atomic_fetch_add(&find(&shared, i % STACK_COUNT, 5)->values[0], 1);
    return NULL;
}

static void threads_that_meet_a_stack_at_once_share_its_record(void **state)
{
    (void)state;
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_to_all, NULL), 0);
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    struct totals totals = visit(&shared);
    assert_int_equal(totals.record_count, STACK_COUNT);
    assert_int_equal(stack_records_count(&shared), STACK_COUNT);
    assert_int_equal(totals.value, THREAD_COUNT * STACK_COUNT * ROUNDS);
    for (uintptr_t i = 0; i < STACK_COUNT; i++)
        assert_int_equal(atomic_load(&find(&shared, i, 5)->values[0]), THREAD_COUNT * ROUNDS);
}

static void what_finds_no_room_is_counted_together(void **state)
{
    (void)state;
    static struct stack_records records = STACK_RECORDS_INIT;
    const uintptr_t count = 80000;
    for (uintptr_t i = 0; i < count; i++)
        atomic_fetch_add(&find(&records, i, UNWIND_DEPTH_MAX)->values[0], 1);
    struct totals totals = visit(&records);
    assert_int_equal(totals.value, count);
    assert_true(totals.rest_value > 0 && totals.rest_value < count / 2);
    assert_int_equal(totals.record_count, count - totals.rest_value + 1);
    assert_int_equal(stack_records_count(&records), totals.record_count);
    assert_int_equal(atomic_load(&find(&records, 7, UNWIND_DEPTH_MAX)->values[0]), 1); /* the old ones stay found */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_have_one_record_and_others_have_others),
        cmocka_unit_test(threads_that_meet_a_stack_at_once_share_its_record),
        cmocka_unit_test(what_finds_no_room_is_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
