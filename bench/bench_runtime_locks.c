/* bench_runtime_locks.c: what a task_mutex costs beside a pthread_mutex, and what a probe sink adds.
 *
 * All arms take turns in each round; a ratio is the median over the rounds of two arms' ratio in one round. An arm
 * beside itself says how much of that is noise. The sink is empty: the profiler's own cost is measured with it. */
#include "base/check.h"
#include "base/clock.h"
#include "base/probe.h"
#include "lock_bench.h"
#include "median.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#define ROUNDS 41
#define CREW_MAX 32

/* Some tasks on one or two reactors that do the same, and the time until the last is done. */
struct work {
    void (*section)(void);
    unsigned count; /* of each task */
    atomic_uint ready, done;
    unsigned crew;
    _Atomic uint64_t start_ns;
    uint64_t end_ns;
    sem_t ended;
};

static pthread_mutex_t thread_lock = PTHREAD_MUTEX_INITIALIZER;

static void work_end(struct work *work)
{
    work->end_ns = clock_monotonic_ns();
    sem_post(&work->ended);
}

static void work_main(void *argument)
{
    struct work *work = argument;
    /* The last to come starts all. */
    if (atomic_fetch_add(&work->ready, 1) + 1 == work->crew)
        atomic_store(&work->start_ns, clock_monotonic_ns());
    while (atomic_load(&work->start_ns) == 0)
        task_yield();
    for (unsigned i = 0; i < work->count; i++)
        work->section();
    if (atomic_fetch_add(&work->done, 1) + 1 == work->crew)
        work_end(work);
}

static double run_crew(void (*section)(void), unsigned reactor_count, unsigned crew, unsigned count)
{
    struct work work = {.section = section, .count = count / crew, .crew = crew};
    sem_init(&work.ended, 0, 0);
    for (unsigned i = 0; i < crew; i++)
        ASSERT(reactor_spawn(reactors[i % reactor_count], "crew", work_main, &work) == 0);
    sem_wait(&work.ended);
    sem_destroy(&work.ended);
    return (double)(work.end_ns - atomic_load(&work.start_ns)) / (work.count * crew);
}

/* Uncontended, with the loop inside: a call by pointer costs as much as what is measured. */

static void task_lock_loop(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        task_mutex_lock(&task_lock);
        task_mutex_unlock(&task_lock);
    }
}

static void thread_lock_loop(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        pthread_mutex_lock(&thread_lock);
        pthread_mutex_unlock(&thread_lock);
    }
}

/* Contended: some twenty additions inside, a few outside. */

static inline void add_outside(void)
{
    unsigned long own = 0;
    for (unsigned i = 0; i < 20; i++) {
        own += i;
        __asm__ volatile("" : "+r"(own));
    }
}

static void task_section(void)
{
    task_mutex_lock(&task_lock);
    add(20);
    task_mutex_unlock(&task_lock);
    add_outside();
}

static void thread_section(void)
{
    pthread_mutex_lock(&thread_lock);
    add(20);
    pthread_mutex_unlock(&thread_lock);
    add_outside();
}

struct arm {
    const char *name;
    void (*section)(void);
    bool sink_on;
    double ns[ROUNDS];
};

struct ratio {
    unsigned over, under; /* arms */
    double goal;          /* 0: none */
};

#define ARMS_MAX 5
#define RATIOS_MAX 3

static struct contest {
    const char *name;
    unsigned reactor_count, crew, count, repeats; /* repeats: locks in one section */
    struct arm arms[ARMS_MAX];
    struct ratio ratios[RATIOS_MAX];
} contests[] = {
    {"uncontended", 1, 1, 200, 1000,
     {{.name = "pthread_mutex", .section = thread_lock_loop},
      {.name = "pthread_mutex again", .section = thread_lock_loop},
      {.name = "task_mutex, sink off", .section = task_lock_loop},
      {.name = "sink off again", .section = task_lock_loop},
      {.name = "sink on", .section = task_lock_loop, .sink_on = true}},
     {{1, 0, 0}, {2, 0, 0.9}, {4, 2, 1.01}}},
    {"two reactors, a task each", 2, 2, 100000, 1,
     {{.name = "pthread_mutex", .section = thread_section},
      {.name = "task_mutex, sink off", .section = task_section},
      {.name = "sink off again", .section = task_section},
      {.name = "sink on", .section = task_section, .sink_on = true}},
     {{1, 0, 0}, {2, 1, 0}, {3, 1, 1.03}}},
    {"two reactors, 32 tasks, holders park", 2, CREW_MAX, 32000, 1,
     {{.name = "task_mutex, sink off", .section = parking_section},
      {.name = "sink off again", .section = parking_section},
      {.name = "sink on", .section = parking_section, .sink_on = true}},
     {{1, 0, 0}, {2, 0, 0}}},
};

static void run_arm(const struct contest *contest, struct arm *arm, unsigned round)
{
    atomic_store(&probe_sink, arm->sink_on ? &empty_sink : NULL);
    arm->ns[round] = run_crew(arm->section, contest->reactor_count, contest->crew, contest->count) / contest->repeats;
    atomic_store(&probe_sink, NULL);
}

static void run_contest(struct contest *contest)
{
    unsigned arm_count = 0;
    while (arm_count < ARMS_MAX && contest->arms[arm_count].name)
        arm_count++;
    /* Each round begins with another arm, so that none always follows the same one. */
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < arm_count; i++)
            run_arm(contest, &contest->arms[(round + i) % arm_count], round);

    printf("%s\n", contest->name);
    for (unsigned i = 0; i < arm_count; i++)
        printf("  %-24s %9.1f ns\n", contest->arms[i].name, median(contest->arms[i].ns, ROUNDS));
    for (unsigned i = 0; i < RATIOS_MAX && contest->ratios[i].over; i++) {
        const struct ratio *ratio = &contest->ratios[i];
        const struct arm *over = &contest->arms[ratio->over], *under = &contest->arms[ratio->under];
        double ratios[ROUNDS];
        for (unsigned round = 0; round < ROUNDS; round++)
            ratios[round] = over->ns[round] / under->ns[round];
        printf("  %-20s / %-24s x%.3f", over->name, under->name, median(ratios, ROUNDS));
        if (ratio->goal > 0)
            printf("   goal <= %.2f", ratio->goal);
        printf("\n");
    }
}

int main(void)
{
    start_reactors();
    for (unsigned i = 0; i < ARRAY_COUNT(contests); i++)
        run_contest(&contests[i]);
    end_reactors();
    return 0;
}
