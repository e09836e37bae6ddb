/* thread_stacks.h: threads of this process walk their own stacks when they are asked to, by a signal.
 *
 * A thread that computes answers at once, and one that waits in a system call leaves it for that moment. What cannot
 * answer is a thread that the kernel does not let go (a disk that hangs), that is stopped, or that blocks SIGPROF. */
#ifndef PROFILER_THREAD_STACKS_H
#define PROFILER_THREAD_STACKS_H

#include "base/label.h"
#include "profiler/unwind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Threads that can be asked at one time. */
#define THREAD_STACKS_MAX 4096
/* Of a thread's name, with the NUL (the kernel's TASK_COMM_LEN). */
#define THREAD_NAME_BYTES 16

struct thread_stack {
    pid_t thread_id;
    char name[THREAD_NAME_BYTES];
    /* NULL: it has answered, and all below is true. Else why not, "[not answering: disk sleep]"; lives for ever. */
    const char *silence;
    bool in_system_call;
    uint64_t task_id; /* 0: it runs no task */
    const char *labels[LABEL_KEY_COUNT]; /* of that task, and LABEL_THREAD */
    enum unwind_end end;
    unsigned depth;
    const uintptr_t *pcs; /* valid during the call only */
};
typedef void thread_stack_take_fn(const struct thread_stack *stack, void *context);

/* Ask the threads of these ids, or all if ids is NULL (the one that calls too), and wait for their answers, timeout_ns
 * at most, in which time that the machine stands still hardly counts; then `take` gets each, but for those that have
 * ended meanwhile. One call at a time, the others wait; `take` may make none. Returns how many threads were left out
 * because there are more than THREAD_STACKS_MAX; or, where all were to be asked, a negative errno: no file descriptor
 * was free to list them by, and none was asked. [any] */
ssize_t thread_stacks_ask(struct unwinder *unwinder, const pid_t *ids, size_t count, uint64_t timeout_ns,
                          thread_stack_take_fn *take, void *context);

#endif
