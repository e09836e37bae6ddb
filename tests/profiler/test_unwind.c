/* test_unwind.c: walks reach the root from wherever a signal may interrupt, and junk leads them nowhere. */
#include "profiler/unwind.h"

#include "base/clock.h"

#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

/* ThreadSanitizer delivers signals later, with registers of a moment long gone: only races are looked for then. */
#if defined(__SANITIZE_THREAD__)
#define SIGNALS_ARE_LATE true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIGNALS_ARE_LATE true
#endif
#endif
#ifndef SIGNALS_ARE_LATE
#define SIGNALS_ARE_LATE false
#endif

#define SAMPLES 200

extern void *__libc_stack_end; /* ld.so's: where the main thread's stack began */

static struct unwinder *unwinder;
static _Thread_local uintptr_t stack_high;
static _Thread_local volatile uintptr_t switch_frame;

/* What the signal handler saw. */
static struct {
    uintptr_t marker;          /* a function that each stack should hold */
    atomic_uint sampled, rooted, marked, truncated;
    uintptr_t last_lost[UNWIND_DEPTH_MAX];
    unsigned last_lost_depth;
} seen;

/* --- sampling --- */

static bool holds(const uintptr_t *pcs, unsigned depth, uintptr_t function)
{
    for (unsigned i = 0; i < depth; i++) {
        if (pcs[i] >= function && pcs[i] < function + 2048)
            return true;
    }
    return false;
}

static void sample(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct unwind_start start = {
        .pc = (uintptr_t)registers[REG_RIP],
        .stack_pointer = (uintptr_t)registers[REG_RSP],
        .frame_pointer = (uintptr_t)registers[REG_RBP],
        .stack_high = stack_high,
        .switch_frame = switch_frame,
        .switch_low = switch_frame,
        .switch_high = stack_high,
    };
    uintptr_t pcs[UNWIND_DEPTH_MAX];
    unsigned depth;
    enum unwind_end end = unwind_walk(unwinder, &start, pcs, UNWIND_DEPTH_MAX, &depth);
    if (end == UNWIND_ROOT)
        atomic_fetch_add(&seen.rooted, 1);
    else if (end == UNWIND_TRUNCATED)
        atomic_fetch_add(&seen.truncated, 1);
    else
        memcpy(seen.last_lost, pcs, (seen.last_lost_depth = depth) * sizeof *pcs);
    if (holds(pcs, depth, seen.marker))
        atomic_fetch_add(&seen.marked, 1);
    atomic_fetch_add(&seen.sampled, 1);
}

static void listen_to(int signal_number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(signal_number, &action, NULL), 0);
}

static void forget_samples(uintptr_t marker)
{
    atomic_store(&seen.sampled, 0);
    atomic_store(&seen.rooted, 0);
    atomic_store(&seen.marked, 0);
    atomic_store(&seen.truncated, 0);
    seen.last_lost_depth = 0;
    seen.marker = marker;
}

/* Interrupts this thread all the time, wherever it is: every 200 us, which is no multiple of anything it does. */
static timer_t start_sampling(clockid_t clock)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event._sigev_un._tid = gettid();
    timer_t timer;
    ASSERT(timer_create(clock, &event, &timer) == 0);
    struct itimerspec period = {{0, 200 * NS_PER_US}, {0, 200 * NS_PER_US}};
    ASSERT(timer_settime(timer, 0, &period, NULL) == 0);
    return timer;
}

static void print_lost(const char *name)
{
    print_message("%s: %u of %u reached the root; the last one lost:\n", name, seen.rooted, seen.sampled);
    for (unsigned i = 0; i < seen.last_lost_depth; i++) {
        Dl_info info = {0};
        dladdr((void *)seen.last_lost[i], &info);
        print_message("  %#zx %s+%#zx %s\n", (size_t)seen.last_lost[i], info.dli_fname,
                      (size_t)(seen.last_lost[i] - (uintptr_t)info.dli_fbase), info.dli_sname);
    }
}

/* --- workloads: each runs for a few microseconds --- */

static volatile unsigned sink;

NOINLINE static unsigned recurse(unsigned depth)
{
    unsigned result = depth == 0 ? sink : recurse(depth - 1) * 31 + depth;
    sink = result;
    return result;
}
static void deep_recursion(void)
{
    recurse(100);
}

static int compare_numbers(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}
static void callback_through_libc(void)
{
    int numbers[64];
    for (int i = 0; i < 64; i++)
        numbers[i] = i * 7919 % 64;
    qsort(numbers, 64, sizeof *numbers, compare_numbers);
    sink = (unsigned)numbers[0];
}

static void assembly_in_libc(void)
{
    static char text[4096], copy[4096];
    memset(text, 'x', sizeof text - 1);
    memcpy(copy, text, sizeof text - (sink & 1));
    sink = (unsigned)strlen(copy);
}

static void compression(void)
{
    static unsigned char text[2048], packed[4096];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * i >> 3);
    uLongf size = sizeof packed;
    compress(packed, &size, text, sizeof text);
    sink = (unsigned)size;
}

static void formatting(void)
{
    char text[128];
    sink = (unsigned)snprintf(text, sizeof text, "%d %s %.17g %Lf", 42, "text", 1.0 / 3 + sink, 2.5L);
}

static void clock_in_the_vdso(void)
{
    struct timespec now;
    for (int i = 0; i < 64; i++)
        clock_gettime(CLOCK_MONOTONIC, &now);
    sink = (unsigned)now.tv_nsec;
}

static void memory_and_system_calls(void)
{
    void *memory = malloc(1000 + sink % 8);
    sink = (unsigned)getppid() + (memory != NULL);
    free(memory);
}

static void nothing(void *argument)
{
    (void)argument;
}
static void *thread_of_nothing(void *argument)
{
    nothing(argument);
    return NULL;
}
static void thread_churn(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_of_nothing, NULL) == 0)
        pthread_join(thread, NULL);
}

NOINLINE static void sample_while(void (*workload)(void), clockid_t clock, unsigned samples)
{
    /* A function's first call goes through the loader's resolver, whose frame hangs on rbx: the one known hole. */
    workload();
    forget_samples((uintptr_t)sample_while);
    timer_t timer = start_sampling(clock);
    while (atomic_load(&seen.sampled) < samples)
        workload();
    timer_delete(timer);
}

static const struct {
    const char *name;
    void (*run)(void);
} workloads[] = {
    {"deep recursion", deep_recursion},
    {"callback through libc", callback_through_libc},
    {"assembly in libc", assembly_in_libc},
    {"zlib", compression},
    {"snprintf", formatting},
    {"vdso", clock_in_the_vdso},
    {"malloc and system calls", memory_and_system_calls},
    {"thread churn", thread_churn},
};

static bool all_rooted(const char *name)
{
    bool all = seen.rooted == seen.sampled && seen.marked == seen.sampled;
    if (!all && !SIGNALS_ARE_LATE)
        print_lost(name);
    return all || SIGNALS_ARE_LATE;
}

/* How many workloads had a sample that did not reach the root, or not through the workload. */
static unsigned run_all_workloads(void)
{
    unsigned failed = 0;
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        sample_while(workloads[i].run, CLOCK_MONOTONIC, SAMPLES);
        failed += !all_rooted(workloads[i].name);
    }
    return failed;
}

static void samples_of_the_main_thread_reach_the_root(void **state)
{
    (void)state;
    assert_int_equal(run_all_workloads(), 0);
}

static void *run_on_a_thread(void *failed)
{
    stack_high = (uintptr_t)pthread_self(); /* glibc puts the thread's descriptor at the top of its stack */
    *(unsigned *)failed = run_all_workloads();
    return NULL;
}

static void samples_of_another_thread_reach_the_root(void **state)
{
    (void)state;
    unsigned failed = UINT32_MAX;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_on_a_thread, &failed), 0);
    pthread_join(thread, NULL);
    assert_int_equal(failed, 0);
}

/* The sampler's own clock; the kernel's tick limits it to a few hundred samples a second. */
static void cpu_timer_samples_reach_the_root(void **state)
{
    (void)state;
    sample_while(compression, CLOCK_THREAD_CPUTIME_ID, 5);
    assert_true(all_rooted("CPU timer"));
}

/* --- signal in signal --- */

static void work_in_handler(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
    for (unsigned i = 0; i < 20; i++)
        formatting();
}

static void interrupt_myself(void)
{
    tgkill(getpid(), gettid(), SIGUSR2);
}

static void samples_inside_a_signal_handler_reach_the_root(void **state)
{
    (void)state;
    if (SIGNALS_ARE_LATE)
        skip();
    listen_to(SIGUSR2, work_in_handler);
    sample_while(interrupt_myself, CLOCK_MONOTONIC, SAMPLES);
    assert_true(all_rooted("nested signal"));
}

/* --- outside of signals: the same stack as glibc's unwinder --- */

NOINLINE static bool same_as_backtrace(void)
{
    ucontext_t context;
    getcontext(&context);
    const greg_t *registers = context.uc_mcontext.gregs;
    struct unwind_start start = {
        .pc = (uintptr_t)registers[REG_RIP],
        .stack_pointer = (uintptr_t)registers[REG_RSP],
        .frame_pointer = (uintptr_t)registers[REG_RBP],
        .stack_high = stack_high,
        .pc_is_return_address = true,
    };
    uintptr_t pcs[UNWIND_DEPTH_MAX];
    void *expected[UNWIND_DEPTH_MAX];
    unsigned depth;
    int expected_depth = backtrace(expected, UNWIND_DEPTH_MAX);
    enum unwind_end end = unwind_walk(unwinder, &start, pcs, UNWIND_DEPTH_MAX, &depth);
    /* A sanitizer that intercepts backtrace may add frames of its own below ours. */
    int skipped = expected_depth - (int)depth;
    if (end != UNWIND_ROOT || skipped < 0 || depth < 5)
        return false;
    for (unsigned i = 1; i < depth; i++) { /* this function's own two addresses differ */
        if (pcs[i] != (uintptr_t)expected[(int)i + skipped])
            return false;
    }
    return true;
}

static bool same_below_qsort;
static int compare_and_check_stack(const void *left, const void *right)
{
    same_below_qsort = same_as_backtrace();
    return compare_numbers(left, right);
}

NOINLINE static bool same_below_recursion(unsigned depth)
{
    bool same = depth == 0 ? same_as_backtrace() : same_below_recursion(depth - 1);
    sink++;
    return same;
}

static void *compare_on_a_thread(void *same)
{
    stack_high = (uintptr_t)pthread_self();
    *(bool *)same = same_below_recursion(20);
    return NULL;
}

static void stack_is_the_one_that_glibc_sees(void **state)
{
    (void)state;
    assert_true(same_as_backtrace());
    assert_true(same_below_recursion(40));
    int numbers[] = {3, 1, 2};
    qsort(numbers, ARRAY_COUNT(numbers), sizeof *numbers, compare_and_check_stack);
    assert_true(same_below_qsort);
    bool same_on_a_thread = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, compare_on_a_thread, &same_on_a_thread), 0);
    pthread_join(thread, NULL);
    assert_true(same_on_a_thread);
}

/* --- frames of a kind: a task's entry, an aligned stack, a context switch --- */

/* The caller's frame, as it is on return. */
NOINLINE static struct unwind_start own_frame(uintptr_t *pc_of_caller)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    *pc_of_caller = frame[1];
    return (struct unwind_start){.pc = frame[1],
                                 .stack_pointer = (uintptr_t)(frame + 2),
                                 .frame_pointer = frame[0],
                                 .stack_high = stack_high,
                                 .pc_is_return_address = true};
}

static uintptr_t pc_in_entry; /* an address whose frame is a root */

NOINLINE static unsigned walk_from_entry(uintptr_t *pcs, unsigned capacity, enum unwind_end *end)
{
    uintptr_t pc;
    struct unwind_start start = own_frame(&pc);
    unsigned depth;
    *end = unwind_walk(unwinder, &start, pcs, capacity, &depth);
    return depth;
}

/* As a task's entry function begins. */
NOINLINE static unsigned task_entry(uintptr_t *pcs, unsigned capacity, enum unwind_end *end)
{
    __asm__ volatile(".cfi_undefined rip");
    unsigned depth = walk_from_entry(pcs, capacity, end);
    sink = depth;
    return depth;
}

static void task_entry_is_the_root(void **state)
{
    (void)state;
    uintptr_t pcs[UNWIND_DEPTH_MAX];
    enum unwind_end end;
    unsigned depth = task_entry(pcs, UNWIND_DEPTH_MAX, &end);
    assert_int_equal(end, UNWIND_ROOT);
    assert_int_equal(depth, 2);
    assert_true(holds(pcs, 1, (uintptr_t)walk_from_entry));
    assert_true(holds(pcs + 1, 1, (uintptr_t)task_entry));
}

/* gcc aligns this stack by way of another register, and then finds its frame through a pointer that it keeps. */
NOINLINE static enum unwind_end walk_from_aligned_stack(unsigned size, uintptr_t *pcs, unsigned *depth)
{
    _Alignas(64) volatile unsigned char aligned[128];
    volatile unsigned char *more = alloca(size);
    uintptr_t pc;
    aligned[0] = more[0] = 1;
    struct unwind_start start = own_frame(&pc);
    start.pc_is_return_address = false; /* as if interrupted here: by rule, not by frame pointer */
    enum unwind_end end = unwind_walk(unwinder, &start, pcs, UNWIND_DEPTH_MAX, depth);
    sink += aligned[0] + more[0];
    return end;
}

static void stack_that_was_aligned_anew_is_walked(void **state)
{
    (void)state;
    uintptr_t pcs[UNWIND_DEPTH_MAX];
    unsigned depth;
    assert_int_equal(walk_from_aligned_stack(40, pcs, &depth), UNWIND_ROOT);
    assert_true(holds(pcs, 1, (uintptr_t)walk_from_aligned_stack));
    assert_true(holds(pcs + 1, 1, (uintptr_t)stack_that_was_aligned_anew_is_walked));
}

/* Moves to another stack and spins there, without unwind data, like a context switch. */
void bare_switch(atomic_uint *counter, unsigned until, void *stack_top);
__asm__(".text\n"
        ".p2align 6\n"
        ".skip 32, 0xcc\n"
        ".globl bare_switch\n"
        ".type bare_switch, @function\n"
        "bare_switch:\n"
        "  movq %rsp, %rax\n"
        "  movq %rdx, %rsp\n"
        "1: pause\n"
        "  cmpl %esi, (%rdi)\n"
        "  jb 1b\n"
        "  movq %rax, %rsp\n"
        "  ret\n"
        ".size bare_switch, . - bare_switch\n"
        ".skip 32, 0xcc\n");

NOINLINE static void switch_away(unsigned samples)
{
    static _Alignas(16) unsigned char other_stack[64 * 1024];
    switch_frame = (uintptr_t)__builtin_frame_address(0);
    bare_switch(&seen.sampled, samples, other_stack + sizeof other_stack);
    switch_frame = 0;
}

static void sample_in_a_context_switch_goes_on_from_its_frame(void **state)
{
    (void)state;
    if (SIGNALS_ARE_LATE)
        skip();
    forget_samples((uintptr_t)sample_in_a_context_switch_goes_on_from_its_frame);
    timer_t timer = start_sampling(CLOCK_MONOTONIC);
    switch_away(SAMPLES);
    timer_delete(timer);
    assert_true(all_rooted("context switch"));
    assert_true(seen.sampled >= SAMPLES);
}

/* --- limits --- */

static void walk_ends_where_the_room_does(void **state)
{
    (void)state;
    uintptr_t pcs[4] = {0}, pc;
    struct unwind_start start = own_frame(&pc);
    unsigned depth = 9;
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 3, &depth), UNWIND_TRUNCATED);
    assert_int_equal(depth, 3);
    assert_int_equal(pcs[0], pc);
    assert_int_equal(pcs[3], 0);
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 0, &depth), UNWIND_TRUNCATED);
    assert_int_equal(depth, 0);
}

static void nothing_beyond_the_bounds_is_read(void **state)
{
    (void)state;
    uintptr_t pcs[8], pc;
    unsigned depth;
    struct unwind_start start = own_frame(&pc);
    uintptr_t bounds[] = {0, 1, 7, start.stack_pointer - 8, start.stack_pointer, start.stack_pointer + 7};
    for (size_t i = 0; i < ARRAY_COUNT(bounds); i++) {
        start.stack_high = bounds[i];
        assert_int_equal(unwind_walk(unwinder, &start, pcs, 8, &depth), UNWIND_LOST);
        assert_int_equal(depth, 1);
    }
}

static void switch_frame_is_believed_only_within_its_bounds(void **state)
{
    (void)state;
    uintptr_t stack[4] = {0, pc_in_entry, 0, 0}, pcs[8];
    uintptr_t frame = (uintptr_t)stack;
    unsigned depth;
    struct unwind_start start = {.pc = (uintptr_t)bare_switch + 8, .switch_frame = frame};
    start.switch_low = frame;
    start.switch_high = frame + sizeof stack;
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 8, &depth), UNWIND_ROOT);
    assert_int_equal(depth, 2);
    assert_int_equal(pcs[1], pc_in_entry);
    start.switch_low = frame + 8;
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 8, &depth), UNWIND_LOST);
    start.switch_low = frame;
    start.switch_high = frame + 15;
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 8, &depth), UNWIND_LOST);
    start.switch_frame = 0;
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 8, &depth), UNWIND_LOST);
    assert_int_equal(depth, 1);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 17;
}

/* Every step must rise, whatever the words say; a read outside of the array would be AddressSanitizer's. */
static void junk_on_the_stack_leads_nowhere(void **state)
{
    (void)state;
    const uintptr_t texts[] = {(uintptr_t)junk_on_the_stack_leads_nowhere, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort"),
                               (uintptr_t)dlsym(RTLD_DEFAULT, "vfprintf"), (uintptr_t)compress};
    size_t words = 256;
    uintptr_t *stack = malloc(words * sizeof *stack);
    uintptr_t pcs[UNWIND_DEPTH_MAX];
    uint64_t seed = 1;
    unsigned deepest = 0;
    for (unsigned round = 0; round < 20000; round++) {
        for (size_t i = 0; i < words; i++) {
            uint64_t random = next_random(&seed);
            if (random % 8 < 5)
                stack[i] = texts[random / 8 % ARRAY_COUNT(texts)] + random / 64 % 65536;
            else if (random % 8 < 7)
                stack[i] = (uintptr_t)stack + random / 8 % (words * sizeof *stack);
            else
                stack[i] = random << (random % 17);
        }
        struct unwind_start start = {
            .pc = stack[next_random(&seed) % words],
            .stack_pointer = (uintptr_t)(stack + next_random(&seed) % words),
            .frame_pointer = (uintptr_t)stack + next_random(&seed) % (words * sizeof *stack),
            .stack_high = (uintptr_t)(stack + words),
            .pc_is_return_address = round % 2,
        };
        unsigned depth;
        enum unwind_end end = unwind_walk(unwinder, &start, pcs, UNWIND_DEPTH_MAX, &depth);
        assert_in_range(end, UNWIND_ROOT, UNWIND_LOST);
        assert_in_range(depth, 1, UNWIND_DEPTH_MAX);
        deepest = depth > deepest ? depth : deepest;
    }
    free(stack);
    assert_true(deepest > 3);
}

/* --- loading and unloading --- */

#define CHURN_LIBRARY "libyaml-0.so.2"

static void refresh_picks_up_loaded_objects(void **state)
{
    (void)state;
    unwinder_refresh(unwinder);
    assert_false(unwinder_refresh(unwinder));
    struct unwind_stats before = unwinder_stats(unwinder);
    void *library = dlopen(CHURN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        skip();
    /* As if interrupted at the first instruction of one of its functions. */
    uintptr_t stack[2] = {pc_in_entry, 0}, pcs[4];
    unsigned depth;
    struct unwind_start start = {.pc = (uintptr_t)dlsym(library, "yaml_parser_parse"),
                                 .stack_pointer = (uintptr_t)stack,
                                 .stack_high = (uintptr_t)(stack + 2)};
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 4, &depth), UNWIND_LOST);
    assert_true(unwinder_refresh(unwinder));
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 4, &depth), UNWIND_ROOT);
    assert_int_equal(depth, 2);
    struct unwind_stats with = unwinder_stats(unwinder);
    assert_int_equal(with.module_count, before.module_count + 1);
    assert_true(with.row_count > before.row_count && with.function_count > before.function_count);
    dlclose(library);
    assert_true(unwinder_refresh(unwinder));
    assert_int_equal(unwind_walk(unwinder, &start, pcs, 4, &depth), UNWIND_LOST);
    assert_int_equal(unwinder_stats(unwinder).row_count, before.row_count);
}

static void *churn(void *argument)
{
    atomic_uint *running = argument;
    for (unsigned i = 0; i < 100; i++) {
        void *library = dlopen(CHURN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
        unwinder_refresh(unwinder);
        if (library)
            dlclose(library);
        unwinder_refresh(unwinder);
    }
    atomic_fetch_sub(running, 1);
    return NULL;
}

static void walks_go_on_while_objects_come_and_go(void **state)
{
    (void)state;
    forget_samples((uintptr_t)walks_go_on_while_objects_come_and_go);
    pthread_t churners[2];
    atomic_uint running = ARRAY_COUNT(churners);
    compression();
    timer_t timer = start_sampling(CLOCK_MONOTONIC);
    for (size_t i = 0; i < ARRAY_COUNT(churners); i++)
        assert_int_equal(pthread_create(&churners[i], NULL, churn, &running), 0);
    while (atomic_load(&running) > 0 || atomic_load(&seen.sampled) < SAMPLES) {
        compression();
        callback_through_libc();
    }
    timer_delete(timer);
    for (size_t i = 0; i < ARRAY_COUNT(churners); i++)
        pthread_join(churners[i], NULL);
    assert_true(all_rooted("churn"));
}

static int create(void **state)
{
    (void)state;
    stack_high = (uintptr_t)__libc_stack_end;
    unwinder = unwinder_create();
    listen_to(SIGPROF, sample);
    uintptr_t pcs[2] = {0};
    enum unwind_end end;
    task_entry(pcs, 2, &end);
    pc_in_entry = pcs[1];
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    signal(SIGPROF, SIG_IGN);
    unwinder_destroy(unwinder);
    unwinder_destroy(NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_the_main_thread_reach_the_root),
        cmocka_unit_test(samples_of_another_thread_reach_the_root),
        cmocka_unit_test(cpu_timer_samples_reach_the_root),
        cmocka_unit_test(samples_inside_a_signal_handler_reach_the_root),
        cmocka_unit_test(stack_is_the_one_that_glibc_sees),
        cmocka_unit_test(task_entry_is_the_root),
        cmocka_unit_test(stack_that_was_aligned_anew_is_walked),
        cmocka_unit_test(sample_in_a_context_switch_goes_on_from_its_frame),
        cmocka_unit_test(walk_ends_where_the_room_does),
        cmocka_unit_test(nothing_beyond_the_bounds_is_read),
        cmocka_unit_test(switch_frame_is_believed_only_within_its_bounds),
        cmocka_unit_test(junk_on_the_stack_leads_nowhere),
        cmocka_unit_test(refresh_picks_up_loaded_objects),
        cmocka_unit_test(walks_go_on_while_objects_come_and_go),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
