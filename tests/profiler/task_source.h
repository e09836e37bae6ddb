/* task_source.h: tasks for tests, in place of the runtime's: what a look finds is what the test says. */
#ifndef TESTS_PROFILER_TASK_SOURCE_H
#define TESTS_PROFILER_TASK_SOURCE_H

#include "base/check.h"
#include "base/clock.h"
#include "base/probe.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SOURCE_TASKS_MAX 8
#define SOURCE_STACK_WORDS 64

struct source_task {
    struct probe_task seen;
    uintptr_t stack[SOURCE_STACK_WORDS];
};

static struct {
    struct source_task tasks[SOURCE_TASKS_MAX];
    unsigned count;
    _Atomic unsigned look_count;         /* so far */
    void (*before_look)(unsigned look);  /* changes what is there; NULL: nothing changes */
} source;

static inline void source_visit(const struct probe_visitor *visitor)
{
    unsigned look = atomic_fetch_add(&source.look_count, 1);
    if (source.before_look)
        source.before_look(look);
    for (unsigned i = 0; i < source.count; i++) {
        visitor->look(&source.tasks[i].seen, visitor->context);
        visitor->take(visitor->context);
    }
}

static inline uint64_t source_count(void)
{
    return source.count;
}

/* No tasks, and this is where they come from. Time stands still: they wait for exactly as long as a test says, also on
 * a machine that was started a moment ago. */
static inline void source_reset(void)
{
    clock_test_freeze(10000 * 86400 * NS_PER_S, clock_wall_ns());
    memset(&source, 0, sizeof source);
    atomic_store(&probe_tasks, source_visit);
    atomic_store(&probe_task_count, source_count);
}

void _start(void); /* the program's entry: where walks end */

/* Functions that a parked task is in, as far as its stack says. */
static NOINLINE UNUSED int source_handler(int x)
{
    volatile int result = x;
    return result + 1;
}
static NOINLINE UNUSED int source_wait(int x)
{
    volatile int result = x;
    return result + 2;
}

/* Frames as the compiler lays them out: parked in source_wait, called by source_handler, called by the root. */
static inline void source_park(struct source_task *task)
{
    uintptr_t returns[] = {(uintptr_t)source_wait + 8, (uintptr_t)source_handler + 8, (uintptr_t)_start + 20};
    unsigned frame = 8;
    for (unsigned i = 0; i < ARRAY_COUNT(returns); i++, frame += 8) {
        task->stack[frame] = (uintptr_t)&task->stack[frame + 8];
        task->stack[frame + 1] = returns[i];
    }
    task->seen.is_running = false;
    task->seen.frame = (uintptr_t)&task->stack[8];
    task->seen.stack_low = (uintptr_t)&task->stack[0];
    task->seen.stack_high = (uintptr_t)&task->stack[SOURCE_STACK_WORDS];
}

/* A parked one that has waited for this long. */
static inline struct source_task *source_add(uint64_t id, const char *name, const char *state, uint64_t parked_for_ns)
{
    ASSERT(source.count < SOURCE_TASKS_MAX);
    struct source_task *task = &source.tasks[source.count++];
    task->seen = (struct probe_task){
        .id = id,
        .name = name,
        .state = state,
        .thread_id = 1,
        .thread = "reactor-0",
        .since_ns = clock_monotonic_ns() - parked_for_ns,
    };
    source_park(task);
    return task;
}

/* One that runs on this thread. */
static inline struct source_task *source_add_running(uint64_t id, const char *name, int thread_id)
{
    struct source_task *task = source_add(id, name, "running", 0);
    task->seen.is_running = true;
    task->seen.frame = 0;
    task->seen.thread_id = thread_id;
    return task;
}

#endif
