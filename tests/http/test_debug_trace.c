/* test_debug_trace.c: /debug/pprof/trace as clients see it: Go's head and errors, the bytes, and who ends it. */
#include "http/ports.h"

#include "base/trace.h"
#include "debug_fixture.h"
#include "profiler/trace.h"
#include "runtime/task.h"
#include "trace/decode.h"
#include "trace/event.h"
#include "trace/tables.h"

#define TRACE "/debug/pprof/trace"
#define HOUR_MS (3600 * 1000)
#define BUFFER_BYTES (16ll << 20)

static bool set_buffer(struct profiler_options *options, void *context)
{
    options->trace_buffer = *(const int64_t *)context;
    return true;
}

/* With a flight recorder, or without. */
static void open_with_buffer(struct fixture *fixture, int64_t max_duration_ms, int64_t buffer_bytes)
{
    open_debug_for(fixture, "127.0.0.1", max_duration_ms);
    profiler_change(fixture->profiler, set_buffer, &buffer_bytes);
}

/* What a test looks for in a trace. */
struct seen {
    unsigned event_count, start_count, lane_count;
};

static void see(const struct trace_event *event, void *context)
{
    struct seen *seen = context;
    seen->event_count++;
    seen->start_count += event->type == TRACE_EVENT_TASK_START;
    seen->lane_count += event->type == TRACE_EVENT_LANE;
}

static struct seen decode_trace(struct bytes file)
{
    struct seen seen = {0};
    struct trace_tables *tables = trace_tables_create();
    struct buf message;
    buf_init(&message);
    if (trace_decode(file, tables, see, &seen, &message) != 0)
        fail_msg("%s", buf_string(&message));
    buf_deinit(&message);
    trace_tables_destroy(tables);
    return seen;
}

#define GO_HEAD HEAD("200 OK", "application/octet-stream", "Content-Disposition: attachment; filename=\"trace\"\r\n")

/* A whole answer of 200 in chunks, as this head begins; closes. */
static struct buf receive_chunks(int fd, const char *head)
{
    struct buf text, content;
    struct bytes body;
    receive_answer(fd, &text, &body);
    assert_starts_with(buf_string(&text), head);
    assert_non_null(strstr(buf_string(&text), "\r\nTransfer-Encoding: chunked\r\n"));
    buf_init(&content);
    assert_true(client_unchunk(body, &content));
    buf_deinit(&text);
    close(fd);
    return content;
}

static struct seen receive_trace(int fd)
{
    struct buf content = receive_chunks(fd, GO_HEAD);
    struct seen seen = decode_trace(buf_bytes(&content));
    buf_deinit(&content);
    return seen;
}

/* A reactor of the port runs this very request's tasks, so there is something to be seen in any case. */
static void a_trace_has_gos_head_and_what_tasks_did(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    int fd = send_get(fixture.number, TRACE "?seconds=0.2");
    mem_free(client_request(fixture.number, "GET", "/debug/pprof/cmdline"));

    struct seen seen = receive_trace(fd);

    assert_true(seen.start_count > 0);
    assert_true(seen.lane_count > 0);
    close_debug(&fixture);
}

static void each_format_says_what_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *query, *head, *start;
    } cases[] = {
        {"format=go", GO_HEAD, "go 1.19 trace"},
        {"version=1.22", GO_HEAD, "go 1.22 trace"},
        {"format=chrome", HEAD("200 OK", "application/json", "Content-Disposition: attachment; filename=\"trace"),
         "[\n{"},
        {"format=perfetto",
         HEAD("200 OK", "application/octet-stream", "Content-Disposition: attachment; filename=\"trace"), "\n"},
    };
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *path = mem_printf(TRACE "?seconds=0.05&%s", cases[i].query);
        struct buf content = receive_chunks(send_get(fixture.number, path), cases[i].head);
        assert_starts_with(buf_string(&content), cases[i].start);
        buf_deinit(&content);
        mem_free(path);
    }
    close_debug(&fixture);
}

static void the_last_seconds_are_there_after_the_fact(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, BUFFER_BYTES);
    for (int i = 0; i < 20; i++)
        mem_free(client_request(fixture.number, "GET", "/debug/pprof/cmdline"));

    struct seen seen = receive_trace(send_get(fixture.number, TRACE "?last=1h"));

    assert_true(seen.start_count >= 20); /* each connection is a task */
    close_debug(&fixture);
}

static void errors_are_told_as_go_tells_them(void **state)
{
    (void)state;
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {REQUEST("GET " TRACE "?last=10s"),
         HEAD("500 Internal Server Error", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 85\r\nConnection: close\r\n\r\n")
         "Could not enable tracing: there is no flight recorder, as profiler.trace_buffer is 0\n"},
        {REQUEST("GET " TRACE "?seconds=0.4"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 70\r\nConnection: close\r\n\r\n")
         "seconds is more than 300ms, the limit that profiler.max_duration sets\n"},
        {REQUEST("GET " TRACE "?last=10s&seconds=1"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 41\r\nConnection: close\r\n\r\n")
         "seconds and last params are incompatible\n"},
        {REQUEST("HEAD " TRACE "?version=1.23"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 34\r\nConnection: close\r\n\r\n")},
        {REQUEST("POST " TRACE),
         HEAD("405 Method Not Allowed", TEXT,
              "Allow: GET, HEAD\r\nX-Go-Pprof: 1\r\nContent-Length: 19\r\nConnection: close\r\n\r\n")
         "Method Not Allowed\n"},
    };
    struct fixture fixture;
    open_with_buffer(&fixture, MAX_DURATION_MS, 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_exchange(fixture.number, cases[i].request, cases[i].answer);
    close_debug(&fixture);
}

static void a_head_waits_for_no_trace(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    assert_exchange(fixture.number, REQUEST("HEAD " TRACE "?seconds=3600"), GO_HEAD "Connection: close\r\n\r\n");
    close_debug(&fixture);
}

static void to_http_1_0_it_goes_without_chunks(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    int fd = client_connect(fixture.number);
    client_send(fd, "GET " TRACE "?seconds=0.05 HTTP/1.0\r\n\r\n");
    struct buf text;
    struct bytes body;
    receive_answer(fd, &text, &body);
    assert_starts_with(buf_string(&text), GO_HEAD "Connection: close\r\n\r\ngo 1.19 trace");
    assert_true(decode_trace(body).event_count > 0);
    buf_deinit(&text);
    close(fd);
    close_debug(&fixture);
}

static void several_are_taken_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, BUFFER_BYTES);
    int long_one = send_get(fixture.number, TRACE "?seconds=0.3");
    int short_one = send_get(fixture.number, TRACE "?seconds=0.1");
    int last = send_get(fixture.number, TRACE "?last=5s");

    assert_true(receive_trace(last).event_count > 0);
    assert_true(receive_trace(short_one).start_count > 0);
    assert_true(receive_trace(long_one).start_count > 0);
    close_debug(&fixture);
}

/* Each of them holds memory, and has a thread. */
static void one_too_many_is_told_so(void **state)
{
    (void)state;
    enum { TOO_MANY = 32 };
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    int fds[TOO_MANY];
    unsigned count = 0;
    struct buf start;
    buf_init(&start);
    do {
        assert_true(count < TOO_MANY);
        buf_clear(&start);
        fds[count] = send_get(fixture.number, TRACE "?seconds=3600");
        assert_true(client_receive_some(fds[count++], &start));
    } while (strncmp(buf_string(&start), "HTTP/1.1 200", 12) == 0);
    assert_true(count > 2);
    while (client_receive_some(fds[count - 1], &start))
        ;
    assert_starts_with(buf_string(&start), "HTTP/1.1 500 Internal Server Error\r\n");
    assert_non_null(strstr(buf_string(&start), "\r\nX-Go-Pprof: 1\r\n"));
    assert_non_null(strstr(buf_string(&start), "\r\n\r\nCould not enable tracing: too many traces are being taken\n"));
    buf_deinit(&start);
    while (count > 0)
        close(fds[--count]);
    AWAIT(!trace_is_on());
    close_debug(&fixture);
}

/* That it is no trace ends it, too. */
static bool has_ended(struct buf *answer)
{
    static const char last_chunk[] = "\r\n0\r\n\r\n";
    size_t size = strlen(last_chunk);
    return strncmp(buf_string(answer), "HTTP/1.1 200", 12) != 0 ||
           (answer->size >= size && memcmp(answer->data + answer->size - size, last_chunk, size) == 0);
}

/* One who asks again as soon as his answer has ended must not meet what is left of his own. */
static void an_answer_that_has_ended_leaves_its_place(void **state)
{
    (void)state;
    enum { OTHERS = 3, ROUNDS = 20 };
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, BUFFER_BYTES);
    int fds[OTHERS + ROUNDS];
    for (unsigned i = 0; i < OTHERS + ROUNDS; i++) {
        fds[i] = send_get(fixture.number, i < OTHERS ? TRACE "?seconds=3600" : TRACE "?last=1s");
        struct buf text;
        buf_init(&text);
        do
            assert_true(client_receive_some(fds[i], &text));
        while (i >= OTHERS && !has_ended(&text));
        assert_starts_with(buf_string(&text), "HTTP/1.1 200");
        buf_deinit(&text);
    }
    for (unsigned i = 0; i < OTHERS + ROUNDS; i++)
        close(fds[i]);
    close_debug(&fixture);
}

/* As in Go: it may still read. The hour is not waited for. */
static void a_client_that_has_said_all_gets_what_there_is(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    int fd = send_get(fixture.number, TRACE "?seconds=3600");
    AWAIT(trace_is_on());
    shutdown(fd, SHUT_WR);

    assert_true(receive_trace(fd).event_count > 0);
    close_debug(&fixture);
}

/* Nobody records any more: the trace was the only one. */
static void a_client_that_leaves_ends_it(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    int fd = send_get(fixture.number, TRACE "?seconds=3600&stacks=full");
    AWAIT(trace_is_on());

    close(fd);

    AWAIT(!trace_is_on());
    close_debug(&fixture);
}

static void a_port_that_closes_breaks_it_off(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, 0);
    int fd = send_get(fixture.number, TRACE "?seconds=3600");
    AWAIT(trace_is_on());

    close_debug(&fixture);

    struct buf text, content;
    struct bytes body = {0};
    buf_init(&text);
    buf_init(&content);
    while (client_receive_some(fd, &text))
        ;
    const char *end = strstr(buf_string(&text), "\r\n\r\n");
    if (end)
        body = bytes_of(end + 4, text.size - (size_t)(end + 4 - (const char *)text.data));
    assert_false(client_unchunk(body, &content));
    buf_deinit(&content);
    buf_deinit(&text);
    close(fd);
}

static double read_metric(struct metrics *metrics, const char *name)
{
    struct buf text;
    buf_init(&text);
    metrics_expose(metrics, METRICS_TEXT, &text);
    char *start = mem_printf("\n%s ", name), *found = strstr(buf_string(&text), start);
    if (!found)
        fail_msg("%s", name);
    double value = strtod(found + strlen(start), NULL);
    mem_free(start);
    buf_deinit(&text);
    return value;
}

static void what_was_traced_is_counted(void **state)
{
    (void)state;
    static const char *const names[] = {
        "takhin_profiler_traces_total", "takhin_profiler_trace_events_total", "takhin_profiler_trace_bytes_total",
    };
    double before[ARRAY_COUNT(names)];
    struct fixture fixture;
    open_with_buffer(&fixture, HOUR_MS, BUFFER_BYTES);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        before[i] = read_metric(fixture.metrics, names[i]);

    struct buf content = receive_chunks(send_get(fixture.number, TRACE "?seconds=0.05"), GO_HEAD);

    assert_true(read_metric(fixture.metrics, names[0]) == before[0] + 1);
    assert_true(read_metric(fixture.metrics, names[1]) > before[1]);
    assert_true(read_metric(fixture.metrics, names[2]) == before[2] + (double)content.size);
    assert_true(read_metric(fixture.metrics, "takhin_profiler_trace_held_bytes") > 0);
    assert_true(read_metric(fixture.metrics, "takhin_profiler_trace_history_seconds") > 0);
    assert_true(read_metric(fixture.metrics, "takhin_profiler_traces_cut_total") == 0);
    assert_true(read_metric(fixture.metrics, "takhin_profiler_trace_lost_total") == 0);
    assert_true(read_metric(fixture.metrics, "takhin_profiler_captures_saved_total") == 0);
    buf_deinit(&content);
    close_debug(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_has_gos_head_and_what_tasks_did),
        cmocka_unit_test(each_format_says_what_it_is),
        cmocka_unit_test(the_last_seconds_are_there_after_the_fact),
        cmocka_unit_test(errors_are_told_as_go_tells_them),
        cmocka_unit_test(a_head_waits_for_no_trace),
        cmocka_unit_test(to_http_1_0_it_goes_without_chunks),
        cmocka_unit_test(several_are_taken_at_once),
        cmocka_unit_test(one_too_many_is_told_so),
        cmocka_unit_test(an_answer_that_has_ended_leaves_its_place),
        cmocka_unit_test(a_client_that_has_said_all_gets_what_there_is),
        cmocka_unit_test(a_client_that_leaves_ends_it),
        cmocka_unit_test(a_port_that_closes_breaks_it_off),
        cmocka_unit_test(what_was_traced_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
