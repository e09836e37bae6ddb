/* test_debug_control.c: /debug/profiler/config shows and changes how the profiler is set. */
#include "http/ports.h"

#include "base/label.h"
#include "base/log.h"
#include "debug_fixture.h"
#include "profiler/rates.h"

#define PATH "/debug/profiler/config"

static char *put(uint16_t number, const char *json)
{
    char *request = mem_printf("PUT " PATH " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                               strlen(json), json);
    char *answer = client_exchange(number, request);
    mem_free(request);
    return answer;
}

/* An answer of 200 that begins with these settings; the time is another each time. */
static void assert_settings(char *answer, const char *settings)
{
    assert_starts_with(answer, HEAD("200 OK", "application/json", "Cache-Control: no-store\r\nContent-Length: "));
    char *body = strstr(answer, "\r\n\r\n") + 4;
    char *start = mem_printf("{%s,\"since\":\"20", settings);
    assert_starts_with(body, start);
    const char *end = "Z\",\"overridden_by_requests\":\"\"}\n";
    assert_string_equal(body + strlen(body) - strlen(end), end);
    mem_free(start);
    mem_free(answer);
}

#define AT_FIRST \
    "\"hz\":100,\"mem_rate\":0,\"block_rate\":0,\"mutex_fraction\":0,\"trace_buffer\":0,\"slow_request_ms\":0," \
    "\"labels\":{\"topic\":true,\"client_id\":true}"

static void a_put_changes_what_it_names_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    assert_settings(client_request(fixture.number, "GET", PATH), AT_FIRST);

    assert_settings(put(fixture.number, "{\"hz\":250,\"block_rate\":1000,\"trace_buffer\":1048576,"
                                        "\"labels\":{\"topic\":false}}"),
                    "\"hz\":250,\"mem_rate\":0,\"block_rate\":1000,\"mutex_fraction\":0,"
                    "\"trace_buffer\":1048576,\"slow_request_ms\":0,"
                    "\"labels\":{\"topic\":false,\"client_id\":true}");
    assert_int_equal(profiler_options(fixture.profiler).cpu_hz, 250);
    assert_int_equal(rates_in_force(profiler_rates(fixture.profiler), PROFILE_RATE_BLOCK), 1000);
    assert_false(label_key_is_on(LABEL_TOPIC));
    assert_true(label_key_is_on(LABEL_CLIENT_ID));

    struct profile *profile = receive_profile_file(send_get(fixture.number, "/debug/pprof/profile?seconds=0.01"),
                                                   "profile");
    assert_int_equal(profile->period, 4000000);
    profile_destroy(profile);

    char *head = client_request(fixture.number, "HEAD", PATH);
    assert_starts_with(head, HEAD("200 OK", "application/json", "Cache-Control: no-store\r\nContent-Length: "));
    assert_string_equal(head + strlen(head) - 4, "\r\n\r\n");
    mem_free(head);
    close_debug(&fixture);
}

static void a_put_that_is_wrong_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"hz\":250,\"mem_rate\":-1}", "mem_rate must be a whole number from 0 to 1099511627776"},
        {"{\"hz\":250,\"rate\":1}", "rate: there is no such setting"},
        {"{\"hz\":\"250\"}", "hz must be a whole number from 1 to 1000"},
        {"{\"labels\":{\"topic\":\"no\"}}", "labels.topic must be true or false"},
    };
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *answer = put(fixture.number, cases[i].json);
        char *expected = mem_printf(HEAD("400 Bad Request", TEXT,
                                         "X-Go-Pprof: 1\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n"),
                                    strlen(cases[i].text) + 1, cases[i].text);
        assert_string_equal(answer, expected);
        mem_free(expected);
        mem_free(answer);
        assert_settings(client_request(fixture.number, "GET", PATH), AT_FIRST);
    }
    char *answer = put(fixture.number, "hz=250");
    assert_starts_with(answer, "HTTP/1.1 400 Bad Request\r\n");
    assert_non_null(strstr(answer, "the body is not JSON: line 1: "));
    mem_free(answer);
    close_debug(&fixture);
}

/* A page of another site may send a simple request without asking: none of these changes anything (Fetch standard,
 * "CORS-safelisted method"), and what it asks before a PUT is not granted. */
static void another_sites_page_can_change_nothing(void **state)
{
    (void)state;
    static const char refused[] =
        HEAD("405 Method Not Allowed", TEXT,
             "Allow: GET, HEAD, PUT\r\nX-Go-Pprof: 1\r\nContent-Length: 19\r\nConnection: close\r\n\r\n")
        "Method Not Allowed\n";
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    assert_exchange(fixture.number, "POST " PATH " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                    "Origin: http://elsewhere\r\nContent-Length: 10\r\n\r\n{\"hz\":250}", refused);
    assert_exchange(fixture.number, "OPTIONS " PATH " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                                    "Origin: http://elsewhere\r\nAccess-Control-Request-Method: PUT\r\n\r\n", refused);
    assert_exchange(fixture.number, "PUT " PATH " HTTP/1.1\r\nHost: elsewhere\r\nConnection: close\r\n"
                                    "Origin: http://elsewhere\r\nContent-Length: 10\r\n\r\n{\"hz\":250}",
                    HEAD("403 Forbidden", TEXT, "X-Go-Pprof: 1\r\nContent-Length: 31\r\nConnection: close\r\n\r\n")
                    "a web page may not change this\n");
    assert_settings(client_request(fixture.number, "GET", PATH), AT_FIRST);
    close_debug(&fixture);
}

static void find_line(const char *line, void *context)
{
    bool *found = context;
    *found |= strstr(line, "profiler was set over its port peer=127.0.0.1:") &&
              strstr(line, "changed=\"hz 100 to 250, labels.client_id true to false\"");
}

static void a_change_is_logged_with_what_was_before(void **state)
{
    (void)state;
    bool found = false;
    struct fixture fixture;
    open_debug(&fixture, "127.0.0.1");
    log_redirect(find_line, &found);
    mem_free(put(fixture.number, "{\"hz\":250,\"labels\":{\"client_id\":false}}"));
    close_debug(&fixture);
    log_redirect(NULL, NULL);
    assert_true(found);
}

static void it_says_what_requests_want_more_of(void **state)
{
    (void)state;
    struct fixture fixture;
    open_debug_for(&fixture, "127.0.0.1", 3600000);
    int fd = send_get(fixture.number, "/debug/pprof/block?seconds=3600&rate=5");
    AWAIT(rates_in_force(profiler_rates(fixture.profiler), PROFILE_RATE_BLOCK) == 5);

    char *answer = client_request(fixture.number, "GET", PATH);

    assert_non_null(strstr(answer, "\"block_rate\":0,"));
    assert_non_null(strstr(answer, "\"overridden_by_requests\":\"block_rate 0 to 5\"}\n"));
    mem_free(answer);
    close(fd);
    close_debug(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_changes_what_it_names_at_once),
        cmocka_unit_test(a_put_that_is_wrong_changes_nothing),
        cmocka_unit_test(another_sites_page_can_change_nothing),
        cmocka_unit_test(a_change_is_logged_with_what_was_before),
        cmocka_unit_test(it_says_what_requests_want_more_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
