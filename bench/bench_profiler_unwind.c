/* bench_profiler_unwind.c: our walk beside libunwind's unw_backtrace on the very same samples.
 *
 * The workload is hard on unwinders: half of the iterations run under a libuv callback, all of them in leaves of
 * libc, zlib and the vdso that have no frame pointers, below 22 frames of our own. A timer's signal interrupts it, and
 * in the handler both walkers walk that one stack, in an order that rotates. Whoever comes first finds the
 * caches as the workload left them. */
#define UNW_LOCAL_ONLY
#include "profiler/unwind.h"

#include "base/clock.h"

#include <libunwind.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>

#define SAMPLES 8000
#define SAMPLE_INTERVAL_NS (250 * NS_PER_US)

extern void *__libc_stack_end; /* ld.so's: where the main thread's stack began */

enum walker { OURS, UNW_BACKTRACE, WALKER_COUNT };

static struct unwinder *unwinder;
static volatile unsigned sample_count, root_count, frame_count, sink;
static uint32_t first_ns[WALKER_COUNT][SAMPLES], later_ns[WALKER_COUNT][SAMPLES];
static unsigned first_count[WALKER_COUNT], later_count[WALKER_COUNT];

static void walk_ours(const ucontext_t *context)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    struct unwind_start start = {
        .pc = (uintptr_t)registers[REG_RIP],
        .stack_pointer = (uintptr_t)registers[REG_RSP],
        .frame_pointer = (uintptr_t)registers[REG_RBP],
        .stack_high = (uintptr_t)__libc_stack_end,
    };
    uintptr_t pcs[UNWIND_DEPTH_MAX];
    unsigned depth;
    enum unwind_end end = unwind_walk(unwinder, &start, pcs, UNWIND_DEPTH_MAX, &depth);
    root_count += end == UNWIND_ROOT;
    frame_count += depth;
}

static uint32_t measure(enum walker walker, const ucontext_t *context)
{
    void *pcs[UNWIND_DEPTH_MAX];
    uint64_t start_ns = clock_monotonic_ns();
    if (walker == OURS)
        walk_ours(context);
    else
        unw_backtrace(pcs, UNWIND_DEPTH_MAX);
    return (uint32_t)(clock_monotonic_ns() - start_ns);
}

static void sample(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    if (sample_count == SAMPLES)
        return;
    enum walker first = sample_count % WALKER_COUNT, second = (first + 1) % WALKER_COUNT;
    first_ns[first][first_count[first]++] = measure(first, context);
    later_ns[second][later_count[second]++] = measure(second, context);
    sample_count++;
}

/* --- the workload --- */

static int compare_numbers(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

static void leaf(unsigned iteration)
{
    static unsigned char text[16384], packed[32768];
    static int numbers[256];
    char line[128];
    struct timespec now;
    uLongf size = sizeof packed;
    switch (iteration % 7) {
    case 0:
        for (unsigned i = 0; i < 20000; i++)
            sink = sink * 31 + i;
        break;
    case 1:
        for (unsigned i = 0; i < 256; i++)
            numbers[i] = (int)((i * 7919 + iteration) % 256);
        qsort(numbers, 256, sizeof *numbers, compare_numbers);
        break;
    case 2:
        for (unsigned i = 0; i < 20; i++)
            memcpy(packed, text, sizeof text - (sink & 1));
        break;
    case 3: sink += (unsigned)crc32(0, text, sizeof text); break;
    case 4:
        for (unsigned i = 0; i < 2048; i++)
            text[i] = (unsigned char)(i * i >> (iteration & 7));
        compress(packed, &size, text, 2048);
        break;
    case 5:
        for (unsigned i = 0; i < 20; i++)
            sink += (unsigned)snprintf(line, sizeof line, "%d %s %.17g", 42, "text", iteration / 3.0);
        break;
    case 6:
        for (unsigned i = 0; i < 300; i++)
            clock_gettime(CLOCK_MONOTONIC, &now);
        break;
    }
}

NOINLINE static void descend(unsigned depth, unsigned iteration)
{
    if (depth == 0)
        leaf(iteration);
    else
        descend(depth - 1, iteration);
    sink++;
}

static unsigned loop_iteration;
static void on_idle(uv_idle_t *idle)
{
    descend(22, loop_iteration);
    uv_idle_stop(idle);
}

static void run_workload(void)
{
    uv_loop_t loop;
    uv_idle_t idle;
    uv_loop_init(&loop);
    uv_idle_init(&loop, &idle);
    for (unsigned iteration = 0; sample_count < SAMPLES; iteration++) {
        loop_iteration = iteration;
        if (iteration / 7 % 2) {
            descend(22, iteration);
        } else {
            uv_idle_start(&idle, on_idle);
            uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
    uv_close((uv_handle_t *)&idle, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

/* --- figures --- */

static int by_value(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static double percentile(uint32_t *values, unsigned count, double fraction)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(unsigned)(fraction * (count - 1))];
}

/* What two clock readings in a row measure: it is taken off both walkers. */
static double clock_cost_ns(void)
{
    static uint32_t values[1001];
    for (unsigned i = 0; i < 1001; i++) {
        uint64_t start_ns = clock_monotonic_ns();
        values[i] = (uint32_t)(clock_monotonic_ns() - start_ns);
    }
    return percentile(values, 1001, 0.5);
}

static void print_pair(const char *name, uint32_t *ours, unsigned ours_count, uint32_t *theirs, unsigned theirs_count,
                       double fraction, const char *goal)
{
    double cost = clock_cost_ns();
    double us = percentile(ours, ours_count, fraction) - cost, them = percentile(theirs, theirs_count, fraction) - cost;
    printf("%-38s %8.0f ns  unw_backtrace %8.0f ns  ratio %.2f  %s\n", name, us, them, us / them, goal);
}

int main(void)
{
    unwinder = unwinder_create();
    double best_build_ms = 1e9;
    for (unsigned i = 0; i < 11; i++) {
        unwinder_destroy(unwinder);
        unwinder = unwinder_create();
        double ms = (double)unwinder_stats(unwinder).build_ns / NS_PER_MS;
        best_build_ms = ms < best_build_ms ? ms : best_build_ms;
    }
    struct unwind_stats stats = unwinder_stats(unwinder);

    struct sigaction action = {.sa_sigaction = sample, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event._sigev_un._tid = gettid();
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) {
        perror("timer_create");
        return 1;
    }
    struct itimerspec period = {{0, SAMPLE_INTERVAL_NS}, {0, SAMPLE_INTERVAL_NS}};
    timer_settime(timer, 0, &period, NULL);
    run_workload();
    timer_delete(timer);

    printf("%u objects, %u functions, %u rows\n", stats.module_count, stats.function_count, stats.row_count);
    printf("%-38s %8.0f KiB  goal <= 512\n", "table", (double)stats.table_bytes / 1024);
    printf("%-38s %8.2f ms   goal <= 5\n", "built in, best of 11", best_build_ms);
    printf("%-38s %8.3f %%    goal >= 99.9 (%u samples, %.1f frames)\n", "root reached",
           100.0 * root_count / sample_count, sample_count, (double)frame_count / sample_count);
    print_pair("walk, first on the sample, median", first_ns[OURS], first_count[OURS], first_ns[UNW_BACKTRACE],
               first_count[UNW_BACKTRACE], 0.5, "goal <= 0.50");
    print_pair("walk, second on the sample, median", later_ns[OURS], later_count[OURS], later_ns[UNW_BACKTRACE],
               later_count[UNW_BACKTRACE], 0.5, "goal <= 0.50");
    print_pair("walk, first on the sample, p99", first_ns[OURS], first_count[OURS], first_ns[UNW_BACKTRACE],
               first_count[UNW_BACKTRACE], 0.99, "");
    unwinder_destroy(unwinder);
    return 0;
}
