/* stack.h: memory for tasks: stacks in slabs, each with a guard page below and its task's struct at the top.
 *
 * A pool belongs to one reactor for ever, and so do its stacks: a task struct is never unmapped and never moves to
 * another reactor. [loop] */
#ifndef RUNTIME_STACK_H
#define RUNTIME_STACK_H

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

struct task;
struct reactor;

/* Virtual: what is never touched costs page tables only. */
#define STACK_SIZE_BYTES ((size_t)256 * 1024)
#define STACK_GUARD_BYTES ((size_t)4096)
/* So many share a mapping. */
#define STACK_SLAB_COUNT 64

struct stack_slab { /* constant */
    struct stack_slab *next;
    struct task *task[STACK_SLAB_COUNT];
};

struct stack_pool {
    struct stack_slab *_Atomic slabs; /* newest first; any thread may read them */
    struct task *warm, *cold; /* idle; by task->next. Cold ones have given their pages back */
    unsigned warm_count, warm_max;
    unsigned slab_count;
};

/* An idle task struct with its stack. Ends the process with a message when the kernel gives no more. */
struct task *stack_acquire(struct stack_pool *pool, struct reactor *reactor);
/* Warm while there are fewer than warm_max, then trimmed. */
void stack_release(struct stack_pool *pool, struct task *task);

#endif
