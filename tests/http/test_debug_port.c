/* test_debug_port.c: /debug/pprof/ answers as Go's net/http/pprof does, byte for byte where tools look. */
#include "http/ports.h"

#include "base/log.h"
#include "debug_fixture.h"
#include "profiler/cpu.h"
#include "profiler/type.h"
#include "runtime/task.h"

#include <fcntl.h>
#include <semaphore.h>

static void errors_are_those_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {REQUEST("GET /debug/pprof/nothing"),
         HEAD("404 Not Found", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 16\r\nConnection: close\r\n\r\n")
         "Unknown profile\n"},
        {REQUEST("GET /debug/pprof"),
         HEAD("301 Moved Permanently", "text/html; charset=utf-8",
              "Location: /debug/pprof/\r\nContent-Length: 48\r\nConnection: close\r\n\r\n")
         "<a href=\"/debug/pprof/\">Moved Permanently</a>.\n\n"},
        {REQUEST("GET /"),
         HEAD("404 Not Found", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 19\r\nConnection: close\r\n\r\n")
         "404 page not found\n"},
        {REQUEST("POST /debug/pprof/profile"),
         HEAD("405 Method Not Allowed", TEXT,
              "Allow: GET, HEAD\r\nX-Go-Pprof: 1\r\nContent-Length: 19\r\nConnection: close\r\n\r\n")
         "Method Not Allowed\n"},
        {REQUEST("DELETE /debug/pprof/symbol"),
         HEAD("405 Method Not Allowed", TEXT,
              "Allow: GET, HEAD, POST\r\nX-Go-Pprof: 1\r\nContent-Length: 19\r\nConnection: close\r\n\r\n")
         "Method Not Allowed\n"},
        {REQUEST("GET /debug/pprof/profile?seconds=0.4"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 70\r\nConnection: close\r\n\r\n")
         "seconds is more than 300ms, the limit that profiler.max_duration sets\n"},
        {REQUEST("GET /debug/pprof/profile?seconds=9000000000000000000"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 70\r\nConnection: close\r\n\r\n")
         "seconds is more than 300ms, the limit that profiler.max_duration sets\n"},
        {REQUEST("GET /debug/pprof/profile?seconds=0.1&hz=1001"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 41\r\nConnection: close\r\n\r\n")
         "hz must be a whole number from 1 to 1000\n"},
        {REQUEST("GET /debug/pprof/profile?hz=0"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 41\r\nConnection: close\r\n\r\n")
         "hz must be a whole number from 1 to 1000\n"},
        {REQUEST("GET /debug/pprof/profile?hz=fast"),
         HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 41\r\nConnection: close\r\n\r\n")
         "hz must be a whole number from 1 to 1000\n"},
    };
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_exchange(fixture.number, cases[i].request, cases[i].answer);
    close_debug(&fixture);
}

/* Every count as 0: how many there are changes all the time. */
static void drop_counts(char *page)
{
    static const char cell[] = "<tr><td>";
    for (char *at = strstr(page, cell); at; at = strstr(at, cell)) {
        at += strlen(cell);
        size_t digits = strspn(at, "0123456789");
        assert_true(digits > 0);
        at[0] = '0';
        memmove(at + 1, at + digits, strlen(at + digits) + 1);
    }
}

/* The page that the table of types stands for: Go's, with a column of links behind each profile. */
static char *expected_index(void)
{
    struct entry {
        const char *name, *summary, *links;
    } extras[] = {
        {"cmdline", "The program and its arguments, with a NUL between them.", ""},
        {"symbol", "The functions at the addresses in the query or in a POST's body, such as "
                   "<code>0x4a0000+0x4a0010</code>.", ""},
        {"trace", "What tasks, reactors and requests did, and what they waited for: of the time that "
                  "<code>seconds</code> says, 1 unless told otherwise, or, with <code>last=10s</code>, of the time "
                  "before now. Open it with <code>go tool trace</code>; <code>format=chrome</code> and "
                  "<code>format=perfetto</code> are for other viewers. What was slow may have been saved already: "
                  "<a href='captures'>captures</a>.",
         "<td><a href='trace?last=10s'>last 10 seconds</a> <a href='trace?seconds=5'>5 seconds</a></td>"},
    };
    struct buf rows, descriptions;
    buf_init(&rows);
    buf_init(&descriptions);
    unsigned type = 0, extra = 0;
    while (type < profile_type_count || extra < ARRAY_COUNT(extras)) {
        const struct profile_type *row = type < profile_type_count ? profile_types[type] : NULL;
        if (!row || (extra < ARRAY_COUNT(extras) && strcmp(extras[extra].name, row->name) < 0)) {
            const struct entry *e = &extras[extra++];
            buf_printf(&rows, "<tr><td>0</td><td><a href='%s?debug=1'>%s</a></td>%s</tr>\n", e->name, e->name,
                       e->links);
            buf_printf(&descriptions, "<li><div class=profile-name>%s: </div> %s</li>\n", e->name, e->summary);
            continue;
        }
        type++;
        buf_printf(&rows, "<tr><td>0</td><td><a href='%s?debug=1'>%s</a></td><td>", row->name, row->name);
        if (!row->needs_window)
            buf_printf(&rows, "<a href='%s'>take</a> ", row->name);
        if (row->needs_window || row->has_delta)
            buf_printf(&rows, "<a href='%s?seconds=5'>5 seconds</a> ", row->name);
        const char *spoken = strcmp(row->name, "profile") == 0 ? "cpu" : row->name;
        buf_printf(&rows, "<a href='ui?type=%s%s</a></td></tr>\n", spoken,
                   row->needs_window ? "&amp;seconds=10'>flame graph of 10 seconds" : "'>flame graph");
        buf_printf(&descriptions, "<li><div class=profile-name>%s: </div> %s</li>\n", row->name, row->summary);
    }
    char *page = mem_printf("</style>\n</head>\n<body>\n"
                            "/debug/pprof/\n<br>\n"
                            "<p>Set debug=1 as a query parameter to export in legacy text format</p>\n<br>\n"
                            "Types of profiles available:\n<table>\n"
                            "<thead><td>Count</td><td>Profile</td></thead>\n%s</table>\n"
                            "<a href=\"goroutine?debug=2\">full goroutine stack dump</a>\n<br>\n"
                            "<p>\nProfile Descriptions:\n<ul>\n%s</ul>\n</p>\n"
                            "<p><code>go tool pprof</code> opens what the links behind a name save, and takes their "
                            "addresses too. A flame graph is the same, drawn in the browser, and takes the same "
                            "parameters. <code>seconds=5</code> asks what comes in five seconds, beside what is held at "
                            "their end; <code>rate</code> looks more closely meanwhile. How closely otherwise: "
                            "<a href='/debug/profiler/config'>/debug/profiler/config</a>.</p>\n"
                            "</body>\n</html>\n",
                            buf_string(&rows), buf_string(&descriptions));
    buf_deinit(&rows);
    buf_deinit(&descriptions);
    return page;
}

static void the_index_names_what_exists(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    char *page = client_request(fixture.number, "GET", "/debug/pprof/");
    char *expected = expected_index();
    assert_starts_with(page, HEAD("200 OK", "text/html; charset=utf-8", "Content-Length: "));
    char *body = strstr(page, "\r\n\r\n") + 4;
    drop_counts(body);
    assert_starts_with(body, "<!DOCTYPE html>\n");
    const char *behind_looks = strstr(body, "</style>");
    assert_non_null(behind_looks);
    assert_string_equal(behind_looks, expected);
    mem_free(expected);
    mem_free(page);
    close_debug(&fixture);
}

static void cmdline_has_nuls_between_arguments_only(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    int fd = client_connect(fixture.number);
    client_send(fd, REQUEST("GET /debug/pprof/cmdline"));
    struct buf text;
    struct bytes body;
    receive_answer(fd, &text, &body);

    char arguments[4096];
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t size = read(file, arguments, sizeof arguments);
    close(file);
    assert_true(size > 1);
    assert_true(bytes_equal(body, bytes_of(arguments, (size_t)size - 1)));
    assert_starts_with(buf_string(&text), HEAD("200 OK", TEXT, "Content-Length: "));
    buf_deinit(&text);
    close(fd);
    close_debug(&fixture);
}

NOINLINE void debug_port_known_function(void);
void debug_port_known_function(void)
{
    __asm__ volatile("");
}

static void symbol_names_what_it_knows(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    unsigned long address = (unsigned long)(uintptr_t)debug_port_known_function;
    /* In hexadecimal, in decimal, and what is not an address. */
    char *query = mem_printf("%#lx+0x1+junk+%lu+0x+%#lx,", address, address, address);
    char *expected = mem_printf("num_symbols: 1\n%#lx debug_port_known_function\n%#lx debug_port_known_function\n",
                                address, address);
    char *get = mem_printf("GET /debug/pprof/symbol?%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", query);
    char *post = mem_printf("POST /debug/pprof/symbol HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                            "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n%s",
                            strlen(query), query);
    char *answer = mem_printf(HEAD("200 OK", TEXT, "Content-Length: %zu\r\nConnection: close\r\n\r\n%s"),
                              strlen(expected), expected);

    assert_exchange(fixture.number, get, answer);
    assert_exchange(fixture.number, post, answer);
    assert_exchange(fixture.number, REQUEST("GET /debug/pprof/symbol"),
                    HEAD("200 OK", TEXT, "Content-Length: 15\r\nConnection: close\r\n\r\n") "num_symbols: 1\n");
    mem_free(answer);
    mem_free(post);
    mem_free(get);
    mem_free(expected);
    mem_free(query);
    close_debug(&fixture);
}

static struct profile *receive_profile(int fd)
{
    return receive_profile_file(fd, "profile");
}

static int request_profile(uint16_t number, const char *query)
{
    char *path = mem_printf("/debug/pprof/profile%s", query);
    int fd = send_get(number, path);
    mem_free(path);
    return fd;
}

static void a_profile_lasts_as_long_as_was_asked(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int64_t at_least_ms;
    } cases[] = {
        {"", MAX_DURATION_MS},
        {"?seconds=0", MAX_DURATION_MS},
        {"?seconds=-1", MAX_DURATION_MS},
        {"?seconds=soon", MAX_DURATION_MS},
        {"?seconds=1e-9", MAX_DURATION_MS},
        {"?seconds=0.3", MAX_DURATION_MS},
        {"?seconds=.05", 50},
        {"?seconds=0.0000001", 0},
    };
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct profile *profile = receive_profile(request_profile(fixture.number, cases[i].query));
        assert_true(profile->duration_ns >= cases[i].at_least_ms * (int64_t)NS_PER_MS);
        assert_int_equal(profile->period, 10000000);
        profile_destroy(profile);
    }
    close_debug(&fixture);
}

static void overlapping_profiles_are_all_answered(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    int first = request_profile(fixture.number, "?seconds=0.2&hz=50");
    int second = request_profile(fixture.number, "?seconds=0.1&hz=50");

    struct profile *profiles[] = {receive_profile(first), receive_profile(second)};
    for (size_t i = 0; i < ARRAY_COUNT(profiles); i++) {
        assert_int_equal(profiles[i]->period, 20000000);
        assert_int_equal(profiles[i]->sample_type_count, 2);
        profile_destroy(profiles[i]);
    }
    close_debug(&fixture);
}

/* Occupies a thread of libuv's pool, as an fsync on a disk that hangs does. */
struct stuck_work {
    sem_t started, go;
};

static void wait_to_go(void *argument)
{
    struct stuck_work *work = argument;
    sem_post(&work->started);
    while (sem_wait(&work->go) != 0)
        continue;
}

static void offload_and_get_stuck(void *argument)
{
    (void)!task_offload(WAIT_OFFLOAD, wait_to_go, argument);
}

static void a_profile_is_answered_while_the_thread_pool_is_stuck(void **state)
{
    (void)state;
    enum { WORK_COUNT = 8 }; /* more than the pool has threads: 4 */
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    struct stuck_work work;
    sem_init(&work.started, 0, 0);
    sem_init(&work.go, 0, 0);
    for (int i = 0; i < WORK_COUNT; i++)
        assert_int_equal(reactor_spawn(fixture.reactor, "stuck", offload_and_get_stuck, &work), 0);
    while (sem_wait(&work.started) != 0)
        continue;

    struct profile *profile = receive_profile(request_profile(fixture.number, "?seconds=0.05"));
    char *symbols = client_request(fixture.number, "GET", "/debug/pprof/symbol?0x1");

    assert_int_equal(profile->sample_type_count, 2);
    assert_starts_with(symbols, "HTTP/1.1 200 OK");
    mem_free(symbols);
    profile_destroy(profile);
    for (int i = 0; i < WORK_COUNT; i++)
        sem_post(&work.go);
    close_debug(&fixture);
    sem_destroy(&work.started);
    sem_destroy(&work.go);
}

static void await_timers(struct fixture *fixture, bool wanted)
{
    AWAIT((cpu_sampler_stats(profiler_cpu(fixture->profiler)).thread_count > 0) == wanted);
}

/* A port on which an hour's CPU profile is under way; the connection that asked for it. */
static int open_and_start_an_hour(struct fixture *fixture)
{
    open_debug_for(fixture, "127.0.0.1", 2 * 3600 * 1000);
    int fd = request_profile(fixture->number, "?seconds=3600");
    await_timers(fixture, true);
    return fd;
}

static void a_client_that_goes_stops_the_sampling(void **state)
{
    (void)state;
    struct fixture fixture;
    int fd = open_and_start_an_hour(&fixture);

    close(fd);

    await_timers(&fixture, false);
    close_debug(&fixture);
}

static void a_client_that_only_reads_on_gets_what_there_is(void **state)
{
    (void)state;
    struct fixture fixture;
    int fd = open_and_start_an_hour(&fixture);

    shutdown(fd, SHUT_WR);

    struct profile *profile = receive_profile(fd);
    assert_true(profile->duration_ns < 3600 * (int64_t)NS_PER_S);
    profile_destroy(profile);
    close_debug(&fixture);
}

static void closing_the_port_stops_the_sampling(void **state)
{
    (void)state;
    struct fixture fixture;
    int fd = open_and_start_an_hour(&fixture);

    http_port_close(fixture.port);
    fixture.port = NULL;

    assert_int_equal(cpu_sampler_stats(profiler_cpu(fixture.profiler)).thread_count, 0);
    close(fd);
    close_debug(&fixture);
}

static void the_profilers_figures_are_shown_while_it_is_open(void **state)
{
    (void)state;
    static const char *const names[] = {
        "\ntakhin_profiler_samples_total{type=\"profile\"} ",
        "\ntakhin_profiler_lost_total{type=\"profile\"} ",
        "\ntakhin_profiler_truncated_total{type=\"profile\"} ",
        "\ntakhin_profiler_rootless_total{type=\"profile\"} ",
        "\ntakhin_profiler_overhead_seconds_total{type=\"profile\"} ",
        "\ntakhin_profiler_held_bytes{type=\"profile\"} ",
        "\ntakhin_profiler_timers ",
        "\ntakhin_profiler_rate{key=\"cpu_hz\"} 100\n",
        "\ntakhin_profiler_rate{key=\"mem_rate\"} 0\n",
    };
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    struct buf text;
    buf_init(&text);
    metrics_expose(fixture.metrics, METRICS_TEXT, &text);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        assert_non_null(strstr(buf_string(&text), names[i]));
    /* They are heap's sampler's, and a sum over the types must not count them twice. */
    assert_non_null(strstr(buf_string(&text), "{type=\"heap\"}"));
    assert_null(strstr(buf_string(&text), "{type=\"allocs\"}"));

    http_port_close(fixture.port);
    fixture.port = NULL;

    buf_clear(&text);
    metrics_expose(fixture.metrics, METRICS_TEXT, &text);
    assert_int_equal(text.size, 0);
    buf_deinit(&text);
    close_debug(&fixture);
}

static void count_warnings(const char *line, void *context)
{
    int *count = context;
    *count += strstr(line, "other machines can reach the debug port") != NULL;
}

static void a_port_that_others_reach_is_warned_of(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int warnings;
    } cases[] = {{"127.0.0.1", 0}, {"127.1.2.3", 0}, {"localhost", 0}, {"0.0.0.0", 1}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fixture fixture;
        int warnings = 0;
        log_redirect(count_warnings, &warnings);
        open_debug(&fixture, cases[i].host);
        log_redirect(NULL, NULL);
        assert_int_equal(warnings, cases[i].warnings);
        close_debug(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_of_go),
        cmocka_unit_test(the_index_names_what_exists),
        cmocka_unit_test(cmdline_has_nuls_between_arguments_only),
        cmocka_unit_test(symbol_names_what_it_knows),
        cmocka_unit_test(a_profile_lasts_as_long_as_was_asked),
        cmocka_unit_test(overlapping_profiles_are_all_answered),
        cmocka_unit_test(a_profile_is_answered_while_the_thread_pool_is_stuck),
        cmocka_unit_test(a_client_that_goes_stops_the_sampling),
        cmocka_unit_test(a_client_that_only_reads_on_gets_what_there_is),
        cmocka_unit_test(closing_the_port_stops_the_sampling),
        cmocka_unit_test(the_profilers_figures_are_shown_while_it_is_open),
        cmocka_unit_test(a_port_that_others_reach_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
