/* connection.c: reads requests off a stream, in order, and writes their answers. */
#include "http/connection.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <http_parser.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <uv.h>

#define READ_BUFFER_BYTES (64u * 1024)
/* A client that takes nothing of its answer for so long is given up. */
#define WRITE_TIMEOUT_MS 30000
/* How much of what the client still sends after a refusal is read and thrown away. */
#define LINGER_BYTES (4u * 1024 * 1024)

static void append_date(struct buf *head)
{
    time_t now = (time_t)(clock_wall_ns() / (int64_t)NS_PER_S);
    struct tm utc;
    char text[64];
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
    buf_append_string(head, text);
}

/* All of it but how the body ends. */
static void append_head(struct buf *head, const struct http_response *response)
{
    buf_printf(head, "HTTP/1.1 %u %s\r\nServer: takhin/" TAKHIN_VERSION "\r\n", response->status,
               http_status_str((enum http_status)response->status));
    append_date(head);
    buf_printf(head, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", response->content_type);
    if (response->headers)
        buf_append_string(head, response->headers);
}

static void append_connection(struct buf *head, const struct http_exchange *exchange)
{
    if (exchange->close)
        buf_append_string(head, "Connection: close\r\n");
    else if (exchange->request && exchange->request->is_http_1_0)
        buf_append_string(head, "Connection: keep-alive\r\n");
    buf_append_string(head, "\r\n");
}

static int send_pieces(struct http_exchange *exchange, const struct bytes *pieces, unsigned count)
{
    int rc = stream_write(exchange->stream, pieces, count, WRITE_TIMEOUT_MS);
    if (rc != 0) {
        log_debug("http answer not sent peer=%s error=%s", stream_peer(exchange->stream), error_name(rc));
        exchange->close = true;
    }
    return rc;
}

void http_respond(struct http_exchange *exchange, const struct http_response *response)
{
    ASSERT(!exchange->answered);
    exchange->answered = true;
    struct buf head;
    buf_init(&head);
    append_head(&head, response);
    buf_printf(&head, "Content-Length: %zu\r\n", response->body.size);
    append_connection(&head, exchange);

    struct bytes pieces[] = {buf_bytes(&head), response->body};
    unsigned count = exchange->is_head || response->body.size == 0 ? 1 : 2;
    (void)send_pieces(exchange, pieces, count); /* the connection is closed then */
    buf_deinit(&head);
}

int http_respond_begin(struct http_exchange *exchange, const struct http_response *response)
{
    ASSERT(!exchange->answered);
    bool has_body = !exchange->is_head;
    exchange->answered = exchange->is_underway = true;
    exchange->is_chunked = has_body && !exchange->request->is_http_1_0;
    if (has_body && !exchange->is_chunked)
        exchange->close = true;
    struct buf head;
    buf_init(&head);
    append_head(&head, response);
    if (exchange->is_chunked)
        buf_append_string(&head, "Transfer-Encoding: chunked\r\n");
    append_connection(&head, exchange);
    struct bytes piece = buf_bytes(&head);
    int rc = send_pieces(exchange, &piece, 1);
    buf_deinit(&head);
    return rc;
}

int http_respond_write(struct http_exchange *exchange, struct bytes piece)
{
    ASSERT(exchange->is_underway);
    if (exchange->is_head || piece.size == 0) /* an empty chunk would be the last one */
        return 0;
    if (!exchange->is_chunked)
        return send_pieces(exchange, &piece, 1);
    char size[24];
    snprintf(size, sizeof size, "%zx\r\n", piece.size);
    const struct bytes chunk[] = {bytes_of_string(size), piece, bytes_of_string("\r\n")};
    return send_pieces(exchange, chunk, ARRAY_COUNT(chunk));
}

void http_respond_end(struct http_exchange *exchange)
{
    ASSERT(exchange->is_underway);
    exchange->is_underway = false;
    struct bytes last = bytes_of_string("0\r\n\r\n");
    if (exchange->is_chunked)
        (void)send_pieces(exchange, &last, 1); /* the connection is closed then */
}

void http_respond_error(struct http_exchange *exchange, unsigned status, const char *format, ...)
{
    struct buf text;
    buf_init(&text);
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_printf(&text, "%s\n", line);
    http_respond(exchange, &(struct http_response){
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .headers = exchange->error_headers,
        .body = buf_bytes(&text),
    });
    buf_deinit(&text);
}

/* Milliseconds until then, 0 once it is over. */
static uint64_t remaining_ms(uint64_t deadline_ns)
{
    uint64_t now = clock_monotonic_ns();
    return now < deadline_ns ? (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
}

static int write_continue(struct stream *stream)
{
    struct bytes piece = bytes_of_string("HTTP/1.1 100 Continue\r\n\r\n");
    return stream_write(stream, &piece, 1, WRITE_TIMEOUT_MS);
}

/* Read one whole request. Otherwise ERR_MALFORMED with a *refusal to answer, or the stream's code when there is nobody
 * to answer: the client went or stayed silent, or the port closes. */
static int read_request(struct stream *stream, struct http_reader *reader, const struct http_port_setup *setup,
                        bool *is_silent, struct http_refusal *refusal)
{
    uint64_t deadline = clock_monotonic_ns() + setup->idle_timeout_ms * NS_PER_MS;
    bool has_begun = false;
    while (true) {
        size_t consumed;
        enum http_progress progress = http_reader_feed(reader, stream_buffered(stream), &consumed);
        stream_consume(stream, consumed);
        if (progress == HTTP_COMPLETE)
            return 0;
        if (progress == HTTP_REFUSED) {
            *refusal = http_reader_refusal(reader);
            return ERR_MALFORMED;
        }
        if (http_reader_underway(reader) && !has_begun) {
            has_begun = true;
            deadline = clock_monotonic_ns() + setup->request_timeout_ms * NS_PER_MS;
        }
        int rc = http_reader_wants_continue(reader) ? write_continue(stream) : 0;
        struct bytes view;
        *is_silent = !has_begun;
        if (rc == 0)
            rc = stream_read(stream, 1, remaining_ms(deadline), &view);
        *is_silent = false;
        if (rc == UV_ETIMEDOUT && has_begun) {
            *refusal = (struct http_refusal){408, "the request did not arrive in time"};
            return ERR_MALFORMED;
        }
        if (rc != 0)
            return rc;
    }
}

/* After a refusal. Closing with unread bytes would make the kernel send a reset, which can overtake the refusal. */
static void linger(struct stream *stream, uint64_t timeout_ms)
{
    uint64_t deadline = clock_monotonic_ns() + timeout_ms * NS_PER_MS;
    struct bytes view;
    for (size_t dropped = 0; dropped < LINGER_BYTES; dropped += view.size) {
        if (stream_read(stream, 1, remaining_ms(deadline), &view) != 0)
            break;
        stream_consume(stream, view.size);
    }
}

static void refuse_request(struct stream *stream, const struct http_port_setup *setup, struct http_refusal refusal)
{
    log_debug("http request refused port=%s peer=%s status=%u reason=\"%s\"", setup->name, stream_peer(stream),
              refusal.status, refusal.text);
    struct http_exchange exchange = {.stream = stream, .error_headers = setup->error_headers, .close = true};
    http_respond_error(&exchange, refusal.status, "%s", refusal.text);
    linger(stream, setup->linger_ms);
}

/* False once the connection is to be closed. */
static bool serve_request(struct stream *stream, struct http_reader *reader, const struct http_port_setup *setup,
                          bool refuse, bool *is_silent)
{
    struct http_refusal refusal = {0};
    int rc = read_request(stream, reader, setup, is_silent, &refusal);
    if (rc == 0 && refuse)
        refusal = (struct http_refusal){503, "too many connections"};
    if (refusal.status != 0)
        refuse_request(stream, setup, refusal);
    if (rc != 0 || refusal.status != 0)
        return false;
    const struct http_request *request = http_reader_request(reader);
    struct http_exchange exchange = {
        .request = request,
        .context = setup->context,
        .stream = stream,
        .error_headers = setup->error_headers,
        .is_head = request->is_head,
        .close = !request->keep_alive,
    };
    http_route_dispatch(&exchange, setup);
    return exchange.answered && !exchange.is_underway && !exchange.close;
}

void http_connection_serve(int fd, const struct http_port_setup *setup, bool refuse, bool *is_silent)
{
    struct stream *stream;
    int rc = stream_open(&stream, fd, &(struct stream_options){.buffer_max = READ_BUFFER_BYTES});
    if (rc != 0) {
        log_debug("http connection not opened port=%s error=%s", setup->name, error_name(rc));
        return;
    }
    struct http_reader *reader = http_reader_create();
    while (serve_request(stream, reader, setup, refuse, is_silent))
        ;
    http_reader_destroy(reader);
    stream_close(stream);
}
