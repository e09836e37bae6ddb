/* test_control.c: the profiler's settings as JSON: all of what is named, or nothing. */
#include "http/control.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct profiler_options start = {
    .enabled = true,
    .port = 6060,
    .cpu_hz = 100,
    .mem_rate = 524288,
    .block_rate = 10000,
    .mutex_fraction = 10,
    .trace_buffer = 16777216,
    .label_topics = true,
    .label_clients = true,
    .max_duration_ns = 300000000000,
};

/* The answer's settings after this body; the caller frees it. */
static struct buf settings_after(const char *json)
{
    struct profiler_options options = start;
    struct buf text;
    buf_init(&text);
    assert_int_equal(control_decode(bytes_of_string(json), &options, &text), 0);
    assert_int_equal(text.size, 0);
    assert_int_equal(options.port, 6060);
    assert_int_equal(options.max_duration_ns, 300000000000);
    control_write(&options, &text);
    return text;
}

#define TRACE "\"trace_buffer\":16777216,\"slow_request_ms\":0"
#define AND_LABELS ",\"labels\":{\"topic\":true,\"client_id\":true}"

static void what_is_named_changes_and_the_rest_stays(void **state)
{
    (void)state;
    static const struct {
        const char *json, *settings;
    } cases[] = {
        {"{}", "\"hz\":100,\"mem_rate\":524288,\"block_rate\":10000,\"mutex_fraction\":10," TRACE AND_LABELS},
        {" {\"hz\" : 1} \n",
         "\"hz\":1,\"mem_rate\":524288,\"block_rate\":10000,\"mutex_fraction\":10," TRACE AND_LABELS},
        {"{\"labels\":{\"client_id\":false}}",
         "\"hz\":100,\"mem_rate\":524288,\"block_rate\":10000,\"mutex_fraction\":10," TRACE
         ",\"labels\":{\"topic\":true,\"client_id\":false}"},
        {"{\"labels\":{}}",
         "\"hz\":100,\"mem_rate\":524288,\"block_rate\":10000,\"mutex_fraction\":10," TRACE AND_LABELS},
        {"{\"hz\":1000,\"mem_rate\":1099511627776,\"block_rate\":3600000000000,\"mutex_fraction\":1000000000,"
         "\"trace_buffer\":1073741824,\"slow_request_ms\":3600000,"
         "\"labels\":{\"topic\":false,\"client_id\":false}}",
         "\"hz\":1000,\"mem_rate\":1099511627776,\"block_rate\":3600000000000,\"mutex_fraction\":1000000000,"
         "\"trace_buffer\":1073741824,\"slow_request_ms\":3600000,"
         "\"labels\":{\"topic\":false,\"client_id\":false}"},
        {"{\"mem_rate\":0,\"block_rate\":0,\"mutex_fraction\":0,\"trace_buffer\":0,\"slow_request_ms\":0}",
         "\"hz\":100,\"mem_rate\":0,\"block_rate\":0,\"mutex_fraction\":0,"
         "\"trace_buffer\":0,\"slow_request_ms\":0" AND_LABELS},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf settings = settings_after(cases[i].json);
        assert_string_equal(buf_string(&settings), cases[i].settings);
        buf_deinit(&settings);
    }
}

static void assert_refused(struct bytes json, const char *problem)
{
    struct profiler_options options = start;
    struct buf text;
    buf_init(&text);
    assert_int_equal(control_decode(json, &options, &text), ERR_MALFORMED);
    assert_memory_equal(&options, &start, sizeof options);
    if (problem)
        assert_string_equal(buf_string(&text), problem);
    assert_null(strchr(buf_string(&text), '\n'));
    buf_deinit(&text);
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *json, *problem;
    } cases[] = {
        {"{\"hz\":0}", "hz must be a whole number from 1 to 1000"},
        {"{\"hz\":1001}", "hz must be a whole number from 1 to 1000"},
        {"{\"mem_rate\":4096,\"hz\":1e2}", "hz must be a whole number from 1 to 1000"},
        {"{\"hz\":\"100\"}", "hz must be a whole number from 1 to 1000"},
        {"{\"hz\":true}", "hz must be a whole number from 1 to 1000"},
        {"{\"hz\":null}", "hz must be a whole number from 1 to 1000"},
        {"{\"mem_rate\":-1}", "mem_rate must be a whole number from 0 to 1099511627776"},
        {"{\"block_rate\":3600000000001}", "block_rate must be a whole number from 0 to 3600000000000"},
        {"{\"mutex_fraction\":1.5}", "mutex_fraction must be a whole number from 0 to 1000000000"},
        {"{\"trace_buffer\":1073741825}", "trace_buffer must be a whole number from 0 to 1073741824"},
        {"{\"slow_request_ms\":-1}", "slow_request_ms must be a whole number from 0 to 3600000"},
        {"{\"capture_dir\":\"/\"}", "capture_dir: there is no such setting"},
        {"{\"labels\":{\"topic\":1}}", "labels.topic must be true or false"},
        {"{\"labels\":true}", "labels must be an object"},
        {"{\"labels\":{\"hz\":1}}", "labels.hz: there is no such setting"},
        {"{\"topic\":true}", "topic: there is no such setting"},
        {"{\"hz\":250,\"rate\":1}", "rate: there is no such setting"},
        {"{\"since\":\"x\"}", "since: there is no such setting"},
        {"[]", "the body must be an object"},
        {"{\"hz\":1,\"hz\":2}", NULL},
        {"{\"hz\":99999999999999999999}", NULL},
        {"{\"hz\":1}x", NULL},
        {"{hz:1}", NULL},
        {"100", NULL},
        {"", NULL},
        {"{\"a\":[[[[[[[[[]]]]]]]]]}", "the body is too large, or nested too deep"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_refused(bytes_of_string(cases[i].json), cases[i].problem);
    assert_refused(bytes_of("{\"hz\":1}\0", 9), NULL);
}

static void a_body_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "{\"hz\":250,\"labels\":{\"topic\":false}}";
    for (size_t size = 0; size < strlen(whole); size++)
        assert_refused(bytes_of(whole, size), NULL);
}

static void a_body_is_bounded(void **state)
{
    (void)state;
    char body[CONTROL_BODY_MAX + 1];
    memset(body, ' ', sizeof body);
    memcpy(body, "{}", 2);
    struct profiler_options options = start;
    struct buf text;
    buf_init(&text);
    assert_int_equal(control_decode(bytes_of(body, CONTROL_BODY_MAX), &options, &text), 0);
    buf_deinit(&text);
    assert_refused(bytes_of(body, CONTROL_BODY_MAX + 1), "the body is too large, or nested too deep");
}

static void changes_are_told(void **state)
{
    (void)state;
    struct profiler_options after = start;
    struct buf text;
    buf_init(&text);
    control_write_changes(&start, &after, &text);
    assert_int_equal(text.size, 0);
    after.cpu_hz = 250;
    after.label_topics = false;
    control_write_changes(&start, &after, &text);
    assert_string_equal(buf_string(&text), "hz 100 to 250, labels.topic true to false");
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_changes_and_the_rest_stays),
        cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(a_body_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(a_body_is_bounded),
        cmocka_unit_test(changes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
