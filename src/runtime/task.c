/* task.c: the life of a task: start, park, wake, cancel, end. */
#include "runtime/task.h"

#include "base/clock.h"
#include "base/probe.h"
#include "runtime/scheduler.h"

_Thread_local struct task *task_of_thread;

static const struct {
    const char *text;
    bool told;
} reasons[WAIT_REASON_COUNT] = {
#define X(name, text, told, kind) [name] = {(text), (told)},
    WAIT_REASON_LIST(X)
#undef X
};

const char *wait_reason_text(enum wait_reason reason)
{
    ASSERT((unsigned)reason < WAIT_REASON_COUNT);
    return reasons[reason].text;
}

static bool is_parked(const struct task *task)
{
    unsigned reason = task_reason(task);
    return reason > WAIT_READY && reason != TASK_IDLE;
}

static void make_ready(struct task *task)
{
    task_set_reason(task, WAIT_READY);
    reactor_enqueue(task->reactor, task);
}

static void wake_from_inbox(struct reactor_message *message)
{
    struct task *task = CONTAINER_OF(message, struct task, wake_message);
    struct task_wake wake = task->wake_posted_at;
    /* Exchange, not store: it takes part in the order of every unpark that saw the flag set and went away. */
    atomic_exchange(&task->wake_posted, false);
    if (!is_parked(task)) {
        task->permit = true;
        return;
    }
    if (trace_is_on())
        task_trace_wake_delivered(task, wake);
    make_ready(task);
}

void task_init(struct task *task, struct reactor *reactor)
{
    *task = (struct task){.reactor = reactor, .state = TASK_IDLE, .wake_message.run = wake_from_inbox};
    list_init(&task->live);
}

static void task_main(void *argument)
{
    struct task *task = argument;
    task->run(task->argument);
    task->ended = true;
}

struct task *task_start(struct reactor *reactor, const char *name, void (*run)(void *argument), void *argument,
                        const struct task_creator *creator)
{
    static _Atomic uint64_t last_id;
    struct task *task = stack_acquire(&reactor->stacks, reactor);
    atomic_store_explicit(&task->id, atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    task->creator = *creator;
    copy_name(task->name, sizeof task->name, name);
    task->run = run;
    task->argument = argument;
    task->labels = (struct label_set){{NULL}};
    atomic_store_explicit(&task->taken_up_ns, 0, memory_order_relaxed);
    task->permit = task->ended = false;
    atomic_store_explicit(&task->canceled, atomic_load(&reactor->stopping), memory_order_relaxed);
    context_prepare(&task->context, task_main, task);
    list_append(&reactor->live, &task->live);
    atomic_fetch_add_explicit(&reactor->task_count, 1, memory_order_relaxed);
    if (trace_is_on())
        task_trace_created(task);
    make_ready(task);
    return task;
}

struct task *task_spawn(const char *name, void (*run)(void *argument), void *argument)
{
    struct reactor *reactor = reactor_of_thread;
    ASSERT(reactor != NULL);
    if (atomic_load(&reactor->stopping))
        return NULL;
    struct task_creator creator = {.id = probe_execution.task_id, .pc = (uintptr_t)__builtin_return_address(0)};
    return task_start(reactor, name, run, argument, &creator);
}

uint64_t task_id(const struct task *task)
{
    return task->id;
}

const char *task_name(const struct task *task)
{
    return task->name;
}

/* The running task; asserts that there is one. */
static struct task *running(void)
{
    struct task *task = task_self();
    ASSERT(task != NULL);
    return task;
}

/* On its own thread. */
static void wake(struct task *task, uintptr_t where)
{
    if (!is_parked(task)) {
        task->permit = true;
        return;
    }
    if (trace_is_on())
        task_trace_woken(task, where);
    make_ready(task);
}

NOINLINE void task_wake(struct task *task)
{
    wake(task, (uintptr_t)__builtin_return_address(0));
}

void task_resume(struct task *task)
{
    if (!is_parked(task)) {
        task->permit = true;
        return;
    }
    reactor_callback_begins(task->reactor);
    if (trace_is_on())
        task_trace_resumed(task, (uintptr_t)__builtin_return_address(0));
    reactor_run_task(task->reactor, task);
}

void task_unpark_from(struct task *task, uintptr_t where)
{
    if (task->reactor == reactor_of_thread) {
        wake(task, where);
        return;
    }
    if (atomic_exchange(&task->wake_posted, true))
        return;
    if (trace_is_on())
        task_trace_wake_posted(task, where);
    /* A reactor that has ended has no task left to wake. */
    if (reactor_post(task->reactor, &task->wake_message) != 0)
        atomic_store(&task->wake_posted, false);
}

void task_unpark(struct task *task)
{
    task_unpark_from(task, (uintptr_t)__builtin_return_address(0));
}

void task_cancel(struct task *task)
{
    atomic_store(&task->canceled, true);
    task_unpark(task);
}

bool task_canceled(void)
{
    return atomic_load_explicit(&running()->canceled, memory_order_relaxed);
}

/* The only way out of a task that will run again. From the frame of who calls this upwards, its stack stands still
 * until then. Inlined as context_leave is, and so is park. */
static ALWAYS_INLINE void leave(struct task *task, enum wait_reason reason)
{
    task->context.parked_frame = __builtin_frame_address(0);
    if (trace_is_on())
        task_trace_left(task, reason, __builtin_frame_address(0));
    task_set_reason(task, reason);
    context_leave(&task->context);
}

void task_yield(void)
{
    struct task *task = running();
    reactor_enqueue(task->reactor, task);
    leave(task, WAIT_READY);
}

static void on_timeout(uv_timer_t *timer)
{
    struct task *task = CONTAINER_OF(timer, struct task, timer);
    reactor_callback_begins(task->reactor);
    if (is_parked(task)) {
        task->timed_out = true;
        task_wake(task);
    }
}

uint64_t task_deadline(uint64_t timeout_ms)
{
    if (timeout_ms == TIMEOUT_NEVER)
        return TIMEOUT_NEVER;
    uv_loop_t *loop = &running()->reactor->loop;
    uv_update_time(loop);
    /* libuv cuts its clock to milliseconds: one more, so that no wait is too short. 0 stays a look without a wait. */
    uint64_t deadline = uv_now(loop) + timeout_ms + (timeout_ms != 0);
    return deadline < timeout_ms ? TIMEOUT_NEVER : deadline;
}

static void timer_start(struct task *task, uint64_t timeout_ms)
{
    if (!task->timer_open) {
        uv_timer_init(&task->reactor->loop, &task->timer);
        task->timer_open = true;
    }
    uv_timer_start(&task->timer, on_timeout, timeout_ms, 0);
}

/* Of a wait for offloaded work, the part before a thread took it up is the queue's. */
static NOINLINE void tell_waited(const struct task *task, enum wait_reason reason, uint64_t start_ns)
{
    const struct probe_sink *sink = probe_sink_now();
    if (!sink)
        return;
    uint64_t end_ns = clock_monotonic_ns();
    uint64_t taken_up_ns = atomic_load_explicit(&task->taken_up_ns, memory_order_relaxed);
    if (taken_up_ns > start_ns) {
        uint64_t queue_end_ns = taken_up_ns < end_ns ? taken_up_ns : end_ns;
        sink->waited(reasons[WAIT_OFFLOAD_QUEUE].text, start_ns, queue_end_ns);
        start_ns = queue_end_ns;
    }
    if (taken_up_ns != OFFLOAD_QUEUED)
        sink->waited(reasons[reason].text, start_ns, end_ns);
}

static ALWAYS_INLINE void park(struct task *task, enum wait_reason reason, uint64_t start_ns)
{
    ASSERT(reason > WAIT_READY);
    if (task->permit) {
        task->permit = false;
        return;
    }
    if (UNLIKELY(probe_sink_now() != NULL) && start_ns == 0 && reasons[reason].told)
        start_ns = clock_monotonic_ns();
    leave(task, reason);
    if (UNLIKELY(start_ns != 0)) /* or nobody listened when it began */
        tell_waited(task, reason, start_ns);
}

int task_park_until(enum wait_reason reason, uint64_t deadline)
{
    struct task *task = running();
    if (task_canceled())
        return UV_ECANCELED;
    task->timed_out = false;
    if (deadline != TIMEOUT_NEVER) {
        uv_loop_t *loop = &task->reactor->loop;
        uv_update_time(loop);
        if (uv_now(loop) >= deadline)
            return UV_ETIMEDOUT;
        timer_start(task, deadline - uv_now(loop));
    }
    park(task, reason, 0);
    if (deadline != TIMEOUT_NEVER)
        uv_timer_stop(&task->timer);
    if (task_canceled())
        return UV_ECANCELED;
    return task->timed_out ? UV_ETIMEDOUT : 0;
}

int task_park(enum wait_reason reason, uint64_t timeout_ms)
{
    return task_park_until(reason, task_deadline(timeout_ms));
}

void task_park_uncancelable(enum wait_reason reason)
{
    park(running(), reason, 0);
}

void task_park_from(enum wait_reason reason, uint64_t start_ns)
{
    park(running(), reason, start_ns);
}

int task_sleep_ms(uint64_t ms)
{
    uint64_t deadline = task_deadline(ms);
    int rc;
    do {
        rc = task_park_until(WAIT_SLEEP, deadline);
    } while (rc == 0);
    return rc == UV_ETIMEDOUT ? 0 : rc;
}

void task_label(enum label_key key, const char *interned)
{
    ASSERT(key < LABEL_TASK_COUNT);
    running()->labels.value[key] = interned;
}
