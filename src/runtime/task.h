/* task.h: straight-line code that waits without holding its thread.
 *
 * A task is a stackful coroutine pinned to the reactor that it was spawned on. It runs until it parks; then other
 * tasks of that reactor run. A long computation holds its reactor: call task_yield now and then.
 *
 * Every wait that others decide about returns 0, or a negative code: UV_ETIMEDOUT, or UV_ECANCELED once the task is
 * cancelled. Cancel is sticky: that wait and each later one return UV_ECANCELED, and the task leaves through its
 * ordinary clean-up. errno does not survive a wait. Never wait with a pthread mutex held, in a signal handler, on a
 * pool thread or inside a callback of a library. */
#ifndef RUNTIME_TASK_H
#define RUNTIME_TASK_H

#include "base/check.h"
#include "base/label.h"

#include <stdbool.h>
#include <stdint.h>

struct task;
struct reactor;

/* Why a task is parked: also what a goroutine profile says. `told`: the wait is for something that the program itself
 * does or has, so the probe sink hears of it; not for a client's next request, for time to pass, or for a profile.
 * `kind`: what viewers of an execution trace take it for (enum trace_wait of base/trace.h). */
#define WAIT_REASON_LIST(X) \
    /* name, text, told, kind */ \
    X(WAIT_NONE, "running", false, TRACE_WAIT_OTHER) \
    X(WAIT_READY, "runnable", false, TRACE_WAIT_OTHER) \
    X(WAIT_SLEEP, "sleep", false, TRACE_WAIT_SLEEP) \
    X(WAIT_MUTEX, "mutex lock", true, TRACE_WAIT_SYNC) \
    X(WAIT_RWLOCK_READ, "rwlock read", true, TRACE_WAIT_SYNC) \
    X(WAIT_RWLOCK_WRITE, "rwlock write", true, TRACE_WAIT_SYNC) \
    X(WAIT_CONDITION, "condition wait", true, TRACE_WAIT_CONDITION) \
    X(WAIT_GROUP, "group wait", true, TRACE_WAIT_CONDITION) \
    X(WAIT_ACCEPT, "accept", false, TRACE_WAIT_NETWORK) \
    X(WAIT_READ, "IO wait", false, TRACE_WAIT_NETWORK) \
    X(WAIT_WRITE, "IO wait (write)", true, TRACE_WAIT_NETWORK) \
    X(WAIT_CLOSE, "close", false, TRACE_WAIT_OTHER) \
    X(WAIT_OFFLOAD_QUEUE, "offload queue", true, TRACE_WAIT_CONDITION) \
    X(WAIT_OFFLOAD, "offload", true, TRACE_WAIT_CONDITION) \
    X(WAIT_FSYNC, "fsync", true, TRACE_WAIT_CONDITION) \
    X(WAIT_FILE, "file work", true, TRACE_WAIT_CONDITION) \
    X(WAIT_DATA, "data wait", true, TRACE_WAIT_SELECT) \
    X(WAIT_PROFILER, "profiler", false, TRACE_WAIT_OTHER)

enum wait_reason {
#define X(name, text, told, kind) name,
    WAIT_REASON_LIST(X)
#undef X
    WAIT_REASON_COUNT
};
const char *wait_reason_text(enum wait_reason reason);

#define TIMEOUT_NEVER UINT64_MAX

/* Written by the reactor at each switch, read by task_self. Local-exec: one load even in position-independent code. */
extern _Thread_local struct task *task_of_thread __attribute__((tls_model("local-exec")));

/* Start a task on this reactor; it runs first when the caller parks or yields. The name is copied (31 bytes). NULL
 * once the reactor stops. A task struct is never unmapped: task_unpark may come late and at worst wakes a later task
 * spuriously. No memory for another stack ends the process. [loop] [task] */
struct task *task_spawn(const char *name, void (*run)(void *argument), void *argument);
/* The task that runs on this thread; NULL outside of one. [any] */
static inline struct task *task_self(void)
{
    return task_of_thread;
}
uint64_t task_id(const struct task *task);
const char *task_name(const struct task *task);

/* Sticky; wakes the task if what it waits for may be given up. The caller knows that it has not ended: the next task
 * in that struct would be cancelled instead. [any] */
void task_cancel(struct task *task);
/* Whether the running task is cancelled. [task] */
bool task_canceled(void);

/* Let the other ready tasks and the loop run. [task] */
void task_yield(void);
int task_sleep_ms(uint64_t ms);

/* The building block: wait until task_unpark, at most timeout_ms. A permit given before the park counts, and wakes
 * may be spurious: call it in a loop over what you wait for. 0, UV_ETIMEDOUT, UV_ECANCELED. [task] */
int task_park(enum wait_reason reason, uint64_t timeout_ms);
/* The same where the waker is certain: a cancel does not end it. [task] */
void task_park_uncancelable(enum wait_reason reason);
/* Give the permit. [any] */
void task_unpark(struct task *task);

/* The running task's label, as samples will carry it; the value is interned (label_intern) or NULL. [task] */
void task_label(enum label_key key, const char *interned);

/* Run work(argument) on libuv's thread pool and wait for it; not cancelable once it is queued, so `argument` may
 * live on the task's stack. The worker carries the task's labels meanwhile. The wait is WAIT_OFFLOAD_QUEUE until a
 * thread of the pool takes the work up, then `reason`. UV_ECANCELED: it did not run. [task] */
int task_offload(enum wait_reason reason, void (*work)(void *argument), void *argument) MUST_USE;
/* The same on a thread made for it, which costs some 50 us: for rare work that must not wait behind the pool, all of
 * whose threads may hang in a disk. It runs for a cancelled task too, and where there is no thread to be had it holds
 * the reactor. A trace shows nothing of the thread but its wake. [task] */
void task_offload_to_thread(enum wait_reason reason, const char *thread_name, void (*work)(void *argument),
                            void *argument);

#endif
