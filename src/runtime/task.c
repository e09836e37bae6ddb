/* task.c: the life of a task: start, park, wake, cancel, end. */
#include "runtime/task.h"

#include "runtime/scheduler.h"

static const char *const reason_texts[WAIT_REASON_COUNT] = {
#define X(name, text) [name] = (text),
    WAIT_REASON_LIST(X)
#undef X
};

const char *wait_reason_text(enum wait_reason reason)
{
    ASSERT((unsigned)reason < WAIT_REASON_COUNT);
    return reason_texts[reason];
}

static void wake_from_inbox(struct reactor_message *message)
{
    struct task *task = CONTAINER_OF(message, struct task, wake_message);
    /* Exchange, not store: it takes part in the order of every unpark that saw the flag set and went away. */
    atomic_exchange(&task->wake_posted, false);
    task_wake(task);
}

void task_init(struct task *task, struct reactor *reactor)
{
    *task = (struct task){.reactor = reactor, .wake_message.run = wake_from_inbox};
    list_init(&task->live);
}

static void task_main(void *argument)
{
    struct task *task = argument;
    task->run(task->argument);
    task->ended = true;
}

struct task *task_start(struct reactor *reactor, const char *name, void (*run)(void *argument), void *argument)
{
    static _Atomic uint64_t last_id;
    struct task *task = stack_acquire(&reactor->stacks, reactor);
    task->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    copy_name(task->name, sizeof task->name, name);
    task->run = run;
    task->argument = argument;
    task->labels = (struct label_set){{NULL}};
    task->permit = task->ended = false;
    atomic_store_explicit(&task->canceled, atomic_load(&reactor->stopping), memory_order_relaxed);
    context_prepare(&task->context, task_main, task);
    list_append(&reactor->live, &task->live);
    atomic_fetch_add_explicit(&reactor->task_count, 1, memory_order_relaxed);
    reactor_enqueue(reactor, task);
    return task;
}

struct task *task_spawn(const char *name, void (*run)(void *argument), void *argument)
{
    struct reactor *reactor = reactor_of_thread;
    ASSERT(reactor != NULL);
    return atomic_load(&reactor->stopping) ? NULL : task_start(reactor, name, run, argument);
}

struct task *task_self(void)
{
    struct reactor *reactor = reactor_of_thread;
    return reactor ? atomic_load_explicit(&reactor->current, memory_order_relaxed) : NULL;
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

void task_wake(struct task *task)
{
    if (task->reason > WAIT_READY)
        reactor_enqueue(task->reactor, task);
    else
        task->permit = true;
}

void task_resume(struct task *task)
{
    if (task->reason > WAIT_READY)
        reactor_run_task(task->reactor, task);
    else
        task->permit = true;
}

void task_unpark(struct task *task)
{
    if (task->reactor == reactor_of_thread) {
        task_wake(task);
        return;
    }
    if (atomic_exchange(&task->wake_posted, true))
        return;
    /* A reactor that has ended has no task left to wake. */
    if (reactor_post(task->reactor, &task->wake_message) != 0)
        atomic_store(&task->wake_posted, false);
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

void task_yield(void)
{
    struct task *task = running();
    reactor_enqueue(task->reactor, task);
    context_leave(&task->context);
}

static void on_timeout(uv_timer_t *timer)
{
    struct task *task = CONTAINER_OF(timer, struct task, timer);
    if (task->reason > WAIT_READY) {
        task->timed_out = true;
        reactor_enqueue(task->reactor, task);
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

static void park(struct task *task, enum wait_reason reason)
{
    ASSERT(reason > WAIT_READY);
    if (task->permit) {
        task->permit = false;
        return;
    }
    task->reason = reason;
    task->since_ns = task->reactor->now_ns;
    context_leave(&task->context);
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
    park(task, reason);
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
    park(running(), reason);
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
