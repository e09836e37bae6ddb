/* test_trace.c: records as the probe points write them: layout, times, stacks, and what happens without room. */
#include "base/trace.h"

#include "base/probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* --- a recorder of one chunk --- */

#define CAPACITY 300

static struct trace_chunk *chunk;
static bool has_room;
static unsigned asked; /* how often a chunk was wanted */

static void next_chunk(struct trace_writer *writer)
{
    asked++;
    writer->session = atomic_load(&trace_session);
    writer->chunk = has_room ? chunk : NULL;
    if (has_room)
        atomic_store(&chunk->used, 0);
    errno = EBUSY; /* of whatever it does */
}

static const char *slow_name;
static uint64_t slow_ns;

static void slow_request(const char *name, uint64_t duration_ns)
{
    slow_name = name;
    slow_ns = duration_ns;
}

static void record_anew(void)
{
    static uint32_t session;
    atomic_store(&trace_session, ++session);
}

static int set_up(void **state)
{
    static const struct trace_sink sink = {.next_chunk = next_chunk, .slow_request = slow_request};
    (void)state;
    chunk = calloc(1 + CAPACITY, sizeof(struct trace_record));
    chunk->capacity = CAPACITY;
    has_room = true;
    asked = 0;
    slow_name = NULL;
    atomic_store(&trace_sink, &sink);
    record_anew();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    atomic_store(&trace_session, 0);
    atomic_store(&trace_depth, TRACE_DEPTH_SHORT);
    atomic_store(&trace_slow_request_ns, UINT64_MAX);
    trace_writer.chunk = NULL;
    trace_thread_is(TRACE_THREAD_OTHER);
    free(chunk);
    return 0;
}

static unsigned used(void)
{
    return atomic_load(&chunk->used);
}

static void assert_record(unsigned index, enum trace_type type, unsigned more, uint64_t argument)
{
    assert_in_range(index, 0, used() - 1);
    const struct trace_record *record = &chunk->records[index];
    assert_int_equal(trace_type(record), type);
    assert_int_equal(trace_more(record), more);
    assert_int_equal(trace_argument(record), argument);
}

static uint64_t of(const char *text)
{
    return (uintptr_t)text;
}

/* --- layout --- */

static void a_word_holds_type_wait_more_and_argument(void **state)
{
    (void)state;
    struct trace_record record = {.word = trace_word(TRACE_TASK_PARK, TRACE_WAIT_SELECT, 200, UINT64_MAX)};
    assert_int_equal(trace_type(&record), TRACE_TASK_PARK);
    assert_int_equal(trace_wait(&record), TRACE_WAIT_SELECT);
    assert_int_equal(trace_more(&record), 200);
    assert_int_equal(trace_argument(&record), (1ull << TRACE_ARGUMENT_BITS) - 1);
}

static void run_task(void *argument)
{
    (void)argument;
}

static void a_task_has_its_function_and_its_name_cut_to_fit(void **state)
{
    (void)state;
    uintptr_t here = trace_text_start() + 1234;
    trace_task_created(7, "a name of 30 characters, so long", run_task, here);
    trace_task_ended(7, "short", run_task);
    assert_record(0, TRACE_TASK_CREATE, 2, 7);
    assert_int_equal(chunk->records[0].where, 1234);
    assert_record(3, TRACE_TASK_END, 2, 7);
    struct trace_task_entry created, ended;
    memcpy(&created, &chunk->records[1], sizeof created);
    memcpy(&ended, &chunk->records[4], sizeof ended);
    assert_string_equal(created.name, "a name of 30 characters, so");
    assert_string_equal(ended.name, "short");
    assert_int_equal(trace_text_start() + created.run, (uintptr_t)run_task);
    assert_int_equal(created.run, ended.run);
    assert_int_equal(used(), 6);
}

static void a_request_has_its_facts_and_logs_their_values(void **state)
{
    static const char name[] = "Produce", client[] = "c", region[] = "decode", key[] = "topic", text[] = "orders";
    (void)state;
    trace_request_begin(name, client, -5, 1000);
    trace_region_begin(region);
    trace_log(key, text);
    trace_log(key, NULL); /* is none */
    trace_region_end();
    trace_request_end(name, 1);

    assert_record(0, TRACE_REQUEST_BEGIN, 1, of(name));
    struct trace_request_facts facts;
    memcpy(&facts, &chunk->records[1], sizeof facts);
    assert_int_equal(facts.client, of(client));
    assert_int_equal(facts.correlation_id, -5);
    assert_int_equal(facts.size_bytes, 1000);
    assert_record(2, TRACE_REGION_BEGIN, 0, of(region));
    assert_record(3, TRACE_LOG, 1, of(key));
    assert_memory_equal(&chunk->records[4], (&(uint64_t){of(text)}), 8);
    assert_record(5, TRACE_REGION_END, 0, 0);
    assert_record(6, TRACE_REQUEST_END, 0, 0);
    assert_int_equal(used(), 7);
}

static void a_sample_has_its_addresses_and_is_cut_at_the_root(void **state)
{
    (void)state;
    struct trace_sample sample = {.ticks = 1, .thread_id = 2, .epoch = 3};
    uintptr_t pcs[600];
    for (unsigned i = 0; i < 600; i++)
        pcs[i] = 0x1000 + i;
    trace_cpu_sample(&sample, 9, pcs, 3);
    trace_cpu_sample(&sample, 9, pcs, 600);
    assert_record(0, TRACE_SAMPLE, 3, 9);
    assert_memory_equal(&chunk->records[1], &sample, sizeof sample);
    assert_memory_equal(&chunk->records[2], pcs, 3 * sizeof pcs[0]);
    assert_memory_equal((char *)&chunk->records[3] + 8, (&(uint64_t){0}), 8);
    assert_record(4, TRACE_SAMPLE, TRACE_MORE_MAX, 9);
    assert_memory_equal(&chunk->records[6], pcs, 508 * sizeof pcs[0]);
    assert_int_equal(used(), 4 + 1 + TRACE_MORE_MAX);
}

/* --- times --- */

static void assert_times_equal(unsigned a, unsigned b)
{
    assert_int_equal(chunk->records[a].time, chunk->records[b].time);
}

static void what_follows_at_once_shares_a_time(void **state)
{
    (void)state;
    uint64_t resumed = trace_task_resumed(1, 0);              /* 0 */
    trace_request_begin("Produce", NULL, 1, 1);               /* 1, 2 */
    trace_region_begin("decode");                             /* 3 */
    trace_log("topic", "orders");                             /* 4, 5 */
    trace_call_done("write", trace_ticks() - UINT32_MAX / 2); /* 6, 7 */
    trace_request_end("Produce", 1);                          /* 8 */
    trace_request_begin("Produce", NULL, 2, 1);               /* 9, 10 */
    uint64_t parked = trace_task_parked("x", TRACE_WAIT_OTHER, NULL); /* 11 */
    uint64_t started = trace_task_started(2, true);            /* 12 */
    trace_task_yielded(NULL);                                 /* 13 */
    trace_poll_begun();                                       /* 14 */
    assert_int_equal(used(), 15);
    assert_int_equal(chunk->records[0].time, (uint32_t)resumed);
    for (unsigned i = 1; i < 5; i += i == 1 ? 2 : 1)
        assert_times_equal(i, 0);
    assert_times_equal(8, 6);
    assert_times_equal(9, 6);
    assert_int_equal(chunk->records[11].time, (uint32_t)parked);
    assert_int_equal(started, parked);
    assert_times_equal(12, 11);
    assert_times_equal(14, 13);
}

/* A clock that stands still while one looks twice: each reading is of a later time. */
static void assert_later(unsigned a, unsigned b)
{
    assert_true((int32_t)(chunk->records[a].time - chunk->records[b].time) > 0);
}

static void what_took_time_has_a_time_of_its_own(void **state)
{
    (void)state;
    trace_task_started(1, false);                   /* 0 */
    trace_region_begin("a");                                  /* 1: no request began */
    trace_region_next("b");                                   /* 2 */
    trace_request_end("Produce", 1);                          /* 3: no call was before */
    trace_poll_begun();                                       /* 4: no task was left */
    trace_poll_ended();                                       /* 5 */
    trace_request_begin("Produce", NULL, 1, 1);               /* 6, 7: no task's start was before */
    for (unsigned i = 1; i <= 6; i++)
        assert_later(i, i - 1);
}

static void nothing_is_shared_with_another_recording(void **state)
{
    (void)state;
    trace_task_resumed(1, 0);
    uint32_t before = chunk->records[0].time;
    record_anew();
    trace_request_begin("Produce", NULL, 1, 1);
    assert_int_equal(used(), 2);
    assert_true((int32_t)(chunk->records[0].time - before) > 0);
}

static void a_long_silence_is_told_by_a_clock(void **state)
{
    (void)state;
    trace_region_begin("a");
    trace_writer.last_ticks -= 1ull << 31;
    trace_region_begin("b");
    trace_region_begin("c");
    assert_record(0, TRACE_REGION_BEGIN, 0, trace_argument(&chunk->records[0]));
    assert_record(1, TRACE_CLOCK, 0, trace_writer.last_ticks >> 32);
    assert_times_equal(1, 2);
    assert_int_equal(trace_type(&chunk->records[2]), TRACE_REGION_BEGIN);
    assert_int_equal(trace_type(&chunk->records[3]), TRACE_REGION_BEGIN);
    assert_int_equal(used(), 4);
}

static void a_chunk_begins_at_its_first_record(void **state)
{
    (void)state;
    uint64_t before = trace_ticks();
    trace_region_begin("a");
    assert_in_range(chunk->start_ticks, before, trace_ticks());
    assert_int_equal(chunk->records[0].time, (uint32_t)chunk->start_ticks);
}

static void a_tick_is_a_nanosecond_or_less(void **state)
{
    (void)state;
    double tick_ns = trace_tick_ns();
    assert_true(tick_ns > 0.05 && tick_ns < 100); /* a CPU's counter, a timer's, or CLOCK_MONOTONIC */
}

/* --- calls --- */

static uint64_t call_total(const char *name)
{
    struct trace_call_total totals[TRACE_CALL_NAMES_MAX];
    unsigned count = trace_call_totals(totals, TRACE_CALL_NAMES_MAX);
    uint64_t ticks = 0;
    for (unsigned i = 0; i < count; i++)
        ticks += strcmp(totals[i].name, name) == 0 ? totals[i].ticks : 0;
    return ticks;
}

static void a_call_has_its_duration_and_is_added_up(void **state)
{
    static const char name[] = "first call", same[] = "first call";
    (void)state;
    uint64_t took[2];
    trace_thread_is(TRACE_THREAD_WORKER);
    trace_call_done(name, trace_ticks() - 1000000000);
    trace_call_end(same, trace_ticks() - 2000000000);
    assert_record(0, TRACE_CALL, 1, of(name));
    assert_record(2, TRACE_CALL, 1, of(same));
    memcpy(&took[0], &chunk->records[1], 8);
    memcpy(&took[1], &chunk->records[3], 8);
    assert_in_range(took[0], 1000000000, 2000000000);
    assert_int_equal(call_total(name), took[0] + took[1]);

    trace_thread_is(TRACE_THREAD_OTHER); /* which no trace shows */
    trace_call_done(name, trace_ticks() - 1000000000);
    assert_int_equal(call_total(name), took[0] + took[1]);
}

static NOINLINE void call_at_depth(unsigned depth)
{
    if (depth > 0)
        call_at_depth(depth - 1);
    else
        trace_call_done("call", trace_ticks() - 1000000000);
    __asm__ volatile("");
}

/* One that was short for certain: an interrupt or a pause in its midst makes it long, and then it is made again. */
static void a_short_call_leaves_nothing(void **state)
{
    (void)state;
    double took_ns, tick_ns = trace_tick_ns();
    do {
        record_anew(); /* whose first record asks for a chunk */
        asked = 0;
        uint64_t begun = trace_ticks();
        trace_call_end("short call", begun);
        took_ns = (double)(trace_ticks() - begun) * tick_ns;
    } while (took_ns > 1000);
    trace_call_end("call of before the recording", 0);
    assert_int_equal(asked, 0);
}

static void errno_survives_a_call(void **state)
{
    (void)state;
    errno = EAGAIN;
    trace_call_done("write", trace_ticks() - 1000000000);
    assert_int_equal(asked, 1);
    assert_int_equal(errno, EAGAIN);
}

/* --- requests that are slow --- */

static void only_a_request_that_took_long_is_told(void **state)
{
    static const char name[] = "Produce";
    (void)state;
    atomic_store(&trace_slow_request_ns, 1000);
    trace_request_end(name, 999);
    assert_null(slow_name);
    trace_request_end(name, 1000);
    assert_ptr_equal(slow_name, name);
    assert_int_equal(slow_ns, 1000);
}

/* --- stacks --- */

static NOINLINE void park_at_depth(unsigned depth)
{
    if (depth > 0)
        park_at_depth(depth - 1);
    else
        trace_task_parked("x", TRACE_WAIT_SYNC, __builtin_frame_address(0));
    __asm__ volatile("");
}

static void claim_stack(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    assert_int_equal(pthread_getattr_np(pthread_self(), &attributes), 0);
    assert_int_equal(pthread_attr_getstack(&attributes, &low, &size), 0);
    pthread_attr_destroy(&attributes);
    probe_execution.stack_low = (uintptr_t)low;
    probe_execution.stack_high = (uintptr_t)low + size;
}

static void release_stack(void)
{
    probe_execution.stack_low = probe_execution.stack_high = 0;
}

static bool is_in(uint32_t pc, void (*function)(unsigned depth))
{
    uint32_t first = (uint32_t)((uintptr_t)function - trace_text_start());
    return pc > first && pc - first < 1000;
}

static void a_park_has_the_five_innermost_callers(void **state)
{
    (void)state;
    claim_stack();
    park_at_depth(10);
    release_stack();
    assert_record(0, TRACE_TASK_PARK, 1, trace_argument(&chunk->records[0]));
    assert_int_equal(trace_wait(&chunk->records[0]), TRACE_WAIT_SYNC);
    uint32_t pcs[1 + TRACE_PCS_PER_RECORD] = {chunk->records[0].where};
    memcpy(pcs + 1, &chunk->records[1], sizeof chunk->records[1]);
    for (unsigned i = 0; i < 5; i++)
        assert_true(is_in(pcs[i], park_at_depth));
}

static void a_full_stack_is_of_any_depth(void **state)
{
    (void)state;
    atomic_store(&trace_depth, TRACE_DEPTH_FULL);
    claim_stack();
    park_at_depth(200);
    release_stack();
    assert_record(0, TRACE_TASK_PARK, 15, trace_argument(&chunk->records[0]));
    uint32_t pcs[TRACE_DEPTH_FULL] = {chunk->records[0].where};
    memcpy(pcs + 1, &chunk->records[1], 15 * sizeof chunk->records[1]);
    for (unsigned i = 0; i < TRACE_DEPTH_FULL; i++)
        assert_true(is_in(pcs[i], park_at_depth));
}

static void a_stack_ends_at_its_bounds(void **state)
{
    (void)state;
    claim_stack();
    probe_execution.stack_high = (uintptr_t)__builtin_frame_address(0);
    park_at_depth(2); /* three frames lie below */
    release_stack();
    park_at_depth(2); /* on a stack that is nobody's */
    assert_record(0, TRACE_TASK_PARK, 1, trace_argument(&chunk->records[0]));
    uint32_t pcs[1 + TRACE_PCS_PER_RECORD] = {chunk->records[0].where};
    memcpy(pcs + 1, &chunk->records[1], sizeof chunk->records[1]);
    assert_true(is_in(pcs[0], park_at_depth) && is_in(pcs[1], park_at_depth));
    assert_int_equal(pcs[3], 0);
    assert_int_equal(pcs[4], 0);
    assert_record(2, TRACE_TASK_PARK, 0, trace_argument(&chunk->records[2]));
    assert_int_equal(chunk->records[2].where, 0);
}

static void a_call_has_two_callers_besides_and_all_with_full_stacks(void **state)
{
    (void)state;
    claim_stack();
    call_at_depth(10);
    atomic_store(&trace_depth, TRACE_DEPTH_FULL);
    call_at_depth(100);
    release_stack();
    call_at_depth(10);
    assert_record(0, TRACE_CALL, 1, trace_argument(&chunk->records[0]));
    uint32_t callers[TRACE_DEPTH_FULL - 1];
    memcpy(callers, (char *)&chunk->records[1] + 8, 8);
    assert_true(is_in(chunk->records[0].where, call_at_depth));
    assert_true(is_in(callers[0], call_at_depth) && is_in(callers[1], call_at_depth));
    assert_record(2, TRACE_CALL, 16, trace_argument(&chunk->records[2]));
    memcpy(callers, (char *)&chunk->records[3] + 8, sizeof callers);
    for (unsigned i = 0; i < TRACE_DEPTH_FULL - 1; i++)
        assert_true(is_in(callers[i], call_at_depth));
    assert_record(19, TRACE_CALL, 1, trace_argument(&chunk->records[19]));
    assert_true(is_in(chunk->records[19].where, call_at_depth));
    memcpy(callers, (char *)&chunk->records[20] + 8, 8);
    assert_int_equal(callers[0], 0);
    assert_int_equal(callers[1], 0);
}

static NOINLINE void unpark_inside(uintptr_t where)
{
    trace_task_unparked(5, where);
    __asm__ volatile("");
}

static NOINLINE void unpark_at_depth(unsigned depth)
{
    if (depth > 0)
        unpark_at_depth(depth - 1);
    else
        unpark_inside((uintptr_t)__builtin_return_address(0));
    __asm__ volatile("");
}

static void a_wake_begins_at_its_place_also_with_full_stacks(void **state)
{
    (void)state;
    claim_stack();
    unpark_at_depth(3);
    atomic_store(&trace_depth, TRACE_DEPTH_FULL);
    unpark_at_depth(3);
    release_stack();
    unpark_at_depth(3); /* on a thread that runs no task */
    assert_record(0, TRACE_TASK_UNPARK, 0, 5);
    assert_int_equal(trace_type(&chunk->records[1]), TRACE_TASK_UNPARK);
    unsigned more = trace_more(&chunk->records[1]);
    assert_true(more > 0);
    assert_record(2 + more, TRACE_TASK_UNPARK, 0, 5);
    assert_true(is_in(chunk->records[0].where, unpark_at_depth));
    assert_int_equal(chunk->records[1].where, chunk->records[0].where);
    assert_int_equal(chunk->records[2 + more].where, chunk->records[0].where);
}

static NOINLINE void region_at_depth(unsigned depth)
{
    if (depth > 0)
        region_at_depth(depth - 1);
    else
        trace_region_begin("a");
    __asm__ volatile("");
}

static void a_region_has_its_place_and_with_full_stacks_its_callers(void **state)
{
    (void)state;
    claim_stack();
    region_at_depth(3);
    atomic_store(&trace_depth, TRACE_DEPTH_FULL);
    region_at_depth(3);
    release_stack();
    assert_record(0, TRACE_REGION_BEGIN, 0, trace_argument(&chunk->records[0]));
    assert_true(trace_more(&chunk->records[1]) > 0);
    assert_true(is_in(chunk->records[0].where, region_at_depth));
    assert_int_equal(chunk->records[1].where, chunk->records[0].where);
}

/* --- room --- */

static void without_a_chunk_a_record_is_lost_and_the_next_asks_again(void **state)
{
    (void)state;
    has_room = false;
    trace_region_begin("a");
    trace_region_begin("b");
    assert_int_equal(asked, 2);
    assert_int_equal(used(), 0);
    has_room = true;
    trace_region_begin("c");
    assert_int_equal(asked, 3);
    assert_int_equal(used(), 1);
}

static void a_record_that_does_not_fit_goes_into_the_next_chunk_whole(void **state)
{
    (void)state;
    while (asked < 2)
        trace_log("topic", "orders"); /* two records each */
    assert_int_equal(used(), 2);
    assert_true(asked == 2);
}

static void a_chunk_is_never_overrun(void **state)
{
    (void)state;
    uintptr_t pcs[508] = {0};
    struct trace_sample sample = {0};
    for (unsigned i = 0; i < 1000; i++) {
        trace_writer.last_ticks -= i % 3 == 0 ? 1ull << 31 : 0; /* a clock is written besides */
        trace_cpu_sample(&sample, 1, pcs, i % 500);
        assert_in_range(used(), 1, CAPACITY);
    }
    assert_true(asked > 100);
}

static void nobody_records_nothing_is_asked_for(void **state)
{
    (void)state;
    atomic_store(&trace_session, 0);
    assert_false(trace_is_on());
    trace_request_begin("Produce", NULL, 1, 1);
    trace_region_begin("a");
    trace_log("topic", "orders");
    trace_region_end();
    trace_request_end("Produce", UINT64_MAX);
    assert_int_equal(trace_call_begin(), 0);
    trace_task_parked("x", TRACE_WAIT_OTHER, NULL); /* switched off since the caller looked */
    trace_call_done("write", trace_ticks() - 1000000000);
    assert_int_equal(asked, 0);
    assert_null(slow_name);
}

static void another_recording_takes_another_chunk(void **state)
{
    (void)state;
    trace_region_begin("a");
    trace_region_begin("b");
    assert_int_equal(asked, 1);
    record_anew();
    trace_region_begin("c");
    assert_int_equal(asked, 2);
    assert_int_equal(used(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_holds_type_wait_more_and_argument),
        cmocka_unit_test_setup_teardown(a_task_has_its_function_and_its_name_cut_to_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_has_its_facts_and_logs_their_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sample_has_its_addresses_and_is_cut_at_the_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_follows_at_once_shares_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_took_time_has_a_time_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_shared_with_another_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_silence_is_told_by_a_clock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_chunk_begins_at_its_first_record, set_up, tear_down),
        cmocka_unit_test(a_tick_is_a_nanosecond_or_less),
        cmocka_unit_test_setup_teardown(a_call_has_its_duration_and_is_added_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_call_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_call_has_two_callers_besides_and_all_with_full_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errno_survives_a_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_request_that_took_long_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_park_has_the_five_innermost_callers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_stack_is_of_any_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stack_ends_at_its_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wake_begins_at_its_place_also_with_full_stacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_region_has_its_place_and_with_full_stacks_its_callers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_chunk_a_record_is_lost_and_the_next_asks_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_does_not_fit_goes_into_the_next_chunk_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_chunk_is_never_overrun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_records_nothing_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_recording_takes_another_chunk, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
