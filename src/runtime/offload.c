/* offload.c: blocking work on another thread, libuv's pool or a new one, on behalf of a task that waits for it. */
#include "base/clock.h"
#include "base/probe.h"
#include "base/trace.h"
#include "runtime/scheduler.h"

#include <stdio.h>

/* On the task's stack: the task waits until the other thread is done with it. */
struct offload {
    uv_work_t request; /* of the pool */
    struct task *task;
    void (*work)(void *argument);
    void *argument;
    const char *thread_name; /* of a new thread */
    struct task_wake ended;  /* when the work did, if that was recorded */
    atomic_bool done;
};

static void run_work(struct offload *offload)
{
    const struct label_set *before = probe_execution.labels;
    probe_execution.labels = &offload->task->labels;
    if (trace_is_on())
        trace_work_begun(offload->task->id, offload->work);
    offload->work(offload->argument);
    if (trace_is_on())
        offload->ended = (struct task_wake){
            .session = atomic_load_explicit(&trace_session, memory_order_relaxed),
            .ticks = trace_work_ended(offload->task->id),
        };
    probe_execution.labels = before;
}

static void introduce_pool_thread(void)
{
    static _Thread_local bool introduced;
    static atomic_uint count;
    if (introduced)
        return;
    introduced = true;
    trace_thread_is(TRACE_THREAD_WORKER);
    char name[16];
    snprintf(name, sizeof name, "pool-%u", atomic_fetch_add(&count, 1) % 10000);
    pthread_setname_np(pthread_self(), name);
}

static void on_work(uv_work_t *request)
{
    struct offload *offload = CONTAINER_OF(request, struct offload, request);
    introduce_pool_thread();
    atomic_store_explicit(&offload->task->taken_up_ns, clock_monotonic_ns(), memory_order_relaxed);
    run_work(offload);
}

static void on_done(uv_work_t *request, int status)
{
    (void)status; /* Nobody calls uv_cancel on it. */
    struct offload *offload = CONTAINER_OF(request, struct offload, request);
    atomic_store(&offload->done, true);
    if (trace_is_on())
        task_trace_work_ended(offload->task, offload->ended);
    task_resume(offload->task);
}

int task_offload(enum wait_reason reason, void (*work)(void *argument), void *argument)
{
    if (task_canceled())
        return UV_ECANCELED;
    struct offload offload = {.task = task_self(), .work = work, .argument = argument};
    atomic_store_explicit(&offload.task->taken_up_ns, OFFLOAD_QUEUED, memory_order_relaxed);
    int rc = uv_queue_work(&offload.task->reactor->loop, &offload.request, on_work, on_done);
    ASSERT(rc == 0);
    while (!atomic_load(&offload.done))
        task_park_uncancelable(reason);
    return 0;
}

static void *thread_main(void *argument)
{
    struct offload *offload = argument;
    struct task *task = offload->task;
    char name[16];
    copy_name(name, sizeof name, offload->thread_name);
    pthread_setname_np(pthread_self(), name);
    trace_thread_is(TRACE_THREAD_BRIEF);
    run_work(offload);
    /* From here on the offload may be gone; the task's struct stays. */
    atomic_store(&offload->done, true);
    task_unpark(task);
    return NULL;
}

void task_offload_to_thread(enum wait_reason reason, const char *thread_name, void (*work)(void *argument),
                            void *argument)
{
    struct offload offload = {.task = task_self(), .work = work, .argument = argument, .thread_name = thread_name};
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, &offload) != 0) {
        work(argument);
        return;
    }
    pthread_detach(thread);
    while (!atomic_load(&offload.done))
        task_park_uncancelable(reason);
}
