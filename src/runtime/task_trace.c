/* task_trace.c: what the life of a task leaves in a trace, and how long it waited, summed up at the same times. */
#include "base/clock.h"
#include "base/trace.h"
#include "runtime/scheduler.h"
#include "runtime/wait_times.h"

static const enum trace_wait kinds[WAIT_REASON_COUNT] = {
#define X(name, text, told, kind) [name] = (kind),
    WAIT_REASON_LIST(X)
#undef X
};

static uint32_t session_now(void)
{
    return atomic_load_explicit(&trace_session, memory_order_relaxed);
}

/* The task is in another state from now on. total: what the time in the old one counts for, if it began under the same
 * recording. Processors' clocks may differ by a few ticks, so it may seem to end before it began. */
static void enter_state(struct task *task, uint64_t ticks, _Atomic uint64_t *total)
{
    uint32_t session = session_now();
    bool is_counted = total && session != 0 && task->since_session == session; /* 0: switched off right now */
    if (is_counted && (int64_t)(ticks - task->since_ticks) > 0)
        atomic_store_explicit(total, atomic_load_explicit(total, memory_order_relaxed) + ticks - task->since_ticks,
                              memory_order_relaxed);
    task->since_session = session;
    task->since_ticks = ticks;
    task->work_ended = false;
}

static _Atomic uint64_t *parked_total(const struct task *task)
{
    return &task->reactor->parked_ticks[task_reason(task)];
}

void task_trace_created(struct task *task)
{
    enter_state(task, trace_task_created(task->id, task->name, task->run, task->creator.pc), NULL);
}

void task_trace_started(struct task *task, bool at_once)
{
    enter_state(task, trace_task_started(task->id, at_once), &task->reactor->runnable_ticks);
}

void task_trace_resumed(struct task *task, uintptr_t where)
{
    enter_state(task, trace_task_resumed(task->id, where),
                task->work_ended ? &task->reactor->runnable_ticks : parked_total(task));
}

void task_trace_work_ended(struct task *task, struct task_wake end)
{
    bool is_parked = task_reason(task) > WAIT_READY;
    bool is_recorded = end.session == session_now();
    bool is_older = task->since_session == end.session && (int64_t)(end.ticks - task->since_ticks) < 0;
    if (!is_parked || !is_recorded || is_older)
        return;
    enter_state(task, end.ticks, parked_total(task));
    task->work_ended = true;
}

void task_trace_left(struct task *task, enum wait_reason reason, const void *frame)
{
    uint64_t ticks = reason == WAIT_READY ? trace_task_yielded(frame)
                                          : trace_task_parked(wait_reason_text(reason), kinds[reason], frame);
    enter_state(task, ticks, NULL);
}

void task_trace_woken(struct task *task, uintptr_t where)
{
    enter_state(task, trace_task_unparked(task->id, where), parked_total(task));
}

void task_trace_wake_posted(struct task *task, uintptr_t where)
{
    task->wake_posted_at = (struct task_wake){.session = session_now(), .where = where};
    if (trace_writer.kind != TRACE_THREAD_BRIEF)
        task->wake_posted_at.ticks = trace_task_unparked(atomic_load_explicit(&task->id, memory_order_relaxed), where);
}

void task_trace_wake_delivered(struct task *task, struct task_wake wake)
{
    bool is_of_now = wake.session == session_now();
    bool is_older = task->since_session == wake.session && (int64_t)(wake.ticks - task->since_ticks) < 0;
    if (is_of_now && wake.ticks != 0 && !is_older)
        enter_state(task, wake.ticks, parked_total(task));
    else
        task_trace_woken(task, is_of_now ? wake.where : 0);
}

void task_trace_ended(const struct task *task)
{
    trace_task_ended(task->id, task->name, task->run);
}

void wait_times_read(struct wait_times *times)
{
    *times = (struct wait_times){0};
    double tick_s = trace_tick_ns() / (double)NS_PER_S;
    const struct reactor *reactor = atomic_load_explicit(&reactor_registry, memory_order_acquire);
    for (; reactor; reactor = reactor->next_registered) {
        for (unsigned i = 0; i < WAIT_REASON_COUNT; i++)
            times->parked_s[i] += tick_s * (double)atomic_load_explicit(&reactor->parked_ticks[i],
                                                                        memory_order_relaxed);
        times->runnable_s += tick_s * (double)atomic_load_explicit(&reactor->runnable_ticks, memory_order_relaxed);
    }
}
