/* test_fault.c: what is said when something goes wrong on a task's stack; each fault happens in a child process. */
#include "reactors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The faults. */

static volatile unsigned sink;

static NOINLINE unsigned recurse(unsigned depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    if (sink == 1) /* never, but the compiler cannot know */
        return depth;
    unsigned below = recurse(depth + 1);
    return below + (unsigned)frame[0];
}

static void overflow_by_recursion(void *argument)
{
    (void)argument;
    sink = 0;
    sink = recurse(0);
}

/* Larger than the guard: -fstack-clash-protection touches each page on the way down. */
static void overflow_by_one_frame(void *argument)
{
    (void)argument;
    volatile size_t size = STACK_SIZE_BYTES + 128 * 1024; /* volatile: the compiler may not think it smaller */
    volatile char *frame = __builtin_alloca(size);
    frame[0] = 1;
    sink = (unsigned)frame[0];
}

static void touch_nothing(void *argument)
{
    (void)argument;
    volatile char *volatile nowhere = NULL;
    nowhere[0] = 1;
}

static void send_fault(void *argument)
{
    (void)argument;
    raise(SIGSEGV);
}

static NOINLINE void fill_past_the_end(char *text, unsigned size)
{
    for (unsigned i = 0; i <= size; i++)
        ((volatile char *)text)[i] = 'x';
}

static void write_past_a_frame(void *argument)
{
    (void)argument;
    char text[16];
    task_yield();
    fill_past_the_end(text, sizeof text);
}

static unsigned raced;

static void race(void *argument)
{
    for (unsigned i = 0; i < 1000; i++) {
        raced++;
        task_yield();
    }
    task_group_done(argument);
}

static void wait_for_group(void *argument)
{
    CHECK(task_group_wait(argument, TIMEOUT_NEVER) == 0);
}

static void race_between_reactors(void)
{
    struct reactors reactors;
    struct task_group group = {.pending = 2};
    reactors_start(&reactors, 2);
    CHECK(reactor_spawn(reactors.reactor[0], "racer", race, &group) == 0);
    CHECK(reactor_spawn(reactors.reactor[1], "racer", race, &group) == 0);
    run_on(reactors.reactor[0], wait_for_group, &group);
    reactors_end(&reactors);
}

static void sleep_here(void *argument)
{
    atomic_fetch_add((atomic_uint *)argument, 1);
    task_sleep_ms(UINT32_MAX);
}

static void wait_for_mutex(void *mutex)
{
    task_mutex_lock(mutex);
    task_mutex_unlock(mutex);
}

static void wait_for_data(void *argument)
{
    static struct task_mutex mutex;
    task_mutex_lock(&mutex);
    CHECK(task_spawn("locker", wait_for_mutex, &mutex) != NULL);
    atomic_fetch_add((atomic_uint *)argument, 1);
    task_park(WAIT_DATA, TIMEOUT_NEVER);
    task_mutex_unlock(&mutex);
}

/* Where gdb stops and looks. */
static NOINLINE void stop_here(void)
{
    __asm__ volatile("");
}

static void park_for_debugger(void)
{
    struct reactors reactors;
    atomic_uint parked = 0;
    reactors_start(&reactors, 2);
    CHECK(reactor_spawn(reactors.reactor[0], "sleeper", sleep_here, &parked) == 0);
    CHECK(reactor_spawn(reactors.reactor[1], "reader", wait_for_data, &parked) == 0);
    WAIT_UNTIL(atomic_load(&parked) == 2);
    /* Both have said so just before they park: one more task behind each is a proof. */
    run_on(reactors.reactor[0], wait_for_group, &(struct task_group){.pending = 0});
    run_on(reactors.reactor[1], wait_for_group, &(struct task_group){.pending = 0});
    WAIT_UNTIL(reactor_task_count(reactors.reactor[0]) == 1); /* without that of the proof */
    WAIT_UNTIL(reactor_task_count(reactors.reactor[1]) == 2);
    stop_here();
    reactors_end(&reactors);
}

/* From here on madvise knows no MADV_GUARD_INSTALL, as before Linux 6.13. */
static bool forget_light_guards(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 102, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_COUNT(filter), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void park_for_ever(void *argument)
{
    (void)argument;
    task_park(WAIT_DATA, TIMEOUT_NEVER);
}

/* Each guard splits a mapping there, and the kernel allows a number of them. */
static void spawn_without_end(void *argument)
{
    (void)argument;
    for (unsigned i = 0;; i++) {
        CHECK(task_spawn("one-more", park_for_ever, NULL) != NULL);
        if (i % 64 == 0)
            task_yield();
    }
}

static void stop_in_task(void *argument)
{
    (void)argument;
    stop_here();
}

static const struct fault {
    const char *name;
    void (*in_task)(void *argument);
    void (*in_main)(void);
    bool old_kernel;
} faults[] = {
    {"deep-recursion", overflow_by_recursion, NULL, false},
    {"large-frame", overflow_by_one_frame, NULL, false},
    {"old-recursion", overflow_by_recursion, NULL, true},
    {"old-many", spawn_without_end, NULL, true},
    {"null-pointer", touch_nothing, NULL, false},
    {"sent-signal", send_fault, NULL, false},
    {"past-a-frame", write_past_a_frame, NULL, false},
    {"race", NULL, race_between_reactors, false},
    {"stop", stop_in_task, NULL, false},
    {"park", NULL, park_for_debugger, false},
};

#define EXIT_NO_FILTER 77

static int child_main(const char *name)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (unsigned i = 0; i < ARRAY_COUNT(faults); i++)
        if (strcmp(faults[i].name, name) == 0) {
            if (faults[i].old_kernel && !forget_light_guards())
                return EXIT_NO_FILTER;
            if (faults[i].in_main) {
                faults[i].in_main();
            } else {
                struct reactors reactors;
                reactors_start(&reactors, 1);
                struct solo solo = {.run = faults[i].in_task};
                CHECK(reactor_spawn(reactors.reactor[0], name, solo_main, &solo) == 0);
                WAIT_UNTIL(atomic_load(&solo.done));
                reactors_end(&reactors);
            }
            return 0;
        }
    return 3;
}

/* The parent's side. */

struct child {
    char said[64 * 1024];
    int status; /* of waitpid */
};

static void child_run(struct child *child, char *const arguments[])
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    pid_t pid;
    assert_int_equal(posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t size = 0;
    char rest[4096];
    for (ssize_t got = 1; got > 0;) {
        size_t room = sizeof child->said - 1 - size;
        got = room ? read(ends[0], child->said + size, room) : read(ends[0], rest, sizeof rest);
        if (got > 0 && room)
            size += (size_t)got;
    }
    child->said[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &child->status, 0), pid);
}

static void fault_run(struct child *child, const char *name)
{
    child_run(child, (char *[]){"/proc/self/exe", (char *)name, NULL});
}

static void assert_said(const struct child *child, const char *text)
{
    if (!strstr(child->said, text))
        fail_msg("expected \"%s\" in:\n%s", text, child->said);
}

static void assert_not_said(const struct child *child, const char *text)
{
    if (strstr(child->said, text))
        fail_msg("did not expect \"%s\" in:\n%s", text, child->said);
}

/* By the signal, or by the sanitizer whose handler it was before. */
static void assert_died(const struct child *child)
{
    if (CONTEXT_ASAN || CONTEXT_TSAN)
        assert_true(!WIFEXITED(child->status) || WEXITSTATUS(child->status) != 0);
    else
        assert_true(WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGSEGV);
}

static struct child child;

static void an_overflow_names_its_task(void **state)
{
    (void)state;
    fault_run(&child, "deep-recursion");
    assert_said(&child, "stack overflow: task ");
    assert_said(&child, "'deep-recursion' (stack 256 KiB, fault at 0x");
    assert_died(&child);
}

static void a_frame_larger_than_the_guard_does_not_jump_over_it(void **state)
{
    (void)state;
    fault_run(&child, "large-frame");
    assert_said(&child, "stack overflow: task ");
    assert_said(&child, "'large-frame'");
    assert_died(&child);
}

/* Pitfall 5. */
static void an_old_kernels_guards_work_and_their_limit_is_named(void **state)
{
    (void)state;
    if (CONTEXT_ASAN || CONTEXT_TSAN)
        skip();
    fault_run(&child, "old-recursion");
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == EXIT_NO_FILTER)
        skip();
    assert_said(&child, "stack overflow: task ");
    assert_died(&child);

    size_t limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu", &limit), 1);
    fclose(file);
    if (limit > 200 * 1000)
        skip(); /* would take long to reach */
    fault_run(&child, "old-many");
    assert_said(&child, "no memory for another task's stack (see vm.max_map_count) tasks=");
    assert_true(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
}

static void another_fault_is_no_overflow(void **state)
{
    (void)state;
    fault_run(&child, "null-pointer");
    assert_not_said(&child, "stack overflow: task");
    assert_died(&child);
    fault_run(&child, "sent-signal");
    assert_not_said(&child, "stack overflow: task");
    assert_died(&child);
}

/* Silence of a sanitizer proves something only if it can speak: these bugs it must find, on a task's stack. */

static void asan_finds_a_write_past_a_tasks_frame(void **state)
{
    (void)state;
    if (!CONTEXT_ASAN)
        skip();
    fault_run(&child, "past-a-frame");
    assert_said(&child, "stack-buffer-overflow");
    assert_said(&child, "fill_past_the_end");
    assert_said(&child, "write_past_a_frame");
    assert_true(WIFEXITED(child.status) && WEXITSTATUS(child.status) != 0);
}

static void tsan_finds_a_race_between_tasks_of_two_reactors(void **state)
{
    (void)state;
    if (!CONTEXT_TSAN)
        skip();
    fault_run(&child, "race");
    assert_said(&child, "data race");
    assert_said(&child, "raced");
    assert_true(WIFEXITED(child.status) && WEXITSTATUS(child.status) != 0);
}

/* In the child, up to its call of stop_here; then these commands. Skips where there is no gdb that works. */
static void gdb_run(const char *fault, const char *first, const char *second)
{
    if (CONTEXT_ASAN || CONTEXT_TSAN || access("/usr/bin/gdb", X_OK) != 0)
        skip();
    char program[512] = {0};
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    child_run(&child, (char *[]){"gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "break stop_here",
                                 "-ex", "run", "-ex", (char *)first, "-ex", (char *)second, "-ex", "kill", "--args",
                                 program, (char *)fault, NULL});
    if (strstr(child.said, "Operation not permitted"))
        skip(); /* a container without ptrace */
}

/* Pitfall 12: parked tasks in gdb. */
static void gdb_lists_parked_tasks_with_their_stacks(void **state)
{
    (void)state;
    gdb_run("park", "source " TAKHIN_SOURCE_DIR "/tools/gdb/takhin_tasks.py", "takhin-tasks");
    assert_said(&child, "reactor test-0: 1 tasks");
    assert_said(&child, "reactor test-1: 2 tasks");
    const char *sleeper = strstr(child.said, "sleeper"), *reader = strstr(child.said, "reader");
    assert_non_null(sleeper);
    assert_non_null(reader);
    assert_non_null(strstr(sleeper, "WAIT_SLEEP"));
    assert_non_null(strstr(reader, "WAIT_DATA"));
    assert_said(&child, "task_sleep_ms < sleep_here < task_main < context_start");
    assert_said(&child, "wait_for_data < task_main < context_start");
    assert_said(&child, "task_mutex_lock_contended < task_mutex_lock < wait_for_mutex < task_main"); /* one inlined */
}

/* Pitfall 7: an unwind by table stops at the entry instead of in what the trampoline left there. */
static void gdb_sees_a_running_tasks_stack_end_at_its_entry(void **state)
{
    (void)state;
    gdb_run("stop", "bt", "printf \"the end\\n\"");
    const char *last = strstr(child.said, " context_start (");
    assert_said(&child, " stop_in_task (");
    assert_said(&child, " task_main (");
    assert_non_null(last);
    assert_said(&child, "the end");
    assert_null(strstr(last, "\n#")); /* no frame below it */
    assert_not_said(&child, "make_fcontext");
    assert_not_said(&child, "Backtrace stopped");
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child_main(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_names_its_task),
        cmocka_unit_test(a_frame_larger_than_the_guard_does_not_jump_over_it),
        cmocka_unit_test(an_old_kernels_guards_work_and_their_limit_is_named),
        cmocka_unit_test(another_fault_is_no_overflow),
        cmocka_unit_test(asan_finds_a_write_past_a_tasks_frame),
        cmocka_unit_test(tsan_finds_a_race_between_tasks_of_two_reactors),
        cmocka_unit_test(gdb_lists_parked_tasks_with_their_stacks),
        cmocka_unit_test(gdb_sees_a_running_tasks_stack_end_at_its_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
