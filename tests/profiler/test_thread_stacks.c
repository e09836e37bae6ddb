/* test_thread_stacks.c: threads answer for themselves, whatever they are doing; what cannot answer is told so. */
#include "profiler/thread_stacks.h"

#include "base/clock.h"
#include "burn.h"
#include "file_limit.h"
#include "parked_threads.h"
#include "profiler/cpu_timer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <cmocka.h>

/* For those who will not answer. */
#define HASTE_NS (20 * NS_PER_MS)

static struct unwinder *unwinder;

static int create(void **state)
{
    (void)state;
    unwinder = unwinder_create();
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    unwinder_destroy(unwinder);
    return 0;
}

struct answers {
    struct thread_stack stack[64];
    uintptr_t pcs[64][UNWIND_DEPTH_MAX];
    size_t count;
};

static void keep(const struct thread_stack *stack, void *context)
{
    struct answers *answers = context;
    assert_true(answers->count < 64);
    if (!stack->silence)
        memcpy(answers->pcs[answers->count], stack->pcs, stack->depth * sizeof *stack->pcs);
    answers->stack[answers->count++] = *stack;
}

static const struct thread_stack *answer_of(const struct answers *answers, int thread_id)
{
    for (size_t i = 0; i < answers->count; i++)
        if (answers->stack[i].thread_id == thread_id)
            return &answers->stack[i];
    return NULL;
}

/* Whether one of the frames lies in the function, which is shorter than that. */
static bool stands_in(const struct answers *answers, const struct thread_stack *stack, const void *function)
{
    const uintptr_t *pcs = answers->pcs[stack - answers->stack];
    for (unsigned i = 0; i < stack->depth; i++)
        if (pcs[i] - (uintptr_t)function < 400)
            return true;
    return false;
}

static struct answers *ask_all(uint64_t timeout_ns)
{
    struct answers *answers = calloc(1, sizeof *answers);
    assert_int_equal(thread_stacks_ask(unwinder, NULL, 0, timeout_ns, keep, answers), 0);
    return answers;
}

static struct answers *ask_one(pid_t id, uint64_t timeout_ns)
{
    struct answers *answers = calloc(1, sizeof *answers);
    assert_int_equal(thread_stacks_ask(unwinder, &id, 1, timeout_ns, keep, answers), 0);
    return answers;
}

static void every_thread_answers_with_its_stack_and_task(void **state)
{
    (void)state;
    struct test_thread computing = {.name = "computing", .task_id = 7}, reading = {.name = "reading", .reads = true};
    test_thread_start(&computing);
    test_thread_start(&reading);

    struct answers *answers = ask_all(PATIENCE_NS);

    const struct thread_stack *of_computing = answer_of(answers, computing.id);
    const struct thread_stack *of_reading = answer_of(answers, reading.id);
    assert_non_null(of_computing);
    assert_non_null(of_reading);
    assert_non_null(answer_of(answers, (int)syscall(SYS_gettid)));
    assert_null(of_computing->silence);
    assert_null(of_reading->silence);
    assert_string_equal(of_computing->name, "computing");
    assert_string_equal(of_reading->labels[LABEL_THREAD], "reading");
    assert_int_equal(of_computing->task_id, 7);
    assert_int_equal(of_reading->task_id, 0);
    if (!SIGNALS_ARE_LATE) {
        assert_false(of_computing->in_system_call);
        assert_true(of_reading->in_system_call);
        assert_true(stands_in(answers, of_computing, test_thread_compute));
        assert_true(stands_in(answers, of_reading, test_thread_read));
    }
    test_thread_end(&computing);
    test_thread_end(&reading);
    free(answers);
}

static void only_those_that_are_named_are_asked(void **state)
{
    (void)state;
    struct test_thread one = {.name = "one", .reads = true}, other = {.name = "other", .reads = true};
    test_thread_start(&one);
    test_thread_start(&other);

    struct answers *answers = ask_one(one.id, PATIENCE_NS);

    assert_int_equal(answers->count, 1);
    assert_int_equal(answers->stack[0].thread_id, one.id);
    free(answers);
    test_thread_end(&one);
    test_thread_end(&other);
}

static void a_deaf_thread_is_told_by_its_state(void **state)
{
    (void)state;
    struct test_thread deaf = {.name = "deaf", .reads = true, .blocks_signal = true};
    test_thread_start(&deaf);

    struct answers *answers = ask_all(HASTE_NS);

    const struct thread_stack *stack = answer_of(answers, deaf.id);
    assert_non_null(stack);
    assert_non_null(stack->silence);
    assert_ptr_equal(strstr(stack->silence, "[not answering: "), stack->silence);
    assert_string_equal(stack->name, "deaf");
    assert_string_equal(stack->labels[LABEL_THREAD], "deaf");
    test_thread_end(&deaf);
    free(answers);
}

/* A thread in vfork is one that the kernel does not let go of until its child has ended or become something else. */
struct hang {
    int pipe[2];
    _Atomic int id;
};

static void *hang_in_the_kernel(void *argument)
{
    struct hang *hang = argument;
    int fd = hang->pipe[0], id = (int)syscall(SYS_gettid);
    pid_t child = vfork();
    if (child == 0) {
        char byte;
        atomic_store(&hang->id, id); /* from the child, as then this thread does hang */
        syscall(SYS_read, fd, &byte, 1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return NULL;
}

static void a_thread_that_the_kernel_holds_is_told_by_its_state(void **state)
{
    (void)state;
    if (SIGNALS_ARE_LATE)
        skip(); /* ThreadSanitizer makes a fork of it, which does not hang */
    struct hang hang = {.id = 0};
    assert_int_equal(pipe(hang.pipe), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hang_in_the_kernel, &hang), 0);
    while (atomic_load(&hang.id) == 0 || thread_state(hang.id) != 'D')
        sched_yield();

    struct answers *answers = ask_all(HASTE_NS);

    const struct thread_stack *stack = answer_of(answers, hang.id);
    assert_non_null(stack);
    assert_ptr_equal(strstr(stack->silence, "[not answering: disk sleep"), stack->silence);
    assert_int_equal(write(hang.pipe[1], "x", 1), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(hang.pipe[0]);
    close(hang.pipe[1]);
    free(answers);
}

/* Once it is set, each look at the clock finds that an hour has gone by. */
static atomic_bool hours_go_by;
static _Atomic int hours;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC && atomic_load(&hours_go_by))
        now->tv_sec += 3600 * atomic_fetch_add(&hours, 1);
    return rc;
}

struct late_hearer {
    _Atomic int id;
    atomic_bool stops;
};

static void *hear_after_two_hours(void *argument)
{
    struct late_hearer *hearer = argument;
    sigset_t profiling;
    sigemptyset(&profiling);
    sigaddset(&profiling, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &profiling, NULL);
    atomic_store(&hearer->id, (int)syscall(SYS_gettid));
    while (atomic_load(&hours) < 2)
        sched_yield();
    pthread_sigmask(SIG_UNBLOCK, &profiling, NULL);
    while (!atomic_load(&hearer->stops))
        usleep(1000);
    return NULL;
}

static void a_machine_that_stood_still_is_given_time_to_answer(void **state)
{
    (void)state;
    struct late_hearer hearer = {.id = 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hear_after_two_hours, &hearer), 0);
    while (atomic_load(&hearer.id) == 0)
        sched_yield();

    atomic_store(&hours_go_by, true);
    struct answers *answers = ask_one(hearer.id, PATIENCE_NS);
    atomic_store(&hours_go_by, false);

    assert_int_equal(answers->count, 1);
    assert_null(answers->stack[0].silence);
    atomic_store(&hearer.stops, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(answers);
}

static void *ends_at_once(void *id)
{
    *(pid_t *)id = (pid_t)syscall(SYS_gettid);
    return NULL;
}

static void a_thread_that_has_ended_is_left_out(void **state)
{
    (void)state;
    pthread_t thread;
    pid_t id = 0;
    assert_int_equal(pthread_create(&thread, NULL, ends_at_once, &id), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);

    struct answers *answers = ask_one(id, PATIENCE_NS);

    assert_int_equal(answers->count, 0);
    free(answers);
}

/* A request that its thread sees only when others have been asked since: SIGPROF stays with the timers meanwhile, so
 * the kernel keeps it. */
static void a_late_request_disturbs_nobody(void **state)
{
    (void)state;
    struct cpu_timer_table *timers = calloc(1, sizeof *timers);
    timers->unwinder = unwinder;
    assert_int_equal(cpu_timer_install(timers), 0);
    struct test_thread awake = {.name = "awake", .task_id = 3, .reads = true};
    test_thread_start(&awake);
    sigset_t profiling, before;
    sigemptyset(&profiling);
    sigaddset(&profiling, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &profiling, &before);

    struct answers *deaf = ask_one((pid_t)syscall(SYS_gettid), HASTE_NS);
    assert_int_equal(deaf->count, 1);
    assert_non_null(deaf->stack[0].silence);
    pthread_sigmask(SIG_SETMASK, &before, NULL); /* the signal comes here and now, for a request that is over */
    struct answers *answers = ask_one(awake.id, PATIENCE_NS);

    assert_int_equal(answers->count, 1);
    assert_null(answers->stack[0].silence);
    assert_int_equal(answers->stack[0].task_id, 3);
    free(deaf);
    free(answers);
    test_thread_end(&awake);
    cpu_timer_uninstall(timers);
    free(timers);
}

static void without_a_descriptor_to_list_them_by_it_says_why_none_was_asked(void **state)
{
    (void)state;
    struct answers *answers = calloc(1, sizeof *answers);
    pid_t self = (pid_t)syscall(SYS_gettid);
    struct rlimit limit;
    forbid_files(&limit);

    ssize_t of_all = thread_stacks_ask(unwinder, NULL, 0, PATIENCE_NS, keep, answers);
    size_t all_count = answers->count;
    ssize_t of_one = thread_stacks_ask(unwinder, &self, 1, PATIENCE_NS, keep, answers);
    allow_files(&limit);

    assert_int_equal(of_all, -EMFILE);
    assert_int_equal(all_count, 0);
    assert_int_equal(of_one, 0);
    assert_int_equal(answers->count, 1);
    free(answers);
}

static void on_signal(int number)
{
    (void)number;
}

static void the_signal_goes_back_to_whom_it_was_taken_from(void **state)
{
    (void)state;
    struct sigaction theirs = {.sa_handler = on_signal}, original, after;
    assert_int_equal(sigaction(SIGPROF, &theirs, &original), 0);

    free(ask_all(PATIENCE_NS));

    assert_int_equal(sigaction(SIGPROF, &original, &after), 0);
    assert_ptr_equal(after.sa_handler, on_signal);
}

struct storm {
    atomic_bool stops;
    _Atomic unsigned asked;
};

static void count_answer(const struct thread_stack *stack, void *context)
{
    (void)stack;
    ++*(unsigned *)context;
}

static void *keep_asking(void *argument)
{
    struct storm *storm = argument;
    while (!atomic_load(&storm->stops)) {
        unsigned count = 0;
        thread_stacks_ask(unwinder, NULL, 0, HASTE_NS, count_answer, &count);
        if (count == 0)
            abort();
        atomic_fetch_add(&storm->asked, 1);
    }
    return NULL;
}

static void *live_briefly(void *argument)
{
    (void)argument;
    burn(NS_PER_MS / 10);
    return NULL;
}

static void *keep_starting_threads(void *argument)
{
    struct storm *storm = argument;
    while (!atomic_load(&storm->stops)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live_briefly, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

/* Two who ask, threads that come and go, and timers of the CPU sampler on top. */
static void askers_threads_and_timers_get_along(void **state)
{
    (void)state;
    struct cpu_timer_table *timers = calloc(1, sizeof *timers);
    timers->unwinder = unwinder;
    assert_int_equal(cpu_timer_install(timers), 0);
    struct test_thread computing = {.name = "computing"};
    test_thread_start(&computing);
    struct cpu_timer *timer;
    assert_int_equal(cpu_timer_start(timers, computing.id, NS_PER_MS, 0, &timer), 0);
    struct storm storm = {.asked = 0};
    void *(*const parts[])(void *) = {keep_asking, keep_asking, keep_starting_threads, keep_starting_threads};
    pthread_t threads[ARRAY_COUNT(parts)];
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parts[i], &storm), 0);

    while (atomic_load(&storm.asked) < 200 ||
           atomic_load(&timer->sample_count) + atomic_load(&timer->lost_count) == 0)
        usleep(1000);
    atomic_store(&storm.stops, true);

    for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    cpu_timer_stop(timer);
    cpu_timer_wait_for_handlers();
    cpu_timer_release(timer);
    test_thread_end(&computing);
    cpu_timer_uninstall(timers);
    free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_answers_with_its_stack_and_task),
        cmocka_unit_test(only_those_that_are_named_are_asked),
        cmocka_unit_test(a_deaf_thread_is_told_by_its_state),
        cmocka_unit_test(a_thread_that_the_kernel_holds_is_told_by_its_state),
        cmocka_unit_test(a_machine_that_stood_still_is_given_time_to_answer),
        cmocka_unit_test(a_thread_that_has_ended_is_left_out),
        cmocka_unit_test(a_late_request_disturbs_nobody),
        cmocka_unit_test(without_a_descriptor_to_list_them_by_it_says_why_none_was_asked),
        cmocka_unit_test(the_signal_goes_back_to_whom_it_was_taken_from),
        cmocka_unit_test(askers_threads_and_timers_get_along),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
