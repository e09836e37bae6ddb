/* test_tasks.c: a dump has each task once: parked ones by a look from outside, running ones by their threads. */
#include "profiler/tasks.h"

#include "burn.h"
#include "parked_threads.h"
#include "profiler/unwind.h"
#include "task_records.h"
#include "task_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOT_A_THREAD 0x3fffffff /* beyond any pid_max */

static int create(void **state)
{
    source_reset();
    return create_profiler(state);
}

/* Every thread answers in it, however long a busy machine lets it wait. */
static struct task_dump *dump_of_all(void)
{
    struct task_dump *dump = task_dump_create_empty(profiler);
    task_dump_renew(dump, PATIENCE_NS);
    return dump;
}

static const struct task_record *record_of(const struct task_dump *dump, uint64_t id)
{
    for (size_t i = 0; i < dump->count; i++)
        if (dump->records[i].id == id)
            return &dump->records[i];
    return NULL;
}

static const struct task_record *thread_of(const struct task_dump *dump, int thread_id)
{
    for (size_t i = 0; i < dump->count; i++)
        if (dump->records[i].id == 0 && dump->records[i].thread_id == thread_id)
            return &dump->records[i];
    return NULL;
}

static void parked_tasks_are_in_it_by_id_with_all_that_is_known(void **state)
{
    (void)state;
    source_add(9, "late", "runnable", 0);
    struct source_task *early = source_add(5, "connection", "IO wait", 60 * NS_PER_S);
    early->seen.creator_id = 2;
    early->seen.creator_pc = 0x1234;
    early->seen.labels[LABEL_API] = "Fetch";

    struct task_dump *dump = task_dump_create(profiler);

    assert_int_equal(dump->records[0].id, 5);
    assert_int_equal(dump->records[1].id, 9);
    const struct task_record *record = &dump->records[0];
    assert_string_equal(record->name, "connection");
    assert_int_equal(record->creator_id, 2);
    assert_int_equal(record->creator_pc, 0x1234);
    assert_false(record->is_running);
    assert_true(record->state_ns >= 60 * NS_PER_S);
    assert_string_equal(record->key.labels[LABEL_API], "Fetch");
    assert_string_equal(record->key.labels[LABEL_REASON], "IO wait");
    assert_string_equal(record->key.labels[LABEL_THREAD], "reactor-0");
    task_dump_destroy(dump);
}

static void a_parked_stack_is_walked_from_its_frame_to_the_root(void **state)
{
    (void)state;
    source_add(5, "connection", "IO wait", 0);

    struct task_dump *dump = task_dump_create(profiler);

    const struct task_record *record = record_of(dump, 5);
    assert_int_equal(record->key.depth, 3);
    assert_true(record->key.is_parked);
    assert_true(stands_in(record, "source_wait"));
    assert_true(stands_in(record, "source_handler"));
    assert_int_equal(dump->silent_count, 0);
    task_dump_destroy(dump);
}

static void a_task_that_has_not_begun_has_no_stack(void **state)
{
    (void)state;
    source_add(5, "new", "runnable", 0)->seen.frame = 0;

    struct task_dump *dump = task_dump_create(profiler);

    assert_int_equal(record_of(dump, 5)->key.depth, 0);
    assert_string_equal(record_of(dump, 5)->key.function, "[not started]");
    task_dump_destroy(dump);
}

/* What a look finds while a stack changes hands. */
static void nonsense_is_survived(void **state)
{
    (void)state;
    struct source_task *task = source_add(5, "torn", "IO wait", 0);
    uintptr_t low = task->seen.stack_low, high = task->seen.stack_high;
    const uintptr_t frames[] = {1, low - 8, low, low + 1, high - 16, high - 8, high, high + 64, UINTPTR_MAX};
    uint64_t random = 1;
    for (unsigned i = 0; i < 500; i++) {
        for (unsigned word = 0; word < SOURCE_STACK_WORDS; word++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            uintptr_t inside = low + (random >> 33) % (high - low), code = (uintptr_t)source_wait + (random >> 40) % 64;
            task->stack[word] = random >> 61 == 0 ? random : random >> 63 ? inside : code;
        }
        task->seen.frame = i < ARRAY_COUNT(frames) ? frames[i] : low + i % SOURCE_STACK_WORDS * 8;
        struct task_dump *dump = task_dump_create_parked(profiler, 0);
        assert_int_equal(dump->count, 1);
        assert_true(dump->records[0].key.depth > 0 || dump->records[0].key.function);
        assert_true(dump->records[0].key.depth <= UNWIND_DEPTH_MAX);
        task_dump_destroy(dump);
    }
}

static void a_running_task_gets_its_stack_from_its_thread(void **state)
{
    (void)state;
    struct test_thread computing = {.name = "computing", .task_id = 7}, reading = {.task_id = 8, .reads = true,
                                                                                    .name = "reading"};
    test_thread_start(&computing);
    test_thread_start(&reading);
    source_add_running(7, "spins", computing.id);
    source_add_running(8, "stuck", reading.id);

    struct task_dump *dump = dump_of_all();

    const struct task_record *spins = record_of(dump, 7), *stuck = record_of(dump, 8);
    assert_string_equal(spins->name, "spins");
    assert_true(spins->is_running);
    assert_true(spins->key.depth > 0);
    assert_true(stuck->key.depth > 0);
    assert_null(thread_of(dump, computing.id)); /* it is there as the task */
    assert_null(thread_of(dump, reading.id));
    if (!SIGNALS_ARE_LATE) {
        assert_true(stands_in(spins, "test_thread_compute"));
        assert_true(stands_in(stuck, "test_thread_read"));
        assert_string_equal(spins->key.labels[LABEL_REASON], "running");
        assert_string_equal(stuck->key.labels[LABEL_REASON], "syscall");
    }
    test_thread_end(&computing);
    test_thread_end(&reading);
    task_dump_destroy(dump);
}

static void threads_that_run_no_task_come_last(void **state)
{
    (void)state;
    struct test_thread pool = {.name = "pool-0", .reads = true};
    test_thread_start(&pool);
    source_add(5, "connection", "IO wait", 0);

    struct task_dump *dump = dump_of_all();

    const struct task_record *thread = thread_of(dump, pool.id);
    assert_non_null(thread);
    assert_string_equal(thread->name, "pool-0");
    assert_true(thread->key.depth > 0);
    assert_int_equal(dump->records[0].id, 5);
    test_thread_end(&pool);
    task_dump_destroy(dump);
}

/* Else a task that runs for a moment, again and again, would be taken for one that waits. */
static void a_task_that_parks_between_answer_and_look_is_seen_running(void **state)
{
    (void)state;
    struct test_thread computing = {.name = "computing", .task_id = 7};
    test_thread_start(&computing);
    struct source_task *task = source_add(7, "moves", "data wait", NS_PER_S);
    task->seen.thread_id = computing.id;

    struct task_dump *dump = dump_of_all();

    const struct task_record *record = record_of(dump, 7);
    assert_true(record->is_running);
    assert_int_equal(record->state_ns, 0);
    assert_string_equal(record->name, "moves");
    assert_null(thread_of(dump, computing.id));
    if (!SIGNALS_ARE_LATE)
        assert_true(stands_in(record, "test_thread_compute"));
    test_thread_end(&computing);
    task_dump_destroy(dump);
}

static void a_thread_whose_task_has_ended_since_stands_for_itself(void **state)
{
    (void)state;
    struct test_thread computing = {.name = "computing", .task_id = 7};
    test_thread_start(&computing);

    struct task_dump *dump = dump_of_all();

    assert_null(record_of(dump, 7));
    assert_non_null(thread_of(dump, computing.id));
    test_thread_end(&computing);
    task_dump_destroy(dump);
}

static void park_after_the_first_look(unsigned look)
{
    if (look == 1)
        source_park(&source.tasks[0]);
    source.tasks[0].seen.state = look == 0 ? "running" : "data wait";
}

static void a_task_that_runs_for_a_moment_after_the_answers_is_seen_parked(void **state)
{
    (void)state;
    struct test_thread reactor = {.name = "reactor", .reads = true};
    test_thread_start(&reactor);
    source_add_running(7, "moves", reactor.id);
    source.before_look = park_after_the_first_look;

    struct task_dump *dump = dump_of_all();

    const struct task_record *record = record_of(dump, 7);
    assert_false(record->is_running);
    assert_int_equal(record->key.depth, 3);
    assert_string_equal(record->key.labels[LABEL_REASON], "data wait");
    assert_non_null(thread_of(dump, reactor.id));
    test_thread_end(&reactor);
    task_dump_destroy(dump);
}

static void end_after_the_first_look(unsigned look)
{
    if (look == 1)
        source.count = 0;
}

static void a_task_that_ends_between_two_looks_is_left_out(void **state)
{
    (void)state;
    source_add_running(7, "ends", NOT_A_THREAD);
    source.before_look = end_after_the_first_look;

    struct task_dump *dump = task_dump_create(profiler);

    assert_null(record_of(dump, 7));
    task_dump_destroy(dump);
}

static void a_task_that_never_holds_still_is_there_without_a_stack(void **state)
{
    (void)state;
    struct test_thread reactor = {.name = "reactor", .task_id = 8, .reads = true};
    test_thread_start(&reactor);
    source_add_running(7, "moves", reactor.id);

    struct task_dump *dump = dump_of_all();

    const struct task_record *record = record_of(dump, 7);
    assert_int_equal(record->key.depth, 0);
    assert_string_equal(record->key.function, "[moving]");
    assert_true(record->is_running);
    assert_true(source.look_count > 1 && source.look_count < 10);
    test_thread_end(&reactor);
    task_dump_destroy(dump);
}

static void a_task_whose_thread_is_stuck_says_so(void **state)
{
    (void)state;
    struct test_thread deaf = {.name = "deaf", .task_id = 7, .reads = true, .blocks_signal = true};
    test_thread_start(&deaf);
    source_add_running(7, "stuck", deaf.id);

    struct task_dump *dump = task_dump_create(profiler);

    const struct task_record *record = record_of(dump, 7);
    assert_non_null(strstr(record->key.function, "not answering"));
    assert_string_equal(record->name, "stuck");
    assert_null(thread_of(dump, deaf.id));
    if (!SIGNALS_ARE_LATE) /* ThreadSanitizer has a deaf thread of its own */
        assert_int_equal(dump->silent_count, 1);
    test_thread_end(&deaf);
    task_dump_destroy(dump);
}

static void parked_for_long_leaves_out_the_others(void **state)
{
    (void)state;
    source_add(1, "old", "data wait", 700 * NS_PER_S);
    source_add(2, "young", "data wait", 500 * NS_PER_S);
    source_add(3, "starved", "runnable", 700 * NS_PER_S);
    source_add_running(4, "spins", NOT_A_THREAD)->seen.since_ns = 1;

    struct task_dump *dump = task_dump_create_parked(profiler, 600 * NS_PER_S);

    assert_int_equal(dump->count, 1);
    assert_int_equal(dump->records[0].id, 1);
    assert_int_equal(dump->records[0].key.depth, 3);
    task_dump_destroy(dump);
}

static void a_dump_can_be_taken_again_in_the_same_memory(void **state)
{
    (void)state;
    struct task_dump *dump = task_dump_create_empty(profiler);
    source_add(1, "first", "data wait", 0);
    task_dump_renew(dump, TASK_DUMP_TIMEOUT_NS);
    assert_non_null(record_of(dump, 1));
    source_reset();
    source_add(2, "second", "data wait", 0);

    task_dump_renew(dump, TASK_DUMP_TIMEOUT_NS);

    assert_null(record_of(dump, 1));
    assert_int_equal(record_of(dump, 2)->key.depth, 3);
    task_dump_destroy(dump);
}

static void without_tasks_there_are_threads(void **state)
{
    (void)state;
    atomic_store(&probe_tasks, NULL);

    struct task_dump *dump = dump_of_all();

    assert_non_null(thread_of(dump, getpid()));
    task_dump_destroy(dump);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy_profiler)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parked_tasks_are_in_it_by_id_with_all_that_is_known),
        TEST(a_parked_stack_is_walked_from_its_frame_to_the_root),
        TEST(a_task_that_has_not_begun_has_no_stack),
        TEST(nonsense_is_survived),
        TEST(a_running_task_gets_its_stack_from_its_thread),
        TEST(threads_that_run_no_task_come_last),
        TEST(a_task_that_parks_between_answer_and_look_is_seen_running),
        TEST(a_thread_whose_task_has_ended_since_stands_for_itself),
        TEST(a_task_that_runs_for_a_moment_after_the_answers_is_seen_parked),
        TEST(a_task_that_ends_between_two_looks_is_left_out),
        TEST(a_task_that_never_holds_still_is_there_without_a_stack),
        TEST(a_task_whose_thread_is_stuck_says_so),
        TEST(parked_for_long_leaves_out_the_others),
        TEST(a_dump_can_be_taken_again_in_the_same_memory),
        TEST(without_tasks_there_are_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
