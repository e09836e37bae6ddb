/* test_top.c: the top table, golden and against every `go tool pprof` that the machine has. */
#include "pprof/top.h"

#include "base/error.h"
#include "example.h"
#include "go_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

static struct buf top_of(const struct profile *profile, uint32_t row_limit)
{
    struct buf out;
    buf_init(&out);
    assert_int_equal(profile_top(profile, row_limit, &out), 0);
    return out;
}

static void assert_top(struct profile *profile, uint32_t row_limit, const char *expected)
{
    struct buf out = top_of(profile, row_limit);
    assert_string_equal(buf_string(&out), expected);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void example_prints_the_golden_table(void **state)
{
    (void)state;
    assert_top(example_cpu(), 0,
               "File: takhin\n"
               "Build ID: 0123456789abcdef\n"
               "takhin example\n"
               "Type: cpu\n"
               "Time: 2025-06-15 15:06:40 UTC\n"
               "Duration: 30.02s, Total samples = 27.98s (93.20%)\n"
               "Showing nodes accounting for 27.97s, 100% of 27.98s total\n"
               "Dropped 1 node (cum <= 0.14s)\n"
               "      flat  flat%   sum%        cum   cum%\n"
               "    12.34s 44.10% 44.10%     12.34s 44.10%  memcpy\n"
               "     7.97s 28.48% 72.59%      7.97s 28.48%  crc32c\n"
               "     3.33s 11.90% 84.49%      3.33s 11.90%  get_varint (inline)\n"
               "     3.33s 11.90% 96.39%      3.33s 11.90%  tree_walk\n"
               "        1s  3.57%   100%     24.64s 88.06%  connection_serve\n"
               "         0     0%   100%     23.64s 84.49%  kafka_handler_produce\n"
               "         0     0%   100%     27.98s   100%  main\n"
               "         0     0%   100%     20.31s 72.59%  storage_log_append\n");
}

static void row_limit_keeps_the_heaviest_and_says_so(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct buf out = top_of(profile, 2);
    assert_non_null(strstr(buf_string(&out), "Showing nodes accounting for 20.31s, 72.59% of 27.98s total\n"
                                             "Dropped 1 node (cum <= 0.14s)\n"
                                             "Showing top 2 nodes out of 8\n"));
    assert_null(strstr(buf_string(&out), "get_varint"));
    buf_deinit(&out);
    profile_destroy(profile);
}

static void profile_without_samples_prints_an_empty_table(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    profile->duration_ns = 1000000000;
    assert_top(profile, 0,
               "Type: cpu\n"
               "Duration: 1s, Total samples = 0 \n"
               "Showing nodes accounting for 0, 0% of 0 total\n"
               "      flat  flat%   sum%        cum   cum%\n");
}

static void columns_are_aligned_by_characters(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "delay", "μs");
    struct profile_line line = {profile_add_function(profile, "main", "a.c", 1), 1};
    uint32_t at = profile_add_location(profile, 0, 0x100, &line, 1);
    profile_append_sample(profile, &at, 1, &(int64_t){1500}, NULL, 0);
    assert_top(profile, 0,
               "Type: delay\n"
               "Showing nodes accounting for 1500μs, 100% of 1500μs total\n"
               "      flat  flat%   sum%        cum   cum%\n"
               "    1500μs   100%   100%     1500μs   100%  main\n");
}

static void json_has_the_rows_of_the_table(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct buf out;
    buf_init(&out);
    struct filter filter;
    struct filter_options options = {.focus = "get_varint", .sample_index = "samples"};
    assert_int_equal(filter_init(&filter, profile, &options, &out), 0);
    struct top top;
    top_init(&top, &filter, &(struct top_options){.by_line = true, .by_cum = true, .row_limit = 2});
    struct json_writer json;
    json_writer_init(&json, &out);
    top_write_json(&top, &json, NULL);
    assert_string_equal(buf_string(&out),
                        "{\"type\":\"samples\",\"unit\":\"count\",\"total\":2798,"
                        "\"time_ns\":1750000000123456789,\"duration_ns\":30020000000,"
                        "\"dropped\":0,\"candidates\":4,\"rows\":["
                        "{\"name\":\"connection_serve src/a.c:15\",\"function\":\"connection_serve\","
                        "\"file\":\"src/a.c\",\"line\":15,\"flat\":0,\"cum\":333,\"inlined\":false},"
                        "{\"name\":\"get_varint src/v.h:4\",\"function\":\"get_varint\","
                        "\"file\":\"src/v.h\",\"line\":4,\"flat\":333,\"cum\":333,\"inlined\":true}]}");
    top_deinit(&top);
    filter_deinit(&filter);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void bad_drop_frames_is_refused_and_prints_nothing(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    profile->drop_frames = profile_string(profile, "mem(cpy");
    struct buf out;
    buf_init(&out);
    assert_int_equal(profile_top(profile, 0, &out), ERR_MALFORMED);
    assert_int_equal(out.size, 0);
    profile->drop_frames = profile_string(profile, "memcpy");
    profile->keep_frames = profile_string(profile, "(");
    assert_int_equal(profile_top(profile, 0, &out), ERR_MALFORMED);
    assert_int_equal(out.size, 0);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void dropped_frames_weigh_on_their_callers(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    profile->drop_frames = profile_string(profile, "memcpy|crc.*|tree_walk");
    profile->keep_frames = profile_string(profile, "tree.*");
    struct buf out = top_of(profile, 1);
    assert_non_null(strstr(buf_string(&out), "    20.31s 72.59% 72.59%     20.31s 72.59%  storage_log_append\n"));
    buf_deinit(&out);
    profile_destroy(profile);
}

/* reader is inlined into filter, whose own growth cancels out, and called by main. */
static struct profile *profile_of_a_caller_that_cancels_out(void)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    struct profile_mapping mapping = {.limit = 0x1000, .file = profile_string(profile, "/bin/store"),
                                      .has_functions = true};
    uint32_t program = profile_add_mapping(profile, &mapping);
    static const char *const names[] = {"main", "filter", "reader", "writer"};
    struct profile_line lines[4];
    uint32_t at[4];
    for (uint32_t i = 0; i < ARRAY_COUNT(names); i++) {
        lines[i] = (struct profile_line){profile_add_function(profile, names[i], "a.c", 1), 1};
        at[i] = profile_add_location(profile, program, 0x100 + i, &lines[i], 1);
    }
    const struct profile_line inlined[] = {lines[2], lines[1]};
    uint32_t reader_in_filter = profile_add_location(profile, program, 0x200, inlined, 2);
    const uint32_t stacks[3][3] = {{reader_in_filter, at[0]}, {at[3], at[1], at[0]}, {at[2], at[0]}};
    const int64_t values[] = {100, -100, 500};
    for (uint32_t i = 0; i < ARRAY_COUNT(values); i++)
        profile_append_sample(profile, stacks[i], i == 1 ? 3 : 2, &values[i], NULL, 0);
    return profile;
}

static void what_is_inlined_into_a_caller_that_cancels_out_is_marked(void **state)
{
    (void)state;
    assert_top(profile_of_a_caller_that_cancels_out(), 0,
               "File: store\n"
               "Type: cpu\n"
               "Showing nodes accounting for 500ns, 71.43% of 700ns total\n"
               "      flat  flat%   sum%        cum   cum%\n"
               "     600ns 85.71% 85.71%      600ns 85.71%  reader (partial-inline)\n"
               "    -100ns 14.29% 71.43%     -100ns 14.29%  writer\n"
               "         0     0% 71.43%      500ns 71.43%  main\n");
}

/* Go before 1.20 writes the time in another form; the rest of the header is equal. */
static char *without_time(const char *text)
{
    const char *time_line = strstr(text, "Time: ");
    if (time_line == NULL)
        return mem_copy_string(text);
    const char *rest = strchr(time_line, '\n') + 1;
    return mem_printf("%.*s%s", (int)(time_line - text), text, rest);
}

static void assert_go_prints_the_same(const char *go, const struct profile *profile, uint32_t row_limit)
{
    char *arguments = row_limit == 0 ? mem_printf("tool pprof -top cpu.prof")
                                     : mem_printf("tool pprof -top -nodecount=%u cpu.prof", row_limit);
    struct go_output theirs = go_run(go, arguments, profile);
    struct buf ours = top_of(profile, row_limit);
    assert_int_equal(theirs.status, 0);
    assert_string_equal(buf_string(&theirs.err), "");
    char *their_text = without_time(buf_string(&theirs.out)), *our_text = without_time(buf_string(&ours));
    assert_string_equal(our_text, their_text);
    mem_free(our_text);
    mem_free(their_text);
    mem_free(arguments);
    buf_deinit(&ours);
    go_output_deinit(&theirs);
}

static uint32_t below(uint64_t *random, size_t limit)
{
    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((*random >> 33) % limit);
}

/* A profile of all that a table has to cope with; each number gives another one. */
static struct profile *varied_profile(uint64_t number)
{
    static const char *const units[] = {"nanoseconds", "GCU",   "bytes",     "milliseconds", "widgets",
                                        "count",       "μs",    "kilobytes", "microGCU"};
    static const char *const drops[] = {"", "f1.*|malloc", "f2", "(f3|f4|f10)"};
    uint64_t random = number * 2 + 1;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "first", units[below(&random, ARRAY_COUNT(units))]);
    profile_add_sample_type(profile, "second", units[below(&random, ARRAY_COUNT(units))]);
    if (below(&random, 3) == 0)
        profile->default_sample_type = profile_string(profile, "first");
    profile->drop_frames = profile_string(profile, drops[below(&random, ARRAY_COUNT(drops))]);
    profile->keep_frames = profile->drop_frames != 0 && below(&random, 2) ? profile_string(profile, "f1[0-5]?") : 0;
    profile->duration_ns = (int64_t)below(&random, 1u << 30) * below(&random, 2);
    static const char *const files[] = {"/usr/bin/takhin", "/lib/libc.so.6", "[vdso]", ""};
    for (uint32_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct profile_mapping mapping = {.start = 0x10000 * (i + 1), .limit = 0x10000 * (i + 2),
                                          .file = profile_string(profile, files[i]), .has_functions = true};
        profile_add_mapping(profile, &mapping);
    }
    uint32_t functions[40], locations[120];
    for (uint32_t i = 0; i < ARRAY_COUNT(functions); i++) {
        char name[32];
        snprintf(name, sizeof(name), "f%u", i);
        functions[i] = profile_add_function(profile, name, "a.c", 1);
    }
    for (uint32_t i = 0; i < ARRAY_COUNT(locations); i++) {
        struct profile_line lines[3];
        uint32_t line_count = i % 20 == 0 ? 0 : 1 + below(&random, 6) / 4 + below(&random, 6) / 5;
        for (uint32_t j = 0; j < line_count; j++)
            lines[j] = (struct profile_line){functions[below(&random, ARRAY_COUNT(functions))], 1 + below(&random, 50)};
        uint32_t mapping = below(&random, 5);
        locations[i] = profile_add_location(profile, mapping, mapping * 0x10000 + i, lines, line_count);
    }
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t stack[12], depth = 1 + below(&random, ARRAY_COUNT(stack));
        for (uint32_t j = 0; j < depth; j++)
            stack[j] = locations[below(&random, below(&random, ARRAY_COUNT(locations)) + 1)];
        int64_t values[2];
        values[0] = 1 + below(&random, 1 + below(&random, 1u << 31));
        values[1] = below(&random, (size_t)1 << below(&random, 31));
        if (number % 3 == 0 && below(&random, 4) == 0)
            values[1] = -values[1];
        profile_add_sample(profile, stack, depth, values, NULL, 0);
    }
    return profile;
}

static void every_go_prints_the_same_table(void **state)
{
    (void)state;
    bool compared = false;
    for (size_t i = 0; i < ARRAY_COUNT(go_tools); i++) {
        if (!go_works(go_tools[i]))
            continue;
        compared = true;
        struct profile *profile = example_cpu();
        assert_go_prints_the_same(go_tools[i], profile, 0);
        assert_go_prints_the_same(go_tools[i], profile, 3);
        profile_destroy(profile);
        profile = profile_of_a_caller_that_cancels_out();
        assert_go_prints_the_same(go_tools[i], profile, 0);
        profile_destroy(profile);
        for (uint64_t number = 0; number < 12; number++) {
            profile = varied_profile(number);
            assert_go_prints_the_same(go_tools[i], profile, number % 4 == 1 ? 7 : 0);
            profile_destroy(profile);
        }
    }
    if (!compared)
        skip();
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_prints_the_golden_table),
        cmocka_unit_test(row_limit_keeps_the_heaviest_and_says_so),
        cmocka_unit_test(profile_without_samples_prints_an_empty_table),
        cmocka_unit_test(columns_are_aligned_by_characters),
        cmocka_unit_test(json_has_the_rows_of_the_table),
        cmocka_unit_test(bad_drop_frames_is_refused_and_prints_nothing),
        cmocka_unit_test(dropped_frames_weigh_on_their_callers),
        cmocka_unit_test(what_is_inlined_into_a_caller_that_cancels_out_is_marked),
        cmocka_unit_test(every_go_prints_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
