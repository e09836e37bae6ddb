/* cpu.h: where CPU time goes. One sampler, many readers.
 *
 * Each thread of the process has a timer on its own CPU clock; its signal walks the stack that runs, with the task's
 * labels, into the thread's ring. The sampler's own thread (it exists only while somebody reads) gives each sample to
 * every reader. A sample's weight in ns is stored when it is taken, so rates may change meanwhile. */
#ifndef PROFILER_CPU_H
#define PROFILER_CPU_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct cpu_sampler;
struct cpu_reader;
struct stack_table;
struct symbols;
struct unwinder;

#define CPU_HZ_MIN 1
#define CPU_HZ_MAX 1000

/* Costs nothing until the first reader. The unwinder and the symbols outlive it. */
struct cpu_sampler *cpu_sampler_create(struct unwinder *unwinder, struct symbols *symbols);
/* No reader may be left. */
void cpu_sampler_destroy(struct cpu_sampler *sampler);

/* Until stop, samples go to the table (columns samples and CPU time in ns), which stays the caller's and is touched by
 * nobody else meanwhile. They are taken at `hz` or faster: the fastest reader decides. Any number of readers at once.
 * ERR_OUT_OF_RANGE for a rate beyond the limits, ERR_BUSY if another sampler of this process has the signal, a negative
 * errno if the kernel refuses timers. Blocks shortly: offload it. [any] */
int cpu_reader_start(struct cpu_sampler *sampler, int hz, struct stack_table *stacks, struct cpu_reader **reader)
    MUST_USE;

/* What a reader has to say of its window, besides the samples. */
struct cpu_window {
    int hz;              /* what the reader asked for */
    uint64_t period_ns;  /* CPU time between two samples of a thread, when it started */
    bool period_changed; /* other readers came or went and changed it */
    int64_t start_wall_ns;
    uint64_t duration_ns;
    uint64_t sample_count, lost_count, truncated_count, rootless_count;
    uint64_t period_count, cpu_ns; /* that went to the table: its columns added up */
    uint64_t handler_ns;    /* estimated time in the signal handler, all threads */
    uint64_t refused_count; /* threads that had no timer at one time, at most, since sampling began */
    uint64_t process_ns;    /* CPU time that the process used, by its own clock */
};

/* Free the reader. All CPU time of the window is in the table then: "[lost samples]" stands for samples that found no
 * room, "[between ticks]" for time that was due for a sample while the kernel's tick, on which CPU timers expire, never
 * met the thread at work, or before the thread had a timer. Threads that lived for less than the sampler's poll of
 * 100 ms may be missing. Blocks shortly. [any] */
struct cpu_window cpu_reader_stop(struct cpu_reader *reader);

struct cpu_stats {
    uint64_t sample_count;    /* taken since start */
    uint64_t lost_count;      /* no room in a ring */
    uint64_t truncated_count; /* deeper than UNWIND_DEPTH_MAX */
    uint64_t rootless_count;  /* the walk ended before the root */
    uint64_t handler_ns;      /* CPU time in the signal handler, estimated from one sample in 16 */
    uint64_t thread_count;    /* timers that exist now */
    uint64_t held_bytes;      /* of memory, now: rings most of all */
};
struct cpu_stats cpu_sampler_stats(const struct cpu_sampler *sampler);

#endif
