/* test_chunks.c: answers that are sent piece by piece, and what a client sees when one breaks off. */
#include "http/port.h"

#include "client.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <semaphore.h>
#include <uv.h>

#define LARGE_PIECE_BYTES (1u << 20)

/* What the handlers share with the tests. */
struct shared {
    sem_t begun, failed;
};

static const struct http_response head = {200, "text/plain", "X-Test: yes\r\n", {0}};

static int write_text(struct http_exchange *exchange, const char *text)
{
    return http_respond_write(exchange, bytes_of_string(text));
}

static void answer_in_pieces(struct http_exchange *exchange)
{
    int rc = http_respond_begin(exchange, &head);
    if (rc == 0)
        rc = write_text(exchange, "one");
    if (rc == 0)
        rc = write_text(exchange, ""); /* nothing, and not the end */
    (void)task_sleep_ms(1);
    if (rc == 0)
        rc = write_text(exchange, "and twenty characters");
    if (rc == 0)
        http_respond_end(exchange);
}

static void answer_without_pieces(struct http_exchange *exchange)
{
    if (http_respond_begin(exchange, &head) == 0)
        http_respond_end(exchange);
}

static void break_off(struct http_exchange *exchange)
{
    if (http_respond_begin(exchange, &head) == 0)
        (void)write_text(exchange, "one");
}

/* Until its client takes no more. */
static void answer_endlessly(struct http_exchange *exchange)
{
    struct shared *shared = exchange->context;
    void *piece = mem_alloc(LARGE_PIECE_BYTES);
    int rc = http_respond_begin(exchange, &head);
    sem_post(&shared->begun);
    while (rc == 0)
        rc = http_respond_write(exchange, bytes_of(piece, LARGE_PIECE_BYTES));
    mem_free(piece);
    sem_post(&shared->failed);
}

/* Begun, and then it waits for something that takes long. */
static void answer_late(struct http_exchange *exchange)
{
    struct shared *shared = exchange->context;
    if (http_respond_begin(exchange, &head) != 0 || write_text(exchange, "one") != 0)
        return;
    sem_post(&shared->begun);
    if (stream_wait_closed(exchange->stream, TIMEOUT_NEVER) == 0)
        http_respond_end(exchange);
}

static const struct http_route routes[] = {
    {"/pieces", HTTP_ALLOW_GET, answer_in_pieces},     {"/none", HTTP_ALLOW_GET, answer_without_pieces},
    {"/broken", HTTP_ALLOW_GET, break_off},            {"/endless", HTTP_ALLOW_GET, answer_endlessly},
    {"/late", HTTP_ALLOW_GET, answer_late},
};

struct fixture {
    struct reactor *reactor;
    struct http_port *port;
    struct shared shared;
    uint16_t number;
};

static void open_port(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    sem_init(&fixture->shared.begun, 0, 0);
    sem_init(&fixture->shared.failed, 0, 0);
    assert_int_equal(reactor_start(&fixture->reactor, &(struct reactor_options){.name = "http"}), 0);
    assert_int_equal(http_port_open(&fixture->port, fixture->reactor, &(struct http_port_setup){
        .name = "test",
        .host = "127.0.0.1",
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .context = &fixture->shared,
    }), 0);
    fixture->number = http_port_number(fixture->port);
}

static void close_port(struct fixture *fixture)
{
    http_port_close(fixture->port);
    reactor_stop(fixture->reactor);
    reactor_join(fixture->reactor);
    sem_destroy(&fixture->shared.begun);
    sem_destroy(&fixture->shared.failed);
}

/* What never comes must fail the test, not hang it. */
static void await(sem_t *event)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += CLIENT_TIMEOUT_S;
    while (sem_timedwait(event, &deadline) != 0)
        assert_int_equal(errno, EINTR);
}

#define HEAD_OF(more) \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nX-Test: yes\r\n" more "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define CLOSE "Connection: close\r\n"

/* RFC 9112 section 7.1. */
static void pieces_are_chunks(void **state)
{
    (void)state;
    struct fixture fixture;
    open_port(&fixture);
    assert_exchange(fixture.number, "GET /pieces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                    HEAD_OF(CHUNKED CLOSE) "3\r\none\r\n15\r\nand twenty characters\r\n0\r\n\r\n");
    assert_exchange(fixture.number, "GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                    HEAD_OF(CHUNKED CLOSE) "0\r\n\r\n");
    close_port(&fixture);
}

static void the_connection_serves_on_after_the_last_chunk(void **state)
{
    (void)state;
    struct fixture fixture;
    open_port(&fixture);
    assert_exchange(fixture.number, "GET /none HTTP/1.1\r\nHost: h\r\n\r\nHEAD /pieces HTTP/1.1\r\nHost: h\r\n\r\n"
                                    "GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                    HEAD_OF(CHUNKED) "0\r\n\r\n" HEAD_OF() HEAD_OF(CHUNKED CLOSE) "0\r\n\r\n");
    close_port(&fixture);
}

static void to_http_1_0_it_ends_with_the_connection(void **state)
{
    (void)state;
    struct fixture fixture;
    open_port(&fixture);
    assert_exchange(fixture.number, "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                    HEAD_OF(CLOSE) "oneand twenty characters");
    assert_exchange(fixture.number, "HEAD /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /none HTTP/1.0\r\n\r\n",
                    HEAD_OF("Connection: keep-alive\r\n") HEAD_OF(CLOSE));
    close_port(&fixture);
}

static void an_answer_that_breaks_off_has_no_last_chunk(void **state)
{
    (void)state;
    struct fixture fixture;
    open_port(&fixture);
    assert_exchange(fixture.number, "GET /broken HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n",
                    HEAD_OF(CHUNKED) "3\r\none\r\n");
    close_port(&fixture);
}

static void a_port_that_closes_breaks_it_off(void **state)
{
    (void)state;
    struct fixture fixture;
    open_port(&fixture);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
    await(&fixture.shared.begun);

    close_port(&fixture);

    char *answer = client_receive_all(fd);
    assert_string_equal(answer, HEAD_OF(CHUNKED) "3\r\none\r\n");
    mem_free(answer);
    close(fd);
}

static void a_client_that_leaves_ends_it(void **state)
{
    (void)state;
    struct fixture fixture;
    open_port(&fixture);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET /endless HTTP/1.1\r\nHost: h\r\n\r\n");
    await(&fixture.shared.begun);

    close(fd);

    await(&fixture.shared.failed);
    close_port(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_chunks),
        cmocka_unit_test(the_connection_serves_on_after_the_last_chunk),
        cmocka_unit_test(to_http_1_0_it_ends_with_the_connection),
        cmocka_unit_test(an_answer_that_breaks_off_has_no_last_chunk),
        cmocka_unit_test(a_port_that_closes_breaks_it_off),
        cmocka_unit_test(a_client_that_leaves_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
