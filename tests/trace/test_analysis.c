/* test_analysis.c: where requests' time went, and what is said first of a trace in which something was slow. */
#include "trace/analysis.h"

#include "base/mem.h"
#include "encode.h"
#include "events.h"
#include "story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *analyze(struct story *story)
{
    trace_analysis_write(story->analysis, &story->text);
    return buf_string(&story->text);
}

static void assert_says(struct story *story, const char *part)
{
    if (!strstr(buf_string(&story->text), part))
        fail_msg("it does not say\n%s\nbut\n%s", part, buf_string(&story->text));
}

static void assert_line(struct story *story, unsigned number, const char *line)
{
    const char *at = analyze(story);
    for (; number > 1 && at; number--)
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    if (!at || strncmp(at, line, strlen(line)) != 0 || at[strlen(line)] != '\n')
        fail_msg("line %u is not\n%s\nin\n%s", number, line, buf_string(&story->text));
}

/* --- */

/* Of each thing that a request can do; sums in whole us. */
static void split_sums_up_to_the_duration(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 7, "Produce");
    static const struct {
        enum trace_event_wait wait;
        const char *reason;
        uint64_t us;
    } waits[] = {
        {TRACE_EVENT_WAIT_SYNC, "mutex lock", 100},       {TRACE_EVENT_WAIT_CONDITION, "fsync", 200},
        {TRACE_EVENT_WAIT_CONDITION, "file work", 300},   {TRACE_EVENT_WAIT_NETWORK, "IO wait (write)", 400},
        {TRACE_EVENT_WAIT_SELECT, "data wait", 500},      {TRACE_EVENT_WAIT_SLEEP, "sleep", 600},
        {TRACE_EVENT_WAIT_CONDITION, "group wait", 700},  {TRACE_EVENT_WAIT_CONDITION, "offload queue", 800},
        {TRACE_EVENT_WAIT_OTHER, "close", 50},
    };
    for (size_t i = 0; i < ARRAY_COUNT(waits); i++) {
        pass(&story, 10);
        park(&story, 0, waits[i].wait, waits[i].reason);
        pass(&story, waits[i].us);
        wake(&story, 0, 1);
        pass(&story, 2);
        start(&story, 0, 1);
    }
    call(&story, 0, "pwrite", 40);
    pass(&story, 3);
    call(&story, 0, "fdatasync", 30);
    call(&story, 0, "sendfile", 20);
    end_request(&story, 0);

    analyze(&story);

    assert_says(&story, "   3.851 ms = running 0.093 + runnable 0.018 + lock 0.100 + fsync 0.230 + queue 0.800 + "
                        "file work 0.300 + network 0.400 + data wait 0.500 + sleep 0.600 + other 0.750 + "
                        "pwrite 0.040 + sendfile 0.020\n");
    end_story(&story);
}

static void lock_stall_names_place_and_holder(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 412, "Produce");
    begin_region(&story, 0, "append");
    pass(&story, 1000);
    /* On reactor 1, request 411 has the lock, and waits for fsync, which the worker does. */
    lane_starts(&story, 1);
    resume(&story, 1, 2);
    begin_request(&story, 1, 411, "Produce");
    begin_region(&story, 1, "wait_acks");
    park(&story, 1, TRACE_EVENT_WAIT_CONDITION, "fsync");
    lane_stops(&story, 1);
    lane_starts(&story, 2);
    resume(&story, 2, 9);
    /* On reactor 0, request 412 wants it. */
    park(&story, 0, TRACE_EVENT_WAIT_SYNC, "mutex lock");
    lane_stops(&story, 0);
    call(&story, 2, "fdatasync", 50000);
    wake(&story, 2, 2);
    park(&story, 2, TRACE_EVENT_WAIT_OTHER, "no work");
    lane_stops(&story, 2);
    lane_starts(&story, 1);
    start(&story, 1, 2);
    pass(&story, 300);
    lane_starts(&story, 0);
    wake(&story, 1, 1);
    start(&story, 0, 1);
    end_region(&story, 0, "append");
    pass(&story, 700);
    end_request(&story, 0);

    assert_line(&story, 1, "Slowest: Produce #412 took 52.0 ms, 50.3 ms of it waiting for a lock (mutex lock), region "
                           "append, in storage_log_append storage/log.c:231.");
    assert_says(&story, "\nThat was let go by Produce #411 in let_go storage/log.c:260, which meanwhile was waiting "
                        "for fsync for 50.0 ms, region wait_acks, in storage_log_append storage/log.c:231.\n");
    assert_says(&story, "   52.000 ms = running 1.700 + lock 50.300\n");
    end_story(&story);
}

/* 1 waits for 2, which waits for 3, which computes: 3 is to blame. */
static void who_waited_himself_is_not_blamed(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    for (uint64_t task = 1; task <= 2; task++) {
        resume(&story, 0, task);
        begin_request(&story, 0, 400 + task, "Produce");
        park(&story, 0, TRACE_EVENT_WAIT_SYNC, "mutex lock");
    }
    lane_stops(&story, 0);
    lane_starts(&story, 1);
    resume(&story, 1, 3);
    begin_request(&story, 1, 403, "DeleteTopics");
    pass(&story, 50000);
    lane_starts(&story, 0);
    wake(&story, 1, 2);
    start(&story, 0, 2);
    pass(&story, 20);
    wake(&story, 0, 1);
    end_request(&story, 0);
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    start(&story, 0, 1);
    pass(&story, 30);
    end_request(&story, 0);

    assert_line(&story, 2, "That was let go by Produce #402 in let_go storage/log.c:260; behind that, DeleteTopics "
                           "#403 was running for 50.0 ms, after serve broker/connection.c:150.");
    end_story(&story);
}

/* 1 waits while 2 and 3 have the lock in turn, so that nobody had it for long: what they did is to blame. */
static void many_who_did_the_same_in_turn_are_to_blame(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 401, "Produce");
    park(&story, 0, TRACE_EVENT_WAIT_SYNC, "mutex lock");
    lane_stops(&story, 0);
    lane_starts(&story, 1);
    for (unsigned i = 0; i < 6; i++) {
        resume(&story, 1, 2 + i % 2);
        call(&story, 1, "pwrite", 10000);
        if (i == 5)
            wake(&story, 1, 1);
        park(&story, 1, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    }
    lane_starts(&story, 0);
    start(&story, 0, 1);
    end_request(&story, 0);

    assert_line(&story, 2, "That was let go by kafka connection in let_go storage/log.c:260; meanwhile others were in "
                           "the system call pwrite for 60.0 ms in all, 6 times, in file_write_at storage/files.c:37.");
    end_story(&story);
}

static void fsync_stall_names_the_workers_call(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    begin_region(&story, 0, "wait_acks");
    pass(&story, 500);
    park(&story, 0, TRACE_EVENT_WAIT_CONDITION, "fsync");
    lane_stops(&story, 0);
    pass(&story, 1500); /* all threads of the pool are busy */
    lane_starts(&story, 2);
    resume(&story, 2, 9);
    call(&story, 2, "fdatasync", 50000);
    wake(&story, 2, 1);
    park(&story, 2, TRACE_EVENT_WAIT_OTHER, "no work");
    lane_stops(&story, 2);
    lane_starts(&story, 0);
    start(&story, 0, 1);
    end_region(&story, 0, "wait_acks");
    end_request(&story, 0);

    assert_line(&story, 1, "Slowest: Produce #5 took 52.0 ms, 50.0 ms of it waiting for fsync, region wait_acks, in "
                           "storage_log_append storage/log.c:231.");
    assert_says(&story, "\nThat was ended by pool worker in let_go storage/log.c:260, which meanwhile was in the "
                        "system call fdatasync for 50.0 ms, in file_write_at storage/files.c:37.\n");
    assert_says(&story, "   52.000 ms = running 0.500 + fsync 50.000 + queue 1.500\n");
    end_story(&story);
}

static void handler_stall_names_region_places_and_samples(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    begin_region(&story, 0, "append");
    pass(&story, 50000);
    end_region(&story, 0, "append");
    pass(&story, 100);
    end_request(&story, 0);
    sample(&story, 0, 20000);
    sample(&story, 0, 10000);
    sample(&story, 0, 50); /* after the region */
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    lane_stops(&story, 0);

    assert_line(&story, 1, "Slowest: Produce #5 took 50.1 ms, 50.1 ms of it running, region append, "
                           "after kafka_handler_produce broker/p.c:54 and before kafka_handler_produce broker/p.c:80; "
                           "2 of 2 CPU samples in busy_loop broker/busy.c:5.");
    assert_line(&story, 2, "reactor-0 was held all that time: its other tasks waited.");
    end_story(&story);
}

/* It is on its lane, and yet the kernel ran something else. */
static void running_without_cpu_is_told_where_samples_would_show_it(void **state)
{
    (void)state;
    struct story story = begin_story();
    serve(&story, 0, 1, 4, "Produce", 10);
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    sample(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    pass(&story, 60000);
    end_request(&story, 0);
    pass(&story, 10);
    sample(&story, 0, 1);

    assert_line(&story, 1, "Slowest: Produce #5 took 60.0 ms, 60.0 ms of it running, after serve "
                           "broker/connection.c:150; no CPU sample was taken in that time: it hardly got any CPU.");
    end_story(&story);
}

static void call_stall_names_the_call(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    call(&story, 0, "pwrite", 50000);
    end_request(&story, 0);
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    lane_stops(&story, 0);

    assert_line(&story, 1, "Slowest: Produce #5 took 50.0 ms, 50.0 ms of it in the system call pwrite, in "
                           "file_write_at storage/files.c:37.");
    assert_line(&story, 2, "reactor-0 was held all that time: its other tasks waited.");
    end_story(&story);
}

/* A task that serves no request holds the reactor, on which a request could run. */
static void runnable_request_names_who_ran(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Fetch");
    park(&story, 0, TRACE_EVENT_WAIT_CONDITION, "file work");
    resume(&story, 0, 2);
    pass(&story, 10);
    wake(&story, 0, 1);
    pass(&story, 50000);
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    start(&story, 0, 1);
    end_request(&story, 0);

    assert_line(&story, 1, "Slowest: Fetch #5 took 50.0 ms, 50.0 ms of it runnable, waiting for its reactor.");
    assert_line(&story, 2, "Its reactor: kafka connection had it for 50.0 ms, running, before storage_log_append "
                           "storage/log.c:231.");
    assert_says(&story, "\nreactor-0 was held for 50.0 ms at 0.000001 s by kafka connection, 50.0 ms of it running");
    end_story(&story);
}

static void what_the_loop_itself_does_is_a_stall_too(void **state)
{
    (void)state;
    struct story story = begin_story();
    serve(&story, 0, 1, 5, "Fetch", 10);
    lane_starts(&story, 1);
    pass(&story, 50000);
    lane_stops(&story, 1);

    assert_line(&story, 2, "reactor-1 was held for 50.0 ms at 0.000011 s by what it runs outside of tasks.");
    end_story(&story);
}

/* The debug port's reactor is held by whoever asks for profiles; that must not hide what the broker's tasks do. */
static void reactor_that_serves_no_requests_comes_behind_those_that_do(void **state)
{
    (void)state;
    struct story story = begin_story();
    add_lane(&story, 3, "debug", false);
    add_task(&story, 8, "profiler", "src/http/connection.c");
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    pass(&story, 20000);
    park(&story, 0, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    lane_stops(&story, 0);
    lane_starts(&story, 3);
    resume(&story, 3, 8);
    pass(&story, 300000);
    park(&story, 3, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    lane_stops(&story, 3);
    serve(&story, 0, 1, 5, "Fetch", 10);

    analyze(&story);

    assert_says(&story, ".\nreactor-0 was held for 20.0 ms at ");
    assert_says(&story, ".\ndebug was held for 300.0 ms at ");
    assert_says(&story, "\n1. reactor-0 was held for 20.0 ms at ");
    assert_says(&story, "\n2. debug was held for 300.0 ms at ");
    end_story(&story);
}

static void add_heap(struct story *story)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_HEAP, .lane = TRACE_NO_LANE, .bytes = 5, .limit_bytes = 9});
}

static void silence_of_all_threads_is_told(void **state)
{
    (void)state;
    struct story story = begin_story();
    for (unsigned i = 0; i < 5; i++) {
        add_heap(&story);
        pass(&story, 60000);
        serve(&story, 0, 1, 5 + i, "Fetch", 10);
        pass(&story, 39990);
    }
    pass(&story, 250000);
    add_heap(&story);

    analyze(&story);

    assert_says(&story, "\nFor 250.0 ms from 0.500001 s on no thread did anything, not even what is due all the time: "
                        "takhin was stopped, or got no CPU.\n");
    end_story(&story);
}

/* Counting what is allocated may cost so much that it is left out now and then; and who has nothing to do is silent. */
static void silence_with_nothing_due_is_none(void **state)
{
    (void)state;
    struct story story = begin_story();
    for (unsigned i = 1; i < 5; i++) {
        add_heap(&story);
        pass(&story, i * 100000);
    }
    add_heap(&story);
    pass(&story, 130000);
    serve(&story, 0, 1, 5, "Fetch", 10);
    pass(&story, 10000);
    lane_starts(&story, 1); /* somebody did run while it was late */
    pass(&story, 5000);
    add_heap(&story);

    assert_null(strstr(analyze(&story), "no thread did anything"));
    end_story(&story);
}

static void long_work_of_a_pool_thread_holds_no_reactor(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 2);
    resume(&story, 2, 9);
    call(&story, 2, "fdatasync", 50000);
    park(&story, 2, TRACE_EVENT_WAIT_OTHER, "no work");
    lane_stops(&story, 2);

    assert_null(strstr(analyze(&story), "was held"));
    end_story(&story);
}

/* Files of Go's format do not say which lanes are workers: their tasks have no function of the program's. */
static void lane_of_one_task_without_a_place_is_a_worker(void **state)
{
    (void)state;
    struct story story = begin_story();
    add_lane(&story, 3, "", false);
    add_task(&story, 8, "pool worker", NULL);
    lane_starts(&story, 3);
    resume(&story, 3, 8);
    call(&story, 3, "fdatasync", 50000);
    park(&story, 3, TRACE_EVENT_WAIT_OTHER, "no work");
    lane_stops(&story, 3);

    assert_null(strstr(analyze(&story), "was held"));
    assert_says(&story, "\nlane 3 (thread 103) ");
    end_story(&story);
}

static void slowest_five_are_in_order_without_waits_for_data(void **state)
{
    (void)state;
    struct story story = begin_story();
    for (uint64_t i = 0; i < 12; i++)
        serve(&story, 0, 1, 100 + i, "Produce", 1000 + (i * 5 % 12) * 100);
    lane_starts(&story, 0); /* a long poll: the longest by far, and not slow */
    resume(&story, 0, 1);
    begin_request(&story, 0, 300, "Fetch");
    pass(&story, 1950);
    park(&story, 0, TRACE_EVENT_WAIT_SELECT, "data wait");
    pass(&story, 900000);
    resume(&story, 0, 1);
    end_request(&story, 0);

    const char *at = analyze(&story);

    /* i * 5 % 12: 11 is 7's, 10 is 2's, 9 is 9's, 8 is 4's. */
    static const char *const order[] = {"1. Produce #107 at", "2. Produce #102 at", "3. Fetch #300 at",
                                        "4. Produce #109 at", "5. Produce #104 at"};
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        at = strstr(at, order[i]);
        if (!at)
            fail_msg("no %s in\n%s", order[i], buf_string(&story.text));
    }
    assert_null(strstr(at, "6. "));
    assert_says(&story, "   901.950 ms = running 1.950 + data wait 900.000\n");
    end_story(&story);
}

static void table_has_count_mean_percentiles_and_split(void **state)
{
    (void)state;
    struct story story = begin_story();
    for (uint64_t i = 1; i <= 100; i++)
        serve(&story, 0, 1, i, "Produce", i * 10);
    serve(&story, 0, 1, 200, "Metadata", 7);

    analyze(&story);

    assert_says(&story, "Requests, in ms      count      mean       p50       p99       max  running runnable\n"
                        "Produce                100     0.505     0.500     0.990     1.000    0.505    0.000\n"
                        "Metadata                 1     0.007     0.007     0.007     0.007    0.007    0.000\n");
    end_story(&story);
}

/* Columns are few; calls beyond those that have a name of their own count as other calls, and nothing is lost. */
static void many_calls_share_columns(void **state)
{
    (void)state;
    struct story story = begin_story();
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        call(&story, 0, names[i], 100);
    end_request(&story, 0);

    analyze(&story);

    assert_says(&story, " + g 0.100 + other calls 0.300\n");
    assert_says(&story, "  1.000    0.000    0.000    0.100    0.100    0.300    0.500\n");
    end_story(&story);
}

static void request_that_has_not_ended_is_told(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    park(&story, 0, TRACE_EVENT_WAIT_CONDITION, "fsync");
    pass(&story, 8000000);
    lane_stops(&story, 0);

    assert_line(&story, 1, "Slowest: Produce #5 has taken 8.00 s, 8.00 s of it waiting for fsync, in "
                           "storage_log_append storage/log.c:231.");
    assert_says(&story, "requests: 0, and 1 not finished at its end");
    assert_says(&story, "1. Produce #5 at 0.000001 s, not finished\n");
    end_story(&story);
}

static void task_that_still_runs_holds_its_reactor(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    begin_request(&story, 0, 5, "Produce");
    pass(&story, 60000);
    serve(&story, 1, 2, 6, "Fetch", 1);

    assert_line(&story, 1, "Slowest: Produce #5 has taken 60.0 ms, 60.0 ms of it running, after serve "
                           "broker/connection.c:150.");
    assert_line(&story, 2, "reactor-0 was held all that time: its other tasks waited.");
    end_story(&story);
}

static void facts_of_a_request_and_notes_of_the_trace_are_told(void **state)
{
    (void)state;
    struct story story = begin_story();
    lane_starts(&story, 0);
    resume(&story, 0, 1);
    add(&story, (struct trace_event){.type = TRACE_EVENT_LOG, .lane = 0, .task = 1,
                                     .text = trace_string_of(story.tables, "cut"),
                                     .value = trace_string_of(story.tables, "at 32 MiB")});
    add(&story, (struct trace_event){.type = TRACE_EVENT_LOG, .lane = 0, .task = 1,
                                     .text = trace_string_of(story.tables, "lane 0"),
                                     .value = trace_string_of(story.tables, "reactor-zero")});
    begin_request(&story, 0, 5, "Produce");
    add(&story, (struct trace_event){.type = TRACE_EVENT_LOG, .lane = 0, .task = 1, .request = 5,
                                     .text = trace_string_of(story.tables, "topic"),
                                     .value = trace_string_of(story.tables, "or\x1b[31mders")});
    pass(&story, 100);
    end_request(&story, 0);

    analyze(&story);

    assert_says(&story, "\nIt says: cut at 32 MiB\n");
    assert_says(&story, "1. Produce #5 at 0.000001 s, topic or?[31mders\n");
    assert_says(&story, "\nreactor-zero             100     99.0%     99.0%        0.100         1\n");
    end_story(&story);
}

static void trace_without_requests_says_what_to_do(void **state)
{
    (void)state;
    struct story story = begin_story();
    assert_line(&story, 1, "No request is in this trace: 8 events of 5 tasks are. What the reactors did stands below.");
    assert_says(&story, "takhin-profiler -type trace -duration 30s");
    end_story(&story);

    struct trace_tables *tables = trace_tables_create();
    struct trace_analysis *analysis = trace_analysis_create(tables);
    struct buf text;
    buf_init(&text);
    trace_analysis_write(analysis, &text);
    assert_non_null(strstr(buf_string(&text), "nothing at all"));
    buf_deinit(&text);
    trace_analysis_destroy(analysis);
    trace_tables_destroy(tables);
}

/* Sums of the table against those of who made the events up; and it fits on a screen or two. */
static void whole_broker_adds_up(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 1000, 100000);
    struct trace_analysis *analysis = trace_analysis_create(tables);
    struct buf text;
    buf_init(&text);
    for (size_t i = 0; i < broker.count; i++)
        trace_analysis_add(analysis, &broker.events[i]);

    trace_analysis_write(analysis, &text);

    assert_int_equal(trace_analysis_counts(analysis).request_count,
                     broker.totals.produce_count + broker.totals.fetch_count);
    const char *row = strstr(buf_string(&text), "\nProduce  ");
    assert_non_null(row);
    unsigned count;
    double mean, p50, p99, max, running, runnable, lock, fsync;
    assert_int_equal(sscanf(row, " Produce %u %lf %lf %lf %lf %lf %lf %lf %lf", &count, &mean, &p50, &p99, &max,
                            &running, &runnable, &lock, &fsync), 9);
    assert_int_equal(count, broker.totals.produce_count);
    assert_true(mean <= max && p50 <= p99 && p99 <= max);
    unsigned lines = 0;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    assert_in_range(lines, 20, 64);
    buf_deinit(&text);
    trace_analysis_destroy(analysis);
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_sums_up_to_the_duration),
        cmocka_unit_test(lock_stall_names_place_and_holder),
        cmocka_unit_test(who_waited_himself_is_not_blamed),
        cmocka_unit_test(many_who_did_the_same_in_turn_are_to_blame),
        cmocka_unit_test(fsync_stall_names_the_workers_call),
        cmocka_unit_test(handler_stall_names_region_places_and_samples),
        cmocka_unit_test(running_without_cpu_is_told_where_samples_would_show_it),
        cmocka_unit_test(call_stall_names_the_call),
        cmocka_unit_test(runnable_request_names_who_ran),
        cmocka_unit_test(what_the_loop_itself_does_is_a_stall_too),
        cmocka_unit_test(reactor_that_serves_no_requests_comes_behind_those_that_do),
        cmocka_unit_test(silence_of_all_threads_is_told),
        cmocka_unit_test(silence_with_nothing_due_is_none),
        cmocka_unit_test(long_work_of_a_pool_thread_holds_no_reactor),
        cmocka_unit_test(lane_of_one_task_without_a_place_is_a_worker),
        cmocka_unit_test(slowest_five_are_in_order_without_waits_for_data),
        cmocka_unit_test(table_has_count_mean_percentiles_and_split),
        cmocka_unit_test(many_calls_share_columns),
        cmocka_unit_test(request_that_has_not_ended_is_told),
        cmocka_unit_test(task_that_still_runs_holds_its_reactor),
        cmocka_unit_test(facts_of_a_request_and_notes_of_the_trace_are_told),
        cmocka_unit_test(trace_without_requests_says_what_to_do),
        cmocka_unit_test(whole_broker_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
