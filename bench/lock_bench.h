/* lock_bench.h: what benchmarks of locks share: two reactors on a processor each, work to do inside a lock, and a probe
 * sink that does nothing. */
#ifndef BENCH_LOCK_BENCH_H
#define BENCH_LOCK_BENCH_H

#include "base/check.h"
#include "base/probe.h"
#include "runtime/lock.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

#include <pthread.h>
#include <sched.h>

static struct reactor *reactors[2];

static inline void stay_on(void *argument)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(*(unsigned *)argument, &cpus);
    (void)pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus); /* with one processor only: stay there */
}

static inline void start_reactors(void)
{
    static unsigned cpus[2] = {0, 1};
    for (unsigned i = 0; i < 2; i++) {
        ASSERT(reactor_start(&reactors[i], &(struct reactor_options){.name = i ? "bench-1" : "bench-0"}) == 0);
        ASSERT(reactor_spawn(reactors[i], "pin", stay_on, &cpus[i]) == 0);
    }
}

static inline void end_reactors(void)
{
    for (unsigned i = 0; i < 2; i++)
        reactor_stop(reactors[i]);
    for (unsigned i = 0; i < 2; i++)
        reactor_join(reactors[i]);
}

static struct task_mutex task_lock;
static unsigned long shared[8]; /* what a lock guards */

static inline void add(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        shared[i % 8] += i;
        __asm__ volatile("" ::: "memory");
    }
}

/* The holder parks: all others line up, and every unlock wakes one. */
static inline void parking_section(void)
{
    task_mutex_lock(&task_lock);
    add(20);
    task_yield();
    task_mutex_unlock(&task_lock);
}

/* Opaque, or the compiler would see that nothing happens. */
static NOINLINE void hear_waited(const char *reason, uint64_t start_ns, uint64_t end_ns)
{
    __asm__ volatile("" : : "r"(reason), "r"(start_ns), "r"(end_ns));
}

static NOINLINE void hear_delayed(const char *reason, uint64_t delay_ns)
{
    __asm__ volatile("" : : "r"(reason), "r"(delay_ns));
}

static const struct probe_sink empty_sink = {.waited = hear_waited, .delayed = hear_delayed};

#endif
