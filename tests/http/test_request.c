/* test_request.c: bytes become requests, however they are cut; what is too large or malformed is refused. */
#include "http/request.h"

#include "base/buf.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define GET_MANY \
    "GET /debug/pprof/profile?seconds=5&hz=100 HTTP/1.1\r\nHost: localhost:6060\r\nUser-Agent: Go-http-client/1.1\r\n" \
    "Empty:\r\nAccept-Encoding: gzip\r\n\r\n"
#define POST_CHUNKED \
    "POST /debug/pprof/symbol HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "4\r\n0x4a\r\n3\r\n000\r\n0\r\n\r\n"
#define POST_LENGTH "POST /debug/pprof/symbol HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n0x4a0000"

static enum http_progress parse_all(struct http_reader *reader, const char *text, size_t *consumed)
{
    return http_reader_feed(reader, bytes_of_string(text), consumed);
}

static void assert_bytes(struct bytes bytes, const char *expected)
{
    if (!bytes_equal_string(bytes, expected))
        fail_msg("\"%.*s\" is not \"%s\"", BYTES_ARGS(bytes), expected);
}

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    struct http_reader *reader = http_reader_create();
    size_t consumed;

    assert_int_equal(parse_all(reader, GET_MANY, &consumed), HTTP_COMPLETE);

    const struct http_request *request = http_reader_request(reader);
    assert_int_equal(consumed, strlen(GET_MANY));
    assert_string_equal(request->method, "GET");
    assert_int_equal(request->allowed_by, HTTP_ALLOW_GET);
    assert_bytes(request->path, "/debug/pprof/profile");
    assert_bytes(request->query, "seconds=5&hz=100");
    assert_int_equal(request->header_count, 4);
    assert_bytes(http_request_header(request, "user-agent"), "Go-http-client/1.1");
    assert_bytes(http_request_header(request, "Accept-Encoding"), "gzip");
    assert_bytes(http_request_header(request, "Empty"), "");
    assert_bytes(http_request_header(request, "Empt"), "");
    assert_true(request->keep_alive);
    assert_int_equal(request->body.size, 0);
    http_reader_destroy(reader);
}

/* One byte at a time, and the end of each prefix: nothing before the last byte completes or refuses. */
static void a_request_may_arrive_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text, *body;
    } cases[] = {{GET_MANY, ""}, {POST_CHUNKED, "0x4a000"}, {POST_LENGTH, "0x4a0000"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_reader *reader = http_reader_create();
        size_t length = strlen(cases[i].text), consumed;
        for (size_t at = 0; at + 1 < length; at++) {
            assert_int_equal(http_reader_feed(reader, bytes_of(cases[i].text + at, 1), &consumed), HTTP_NEEDS_MORE);
            assert_int_equal(consumed, 1);
            assert_true(http_reader_underway(reader));
        }
        assert_int_equal(http_reader_feed(reader, bytes_of(cases[i].text + length - 1, 1), &consumed), HTTP_COMPLETE);
        assert_bytes(http_reader_request(reader)->body, cases[i].body);
        http_reader_destroy(reader);
    }
}

static void pipelined_requests_come_one_by_one(void **state)
{
    (void)state;
    const char *text = POST_CHUNKED GET_MANY POST_LENGTH;
    struct http_reader *reader = http_reader_create();
    size_t first, second, third;

    assert_int_equal(parse_all(reader, text, &first), HTTP_COMPLETE);
    assert_bytes(http_reader_request(reader)->body, "0x4a000");
    assert_int_equal(first, strlen(POST_CHUNKED));
    assert_int_equal(parse_all(reader, text + first, &second), HTTP_COMPLETE);
    assert_bytes(http_reader_request(reader)->path, "/debug/pprof/profile");
    assert_bytes(http_reader_request(reader)->body, "");
    assert_int_equal(parse_all(reader, text + first + second, &third), HTTP_COMPLETE);
    assert_bytes(http_reader_request(reader)->body, "0x4a0000");
    assert_int_equal(first + second + third, strlen(text));
    http_reader_destroy(reader);
}

/* That of a GET for the target, complete. */
static struct http_reader *read_target(const char *target)
{
    struct http_reader *reader = http_reader_create();
    char text[200];
    size_t consumed;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target);
    assert_int_equal(parse_all(reader, text, &consumed), HTTP_COMPLETE);
    return reader;
}

static void a_target_may_be_absolute(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"http://h:6060/debug/pprof/?x=1", "/debug/pprof/", "x=1"}, {"http://h", "/", ""}, {"/a?", "/a", ""},
        {"/a?b?c#d", "/a", "b?c"},                                  {"*", "*", ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_reader *reader = read_target(cases[i].target);
        assert_bytes(http_reader_request(reader)->path, cases[i].path);
        assert_bytes(http_reader_request(reader)->query, cases[i].query);
        http_reader_destroy(reader);
    }
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        {"\x16\x03\x01\x02", 400}, /* TLS */
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"GET /\r\n\r\n", 505}, /* HTTP/0.9 */
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 417},
        {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405},
        {"GET /% HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /a%2?b=c HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"GET /%zz/a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_reader *reader = http_reader_create();
        size_t consumed;
        enum http_progress progress = parse_all(reader, cases[i].text, &consumed);
        struct http_refusal refusal = http_reader_refusal(reader);
        if (progress != HTTP_REFUSED || refusal.status != cases[i].status)
            fail_msg("case %zu: %u %s", i, refusal.status, refusal.text);
        assert_non_null(refusal.text);
        assert_int_equal(parse_all(reader, GET_MANY, &consumed), HTTP_REFUSED);
        http_reader_destroy(reader);
    }
}

/* `count` times `piece` between a start and an end, as one request. */
static struct http_refusal refusal_of_repeated(const char *start, const char *piece, size_t count)
{
    struct http_reader *reader = http_reader_create();
    struct buf text;
    buf_init(&text);
    buf_append_string(&text, start);
    for (size_t i = 0; i < count; i++)
        buf_append_string(&text, piece);
    size_t consumed;
    enum http_progress progress = http_reader_feed(reader, buf_bytes(&text), &consumed);
    struct http_refusal refusal = http_reader_refusal(reader);
    assert_int_equal(progress == HTTP_REFUSED, refusal.status != 0);
    buf_deinit(&text);
    http_reader_destroy(reader);
    return refusal;
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(refusal_of_repeated("GET /", "0123456789abcdef", HTTP_HEAD_MAX / 16 - 1).status, 0);
    assert_int_equal(refusal_of_repeated("GET /", "0123456789abcdef", HTTP_HEAD_MAX / 16).status, 431);
    assert_int_equal(refusal_of_repeated("GET / HTTP/1.1\r\n", "a: b\r\n", HTTP_HEADERS_MAX).status, 0);
    assert_int_equal(refusal_of_repeated("GET / HTTP/1.1\r\n", "a: b\r\n", HTTP_HEADERS_MAX + 1).status, 431);
    assert_int_equal(refusal_of_repeated("GET / HTTP/1.1\r\na:", "                ", 10000).status, 431);
    const char *chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(refusal_of_repeated(chunked, "10\r\n0123456789abcdef\r\n", HTTP_BODY_MAX / 16).status, 0);
    assert_int_equal(refusal_of_repeated(chunked, "10\r\n0123456789abcdef\r\n", HTTP_BODY_MAX / 16 + 1).status, 413);
}

static void a_client_that_waits_for_100_is_noticed_once(void **state)
{
    (void)state;
    static const char head[] = "POST /s HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n";
    static const char no_body[] = "POST /s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n";
    struct http_reader *reader = http_reader_create();
    size_t consumed;

    assert_int_equal(parse_all(reader, head, &consumed), HTTP_NEEDS_MORE);
    assert_true(http_reader_wants_continue(reader));
    assert_false(http_reader_wants_continue(reader));
    assert_int_equal(parse_all(reader, "abc", &consumed), HTTP_COMPLETE);
    assert_bytes(http_reader_request(reader)->body, "abc");

    assert_int_equal(parse_all(reader, no_body, &consumed), HTTP_COMPLETE);
    assert_false(http_reader_wants_continue(reader));
    http_reader_destroy(reader);
}

static void keep_alive_follows_version_and_header(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_reader *reader = http_reader_create();
        size_t consumed;
        assert_int_equal(parse_all(reader, cases[i].text, &consumed), HTTP_COMPLETE);
        assert_int_equal(http_reader_request(reader)->keep_alive, cases[i].keep_alive);
        http_reader_destroy(reader);
    }
}

static void query_values_are_read_as_go_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *query, *value;
    } cases[] = {
        {"", ""},
        {"seconds=5", "5"},
        {"seconds", ""},
        {"seconds=", ""},
        {"x=1&seconds=5&seconds=6", "5"},
        {"&&seconds=5", "5"},
        {"Seconds=5", ""},
        {"%73econds=%35", "5"},
        {"seconds=a+b%2Bc%20d", "a b+c d"},
        {"seconds=a=b", "a=b"},
        {"seconds=%zz&seconds=7", "7"},
        {"seconds=%3", ""},
        {"seconds=%", ""},
        {"seconds=1;x=2", ""},
        {"x;seconds=1&seconds=2", "2"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct arena arena;
        arena_init(&arena);
        struct http_request request = {.query = bytes_of_string(cases[i].query), .arena = &arena};
        assert_bytes(http_request_value(&request, "seconds"), cases[i].value);
        arena_deinit(&arena);
    }
}

static void a_path_is_decoded_once_and_a_plus_is_a_plus(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        struct bytes path;
    } cases[] = {
        {"/debug/pprof/he%61p", {(const uint8_t *)"/debug/pprof/heap", 17}},
        {"/debug%2Fpprof%2fheap", {(const uint8_t *)"/debug/pprof/heap", 17}},
        {"/a%00b?%00", {(const uint8_t *)"/a\0b", 4}},
        {"/a+b%2Bc%20d", {(const uint8_t *)"/a+b+c d", 8}},
        {"/%2561", {(const uint8_t *)"/%61", 4}},
        {"http://h/%c3%A4", {(const uint8_t *)"/\xc3\xa4", 3}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_reader *reader = read_target(cases[i].target);
        struct bytes path = http_reader_request(reader)->path;
        assert_true(bytes_equal(path, cases[i].path));
        assert_int_equal(path.data[path.size], '\0');
        http_reader_destroy(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(a_request_may_arrive_in_any_pieces),
        cmocka_unit_test(pipelined_requests_come_one_by_one),
        cmocka_unit_test(a_target_may_be_absolute),
        cmocka_unit_test(a_path_is_decoded_once_and_a_plus_is_a_plus),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(a_client_that_waits_for_100_is_noticed_once),
        cmocka_unit_test(keep_alive_follows_version_and_header),
        cmocka_unit_test(query_values_are_read_as_go_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
