/* probe.h: where the program and the profiler meet. Neither includes the other.
 *
 * Three things pass through here. The program says what each thread is doing, and the profiler reads it. The program
 * says that something has happened, and the sink that the profiler installed hears it; with no sink that is one load
 * and a predicted branch. And the runtime lends the profiler a look at its tasks. */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#include "base/label.h"

#include <stdatomic.h>
#include <stdbool.h>
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
    /* The task that runs here; 0: none. */
    volatile uint64_t task_id;
};

/* Local-exec (all our code is linked statically into programs), so reading it in a signal handler calls nothing. */
extern _Thread_local struct probe_execution probe_execution __attribute__((tls_model("local-exec")));

/* Copy the task's labels that run on this thread into labels[0..LABEL_TASK_COUNT), and NULL into the rest up to
 * LABEL_KEY_COUNT. Labels that are switched off are NULL. [signal] */
void probe_labels(const char *labels[LABEL_KEY_COUNT]);

/* What has happened. The functions may be called on any thread, but never in a signal handler. */
struct probe_sink {
    /* The running task has waited here, and goes on. Called on its stack, by the function that parked it. reason: a
     * constant text, the same address each time. Times are clock_monotonic_ns. */
    void (*waited)(const char *reason, uint64_t start_ns, uint64_t end_ns);
    /* The running task has let go of what others were waiting for: the time that they waited since it (or the holder
     * before it) had it, added up over all of them. Called where it lets go. */
    void (*delayed)(const char *reason, uint64_t delay_ns);
};

/* NULL: nobody listens. A sink is a constant that lives for ever, so whoever loaded it may call it later still. */
extern const struct probe_sink *_Atomic probe_sink;

static inline const struct probe_sink *probe_sink_now(void)
{
    return atomic_load_explicit(&probe_sink, memory_order_relaxed);
}

/* A task as one look found it. Texts and memory stay readable for ever, but may change under the reader: see below. */
struct probe_task {
    uint64_t id;
    uint64_t creator_id;    /* the task that started it; 0: no task did */
    uintptr_t creator_pc;   /* where it was started: the return address of that call */
    uintptr_t run;          /* its function */
    const char *name;
    const char *state;      /* constant: "running", "runnable" or why it is parked, "IO wait" */
    bool is_running;        /* its stack moves: ask its thread */
    int thread_id;          /* of its reactor, as gettid says */
    const char *thread;     /* its name */
    /* When it got this state, by clock_monotonic_ns or a little before; of one that is just being woken perhaps when
     * that was. */
    uint64_t since_ns;
    const char *labels[LABEL_TASK_COUNT];
    /* Of one that does not run: the frame address (x86-64: what rbp holds) of the function that parked it, and the
     * bounds of its stack; frame 0: it has not begun. Both bounds stay mapped for ever. */
    uintptr_t frame, stack_low, stack_high;
};

/* A look reads what others write, and believes it only if nothing has changed meanwhile: right, but a race to
 * sanitizers, and a walk over a stack crosses what ASan has marked. So `look`, and what it calls on such memory, has
 * this attribute; it copies by hand, as memcpy and its like are watched too. */
#if defined(__clang__)
#define PROBE_RACY_LOOK __attribute__((noinline, no_sanitize("address", "thread")))
#else
#define PROBE_RACY_LOOK __attribute__((noinline, no_sanitize_address, no_sanitize_thread))
#endif

/* Looks at every task that lives, from any thread, without stopping or slowing anything: the tasks may run, park and
 * end meanwhile. `look` copies what it wants of one task; it may find nonsense (but only mapped memory between the
 * bounds, if it checks each address), and must not follow it any further. Then `take` is called if nothing had changed
 * during the look, else the look is repeated. A task that runs is looked at as it is, is_running set. */
struct probe_visitor {
    void (*look)(const struct probe_task *task, void *context);
    void (*take)(void *context);
    void *context;
};
typedef void probe_tasks_fn(const struct probe_visitor *visitor);
/* Set by the runtime for good when its first reactor starts; NULL: there are no tasks. [any] */
extern probe_tasks_fn *_Atomic probe_tasks;
/* How many there are now. NULL as above. [any] */
typedef uint64_t probe_task_count_fn(void);
extern probe_task_count_fn *_Atomic probe_task_count;

#endif
