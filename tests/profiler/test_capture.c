/* test_capture.c: a captured stack begins with who asked for it and ends at the root, wherever that was. */
#include "profiler/capture.h"

#include "base/mem.h"
#include "base/probe.h"
#include "profiler/cpu.h"
#include "burn.h"
#include "installed_capture.h"
#include "task_stack.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static bool is_in(uintptr_t pc, uintptr_t function)
{
    return pc >= function && pc < function + 1024;
}

static bool holds(const struct capture *capture, uintptr_t function)
{
    for (uint32_t i = 0; i < capture->key.depth; i++) {
        if (is_in(capture->pcs[i], function))
            return true;
    }
    return false;
}

static NOINLINE bool capture_here(struct capture *capture)
{
    bool is_captured = capture_begin(capture);
    if (is_captured)
        capture_done();
    return is_captured;
}

static NOINLINE bool capture_below(struct capture *capture)
{
    return capture_here(capture);
}

static void the_stack_begins_with_who_captures_and_ends_at_the_root(void **state)
{
    (void)state;
    struct capture capture;
    assert_true(capture_below(&capture));
    assert_true(is_in(capture.pcs[0], (uintptr_t)capture_here));
    assert_true(is_in(capture.pcs[1], (uintptr_t)capture_below));
    assert_true(is_in(capture.pcs[2], (uintptr_t)the_stack_begins_with_who_captures_and_ends_at_the_root));
    assert_false(capture.is_rootless);
    assert_false(capture.is_truncated);
    assert_ptr_equal(capture.key.pcs, capture.pcs);
    assert_true(capture.key.is_parked); /* pcs[0] is a return address */
    assert_int_equal(capture.key.epoch, symbols_epoch(symbols));
    assert_null(capture.key.function);
    assert_int_equal(capture.key.number, 0);
}

static NOINLINE bool hook(struct capture *capture)
{
    bool is_captured = capture_begin_from(capture, __builtin_frame_address(0));
    if (is_captured)
        capture_done();
    return is_captured;
}

static NOINLINE bool call_hook(struct capture *capture)
{
    return hook(capture);
}

static void a_hook_leaves_itself_out(void **state)
{
    (void)state;
    struct capture capture;
    assert_true(call_hook(&capture));
    assert_true(is_in(capture.pcs[0], (uintptr_t)call_hook));
    assert_true(is_in(capture.pcs[1], (uintptr_t)a_hook_leaves_itself_out));
    assert_false(capture.is_rootless);
}

/* --- on other stacks --- */

static struct capture of_other;

static void *capture_on_thread(void *argument)
{
    bool *is_captured = argument;
    *is_captured = capture_below(&of_other);
    return NULL;
}

static void a_thread_s_stack_is_walked_to_its_root(void **state)
{
    (void)state;
    pthread_t thread;
    bool is_captured = false;
    assert_int_equal(pthread_create(&thread, NULL, capture_on_thread, &is_captured), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_captured);
    assert_true(holds(&of_other, (uintptr_t)capture_on_thread));
    assert_false(of_other.is_rootless);
}

static int compare_and_capture(const void *left, const void *right)
{
    ASSERT(capture_here(&of_other));
    return (*(const int *)left > *(const int *)right) - (*(const int *)left < *(const int *)right);
}

static void a_library_without_frame_pointers_is_stepped_through(void **state)
{
    (void)state;
    int numbers[] = {3, 1, 2};
    qsort(numbers, ARRAY_COUNT(numbers), sizeof numbers[0], compare_and_capture);
    assert_true(is_in(of_other.pcs[1], (uintptr_t)compare_and_capture));
    assert_true(holds(&of_other, (uintptr_t)a_library_without_frame_pointers_is_stepped_through));
    assert_false(of_other.is_rootless);
}

static bool task_captured;

static void task_main(void)
{
    task_captured = capture_below(&of_other);
}

static void a_task_s_stack_is_walked_within_its_bounds(void **state)
{
    (void)state;
    run_on_task_stack(task_main, true);
    assert_true(task_captured);
    assert_true(is_in(of_other.pcs[2], (uintptr_t)task_main));
    assert_false(holds(&of_other, (uintptr_t)run_on_task_stack));
}

static void an_unknown_stack_gives_the_place_alone(void **state)
{
    (void)state;
    run_on_task_stack(task_main, false);
    assert_true(task_captured);
    assert_true(is_in(of_other.pcs[0], (uintptr_t)capture_here));
    assert_int_equal(of_other.key.depth, 1);
    assert_true(of_other.is_rootless);
}

static NOINLINE bool capture_deep(struct capture *capture, unsigned depth)
{
    bool is_captured = depth == 0 ? capture_here(capture) : capture_deep(capture, depth - 1);
    __asm__ volatile("" ::: "memory"); /* no loop instead of the recursion */
    return is_captured;
}

static void a_stack_that_is_too_deep_loses_its_root(void **state)
{
    (void)state;
    struct capture capture;
    assert_true(capture_deep(&capture, UNWIND_DEPTH_MAX));
    assert_true(capture.is_truncated);
    assert_false(capture.is_rootless);
    assert_int_equal(capture.key.depth, UNWIND_DEPTH_MAX);
    assert_true(is_in(capture.pcs[UNWIND_DEPTH_MAX - 1], (uintptr_t)capture_deep));

    assert_true(capture_deep(&capture, UNWIND_DEPTH_MAX / 2));
    assert_false(capture.is_truncated);
}

static void errno_stays(void **state)
{
    (void)state;
    struct capture capture;
    errno = ENOTTY;
    assert_true(capture_below(&capture));
    assert_int_equal(errno, ENOTTY);
}

/* --- labels --- */

static void labels_are_the_task_s_and_the_thread_s_name(void **state)
{
    (void)state;
    static const struct label_set labels = {.value = {[LABEL_API] = "Fetch", [LABEL_CLIENT_ID] = "someone"}};
    struct capture capture;
    probe_execution.labels = &labels;
    assert_true(capture_below(&capture));
    probe_execution.labels = NULL;
    assert_string_equal(capture.key.labels[LABEL_API], "Fetch");
    assert_null(capture.key.labels[LABEL_TOPIC]);
    assert_string_equal(capture.key.labels[LABEL_CLIENT_ID], "someone");
    assert_null(capture.key.labels[LABEL_REASON]);
    assert_string_equal(capture.key.labels[LABEL_THREAD], "profiler_test_c"); /* the program's name, cut */

    label_key_switch(LABEL_THREAD, false);
    assert_true(capture_below(&capture));
    label_key_switch(LABEL_THREAD, true);
    assert_null(capture.key.labels[LABEL_THREAD]);
}

static const char *thread_label(void)
{
    struct capture capture;
    ASSERT(capture_below(&capture));
    return capture.key.labels[LABEL_THREAD];
}

static void *rename_twice(void *argument)
{
    (void)argument;
    pthread_setname_np(pthread_self(), "early");
    const char *early = thread_label();
    ASSERT(strcmp(early, "early") == 0);
    pthread_setname_np(pthread_self(), "late");
    while (thread_label() == early) /* until it is looked at again */
        sched_yield();
    ASSERT(strcmp(thread_label(), "late") == 0);
    return (void *)early;
}

static void a_thread_s_new_name_is_noticed_and_equal_names_are_one_text(void **state)
{
    (void)state;
    void *early[2];
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, rename_twice, NULL), 0);
        assert_int_equal(pthread_join(thread, &early[i]), 0);
    }
    assert_ptr_equal(early[0], early[1]);
}

static void *take_own_name(void *argument)
{
    const char **label = argument;
    char name[16];
    snprintf(name, sizeof name, "many %lx", (unsigned long)(uintptr_t)argument & 0xffffff);
    pthread_setname_np(pthread_self(), name);
    *label = thread_label();
    return NULL;
}

/* The last test that reads a name: there is no room for new ones afterwards. */
static void too_many_names_share_one(void **state)
{
    (void)state;
    const char *labels[LABEL_VALUES_MAX + 1];
    for (size_t i = 0; i < ARRAY_COUNT(labels); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, take_own_name, &labels[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_memory_equal(labels[0], "many ", 5);
    assert_ptr_equal(labels[LABEL_VALUES_MAX], label_other);
}

/* --- coming and going --- */

static void a_thread_that_captures_captures_nothing_inside(void **state)
{
    (void)state;
    struct capture capture, inner;
    assert_true(capture_begin(&capture));
    assert_false(capture_begin(&inner));
    capture_done();
    assert_true(capture_below(&inner));
}

static void without_an_unwinder_nothing_is_captured(void **state)
{
    (void)state;
    struct capture capture;
    capture_remove();
    assert_false(capture_below(&capture));
    capture_install(unwinder, symbols);
    assert_true(capture_below(&capture));
}

static atomic_bool is_releasing;

static void *remove_capture(void *argument)
{
    (void)argument;
    capture_remove();
    ASSERT(atomic_load(&is_releasing));
    return NULL;
}

static struct {
    sem_t has_begun, may_end;
} holder;

static void *hold_capture(void *argument)
{
    (void)argument;
    struct capture capture;
    ASSERT(capture_begin(&capture));
    sem_post(&holder.has_begun);
    sem_wait(&holder.may_end);
    capture_done();
    return NULL;
}

static void start_holder(pthread_t *thread)
{
    sem_init(&holder.has_begun, 0, 0);
    sem_init(&holder.may_end, 0, 0);
    assert_int_equal(pthread_create(thread, NULL, hold_capture, NULL), 0);
    sem_wait(&holder.has_begun);
}

static void remove_waits_for_a_capture_under_way(void **state)
{
    (void)state;
    pthread_t holding, removing;
    struct capture capture;
    start_holder(&holding);
    atomic_store(&is_releasing, false);
    assert_int_equal(pthread_create(&removing, NULL, remove_capture, NULL), 0);
    while (capture_below(&capture)) /* until it is being removed */
        sched_yield();
    atomic_store(&is_releasing, true);
    sem_post(&holder.may_end);
    assert_int_equal(pthread_join(holding, NULL), 0);
    assert_int_equal(pthread_join(removing, NULL), 0);
    capture_install(unwinder, symbols);
}

static void a_child_does_not_wait_for_captures_of_the_parent(void **state)
{
    (void)state;
    pthread_t holding;
    start_holder(&holding);
    pid_t child = fork();
    if (child == 0) {
        struct capture capture;
        alarm(60); /* hanging is failing */
        bool is_captured = capture_below(&capture);
        capture_remove();
        _exit(is_captured ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    sem_post(&holder.may_end);
    assert_int_equal(pthread_join(holding, NULL), 0);
}

static atomic_bool is_over;

static void *capture_all_the_time(void *argument)
{
    (void)argument;
    uintptr_t count = 0;
    while (!atomic_load(&is_over)) {
        struct capture capture;
        if (capture_below(&capture))
            count++;
    }
    return (void *)count;
}

static void threads_capture_while_the_unwinder_comes_and_goes(void **state)
{
    (void)state;
    pthread_t threads[4];
    atomic_store(&is_over, false);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, capture_all_the_time, NULL), 0);
    for (int i = 0; i < 20; i++) {
        capture_remove();
        symbols_destroy(symbols);
        unwinder_destroy(unwinder);
        unwinder = unwinder_create();
        symbols = symbols_create();
        capture_install(unwinder, symbols);
    }
    struct capture capture;
    while (!capture_below(&capture))
        sched_yield();
    atomic_store(&is_over, true);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void signals_that_walk_the_same_stack_are_no_harm(void **state)
{
    (void)state;
    struct cpu_sampler *sampler = cpu_sampler_create(unwinder, symbols);
    struct stack_table *stacks = stack_table_create(2);
    struct cpu_reader *reader;
    assert_int_equal(cpu_reader_start(sampler, CPU_HZ_MAX, stacks, &reader), 0);
    struct capture capture;
    assert_true(capture_below(&capture));
    uint32_t depth = capture.key.depth;
    for (uint64_t end_ns = thread_cpu_ns() + 200 * NS_PER_MS; thread_cpu_ns() < end_ns;) {
        assert_true(capture_below(&capture));
        assert_int_equal(capture.key.depth, depth);
        assert_false(capture.is_rootless);
    }
    cpu_reader_stop(reader);
    stack_table_destroy(stacks);
    cpu_sampler_destroy(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stack_begins_with_who_captures_and_ends_at_the_root),
        cmocka_unit_test(a_hook_leaves_itself_out),
        cmocka_unit_test(a_thread_s_stack_is_walked_to_its_root),
        cmocka_unit_test(a_library_without_frame_pointers_is_stepped_through),
        cmocka_unit_test(a_task_s_stack_is_walked_within_its_bounds),
        cmocka_unit_test(an_unknown_stack_gives_the_place_alone),
        cmocka_unit_test(a_stack_that_is_too_deep_loses_its_root),
        cmocka_unit_test(errno_stays),
        cmocka_unit_test(labels_are_the_task_s_and_the_thread_s_name),
        cmocka_unit_test(a_thread_s_new_name_is_noticed_and_equal_names_are_one_text),
        cmocka_unit_test(a_thread_that_captures_captures_nothing_inside),
        cmocka_unit_test(without_an_unwinder_nothing_is_captured),
        cmocka_unit_test(remove_waits_for_a_capture_under_way),
        cmocka_unit_test(a_child_does_not_wait_for_captures_of_the_parent),
        cmocka_unit_test(threads_capture_while_the_unwinder_comes_and_goes),
        cmocka_unit_test(signals_that_walk_the_same_stack_are_no_harm),
        cmocka_unit_test(too_many_names_share_one),
    };
    return cmocka_run_group_tests(tests, set_up_capture, tear_down_capture);
}
