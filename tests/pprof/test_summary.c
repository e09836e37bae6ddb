/* test_summary.c: each kind of profile in words, on the golden profiles. */
#include "pprof/summary.h"

#include "example.h"
#include "golden.h"
#include "pprof/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_summary_of(const struct profile *profile, bool is_difference, int64_t elapsed_ns,
                              const char *expected)
{
    struct buf out;
    buf_init(&out);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &out), 0);
    struct tables tables;
    tables_init(&tables, &filter, is_difference, elapsed_ns);
    struct summary summary;
    summary_init(&summary, &tables);
    summary_print(&summary, &out);
    assert_string_equal(buf_string(&out), expected);
    summary_deinit(&summary);
    tables_deinit(&tables);
    filter_deinit(&filter);
    buf_deinit(&out);
}

static void assert_summary(const struct profile *profile, bool is_difference, const char *expected)
{
    assert_summary_of(profile, is_difference, 0, expected);
}

static void assert_golden_summary(const char *name, enum profile_kind kind, const char *expected)
{
    struct profile *profile = golden_read(name);
    assert_int_equal(profile_kind(profile), kind);
    assert_summary(profile, false, expected);
    profile_destroy(profile);
}

static void cpu_says_who_uses_it_and_for_whom(void **state)
{
    (void)state;
    assert_golden_summary("takhin_cpu.pb.gz", PROFILE_KIND_CPU,
                          "748ms of CPU time in 1.01s: 0.74 processors busy on average\n"
                          "__libc_pwrite64 uses the most itself: 344ms, 45.99%\n"
                          "    next: -focus='^__libc_pwrite64$' -cum: who calls it\n"
                          "51.87% of the CPU time goes through append and what it calls: 388ms\n"
                          "    next: -focus='^append$' -cum: where in it\n"
                          "2 functions of 63 have 87.17% of the CPU time in themselves\n"
                          "by api: Produce 388ms (51.87%), Fetch 336ms (44.92%)\n"
                          "    next: -tagfocus='api=^Produce$': that alone\n"
                          "by topic: orders-0 400ms (53.48%)\n"
                          "by client_id: load-producer 388ms (51.87%), load-consumer 336ms (44.92%)\n"
                          "by thread: reactor-1 408ms (54.55%), reactor-0 336ms (44.92%)\n"
                          "only 187 samples: a share is exact to some 7 points\n"
                          "    next: collect for longer, or more often a second\n");
}

static void heap_says_what_lives_of_what_was_allocated(void **state)
{
    (void)state;
    assert_golden_summary("takhin_heap.pb.gz", PROFILE_KIND_HEAP,
                          "2.60MB live in 526 objects, of 662.86MB in 2485 allocated: 0.39% is still there\n"
                          "    next: -sample_index=alloc_space: who allocates most, live or not\n"
                          "buffer_grow holds the most itself: 2MB, 76.94%\n"
                          "    next: -focus='^buffer_grow$' -cum: who calls it\n"
                          "91.37% of the memory goes through [libuv.so.1+0x1a080] and what it calls: 2.38MB\n"
                          "    next: -focus='^\\[libuv\\.so\\.1\\+0x1a080\\]$' -cum: where in it\n");
}

static void goroutines_are_grouped_by_stack_with_their_state(void **state)
{
    (void)state;
    assert_golden_summary("takhin_goroutine.pb.gz", PROFILE_KIND_GOROUTINE,
                          "19 goroutines with 13 different stacks\n"
                          "by reason: syscall 6 (31.58%), IO wait 4 (21.05%), running 3 (15.79%)\n"
                          "    next: -tagfocus='reason=^syscall$': that alone\n"
                          "4 (21.05%) IO wait, in wait_input < stream_read < read_frame < serve < task_main\n"
                          "4 (21.05%) syscall, in __futex_abstimed_wait_common64 < __futex_abstimed_wait_common < "
                          "__pthread_cond_wait_common < ___pthread_cond_wait < uv_cond_wait\n"
                          "1 (5.26%) sleep, in task_sleep_ms < rank_labels < task_main < context_start\n"
                          "by api: Produce 2 (10.53%), Fetch 1 (5.26%)\n"
                          "    next: -tagfocus='api=^Produce$': that alone\n"
                          "by topic: orders-0 2 (10.53%)\n"
                          "by client_id: load-producer 4 (21.05%), load-consumer 3 (15.79%)\n");
}

static void contention_says_who_waits_for_what(void **state)
{
    (void)state;
    assert_golden_summary("takhin_block.pb.gz", PROFILE_KIND_CONTENTION,
                          "1.30s of delay in 84 contentions: 15.46ms each on average\n"
                          "by reason: mutex lock 722.39ms (55.64%), data wait 536.67ms (41.33%)\n"
                          "    next: -tagfocus='reason=^mutex lock$': that alone\n"
                          "Produce waits the most, for mutex lock: 693.15ms, 53.38%\n"
                          "    next: -tagfocus='api=^Produce$' -cum: in which functions\n"
                          "53.38% of the delay goes through append and what it calls: 693.15ms\n"
                          "    next: -focus='^append$' -cum: where in it\n"
                          "by api: Produce 693.15ms (53.38%), Fetch 537.87ms (41.43%)\n"
                          "    next: -tagfocus='api=^Produce$': that alone\n"
                          "by topic: orders-0 693.15ms (53.38%)\n"
                          "by client_id: load-producer 760.53ms (58.57%), load-consumer 537.87ms (41.43%)\n");
    assert_golden_summary("takhin_mutex.pb.gz", PROFILE_KIND_CONTENTION,
                          "449.23ms of delay in 119 contentions: 3.78ms each on average\n"
                          "by reason: mutex lock 449.23ms (100%)\n"
                          "storage_log_append makes others wait the most, working for Produce: 420.50ms, 93.60%\n"
                          "    next: -focus='^storage_log_append$' -cum: on which paths\n"
                          "93.60% of the delay goes through append and what it calls: 420.50ms\n"
                          "    next: -focus='^append$' -cum: where in it\n"
                          "by api: Produce 420.50ms (93.60%), CreateTopics 28.73ms (6.40%)\n"
                          "    next: -tagfocus='api=^Produce$': that alone\n"
                          "by topic: orders-0 420.50ms (93.60%)\n"
                          "by client_id: load-producer 449.23ms (100%)\n");
}

static void wall_time_is_divided_by_what_is_waited_for(void **state)
{
    (void)state;
    assert_golden_summary("takhin_fgprof.pb.gz", PROFILE_KIND_WALL,
                          "20.23s of time in 1s: 20.14 tasks and threads on average\n"
                          "by reason: IO wait 6.70s (33.10%), syscall 6.03s (29.80%), running 2.14s (10.59%)\n"
                          "    next: -tagfocus='reason=^IO wait$': that alone\n"
                          "most time of requests is of Produce in the state running: 1.85s, 9.16%\n"
                          "    next: -tagfocus='api=^Produce$' -cum: in which functions\n"
                          "wait_input has the most itself: 6.70s, 33.10%\n"
                          "    next: -focus='^wait_input$' -cum: who calls it\n"
                          "by api: Produce 2.95s (14.57%)\n"
                          "    next: -tagfocus='api=^Produce$': that alone\n"
                          "by topic: orders-0 1.89s (9.32%)\n"
                          "by client_id: load-producer 5.02s (24.83%), load-consumer 4.02s (19.86%)\n");
}

static void profiles_of_others_say_what_they_can(void **state)
{
    (void)state;
    assert_golden_summary("go_mutex.pb.gz", PROFILE_KIND_CONTENTION,
                          "388.97ms of delay in 160 contentions: 2.43ms each on average\n"
                          "main.(*ledger).post makes others wait the most: 388.63ms, 99.91%\n"
                          "    next: -focus='^main\\.\\(\\*ledger\\)\\.post$' -cum: on which paths\n");
    assert_golden_summary("cpp_heap.pb.gz", PROFILE_KIND_HEAP,
                          "main holds the most itself: 2.55MB, 25.11%\n"
                          "    next: -focus='^main$' -cum: who calls it\n");
}

static struct profile *difference_of(const char *later_name, const char *base_name, bool is_comparison)
{
    struct profile *base = golden_read(base_name), *later = golden_read(later_name), *difference;
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(later, base, is_comparison, &difference, &problem), 0);
    buf_deinit(&problem);
    profile_destroy(later);
    profile_destroy(base);
    return difference;
}

static void a_difference_says_what_grew(void **state)
{
    (void)state;
    struct profile *difference = difference_of("go_heap_later.pb.gz", "go_heap.pb.gz", true);
    assert_summary(difference, true,
                   "inuse_space grew by 2.73MB, 142.44% of the base's 1.92MB\n"
                   "main.(*ledger).post grew by 1.89MB\n"
                   "    next: -focus='^main\\.\\(\\*ledger\\)\\.post$' -cum: on which paths\n"
                   "main.main grew by 865.15kB\n"
                   "main.round.func1 shrank by 4.01kB\n"
                   "    next: -focus='^main\\.round\\.func1$' -cum: on which paths\n");
    profile_destroy(difference);
}

static void a_difference_says_how_fast_if_it_is_known(void **state)
{
    (void)state;
    struct profile *difference = difference_of("go_heap_later.pb.gz", "go_heap.pb.gz", false);
    assert_summary_of(difference, true, 150000000000,
                      "inuse_space grew by 2.73MB in 150s, 1.09MB a minute\n"
                      "main.(*ledger).post grew by 1.89MB, 773.42kB a minute\n"
                      "    next: -focus='^main\\.\\(\\*ledger\\)\\.post$' -cum: on which paths\n"
                      "main.main grew by 865.15kB, 346.06kB a minute\n"
                      "main.round.func1 shrank by 4.01kB, 1.60kB a minute\n"
                      "    next: -focus='^main\\.round\\.func1$' -cum: on which paths\n");
    profile_destroy(difference);
}

static void a_difference_in_which_nothing_grew_says_so(void **state)
{
    (void)state;
    struct profile *difference = difference_of("cpp_heap.pb.gz", "cpp_heap.pb.gz", false);
    assert_summary(difference, true, "nothing grew and nothing shrank: space is as it was\n");
    profile_destroy(difference);
    struct profile *base = example_cpu(), *none = profile_create();
    profile_add_sample_type(none, "samples", "count");
    profile_add_sample_type(none, "cpu", "nanoseconds");
    none->period_type = (struct profile_value_type){profile_string(none, "cpu"), profile_string(none, "nanoseconds")};
    struct buf problem;
    buf_init(&problem);
    assert_int_equal(profile_subtract(none, base, true, &difference, &problem), 0);
    assert_summary(difference, true,
                   "cpu shrank by 27.98s, 100% of the base's 27.98s\n"
                   "nothing grew\n"
                   "memcpy shrank by 12.34s\n"
                   "    next: -focus='^memcpy$' -cum: on which paths\n"
                   "crc32c shrank by 7.97s\n"
                   "get_varint shrank by 3.33s\n"
                   "by api: Produce -23.64s (84.49%)\n"
                   "    next: -tagfocus='api=^Produce$': that alone\n");
    buf_deinit(&problem);
    profile_destroy(difference);
    profile_destroy(none);
    profile_destroy(base);
}

static void a_name_is_quoted_for_the_shell_and_for_expressions(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "widgets", "count");
    struct profile_line line = {profile_add_function(profile, "it's a,b(c)\n", "", 0), 0};
    uint32_t location = profile_add_location(profile, 0, 1, &line, 1);
    int64_t value = 5;
    profile_add_sample(profile, &location, 1, &value, NULL, 0);
    assert_summary(profile, false,
                   "it's a,b(c)\n has the most itself: 5, 100%\n"
                   "    next: -focus='^it\\x27s a\\x2cb\\(c\\)\\x0a$' -cum: who calls it\n");
    profile_destroy(profile);
}

static void an_empty_profile_says_so(void **state)
{
    (void)state;
    static const char *const types[] = {"cpu", "inuse_space", "goroutine", "delay", "threadcreate", "time", "x"};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        struct profile *profile = profile_create();
        profile_add_sample_type(profile, types[i], "count");
        char *expected = mem_printf("the profile has no samples of %s\n", types[i]);
        assert_summary(profile, false, expected);
        mem_free(expected);
        expected = mem_printf("nothing grew and nothing shrank: %s is as it was\n", types[i]);
        assert_summary(profile, true, expected);
        mem_free(expected);
        profile_destroy(profile);
    }
}

static void json_has_the_same_findings(void **state)
{
    (void)state;
    struct profile *profile = golden_read("go_mutex.pb.gz");
    struct buf out;
    buf_init(&out);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &out), 0);
    struct tables tables;
    tables_init(&tables, &filter, false, 0);
    struct summary summary;
    summary_init(&summary, &tables);
    struct json_writer json;
    json_writer_init(&json, &out);
    summary_write_json(&summary, &json, NULL);
    assert_string_equal(buf_string(&out),
                        "{\"kind\":\"contention\",\"findings\":["
                        "{\"id\":\"mean\",\"text\":\"388.97ms of delay in 160 contentions: 2.43ms each on "
                        "average\",\"next\":null,\"value\":2431088,\"unit\":\"nanoseconds\"},"
                        "{\"id\":\"largest_wait\",\"text\":\"main.(*ledger).post makes others wait the most: "
                        "388.63ms, 99.91%\",\"next\":\"-focus='^main\\\\.\\\\(\\\\*ledger\\\\)\\\\.post$' "
                        "-cum: on which paths\",\"value\":388634942,\"unit\":\"nanoseconds\",\"share\":0.999128}]}");
    summary_deinit(&summary);
    tables_deinit(&tables);
    filter_deinit(&filter);
    buf_deinit(&out);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_says_who_uses_it_and_for_whom),
        cmocka_unit_test(heap_says_what_lives_of_what_was_allocated),
        cmocka_unit_test(goroutines_are_grouped_by_stack_with_their_state),
        cmocka_unit_test(contention_says_who_waits_for_what),
        cmocka_unit_test(wall_time_is_divided_by_what_is_waited_for),
        cmocka_unit_test(profiles_of_others_say_what_they_can),
        cmocka_unit_test(a_difference_says_what_grew),
        cmocka_unit_test(a_difference_says_how_fast_if_it_is_known),
        cmocka_unit_test(a_difference_in_which_nothing_grew_says_so),
        cmocka_unit_test(a_name_is_quoted_for_the_shell_and_for_expressions),
        cmocka_unit_test(an_empty_profile_says_so),
        cmocka_unit_test(json_has_the_same_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
