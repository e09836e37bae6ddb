/* test_ports.c: the metrics port and the health port. */
#include "http/ports.h"

#include "client.h"
#include "metrics/metrics.h"
#include "runtime/reactor.h"

#include <stdatomic.h>

struct fixture {
    struct reactor *reactor;
    struct metrics *metrics;
    struct http_port *port;
    uint16_t number;
};

static const struct http_port_options any_port = {.enabled = true, .host = "127.0.0.1", .port = 0};

static void start(struct fixture *fixture)
{
    fixture->metrics = metrics_create();
    assert_int_equal(reactor_start(&fixture->reactor, &(struct reactor_options){.name = "debug"}), 0);
}

static void stop(struct fixture *fixture)
{
    http_port_close(fixture->port);
    reactor_stop(fixture->reactor);
    reactor_join(fixture->reactor);
    metrics_destroy(fixture->metrics);
}

static void open_metrics(struct fixture *fixture)
{
    start(fixture);
    assert_int_equal(http_metrics_port_open(&fixture->port, fixture->reactor, &any_port, fixture->metrics), 0);
    fixture->number = http_port_number(fixture->port);
}

#define HEAD(status, type, more) \
    "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nX-Content-Type-Options: nosniff\r\n" more

static void metrics_are_text_unless_openmetrics_is_asked_for(void **state)
{
    (void)state;
    struct fixture fixture;
    open_metrics(&fixture);
    metric_counter_add(metrics_counter(fixture.metrics, "a_total", "A.", METRIC_NO_LABELS), 7);

    assert_exchange(fixture.number, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        HEAD("200 OK", "text/plain; version=0.0.4; charset=utf-8",
             "Vary: Accept\r\nContent-Length: 51\r\nConnection: close\r\n\r\n")
        "# HELP a_total A.\n# TYPE a_total counter\na_total 7\n");
    /* As Prometheus 2.42 asks. */
    assert_exchange(fixture.number, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n\r\n",
        HEAD("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8",
             "Vary: Accept\r\nContent-Length: 45\r\nConnection: close\r\n\r\n")
        "# HELP a A.\n# TYPE a counter\na_total 7\n# EOF\n");
    stop(&fixture);
}

static void the_metrics_port_has_an_index_and_nothing_else(void **state)
{
    (void)state;
    struct fixture fixture;
    open_metrics(&fixture);
    char *index = client_request(fixture.number, "GET", "/");
    assert_starts_with(index, "HTTP/1.1 200 OK\r\nContent-Type: text/html");
    assert_non_null(strstr(index, "<a href=\"metrics\">"));
    mem_free(index);
    assert_exchange(fixture.number, "GET /other HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        HEAD("404 Not Found", "text/plain; charset=utf-8", "Content-Length: 19\r\nConnection: close\r\n\r\n")
        "404 page not found\n");
    assert_exchange(fixture.number, "POST /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        HEAD("405 Method Not Allowed", "text/plain; charset=utf-8",
             "Allow: GET, HEAD\r\nContent-Length: 19\r\nConnection: close\r\n\r\n") "Method Not Allowed\n");
    stop(&fixture);
}

struct broker_state {
    atomic_bool live, ready;
};

static bool is_live(void *context)
{
    struct broker_state *broker = context;
    return atomic_load(&broker->live);
}

static bool is_ready(void *context, struct buf *json)
{
    struct broker_state *broker = context;
    bool ready = atomic_load(&broker->ready);
    buf_append_string(json, ready ? "{\"status\":\"ready\"}"
                                  : "{\"status\":\"recovering\",\"partitions_done\":3,\"partitions_total\":10}");
    return ready;
}

static void assert_health(uint16_t number, const char *path, const char *status, const char *json)
{
    char *head = mem_printf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
                            "Cache-Control: no-store\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                            status, strlen(json));
    char *expected = mem_printf("%s%s", head, json);
    char *got = client_request(number, "GET", path), *got_head = client_request(number, "HEAD", path);
    assert_string_equal(got, expected);
    assert_string_equal(got_head, head);
    mem_free(got);
    mem_free(got_head);
    mem_free(expected);
    mem_free(head);
}

static void health_says_what_the_broker_says(void **state)
{
    (void)state;
    struct fixture fixture;
    struct broker_state broker = {true, false};
    start(&fixture);
    struct http_health health = {is_live, is_ready, &broker};
    assert_int_equal(http_health_port_open(&fixture.port, fixture.reactor, &any_port, &health), 0);
    uint16_t number = http_port_number(fixture.port);

#define RECOVERING "{\"status\":\"recovering\",\"partitions_done\":3,\"partitions_total\":10}"
    assert_health(number, "/health/live", "200 OK", "{\"status\":\"live\"}\n");
    assert_health(number, "/livez", "200 OK", "{\"status\":\"live\"}\n");
    assert_health(number, "/health/ready", "503 Service Unavailable", RECOVERING "\n");
    assert_health(number, "/readyz", "503 Service Unavailable", RECOVERING "\n");
    assert_health(number, "/health", "503 Service Unavailable", "{\"live\":true,\"ready\":" RECOVERING "}\n");

    atomic_store(&broker.ready, true);
    assert_health(number, "/health/ready", "200 OK", "{\"status\":\"ready\"}\n");
    assert_health(number, "/healthz", "200 OK", "{\"live\":true,\"ready\":{\"status\":\"ready\"}}\n");

    atomic_store(&broker.live, false);
    assert_health(number, "/health/live", "503 Service Unavailable", "{\"status\":\"stalled\"}\n");
    assert_health(number, "/health", "503 Service Unavailable", "{\"live\":false,\"ready\":{\"status\":\"ready\"}}\n");
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_text_unless_openmetrics_is_asked_for),
        cmocka_unit_test(the_metrics_port_has_an_index_and_nothing_else),
        cmocka_unit_test(health_says_what_the_broker_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
