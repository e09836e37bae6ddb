/* debug_limits.c: what all clients of the debug port may cost together: threads at work, and memory yet to be sent. */
#include "http/debug_port.h"

#include "runtime/task.h"

#include <uv.h>

/* At work at once; the next one waits until it is its turn. */
#define WORKERS_MAX 4
/* An answer of up to this size is sent in any case: clients that read slowly must not keep others from a profile. */
#define SMALL_BYTES (1024u * 1024)
/* Of larger answers, dumps of many tasks for example, so much may wait until its clients read it; one always may. */
#define UNSENT_BYTES_MAX (128u * 1024 * 1024)

/* One who wants to work; on the task's stack. */
struct turn {
    struct list link;
    struct task *task;
};

void debug_limits_init(struct debug_limits *limits)
{
    *limits = (struct debug_limits){.worker_count = 0};
    list_init(&limits->turns);
}

static void wake_first(struct debug_limits *limits)
{
    if (limits->worker_count < WORKERS_MAX && !list_empty(&limits->turns))
        task_unpark(LIST_ENTRY(limits->turns.next, struct turn, link)->task);
}

static int await_turn(struct debug_limits *limits)
{
    struct turn mine = {.task = task_self()};
    int rc = 0;
    list_append(&limits->turns, &mine.link);
    while (rc == 0 && (limits->worker_count == WORKERS_MAX || limits->turns.next != &mine.link))
        rc = task_park(WAIT_PROFILER, TIMEOUT_NEVER);
    list_remove(&mine.link);
    if (rc == 0)
        limits->worker_count++;
    wake_first(limits); /* there may be room for two, or the first of them has given up */
    return rc;
}

int debug_work(struct debug_port *debug, const char *thread_name, void (*work)(void *argument), void *argument)
{
    struct debug_limits *limits = &debug->limits;
    int rc = await_turn(limits);
    if (rc < 0)
        return rc;
    task_offload_to_thread(WAIT_PROFILER, thread_name, work, argument);
    limits->worker_count--;
    wake_first(limits);
    return 0;
}

const char *debug_refuse_size(struct http_exchange *exchange, size_t size)
{
    const struct debug_port *debug = exchange->context;
    size_t unsent_bytes = debug->limits.unsent_bytes;
    if (size <= SMALL_BYTES || unsent_bytes == 0 || size + unsent_bytes <= UNSENT_BYTES_MAX)
        return NULL;
    return arena_printf(exchange->request->arena, "an answer of %zu MiB has no room beside %zu MiB that clients have "
                        "yet to read; try again later", size >> 20, unsent_bytes >> 20);
}

void debug_respond(struct http_exchange *exchange, const struct http_response *response)
{
    struct debug_port *debug = exchange->context;
    struct debug_limits *limits = &debug->limits;
    const char *refusal = debug_refuse_size(exchange, response->body.size);
    if (refusal) {
        http_respond_error(exchange, 503, "%s", refusal);
        return;
    }
    size_t size = response->body.size > SMALL_BYTES ? response->body.size : 0;
    limits->unsent_bytes += size;
    http_respond(exchange, response);
    limits->unsent_bytes -= size;
}

int debug_respond_write(struct http_exchange *exchange, struct bytes piece)
{
    struct debug_port *debug = exchange->context;
    debug->limits.unsent_bytes += piece.size;
    int rc = http_respond_write(exchange, piece);
    debug->limits.unsent_bytes -= piece.size;
    return rc;
}
