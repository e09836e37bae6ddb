/* test_trace_repair.c: what comes out of records is free of contradictions whatever is missing in them, and true where
 * nothing is. */
#include "profiler/trace_repair.h"

#include "base/buf.h"
#include "base/mem.h"
#include "profiler/symbols.h"
#include "trace/format.h"
#include "trace/tables.h"

#include "go_reader.h"
#include "trace_rules.h"
#include "trace_simulator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>

static struct symbols *symbols; /* of all tests: files are read once */

static int hold_symbols(void **state)
{
    (void)state;
    symbols = symbols_create();
    symbols_acquire(symbols);
    return 0;
}

static int release_symbols(void **state)
{
    (void)state;
    symbols_release(symbols);
    symbols_destroy(symbols);
    return 0;
}

/* --- by hand: records in, a line for each event out --- */

static const struct trace_thread reactor = {.index = 0, .kind = TRACE_THREAD_REACTOR, .id = 100, .name = "reactor-0"},
                                 other_reactor = {.index = 1, .kind = TRACE_THREAD_REACTOR, .id = 101, .name = "r-1"},
                                 pool = {.index = 2, .kind = TRACE_THREAD_WORKER, .id = 102, .name = "pool-3"},
                                 saver = {.index = 3, .kind = TRACE_THREAD_WORKER, .id = 103, .name = "captures"},
                                 outsider = {.index = 4, .kind = TRACE_THREAD_OTHER, .id = 104, .name = "main"};

#define OWN_TASK(lane) ((UINT64_C(1) << 48) + (lane))

static struct {
    struct trace_tables *tables;
    struct trace_repair *repair;
    struct rules rules;
    struct buf told;
    struct trace_event last; /* of the last call, a copy */
} hand;

static const char *text_of(uint32_t id)
{
    return (const char *)trace_string_text(hand.tables, id).data;
}

static void tell(const struct trace_event *event, void *context)
{
    (void)context;
    rules_take(event, &hand.rules);
    hand.last = *event;
    static const char *const verbs[TRACE_EVENT_TYPE_COUNT] = {
        [TRACE_EVENT_LANE] = "lane",           [TRACE_EVENT_LANE_START] = "busy",
        [TRACE_EVENT_LANE_STOP] = "idle",      [TRACE_EVENT_TASK_EXISTS] = "exists",
        [TRACE_EVENT_TASK_CREATE] = "create",  [TRACE_EVENT_TASK_START] = "start",
        [TRACE_EVENT_TASK_PARK] = "park",      [TRACE_EVENT_TASK_YIELD] = "yield",
        [TRACE_EVENT_TASK_END] = "end",        [TRACE_EVENT_TASK_UNPARK] = "unpark",
        [TRACE_EVENT_CALL_BEGIN] = "call",     [TRACE_EVENT_CALL_END] = "return",
        [TRACE_EVENT_REQUEST_BEGIN] = "serve", [TRACE_EVENT_REQUEST_END] = "served",
        [TRACE_EVENT_REGION_BEGIN] = "enter",  [TRACE_EVENT_REGION_END] = "leave",
        [TRACE_EVENT_LOG] = "log",             [TRACE_EVENT_HEAP] = "heap",
        [TRACE_EVENT_SAMPLE] = "sample",
    };
    struct buf *told = &hand.told;
    buf_printf(told, "%s%" PRIu64, told->size ? ", " : "", event->time_ns);
    if (event->lane != TRACE_NO_LANE)
        buf_printf(told, "/%" PRIu32, event->lane);
    buf_printf(told, " %s", verbs[event->type]);
    if (event->task >= OWN_TASK(0))
        buf_printf(told, " own%" PRIu64, event->task - OWN_TASK(0));
    else if (event->task)
        buf_printf(told, " %" PRIu64, event->task);
    if (event->request)
        buf_printf(told, " #%" PRIu64, event->request);
    if (event->name)
        buf_printf(told, " '%s'", text_of(event->name));
    if (event->text)
        buf_printf(told, " %s", text_of(event->text));
    if (event->value)
        buf_printf(told, "=%s", text_of(event->value));
    if (event->is_waiting)
        buf_printf(told, " waiting");
}

static int begin_by_hand(void **state)
{
    (void)state;
    hand.tables = trace_tables_create();
    hand.repair = trace_repair_create(symbols, hand.tables, tell, NULL);
    rules_init(&hand.rules, hand.tables);
    buf_init(&hand.told);
    return 0;
}

static int end_by_hand(void **state)
{
    (void)state;
    trace_repair_destroy(hand.repair);
    rules_deinit(&hand.rules);
    buf_deinit(&hand.told);
    trace_tables_destroy(hand.tables);
    return 0;
}

static void add(const struct trace_thread *thread, uint64_t time_ns, struct trace_record *record, uint64_t call_ns)
{
    struct trace_item item = {.time_ns = time_ns, .thread = thread, .record = record, .call_ns = call_ns};
    trace_repair_add(hand.repair, &item);
}

/* argument: a task, or a text. */
static void record(const struct trace_thread *thread, uint64_t time_ns, enum trace_type type, uint64_t argument)
{
    struct trace_record records[3] = {{.word = trace_word(type, TRACE_WAIT_SYNC, 0, argument)}};
    struct trace_task_entry entry = {.name = "connection"};
    memcpy(records + 1, &entry, sizeof entry);
    if (type == TRACE_TASK_CREATE || type == TRACE_TASK_END)
        records[0].word = trace_word(type, TRACE_WAIT_OTHER, 2, argument);
    add(thread, time_ns, records, 0);
}

static void record_text(const struct trace_thread *thread, uint64_t time_ns, enum trace_type type, const char *text)
{
    record(thread, time_ns, type, (uint64_t)(uintptr_t)text);
}

static void record_call(const struct trace_thread *thread, uint64_t time_ns, uint64_t call_ns)
{
    struct trace_record records[2] = {
        {.word = trace_word(TRACE_CALL, TRACE_WAIT_OTHER, 1, (uint64_t)(uintptr_t)"pwritev")}};
    add(thread, time_ns, records, call_ns);
}

static void record_request(const struct trace_thread *thread, uint64_t time_ns, const char *name)
{
    struct trace_record records[2] = {
        {.word = trace_word(TRACE_REQUEST_BEGIN, TRACE_WAIT_OTHER, 1, (uint64_t)(uintptr_t)name)}};
    struct trace_request_facts facts = {(uint64_t)(uintptr_t)"kcat", 42, 1000};
    memcpy(records + 1, &facts, sizeof facts);
    add(thread, time_ns, records, 0);
}

/* What has been told since the last time. */
static void assert_told(const char *wanted)
{
    assert_string_equal(hand.rules.broken, "");
    assert_string_equal(buf_string(&hand.told), wanted);
    buf_clear(&hand.told);
}

static uint64_t repaired(void)
{
    return trace_repair_counts(hand.repair).repaired_count;
}

/* A lane that runs task 7, and nothing told of how that came. */
static void run_7(void)
{
    record(&reactor, 0, TRACE_TASK_CREATE, 7);
    record(&reactor, 0, TRACE_TASK_START, 7);
    buf_clear(&hand.told);
}

/* --- nothing is missing --- */

static void a_task_lives_and_ends(void **state)
{
    (void)state;
    record(&reactor, 1, TRACE_POLL_END, 0);
    record(&reactor, 2, TRACE_TASK_CREATE, 7);
    record(&reactor, 3, TRACE_TASK_START, 7);
    record_text(&reactor, 4, TRACE_TASK_PARK, "socket");
    record(&reactor, 5, TRACE_POLL_BEGIN, 0);
    record(&reactor, 6, TRACE_POLL_END, 0);
    record(&reactor, 7, TRACE_TASK_RESUME, 7);
    record(&reactor, 8, TRACE_TASK_YIELD, 0);
    record(&reactor, 9, TRACE_TASK_START, 7);
    record(&reactor, 10, TRACE_TASK_END, 7);
    assert_told("1/0 lane 'reactor-0', 1/0 busy, 2/0 create 7 'connection', 3/0 start 7, 4/0 park 7 socket, 5/0 idle, "
                "6/0 busy, 7/0 unpark 7, 7/0 start 7, 8/0 yield 7, 9/0 start 7, 10/0 end 7");
    assert_int_equal(repaired(), 0);
}

static void a_task_is_woken_from_anywhere(void **state)
{
    (void)state;
    run_7();
    record_text(&reactor, 1, TRACE_TASK_PARK, "lock");
    record(&other_reactor, 2, TRACE_TASK_UNPARK, 7);
    record(&reactor, 3, TRACE_TASK_START, 7);
    record_text(&reactor, 4, TRACE_TASK_PARK, "lock");
    record(&outsider, 5, TRACE_TASK_UNPARK, 7);
    record(&reactor, 6, TRACE_TASK_START, 7);
    assert_told("1/0 park 7 lock, 2/1 lane 'r-1', 2/1 busy, 2/1 unpark 7, 3/0 start 7, "
                "4/0 park 7 lock, 5 unpark 7, 6/0 start 7");
    assert_int_equal(repaired(), 0);
}

static void a_thread_that_works_for_a_task_has_a_task_of_its_own(void **state)
{
    (void)state;
    run_7();
    record_text(&reactor, 1, TRACE_TASK_PARK, "fsync");
    record(&pool, 2, TRACE_WORK_BEGIN, 7);
    record_call(&pool, 3, 4);
    record(&pool, 8, TRACE_WORK_END, 7);
    record(&reactor, 9, TRACE_TASK_RESUME, 7);
    record(&saver, 10, TRACE_WORK_BEGIN, 7);
    assert_told("1/0 park 7 fsync, 2/1 lane 'pool-3', 2 exists own1 'pool worker' waiting, 2/1 busy, 2/1 unpark own1, "
                "2/1 start own1, 3/1 call own1 pwritev, 7/1 return own1, 8/1 unpark 7, 8/1 park own1 no work, "
                "8/1 idle, 9/0 start 7, 10/2 lane 'captures', 10 exists own2 'captures' waiting, 10/2 busy, "
                "10/2 unpark own2, 10/2 start own2");
    assert_int_equal(repaired(), 0);
}

static void a_call_spans_what_others_do_meanwhile(void **state)
{
    (void)state;
    run_7();
    record_call(&reactor, 1, 5);
    record(&other_reactor, 3, TRACE_TASK_CREATE, 8);
    record(&other_reactor, 6, TRACE_TASK_START, 8);
    assert_told("1/0 call 7 pwritev, 3/1 lane 'r-1', 3/1 busy, 3/1 create 8 'connection', 6/0 return 7, 6/1 start 8");
    assert_int_equal(repaired(), 0);
}

static void calls_on_two_lanes_end_in_the_order_of_time(void **state)
{
    (void)state;
    run_7();
    record(&other_reactor, 0, TRACE_TASK_CREATE, 8);
    record(&other_reactor, 0, TRACE_TASK_START, 8);
    buf_clear(&hand.told);
    record_call(&reactor, 1, 8);
    record_call(&other_reactor, 2, 3);
    record(&reactor, 20, TRACE_TASK_YIELD, 0);
    assert_told("1/0 call 7 pwritev, 2/1 call 8 pwritev, 5/1 return 8, 9/0 return 7, 20/0 yield 7");
}

static void a_request_has_facts_and_regions(void **state)
{
    (void)state;
    run_7();
    record_request(&reactor, 1, "Produce");
    record_text(&reactor, 2, TRACE_REGION_BEGIN, "decode");
    record_text(&reactor, 3, TRACE_REGION_NEXT, "append");
    record_text(&reactor, 4, TRACE_TASK_PARK, "lock");
    record(&reactor, 5, TRACE_TASK_RESUME, 7);
    record(&reactor, 6, TRACE_REGION_END, 0);
    record(&reactor, 7, TRACE_REQUEST_END, 0);
    assert_told("1/0 serve 7 #1 Produce, 1/0 log 7 #1 client=kcat, 1/0 log 7 #1 correlation_id=42, "
                "1/0 log 7 #1 size=1000, 2/0 enter 7 #1 decode, 3/0 leave 7 #1 decode, 3/0 enter 7 #1 append, "
                "4/0 park 7 lock, 5/0 unpark 7, 5/0 start 7, 6/0 leave 7 #1 append, 7/0 served 7 #1");
    assert_int_equal(repaired(), 0);
}

static void a_worker_without_work_is_on_no_lane(void **state)
{
    (void)state;
    run_7();
    record_text(&reactor, 1, TRACE_TASK_PARK, "lock");
    record(&pool, 2, TRACE_TASK_UNPARK, 7);
    record(&pool, 3, TRACE_WORK_BEGIN, 8);
    record(&pool, 4, TRACE_TASK_CREATE, 9);
    record(&pool, 5, TRACE_WORK_END, 8);
    buf_clear(&hand.told);
    record(&reactor, 6, TRACE_TASK_START, 7);
    record_text(&reactor, 7, TRACE_TASK_PARK, "lock");
    record(&pool, 8, TRACE_TASK_UNPARK, 7);
    record(&pool, 9, TRACE_TASK_CREATE, 10);
    assert_told("6/0 start 7, 7/0 park 7 lock, 8 unpark 7, 9 create 10 'connection'");
}

static void heap_sizes_belong_to_no_lane(void **state)
{
    (void)state;
    struct trace_record records[2] = {{.word = trace_word(TRACE_HEAP, TRACE_WAIT_OTHER, 1, 4096)}};
    memcpy(records + 1, &(uint64_t){8192}, 8);
    add(&outsider, 3, records, 0);
    assert_told("3 heap");
    assert_int_equal(hand.last.bytes, 4096);
    assert_int_equal(hand.last.limit_bytes, 8192);
}

/* --- the trace begins in the middle --- */

static void a_task_that_starts_was_runnable_before(void **state)
{
    (void)state;
    record(&reactor, 1, TRACE_TASK_START, 7);
    assert_told("1/0 lane 'reactor-0', 1 exists 7 'task', 1/0 busy, 1/0 start 7");
}

static void a_task_that_is_woken_was_waiting_before(void **state)
{
    (void)state;
    record(&outsider, 1, TRACE_TASK_UNPARK, 7);
    record(&reactor, 2, TRACE_TASK_RESUME, 8);
    assert_told("1 exists 7 'task' waiting, 1 unpark 7, 2/0 lane 'reactor-0', 2 exists 8 'task' waiting, 2/0 busy, "
                "2/0 unpark 8, 2/0 start 8");
}

static void a_task_that_ends_was_there(void **state)
{
    (void)state;
    record(&reactor, 1, TRACE_TASK_END, 7);
    assert_told("1/0 lane 'reactor-0', 1 exists 7 'connection', 1/0 busy, 1/0 start 7, 1/0 end 7");
}

static void what_an_unknown_task_does_is_left_out(void **state)
{
    (void)state;
    record_text(&reactor, 1, TRACE_REGION_BEGIN, "decode");
    record_request(&reactor, 2, "Produce");
    record_call(&reactor, 3, 1);
    record_text(&reactor, 5, TRACE_TASK_PARK, "lock");
    record(&reactor, 6, TRACE_TASK_YIELD, 0);
    assert_told("1/0 lane 'reactor-0'");
    assert_int_equal(repaired(), 5);
}

static void ends_of_what_began_before_are_left_out(void **state)
{
    (void)state;
    run_7();
    record(&reactor, 1, TRACE_REGION_END, 0);
    record(&reactor, 2, TRACE_REQUEST_END, 0);
    record_text(&reactor, 3, TRACE_REGION_NEXT, "append");
    assert_told("3/0 enter 7 append");
    assert_int_equal(repaired(), 3);
}

static void a_thread_may_have_been_at_work(void **state)
{
    (void)state;
    record_call(&pool, 1, 2);
    record(&pool, 4, TRACE_WORK_END, 7);
    record(&saver, 5, TRACE_WORK_END, 8);
    assert_told("1/0 lane 'pool-3', 1 exists own0 'pool worker', 1/0 busy, 1/0 start own0, 1/0 call own0 pwritev, "
                "3/0 return own0, 4 exists 7 'task' waiting, 4/0 unpark 7, 4/0 park own0 no work, 4/0 idle, "
                "5/1 lane 'captures', 5 exists own1 'captures' waiting, 5/1 busy, 5/1 unpark own1, 5/1 start own1, "
                "5 exists 8 'task' waiting, 5/1 unpark 8, 5/1 park own1 no work, 5/1 idle");
}

static void living_tasks_are_there_from_the_start(void **state)
{
    (void)state;
    trace_repair_add_living(hand.repair, &(struct trace_living){.task = 7, .name = "flusher", .is_waiting = true});
    trace_repair_add_living(hand.repair, &(struct trace_living){.task = 8, .name = "connection"});
    assert_told("0 exists 7 'flusher' waiting");
    record(&reactor, 5, TRACE_TASK_START, 8);
    record(&outsider, 6, TRACE_TASK_UNPARK, 7);
    assert_told("5/0 lane 'reactor-0', 5 exists 8 'connection', 5/0 busy, 5/0 start 8, 6 unpark 7");
}

static void a_living_task_may_have_been_created_after_the_start(void **state)
{
    (void)state;
    trace_repair_add_living(hand.repair, &(struct trace_living){.task = 7, .name = "flusher", .is_waiting = true});
    trace_repair_add_living(hand.repair, &(struct trace_living){.task = 8, .name = "connection"});
    record(&reactor, 1, TRACE_TASK_CREATE, 7);
    record(&reactor, 2, TRACE_TASK_CREATE, 8);
    assert_told("0 exists 7 'flusher' waiting, 1/0 lane 'reactor-0', 2/0 busy, 2/0 create 8 'connection'");
}

/* --- clocks differ, or records are missing --- */

static void what_comes_too_late_counts_as_of_now(void **state)
{
    (void)state;
    record(&reactor, 5, TRACE_POLL_END, 0);
    record(&other_reactor, 3, TRACE_POLL_END, 0);
    assert_told("5/0 lane 'reactor-0', 5/0 busy, 5/1 lane 'r-1', 5/1 busy");
}

static void a_start_without_a_wake_gets_one(void **state)
{
    (void)state;
    run_7();
    record_text(&reactor, 1, TRACE_TASK_PARK, "lock");
    record(&reactor, 2, TRACE_TASK_START, 7);
    assert_told("1/0 park 7 lock, 2/0 unpark 7, 2/0 start 7");
    assert_int_equal(repaired(), 1);
}

static void a_wake_before_its_park_tells_who_woke(void **state)
{
    (void)state;
    run_7();
    struct trace_record wake = {.where = (uint32_t)((uintptr_t)sim_place - trace_text_start()) + 4,
                                .word = trace_word(TRACE_TASK_UNPARK, TRACE_WAIT_OTHER, 0, 7)};
    add(&outsider, 1, &wake, 0);
    assert_told("");
    record_text(&reactor, 2, TRACE_TASK_PARK, "lock");
    record_text(&reactor, 3, TRACE_POLL_BEGIN, NULL);
    buf_clear(&hand.told);
    struct trace_record start = {.word = trace_word(TRACE_TASK_START, TRACE_WAIT_OTHER, 0, 7)};
    hand.last.stack = 0;
    add(&reactor, 4, &start, 0);
    assert_told("4/0 busy, 4/0 unpark 7, 4/0 start 7");
    unsigned depth;
    const struct trace_frame *frames = trace_stack_frames(hand.tables, trace_stack_count(hand.tables), &depth);
    assert_string_equal(text_of(frames[0].function), "sim_place");
}

static void a_wake_of_a_task_that_is_not_parked_is_left_out(void **state)
{
    (void)state;
    run_7();
    record(&outsider, 1, TRACE_TASK_UNPARK, 7);
    record(&reactor, 2, TRACE_TASK_YIELD, 0);
    record(&outsider, 3, TRACE_TASK_UNPARK, 7);
    assert_told("2/0 yield 7");
    assert_int_equal(repaired(), 2);
}

static void a_start_beside_another_task_parks_that_one(void **state)
{
    (void)state;
    run_7();
    record(&reactor, 1, TRACE_TASK_START, 8);
    assert_told("1/0 park 7 unknown, 1 exists 8 'task', 1/0 start 8");
    assert_int_equal(repaired(), 1);
}

static void a_start_of_what_runs_ends_its_stay(void **state)
{
    (void)state;
    run_7();
    record(&reactor, 1, TRACE_TASK_START, 7);
    record(&other_reactor, 2, TRACE_TASK_START, 7);
    assert_told("1/0 yield 7, 1/0 start 7, 2/1 lane 'r-1', 2/0 yield 7, 2/1 busy, 2/1 start 7");
}

static void a_poll_ends_a_stay(void **state)
{
    (void)state;
    run_7();
    record(&reactor, 1, TRACE_POLL_BEGIN, 0);
    record(&reactor, 2, TRACE_TASK_RESUME, 7);
    record(&reactor, 3, TRACE_POLL_END, 0);
    assert_told("1/0 park 7 unknown, 1/0 idle, 2/0 busy, 2/0 unpark 7, 2/0 start 7, 3/0 park 7 unknown");
}

static void polls_are_told_once(void **state)
{
    (void)state;
    record(&reactor, 1, TRACE_POLL_BEGIN, 0);
    record(&reactor, 2, TRACE_POLL_BEGIN, 0);
    record(&reactor, 3, TRACE_POLL_END, 0);
    record(&reactor, 4, TRACE_POLL_END, 0);
    assert_told("1/0 lane 'reactor-0', 3/0 busy");
}

static void work_that_did_not_end_ends_with_the_next(void **state)
{
    (void)state;
    record(&pool, 1, TRACE_WORK_BEGIN, 7);
    buf_clear(&hand.told);
    record(&pool, 2, TRACE_WORK_BEGIN, 8);
    assert_told("2/0 yield own0, 2/0 start own0");
}

static void a_reactor_does_no_work_for_others(void **state)
{
    (void)state;
    run_7();
    record(&reactor, 1, TRACE_WORK_BEGIN, 8);
    record(&reactor, 2, TRACE_WORK_END, 8);
    record(&outsider, 3, TRACE_WORK_BEGIN, 8);
    assert_told("");
    assert_int_equal(repaired(), 3);
}

static void a_call_ends_with_what_its_lane_does_next(void **state)
{
    (void)state;
    run_7();
    record_call(&reactor, 1, 10);
    record(&reactor, 4, TRACE_TASK_YIELD, 0);
    assert_told("1/0 call 7 pwritev, 4/0 return 7, 4/0 yield 7");
    record(&reactor, 5, TRACE_TASK_START, 7);
    record_call(&reactor, 6, 10);
    record_call(&reactor, 8, 10);
    record(&other_reactor, 9, TRACE_TASK_START, 7);
    assert_told("5/0 start 7, 6/0 call 7 pwritev, 8/0 return 7, 8/0 call 7 pwritev, 9/1 lane 'r-1', 9/0 return 7, "
                "9/0 yield 7, 9/1 busy, 9/1 start 7");
}

static void calls_outside_of_tasks_are_left_out(void **state)
{
    (void)state;
    record(&reactor, 1, TRACE_POLL_END, 0);
    record_call(&reactor, 2, 3);
    record_call(&outsider, 2, 3);
    record(&reactor, 9, TRACE_POLL_BEGIN, 0);
    assert_told("1/0 lane 'reactor-0', 1/0 busy, 9/0 idle");
}

static void a_request_in_a_request_ends_the_first(void **state)
{
    (void)state;
    run_7();
    record_request(&reactor, 1, "Produce");
    record_text(&reactor, 2, TRACE_REGION_BEGIN, "decode");
    buf_clear(&hand.told);
    struct trace_record second[2] = {
        {.word = trace_word(TRACE_REQUEST_BEGIN, TRACE_WAIT_OTHER, 1, (uint64_t)(uintptr_t)"Fetch")}};
    add(&reactor, 3, second, 0);
    assert_told("3/0 leave 7 #1 decode, 3/0 served 7 #1, 3/0 serve 7 #2 Fetch, 3/0 log 7 #2 correlation_id=0, "
                "3/0 log 7 #2 size=0");
}

static void the_end_of_a_request_ends_its_regions_only(void **state)
{
    (void)state;
    run_7();
    record_text(&reactor, 1, TRACE_REGION_BEGIN, "loop");
    record_request(&reactor, 2, "Produce");
    record_text(&reactor, 3, TRACE_REGION_BEGIN, "append");
    record_text(&reactor, 3, TRACE_REGION_BEGIN, "lock");
    buf_clear(&hand.told);
    record(&reactor, 4, TRACE_REQUEST_END, 0);
    assert_told("4/0 leave 7 #1 lock, 4/0 leave 7 #1 append, 4/0 served 7 #1");
    record(&reactor, 5, TRACE_REGION_END, 0);
    assert_told("5/0 leave 7 loop");
}

static void the_end_of_a_task_ends_all_that_is_open(void **state)
{
    (void)state;
    run_7();
    record_text(&reactor, 1, TRACE_REGION_BEGIN, "loop");
    record_request(&reactor, 2, "Produce");
    record_text(&reactor, 3, TRACE_REGION_BEGIN, "append");
    buf_clear(&hand.told);
    record(&reactor, 4, TRACE_TASK_END, 7);
    assert_told("4/0 leave 7 #1 append, 4/0 served 7 #1, 4/0 leave 7 loop, 4/0 end 7");
}

static void regions_that_never_end_are_bounded(void **state)
{
    (void)state;
    run_7();
    for (unsigned i = 0; i < 100; i++)
        record_text(&reactor, 1 + i, TRACE_REGION_BEGIN, "loop");
    assert_int_equal(hand.rules.sums.regions, 64);
    for (unsigned i = 0; i < 100; i++)
        record(&reactor, 200 + i, TRACE_REGION_END, 0);
    assert_int_equal(hand.rules.tasks->region_count, 0);
    assert_int_equal(repaired(), 36);
}

static void what_comes_after_the_end_of_a_task_is_left_out(void **state)
{
    (void)state;
    run_7();
    record(&reactor, 1, TRACE_TASK_END, 7);
    buf_clear(&hand.told);
    record(&outsider, 2, TRACE_TASK_UNPARK, 7);
    record(&reactor, 3, TRACE_TASK_START, 7);
    record(&reactor, 4, TRACE_TASK_CREATE, 7);
    record(&reactor, 5, TRACE_TASK_END, 7);
    assert_told("");
    assert_int_equal(repaired(), 4);
}

/* --- stacks --- */

/* Resolves to a function and the place in it that calls. */
static uint32_t offset_in(int (*function)(int))
{
    return (uint32_t)((uintptr_t)function - trace_text_start()) + 5;
}

static NOINLINE int park(int x)
{
    volatile int result = x;
    return result * 2;
}
static NOINLINE int handler(int x)
{
    volatile int result = x;
    return result * 3;
}
static NOINLINE int task_main(int x)
{
    volatile int result = x;
    return result * 4;
}

static void assert_stack(uint32_t stack, const char *wanted)
{
    char names[256] = "";
    unsigned depth;
    const struct trace_frame *frames = trace_stack_frames(hand.tables, stack, &depth);
    for (unsigned i = 0; i < depth; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? " < " : "",
                 text_of(frames[i].function));
    assert_string_equal(names, wanted);
}

static void a_stack_is_the_tasks_own(void **state)
{
    (void)state;
    struct trace_record create[3] = {{.word = trace_word(TRACE_TASK_CREATE, TRACE_WAIT_OTHER, 2, 7)}};
    struct trace_task_entry entry = {.run = offset_in(handler) - 5, .name = "kafka connection"};
    memcpy(create + 1, &entry, sizeof entry);
    add(&reactor, 0, create, 0);
    record(&reactor, 1, TRACE_TASK_START, 7);
    struct trace_record parked[2] = {{.where = offset_in(park),
                                      .word = trace_word(TRACE_TASK_PARK, TRACE_WAIT_SYNC, 1,
                                                         (uint64_t)(uintptr_t)"mutex")}};
    uint32_t pcs[TRACE_PCS_PER_RECORD] = {offset_in(sim_place), offset_in(handler), offset_in(task_main),
                                          offset_in(sim_place)};
    memcpy(parked + 1, pcs, sizeof pcs);
    add(&reactor, 2, parked, 0);
    assert_stack(hand.last.stack, "sim_place < handler < kafka connection");
    assert_int_equal(hand.last.wait, TRACE_EVENT_WAIT_SYNC);
    unsigned depth;
    const struct trace_frame *frames = trace_stack_frames(hand.tables, hand.last.stack, &depth);
    assert_string_equal(text_of(frames[2].file), text_of(frames[1].file));
    assert_true(strstr(text_of(frames[2].file), "test_trace_repair.c") != NULL);
    assert_true(frames[2].line > 0 && frames[2].line < frames[1].line);
    assert_int_equal(park(1) + task_main(1), 6);
}

static void a_call_has_its_callers(void **state)
{
    (void)state;
    run_7();
    struct trace_record call[3] = {{.where = offset_in(sim_place),
                                    .word = trace_word(TRACE_CALL, TRACE_WAIT_OTHER, 2,
                                                       (uint64_t)(uintptr_t)"fsync")}};
    uint32_t pcs[6] = {offset_in(handler), offset_in(sim_place), offset_in(handler)};
    memcpy((char *)(call + 1) + sizeof(uint64_t), pcs, sizeof pcs);
    add(&reactor, 1, call, 5);
    assert_stack(hand.last.stack, "sim_place < handler < sim_place < handler < connection");
}

static void a_sample_keeps_its_time_and_its_stack(void **state)
{
    (void)state;
    run_7();
    struct trace_sample sample = {.thread_id = 100};
    uintptr_t pcs[4] = {(uintptr_t)sim_place + 4, (uintptr_t)handler + 5, (uintptr_t)handler + 6};
    struct trace_record records[4] = {{.word = trace_word(TRACE_SAMPLE, TRACE_WAIT_OTHER, 3, 7)}};
    memcpy(records + 1, &sample, sizeof sample);
    memcpy(records + 2, pcs, sizeof pcs);
    struct trace_item item = {.time_ns = 50, .sample_ns = 20, .thread = &outsider, .record = records};
    record(&reactor, 40, TRACE_TASK_YIELD, 0);
    buf_clear(&hand.told);
    trace_repair_add(hand.repair, &item);
    assert_told("20/0 sample 7");
    assert_stack(hand.last.stack, "sim_place < handler < handler < connection");
    item.sample_ns = 0; /* when it was created */
    trace_repair_add(hand.repair, &item);
    assert_told("0/0 sample");
    assert_stack(hand.last.stack, "sim_place < handler < handler");
    item.sample_ns = 20;
    records[0].word = trace_word(TRACE_SAMPLE, TRACE_WAIT_OTHER, 3, 0);
    memcpy(records + 1, &(struct trace_sample){.thread_id = 999}, sizeof sample);
    trace_repair_add(hand.repair, &item);
    assert_told("20 sample");
    assert_stack(hand.last.stack, "sim_place < handler < handler");
}

/* --- notes --- */

static void a_note_is_a_log_of_the_traces_own_lane(void **state)
{
    (void)state;
    run_7();
    trace_repair_note(hand.repair, "cut", "at 32 MiB");
    trace_repair_note(hand.repair, "to", "now");
    assert_told("0/1 lane 'takhin trace', 0 exists own1 'takhin trace' waiting, 0/1 busy, 0/1 unpark own1, "
                "0/1 start own1, 0/1 log own1 cut=at 32 MiB, 0/1 park own1 no work, 0/1 idle, "
                "0/1 busy, 0/1 unpark own1, 0/1 start own1, 0/1 log own1 to=now, 0/1 park own1 no work, 0/1 idle");
    assert_int_equal(repaired(), 0);
}

/* --- at random --- */

/* What is done to the records before they are repaired. */
struct damage {
    unsigned skew_ns;      /* how far clocks of threads may be apart */
    unsigned delay_ns;     /* how much later some are found */
    unsigned loss_percent;
    bool is_cut, tells_living;
};

struct run {
    struct sim sim;
    struct damage damage;
    struct trace_tables *tables;
    struct trace_repair *repair;
    struct rules rules;
    const struct trace_format *formats[2];
    struct trace_encoder *encoders[2];
    struct buf files[2];
};

static void take(const struct trace_event *event, void *context)
{
    struct run *run = context;
    rules_take(event, &run->rules);
    for (unsigned i = 0; i < ARRAY_COUNT(run->formats); i++)
        run->formats[i]->event(run->encoders[i], event, &run->files[i]);
}

static int compare_items(const void *a, const void *b)
{
    const struct sim_item *left = *(const struct sim_item *const *)a, *right = *(const struct sim_item *const *)b;
    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? -1 : 1;
    if (left->thread != right->thread)
        return left->thread < right->thread ? -1 : 1;
    return left < right ? -1 : left > right;
}

/* As the reader would find them: each thread's in their order, but at other times, and not all. */
static size_t damage_items(struct run *run, struct sim_item **kept)
{
    struct sim *sim = &run->sim;
    const struct damage *damage = &run->damage;
    uint64_t skew_ns[SIM_THREADS_MAX], last_ns[SIM_THREADS_MAX] = {0}, from_ns = 0, to_ns = UINT64_MAX;
    for (unsigned i = 0; i < SIM_THREADS_MAX; i++)
        skew_ns[i] = damage->skew_ns ? sim_below(sim, damage->skew_ns) : 0;
    if (damage->is_cut) {
        from_ns = sim_below(sim, (unsigned)sim->now_ns);
        to_ns = from_ns + sim_below(sim, (unsigned)sim->now_ns);
    }
    size_t count = 0;
    for (size_t i = 0; i < sim->item_count; i++) {
        struct sim_item *item = &sim->items[i];
        uint64_t shift_ns = skew_ns[item->thread];
        if (damage->delay_ns && sim_chance(sim, 5))
            shift_ns += sim_below(sim, damage->delay_ns);
        item->time_ns += shift_ns;
        item->end_ns += item->end_ns ? skew_ns[item->thread] : 0;
        if (item->time_ns < last_ns[item->thread])
            item->time_ns = last_ns[item->thread];
        last_ns[item->thread] = item->time_ns;
        if (item->time_ns < from_ns || item->time_ns > to_ns || sim_chance(sim, damage->loss_percent))
            continue;
        item->time_ns -= from_ns;
        item->end_ns = item->end_ns > from_ns ? item->end_ns - from_ns : 0;
        last_ns[item->thread] = item->time_ns + from_ns;
        kept[count++] = item;
    }
    qsort(kept, count, sizeof *kept, compare_items);
    return count;
}

static void add_living(struct run *run)
{
    for (unsigned i = 0; i < run->sim.task_count; i++)
        if (sim_chance(&run->sim, 50)) {
            struct trace_living living = {.task = run->sim.tasks[i].id, .name = "known", .is_waiting = i % 2};
            trace_repair_add_living(run->repair, &living);
        }
}

static void run_init(struct run *run, uint64_t seed, struct damage damage)
{
    run->damage = damage;
    sim_run(&run->sim, seed, 100 + (unsigned)(seed % 5) * 100);
    run->tables = trace_tables_create();
    run->repair = trace_repair_create(symbols, run->tables, take, run);
    rules_init(&run->rules, run->tables);
    static const char *const names[] = {"1.19", "1.22"};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        run->formats[i] = trace_format_find(bytes_of_string(names[i]));
        assert_non_null(run->formats[i]);
        run->encoders[i] = run->formats[i]->create(run->tables);
        buf_init(&run->files[i]);
    }
}

static void run_deinit(struct run *run)
{
    for (unsigned i = 0; i < ARRAY_COUNT(run->formats); i++) {
        run->formats[i]->destroy(run->encoders[i]);
        buf_deinit(&run->files[i]);
    }
    trace_repair_destroy(run->repair);
    rules_deinit(&run->rules);
    trace_tables_destroy(run->tables);
    sim_deinit(&run->sim);
}

static void run_repair(struct run *run)
{
    struct sim *sim = &run->sim;
    struct sim_item **kept = mem_alloc_array(sim->item_count, sizeof *kept);
    size_t count = damage_items(run, kept);
    uint64_t end_ns = 0;
    if (run->damage.tells_living)
        add_living(run);
    for (size_t i = 0; i < count; i++) {
        const struct sim_item *item = kept[i];
        struct trace_item found = {.time_ns = item->time_ns, .thread = &sim->threads[item->thread].facts,
                                   .record = item->records, .sample_ns = item->time_ns / 2};
        if (item->end_ns > item->time_ns)
            found.call_ns = item->end_ns - item->time_ns;
        if (end_ns < item->time_ns + found.call_ns)
            end_ns = item->time_ns + found.call_ns;
        trace_repair_add(run->repair, &found);
        if (sim_chance(sim, 1))
            trace_repair_note(run->repair, "note", "a text");
    }
    mem_free(kept);
    /* Calls end with the next record of any thread. */
    struct trace_record heap[2] = {{.word = trace_word(TRACE_HEAP, TRACE_WAIT_OTHER, 1, 1)}};
    struct trace_item last = {.time_ns = end_ns + 1, .thread = &sim->threads[0].facts, .record = heap};
    trace_repair_add(run->repair, &last);
    for (unsigned i = 0; i < ARRAY_COUNT(run->formats); i++)
        run->formats[i]->finish(run->encoders[i], end_ns + 2, &run->files[i]);
}

#define FAIL_IF(fact, ...) \
    do { \
        if (fact) { \
            print_error("seed %" PRIu64 ": ", seed); \
            fail_msg(__VA_ARGS__); \
        } \
    } while (0)

#define COMPARE(seed, subject, name, found, wanted) COMPARE_NEAR(seed, subject, name, found, wanted, 0)
#define COMPARE_NEAR(seed, subject, name, found, wanted, more) \
    FAIL_IF((found) < (wanted) || (found) > (wanted) + (more), "%s %" PRIu64 ": %s is %" PRIu64 ", not %" PRIu64, \
            (subject), subject_id, (name), (uint64_t)(found), (uint64_t)(wanted))

/* Every task did what it did, and every ns of it is where it belongs. */
static void compare_with_truth(struct run *run, uint64_t seed)
{
    for (unsigned i = 0; i < run->sim.task_count; i++) {
        const struct sim_task *task = &run->sim.tasks[i];
        const struct rules_sums *wanted = &task->sums, *found = &rules_task(&run->rules, task->id)->sums;
        uint64_t subject_id = task->id;
        for (unsigned wait = 0; wait < RULES_WAITS; wait++) {
            COMPARE(seed, "task", "waited_ns", found->waited_ns[wait], wanted->waited_ns[wait]);
            COMPARE(seed, "task", "parks", found->parks[wait], wanted->parks[wait]);
        }
        COMPARE(seed, "task", "ran_ns", found->ran_ns, wanted->ran_ns);
        COMPARE(seed, "task", "runnable_ns", found->runnable_ns, wanted->runnable_ns);
        COMPARE(seed, "task", "starts", found->starts, wanted->starts);
        COMPARE(seed, "task", "yields", found->yields, wanted->yields);
        COMPARE(seed, "task", "unparks", found->unparks, wanted->unparks);
        COMPARE(seed, "task", "ends", found->ends, wanted->ends);
        COMPARE(seed, "task", "calls", found->calls, wanted->calls);
        COMPARE(seed, "task", "call_ns", found->call_ns, wanted->call_ns);
        COMPARE(seed, "task", "requests", found->requests, wanted->requests);
        COMPARE(seed, "task", "regions", found->regions, wanted->regions);
        COMPARE(seed, "task", "logs", found->logs, wanted->logs);
    }
}

/* What Go's reader makes of the file is what the events were. */
static void compare_with_reader(struct run *run, unsigned format, uint64_t seed)
{
    struct go_reader_counts found;
    const char *name = run->formats[format]->name;
    const char *fault = go_reader_check(buf_bytes(&run->files[format]), &found);
    FAIL_IF(fault, "%s: %s", name, fault);
    const struct rules_sums *wanted = &run->rules.sums;
    /* Of version 1.19, the beginning itself takes 3 ns, which tasks wait that were there already. */
    uint64_t beginning_ns = format == 0 ? 3 * wanted->tasks : 0;
    for (unsigned wait = 0; wait < RULES_WAITS; wait++) {
        uint64_t parks = wanted->parks[wait], waited_ns = wanted->waited_ns[wait];
        if (format == 1 && wait == TRACE_EVENT_WAIT_CONDITION) /* counted with the next */
            continue;
        if (format == 1 && wait == TRACE_EVENT_WAIT_SYNC) {
            parks += wanted->parks[TRACE_EVENT_WAIT_CONDITION];
            waited_ns += wanted->waited_ns[TRACE_EVENT_WAIT_CONDITION];
        }
        uint64_t subject_id = wait;
        COMPARE(seed, name, "parks", found.parks[wait], parks);
        COMPARE_NEAR(seed, name, "waited_ns", found.waited_ns[wait], waited_ns,
                     wait == TRACE_EVENT_WAIT_OTHER ? beginning_ns : 0);
    }
    uint64_t subject_id = 0; /* all */
    COMPARE(seed, name, "tasks", found.tasks, wanted->tasks);
    COMPARE(seed, name, "starts", found.starts, wanted->starts);
    COMPARE(seed, name, "yields", found.yields, wanted->yields);
    COMPARE(seed, name, "unparks", found.unparks, wanted->unparks);
    COMPARE(seed, name, "ends", found.ends, wanted->ends);
    COMPARE_NEAR(seed, name, "runnable_ns", found.runnable_ns, wanted->runnable_ns, beginning_ns);
    COMPARE(seed, name, "calls", found.calls, wanted->calls);
    COMPARE(seed, name, "call_ns", found.call_ns, wanted->call_ns);
    COMPARE(seed, name, "requests", found.requests, wanted->requests);
    COMPARE(seed, name, "request_ns", found.request_ns, wanted->request_ns);
    COMPARE(seed, name, "regions", found.regions, wanted->regions);
    COMPARE(seed, name, "region_ns", found.region_ns, wanted->region_ns);
    COMPARE(seed, name, "logs", found.logs, wanted->logs);
    COMPARE(seed, name, "samples", found.samples, wanted->samples);
}

/* Has it all happened, over many seeds? */
static void add_sums(struct rules_sums *sums, const struct rules_sums *more)
{
    _Static_assert(sizeof *sums % sizeof(uint64_t) == 0, "nothing but counts");
    uint64_t *to = (uint64_t *)sums;
    const uint64_t *from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sums / sizeof *to; i++)
        to[i] += from[i];
}

static void assert_all_has_happened(const struct rules_sums *sums)
{
    const uint64_t *counts = (const uint64_t *)sums;
    for (size_t i = 0; i < sizeof *sums / sizeof *counts; i++)
        assert_true(counts[i] > 0);
}

static void try_seed(uint64_t seed, struct damage damage, bool is_true, struct rules_sums *sums)
{
    static struct run run;
    run_init(&run, seed, damage);
    run_repair(&run);
    FAIL_IF(run.rules.broken[0], "%s", run.rules.broken);
    if (is_true)
        compare_with_truth(&run, seed);
    for (unsigned i = 0; i < ARRAY_COUNT(run.formats); i++)
        compare_with_reader(&run, i, seed);
    add_sums(sums, &run.rules.sums);
    run_deinit(&run);
}

/* SEEDS=100000 tries more of them, FIRST_SEED begins elsewhere. */
static void try_seeds(struct damage damage, bool is_true)
{
    const char *count_text = getenv("SEEDS"), *first_text = getenv("FIRST_SEED");
    uint64_t count = count_text ? strtoull(count_text, NULL, 10) : 1000;
    uint64_t first = first_text ? strtoull(first_text, NULL, 10) : 0;
    struct rules_sums sums = {0};
    for (uint64_t seed = first; seed < first + count; seed++)
        try_seed(seed, damage, is_true, &sums);
    if (count >= 100)
        assert_all_has_happened(&sums);
}

static void whole_records_make_a_true_trace(void **state)
{
    (void)state;
    try_seeds((struct damage){0}, true);
}

static void clocks_that_differ_make_no_contradiction(void **state)
{
    (void)state;
    try_seeds((struct damage){.skew_ns = 20000}, false);
}

static void late_records_make_no_contradiction(void **state)
{
    (void)state;
    try_seeds((struct damage){.skew_ns = 3000, .delay_ns = 50000}, false);
}

static void lost_records_make_no_contradiction(void **state)
{
    (void)state;
    try_seeds((struct damage){.loss_percent = 10}, false);
}

static void a_window_of_records_makes_no_contradiction(void **state)
{
    (void)state;
    try_seeds((struct damage){.is_cut = true, .tells_living = true}, false);
}

static void all_of_it_at_once_makes_no_contradiction(void **state)
{
    (void)state;
    try_seeds((struct damage){.skew_ns = 50000, .delay_ns = 100000, .loss_percent = 30, .is_cut = true,
                              .tells_living = true}, false);
}

#define BY_HAND(test) cmocka_unit_test_setup_teardown(test, begin_by_hand, end_by_hand)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BY_HAND(a_task_lives_and_ends),
        BY_HAND(a_task_is_woken_from_anywhere),
        BY_HAND(a_thread_that_works_for_a_task_has_a_task_of_its_own),
        BY_HAND(a_call_spans_what_others_do_meanwhile),
        BY_HAND(calls_on_two_lanes_end_in_the_order_of_time),
        BY_HAND(a_request_has_facts_and_regions),
        BY_HAND(a_worker_without_work_is_on_no_lane),
        BY_HAND(heap_sizes_belong_to_no_lane),
        BY_HAND(a_task_that_starts_was_runnable_before),
        BY_HAND(a_task_that_is_woken_was_waiting_before),
        BY_HAND(a_task_that_ends_was_there),
        BY_HAND(what_an_unknown_task_does_is_left_out),
        BY_HAND(ends_of_what_began_before_are_left_out),
        BY_HAND(a_thread_may_have_been_at_work),
        BY_HAND(living_tasks_are_there_from_the_start),
        BY_HAND(a_living_task_may_have_been_created_after_the_start),
        BY_HAND(what_comes_too_late_counts_as_of_now),
        BY_HAND(a_start_without_a_wake_gets_one),
        BY_HAND(a_wake_before_its_park_tells_who_woke),
        BY_HAND(a_wake_of_a_task_that_is_not_parked_is_left_out),
        BY_HAND(a_start_beside_another_task_parks_that_one),
        BY_HAND(a_start_of_what_runs_ends_its_stay),
        BY_HAND(a_poll_ends_a_stay),
        BY_HAND(polls_are_told_once),
        BY_HAND(work_that_did_not_end_ends_with_the_next),
        BY_HAND(a_reactor_does_no_work_for_others),
        BY_HAND(a_call_ends_with_what_its_lane_does_next),
        BY_HAND(calls_outside_of_tasks_are_left_out),
        BY_HAND(a_request_in_a_request_ends_the_first),
        BY_HAND(the_end_of_a_request_ends_its_regions_only),
        BY_HAND(the_end_of_a_task_ends_all_that_is_open),
        BY_HAND(regions_that_never_end_are_bounded),
        BY_HAND(what_comes_after_the_end_of_a_task_is_left_out),
        BY_HAND(a_stack_is_the_tasks_own),
        BY_HAND(a_call_has_its_callers),
        BY_HAND(a_sample_keeps_its_time_and_its_stack),
        BY_HAND(a_note_is_a_log_of_the_traces_own_lane),
        cmocka_unit_test(whole_records_make_a_true_trace),
        cmocka_unit_test(clocks_that_differ_make_no_contradiction),
        cmocka_unit_test(late_records_make_no_contradiction),
        cmocka_unit_test(lost_records_make_no_contradiction),
        cmocka_unit_test(a_window_of_records_makes_no_contradiction),
        cmocka_unit_test(all_of_it_at_once_makes_no_contradiction),
    };
    return cmocka_run_group_tests(tests, hold_symbols, release_symbols);
}
