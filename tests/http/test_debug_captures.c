/* test_debug_captures.c: /debug/pprof/captures: the list for people and for tools, and each file by its name. */
#include "http/ports.h"

#include "debug_fixture.h"

#include <stdlib.h>

#define CAPTURES "/debug/pprof/captures"
#define OLDER "20261122T235959Z-Fetch-700ms.trace"
#define NEWER "20261123T031502Z-Produce-1203ms.trace"

struct served {
    struct fixture fixture;
    char folder[64];
};

static bool set_folder(struct profiler_options *options, void *context)
{
    options->capture_dir = context;
    options->capture_bytes = options->capture_age_ns = INT64_MAX; /* nothing goes */
    return true;
}

static void write_file(const char *folder, const char *name, const char *content)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static void serve_folder(struct served *served)
{
    snprintf(served->folder, sizeof served->folder, "/tmp/takhin-captures-XXXXXX");
    assert_non_null(mkdtemp(served->folder));
    open_debug(&served->fixture, "127.0.0.1");
    profiler_change(served->fixture.profiler, set_folder, served->folder);
}

static void stop_serving(struct served *served)
{
    close_debug(&served->fixture);
    char *command = mem_printf("rm -rf '%s'", served->folder);
    assert_int_equal(system(command), 0);
    mem_free(command);
}

#define PAGE_START \
    "<html>\n<head>\n<title>/debug/pprof/captures</title>\n</head>\n<body>\n" \
    "<p>Traces of the time around requests that took as long as <code>profiler.slow_request_ms</code> says, or " \
    "longer; the newest first. Open one with <code>go tool trace</code>, or read it with " \
    "<code>takhin-profiler analyze</code>.</p>\n"
#define TABLE_START "<table>\n<thead><td>Time</td><td>KiB</td><td>Capture</td></thead>\n"
#define PAGE_END "</table>\n</body>\n</html>\n"

static void assert_body(char *answer, const char *head, const char *body)
{
    assert_starts_with(answer, head);
    assert_string_equal(strstr(answer, "\r\n\r\n") + 4, body);
    mem_free(answer);
}

static void the_list_is_a_page_or_json(void **state)
{
    (void)state;
    static const char html[] =
        HEAD("200 OK", "text/html; charset=utf-8", "Cache-Control: no-store\r\nContent-Length: ");
    static const char json[] = HEAD("200 OK", "application/json", "Cache-Control: no-store\r\nContent-Length: ");
    static const char two[] =
        "{\"captures\":[{\"name\":\"" NEWER "\",\"time\":\"2026-11-23T03:15:02Z\",\"size_bytes\":3},"
        "{\"name\":\"" OLDER "\",\"time\":\"2026-11-22T23:59:59Z\",\"size_bytes\":0}]}\n";
    struct served served;
    serve_folder(&served);
    uint16_t number = served.fixture.number;
    assert_body(client_request(number, "GET", CAPTURES), html,
                PAGE_START "<p>There are none.</p>\n" TABLE_START PAGE_END);
    assert_body(client_request(number, "GET", CAPTURES "?format=json"), json, "{\"captures\":[]}\n");

    write_file(served.folder, OLDER, "");
    write_file(served.folder, NEWER, "abc");
    write_file(served.folder, NEWER ".tmp", "abc");
    write_file(served.folder, "<script>", "abc");

    assert_body(client_request(number, "GET", CAPTURES), html,
                PAGE_START TABLE_START
                "<tr><td>2026-11-23T03:15:02Z</td><td>1</td><td><a href='" CAPTURES "/" NEWER "'>" NEWER
                "</a></td></tr>\n"
                "<tr><td>2026-11-22T23:59:59Z</td><td>0</td><td><a href='" CAPTURES "/" OLDER "'>" OLDER
                "</a></td></tr>\n" PAGE_END);
    assert_body(client_request(number, "GET", CAPTURES "/?format=json"), json, two);
    assert_body(client_exchange(number, "GET " CAPTURES " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                        "Accept: text/plain, application/json;q=0.9\r\n\r\n"), json, two);
    assert_body(client_request(number, "HEAD", CAPTURES), html, "");
    stop_serving(&served);
}

static void a_capture_is_downloaded_by_its_name(void **state)
{
    (void)state;
    struct served served;
    serve_folder(&served);
    write_file(served.folder, NEWER, "abc");
    assert_exchange(served.fixture.number, REQUEST("GET " CAPTURES "/" NEWER),
                    HEAD("200 OK", "application/octet-stream",
                         "Content-Disposition: attachment; filename=\"" NEWER "\"\r\n"
                         "Content-Length: 3\r\nConnection: close\r\n\r\n") "abc");
    stop_serving(&served);
}

static void no_other_file_is_reached(void **state)
{
    (void)state;
    static const char *const names[] = {
        OLDER, NEWER ".tmp", "secret", "%73ecret", "..", "../" NEWER, "..%2f" NEWER, "%2e%2e/secret", "/etc/passwd",
        "x/../" NEWER, NEWER "/", NEWER "%00", "20261123T031502Z-Link-1ms.trace",
    };
    struct served served;
    serve_folder(&served);
    write_file(served.folder, NEWER, "abc");
    write_file(served.folder, NEWER ".tmp", "abc");
    write_file(served.folder, "secret", "abc");
    char *link = mem_printf("%s/20261123T031502Z-Link-1ms.trace", served.folder);
    assert_int_equal(symlink("secret", link), 0);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *path = mem_printf(CAPTURES "/%s", names[i]);
        assert_body(client_request(served.fixture.number, "GET", path),
                    HEAD("404 Not Found", TEXT, "X-Go-Pprof: 1\r\n"), "there is no capture of this name\n");
        mem_free(path);
    }
    mem_free(link);
    stop_serving(&served);
}

static void a_folder_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct served served;
    serve_folder(&served);
    write_file(served.folder, "file", "abc");
    char *file = mem_printf("%s/file", served.folder);
    profiler_change(served.fixture.profiler, set_folder, file);
    assert_body(client_request(served.fixture.number, "GET", CAPTURES),
                HEAD("500 Internal Server Error", TEXT, "X-Go-Pprof: 1\r\n"),
                "cannot read profiler.capture_dir: Not a directory\n");
    mem_free(file);
    stop_serving(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_a_page_or_json),
        cmocka_unit_test(a_capture_is_downloaded_by_its_name),
        cmocka_unit_test(no_other_file_is_reached),
        cmocka_unit_test(a_folder_that_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
