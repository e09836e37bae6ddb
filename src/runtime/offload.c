/* offload.c: blocking work on libuv's thread pool, on behalf of a task that waits for it. */
#include "base/probe.h"
#include "runtime/scheduler.h"

#include <stdio.h>

/* On the task's stack: the task waits until libuv is done with it. */
struct offload {
    uv_work_t request;
    struct task *task;
    void (*work)(void *argument);
    void *argument;
    bool done;
};

static void name_pool_thread(void)
{
    static _Thread_local bool named;
    static atomic_uint count;
    if (named)
        return;
    named = true;
    char name[16];
    snprintf(name, sizeof name, "pool-%u", atomic_fetch_add(&count, 1) % 10000);
    pthread_setname_np(pthread_self(), name);
}

static void on_work(uv_work_t *request)
{
    struct offload *offload = CONTAINER_OF(request, struct offload, request);
    name_pool_thread();
    const struct label_set *before = probe_execution.labels;
    probe_execution.labels = &offload->task->labels;
    offload->work(offload->argument);
    probe_execution.labels = before;
}

static void on_done(uv_work_t *request, int status)
{
    (void)status; /* Nobody calls uv_cancel on it. */
    struct offload *offload = CONTAINER_OF(request, struct offload, request);
    offload->done = true;
    task_resume(offload->task);
}

int task_offload(void (*work)(void *argument), void *argument)
{
    if (task_canceled())
        return UV_ECANCELED;
    struct offload offload = {.task = task_self(), .work = work, .argument = argument};
    int rc = uv_queue_work(&offload.task->reactor->loop, &offload.request, on_work, on_done);
    ASSERT(rc == 0);
    while (!offload.done)
        task_park_uncancelable(WAIT_OFFLOAD);
    return 0;
}
