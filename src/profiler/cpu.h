/* cpu.h: where CPU time goes. One sampler, many readers.
 *
 * Each thread of the process has a timer on its own CPU clock; its signal walks the stack that runs, with the task's
 * labels, into the thread's ring. The sampler's own thread (it exists only while somebody reads) gives each sample to
 * every reader. A sample's weight in ns is stored when it is taken, so rates may change meanwhile. */
#ifndef PROFILER_CPU_H
#define PROFILER_CPU_H

#include "base/check.h"

#include <stdint.h>

struct cpu_sampler;
struct cpu_reader;
struct profile;
struct symbols;
struct unwinder;

#define CPU_HZ_MIN 1
#define CPU_HZ_MAX 1000

/* Costs nothing until the first reader. The unwinder and the symbols outlive it. */
struct cpu_sampler *cpu_sampler_create(struct unwinder *unwinder, struct symbols *symbols);
/* No reader may be left. */
void cpu_sampler_destroy(struct cpu_sampler *sampler);

/* Start to collect at `hz` or faster (the fastest reader decides). Any number of readers at once. ERR_OUT_OF_RANGE for
 * a rate beyond the limits, ERR_BUSY if another sampler of this process has the signal, a negative errno if the kernel
 * refuses timers. Blocks shortly: offload it. [any] */
int cpu_reader_start(struct cpu_sampler *sampler, int hz, struct cpu_reader **reader) MUST_USE;
/* Stop collecting and free the reader; the profile (pprof/profile.h), symbols and all, becomes the caller's.
 * All CPU time of the window is in it: "[lost samples]" stands for samples that found no room, "[between ticks]" for
 * time that was due for a sample while the kernel's tick, on which CPU timers expire, never met the thread at work.
 * Threads that lived for less than the sampler's poll of 100 ms may be missing.
 * Reads symbol tables of objects it meets first: offload it. [any] */
struct profile *cpu_reader_finish(struct cpu_reader *reader);
/* Stop and throw away. [any] */
void cpu_reader_cancel(struct cpu_reader *reader);

struct cpu_stats {
    uint64_t sample_count;    /* taken since start */
    uint64_t lost_count;      /* no room in a ring, or a new thread that ended before its first sample */
    uint64_t truncated_count; /* deeper than UNWIND_DEPTH_MAX */
    uint64_t rootless_count;  /* the walk ended before the root */
    uint64_t handler_ns;      /* CPU time in the signal handler, estimated from one sample in 16 */
    uint64_t thread_count;    /* timers that exist now */
};
struct cpu_stats cpu_sampler_stats(const struct cpu_sampler *sampler);

#endif
