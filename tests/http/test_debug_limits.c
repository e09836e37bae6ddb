/* test_debug_limits.c: what many clients may cost together: who waits for a turn, and how much waits to be sent. */
#include "http/debug_port.h"

#include "base/probe.h"
#include "debug_fixture.h"
#include "pprof/flamegraph.h"
#include "runtime/task.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <uv.h>

/* A function whose name takes more than a MiB: whatever has it is a large answer to a small request. It waits for a
 * millisecond, or so a profile is told. */
#define GLUE(a, b) a##b
#define TWICE(text) GLUE(text, text)
#define FOUR_TIMES(text) TWICE(TWICE(text))
#define SIXTEEN_TIMES(text) FOUR_TIMES(FOUR_TIMES(text))
#define LONG_NAME \
    SIXTEEN_TIMES(SIXTEEN_TIMES(SIXTEEN_TIMES(FOUR_TIMES( \
        a_function_whose_name_is_so_long_that_no_answer_which_has_it_is_a_small_one_))))
NOINLINE int LONG_NAME(void);
int LONG_NAME(void)
{
    const struct probe_sink *sink = probe_sink_now();
    uint64_t now_ns = clock_monotonic_ns();
    sink->waited("condition wait", now_ns - NS_PER_MS, now_ns);
    return 0;
}

/* Its answer is some 19 MiB, which no socket takes in as a whole while its client reads none of it. */
static struct buf write_symbol_request(void)
{
    struct buf addresses, request;
    buf_init(&addresses);
    buf_init(&request);
    for (int i = 0; i < 16; i++)
        buf_printf(&addresses, "%#lx+", (unsigned long)(uintptr_t)LONG_NAME);
    buf_printf(&request, "POST /debug/pprof/symbol HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                         "Content-Length: %zu\r\n\r\n", addresses.size);
    buf_append(&request, addresses.data, addresses.size);
    buf_deinit(&addresses);
    return request;
}

/* The status of an answer that has begun, of which nothing is read. */
static int await_status(int fd)
{
    char start[13] = "";
    ssize_t size;
    do
        size = recv(fd, start, 12, MSG_PEEK | MSG_WAITALL);
    while (size < 0 && errno == EINTR);
    assert_int_equal(size, 12);
    return atoi(start + strlen("HTTP/1.1 "));
}

static int send_symbol_request(uint16_t number, const struct buf *request)
{
    int fd = client_connect(number);
    client_send_bytes(fd, request->data, request->size);
    return fd;
}

static void what_slow_readers_hold_is_bounded(void **state)
{
    (void)state;
    enum { READERS_MAX = 32 };
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    struct buf request = write_symbol_request();
    int fds[READERS_MAX], count = 0, refused;
    do {
        assert_true(count < READERS_MAX);
        fds[count] = send_symbol_request(fixture.number, &request);
    } while (await_status(fds[count++]) == 200);
    assert_true(count > 4);

    refused = fds[--count];
    char *answer = client_receive_all(refused);
    assert_starts_with(answer, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_non_null(strstr(answer, " MiB that clients have yet to read; try again later\n"));
    mem_free(answer);
    close(refused);
    /* A profile is small, and nobody is kept from it. */
    profile_destroy(receive_profile_file(send_get(fixture.number, "/debug/pprof/goroutine"), "goroutine"));

    /* The room of two is enough for one more. */
    close(fds[--count]);
    close(fds[--count]);
    int status;
    do { /* until the port has seen that they are gone */
        int fd = send_symbol_request(fixture.number, &request);
        status = await_status(fd);
        close(fd);
    } while (status == 503);
    assert_int_equal(status, 200);

    while (count > 0)
        close(fds[--count]);
    buf_deinit(&request);
    close_debug(&fixture);
}

/* A port whose limits a test sees and sets. */
struct own_port {
    struct debug_port debug;
    struct reactor *reactor;
    struct http_port *port;
    uint16_t number;
};

static void open_own_port(struct own_port *own, const struct http_route *routes, unsigned route_count)
{
    assert_int_equal(reactor_start(&own->reactor, &(struct reactor_options){.name = "debug"}), 0);
    assert_int_equal(http_port_open(&own->port, own->reactor, &(struct http_port_setup){
        .name = "test",
        .host = "127.0.0.1",
        .routes = routes,
        .route_count = route_count,
        .context = &own->debug,
    }), 0);
    own->number = http_port_number(own->port);
}

static void close_own_port(struct own_port *own)
{
    http_port_close(own->port);
    reactor_stop(own->reactor);
    reactor_join(own->reactor);
}

#define PIECE_BYTES (20u << 20) /* more than any socket takes while nobody reads */

static void answer_with_a_piece(struct http_exchange *exchange)
{
    void *piece = mem_alloc(PIECE_BYTES);
    if (http_respond_begin(exchange, &(struct http_response){200, "text/plain", NULL, {0}}) == 0 &&
        debug_respond_write(exchange, bytes_of(piece, PIECE_BYTES)) == 0)
        http_respond_end(exchange);
    mem_free(piece);
}

static void answer_unsent_bytes(struct http_exchange *exchange)
{
    const struct debug_port *debug = exchange->context;
    const char *text = arena_printf(exchange->request->arena, "%zu", debug->limits.unsent_bytes);
    http_respond(exchange, &(struct http_response){200, "text/plain", NULL, bytes_of_string(text)});
}

static size_t ask_unsent_bytes(uint16_t number)
{
    char *answer = client_request(number, "GET", "/unsent");
    size_t bytes = strtoull(strstr(answer, "\r\n\r\n") + 4, NULL, 10);
    mem_free(answer);
    return bytes;
}

static void a_piece_counts_until_its_client_has_read_it(void **state)
{
    (void)state;
    static const struct http_route routes[] = {
        {"/piece", HTTP_ALLOW_GET, answer_with_a_piece}, {"/unsent", HTTP_ALLOW_GET, answer_unsent_bytes},
    };
    struct own_port own = {.port = NULL};
    debug_limits_init(&own.debug.limits);
    open_own_port(&own, routes, ARRAY_COUNT(routes));
    int fd = send_get(own.number, "/piece");
    assert_int_equal(await_status(fd), 200);
    AWAIT(ask_unsent_bytes(own.number) == PIECE_BYTES);

    struct buf text;
    struct bytes body;
    receive_answer(fd, &text, &body);

    assert_true(body.size > PIECE_BYTES);
    assert_int_equal(ask_unsent_bytes(own.number), 0);
    buf_deinit(&text);
    close(fd);
    close_own_port(&own);
}

/* Its head has said 200 already. */
static void a_page_that_has_begun_says_that_there_is_no_room_for_it(void **state)
{
    (void)state;
    static const struct http_route routes[] = {{"/ui", HTTP_ALLOW_GET, debug_answer_ui}};
    const struct profiler_options options = {
        .enabled = true,
        .cpu_hz = 100,
        .max_duration_ns = 3600 * (int64_t)NS_PER_S,
    };
    struct own_port own = {.port = NULL};
    assert_int_equal(profiler_create(&own.debug.profiler, &options), 0);
    debug_limits_init(&own.debug.limits);
    own.debug.limits.unsent_bytes = 200u << 20;
    open_own_port(&own, routes, ARRAY_COUNT(routes));
    int fd = send_get(own.number, "/ui?type=block&seconds=3600&rate=1");
    struct buf text, page;
    buf_init(&text);
    buf_init(&page);
    while (!strstr(buf_string(&text), "<progress></progress></div>\n"))
        assert_true(client_receive_some(fd, &text));

    LONG_NAME();
    shutdown(fd, SHUT_WR);
    while (client_receive_some(fd, &text))
        ;

    assert_starts_with(buf_string(&text), "HTTP/1.1 200 OK\r\n");
    const char *body = strstr(buf_string(&text), "\r\n\r\n") + 4;
    assert_true(client_unchunk(bytes_of_string(body), &page));
    assert_memory_equal(page.data, flamegraph_page_start.data, flamegraph_page_start.size);
    const char *end = "</div>\n<p>an answer of 1 MiB has no room beside 200 MiB that clients have yet to read; "
                      "try again later</p>\n";
    assert_string_equal(buf_string(&page) + page.size - strlen(end), end);
    buf_deinit(&page);
    buf_deinit(&text);
    close(fd);
    close_own_port(&own);
    profiler_destroy(own.debug.profiler);
}

/* What never comes must fail the test, not hang it. */
static void await(sem_t *semaphore)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += CLIENT_TIMEOUT_S;
    while (sem_timedwait(semaphore, &deadline) != 0)
        assert_int_equal(errno, EINTR);
}

/* Work that begins when it is its turn and ends when it may. */
static struct {
    struct debug_port debug;
    sem_t begun, may_end, all_tried, ended;
    atomic_uint count, peak;
} work;

struct worker {
    struct task *task;
    int result;
};

static void work_until_allowed(void *argument)
{
    (void)argument;
    unsigned count = atomic_fetch_add(&work.count, 1) + 1, peak = atomic_load(&work.peak);
    while (peak < count && !atomic_compare_exchange_weak(&work.peak, &peak, count))
        ;
    sem_post(&work.begun);
    await(&work.may_end);
    atomic_fetch_sub(&work.count, 1);
}

static void worker_run(void *argument)
{
    struct worker *worker = argument;
    worker->task = task_self();
    worker->result = debug_work(&work.debug, "work", work_until_allowed, NULL);
    sem_post(&work.ended);
}

static void tell_all_have_tried(void *argument)
{
    (void)argument;
    sem_post(&work.all_tried);
}

static void four_work_at_once_and_who_waits_can_be_cancelled(void **state)
{
    (void)state;
    enum { AT_ONCE = 4, WORKERS = 9 };
    struct worker workers[WORKERS] = {{.result = 1}};
    struct reactor *reactor;
    debug_limits_init(&work.debug.limits);
    sem_t *const semaphores[] = {&work.begun, &work.may_end, &work.all_tried, &work.ended};
    for (size_t i = 0; i < ARRAY_COUNT(semaphores); i++)
        sem_init(semaphores[i], 0, 0);
    assert_int_equal(reactor_start(&reactor, &(struct reactor_options){.name = "debug"}), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(reactor_spawn(reactor, "worker", worker_run, &workers[i]), 0);
    assert_int_equal(reactor_spawn(reactor, "last", tell_all_have_tried, NULL), 0);
    await(&work.all_tried);
    for (unsigned i = 0; i < AT_ONCE; i++)
        await(&work.begun);
    assert_int_equal(atomic_load(&work.count), AT_ONCE);

    /* The first of those who wait, and one in their midst. */
    task_cancel(workers[AT_ONCE].task);
    task_cancel(workers[AT_ONCE + 2].task);
    await(&work.ended);
    await(&work.ended);
    assert_int_equal(workers[AT_ONCE].result, UV_ECANCELED);
    assert_int_equal(workers[AT_ONCE + 2].result, UV_ECANCELED);

    for (unsigned i = 0; i < WORKERS - 2; i++)
        sem_post(&work.may_end);
    for (unsigned i = 0; i < WORKERS - 2; i++)
        await(&work.ended);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(workers[i].result, i == AT_ONCE || i == AT_ONCE + 2 ? UV_ECANCELED : 0);
    assert_int_equal(atomic_load(&work.peak), AT_ONCE);
    reactor_stop(reactor);
    reactor_join(reactor);
    for (size_t i = 0; i < ARRAY_COUNT(semaphores); i++)
        sem_destroy(semaphores[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_slow_readers_hold_is_bounded),
        cmocka_unit_test(a_piece_counts_until_its_client_has_read_it),
        cmocka_unit_test(a_page_that_has_begun_says_that_there_is_no_room_for_it),
        cmocka_unit_test(four_work_at_once_and_who_waits_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
