/* debug_captures.c: /debug/pprof/captures: the traces that the profiler has saved of slow requests. */
#include "http/debug_port.h"

#include "base/error.h"
#include "base/mem.h"
#include "profiler/captures.h"
#include "profiler/profiler.h"

#include <inttypes.h>

/* What reads the folder, on a thread of its own. */
struct listing {
    struct captures *captures;
    struct capture_file *files;
    int count; /* or negative: an error */
};

struct reading {
    struct captures *captures;
    const char *name;
    struct buf content;
    int result;
};

static void list_work(void *argument)
{
    struct listing *listing = argument;
    listing->count = captures_list(listing->captures, &listing->files);
}

static void read_work(void *argument)
{
    struct reading *reading = argument;
    reading->result = captures_read(reading->captures, reading->name, &reading->content);
}

static void write_json(const struct listing *listing, struct buf *text)
{
    buf_append_string(text, "{\"captures\":[");
    for (int i = 0; i < listing->count; i++) {
        const struct capture_file *file = &listing->files[i];
        buf_printf(text, "%s{\"name\":\"%s\",\"time\":\"", i > 0 ? "," : "", file->name);
        debug_append_time(text, file->time_ns);
        buf_printf(text, "\",\"size_bytes\":%" PRIu64 "}", file->size_bytes);
    }
    buf_append_string(text, "]}\n");
}

static void write_page(const struct listing *listing, struct buf *page)
{
    buf_append_string(page, "<html>\n<head>\n<title>" DEBUG_CAPTURES "</title>\n</head>\n<body>\n"
                            "<p>Traces of the time around requests that took as long as "
                            "<code>profiler.slow_request_ms</code> says, or longer; the newest first. Open one with "
                            "<code>go tool trace</code>, or read it with <code>takhin-profiler analyze</code>.</p>\n");
    if (listing->count == 0)
        buf_append_string(page, "<p>There are none.</p>\n");
    buf_append_string(page, "<table>\n<thead><td>Time</td><td>KiB</td><td>Capture</td></thead>\n");
    for (int i = 0; i < listing->count; i++) {
        const struct capture_file *file = &listing->files[i];
        buf_append_string(page, "<tr><td>");
        debug_append_time(page, file->time_ns);
        buf_printf(page, "</td><td>%" PRIu64 "</td><td><a href='" DEBUG_CAPTURES "/%s'>%s</a></td></tr>\n",
                   (file->size_bytes + 1023) / 1024, file->name, file->name);
    }
    buf_append_string(page, "</table>\n</body>\n</html>\n");
}

static bool wants_json(const struct http_request *request)
{
    static const char json[] = "application/json";
    struct bytes accept = http_request_header(request, "Accept");
    return bytes_equal_string(http_request_value(request, "format"), "json") ||
           (accept.size > 0 && memmem(accept.data, accept.size, json, sizeof json - 1));
}

static void answer_list(struct http_exchange *exchange)
{
    struct debug_port *debug = exchange->context;
    struct listing listing = {.captures = profiler_captures(debug->profiler)};
    if (debug_work(debug, "captures", list_work, &listing) < 0)
        return; /* the port closes */
    if (listing.count < 0) {
        http_respond_error(exchange, 500, "cannot read profiler.capture_dir: %s", error_text(listing.count));
        return;
    }
    bool is_json = wants_json(exchange->request);
    struct buf text;
    buf_init(&text);
    (is_json ? write_json : write_page)(&listing, &text);
    debug_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = is_json ? "application/json" : "text/html; charset=utf-8",
        .headers = "Cache-Control: no-store\r\n",
        .body = buf_bytes(&text),
    });
    buf_deinit(&text);
    mem_free(listing.files);
}

static void answer_unknown(struct http_exchange *exchange)
{
    http_respond_error(exchange, 404, "there is no capture of this name");
}

static void answer_file(struct http_exchange *exchange, const char *name)
{
    struct debug_port *debug = exchange->context;
    struct arena *arena = exchange->request->arena;
    struct reading reading = {.captures = profiler_captures(debug->profiler), .name = name};
    buf_init(&reading.content);
    if (debug_work(debug, "captures", read_work, &reading) < 0)
        return; /* the port closes */
    if (reading.result == ERR_NOT_FOUND)
        answer_unknown(exchange);
    else if (reading.result < 0)
        http_respond_error(exchange, 500, "cannot read the capture: %s", error_text(reading.result));
    else
        debug_respond(exchange, &(struct http_response){
            .status = 200,
            .content_type = "application/octet-stream",
            .headers = arena_printf(arena, "Content-Disposition: attachment; filename=\"%s\"\r\n", name),
            .body = buf_bytes(&reading.content),
        });
    buf_deinit(&reading.content);
}

void debug_answer_captures(struct http_exchange *exchange)
{
    struct bytes path = exchange->request->path;
    size_t start = strlen(DEBUG_CAPTURES "/");
    if (path.size <= start)
        answer_list(exchange);
    else if (memchr(path.data, '\0', path.size))
        answer_unknown(exchange);
    else
        answer_file(exchange, (const char *)path.data + start);
}
