/* cpu_threads.h: the threads of this process, each with a CPU timer, and what comes out of their rings.
 *
 * One thread at a time. */
#ifndef PROFILER_CPU_THREADS_H
#define PROFILER_CPU_THREADS_H

#include "base/check.h"
#include "profiler/stack_table.h"

#include <stdbool.h>
#include <stdint.h>

struct cpu_threads;
struct symbols;
struct unwinder;

/* CPU time of one thread: a sample, or time without one. */
struct cpu_taken {
    struct stack_key key; /* its pcs are valid during the call only */
    uint64_t count, ns;   /* periods and CPU time that it stands for */
    uint64_t lost_count;  /* samples that are in it without their stacks */
    bool is_sample, is_truncated, is_rootless;
};
typedef void (*cpu_take_fn)(const struct cpu_taken *taken, void *context);

struct cpu_thread_counts {
    uint64_t sample_count, truncated_count, rootless_count, lost_count, handler_ns; /* since the beginning */
    uint64_t thread_count;  /* with a timer, now */
    uint64_t refused_count; /* without one, at the worst time since start */
    uint64_t held_bytes;    /* by rings and slots, now */
};

/* All that is found goes to `take`. The unwinder and the symbols stay the caller's. */
struct cpu_threads *cpu_threads_create(struct unwinder *unwinder, struct symbols *symbols, cpu_take_fn take,
                                       void *context);
void cpu_threads_destroy(struct cpu_threads *threads);

/* Take SIGPROF, if it is not ours yet, and give every thread a timer. ERR_BUSY: another sampler has the signal; or a
 * negative errno: no thread got a timer. */
int cpu_threads_start(struct cpu_threads *threads, uint64_t period_ns) MUST_USE;
/* Settle, and no timer comes any more. */
void cpu_threads_stop(struct cpu_threads *threads);

/* Empty the rings. */
void cpu_threads_drain(struct cpu_threads *threads);
/* Timers for threads that are new, none for those that are gone. */
void cpu_threads_scan(struct cpu_threads *threads);
/* End all timers, and take all that was used up to here, also what is due for a sample and has none yet, and by threads
 * that no scan has found yet. A signal that is still on its way counts no more. Restart or stop follows. */
void cpu_threads_settle(struct cpu_threads *threads);
/* After settle: timers for all threads again, with this period. */
void cpu_threads_restart(struct cpu_threads *threads, uint64_t period_ns);

struct cpu_thread_counts cpu_threads_count(const struct cpu_threads *threads);

#endif
