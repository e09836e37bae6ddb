/* test_report.c: whole reports, of small profiles of each kind, to the byte. */
#include "pprof/report.h"

#include "../support/json_check.h"
#include "golden.h"
#include "pprof/merge.h"
#include "pprof/stack_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

/* A sample: its stack root first, "main;serve"; its labels "api=Fetch,reason=lock", numbers "waited=300 seconds". */
struct sample {
    const char *stack, *labels;
    int64_t values[4];
};

#define DEPTH_MAX 8

static uint32_t add_labels(struct profile *profile, const char *text, struct profile_label labels[DEPTH_MAX])
{
    uint32_t count = 0;
    char *copy = mem_copy_string(text), *rest = copy, *word;
    while (*text != '\0' && (word = strsep(&rest, ",")) != NULL) {
        char *value = strchr(word, '='), *unit = strchr(word, ' ');
        *value++ = '\0';
        labels[count] = (struct profile_label){.key = profile_string(profile, word)};
        if (strcmp(word, "waited") == 0 || strcmp(word, "bytes") == 0) {
            labels[count].number = atoll(value);
            labels[count].unit = unit == NULL ? 0 : profile_string(profile, unit + 1);
        } else {
            labels[count].text = profile_string(profile, value);
        }
        count++;
    }
    mem_free(copy);
    return count;
}

static void add_sample(struct profile *profile, const struct sample *sample)
{
    uint32_t ids[DEPTH_MAX], depth = 0;
    char *names = mem_copy_string(sample->stack), *rest = names, *name;
    while (*sample->stack != '\0' && (name = strsep(&rest, ";")) != NULL) {
        struct profile_line line = {profile_add_function(profile, name, "src/a.c", 1), 2};
        ids[DEPTH_MAX - ++depth] = profile_add_location(profile, 0, 0, &line, 1);
    }
    struct profile_label labels[DEPTH_MAX];
    uint32_t label_count = add_labels(profile, sample->labels, labels);
    profile_append_sample(profile, ids + DEPTH_MAX - depth, depth, sample->values, labels, label_count);
    mem_free(names);
}

/* types: "contentions/count delay/nanoseconds" */
static struct profile *make(const char *types, const struct sample *samples, size_t count)
{
    struct profile *profile = profile_create();
    char *copy = mem_copy_string(types), *rest = copy, *type;
    while ((type = strsep(&rest, " ")) != NULL) {
        char *unit = strchr(type, '/');
        *unit++ = '\0';
        profile_add_sample_type(profile, type, unit);
    }
    mem_free(copy);
    for (size_t i = 0; i < count; i++)
        add_sample(profile, &samples[i]);
    return profile;
}

#define MAKE(types, samples) make((types), (samples), ARRAY_COUNT(samples))

static void assert_report(const struct profile *profile, const struct report_options *options, const char *expected)
{
    struct buf out, notes, problem;
    buf_init(&out);
    buf_init(&notes);
    buf_init(&problem);
    assert_int_equal(profile_write_report(profile, options, &out, &notes, &problem), 0);
    assert_string_equal(buf_string(&out), expected);
    assert_int_equal(problem.size, 0);
    buf_deinit(&out);
    buf_deinit(&notes);
    buf_deinit(&problem);
}

/* The report as scripts get it, valid JSON, with this in it. */
static void assert_json(const struct profile *profile, const struct report_options *options, const char *part)
{
    struct buf out, notes, problem;
    buf_init(&out);
    buf_init(&notes);
    buf_init(&problem);
    struct json_writer json;
    json_writer_init(&json, &out);
    json_open_object(&json, NULL);
    assert_int_equal(profile_write_report_json(profile, options, &json, &notes, &problem), 0);
    json_close_object(&json);
    if (!json_is_valid(buf_bytes(&out)))
        fail_msg("not JSON: %s", buf_string(&out));
    if (strstr(buf_string(&out), part) == NULL)
        fail_msg("not there: %s\nin: %s", part, buf_string(&out));
    buf_deinit(&out);
    buf_deinit(&notes);
    buf_deinit(&problem);
}

/* --- kinds --- */

static struct profile *make_goroutines(void)
{
    static const struct sample samples[] = {
        {"main;serve;wait_for_data", "reason=data wait,waited=30 seconds,api=Fetch,thread=reactor-0", {1}},
        {"main;serve;wait_for_data", "reason=data wait,waited=300 seconds,api=Fetch,thread=reactor-1", {2}},
        {"main;serve;lock", "reason=mutex lock,api=Produce,thread=reactor-0", {1}},
        {"main;serve;lock", "reason=running,api=Produce,thread=reactor-0", {1}},
        {"main;flush", "reason=sleep,waited=86400 seconds,thread=reactor-1", {1}},
    };
    return MAKE("goroutine/count", samples);
}

static void goroutines_are_grouped_with_their_longest_wait(void **state)
{
    (void)state;
    struct profile *profile = make_goroutines();
    assert_report(profile, &(struct report_options){.top.row_limit = 4},
                  "6 goroutines with 3 different stacks\n"
                  "by reason: data wait 3 (50.00%), mutex lock 1 (16.67%), running 1 (16.67%)\n"
                  "    next: -tagfocus='reason=^data wait$': that alone\n"
                  "longest wait of a request: data wait, for 5m or longer, in wait_for_data < serve < main\n"
                  "    next: -tagfocus='waited=300s:': all that have waited as long\n"
                  "3 (50.00%) data wait, for 5m or longer, in wait_for_data < serve < main\n"
                  "2 (33.33%) mutex lock and others, in lock < serve < main\n"
                  "1 (16.67%) sleep, for 1d or longer, in flush < main\n"
                  "by api: Fetch 3 (50.00%), Produce 2 (33.33%)\n"
                  "    next: -tagfocus='api=^Fetch$': that alone\n"
                  "\n"
                  "Type: goroutine\n"
                  "Showing nodes accounting for 6, 100% of 6 total\n"
                  "Showing top 4 nodes out of 5\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "         3 50.00% 50.00%          3 50.00%  wait_for_data\n"
                  "         2 33.33% 83.33%          2 33.33%  lock\n"
                  "         1 16.67%   100%          1 16.67%  flush\n"
                  "         0     0%   100%          6   100%  main\n"
                  "\n"
                  "api:\n"
                  "         3 50.00%  Fetch\n"
                  "         2 33.33%  Produce\n"
                  "                   and 1 more\n"
                  "\n"
                  "reason:\n"
                  "         3 50.00%  data wait\n"
                  "         1 16.67%  mutex lock\n"
                  "                   and 2 more\n"
                  "\n"
                  "thread:\n"
                  "         3 50.00%  reactor-0\n"
                  "         3 50.00%  reactor-1\n"
                  "\n"
                  "stacks:\n"
                  "         3 50.00%  data wait, for 5m or longer, in wait_for_data < serve < main\n"
                  "         2 33.33%  mutex lock and others, in lock < serve < main\n"
                  "                   and 1 more\n");
    profile_destroy(profile);
}

static void the_longest_wait_is_of_any_task_if_no_request_waits(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"main;flush", "reason=sleep,waited=7200 seconds", {1}},
        {"main;accept", "reason=accept,waited=90 seconds", {1}},
        {"main;serve", "reason=running,api=Fetch", {1}},
    };
    struct profile *profile = MAKE("goroutine/count", samples);
    assert_json(profile, &(struct report_options){0},
                "{\"id\":\"longest_wait\",\"text\":\"longest wait: sleep, for 2h or longer, in flush < main\","
                "\"next\":\"-tagfocus='waited=7200s:': all that have waited as long\",\"value\":7200,"
                "\"unit\":\"seconds\"}");
    profile_destroy(profile);
}

static void of_many_stacks_the_largest_are_kept(void **state)
{
    (void)state;
    enum { STACKS = 3000, SAMPLES = 2 * STACKS };
    struct profile *profile = MAKE("goroutine/count", ((const struct sample[]){{"", "", {0}}}));
    for (int64_t i = 0; i < SAMPLES; i++) {
        char stack[32];
        snprintf(stack, sizeof(stack), "main;f%lld", (long long)(i % STACKS));
        add_sample(profile, &(struct sample){stack, i < STACKS ? "api=Fetch" : "", {i % STACKS + 1}});
    }
    struct filter filter;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &problem), 0);
    struct stack_groups groups;

    stack_groups_init(&groups, &filter);

    assert_int_equal(groups.group_count, STACKS);
    assert_int_equal(groups.row_count, STACK_GROUPS_MAX);
    for (uint32_t i = 0; i < groups.row_count; i++)
        assert_int_equal(groups.rows[i].sum, 2 * (STACKS - i));
    stack_groups_deinit(&groups);
    filter_deinit(&filter);
    buf_deinit(&problem);
    profile_destroy(profile);
}

static void what_others_do_not_say_of_goroutines_is_left_out(void **state)
{
    (void)state;
    static const struct sample samples[] = {{"main.main;runtime.gopark", "", {7}}, {"", "", {1}}};
    struct profile *profile = MAKE("goroutine/count", samples);
    assert_report(profile, &(struct report_options){0},
                  "8 goroutines with 2 different stacks\n"
                  "7 (87.50%) in runtime.gopark < main.main\n"
                  "1 (12.50%) in code without names\n"
                  "\n"
                  "Type: goroutine\n"
                  "Showing nodes accounting for 7, 87.50% of 8 total\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "         7 87.50% 87.50%          7 87.50%  runtime.gopark\n"
                  "         0     0% 87.50%          7 87.50%  main.main\n"
                  "\n"
                  "stacks:\n"
                  "         7 87.50%  in runtime.gopark < main.main\n"
                  "         1 12.50%  in code without names\n");
    profile_destroy(profile);
}

static void a_difference_of_goroutines_says_which_stacks_grew(void **state)
{
    (void)state;
    static const struct sample more[] = {
        {"main;serve;wait_for_data", "reason=data wait,waited=60 seconds", {9}},
        {"main;flush", "reason=sleep,waited=10 seconds", {1}},
    };
    struct profile *base = make_goroutines(), *later = MAKE("goroutine/count", more), *difference;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(later, base, false, &difference, &problem), 0);

    assert_json(difference, &(struct report_options){.is_difference = true},
                "\"groups\":{\"stacks\":2,\"rows\":[" /* flush is where it was */
                "{\"sum\":6,\"share\":0.375,\"reason\":\"data wait\",\"waited_s\":60,"
                "\"stack\":[\"wait_for_data\",\"serve\",\"main\"]},"
                "{\"sum\":-2,\"share\":-0.125,\"reason\":null,\"waited_s\":null,"
                "\"stack\":[\"lock\",\"serve\",\"main\"]}]}}");
    buf_deinit(&problem);
    profile_destroy(difference);
    profile_destroy(later);
    profile_destroy(base);
}

static void block_says_who_waits_for_what(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"main;serve;append;task_mutex_lock", "api=Produce,reason=mutex lock,topic=a", {4, 6000000}},
        {"main;serve;append;task_mutex_lock", "api=Produce,reason=mutex lock,topic=b", {2, 3000000}},
        {"main;serve;fetch;wait", "api=Fetch,reason=data wait", {1, 1000000}},
        {"main;flush;task_mutex_lock", "", {10, 2000}},
    };
    struct profile *profile = MAKE("contentions/count delay/nanoseconds", samples);
    assert_report(profile, &(struct report_options){.top.row_limit = 2},
                  "10ms of delay in 17 contentions: 588.35us each on average\n"
                  "by reason: mutex lock 9ms (89.98%), data wait 1ms (10.00%)\n"
                  "    next: -tagfocus='reason=^mutex lock$': that alone\n"
                  "Produce waits the most, for mutex lock: 9ms, 89.98%\n"
                  "    next: -tagfocus='api=^Produce$' -cum: in which functions\n"
                  "89.98% of the delay goes through append and what it calls: 9ms\n"
                  "    next: -focus='^append$' -cum: where in it\n"
                  "by api: Produce 9ms (89.98%), Fetch 1ms (10.00%)\n"
                  "    next: -tagfocus='api=^Produce$': that alone\n"
                  "by topic: a 6ms (59.99%), b 3ms (29.99%)\n"
                  "\n"
                  "Type: delay\n"
                  "Showing nodes accounting for 10ms, 100% of 10ms total\n"
                  "Dropped 1 node (cum <= 0.05ms)\n"
                  "Showing top 2 nodes out of 6\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "       9ms 90.00% 90.00%        9ms 90.00%  task_mutex_lock\n"
                  "       1ms 10.00%   100%        1ms 10.00%  wait\n"
                  "\n"
                  "api:\n"
                  "       9ms 89.98%  Produce\n"
                  "                   and 2 more\n"
                  "\n"
                  "topic:\n"
                  "       6ms 59.99%  a\n"
                  "                   and 2 more\n"
                  "\n"
                  "reason:\n"
                  "       9ms 89.98%  mutex lock\n"
                  "                   and 2 more\n"
                  "\n"
                  "who waits for what:\n"
                  "      time  share      count       mean  who      for what\n"
                  "       9ms 89.98%          6     1.50ms  Produce  mutex lock\n"
                  "                   and 2 more\n");
    assert_json(profile, &(struct report_options){0},
                "\"waits\":{\"of\":\"waiters\",\"unit\":\"nanoseconds\",\"pairs\":3,\"rows\":["
                "{\"who\":\"Produce\",\"what\":\"mutex lock\",\"time\":9000000,\"share\":0.89982,\"count\":6},"
                "{\"who\":\"Fetch\",\"what\":\"data wait\",\"time\":1000000,\"share\":0.09998,\"count\":1},"
                "{\"who\":\"flush\",\"what\":\"task_mutex_lock\",\"time\":2000,\"share\":0.00019996,\"count\":10}"
                "]}}"); /* without labels: functions */
    profile_destroy(profile);
}

static void mutex_says_who_makes_others_wait(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"main;serve;append;task_mutex_unlock", "api=Produce,reason=mutex lock", {4, 6000000}},
        {"main;flush;task_mutex_unlock", "reason=mutex lock", {1, 4000000}},
    };
    struct profile *profile = MAKE("contentions/count delay/nanoseconds", samples);
    assert_report(profile, &(struct report_options){0},
                  "10ms of delay in 5 contentions: 2ms each on average\n"
                  "by reason: mutex lock 10ms (100%)\n"
                  "append makes others wait the most, working for Produce: 6ms, 60.00%\n"
                  "    next: -focus='^append$' -cum: on which paths\n"
                  "by api: Produce 6ms (60.00%)\n"
                  "    next: -tagfocus='api=^Produce$': that alone\n"
                  "\n"
                  "Type: delay\n"
                  "Showing nodes accounting for 10ms, 100% of 10ms total\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      10ms   100%   100%       10ms   100%  task_mutex_unlock\n"
                  "         0     0%   100%        6ms 60.00%  append\n"
                  "         0     0%   100%        4ms 40.00%  flush\n"
                  "         0     0%   100%       10ms   100%  main\n"
                  "         0     0%   100%        6ms 60.00%  serve\n"
                  "\n"
                  "api:\n"
                  "       6ms 60.00%  Produce\n"
                  "       4ms 40.00%  (without)\n"
                  "\n"
                  "who makes others wait:\n"
                  "      time  share      count       mean  who     working for\n"
                  "       6ms 60.00%          4     1.50ms  append  Produce\n"
                  "       4ms 40.00%          1        4ms  flush   -\n");
    profile_destroy(profile);
}

static void wall_time_of_requests_is_told_apart(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"main;serve;append", "api=Produce,reason=running", {3, 30000000}},
        {"main;serve;lock", "api=Produce,reason=mutex lock", {1, 10000000}},
        {"main;idle", "reason=IO wait", {90, 900000000}},
    };
    struct profile *profile = MAKE("samples/count time/nanoseconds", samples);
    assert_json(profile, &(struct report_options){0},
                "\"waits\":{\"of\":\"requests\",\"unit\":\"nanoseconds\",\"pairs\":2,\"rows\":["
                "{\"who\":\"Produce\",\"what\":\"running\",\"time\":30000000,\"share\":0.0319149},"
                "{\"who\":\"Produce\",\"what\":\"mutex lock\",\"time\":10000000,\"share\":0.0106383}]}}");
    profile_destroy(profile);
}

#define HEAP_TYPES "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes"

static struct profile *make_heap(int64_t cached)
{
    const struct sample samples[] = {
        {"main;cache", "", {cached + 10, (cached + 10) * 1024, cached, cached * 1024}},
        {"main;parse", "", {5000, 5120000, 1, 1024}},
    };
    return MAKE(HEAP_TYPES, samples);
}

static void heap_has_live_beside_allocated(void **state)
{
    (void)state;
    struct profile *profile = make_heap(90);
    assert_report(profile, &(struct report_options){0},
                  "91kB live in 91 objects, of 4.98MB in 5100 allocated: 1.78% is still there\n"
                  "    next: -sample_index=alloc_space: who allocates most, live or not\n"
                  "cache holds the most itself: 90kB, 98.90%\n"
                  "    next: -focus='^cache$' -cum: who calls it\n"
                  "cache still has 90.00% of all that it ever allocated: 90kB in 90 objects\n"
                  "    next: a later profile with -base=THIS_FILE: whether it grows\n"
                  "\n"
                  "Type: inuse_space\n"
                  "Showing nodes accounting for 91kB, 100% of 91kB total\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      90kB 98.90% 98.90%       90kB 98.90%  cache\n"
                  "       1kB  1.10%   100%        1kB  1.10%  parse\n"
                  "         0     0%   100%       91kB   100%  main\n"
                  "\n"
                  "live beside allocated:\n"
                  "      live    objects  allocated    objects still live  function\n"
                  "      90kB         90      100kB        100     90.00%  cache\n"
                  "       1kB          1     4.88MB       5000      0.02%  parse\n");
    profile_destroy(profile);
}

static void heap_of_a_window_tells_what_is_live_from_what_came(void **state)
{
    (void)state;
    struct profile *profile = make_heap(90);
    profile->duration_ns = 3000000000;
    assert_report(profile, &(struct report_options){.top.row_limit = 1},
                  "91kB live in 91 objects at the end\n"
                  "4.98MB in 5100 objects allocated in these 3s\n"
                  "cache holds the most itself: 90kB, 98.90%\n"
                  "    next: -focus='^cache$' -cum: who calls it\n"
                  "\n"
                  "Type: inuse_space\n"
                  "Duration: 3s, Total samples = 91kB \n"
                  "Showing nodes accounting for 90kB, 98.90% of 91kB total\n"
                  "Showing top 1 nodes out of 3\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      90kB 98.90% 98.90%       90kB 98.90%  cache\n"
                  "\n"
                  "live at the end, beside allocated meanwhile:\n"
                  "      live    objects  allocated    objects  function\n"
                  "      90kB         90      100kB        100  cache\n"
                  "           and 1 more\n");
    profile_destroy(profile);
}

/* What Go's heap?seconds= answers: all four values are of the end less of the beginning. */
static void heap_that_lives_less_than_before_is_growth(void **state)
{
    (void)state;
    static const struct sample samples[] = {{"main;cache", "", {0, 0, -3, -3072}}, {"main;parse", "", {0, 0, 1, 1024}}};
    struct profile *profile = MAKE(HEAP_TYPES, samples);
    profile->duration_ns = 3000000000;
    assert_report(profile, &(struct report_options){.top.row_limit = 1},
                  "after 3s 2kB less is live than before\n"
                  "no sample fell on what was allocated in these 3s\n"
                  "\n"
                  "Type: inuse_space\n"
                  "Duration: 3s, Total samples = 4kB \n"
                  "Showing nodes accounting for -3kB, 75.00% of 4kB total\n"
                  "Showing top 1 nodes out of 3\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      -3kB 75.00% 75.00%       -3kB 75.00%  cache\n"
                  "\n"
                  "how much more is live, beside allocated meanwhile:\n"
                  "      live    objects  allocated    objects  function\n"
                  "      -3kB         -3          0          0  cache\n"
                  "           and 1 more\n");
    profile_destroy(profile);
}

/* As Go's threads have none. */
static void samples_without_a_stack_are_not_filtered_out(void **state)
{
    (void)state;
    static const struct sample threads[] = {{"", "", {7}}}, cpu[] = {{"", "", {1, 10000000}}};
    struct profile *profile = MAKE("threadcreate/count", threads);
    assert_report(profile, &(struct report_options){0},
                  "7 threads\n"
                  "\n"
                  "Type: threadcreate\n"
                  "Showing nodes accounting for 0, 0% of 7 total\n"
                  "      flat  flat%   sum%        cum   cum%\n");
    profile_destroy(profile);
    profile = MAKE("weird/count cpu/nanoseconds", cpu);
    assert_report(profile, &(struct report_options){0},
                  "10ms of cpu in all\n"
                  "\n"
                  "Type: cpu\n"
                  "Showing nodes accounting for 0, 0% of 10ms total\n"
                  "      flat  flat%   sum%        cum   cum%\n");
    profile_destroy(profile);
}

static void what_makes_no_sense_is_added_up_and_no_more(void **state)
{
    (void)state;
    static const struct sample waits[] = {{"main;lock", "", {5, -2000}}};
    static const struct sample heap[] = {{"main;cache", "", {1, 100, 2, 200}}};
    struct profile *profile = MAKE("contentions/count delay/nanoseconds", waits);
    assert_report(profile, &(struct report_options){.top.row_limit = 1},
                  "-2us of delay in all\n"
                  "\n"
                  "Type: delay\n"
                  "Showing nodes accounting for -2us, 100% of 2us total\n"
                  "Showing top 1 nodes out of 2\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      -2us   100%   100%       -2us   100%  lock\n"
                  "\n"
                  "who waits for what:\n"
                  "      time  share      count       mean  who   for what\n"
                  "      -2us   100%          5     -400ns  lock  lock\n");
    profile_destroy(profile);
    profile = MAKE(HEAP_TYPES, heap);
    assert_report(profile, &(struct report_options){.top.row_limit = 1},
                  "cache holds the most itself: 200B, 100%\n"
                  "    next: -focus='^cache$' -cum: who calls it\n"
                  "\n"
                  "Type: inuse_space\n"
                  "Showing nodes accounting for 200B, 100% of 200B total\n"
                  "Showing top 1 nodes out of 2\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      200B   100%   100%       200B   100%  cache\n"
                  "\n"
                  "live beside allocated:\n"
                  "      live    objects  allocated    objects still live  function\n"
                  "      200B          2       100B          1             cache\n");
    profile_destroy(profile);
}

static void brokers_that_were_asked_at_once_are_busy_each(void **state)
{
    (void)state;
    static const struct sample samples[] = {{"main;parse", "broker=a", {500, 500000000}},
                                            {"main;parse", "broker=b", {1500, 1500000000}}};
    struct profile *profile = MAKE("samples/count cpu/nanoseconds", samples);
    profile->duration_ns = 4000000000;
    struct report_options options = {.top.row_limit = 1};
    struct buf out, problem;
    buf_init(&out);
    buf_init(&problem);
    assert_int_equal(profile_write_report(profile, &options, &out, &problem, &problem), 0);
    assert_non_null(strstr(buf_string(&out), "2s of CPU time in 4s of 2 brokers together: "
                                             "0.50 processors busy on average in each\n"));
    buf_clear(&out);
    options.filter.tag_focus = "broker=a";
    assert_int_equal(profile_write_report(profile, &options, &out, &problem, &problem), 0);
    assert_null(strstr(buf_string(&out), "busy"));
    buf_deinit(&problem);
    buf_deinit(&out);
    profile_destroy(profile);
}

static void goroutines_of_a_window_are_how_many_more_there_are(void **state)
{
    (void)state;
    static const struct sample samples[] = {{"main;serve;lock", "", {2}}, {"main;flush", "", {-5}}};
    struct profile *profile = MAKE("goroutine/count", samples);
    profile->duration_ns = 3000000000;
    assert_report(profile, &(struct report_options){.top.row_limit = 1},
                  "3 goroutines fewer than 3s before, with 2 different stacks\n"
                  "-5 (71.43%) in flush < main\n"
                  "2 (28.57%) in lock < serve < main\n"
                  "\n"
                  "Type: goroutine\n"
                  "Duration: 3s, Total samples = 7 \n"
                  "Showing nodes accounting for -5, 71.43% of 7 total\n"
                  "Showing top 1 nodes out of 4\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "        -5 71.43% 71.43%         -5 71.43%  flush\n"
                  "\n"
                  "stacks:\n"
                  "        -5 71.43%  in flush < main\n"
                  "                   and 1 more\n");
    profile_destroy(profile);
}

static void what_two_windows_hold_does_not_grow_with_the_time_between(void **state)
{
    (void)state;
    static const struct sample before[] = {{"main;parse", "", {1, 10000000}}};
    static const struct sample after[] = {{"main;parse", "", {3, 30000000}}};
    struct profile *base = MAKE("samples/count cpu/nanoseconds", before);
    struct profile *later = MAKE("samples/count cpu/nanoseconds", after), *difference;
    base->duration_ns = later->duration_ns = 1000000000;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(later, base, true, &difference, &problem), 0);
    assert_report(difference, &(struct report_options){.is_difference = true, .elapsed_ns = 120000000000},
                  "cpu grew by 20ms, 200.00% of the base's 10ms\n"
                  "parse grew by 20ms\n"
                  "    next: -focus='^parse$' -cum: on which paths\n"
                  "\n"
                  "Type: cpu\n"
                  "Duration: 2s, Total samples = 10ms (  0.5%)\n"
                  "Showing nodes accounting for 20ms, 200.00% of 10ms total\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      20ms 200.00% 200.00%       20ms 200.00%  parse\n"
                  "         0     0% 200.00%       20ms 200.00%  main\n");
    buf_deinit(&problem);
    profile_destroy(difference);
    profile_destroy(later);
    profile_destroy(base);
}

static void growth_of_heap_has_a_rate_if_the_time_is_known(void **state)
{
    (void)state;
    struct profile *base = make_heap(90), *later = make_heap(150), *difference;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(later, base, true, &difference, &problem), 0);
    assert_report(difference, &(struct report_options){.is_difference = true, .elapsed_ns = 120000000000},
                  "inuse_space grew by 60kB in 120s, 30kB a minute, 65.93% of the base's 91kB\n"
                  "cache grew by 60kB, 30kB a minute\n"
                  "    next: -focus='^cache$' -cum: on which paths\n"
                  "\n"
                  "Type: inuse_space\n"
                  "Showing nodes accounting for 60kB, 65.93% of 91kB total\n"
                  "      flat  flat%   sum%        cum   cum%\n"
                  "      60kB 65.93% 65.93%       60kB 65.93%  cache\n"
                  "         0     0% 65.93%       60kB 65.93%  main\n"
                  "\n"
                  "live beside allocated:\n"
                  "      live    objects  allocated    objects still live   live/min  function\n"
                  "      60kB         60       60kB         60       100%       30kB  cache\n");
    buf_deinit(&problem);
    profile_destroy(difference);
    profile_destroy(later);
    profile_destroy(base);
}

static void a_difference_in_which_nothing_changed_says_so(void **state)
{
    (void)state;
    struct profile *base = make_heap(90), *difference;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(base, base, false, &difference, &problem), 0);
    assert_report(difference, &(struct report_options){.is_difference = true},
                  "nothing grew and nothing shrank: inuse_space is as it was\n"
                  "\n"
                  "Type: inuse_space\n"
                  "Showing nodes accounting for 0, 0% of 0 total\n"
                  "      flat  flat%   sum%        cum   cum%\n");
    buf_deinit(&problem);
    profile_destroy(difference);
    profile_destroy(base);
}

/* --- filters --- */

static void what_matches_nothing_is_noted_and_said(void **state)
{
    (void)state;
    struct profile *profile = make_heap(90);
    struct buf out, notes, problem;
    buf_init(&out);
    buf_init(&notes);
    buf_init(&problem);
    struct report_options options = {.filter.focus = "nowhere"};

    assert_int_equal(profile_write_report(profile, &options, &out, &notes, &problem), 0);

    assert_string_equal(buf_string(&notes), "Focus expression matched no samples\n");
    assert_string_equal(buf_string(&out),
                        "of 91kB in the profile the filters leave nothing\n"
                        "\n"
                        "Type: inuse_space\n"
                        "Active filters:\n"
                        "   focus=nowhere\n"
                        "Showing nodes accounting for 0, 0% of 91kB total\n"
                        "      flat  flat%   sum%        cum   cum%\n");
    buf_deinit(&out);
    buf_deinit(&notes);
    buf_deinit(&problem);
    profile_destroy(profile);
}

static void tables_are_of_what_the_filters_keep(void **state)
{
    (void)state;
    struct profile *profile = make_goroutines();
    struct report_options options = {.filter.tag_focus = "waited=100s:"};
    assert_json(profile, &options,
                "\"labels\":[{\"key\":\"api\",\"values\":2,\"rows\":["
                "{\"value\":\"Fetch\",\"sum\":2,\"share\":0.333333,\"samples\":1},"
                "{\"value\":null,\"sum\":1,\"share\":0.166667,\"samples\":1}]}");
    assert_json(profile, &options, "\"groups\":{\"stacks\":2,");
    profile_destroy(profile);
}

static void what_cannot_be_done_is_a_problem_and_no_output(void **state)
{
    (void)state;
    struct profile *profile = make_heap(90);
    static const struct report_options options[] = {{.filter.focus = "("}, {.filter.sample_index = "cpu"}};
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        struct buf out, notes, problem;
        buf_init(&out);
        buf_init(&notes);
        buf_init(&problem);
        struct json_writer json;
        json_writer_init(&json, &out);
        assert_true(profile_write_report(profile, &options[i], &out, &notes, &problem) < 0);
        assert_true(profile_write_report_json(profile, &options[i], &json, &notes, &problem) < 0);
        assert_true(problem.size > 0);
        assert_int_equal(out.size + notes.size, 0);
        buf_deinit(&out);
        buf_deinit(&notes);
        buf_deinit(&problem);
    }
    profile_destroy(profile);
}

/* --- all that there are --- */

static const char *const golden_names[] = {
    "takhin_cpu.pb.gz",       "takhin_heap.pb.gz",     "takhin_goroutine.pb.gz",   "takhin_block.pb.gz",
    "takhin_mutex.pb.gz",     "takhin_fgprof.pb.gz",   "takhin_cpu_brokers.pb.gz", "go_cpu.pb.gz",
    "go_heap.pb.gz",          "go_goroutine.pb.gz",    "go_block.pb.gz",           "go_mutex.pb.gz",
    "gperftools_cpu.pb.gz",   "gperftools_heap.pb.gz", "cpp_cpu.pb.gz",            "cpp_heap.pb.gz",
};

/* The table as pprof prints it (test_golden.c) is in the report as it is, in lines of its own. */
static void every_report_has_the_table_of_pprof(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(golden_names); i++) {
        struct profile *profile = golden_read(golden_names[i]);
        profile_simplify_names(profile);
        struct buf out, notes, problem, table;
        buf_init(&out);
        buf_init(&notes);
        buf_init(&problem);
        buf_init(&table);
        assert_int_equal(profile_write_report(profile, &(struct report_options){0}, &out, &notes, &problem), 0);
        buf_append_byte(&table, '\n');
        assert_int_equal(profile_top(profile, 0, &table), 0);
        const char *found = strstr(buf_string(&out), buf_string(&table));
        assert_non_null(found);
        assert_true(found > buf_string(&out) && found[-1] == '\n');
        assert_true(found[table.size] == '\n' || found[table.size] == '\0');
        buf_deinit(&out);
        buf_deinit(&notes);
        buf_deinit(&problem);
        buf_deinit(&table);
        profile_destroy(profile);
    }
}

static void every_json_is_valid_and_has_its_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(golden_names); i++) {
        struct profile *profile = golden_read(golden_names[i]);
        profile_simplify_names(profile);
        struct report_options options = {.top.row_limit = 3};
        assert_json(profile, &options, "{\"summary\":{\"kind\":\"");
        assert_json(profile, &options, "]},\"top\":{\"type\":\"");
        assert_json(profile, &options, ",\"labels\":[");
        profile_destroy(profile);
    }
}

static void names_of_others_stay_inside_their_quotes(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"\"},{\\;\xff\xfe;new\nline", "api=\"]}\x01,reason=\\", {1, 2}},
    };
    struct profile *profile = MAKE("contentions/count delay/nanoseconds", samples);
    assert_json(profile, &(struct report_options){0}, "{\"who\":\"\\\"]}\\u0001\",\"what\":\"\\\\\",\"time\":2,");
    profile_destroy(profile);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goroutines_are_grouped_with_their_longest_wait),
        cmocka_unit_test(the_longest_wait_is_of_any_task_if_no_request_waits),
        cmocka_unit_test(of_many_stacks_the_largest_are_kept),
        cmocka_unit_test(what_others_do_not_say_of_goroutines_is_left_out),
        cmocka_unit_test(a_difference_of_goroutines_says_which_stacks_grew),
        cmocka_unit_test(block_says_who_waits_for_what),
        cmocka_unit_test(mutex_says_who_makes_others_wait),
        cmocka_unit_test(wall_time_of_requests_is_told_apart),
        cmocka_unit_test(heap_has_live_beside_allocated),
        cmocka_unit_test(heap_of_a_window_tells_what_is_live_from_what_came),
        cmocka_unit_test(heap_that_lives_less_than_before_is_growth),
        cmocka_unit_test(brokers_that_were_asked_at_once_are_busy_each),
        cmocka_unit_test(goroutines_of_a_window_are_how_many_more_there_are),
        cmocka_unit_test(samples_without_a_stack_are_not_filtered_out),
        cmocka_unit_test(what_makes_no_sense_is_added_up_and_no_more),
        cmocka_unit_test(what_two_windows_hold_does_not_grow_with_the_time_between),
        cmocka_unit_test(growth_of_heap_has_a_rate_if_the_time_is_known),
        cmocka_unit_test(a_difference_in_which_nothing_changed_says_so),
        cmocka_unit_test(what_matches_nothing_is_noted_and_said),
        cmocka_unit_test(tables_are_of_what_the_filters_keep),
        cmocka_unit_test(what_cannot_be_done_is_a_problem_and_no_output),
        cmocka_unit_test(every_report_has_the_table_of_pprof),
        cmocka_unit_test(every_json_is_valid_and_has_its_parts),
        cmocka_unit_test(names_of_others_stay_inside_their_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
