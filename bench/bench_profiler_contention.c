/* bench_profiler_contention.c: what the block and mutex profiles cost: one event, and locks with all of it on.
 *
 * Arms take turns in each round; a ratio is the median over the rounds of two arms' ratio in one round. An arm beside
 * itself says how much of that is noise. */
#include "base/clock.h"
#include "base/probe.h"
#include "lock_bench.h"
#include "median.h"
#include "profiler/capture.h"
#include "profiler/contention.h"
#include "profiler/stack_table.h"
#include "profiler/symbols.h"
#include "profiler/type.h"
#include "profiler/unwind.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVENT_ROUNDS 11
#define ROUNDS 41
#define CREW_MAX 32

/* The defaults of profiler.block_rate and profiler.mutex_fraction. */
#define BLOCK_RATE_NS 10000
#define MUTEX_FRACTION 1

/* --- one event --- */

static void wait_passed(uint64_t i)
{
    probe_sink_now()->waited("mutex lock", i, i + 100); /* 100 ns, where one in an hour is wanted */
}

static void delay_passed(uint64_t i)
{
    (void)i;
    probe_sink_now()->delayed("mutex lock", 100);
}

static void wait_cut(uint64_t i)
{
    (void)i;
    probe_sink_now()->waited("mutex lock", 1000, 1100);
}

/* Their times say that they are far apart, so each is recorded. */
static void wait_far_apart(const char *reason)
{
    static uint64_t now_ns;
    now_ns = (now_ns ? now_ns : clock_monotonic_ns()) + 20 * NS_PER_MS;
    probe_sink_now()->waited(reason, now_ns - 100, now_ns);
}

static void wait_recorded(uint64_t i)
{
    (void)i;
    wait_far_apart("mutex lock");
}

static const struct event_cost {
    const char *what;
    void (*run)(uint64_t i);
    int64_t block_rate_ns, mutex_fraction;
    uint64_t count;
} event_costs[] = {
    {"a wait that is not chosen", wait_passed, 3600 * (int64_t)NS_PER_S, 0, 200000},
    {"a delay that is not chosen", delay_passed, 0, 1000000000, 200000},
    {"a wait that is beyond the budget", wait_cut, 1, 0, 200000},
    {"a wait that is recorded, 24 frames", wait_recorded, 1, 0, 5000},
};

static NOINLINE void dive(unsigned depth, const struct event_cost *cost)
{
    if (depth > 0)
        dive(depth - 1, cost);
    else
        for (uint64_t i = 0; i < cost->count; i++)
            cost->run(i);
    __asm__ volatile("" ::: "memory"); /* no loop instead of the recursion */
}

/* By the thread's own clock: others run on this machine. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void measure_event(const struct event_cost *cost)
{
    double ns[EVENT_ROUNDS];
    for (unsigned round = 0; round < EVENT_ROUNDS; round++) {
        contention_set_block_rate(cost->block_rate_ns);
        contention_set_mutex_fraction(cost->mutex_fraction);
        uint64_t start_ns = thread_cpu_ns();
        dive(20, cost);
        ns[round] = (double)(thread_cpu_ns() - start_ns) / (double)cost->count;
        contention_set_block_rate(0);
        contention_set_mutex_fraction(0);
    }
    printf("  %-36s %9.1f ns\n", cost->what, median(ns, EVENT_ROUNDS));
}

/* --- locks --- */

/* Some tasks on one or two reactors that do the same. */
struct work {
    void (*section)(void);
    unsigned count; /* of each task */
    unsigned crew;
    atomic_uint ready, done;
    sem_t ended;
};

static void work_main(void *argument)
{
    struct work *work = argument;
    atomic_fetch_add(&work->ready, 1);
    while (atomic_load(&work->ready) < work->crew)
        task_yield();
    for (unsigned i = 0; i < work->count; i++)
        work->section();
    if (atomic_fetch_add(&work->done, 1) + 1 == work->crew)
        sem_post(&work->ended);
}

struct reading {
    uint64_t cpu_ns;
    sem_t done;
};

static void read_clock(void *argument)
{
    struct reading *reading = argument;
    reading->cpu_ns += thread_cpu_ns();
    sem_post(&reading->done);
}

/* What the reactors' threads have used, each by its own clock. */
static uint64_t reactors_cpu_ns(void)
{
    struct reading reading = {0};
    sem_init(&reading.done, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        ASSERT(reactor_spawn(reactors[i], "clock", read_clock, &reading) == 0);
        sem_wait(&reading.done);
    }
    sem_destroy(&reading.done);
    return reading.cpu_ns;
}

/* CPU time for each lock. */
static double run_crew(void (*section)(void), unsigned reactor_count, unsigned crew, unsigned count)
{
    struct work work = {.section = section, .count = count / crew, .crew = crew};
    sem_init(&work.ended, 0, 0);
    uint64_t before_ns = reactors_cpu_ns();
    for (unsigned i = 0; i < crew; i++)
        ASSERT(reactor_spawn(reactors[i % reactor_count], "crew", work_main, &work) == 0);
    sem_wait(&work.ended);
    sem_destroy(&work.ended);
    return (double)(reactors_cpu_ns() - before_ns) / (work.count * crew);
}

static void free_section(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        task_mutex_lock(&task_lock);
        task_mutex_unlock(&task_lock);
    }
}

static void short_section(void)
{
    task_mutex_lock(&task_lock);
    add(20);
    task_mutex_unlock(&task_lock);
}

static const struct {
    const char *name;
    int64_t block_rate_ns, mutex_fraction;
    const struct probe_sink *sink; /* instead of the profiler's */
} arms[] = {
    {"off", 0, 0, NULL},
    {"off again", 0, 0, NULL},
    {"an empty sink", 0, 0, &empty_sink},
    {"on, at the default rates", BLOCK_RATE_NS, MUTEX_FRACTION, NULL},
};
#define ARM_COUNT ARRAY_COUNT(arms)

static const struct contest {
    const char *name;
    void (*section)(void);
    unsigned reactor_count, crew, count, repeats; /* repeats: locks in one section */
    double goal;                                  /* at the default rates; 0: none */
} contests[] = {
    {"uncontended", free_section, 1, 1, 200, 1000, 1.01},
    {"two reactors, a task each, 20 additions inside", short_section, 2, 2, 100000, 1, 1.03},
    {"two reactors, 32 tasks, holders park", parking_section, 2, CREW_MAX, 32000, 1, 0},
};

static double run_arm(const struct contest *contest, unsigned arm)
{
    contention_set_block_rate(arms[arm].block_rate_ns);
    contention_set_mutex_fraction(arms[arm].mutex_fraction);
    if (arms[arm].sink)
        atomic_store(&probe_sink, arms[arm].sink);
    double ns = run_crew(contest->section, contest->reactor_count, contest->crew, contest->count) / contest->repeats;
    contention_set_block_rate(0);
    contention_set_mutex_fraction(0);
    return ns;
}

static void run_contest(const struct contest *contest)
{
    static double ns[ARM_COUNT][ROUNDS], ratios[ARM_COUNT][ROUNDS];
    struct contention_total waits = contention_total(CONTENTION_BLOCK);
    /* Each round begins with another arm, so that none always follows the same one. */
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < ARM_COUNT; i++) {
            unsigned arm = (round + i) % ARM_COUNT;
            ns[arm][round] = run_arm(contest, arm);
        }
    uint64_t locks = (uint64_t)ROUNDS * contest->count * contest->repeats; /* with the profiler on */
    printf("%s: %.4f waits a lock\n", contest->name,
           (double)(contention_total(CONTENTION_BLOCK).count - waits.count) / (double)locks);
    for (unsigned arm = 0; arm < ARM_COUNT; arm++)
        for (unsigned round = 0; round < ROUNDS; round++)
            ratios[arm][round] = ns[arm][round] / ns[0][round];
    for (unsigned arm = 0; arm < ARM_COUNT; arm++) {
        printf("  %-26s %9.1f ns   x%.3f", arms[arm].name, median(ns[arm], ROUNDS), median(ratios[arm], ROUNDS));
        if (arms[arm].block_rate_ns == BLOCK_RATE_NS && contest->goal > 0)
            printf("   goal <= %.2f", contest->goal);
        printf("\n");
    }
}

static void measure_reading(void)
{
    static const char reasons[16000]; /* each address is another reason */
    contention_set_block_rate(1);
    for (unsigned i = 0; i < sizeof reasons; i++)
        wait_far_apart(&reasons[i]);
    contention_set_block_rate(0);
    struct stack_table *stacks = stack_table_create(2);
    uint64_t start_ns = clock_monotonic_ns();
    contention_collect(CONTENTION_BLOCK, stacks);
    printf("reading %zu stacks: %.1f us, and nobody waits for it\n", stack_table_count(stacks),
           (double)(clock_monotonic_ns() - start_ns) / (double)NS_PER_US);
    stack_table_destroy(stacks);
}

int main(void)
{
    struct unwinder *unwinder = unwinder_create();
    struct symbols *symbols = symbols_create();
    capture_install(unwinder, symbols);
    start_reactors();
    for (unsigned i = 0; i < ARRAY_COUNT(contests); i++)
        run_contest(&contests[i]);
    /* After them, as what follows makes up times that are yet to come. */
    printf("one event\n");
    for (unsigned i = 0; i < ARRAY_COUNT(event_costs); i++)
        measure_event(&event_costs[i]);
    measure_reading();
    end_reactors();
    capture_remove();
    symbols_destroy(symbols);
    unwinder_destroy(unwinder);
    return 0;
}
