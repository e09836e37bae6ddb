/* bench_profiler_cpu.c: whether CPU profiles add up, what a sample costs, and how many stacks reach their root. */
#include "base/clock.h"
#include "base/mem.h"
#include "profiler/cpu.h"
#include "profiler/stack_table.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A window is this much CPU time, or what there was of it in so much time on a busy machine. */
#define WINDOW_CPU_NS (4 * NS_PER_S)
#define WINDOW_MAX_NS (8 * NS_PER_S)
#define THREAD_COUNT 2
#define DELIVERY_COUNT 20000

static atomic_bool stopping;
static volatile uint64_t sink;

static int compare_numbers(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* Some of each: our own code, libc with a callback into ours, libc alone, the vdso, system calls. */
static void work(unsigned round)
{
    int numbers[256];
    char text[256], copy[256];
    for (unsigned i = 0; i < 256; i++)
        numbers[i] = (int)((i * 2654435761u + round) >> 8);
    qsort(numbers, 256, sizeof numbers[0], compare_numbers);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "%u %g %s", round, (double)numbers[i], "formatted");
        memcpy(copy, text, sizeof copy);
        sink += (uint64_t)copy[i] + clock_monotonic_ns();
    }
    sink += (uint64_t)getppid();
}

static NOINLINE void dive(unsigned depth, unsigned round)
{
    if (depth == 0)
        work(round);
    else
        dive(depth - 1, round);
    sink++;
}

static void *run(void *argument)
{
    (void)argument;
    for (unsigned round = 0; !atomic_load(&stopping); round++)
        dive(20, round);
    return NULL;
}

static void measure_sum(struct cpu_sampler *sampler, int hz)
{
    struct stack_table *stacks = stack_table_create(2);
    struct cpu_reader *reader;
    uint64_t start_ns = clock_monotonic_ns(), cpu_start_ns = clock_process_cpu_ns(), cpu_ns = 0;
    if (cpu_reader_start(sampler, hz, stacks, &reader) < 0)
        abort();
    while (cpu_ns < WINDOW_CPU_NS && clock_monotonic_ns() - start_ns < WINDOW_MAX_NS) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * NS_PER_MS}, NULL);
        cpu_ns = clock_process_cpu_ns() - cpu_start_ns;
    }
    double error = 100.0 * ((double)cpu_reader_stop(reader).cpu_ns / (double)cpu_ns - 1.0);
    printf("samples against the process's CPU time at %3d Hz: %+.2f %% of %.2f s (goal: within 3 %%)\n", hz, error,
           (double)cpu_ns / (double)NS_PER_S);
    stack_table_destroy(stacks);
}

/* What the sampler's own thread takes while nothing else runs, in per cent of one CPU. */
static double poller_percent(struct cpu_sampler *sampler)
{
    struct stack_table *stacks = stack_table_create(2);
    struct cpu_reader *reader;
    if (cpu_reader_start(sampler, 100, stacks, &reader) < 0)
        abort();
    uint64_t start_ns = clock_monotonic_ns(), cpu_ns = clock_process_cpu_ns();
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    cpu_ns = clock_process_cpu_ns() - cpu_ns;
    double percent = 100.0 * (double)cpu_ns / (double)(clock_monotonic_ns() - start_ns);
    cpu_reader_stop(reader);
    stack_table_destroy(stacks);
    return percent;
}

static void ignore_signal(int signal_number)
{
    (void)signal_number;
}

/* A signal from the thread to itself, to an empty handler: what the kernel takes, and a system call beyond it. */
static double delivery_ns(void)
{
    struct sigaction action = {.sa_handler = ignore_signal};
    sigaction(SIGUSR1, &action, NULL);
    struct timespec start, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    for (int i = 0; i < DELIVERY_COUNT; i++)
        raise(SIGUSR1);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / DELIVERY_COUNT;
}

int main(void)
{
    struct unwinder *unwinder = unwinder_create();
    struct symbols *symbols = symbols_create();
    struct cpu_sampler *sampler = cpu_sampler_create(unwinder, symbols);
    pthread_t threads[THREAD_COUNT];
    for (int i = 0; i < THREAD_COUNT; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            return 1;

    static const int rates[] = {50, 100, 250};
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++)
        measure_sum(sampler, rates[i]);

    atomic_store(&stopping, true);
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);

    struct cpu_stats stats = cpu_sampler_stats(sampler);
    double samples = (double)stats.sample_count;
    double handler = (double)stats.handler_ns / samples, delivery = delivery_ns();
    double poller = poller_percent(sampler), percent = 100.0 * (handler + delivery) / 1e9 * 100.0;
    printf("one sample: %.0f ns in the handler + %.0f ns in the kernel; at 100 Hz %.4f %% of CPU, and the sampler's "
           "thread %.4f %% of one CPU: %.4f %% together (goal: 0.2 %%)\n",
           handler, delivery, percent, poller, percent + poller);
    printf("stacks that reach the root: %.2f %% of %.0f (goal: 99.9 %%); truncated %llu, lost %llu\n",
           100.0 * (1.0 - (double)stats.rootless_count / samples), samples, (unsigned long long)stats.truncated_count,
           (unsigned long long)stats.lost_count);
    cpu_sampler_destroy(sampler);
    symbols_destroy(symbols);
    unwinder_destroy(unwinder);
    return 0;
}
