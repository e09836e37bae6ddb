/* probe.h: where the program and the profiler meet.
 *
 * The program says here what each thread is doing; the profiler reads it. Neither includes the other. */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#include "base/label.h"

#include <stdint.h>

/* What this thread runs now. Written by the runtime at each switch with plain stores, read by the sampler in a signal
 * handler on the same thread: volatile is all the ordering that takes. */
struct probe_execution {
    /* The labels of the task that runs here; NULL: none. Also set on a pool thread while it works for a task. */
    const struct label_set *volatile labels;
    /* Bounds of the stack of the task that runs here, low < high; 0 and 0: the thread's own stack. Around a switch
     * they may not yet (or no longer) hold the stack pointer: a reader checks before it believes. */
    volatile uintptr_t stack_low, stack_high;
    /* Non-zero only around a switch, or a call to other assembly that has no unwind table: the frame address (x86-64:
     * what rbp holds) of the function that calls it. A sample inside code without a table goes on from there. */
    volatile uintptr_t switch_frame;
};

/* Local-exec in a program (all our code is linked statically), so reading it in a signal handler calls nothing. */
extern _Thread_local struct probe_execution probe_execution;

#endif
