/* visit.c: lets the profiler look at every task from any thread, without stopping one (probe_tasks). */
#include "base/probe.h"
#include "runtime/scheduler.h"

/* A task that switches all the time may do so during each look. After so many it is taken for one that runs, which is
 * looked at without its stack. */
#define LOOKS_MAX 32

static const char *state_text(const struct task *task, unsigned reason)
{
    if (reason > WAIT_READY && atomic_load_explicit(&task->taken_up_ns, memory_order_relaxed) == OFFLOAD_QUEUED)
        reason = WAIT_OFFLOAD_QUEUE;
    return wait_reason_text((enum wait_reason)reason);
}

static PROBE_RACY_LOOK void describe(const struct task *task, unsigned reason, struct probe_task *seen)
{
    *seen = (struct probe_task){
        .id = task->id,
        .creator_id = task->creator.id,
        .creator_pc = task->creator.pc,
        .run = (uintptr_t)task->run,
        .name = task->name,
        .state = state_text(task, reason),
        .is_running = reason == WAIT_NONE,
        .thread_id = atomic_load_explicit(&task->reactor->thread_id, memory_order_relaxed),
        .thread = task->reactor->name,
        .since_ns = task->since_ns,
        .stack_low = task->context.low,
        .stack_high = task->context.high,
    };
    for (int i = 0; i < LABEL_TASK_COUNT; i++)
        seen->labels[i] = label_key_is_on((enum label_key)i) ? task->labels.value[i] : NULL;
    if (!seen->is_running)
        seen->frame = (uintptr_t)task->context.parked_frame;
}

static PROBE_RACY_LOOK uint64_t current_id(const struct task *task)
{
    return task->id;
}

/* Between the two reads of its state nothing may have changed; see struct task. Of one that is taken for running only
 * the identity must hold: a name or creator of the next task in this struct would come with another id. */
static bool look_at(const struct task *task, const struct probe_visitor *visitor, bool as_running)
{
    uint64_t state = atomic_load_explicit(&task->state, memory_order_acquire);
    if ((state & 0xff) == TASK_IDLE)
        return true; /* no task, none missed */
    struct probe_task seen;
    describe(task, as_running ? WAIT_NONE : state & 0xff, &seen);
    visitor->look(&seen, visitor->context);
    memory_fence();
    bool is_same = as_running ? task_reason(task) != TASK_IDLE && current_id(task) == seen.id
                              : atomic_load_explicit(&task->state, memory_order_relaxed) == state;
    if (is_same)
        visitor->take(visitor->context);
    return is_same;
}

static void visit_task(const struct task *task, const struct probe_visitor *visitor)
{
    for (unsigned i = 0; i < LOOKS_MAX; i++)
        if (look_at(task, visitor, false))
            return;
    /* Where not even this holds, tasks end faster than one can look: none lives that must be seen. */
    for (unsigned i = 0; i < LOOKS_MAX; i++)
        if (look_at(task, visitor, true))
            return;
}

/* Neither reactors nor slabs nor tasks are ever unmapped or taken off their lists, and new ones come in front. */
void visit_tasks(const struct probe_visitor *visitor)
{
    const struct reactor *reactor = atomic_load_explicit(&reactor_registry, memory_order_acquire);
    for (; reactor; reactor = reactor->next_registered) {
        const struct stack_slab *slab = atomic_load_explicit(&reactor->stacks.slabs, memory_order_acquire);
        for (; slab; slab = slab->next)
            for (unsigned i = 0; i < STACK_SLAB_COUNT; i++)
                visit_task(slab->task[i], visitor);
    }
}

uint64_t visit_count(void)
{
    uint64_t count = 0;
    const struct reactor *reactor = atomic_load_explicit(&reactor_registry, memory_order_acquire);
    for (; reactor; reactor = reactor->next_registered)
        count += reactor_task_count(reactor);
    return count;
}
