/* test_debug_query.c: what a request for a profile says, for rows of each sort. */
#include "http/debug_port.h"

#include "base/clock.h"
#include "base/mem.h"
#include "profiler/profiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void write_nothing(struct collection *collection, struct buf *text)
{
    (void)collection, (void)text;
}

static const struct profile_type window = {.name = "w", .needs_window = true, .rate = PROFILE_RATE_HZ};
static const struct profile_type snapshot = {
    .name = "s", .has_delta = true, .rate = PROFILE_RATE_MEMORY, .write_text = write_nothing};
static const struct profile_type plain = {.name = "p", .write_text = write_nothing};
static const struct profile_type aged = {.name = "a", .seconds_is_age = true};

static struct profiler *create_profiler(void)
{
    struct profiler *profiler;
    struct profiler_options options = {.cpu_hz = 100, .max_duration_ns = 60 * (int64_t)NS_PER_S};
    assert_int_equal(profiler_create(&profiler, &options), 0);
    return profiler;
}

static const char *read_query(struct arena *arena, struct profiler *profiler, const struct profile_type *type,
                              const char *text, struct debug_query *query)
{
    struct http_request request = {.query = bytes_of_string(text), .arena = arena};
    return debug_query_read(&request, type, 30, profiler, query);
}

static void each_parameter_reaches_the_collection(void **state)
{
    (void)state;
    static const struct {
        const struct profile_type *type;
        const char *text;
        struct debug_query query;
    } cases[] = {
        {&window, "", {.window_ms = 30000}},
        {&window, "seconds=2", {.window_ms = 2000}},
        {&window, "seconds=0.0001", {.window_ms = 1}},
        {&window, "seconds=60", {.window_ms = 60000}},
        {&window, "seconds=", {.window_ms = 30000}},
        {&window, "seconds=-5", {.window_ms = 30000}},
        {&window, "seconds=1.2.3", {.window_ms = 30000}},
        {&window, "seconds=.", {.window_ms = 30000}},
        {&window, "seconds=%2B", {.window_ms = 30000}},
        {&window, "seconds=%2B5", {.window_ms = 5000}},
        {&window, "seconds=+5", {.window_ms = 30000}},
        {&window, "seconds=5&seconds=7", {.window_ms = 5000}},
        {&window, "seconds=&seconds=7", {.window_ms = 30000}},
        {&window, "seconds=99999999999999999999", {.window_ms = 30000}},
        {&window, "seconds=1&hz=250", {.window_ms = 1000, .profile.rate = 250}},
        {&window, "seconds=1&rate=1000", {.window_ms = 1000, .profile.rate = 1000}},
        {&window, "seconds=1&debug=1", {.window_ms = 1000}},
        {&snapshot, "", {.debug = 0}},
        {&snapshot, "unknown=1&seconds=", {.debug = 0}},
        {&snapshot, "debug=1", {.debug = 1}},
        {&snapshot, "debug=2", {.debug = 2}},
        {&snapshot, "debug=3", {.debug = 2}},
        {&snapshot, "debug=-3", {.debug = 1}},
        {&snapshot, "gc=1", {.profile.trims_memory = true}},
        {&snapshot, "gc=0", {.debug = 0}},
        {&snapshot, "gc=yes", {.debug = 0}},
        {&snapshot, "seconds=5", {.window_ms = 5000, .profile.is_delta = true}},
        {&snapshot, "seconds=%2B5", {.window_ms = 5000, .profile.is_delta = true}},
        {&snapshot, "seconds=5&debug=0", {.window_ms = 5000, .profile.is_delta = true}},
        {&snapshot, "rate=4096&seconds=5", {.window_ms = 5000, .profile = {.is_delta = true, .rate = 4096}}},
        {&snapshot, "seconds=5&compat=go", {.window_ms = 5000, .profile = {.is_delta = true, .keeps_go_wart = true}}},
        {&snapshot, "seconds=5&partial=1", {.window_ms = 5000, .profile.is_delta = true, .takes_part = true}},
        {&snapshot, "seconds=5&partial=0", {.window_ms = 5000, .profile.is_delta = true}},
        {&snapshot, "seconds=5&partial=yes", {.window_ms = 5000, .profile.is_delta = true}},
        {&window, "seconds=5&partial=1", {.window_ms = 5000, .takes_part = true}},
        {&aged, "", {.debug = 0}},
        {&aged, "seconds=5", {.profile.parked_for_ns = 5000000000}},
        {&aged, "seconds=5&debug=1", {.profile.parked_for_ns = 5000000000}},
        {&aged, "seconds=9223372036854775806", {.profile.parked_for_ns = INT64_MAX}},
    };
    struct profiler *profiler = create_profiler();
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct debug_query query;
        const struct debug_query *expected = &cases[i].query;
        const char *refusal = read_query(&arena, profiler, cases[i].type, cases[i].text, &query);
        if (refusal)
            fail_msg("%s: %s", cases[i].text, refusal);
        assert_int_equal(query.window_ms, expected->window_ms);
        assert_int_equal(query.debug, expected->debug);
        assert_int_equal(query.profile.is_delta, expected->profile.is_delta);
        assert_int_equal(query.profile.keeps_go_wart, expected->profile.keeps_go_wart);
        assert_int_equal(query.profile.rate, expected->profile.rate);
        assert_int_equal(query.profile.trims_memory, expected->profile.trims_memory);
        assert_int_equal(query.profile.parked_for_ns, expected->profile.parked_for_ns);
        assert_null(query.profile.since);
    }
    arena_deinit(&arena);
    profiler_destroy(profiler);
}

#define INVALID "invalid value for \"seconds\" - must be a positive integer"
#define UNSUPPORTED "\"seconds\" parameter is not supported for this profile type"
#define INCOMPATIBLE "seconds and debug params are incompatible"
#define TOO_LONG "seconds is more than 1m, the limit that profiler.max_duration sets"

static void what_is_wrong_first_is_said(void **state)
{
    (void)state;
    static const struct {
        const struct profile_type *type;
        const char *text, *refusal;
    } cases[] = {
        {&snapshot, "debug=1&seconds=0&rate=0", INVALID},
        {&snapshot, "debug=1&seconds=5&rate=0", INCOMPATIBLE},
        {&snapshot, "debug=1&seconds=61", INCOMPATIBLE},
        {&snapshot, "seconds=61", TOO_LONG},
        {&snapshot, "seconds=61&rate=0", "rate must be a whole number from 1 to 1099511627776"},
        {&snapshot, "hz=5&seconds=1", "\"hz\" parameter is not supported for this profile type"},
        {&snapshot, "rate=5", "\"rate\" parameter needs \"seconds\" for this profile type"},
        {&plain, "seconds=x&debug=1", INVALID},
        {&plain, "seconds=1&debug=1", UNSUPPORTED},
        {&plain, "rate=1", "\"rate\" parameter is not supported for this profile type"},
        {&window, "seconds=60.001", TOO_LONG},
        {&window, "hz=1001", "hz must be a whole number from 1 to 1000"},
        {&window, "compat=java", "compat must be go"},
        {&aged, "seconds=0", INVALID},
    };
    struct profiler *profiler = create_profiler();
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct debug_query query;
        const char *refusal = read_query(&arena, profiler, cases[i].type, cases[i].text, &query);
        assert_non_null(refusal);
        assert_string_equal(refusal, cases[i].refusal);
    }
    arena_deinit(&arena);
    profiler_destroy(profiler);
}

static void a_scraper_that_takes_what_it_has_not_seen_may_ask_for_gc_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool trims_memory;
    } cases[] = {
        {"", false}, {"gc=1", true}, {"gc=0", false}, {"gc=x", false}, {"seconds=1&debug=1&rate=1&gc=2", true},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct http_request request = {.query = bytes_of_string(cases[i].text), .arena = &arena};
        struct debug_query query;
        debug_query_read_unseen(&request, &query);
        assert_int_equal(query.profile.trims_memory, cases[i].trims_memory);
        assert_false(query.profile.is_delta);
        assert_int_equal(query.window_ms + (uint64_t)query.profile.rate + (uint64_t)query.debug, 0);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_reaches_the_collection),
        cmocka_unit_test(what_is_wrong_first_is_said),
        cmocka_unit_test(a_scraper_that_takes_what_it_has_not_seen_may_ask_for_gc_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
