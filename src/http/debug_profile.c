/* debug_profile.c: /debug/pprof/profile: collects for as long as was asked, or until the client has said all. */
#include "http/debug_port.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "pprof/encode.h"
#include "profiler/collection.h"
#include "profiler/cpu.h"
#include "profiler/profiler.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <math.h>
#include <stdlib.h>
#include <uv.h>

/* What Go's handler takes where the request does not say. */
#define SECONDS_DEFAULT 30

/* A profile from its request to its bytes. */
struct window {
    struct profiler *profiler;
    int hz;
    struct collection *collection;
    int start_result;
    struct buf body;
};

static bool is_number(struct bytes text, const char *characters)
{
    return text.size > 0 && strspn((const char *)text.data, characters) == text.size;
}

/* Go reads whole seconds and takes its default for anything else, 0 and negative numbers included; parts of a second
 * are ours. False for a wish beyond the limit, which has been answered. */
static bool read_duration(struct http_exchange *exchange, int64_t max_duration_ns, uint64_t *duration_ms)
{
    struct bytes value = http_request_value(exchange->request, "seconds");
    char *end = NULL;
    double seconds = is_number(value, "0123456789.") ? strtod((const char *)value.data, &end) : 0;
    if (!end || *end != '\0' || seconds <= 0) {
        int64_t duration_ns = SECONDS_DEFAULT * (int64_t)NS_PER_S;
        *duration_ms = (uint64_t)(duration_ns < max_duration_ns ? duration_ns : max_duration_ns) / NS_PER_MS;
        return true;
    }
    if (seconds > (double)max_duration_ns / (double)NS_PER_S) {
        char limit[64];
        units_format_duration(max_duration_ns, limit, sizeof limit);
        http_respond_error(exchange, 400, "seconds is more than %s, the limit that profiler.max_duration sets", limit);
        return false;
    }
    *duration_ms = (uint64_t)ceil(seconds * 1000);
    return true;
}

/* False for a rate that does not exist, which has been answered. */
static bool read_rate(struct http_exchange *exchange, int default_hz, int *hz)
{
    struct bytes value = http_request_value(exchange->request, "hz");
    *hz = default_hz;
    if (value.size == 0)
        return true;
    long rate = is_number(value, "0123456789") ? strtol((const char *)value.data, NULL, 10) : 0;
    if (rate < CPU_HZ_MIN || rate > CPU_HZ_MAX) {
        http_respond_error(exchange, 400, "hz must be a whole number from %d to %d", CPU_HZ_MIN, CPU_HZ_MAX);
        return false;
    }
    *hz = (int)rate;
    return true;
}

static void start_work(void *argument)
{
    struct window *window = argument;
    const struct profile_query query = {.rate = window->hz};
    window->start_result = collection_open(window->profiler, profile_type_find(bytes_of_string("profile")), &query,
                                           &window->collection);
}

static void finish_work(void *argument)
{
    struct window *window = argument;
    struct profile *profile = collection_profile(window->collection);
    collection_close(window->collection);
    profile_encode_gzip(profile, &window->body);
    profile_destroy(profile);
}

static void cancel_work(void *argument)
{
    struct window *window = argument;
    collection_close(window->collection);
}

static void answer_profile(struct http_exchange *exchange, struct window *window)
{
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "application/octet-stream",
        .headers = "Content-Disposition: attachment; filename=\"profile\"\r\n",
        .body = buf_bytes(&window->body),
    });
}

void debug_answer_profile(struct http_exchange *exchange)
{
    const struct debug_port *debug = exchange->context;
    struct profiler_options options = profiler_options(debug->profiler);
    struct window window = {.profiler = debug->profiler};
    uint64_t duration_ms;
    if (!read_duration(exchange, options.max_duration_ns, &duration_ms) ||
        !read_rate(exchange, options.cpu_hz, &window.hz))
        return;
    /* A disk that hangs may hold all threads of the pool: just then a profile is wanted. */
    task_offload_to_thread("profile start", start_work, &window);
    if (window.start_result != 0) {
        http_respond_error(exchange, 500, "Could not enable CPU profiling: %s", error_text(window.start_result));
        return;
    }
    if (stream_wait_closed(exchange->stream, duration_ms) == UV_ECANCELED) {
        task_offload_to_thread("profile cancel", cancel_work, &window);
        return; /* the port closes */
    }
    /* A client that has closed ends the window. As in Go it is answered all the same: it may still read. */
    buf_init(&window.body);
    task_offload_to_thread("profile finish", finish_work, &window);
    answer_profile(exchange, &window);
    buf_deinit(&window.body);
}
