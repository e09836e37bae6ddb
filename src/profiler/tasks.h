/* tasks.h: every task and every other thread of the process, as they are now: what the goroutine profile, its dumps and
 * the wall-clock profile are made of.
 *
 * Parked tasks are walked from outside by their stored frame, which holds nobody up. Whatever runs (a task, or a thread
 * that is none) is asked by a signal to walk itself; one that is stuck in the kernel and cannot answer is listed
 * without a stack, but with its thread's state. */
#ifndef PROFILER_TASKS_H
#define PROFILER_TASKS_H

#include "profiler/stack_table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile_stats;
struct profiler;

/* A task, or (id 0) a thread that runs none. */
struct task_record {
    struct stack_key key;  /* LABEL_REASON: its state; LABEL_THREAD: where it runs. depth 0: it did not answer */
    uint64_t id, creator_id;
    uintptr_t creator_pc;
    char name[32];
    int thread_id;
    bool is_running;       /* at the time of the look; threads are */
    uint64_t state_ns;     /* how long it has been in that state; 0 for threads */
};

struct task_dump {
    struct task_record *records; /* by id, threads last */
    size_t count;
    size_t truncated_count, rootless_count; /* stacks that are not whole */
    size_t silent_count;                    /* records without a stack */
    size_t left_out_count;                  /* threads beyond those that can be asked: no records */
    int list_error;                         /* negative: threads could not be listed; none that runs no task is here */
    uint64_t took_ns;                       /* to make it */
    struct task_dump_memory *memory;
};

/* Blocks for as long as threads take to answer, TASK_DUMP_TIMEOUT_NS at most as thread_stacks_ask counts it. [any] */
struct task_dump *task_dump_create(struct profiler *profiler);
/* Only tasks that have been parked for so long, and no threads. Asks nobody. [any] */
struct task_dump *task_dump_create_parked(struct profiler *profiler, uint64_t parked_for_ns);
/* One without records yet, for task_dump_renew. [any] */
struct task_dump *task_dump_create_empty(struct profiler *profiler);
/* Everything anew, in the same memory and in no order; what the dump held is gone. [any] */
void task_dump_renew(struct task_dump *dump, uint64_t timeout_ns);
/* NULL is allowed. */
void task_dump_destroy(struct task_dump *dump);

/* Whether a task in this state, which does not run, waits for something other than its turn. */
bool task_state_is_parked(const char *state);

#define TASK_DUMP_TIMEOUT_NS 200000000ull

/* What a kind of profile has made of dumps since the program started. [any] */
struct task_totals {
    _Atomic uint64_t record_count, silent_count, truncated_count, rootless_count, took_ns;
};
void task_totals_add(struct task_totals *totals, const struct task_dump *dump);
void task_totals_stats(struct task_totals *totals, struct profile_stats *stats);

#endif
