/* tasks.h: every task and every other thread of the process, as they are now: what the goroutine profile, its dumps and
 * the wall-clock profile are made of.
 *
 * Parked tasks are walked from outside by their stored frame, which holds nobody up. Whatever runs (a task, or a thread
 * that is none) is asked by a signal to walk itself; one that is stuck in the kernel and cannot answer is listed
 * without a stack, but with its thread's state. */
#ifndef PROFILER_TASKS_H
#define PROFILER_TASKS_H

#include "profiler/stack_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profiler;

/* A task, or (id 0) a thread that runs none. */
struct task_record {
    struct stack_key key;  /* LABEL_REASON: its state; LABEL_THREAD: where it runs. depth 0: it did not answer */
    uint64_t id, creator_id;
    uintptr_t creator_pc;
    char name[32];
    int thread_id;
    uint64_t state_ns;     /* how long it has been in that state; 0 for threads */
};

struct task_dump {
    struct task_record *records; /* by id, threads last */
    size_t count;
    struct task_dump_memory *memory;
};

/* Blocks for as long as threads take to answer, 0.2 s at most. [any] */
struct task_dump *task_dump_create(struct profiler *profiler);
void task_dump_destroy(struct task_dump *dump);

#endif
