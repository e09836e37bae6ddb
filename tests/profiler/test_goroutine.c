/* test_goroutine.c: the rows of goroutine and goroutineleak, and their texts, which tools for Go's must read. */
#include "../pprof/go_tool.h"
#include "burn.h"
#include "file_limit.h"
#include "one_profiler.h"
#include "parked_threads.h"
#include "profiler/goroutine_dump.h"
#include "profiler/tasks.h"
#include "task_source.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static int create(void **state)
{
    source_reset();
    return create_profiler(state);
}

static struct profile *take(const char *name, const struct profile_query *query)
{
    return finish(open_type(name, query));
}

static const struct profile_query plain;

/* Samples with this text of this label, added up. */
static int64_t labelled_count(const struct profile *profile, const char *key, const char *text)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        for (uint32_t j = 0; j < sample->label_count; j++) {
            struct profile_label label = profile_label_at(profile, sample->label_start + j);
            if (strcmp(profile_text(profile, label.key), key) == 0 &&
                strcmp(profile_text(profile, label.text), text) == 0)
                sum += profile_sample_values(profile, sample)[0];
        }
    }
    return sum;
}

static void tasks_of_one_stack_and_labels_are_one_sample(void **state)
{
    (void)state;
    struct source_task *first = source_add(1, "connection", "IO wait", 0);
    struct source_task *second = source_add(2, "connection", "IO wait", 0);
    second->seen.frame = first->seen.frame; /* the very same stack */
    second->seen.stack_low = first->seen.stack_low;
    second->seen.stack_high = first->seen.stack_high;
    source_add(3, "connection", "data wait", 0);

    struct profile *profile = take("goroutine", &plain);

    assert_int_equal(profile->sample_type_count, 1);
    assert_string_equal(profile_text(profile, profile->sample_types[0].type), "goroutine");
    assert_string_equal(profile_text(profile, profile->sample_types[0].unit), "count");
    assert_int_equal(profile->period, 1);
    assert_int_equal(labelled_count(profile, "reason", "IO wait"), 2);
    assert_int_equal(labelled_count(profile, "reason", "data wait"), 1);
    assert_int_equal(labelled_count(profile, "thread", "reactor-0"), 3);
    profile_destroy(profile);
}

static void a_profile_without_its_threads_says_so(void **state)
{
    (void)state;
    source_add(1, "connection", "IO wait", 0);
    struct rlimit limit;
    forbid_files(&limit);
    struct profile *profile = take("goroutine", &plain);
    allow_files(&limit);
    struct profile *whole = take("goroutine", &plain);

    assert_true(has_comment(profile, "threads that are missing: all that run no task, as they could not be listed: "
                                     "Too many open files"));
    assert_int_equal(profile->sample_count, 1);
    assert_int_equal(labelled_count(profile, "reason", "IO wait"), 1);
    assert_false(has_comment(whole, "threads that are missing"));
    assert_true(whole->sample_count > 1);
    profile_destroy(profile);
    profile_destroy(whole);
}

static void a_delta_has_the_tasks_that_came(void **state)
{
    (void)state;
    source_add(1, "stays", "data wait", 0);
    struct collection *collection = open_type("goroutine", &(struct profile_query){.is_delta = true});
    source_add(2, "comes", "sleep", 0);

    struct profile *profile = finish(collection);

    assert_int_equal(labelled_count(profile, "reason", "sleep"), 1);
    assert_int_equal(labelled_count(profile, "reason", "data wait"), 0);
    profile_destroy(profile);
}

static void only_long_parked_tasks_may_have_leaked(void **state)
{
    (void)state;
    source_add(1, "old", "data wait", 700 * NS_PER_S);
    source_add(2, "young", "sleep", 30 * NS_PER_S);

    struct profile *by_default = take("goroutineleak", &plain);
    struct profile *of_10_s = take("goroutineleak", &(struct profile_query){.parked_for_ns = 10 * NS_PER_S});

    assert_string_equal(profile_text(by_default, by_default->sample_types[0].type), "goroutineleak");
    assert_int_equal(by_default->sample_count, 1);
    assert_int_equal(labelled_count(by_default, "reason", "data wait"), 1);
    assert_int_equal(of_10_s->sample_count, 2);
    assert_int_equal(profile_type_find(bytes_of_string("goroutineleak"))->count(profiler), 1);
    profile_destroy(by_default);
    profile_destroy(of_10_s);
}

/* The labels "waited" of the samples with this text of the label "reason", one after another: "2 5". */
static char *waits_of(const struct profile *profile, const char *reason)
{
    struct buf waits;
    buf_init(&waits);
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        struct profile_label waited = {0};
        bool is_meant = false;
        for (uint32_t j = 0; j < sample->label_count; j++) {
            struct profile_label label = profile_label_at(profile, sample->label_start + j);
            is_meant = is_meant || strcmp(profile_text(profile, label.text), reason) == 0;
            if (strcmp(profile_text(profile, label.key), "waited") == 0)
                waited = label;
        }
        if (is_meant && waited.key != 0) {
            assert_string_equal(profile_text(profile, waited.unit), "seconds");
            assert_int_equal(waited.text, 0);
            buf_printf(&waits, "%s%d", waits.size > 0 ? " " : "", (int)waited.number);
        } else if (is_meant) {
            buf_printf(&waits, "%snone", waits.size > 0 ? " " : "");
        }
    }
    char *text = mem_copy_bytes(buf_bytes(&waits));
    buf_deinit(&waits);
    return text;
}

static void assert_waits(const struct profile *profile, const char *reason, const char *expected)
{
    char *waits = waits_of(profile, reason);
    assert_string_equal(waits, expected);
    mem_free(waits);
}

static void a_parked_task_says_for_how_long_in_steps(void **state)
{
    (void)state;
    static const uint64_t day_s = 86400;
    static const struct {
        uint64_t parked_s;
        const char *waited;
    } cases[] = {
        {0, "none"},       {1, "1"},          {2, "2"},         {4, "2"},         {5, "5"},         {9, "5"},
        {10, "10"},        {29, "20"},        {59, "30"},       {60, "60"},       {119, "60"},      {299, "120"},
        {300, "300"},      {1199, "600"},     {1799, "1200"},   {3599, "1800"},   {3600, "3600"},   {7200, "7200"},
        {18000, "18000"},  {36000, "36000"},  {86399, "72000"}, {86400, "86400"}, {172800, "172800"},
        {4 * day_s, "172800"}, {365 * day_s, "17280000"}, {999 * day_s, "43200000"}, {5000 * day_s, "86400000"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        source_reset();
        source_add(1, "waits", "data wait", cases[i].parked_s * NS_PER_S + NS_PER_S / 2);
        struct profile *profile = take("goroutineleak", &(struct profile_query){.parked_for_ns = 1});
        assert_waits(profile, "data wait", cases[i].waited);
        profile_destroy(profile);
    }
}

static void who_waits_for_nothing_says_no_time(void **state)
{
    (void)state;
    source_add(1, "waits", "data wait", 3700 * NS_PER_S);
    source_add(2, "has its turn soon", "runnable", 3700 * NS_PER_S);

    struct profile *profile = take("goroutine", &plain);

    assert_waits(profile, "data wait", "3600");
    assert_waits(profile, "runnable", "none");
    assert_int_equal(labelled_count(profile, "waited", ""), 1); /* and no thread */
    profile_destroy(profile);
}

/* One task waits on, and its label would be another one at the end. */
static void a_delta_says_no_times(void **state)
{
    (void)state;
    struct source_task *task = source_add(1, "stays", "data wait", 1 * NS_PER_S);
    struct collection *delta = open_type("goroutine", &(struct profile_query){.is_delta = true});
    struct stack_table *seen = NULL;
    profile_destroy(take("goroutine", &(struct profile_query){.since = &seen}));
    task->seen.since_ns -= 60 * NS_PER_S;

    struct profile *profile = finish(delta), *unseen = take("goroutine", &(struct profile_query){.since = &seen});

    assert_int_equal(labelled_count(profile, "reason", "data wait"), 0);
    assert_int_equal(labelled_count(unseen, "reason", "data wait"), 0);
    profile_destroy(profile);
    profile_destroy(unseen);
    stack_table_destroy(seen);
}

static void the_index_counts_tasks_and_threads(void **state)
{
    (void)state;
    source_add(1, "one", "data wait", 0);
    source_add(2, "two", "data wait", 0);
    struct test_thread pool = {.name = "pool-0", .reads = true};
    test_thread_start(&pool);
    assert_true(profile_type_find(bytes_of_string("goroutine"))->count(profiler) >= 4);
    test_thread_end(&pool);
}

/* Lines of the text that the whole expression matches. */
static unsigned count_lines(const char *text, const char *expression)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
    unsigned count = 0;
    char *copy = mem_copy_string(text), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));)
        count += regexec(&regex, line, 0, NULL, 0) == 0;
    mem_free(copy);
    regfree(&regex);
    return count;
}

static void counts_are_written_as_go_writes_them(void **state)
{
    (void)state;
    source_add(1, "connection", "IO wait", 0)->seen.labels[LABEL_API] = "Fetch";

    char *text = take_text("goroutine", 1, &plain);

    assert_int_equal(count_lines(text, "^goroutine profile: total [0-9]+$"), 1);
    assert_ptr_equal(strstr(text, "goroutine profile: total "), text);
    assert_int_equal(count_lines(text, "^# labels: \\{\"api\":\"Fetch\", \"reason\":\"IO wait\", "
                                       "\"thread\":\"reactor-0\"\\}$"), 1);
    assert_true(count_lines(text, "^1 @( 0x[0-9a-f]+)+$") >= 1);
    assert_int_equal(count_lines(text, "^#\t0x[0-9a-f]+\tsource_wait\\+0x[0-9a-f]+\t+.*task_source.h:[0-9]+$"), 1);
    mem_free(text);
}

static void in_the_text_it_does_not_matter_how_long_a_task_waits(void **state)
{
    (void)state;
    struct source_task *first = source_add(1, "connection", "IO wait", 0);
    struct source_task *second = source_add(2, "connection", "IO wait", 60 * NS_PER_S);
    second->seen.frame = first->seen.frame;
    second->seen.stack_low = first->seen.stack_low;
    second->seen.stack_high = first->seen.stack_high;

    char *text = take_text("goroutine", 1, &plain);

    assert_int_equal(count_lines(text, "^2 @( 0x[0-9a-f]+)+$"), 1);
    assert_null(strstr(text, "waited"));
    mem_free(text);
}

/* What parsers of such dumps look for: a header of a number and a state in brackets, then pairs of lines. */
#define HEADER "^goroutine [0-9]+ \\[[^]]+\\]:$"
#define FUNCTION "^.+\\(.*\\)$"
#define PLACE "^\t.+:[0-9]+( \\+0x[0-9a-f]+)?$"

static void assert_is_dump(const char *text)
{
    char *copy = mem_copy_string(text), *rest = copy;
    bool wants_header = true, wants_place = false;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (line[0] == '\0') {
            assert_false(wants_place);
            wants_header = true;
        } else if (wants_header) {
            assert_int_equal(count_lines(line, HEADER), 1);
            wants_header = false;
        } else {
            assert_true(count_lines(line, wants_place ? PLACE : FUNCTION "|^created by .+$") == 1);
            wants_place = !wants_place;
        }
    }
    mem_free(copy);
}

static void a_dump_reads_like_gos(void **state)
{
    (void)state;
    struct source_task *task = source_add(17, "connection", "IO wait", 185 * NS_PER_S);
    task->seen.labels[LABEL_API] = "Fetch";
    task->seen.labels[LABEL_CLIENT_ID] = "a]b,c\nd";
    task->seen.creator_id = 3;
    task->seen.creator_pc = (uintptr_t)source_handler + 8;
    source_add(18, "fresh", "sleep", NS_PER_S);
    struct test_thread pool = {.name = "pool-0", .reads = true};
    test_thread_start(&pool);

    char *text = take_text("goroutine", 2, &plain);

    assert_is_dump(text);
    assert_int_equal(count_lines(text, "^goroutine 17 \\[IO wait, 3 minutes, task=connection, thread=reactor-0, "
                                       "api=Fetch, client_id=a_b_c_d\\]:$"), 1);
    assert_int_equal(count_lines(text, "^goroutine 18 \\[sleep, task=fresh, thread=reactor-0\\]:$"), 1);
    assert_int_equal(count_lines(text, "^created by source_handler in goroutine 3$"), 1);
    assert_true(count_lines(text, "^source_wait\\(\\.\\.\\.\\)$") == 2);
    char *thread = mem_printf("^goroutine %llu \\[[a-z ]+, thread=pool-0\\]:$", GOROUTINE_DUMP_FIRST_THREAD + pool.id);
    assert_int_equal(count_lines(text, thread), 1);
    mem_free(thread);
    mem_free(text);
    test_thread_end(&pool);
}

static void what_has_no_stack_still_reads_like_one(void **state)
{
    (void)state;
    struct test_thread deaf = {.name = "deaf", .reads = true, .blocks_signal = true};
    test_thread_start(&deaf);
    source_add(5, "new", "runnable", 0)->seen.frame = 0;

    char *dump = take_text("goroutine", 2, &plain), *counts = take_text("goroutine", 1, &plain);

    assert_is_dump(dump);
    assert_int_equal(count_lines(dump, "^\\[not started\\]\\(\\.\\.\\.\\)$"), 1);
    assert_true(count_lines(dump, "^\\[not answering: .*\\]\\(\\.\\.\\.\\)$") >= 1);
    assert_int_equal(count_lines(counts, "^#\t0x0\t\\[not started\\]"), 1);
    mem_free(dump);
    mem_free(counts);
    test_thread_end(&deaf);
}

static void a_dump_of_leaks_says_that_they_are_parked(void **state)
{
    (void)state;
    source_add(1, "old", "data wait", 725 * NS_PER_S);
    source_add(2, "young", "sleep", 30 * NS_PER_S);

    char *dump = take_text("goroutineleak", 2, &plain), *counts = take_text("goroutineleak", 1, &plain);

    assert_is_dump(dump);
    assert_int_equal(count_lines(dump, HEADER), 1);
    assert_int_equal(count_lines(dump, "^goroutine 1 \\[data wait \\(parked\\), 12 minutes, task=old, "), 1);
    assert_int_equal(count_lines(counts, "^goroutineleak profile: total 1$"), 1);
    mem_free(dump);
    mem_free(counts);
}

static void a_dump_that_is_too_long_says_where_it_ends(void **state)
{
    (void)state;
    static struct task_record records[300000];
    for (size_t i = 0; i < ARRAY_COUNT(records); i++) {
        records[i] = (struct task_record){.id = i + 1, .name = "one of very many of those tasks"};
        records[i].key.labels[LABEL_REASON] = "data wait";
        records[i].key.labels[LABEL_TOPIC] = "a topic whose name is as long as a name of a topic can reasonably be, or "
                                             "a little longer than that, so that the text grows as fast as it can here";
        records[i].key.function = "[not started]";
    }
    struct task_dump dump = {.records = records, .count = ARRAY_COUNT(records)};
    struct collection *collection = open_type("goroutine", &plain);
    struct buf text;
    buf_init(&text);

    goroutine_dump_write(collection, &dump, "", &text);

    assert_in_range(text.size, GOROUTINE_DUMP_BYTES_MAX, GOROUTINE_DUMP_BYTES_MAX + 1000);
    assert_non_null(strstr(buf_string(&text) + text.size - 100, "... the dump ends here, at 64 MiB; "));
    buf_deinit(&text);
    collection_close(collection);
}

/* pprof's parser of the old text takes it for a profile; it cannot name our addresses from a text alone, so that the
 * totals are what is looked at. */
static void go_tool_pprof_reads_the_text(void **state)
{
    (void)state;
    source_add(1, "connection", "IO wait", 0);
    source_add(5, "new", "runnable", 0)->seen.frame = 0;
    char *text = take_text("goroutine", 1, &plain), path[] = "/tmp/takhin-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    char *arguments = mem_printf("tool pprof -top -symbolize=none %s", path);
    for (size_t i = 0; i < ARRAY_COUNT(go_tools); i++) {
        if (!go_works(go_tools[i]))
            continue;
        struct go_output output = go_run(go_tools[i], arguments, NULL);
        if (output.status != 0)
            fprintf(stderr, "%s\n%s", text, buf_string(&output.err));
        assert_int_equal(output.status, 0);
        assert_non_null(strstr(buf_string(&output.out), "Type: goroutine"));
        go_output_deinit(&output);
    }
    mem_free(arguments);
    unlink(path);
    mem_free(text);
}

static void assert_go_says(const char *go, const char *arguments, const struct profile *profile, const char *expected)
{
    struct go_output output = go_run(go, arguments, profile);
    if (output.status != 0 || !strstr(buf_string(&output.out), expected))
        fail_msg("%s %s says no \"%s\":\n%s\n%s", go, arguments, expected, buf_string(&output.out),
                 buf_string(&output.err));
    go_output_deinit(&output);
}

static void go_tool_pprof_shows_the_times_and_takes_ranges_of_them(void **state)
{
    (void)state;
    source_add(1, "waits", "data wait", 185 * NS_PER_S);
    source_add(2, "waits too", "data wait", 20 * NS_PER_S);
    struct profile *profile = take("goroutine", &plain);
    for (size_t i = 0; i < ARRAY_COUNT(go_tools); i++) {
        if (!go_works(go_tools[i]))
            continue;
        assert_go_says(go_tools[i], "tool pprof -tags cpu.prof", profile, "waited: Total 2");
        assert_go_says(go_tools[i], "tool pprof -top -tagfocus=waited=120s: cpu.prof", profile, "accounting for 1, ");
        assert_go_says(go_tools[i], "tool pprof -top -tagfocus=waited=20s: cpu.prof", profile, "accounting for 2, ");
    }
    profile_destroy(profile);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy_profiler)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tasks_of_one_stack_and_labels_are_one_sample),
        TEST(a_profile_without_its_threads_says_so),
        TEST(a_delta_has_the_tasks_that_came),
        TEST(only_long_parked_tasks_may_have_leaked),
        TEST(a_parked_task_says_for_how_long_in_steps),
        TEST(who_waits_for_nothing_says_no_time),
        TEST(a_delta_says_no_times),
        TEST(in_the_text_it_does_not_matter_how_long_a_task_waits),
        TEST(go_tool_pprof_shows_the_times_and_takes_ranges_of_them),
        TEST(the_index_counts_tasks_and_threads),
        TEST(counts_are_written_as_go_writes_them),
        TEST(a_dump_reads_like_gos),
        TEST(what_has_no_stack_still_reads_like_one),
        TEST(a_dump_of_leaks_says_that_they_are_parked),
        TEST(a_dump_that_is_too_long_says_where_it_ends),
        TEST(go_tool_pprof_reads_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
