/* bench_runtime_tasks.c: what tasks cost, each beside what threads pay for the same; medians of interleaved rounds. */
#include "base/check.h"
#include "base/clock.h"
#include "median.h"
#include "runtime/lock.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUNDS 11

static struct reactor *reactors[2];

/* Both arms of a comparison use the same two processors, or the kernel may put two threads on one and make their wakes
 * ten times as cheap. */
static void stay_on(unsigned cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    (void)pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus); /* with one processor only: stay there */
}

static void stay_on_task(void *argument)
{
    stay_on(*(unsigned *)argument);
}

/* Run a function as a task of the first reactor and wait for it. */
struct job {
    void (*run)(struct job *job);
    unsigned count;
    uint64_t elapsed_ns;
    sem_t done;
};

static void job_main(void *argument)
{
    struct job *job = argument;
    uint64_t start = clock_monotonic_ns();
    job->run(job);
    job->elapsed_ns = clock_monotonic_ns() - start;
    sem_post(&job->done);
}

static double in_task(void (*run)(struct job *job), unsigned count)
{
    struct job job = {.run = run, .count = count};
    sem_init(&job.done, 0, 0);
    ASSERT(reactor_spawn(reactors[0], "job", job_main, &job) == 0);
    sem_wait(&job.done);
    sem_destroy(&job.done);
    return (double)job.elapsed_ns / count;
}

/* Spawn, run, end. */

static void nothing(void *argument)
{
    (void)argument;
}

static void spawn_tasks(struct job *job)
{
    for (unsigned i = 0; i < job->count; i++) {
        ASSERT(task_spawn("short", nothing, NULL) != NULL);
        task_yield();
    }
}

static double spawn_task(unsigned count)
{
    return in_task(spawn_tasks, count);
}

static void *thread_nothing(void *argument)
{
    return argument;
}

static double spawn_thread(unsigned count)
{
    uint64_t start = clock_monotonic_ns();
    for (unsigned i = 0; i < count; i++) {
        pthread_t thread;
        ASSERT(pthread_create(&thread, NULL, thread_nothing, NULL) == 0);
        pthread_join(thread, NULL);
    }
    return (double)(clock_monotonic_ns() - start) / count;
}

/* Two that hand a turn to each other: an operation is one wake and one wait. */

struct turns {
    _Atomic(struct task *) side[2];
    atomic_uint turn;
    unsigned count;
    struct task_group group;
};

static void take_turns(struct turns *turns, unsigned me)
{
    atomic_store(&turns->side[me], task_self());
    for (unsigned i = 0; i < turns->count; i++) {
        while (atomic_load(&turns->turn) % 2 != me)
            (void)task_park(WAIT_DATA, TIMEOUT_NEVER);
        atomic_fetch_add(&turns->turn, 1);
        struct task *other = atomic_load(&turns->side[!me]);
        if (other)
            task_unpark(other);
    }
    task_group_done(&turns->group);
}

static void take_first(void *argument)
{
    take_turns(argument, 0);
}

static void take_second(void *argument)
{
    take_turns(argument, 1);
}

static void turns_between(struct job *job, struct reactor *other)
{
    struct turns turns = {.count = job->count / 2, .group.pending = 2};
    ASSERT(task_spawn("first", take_first, &turns) != NULL);
    ASSERT(reactor_spawn(other, "second", take_second, &turns) == 0);
    ASSERT(task_group_wait(&turns.group, TIMEOUT_NEVER) == 0);
}

static void turns_here(struct job *job)
{
    turns_between(job, reactors[0]);
}

static void turns_across(struct job *job)
{
    turns_between(job, reactors[1]);
}

static double turn_here(unsigned count)
{
    return in_task(turns_here, count);
}

static double turn_across(unsigned count)
{
    return in_task(turns_across, count);
}

/* Each thread sleeps as a loop does: in epoll_wait on an eventfd. */
struct thread_turns {
    int bell[2], poll[2];
    unsigned count;
};

static void thread_wait(struct thread_turns *turns, unsigned side)
{
    struct epoll_event event;
    uint64_t rings;
    while (epoll_wait(turns->poll[side], &event, 1, -1) != 1)
        continue;
    ASSERT(read(turns->bell[side], &rings, sizeof rings) == sizeof rings);
}

static void thread_ring(struct thread_turns *turns, unsigned side)
{
    uint64_t ring = 1;
    ASSERT(write(turns->bell[side], &ring, sizeof ring) == sizeof ring);
}

static void *thread_turn(void *argument)
{
    struct thread_turns *turns = argument;
    stay_on(1);
    for (unsigned i = 0; i < turns->count; i++) {
        thread_wait(turns, 1);
        thread_ring(turns, 0);
    }
    return NULL;
}

static double turn_threads(unsigned count)
{
    struct thread_turns turns = {.count = count / 2};
    for (unsigned i = 0; i < 2; i++) {
        turns.bell[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        turns.poll[i] = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN};
        ASSERT(epoll_ctl(turns.poll[i], EPOLL_CTL_ADD, turns.bell[i], &event) == 0);
    }
    uint64_t start = clock_monotonic_ns();
    pthread_t thread;
    ASSERT(pthread_create(&thread, NULL, thread_turn, &turns) == 0);
    for (unsigned i = 0; i < turns.count; i++) {
        thread_ring(&turns, 1);
        thread_wait(&turns, 0);
    }
    pthread_join(thread, NULL);
    uint64_t elapsed_ns = clock_monotonic_ns() - start;
    for (unsigned i = 0; i < 2; i++) {
        close(turns.bell[i]);
        close(turns.poll[i]);
    }
    return (double)elapsed_ns / count;
}

/* Uncontended locks. */

static void lock_tasks(struct job *job)
{
    static struct task_mutex mutex;
    for (unsigned i = 0; i < job->count; i++) {
        task_mutex_lock(&mutex);
        task_mutex_unlock(&mutex);
    }
}

static double lock_task(unsigned count)
{
    return in_task(lock_tasks, count);
}

static void lock_threads(struct job *job)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    for (unsigned i = 0; i < job->count; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

static double lock_thread(unsigned count)
{
    return in_task(lock_threads, count);
}

/* Each arm returns nanoseconds an operation. */
static const struct comparison {
    const char *what, *anchor;
    double (*task)(unsigned count);
    double (*thread)(unsigned count);
    unsigned task_count, thread_count;
} comparisons[] = {
    {"spawn, run and end a task", "pthread_create and join", spawn_task, spawn_thread, 100000, 300},
    {"wake and wait, same reactor", "eventfd, epoll in threads", turn_here, turn_threads, 200000, 2000},
    {"wake and wait, other reactor", "eventfd, epoll in threads", turn_across, turn_threads, 2000, 2000},
    {"task_mutex, uncontended", "pthread_mutex", lock_task, lock_thread, 1000000, 1000000},
};

static void compare(const struct comparison *comparison)
{
    double task_ns[ROUNDS], thread_ns[ROUNDS], ratio[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) {
        task_ns[i] = comparison->task(comparison->task_count);
        thread_ns[i] = comparison->thread(comparison->thread_count);
        ratio[i] = task_ns[i] / thread_ns[i];
    }
    printf("%-30s %10.1f ns   %-28s %10.1f ns   x%.3f\n", comparison->what, median(task_ns, ROUNDS),
           comparison->anchor, median(thread_ns, ROUNDS), median(ratio, ROUNDS));
}

int main(void)
{
    static unsigned cpus[2] = {0, 1};
    for (unsigned i = 0; i < 2; i++) {
        ASSERT(reactor_start(&reactors[i], &(struct reactor_options){.name = i ? "bench-1" : "bench-0"}) == 0);
        ASSERT(reactor_spawn(reactors[i], "pin", stay_on_task, &cpus[i]) == 0);
    }
    stay_on(0);
    for (unsigned i = 0; i < ARRAY_COUNT(comparisons); i++)
        compare(&comparisons[i]);
    for (unsigned i = 0; i < 2; i++)
        reactor_stop(reactors[i]);
    for (unsigned i = 0; i < 2; i++)
        reactor_join(reactors[i]);
    return 0;
}
