/* test_port.c: the server on real sockets: order, limits, refusals, closing. */
#include "http/port.h"

#include "base/check.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "client.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <uv.h>

/* What the handlers of these tests share with the tests. */
struct shared {
    sem_t held; /* a handler waits */
    sem_t gone; /* and has seen its client leave */
    atomic_int closed_count;
};

static void answer_echo(struct http_exchange *exchange)
{
    struct bytes query = exchange->request->query, body = exchange->request->body;
    const char *text = arena_printf(exchange->request->arena, "%s %.*s|%.*s|%.*s\n", exchange->request->method,
                                    BYTES_ARGS(exchange->request->path), BYTES_ARGS(query), BYTES_ARGS(body));
    http_respond(exchange, &(struct http_response){200, "text/plain", "X-Test: yes\r\n", bytes_of_string(text)});
}

/* Parks before it answers, so that a later answer could overtake it. */
static void answer_slowly(struct http_exchange *exchange)
{
    (void)task_sleep_ms(20);
    answer_echo(exchange);
}

static void answer_when_gone(struct http_exchange *exchange)
{
    struct shared *shared = exchange->context;
    sem_post(&shared->held);
    if (stream_wait_closed(exchange->stream, TIMEOUT_NEVER) == 0)
        sem_post(&shared->gone);
}

static void answer_large(struct http_exchange *exchange)
{
    size_t size = 8u << 20;
    uint8_t *body = mem_alloc(size);
    memset(body, 'x', size);
    http_respond(exchange, &(struct http_response){200, "text/plain", NULL, bytes_of(body, size)});
    mem_free(body);
}

static void answer_nothing(struct http_exchange *exchange)
{
    (void)exchange;
}

static const struct http_route routes[] = {
    {"/echo", HTTP_ALLOW_GET | HTTP_ALLOW_POST, answer_echo},
    {"/slow", HTTP_ALLOW_GET, answer_slowly},
    {"/hold", HTTP_ALLOW_GET, answer_when_gone},
    {"/large", HTTP_ALLOW_GET, answer_large},
    {"/nothing", HTTP_ALLOW_GET, answer_nothing},
    {"/post", HTTP_ALLOW_POST, answer_echo},
    {"/tree/", HTTP_ALLOW_GET, answer_echo},
};

struct fixture {
    struct reactor *reactor;
    struct http_port *port;
    struct shared shared;
    uint16_t number;
};

static void count_close(void *context)
{
    struct shared *shared = context;
    atomic_fetch_add(&shared->closed_count, 1);
}

static struct http_port_setup default_setup(struct fixture *fixture)
{
    return (struct http_port_setup){
        .name = "test",
        .host = "127.0.0.1",
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .error_headers = "X-Error: yes\r\n",
        .context = &fixture->shared,
        .closed = count_close,
    };
}

static void open_port(struct fixture *fixture, const struct http_port_setup *setup)
{
    assert_int_equal(sem_init(&fixture->shared.held, 0, 0), 0);
    assert_int_equal(sem_init(&fixture->shared.gone, 0, 0), 0);
    assert_int_equal(reactor_start(&fixture->reactor, &(struct reactor_options){.name = "http"}), 0);
    assert_int_equal(http_port_open(&fixture->port, fixture->reactor, setup), 0);
    fixture->number = http_port_number(fixture->port);
    assert_int_not_equal(fixture->number, 0);
}

static void open_default(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    struct http_port_setup setup = default_setup(fixture);
    open_port(fixture, &setup);
}

static void close_all(struct fixture *fixture)
{
    http_port_close(fixture->port);
    assert_int_equal(atomic_load(&fixture->shared.closed_count), 1);
    reactor_stop(fixture->reactor);
    reactor_join(fixture->reactor);
}

#define HEAD(status, type, more) \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nX-Content-Type-Options: nosniff\r\n" more

static void an_answer_is_these_bytes(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    assert_exchange(fixture.number, "GET /echo?a=b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                    HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 15\r\nConnection: close\r\n\r\n")
                    "GET /echo|a=b|\n");
    assert_exchange(fixture.number, "HEAD /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                    HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"));
    assert_exchange(fixture.number, "POST /post HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                    "Content-Length: 2\r\n\r\nhi",
                    HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 15\r\nConnection: close\r\n\r\n")
                    "POST /post||hi\n");
    close_all(&fixture);
}

static void program_and_date_are_told(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET /echo HTTP/1.0\r\n\r\n");
    struct buf text;
    buf_init(&text);
    while (client_receive_some(fd, &text))
        ;

    char weekday[4], month[4], zone[4];
    int day, year, hour, minute, second;
    assert_starts_with(buf_string(&text), "HTTP/1.1 200 OK\r\nServer: takhin/" TAKHIN_VERSION "\r\nDate: ");
    const char *date = strstr(buf_string(&text), "\r\nDate: ");
    assert_non_null(date);
    assert_int_equal(sscanf(date, "\r\nDate: %3s, %2d %3s %4d %2d:%2d:%2d %3s\r\n", weekday, &day, month, &year, &hour,
                            &minute, &second, zone),
                     8);
    assert_string_equal(zone, "GMT");
    assert_true(year > 2000);
    buf_deinit(&text);
    close(fd);
    close_all(&fixture);
}

static void pipelined_answers_keep_the_order(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
                    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
                    "HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n"
                    "GET /missing HTTP/1.1\r\nHost: h\r\n\r\n"
                    "GET /echo?last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    char *answers = client_receive_all(fd);
    assert_string_equal(answers,
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 12\r\n\r\n") "GET /slow||\n"
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 14\r\n\r\n") "POST /echo||a\n"
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 13\r\n\r\n")
        HEAD("404 Not Found", "text/plain; charset=utf-8", "X-Error: yes\r\nContent-Length: 19\r\n\r\n")
        "404 page not found\n"
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 16\r\nConnection: close\r\n\r\n")
        "GET /echo|last|\n");
    mem_free(answers);
    close(fd);
    close_all(&fixture);
}

static void http_1_0_is_kept_alive_where_asked(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    assert_exchange(fixture.number, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n",
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n")
        "GET /echo||\n"
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 12\r\nConnection: close\r\n\r\n")
        "GET /echo||\n");
    close_all(&fixture);
}

static void routes_are_found_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *start, *end;
    } cases[] = {
        {"GET", "/tree/", "HTTP/1.1 200 OK\r\n", "\r\n\r\nGET /tree/||\n"},
        {"GET", "/tree/leaf/x?y", "HTTP/1.1 200 OK\r\n", "\r\n\r\nGET /tree/leaf/x|y|\n"},
        {"GET", "/tree", HEAD("301 Moved Permanently", "text/html; charset=utf-8",
            "Location: /tree/\r\nContent-Length: 41\r\nConnection: close\r\n\r\n"),
            "\r\n\r\n<a href=\"/tree/\">Moved Permanently</a>.\n\n"},
        {"GET", "/tree?a=1", "HTTP/1.1 301 Moved Permanently\r\n", "<a href=\"/tree/\">Moved Permanently</a>.\n\n"},
        {"GET", "/%74ree%2Fleaf", "HTTP/1.1 200 OK\r\n", "\r\n\r\nGET /tree/leaf||\n"},
        {"GET", "/tree%00", "HTTP/1.1 404 Not Found\r\n", "\r\n\r\n404 page not found\n"},
        {"GET", "/tree/%2", "HTTP/1.1 400 Bad Request\r\n",
            "the request's path has a percent sign without two hexadecimal digits\n"},
        {"GET", "/treehouse", "HTTP/1.1 404 Not Found\r\n", "\r\n\r\n404 page not found\n"},
        {"GET", "/", "HTTP/1.1 404 Not Found\r\n", "\r\n\r\n404 page not found\n"},
        {"POST", "/tree/", HEAD("405 Method Not Allowed", "text/plain; charset=utf-8",
            "Allow: GET, HEAD\r\nX-Error: yes\r\nContent-Length: 19\r\nConnection: close\r\n\r\n"),
            "\r\n\r\nMethod Not Allowed\n"},
        {"GET", "/post", "HTTP/1.1 405 Method Not Allowed\r\n", "Method Not Allowed\n"},
        {"DELETE", "/echo", HEAD("405 Method Not Allowed", "text/plain; charset=utf-8",
            "Allow: GET, HEAD, POST\r\nX-Error: yes\r\nContent-Length: 19\r\nConnection: close\r\n\r\n"),
            "\r\n\r\nMethod Not Allowed\n"},
    };
    struct fixture fixture;
    open_default(&fixture);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *answer = client_request(fixture.number, cases[i].method, cases[i].path);
        assert_starts_with(answer, cases[i].start);
        assert_string_equal(answer + strlen(answer) - strlen(cases[i].end), cases[i].end);
        mem_free(answer);
    }
    char *moved = client_request(fixture.number, "GET", "/tree?a=1");
    assert_non_null(strstr(moved, "\r\nLocation: /tree/?a=1\r\n"));
    mem_free(moved);
    close_all(&fixture);
}

static void what_is_refused_is_told_before_the_close(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    assert_exchange(fixture.number, "GARBAGE\r\n\r\n",
        HEAD("400 Bad Request", "text/plain; charset=utf-8",
             "X-Error: yes\r\nContent-Length: 20\r\nConnection: close\r\n\r\n") "invalid HTTP method\n");
    assert_exchange(fixture.number, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n",
        HEAD("413 Payload Too Large", "text/plain; charset=utf-8",
             "X-Error: yes\r\nContent-Length: 40\r\nConnection: close\r\n\r\n")
        "the request's body is larger than 1 MiB\n");
    close_all(&fixture);
}

static void a_refusal_is_read_by_one_who_still_sends(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct http_port_setup setup = default_setup(&fixture);
    setup.linger_ms = CLIENT_TIMEOUT_S * 1000; /* however late this machine lets the client have its turn */
    open_port(&fixture, &setup);
    int fd = client_connect(fixture.number);
    size_t size = 1u << 20;
    char *head = mem_alloc(size);
    memset(head, 'a', size);
    memcpy(head, "GET /", 5);
    client_send_bytes(fd, head, size);
    shutdown(fd, SHUT_WR); /* so that the port need not wait for more */

    char *answer = client_receive_all(fd);

    assert_starts_with(answer, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    mem_free(answer);
    mem_free(head);
    close(fd);
    close_all(&fixture);
}

static void the_body_is_asked_for_with_100(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    int fd = client_connect(fixture.number);
    client_send(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
                    "Connection: close\r\n\r\n");
    struct buf text;
    buf_init(&text);
    while (text.size < strlen("HTTP/1.1 100 Continue\r\n\r\n"))
        assert_true(client_receive_some(fd, &text));
    assert_string_equal(buf_string(&text), "HTTP/1.1 100 Continue\r\n\r\n");

    client_send(fd, "hi");
    char *answer = client_receive_all(fd);
    assert_non_null(strstr(answer, "\r\n\r\nPOST /echo||hi\n"));
    mem_free(answer);
    buf_deinit(&text);
    close(fd);
    close_all(&fixture);
}

static void a_slow_request_is_given_up(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct http_port_setup setup = default_setup(&fixture);
    setup.request_timeout_ms = 50;
    open_port(&fixture, &setup);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET /echo HTTP/1.1\r\nHos");

    char *answer = client_receive_all(fd);

    assert_string_equal(answer, HEAD("408 Request Timeout", "text/plain; charset=utf-8",
        "X-Error: yes\r\nContent-Length: 35\r\nConnection: close\r\n\r\n") "the request did not arrive in time\n");
    mem_free(answer);
    close(fd);
    close_all(&fixture);
}

static void a_silent_connection_is_closed(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct http_port_setup setup = default_setup(&fixture);
    setup.idle_timeout_ms = 50;
    open_port(&fixture, &setup);
    int fd = client_connect(fixture.number);

    char *answer = client_receive_all(fd);

    assert_string_equal(answer, "");
    mem_free(answer);
    close(fd);
    close_all(&fixture);
}

static void wait_for(sem_t *event)
{
    while (sem_wait(event) != 0)
        ;
}

static void too_many_connections_are_told_so(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct http_port_setup setup = default_setup(&fixture);
    setup.connections_max = 2;
    open_port(&fixture, &setup);
    int held[2];
    for (size_t i = 0; i < ARRAY_COUNT(held); i++) {
        held[i] = client_connect(fixture.number);
        client_send(held[i], "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    wait_for(&fixture.shared.held);
    wait_for(&fixture.shared.held);

    assert_exchange(fixture.number, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
        HEAD("503 Service Unavailable", "text/plain; charset=utf-8",
             "X-Error: yes\r\nContent-Length: 21\r\nConnection: close\r\n\r\n") "too many connections\n");

    close(held[0]);
    wait_for(&fixture.shared.gone);
    close(held[1]);
    wait_for(&fixture.shared.gone);
    char *answer = NULL;
    do { /* the places are free once both tasks have ended, just after they said so */
        mem_free(answer);
        answer = client_request(fixture.number, "GET", "/echo");
    } while (strncmp(answer, "HTTP/1.1 503", 12) == 0);
    assert_starts_with(answer, "HTTP/1.1 200 OK\r\n");
    mem_free(answer);
    close_all(&fixture);
}

static void silent_connections_make_room_for_one_that_asks(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct http_port_setup setup = default_setup(&fixture);
    setup.connections_max = 2;
    open_port(&fixture, &setup);
    int silent[2];
    for (size_t i = 0; i < ARRAY_COUNT(silent); i++) {
        struct buf text;
        buf_init(&text);
        silent[i] = client_connect(fixture.number);
        client_send(silent[i], "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n");
        while (!strstr(buf_string(&text), "GET /echo||\n"))
            assert_true(client_receive_some(silent[i], &text));
        buf_deinit(&text);
    }

    char *answer = client_request(fixture.number, "GET", "/echo");

    assert_starts_with(answer, "HTTP/1.1 200 OK\r\n");
    char *rest = client_receive_all(silent[0]); /* the older one had to go */
    assert_string_equal(rest, "");
    mem_free(rest);
    mem_free(answer);
    close(silent[0]);
    close(silent[1]);
    close_all(&fixture);
}

static void a_large_answer_arrives_whole(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    char *answer = client_request(fixture.number, "GET", "/large");
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), 8u << 20);
    assert_int_equal(strspn(body, "x"), 8u << 20);
    mem_free(answer);
    close_all(&fixture);
}

static void one_who_has_said_all_is_answered(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\nGET /ec");
    shutdown(fd, SHUT_WR);

    char *answers = client_receive_all(fd);

    assert_string_equal(answers,
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 12\r\n\r\n") "GET /slow||\n"
        HEAD("200 OK", "text/plain", "X-Test: yes\r\nContent-Length: 12\r\n\r\n") "GET /echo||\n");
    mem_free(answers);
    close(fd);
    close_all(&fixture);
}

static void a_handler_without_an_answer_closes(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    assert_exchange(fixture.number, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n", "");
    close_all(&fixture);
}

static void closing_ends_what_is_under_way(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    int idle = client_connect(fixture.number), held = client_connect(fixture.number);
    client_send(held, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(&fixture.shared.held);

    http_port_close(fixture.port);

    struct buf text;
    buf_init(&text);
    assert_false(client_receive_some(idle, &text));
    assert_false(client_receive_some(held, &text));
    assert_int_equal(sem_trywait(&fixture.shared.gone), -1);
    buf_deinit(&text);
    close(idle);
    close(held);

    /* The number is free again, on the same reactor. */
    struct http_port_setup setup = default_setup(&fixture);
    setup.port = fixture.number;
    atomic_store(&fixture.shared.closed_count, 0);
    assert_int_equal(http_port_open(&fixture.port, fixture.reactor, &setup), 0);
    assert_int_equal(http_port_number(fixture.port), fixture.number);
    close_all(&fixture);
}

static void a_port_may_be_closed_after_its_reactor(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    int held = client_connect(fixture.number);
    client_send(held, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(&fixture.shared.held);

    reactor_stop(fixture.reactor);
    reactor_join(fixture.reactor);
    http_port_close(fixture.port);

    assert_int_equal(atomic_load(&fixture.shared.closed_count), 1);
    close(held);
}

static void a_number_in_use_is_an_error(void **state)
{
    (void)state;
    struct fixture fixture;
    open_default(&fixture);
    struct shared other = {0};
    struct http_port_setup setup = default_setup(&fixture);
    setup.port = fixture.number;
    setup.context = &other;
    struct http_port *port = NULL;

    assert_int_equal(http_port_open(&port, fixture.reactor, &setup), UV_EADDRINUSE);

    assert_null(port);
    assert_int_equal(atomic_load(&other.closed_count), 1);
    close_all(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_these_bytes),
        cmocka_unit_test(program_and_date_are_told),
        cmocka_unit_test(pipelined_answers_keep_the_order),
        cmocka_unit_test(http_1_0_is_kept_alive_where_asked),
        cmocka_unit_test(routes_are_found_or_not),
        cmocka_unit_test(what_is_refused_is_told_before_the_close),
        cmocka_unit_test(a_refusal_is_read_by_one_who_still_sends),
        cmocka_unit_test(the_body_is_asked_for_with_100),
        cmocka_unit_test(a_slow_request_is_given_up),
        cmocka_unit_test(a_silent_connection_is_closed),
        cmocka_unit_test(too_many_connections_are_told_so),
        cmocka_unit_test(silent_connections_make_room_for_one_that_asks),
        cmocka_unit_test(a_large_answer_arrives_whole),
        cmocka_unit_test(one_who_has_said_all_is_answered),
        cmocka_unit_test(a_handler_without_an_answer_closes),
        cmocka_unit_test(closing_ends_what_is_under_way),
        cmocka_unit_test(a_port_may_be_closed_after_its_reactor),
        cmocka_unit_test(a_number_in_use_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
