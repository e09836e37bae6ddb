/* debug_trace.c: /debug/pprof/trace: what the program does from now on, or has done, sent as it comes. */
#include "http/debug_port.h"

#include "base/error.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "trace/format.h"

#include <uv.h>

/* A trace on its way to its client; on the stack of the task that sends it. */
struct tracing {
    struct debug_port *debug;
    struct stream *stream;
    struct trace_query query;
    struct trace_collection *collection;
    int result; /* of opening it */
    struct task *sender, *watcher;
    bool client_left;
};

static void open_work(void *argument)
{
    struct tracing *tracing = argument;
    tracing->result = trace_open(tracing->debug->profiler, &tracing->query, &tracing->collection);
}

static void close_work(void *argument)
{
    struct tracing *tracing = argument;
    trace_close(tracing->collection);
}

/* On the collection's thread, before trace_close has returned: the task lives. */
static void wake_sender(void *context)
{
    task_unpark(context);
}

static void watch_client(void *argument)
{
    struct tracing *tracing = argument;
    if (stream_wait_closed(tracing->stream, TIMEOUT_NEVER) == 0)
        tracing->client_left = true;
    tracing->watcher = NULL;
    task_unpark(tracing->sender);
}

static void stop_watching(struct tracing *tracing)
{
    if (tracing->watcher)
        task_cancel(tracing->watcher);
    while (tracing->watcher)
        task_park_uncancelable(WAIT_PROFILER);
}

/* Send what comes until all has come. As in Go, a client that has closed ends the recording, and gets what there is: it
 * may still read. 0, or negative: the client takes no more, or the port closes. */
static int send_bytes(struct http_exchange *exchange, struct tracing *tracing)
{
    struct buf bytes;
    buf_init(&bytes);
    bool has_more = true, is_stopped = false;
    int rc = 0;
    while (rc == 0 && has_more) {
        buf_clear(&bytes);
        has_more = trace_take(tracing->collection, &bytes);
        if (bytes.size > 0) {
            rc = debug_respond_write(exchange, buf_bytes(&bytes));
        } else if (tracing->client_left && !is_stopped) {
            trace_stop(tracing->collection);
            is_stopped = true;
        } else if (has_more) {
            rc = task_park(WAIT_PROFILER, TIMEOUT_NEVER);
        }
    }
    buf_deinit(&bytes);
    return rc;
}

/* All but the end. 0, or negative. */
static int send_trace(struct http_exchange *exchange, struct tracing *tracing)
{
    const struct trace_format *format = tracing->query.format;
    int rc = http_respond_begin(exchange, &(struct http_response){
        .status = 200,
        .content_type = format->content_type,
        .headers = arena_printf(exchange->request->arena, "Content-Disposition: attachment; filename=\"%s\"\r\n",
                                format->file_name),
    });
    /* Of a HEAD's answer that is all, so it waits for nothing. */
    if (rc == 0 && !exchange->is_head) {
        tracing->watcher = task_spawn("trace client", watch_client, tracing);
        rc = tracing->watcher ? send_bytes(exchange, tracing) : UV_ECANCELED;
        stop_watching(tracing);
    }
    return rc;
}

static void answer_failure(struct http_exchange *exchange, int code)
{
    if (code == UV_ECANCELED)
        return; /* the port closes */
    const char *reason = error_text(code);
    if (code == ERR_UNSUPPORTED)
        reason = "there is no flight recorder, as profiler.trace_buffer is 0";
    else if (code == ERR_BUSY)
        reason = "too many traces are being taken";
    http_respond_error(exchange, 500, "Could not enable tracing: %s", reason);
}

void debug_answer_trace(struct http_exchange *exchange)
{
    struct debug_port *debug = exchange->context;
    struct tracing tracing = {.debug = debug, .stream = exchange->stream, .sender = task_self()};
    const char *refusal = debug_trace_query_read(exchange->request, debug->profiler, &tracing.query);
    if (refusal) {
        http_respond_error(exchange, 400, "%s", refusal);
        return;
    }
    tracing.query.notify = wake_sender;
    tracing.query.context = tracing.sender;
    int rc = debug_work(debug, "trace start", open_work, &tracing);
    if (rc == 0)
        rc = tracing.result;
    if (rc < 0) {
        answer_failure(exchange, rc);
        return;
    }
    rc = send_trace(exchange, &tracing);
    task_offload_to_thread(WAIT_PROFILER, "trace finish", close_work, &tracing);
    if (rc == 0)
        http_respond_end(exchange); /* now there is room for another, should its client ask at once */
}
