/* debug_profile.c: /debug/pprof/<name>: one walk from a request to a profile's bytes, for every row of the table.
 *
 * Statuses, headers and texts are those of Go's net/http/pprof, which the tools that read from here were made for. */
#include "http/debug_port.h"

#include "base/error.h"
#include "pprof/encode.h"
#include "pprof/profile.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <uv.h>

/* What Go's CPU profile lasts where the request does not say. */
#define WINDOW_SECONDS 30

/* A profile on its way to its bytes. */
struct taking {
    struct debug_port *debug;
    const struct profile_type *type;
    struct debug_query query;
    const struct debug_form *form;
    const char *file_name;
    bool has_begun; /* the answer */
    struct collection *collection;
    int result; /* negative: there is no body */
    struct buf body;
};

static void open_work(void *argument)
{
    struct taking *taking = argument;
    taking->result =
        collection_open(taking->debug->profiler, taking->type, &taking->query.profile, &taking->collection);
}

static void finish_work(void *argument)
{
    struct taking *taking = argument;
    taking->result = taking->form->write(taking->collection, &taking->query, &taking->body);
    collection_close(taking->collection);
}

static void cancel_work(void *argument)
{
    struct taking *taking = argument;
    collection_close(taking->collection);
}

static void open_collection(struct taking *taking)
{
    int rc = debug_work(taking->debug, "profile start", open_work, taking);
    if (rc < 0)
        taking->result = rc;
}

/* This is done in a moment, so it waits for nobody. */
static void cancel_collection(struct taking *taking)
{
    task_offload_to_thread(WAIT_PROFILER, "profile cancel", cancel_work, taking);
}

static void finish_collection(struct taking *taking)
{
    buf_init(&taking->body);
    int rc = debug_work(taking->debug, "profile finish", finish_work, taking);
    if (rc == 0)
        return;
    cancel_collection(taking);
    taking->result = rc;
}

static void answer_failure(struct http_exchange *exchange, const struct taking *taking)
{
    int code = taking->result;
    const char *reason = "failed to collect profile";
    if (code == UV_ECANCELED)
        return; /* the port closes */
    if (code == ERR_TOO_LARGE)
        reason = arena_printf(exchange->request->arena, "this has more stacks than a page can show: take it as a "
                              "profile, from " DEBUG_PREFIX "%s", taking->type->name);
    else if (taking->type->needs_window)
        reason = arena_printf(exchange->request->arena, "Could not enable %s profiling: %s",
                              strcmp(taking->type->name, "profile") == 0 ? "CPU" : taking->type->name,
                              code == ERR_BUSY ? "cpu profiling already in use" : error_text(code));
    if (taking->has_begun)
        taking->form->fail(exchange, reason);
    else
        http_respond_error(exchange, 500, "%s", reason);
}

/* With what was collected, or why nothing was. */
static void answer(struct http_exchange *exchange, struct taking *taking)
{
    if (taking->result < 0)
        answer_failure(exchange, taking);
    else if (taking->has_begun)
        taking->form->end(exchange, buf_bytes(&taking->body));
    else
        taking->form->answer(exchange, taking->file_name, buf_bytes(&taking->body));
    buf_deinit(&taking->body);
}

static int write_profile(struct collection *collection, const struct debug_query *query, struct buf *body)
{
    (void)query;
    struct profile *profile = collection_profile(collection);
    profile_encode_gzip(profile, body);
    profile_destroy(profile);
    return 0;
}

static void answer_profile(struct http_exchange *exchange, const char *file_name, struct bytes body)
{
    debug_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "application/octet-stream",
        .headers = arena_printf(exchange->request->arena, "Content-Disposition: attachment; filename=\"%s\"\r\n",
                                file_name),
        .body = body,
    });
}

static const struct debug_form profile_form = {.write = write_profile, .answer = answer_profile};

static int write_text(struct collection *collection, const struct debug_query *query, struct buf *body)
{
    collection_write_text(collection, query->debug, body);
    return 0;
}

static void answer_text(struct http_exchange *exchange, const char *file_name, struct bytes body)
{
    (void)file_name;
    debug_answer_text(exchange, body);
}

static const struct debug_form text_form = {.write = write_text, .answer = answer_text};

void debug_take_profile(struct http_exchange *exchange, const struct profile_type *type,
                        const struct debug_query *query, const struct debug_form *form)
{
    struct taking taking = {
        .debug = exchange->context,
        .type = type,
        .query = *query,
        .form = form,
        .file_name = arena_printf(exchange->request->arena, "%s%s", type->name,
                                  query->profile.is_delta ? "-delta" : ""),
    };
    open_collection(&taking);
    if (taking.result < 0) {
        answer_failure(exchange, &taking);
        return;
    }

    int waited = UV_ETIMEDOUT;
    taking.has_begun = query->window_ms > 0 && form->begin;
    if (taking.has_begun && form->begin(exchange, type, query) < 0) {
        cancel_collection(&taking);
        return;
    }
    if (query->window_ms > 0)
        waited = stream_wait_closed(exchange->stream, query->window_ms);
    if (waited == UV_ECANCELED) {
        cancel_collection(&taking);
        return; /* the port closes */
    }
    /* As in Go, a client that has closed ends a delta, but gets a window's samples so far: it may still read. */
    if (waited != UV_ETIMEDOUT && !type->needs_window && !query->takes_part) {
        cancel_collection(&taking);
        http_respond_error(exchange, 500, "context canceled");
        return;
    }
    finish_collection(&taking);
    answer(exchange, &taking);
}

static void take_named(struct http_exchange *exchange, const struct profile_type *type)
{
    struct debug_port *debug = exchange->context;
    struct debug_query query;
    const char *refusal = debug_query_read(exchange->request, type, WINDOW_SECONDS, debug->profiler, &query);
    if (refusal)
        http_respond_error(exchange, 400, "%s", refusal);
    else
        debug_take_profile(exchange, type, &query, query.debug != 0 ? &text_form : &profile_form);
}

/* The client's address without its port: "127.0.0.1:49152". */
static struct bytes client_host(const struct http_exchange *exchange)
{
    const char *peer = stream_peer(exchange->stream), *colon = strrchr(peer, ':');
    return bytes_of(peer, colon ? (size_t)(colon - peer) : strlen(peer));
}

/* As godeltaprof's handlers: what came since this scraper was here last; at first, since the program started. A HEAD
 * takes nothing away from the next GET. */
static void take_unseen(struct http_exchange *exchange, const struct profile_type *type)
{
    struct debug_port *debug = exchange->context;
    struct taking taking = {
        .debug = debug,
        .type = type,
        .form = &profile_form,
        .file_name = arena_printf(exchange->request->arena, "%s.pprof.gz", type->name),
    };
    debug_query_read_unseen(exchange->request, &taking.query);
    struct stack_table **seen = debug_cursors_acquire(debug->cursors, type, client_host(exchange));
    taking.query.profile.since = exchange->is_head ? NULL : seen;

    open_collection(&taking);
    if (taking.result == 0)
        finish_collection(&taking);
    debug_cursors_release(debug->cursors);
    answer(exchange, &taking);
}

/* "delta_heap": heap; NULL: not such a name, or not a type that grows. */
static const struct profile_type *find_unseen(struct bytes name)
{
    static const char start[] = "delta_";
    size_t size = strlen(start);
    if (name.size <= size || memcmp(name.data, start, size) != 0)
        return NULL;
    const struct profile_type *type = profile_type_find(bytes_of(name.data + size, name.size - size));
    return type && type->has_delta ? type : NULL;
}

void debug_answer_below_prefix(struct http_exchange *exchange)
{
    struct bytes path = exchange->request->path;
    struct bytes name = bytes_of(path.data + strlen(DEBUG_PREFIX), path.size - strlen(DEBUG_PREFIX));
    const struct profile_type *type = profile_type_find(name), *unseen = find_unseen(name);
    if (name.size == 0)
        debug_answer_index(exchange);
    else if (type)
        take_named(exchange, type);
    else if (unseen)
        take_unseen(exchange, unseen);
    else
        http_respond_error(exchange, 404, "Unknown profile");
}

void debug_answer_fgprof(struct http_exchange *exchange)
{
    take_named(exchange, profile_type_find(bytes_of_string("fgprof")));
}
