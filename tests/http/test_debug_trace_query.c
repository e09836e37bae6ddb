/* test_debug_trace_query.c: what a request for a trace says. */
#include "http/debug_port.h"

#include "base/clock.h"
#include "base/mem.h"
#include "profiler/profiler.h"
#include "trace/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
    struct profiler *profiler;
    struct arena arena;
};

static void set_up(struct fixture *fixture, int64_t max_duration_ns)
{
    struct profiler_options options = {.cpu_hz = 100, .max_duration_ns = max_duration_ns};
    assert_int_equal(profiler_create(&fixture->profiler, &options), 0);
    arena_init(&fixture->arena);
}

static void tear_down(struct fixture *fixture)
{
    arena_deinit(&fixture->arena);
    profiler_destroy(fixture->profiler);
}

static const char *read_query(struct fixture *fixture, const char *text, struct trace_query *query)
{
    struct http_request request = {.query = bytes_of_string(text), .arena = &fixture->arena};
    return debug_trace_query_read(&request, fixture->profiler, query);
}

static void each_parameter_reaches_the_collection(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t duration_ns, last_ns;
        const char *format; /* NULL: 1.19 */
        bool full_stacks;
    } cases[] = {
        /* As Go's handler has it: a missing, a bad or a negative number is 1. */
        {"", NS_PER_S, 0, NULL, false},
        {"seconds=", NS_PER_S, 0, NULL, false},
        {"seconds=0", NS_PER_S, 0, NULL, false},
        {"seconds=-5", NS_PER_S, 0, NULL, false},
        {"seconds=five", NS_PER_S, 0, NULL, false},
        {"seconds=5s", NS_PER_S, 0, NULL, false},
        {"seconds=1e999", NS_PER_S, 0, NULL, false},
        {"seconds=5%00", NS_PER_S, 0, NULL, false},
        {"seconds=5", 5 * NS_PER_S, 0, NULL, false},
        {"seconds=%2B5", 5 * NS_PER_S, 0, NULL, false},
        {"seconds=0.25", NS_PER_S / 4, 0, NULL, false},
        {"seconds=25e-2", NS_PER_S / 4, 0, NULL, false},
        {"seconds=1e-300", 1, 0, NULL, false},
        {"seconds=60&debug=1&rate=7", 60 * NS_PER_S, 0, NULL, false},
        {"last=10s", 0, 10 * NS_PER_S, NULL, false},
        {"last=1m30s", 0, 90 * NS_PER_S, NULL, false},
        {"last=10", 0, 10 * NS_PER_S, NULL, false},
        {"last=0.5", 0, NS_PER_S / 2, NULL, false},
        {"last=24h&seconds=", 0, 86400 * NS_PER_S, NULL, false},
        {"version=1.19", NS_PER_S, 0, "1.19", false},
        {"version=1.22", NS_PER_S, 0, "1.22", false},
        {"format=go", NS_PER_S, 0, NULL, false},
        {"format=go&version=1.22&last=1s", 0, NS_PER_S, "1.22", false},
        {"format=chrome", NS_PER_S, 0, "chrome", false},
        {"format=perfetto&last=1s", 0, NS_PER_S, "perfetto", false},
        {"stacks=full&seconds=2", 2 * NS_PER_S, 0, NULL, true},
        {"stacks=&last=2s", 0, 2 * NS_PER_S, NULL, false},
    };
    struct fixture fixture;
    set_up(&fixture, 60 * (int64_t)NS_PER_S);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct trace_query query;
        const char *refusal = read_query(&fixture, cases[i].text, &query);
        if (refusal)
            fail_msg("%s: %s", cases[i].text, refusal);
        if (query.duration_ns != cases[i].duration_ns || query.last_ns != cases[i].last_ns)
            fail_msg("%s: %llu, %llu", cases[i].text, (unsigned long long)query.duration_ns,
                     (unsigned long long)query.last_ns);
        assert_string_equal(query.format->name, cases[i].format ? cases[i].format : "1.19");
        assert_int_equal(query.full_stacks, cases[i].full_stacks);
    }
    tear_down(&fixture);
}

#define TOO_LONG "seconds is more than 1m, the limit that profiler.max_duration sets"
#define NO_DURATION "last must be a duration such as 10s, or a number of seconds"

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *refusal;
    } cases[] = {
        {"seconds=60.001", TOO_LONG},
        {"seconds=1e30", TOO_LONG},
        {"seconds=1&last=1s", "seconds and last params are incompatible"},
        {"last=0", NO_DURATION},
        {"last=0s", NO_DURATION},
        {"last=-1s", NO_DURATION},
        {"last=-1", NO_DURATION},
        {"last=ten", NO_DURATION},
        {"last=1e30", NO_DURATION},
        {"last=10s%00", NO_DURATION},
        {"last=99999999999999999999h", NO_DURATION},
        {"version=1.23", "version must be one of 1.19, 1.22"},
        {"version=chrome", "version must be one of 1.19, 1.22"},
        {"version=1.19&format=chrome", "version is that of format=go"},
        {"format=1.22", "format must be one of go, chrome, perfetto"},
        {"format=pprof", "format must be one of go, chrome, perfetto"},
        {"stacks=short", "stacks must be full"},
        {"stacks=full&last=1s",
         "stacks=full needs seconds: what last= asks for was recorded with the stacks that it has"},
    };
    struct fixture fixture;
    set_up(&fixture, 60 * (int64_t)NS_PER_S);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct trace_query query;
        const char *refusal = read_query(&fixture, cases[i].text, &query);
        if (!refusal)
            fail_msg("%s", cases[i].text);
        assert_string_equal(refusal, cases[i].refusal);
    }
    tear_down(&fixture);
}

static void the_default_keeps_to_the_limit(void **state)
{
    (void)state;
    struct fixture fixture;
    struct trace_query query;
    set_up(&fixture, (int64_t)NS_PER_S / 4);
    assert_null(read_query(&fixture, "", &query));
    assert_int_equal(query.duration_ns, NS_PER_S / 4);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_reaches_the_collection),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(the_default_keeps_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
