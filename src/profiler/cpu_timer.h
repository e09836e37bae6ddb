/* cpu_timer.h: the signal side of the CPU sampler: a timer for each thread, and what its signals do: take samples.
 *
 * A thread's timer runs on that thread's own CPU clock and signals that thread. The signal's value names a slot and the
 * slot's generation, so the handler needs no search, and a signal that comes late, for a timer that is gone, is known
 * by its old generation. Slots are never freed while the table is installed. But for the handler, one thread at a
 * time. */
#ifndef PROFILER_CPU_TIMER_H
#define PROFILER_CPU_TIMER_H

#include "base/check.h"
#include "base/label.h"
#include "profiler/ring.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct unwinder;

/* One sample as it lies in a ring. */
struct cpu_sample {
    uint32_t depth;
    uint32_t end;   /* enum unwind_end */
    uint64_t count; /* expirations of the timer that it stands for */
    uint64_t ns;    /* CPU time that it stands for */
    uint64_t ticks, task_id; /* when it was taken (trace_ticks), and what ran; 0: no task. Of traces */
    const char *labels[LABEL_KEY_COUNT];
    uintptr_t pcs[]; /* depth of them */
};

/* Threads with a timer at one time; those beyond are not sampled. */
#define CPU_TIMER_MAX 4096

enum cpu_timer_state {
    CPU_TIMER_FREE,
    CPU_TIMER_RUNNING,
    CPU_TIMER_STOPPED, /* a handler may still be writing to the ring */
};

struct cpu_timer {
    /* Of the thread that owns the table. */
    enum cpu_timer_state state;
    uint32_t index;
    pid_t thread_id;
    timer_t timer;
    uint64_t armed_at_ns, first_ns; /* the thread's CPU clock when it was armed; how long until it first expires */

    /* Of the handler, on the timer's thread. */
    uint32_t taken; /* samples, for choosing those whose cost is measured */

    /* Of both. */
    struct ring ring;
    _Atomic uint32_t generation; /* of the timer in this slot; 0: none */
    _Atomic uint64_t period_ns;
    _Atomic uint64_t expired_ns; /* CPU time that expirations since it was armed stand for */
    _Atomic uint64_t carried_ns; /* CPU time from before the timer, for the first sample to take along */

    /* Counted by the handler, over all threads that had this slot. handler_ns: estimated from some of the samples. */
    _Atomic uint64_t sample_count, truncated_count, rootless_count, handler_ns;
    /* The same, until the table's owner takes them out. */
    _Atomic uint64_t lost_count, lost_expirations, lost_ns;
};

struct cpu_timer_table {
    struct unwinder *unwinder;
    uint32_t generation; /* the last one given out */
    uint32_t slot_count;
    struct cpu_timer *_Atomic slots[CPU_TIMER_MAX];
};

/* From now on timers can run. ERR_BUSY: another table's run; or a negative errno. */
int cpu_timer_install(struct cpu_timer_table *table) MUST_USE;
/* Let go of the signal and free the slots; no timer may run. */
void cpu_timer_uninstall(struct cpu_timer_table *table);

/* Give a thread of this process a timer, first to expire after a random part of the period, so that short windows
 * count right on average. absent_ns: when (clock_monotonic_ns) there was no such thread yet, 0 if that is not known;
 * the CPU time that it used since is carried by its first sample. A thread that used more was there before after all,
 * and carries nothing. Negative errno: the thread is gone, or the kernel has no timer left. */
int cpu_timer_start(struct cpu_timer_table *table, pid_t thread_id, uint64_t period_ns, uint64_t absent_ns,
                    struct cpu_timer **timer) MUST_USE;
/* The timer's thread has not ended. */
bool cpu_timer_thread_lives(const struct cpu_timer *timer);
/* No new sample; a handler that runs just now may still finish one. */
void cpu_timer_stop(struct cpu_timer *timer);
/* Stopped, and no handler can write to its ring any more: read the rest of it, then release the slot. */
bool cpu_timer_is_quiet(const struct cpu_timer *timer);
/* Of a timer that is quiet: the thread's CPU time since its start for which it should have expired and has not, as the
 * kernel looks at CPU timers on its tick, and the tick met the thread at rest (of a thread that is gone, nobody knows);
 * and what it carried, if no sample came to take it along. */
uint64_t cpu_timer_unsampled_ns(const struct cpu_timer *timer);
void cpu_timer_release(struct cpu_timer *timer);
/* Until no handler runs: every stopped timer is quiet then. */
void cpu_timer_wait_for_handlers(void);

#endif
