/* test_debug_ui.c: a profile of each kind as a page, taken and given up as the profile itself. */
#include "http/ports.h"

#include "debug_fixture.h"
#include "pprof/flamegraph.h"
#include "profiler/cpu.h"
#include "profiler/rates.h"
#include "profiler/type.h"

#define UI "/debug/pprof/ui"
#define TYPES "allocs, block, fgprof, goroutine, goroutineleak, heap, mutex, cpu, threadcreate"

static void assert_head(const char *text, const char *size_line)
{
    char *head = mem_printf(HEAD("200 OK", "text/html; charset=utf-8",
                                 "Content-Security-Policy: %s\r\nCache-Control: no-store\r\n"
                                 "%s\r\nConnection: close\r\n\r\n"), flamegraph_content_security_policy, size_line);
    assert_starts_with(text, head);
    mem_free(head);
}

/* Receive a page; its body is the caller's, by mem_free. waiting: what it said before it was whole; NULL: nothing. */
static char *receive_page(int fd, const char *waiting)
{
    struct buf text, whole;
    struct bytes body;
    receive_answer(fd, &text, &body);
    close(fd);
    buf_init(&whole);
    if (waiting) {
        assert_head(buf_string(&text), "Transfer-Encoding: chunked");
        assert_true(client_unchunk(body, &whole));
    } else {
        char *size_line = mem_printf("Content-Length: %zu", body.size);
        assert_head(buf_string(&text), size_line);
        mem_free(size_line);
        buf_append_bytes(&whole, body);
    }
    buf_deinit(&text);

    char *start = mem_printf("%.*s%s", (int)flamegraph_page_start.size, (const char *)flamegraph_page_start.data,
                             waiting ? waiting : "");
    assert_starts_with(start, "<!DOCTYPE html>\n");
    assert_starts_with(buf_string(&whole), start);
    assert_starts_with(buf_string(&whole) + strlen(start), "\n<div id=\"tools\"");
    assert_string_equal(buf_string(&whole) + whole.size - 8, "</html>\n");
    mem_free(start);
    char *page = mem_copy_bytes(buf_bytes(&whole));
    buf_deinit(&whole);
    return page;
}

#define WAITING(name, seconds) \
    "<div id=\"waiting\" role=\"status\">Collecting the " name " profile of " seconds " seconds&hellip;" \
    "<progress></progress></div>\n"

/* Its title begins so, and it has this column. */
static void assert_page(char *page, const char *name, const struct profile_column *column)
{
    char *title = mem_printf("\"title\":\"%s profile of http_test_debug_ui on ", name);
    char *type = mem_printf("[\"%s\",\"%s\"]", column->type, column->unit);
    assert_non_null(strstr(page, title));
    assert_non_null(strstr(page, type));
    mem_free(type);
    mem_free(title);
    mem_free(page);
}

static const struct profile_type *find(const char *name)
{
    return profile_type_find(bytes_of_string(name));
}

static void every_type_is_a_page(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    for (unsigned i = 0; i < profile_type_count; i++) {
        const struct profile_type *type = profile_types[i];
        bool is_cpu = strcmp(type->name, "profile") == 0;
        char *path = mem_printf(UI "?type=%s%s", type->name, type->needs_window ? "&seconds=0.05" : "");
        const char *name = is_cpu ? "cpu" : type->name;
        char *waiting = mem_printf(WAITING("%s", "0.05"), name);
        assert_page(receive_page(send_get(fixture.number, path), type->needs_window ? waiting : NULL), name,
                    &type->columns[0]);
        mem_free(waiting);
        mem_free(path);
    }
    close_debug(&fixture);
}

/* No longer than a request may ask for. */
static void without_a_type_it_is_cpu_time(void **state)
{
    (void)state;
    static const char *const paths[] = {UI, UI "?type=", UI "?type=cpu", UI "?seconds=0.3&rate=50", UI "?type=profile"};
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
        assert_page(receive_page(send_get(fixture.number, paths[i]), WAITING("cpu", "0.3")), "cpu",
                    &find("profile")->columns[1]);
    close_debug(&fixture);
}

static void what_is_no_page_is_refused_as_a_profile_is(void **state)
{
    (void)state;
    static const struct {
        const char *query, *text;
    } cases[] = {
        {"?type=trace", "type must be one of " TYPES},
        {"?type=ui", "type must be one of " TYPES},
        {"?type=heap%00", "type must be one of " TYPES},
        {"?type=cpu&seconds=9", "seconds is more than 300ms, the limit that profiler.max_duration sets"},
        {"?type=cpu&hz=0", "hz must be a whole number from 1 to 1000"},
        {"?type=heap&seconds=x", "invalid value for \"seconds\" - must be a positive integer"},
        {"?type=heap&seconds=1&debug=1", "seconds and debug params are incompatible"},
        {"?type=heap&debug=1", "\"debug\" parameter is not supported for a page"},
        {"?type=heap&rate=1", "\"rate\" parameter needs \"seconds\" for this profile type"},
    };
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *path = mem_printf(UI "%s", cases[i].query);
        char *answer = client_request(fixture.number, "GET", path);
        char *expected = mem_printf(HEAD("400 Bad Request", TEXT, "X-Go-Pprof: 1\r\nContent-Length: %zu\r\n"
                                         "Connection: close\r\n\r\n") "%s\n", strlen(cases[i].text) + 1, cases[i].text);
        assert_string_equal(answer, expected);
        mem_free(expected);
        mem_free(answer);
        mem_free(path);
    }
    close_debug(&fixture);
}

static void head_has_the_headers_and_no_body(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    static const char *const paths[] = {UI "?type=heap", UI "?type=heap&seconds=3600", UI "?type=cpu&seconds=3600"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) { /* nor does it take the time */
        char *head = client_request(fixture.number, "HEAD", paths[i]);
        assert_starts_with(head, HEAD("200 OK", "text/html; charset=utf-8", "Content-Security-Policy: "));
        assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
        mem_free(head);
    }
    assert_int_equal(cpu_sampler_stats(profiler_cpu(fixture.profiler)).thread_count, 0);
    close_debug(&fixture);
}

static void several_at_once_all_get_theirs(void **state)
{
    (void)state;
    enum { AT_ONCE = 12 }; /* more than work at once */
    static const char *const types[] = {"cpu", "fgprof", "profile"};
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    int fds[AT_ONCE];
    for (unsigned i = 0; i < AT_ONCE; i++) {
        char *path = mem_printf(UI "?type=%s&seconds=0.1", types[i % ARRAY_COUNT(types)]);
        fds[i] = send_get(fixture.number, path);
        mem_free(path);
    }
    for (unsigned i = 0; i < AT_ONCE; i++) {
        bool is_wall = i % ARRAY_COUNT(types) == 1;
        const struct profile_type *type = find(is_wall ? "fgprof" : "profile");
        assert_page(receive_page(fds[i], is_wall ? WAITING("fgprof", "0.1") : WAITING("cpu", "0.1")),
                    is_wall ? "fgprof" : "cpu", &type->columns[0]);
    }
    close_debug(&fixture);
}

static void a_client_that_goes_ends_it(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    struct rates *rates = profiler_rates(fixture.profiler);
    int fd = send_get(fixture.number, UI "?type=block&seconds=3600&rate=7");
    AWAIT(rates_in_force(rates, PROFILE_RATE_BLOCK) == 7);

    close(fd);

    AWAIT(rates_in_force(rates, PROFILE_RATE_BLOCK) == 0);
    close_debug(&fixture);
}

static void what_it_waits_for_is_seen_meanwhile(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    int fd = send_get(fixture.number, UI "?type=heap&seconds=3600");
    struct buf text;
    buf_init(&text);
    while (!strstr(buf_string(&text), WAITING("heap", "3600")))
        assert_true(client_receive_some(fd, &text));
    assert_null(strstr(buf_string(&text), "\"title\":"));

    shutdown(fd, SHUT_WR);

    while (client_receive_some(fd, &text))
        ;
    assert_non_null(strstr(buf_string(&text), "\"title\":\"heap profile of "));
    buf_deinit(&text);
    close(fd);
    close_debug(&fixture);
}

static void a_client_that_has_said_all_gets_what_came_so_far(void **state)
{
    (void)state;
    static const struct {
        const char *query, *name, *waiting;
    } pages[] = {{"?type=cpu&seconds=3600", "cpu", WAITING("cpu", "3600")},
                 {"?type=mutex&seconds=3600", "mutex", WAITING("mutex", "3600")}};
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    for (size_t i = 0; i < ARRAY_COUNT(pages); i++) {
        char *path = mem_printf(UI "%s", pages[i].query);
        int fd = send_get(fixture.number, path);
        shutdown(fd, SHUT_WR);
        const char *type = strcmp(pages[i].name, "cpu") == 0 ? "profile" : pages[i].name;
        assert_page(receive_page(fd, pages[i].waiting), pages[i].name, &find(type)->columns[0]);
        mem_free(path);
    }
    close_debug(&fixture);
}

static void a_port_that_closes_ends_it(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    int fd = send_get(fixture.number, UI "?seconds=3600");
    AWAIT(cpu_sampler_stats(profiler_cpu(fixture.profiler)).thread_count > 0);

    http_port_close(fixture.port);
    fixture.port = NULL;

    assert_int_equal(cpu_sampler_stats(profiler_cpu(fixture.profiler)).thread_count, 0);
    close(fd);
    close_debug(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_a_page),
        cmocka_unit_test(without_a_type_it_is_cpu_time),
        cmocka_unit_test(what_is_no_page_is_refused_as_a_profile_is),
        cmocka_unit_test(head_has_the_headers_and_no_body),
        cmocka_unit_test(several_at_once_all_get_theirs),
        cmocka_unit_test(a_client_that_goes_ends_it),
        cmocka_unit_test(what_it_waits_for_is_seen_meanwhile),
        cmocka_unit_test(a_client_that_has_said_all_gets_what_came_so_far),
        cmocka_unit_test(a_port_that_closes_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
