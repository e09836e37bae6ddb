/* debug_fixture.h: a debug port with a profiler of its own, and how to read its answers. */
#ifndef TESTS_HTTP_DEBUG_FIXTURE_H
#define TESTS_HTTP_DEBUG_FIXTURE_H

#include "http/ports.h"

#include "base/clock.h"
#include "client.h"
#include "metrics/metrics.h"
#include "pprof/decode.h"
#include "profiler/profiler.h"
#include "runtime/reactor.h"

struct fixture {
    struct reactor *reactor;
    struct metrics *metrics;
    struct profiler *profiler;
    struct http_port *port;
    uint16_t number;
};

/* Short enough that a test can wait for the default duration, which is cut to it. */
#define MAX_DURATION_MS 300

UNUSED static void open_debug_for(struct fixture *fixture, const char *host, int64_t max_duration_ms)
{
    struct profiler_options options = {
        .enabled = true,
        .host = host,
        .cpu_hz = 100,
        .label_topics = true,
        .label_clients = true,
        .max_duration_ns = max_duration_ms * (int64_t)NS_PER_MS,
    };
    *fixture = (struct fixture){.metrics = metrics_create()};
    assert_int_equal(profiler_create(&fixture->profiler, &options), 0);
    assert_int_equal(reactor_start(&fixture->reactor, &(struct reactor_options){.name = "debug"}), 0);
    assert_int_equal(http_debug_port_open(&fixture->port, fixture->reactor, &options, fixture->profiler,
                                          fixture->metrics), 0);
    fixture->number = http_port_number(fixture->port);
}

UNUSED static void open_debug(struct fixture *fixture, const char *host)
{
    open_debug_for(fixture, host, MAX_DURATION_MS);
}

UNUSED static void close_debug(struct fixture *fixture)
{
    http_port_close(fixture->port);
    reactor_stop(fixture->reactor);
    reactor_join(fixture->reactor);
    profiler_destroy(fixture->profiler);
    metrics_destroy(fixture->metrics);
}

#define HEAD(status, type, more) \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nX-Content-Type-Options: nosniff\r\n" more
#define TEXT "text/plain; charset=utf-8"
#define REQUEST(line) line " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

/* Of an answer whose body may hold NULs: *body points into *text, which the caller frees. */
UNUSED static void receive_answer(int fd, struct buf *text, struct bytes *body)
{
    buf_init(text);
    while (client_receive_some(fd, text))
        ;
    client_drop_common(text);
    const char *end = strstr(buf_string(text), "\r\n\r\n");
    assert_non_null(end);
    size_t head_size = (size_t)(end + 4 - (const char *)text->data);
    *body = bytes_of(text->data + head_size, text->size - head_size);
}

/* What is in a body that is a profile. */
UNUSED static struct profile *decode_body(struct bytes body)
{
    struct profile *profile = NULL;
    const char *problem = NULL;
    assert_true(body.size > 2 && body.data[0] == 0x1f && body.data[1] == 0x8b);
    assert_int_equal(profile_decode(body, PROFILE_LIMITS_DEFAULT, &profile, &problem), 0);
    return profile;
}

/* Send a GET for this path that asks to close afterwards; the answer is to be received. */
UNUSED static int send_get(uint16_t number, const char *path)
{
    int fd = client_connect(number);
    char *request = mem_printf(REQUEST("GET %s"), path);
    client_send(fd, request);
    mem_free(request);
    return fd;
}

/* Receive an answer of 200 that is a profile under this file name; closes. */
UNUSED static struct profile *receive_profile_file(int fd, const char *file_name)
{
    struct buf text;
    struct bytes body;
    receive_answer(fd, &text, &body);
    char *head = mem_printf(HEAD("200 OK", "application/octet-stream",
                                 "Content-Disposition: attachment; filename=\"%s\"\r\n"
                                 "Content-Length: %zu\r\nConnection: close\r\n\r\n"), file_name, body.size);
    assert_starts_with(buf_string(&text), head);
    mem_free(head);
    struct profile *profile = decode_body(body);
    buf_deinit(&text);
    close(fd);
    return profile;
}

/* Until the profiler's figure is what is waited for: what a request does is seen from outside. */
#define AWAIT(condition) \
    while (!(condition)) \
        usleep(1000)

#endif
