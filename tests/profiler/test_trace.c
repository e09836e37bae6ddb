/* test_trace.c: whole traces of real tasks: from reactors through recorder, reader, repair and encoder to a reader. */
#include "profiler/trace.h"

#include "burn.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/trace.h"
#include "go_reader.h"
#include "profiler/cpu.h"
#include "profiler/profiler.h"
#include "profiler/stack_table.h"
#include "profiler/trace_recorder.h"
#include "runtime/lock.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "trace/decode.h"
#include "trace/format.h"
#include "trace/tables.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HOUR_NS (3600 * NS_PER_S)

static struct profiler *profiler;
static struct reactor *reactors[2];

static int create(void **state)
{
    const struct profiler_options options = {.enabled = true, .cpu_hz = 100, .trace_buffer = 64 << 20};
    (void)state;
    if (profiler_create(&profiler, &options) < 0)
        return -1;
    for (unsigned i = 0; i < ARRAY_COUNT(reactors); i++)
        if (reactor_start(&reactors[i], &(struct reactor_options){.name = i ? "second" : "first"}) < 0)
            return -1;
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(reactors); i++)
        reactor_stop(reactors[i]);
    for (unsigned i = 0; i < ARRAY_COUNT(reactors); i++)
        reactor_join(reactors[i]);
    profiler_destroy(profiler);
    return 0;
}

/* --- something to trace --- */

#define ROUNDS 100

static atomic_uint done_count;
static struct task *_Atomic sleeper;

static void sleep_until_canceled(void *argument)
{
    (void)argument;
    atomic_store(&sleeper, task_self());
    while (task_park(WAIT_READ, TIMEOUT_NEVER) == 0)
        continue;
    atomic_store(&sleeper, NULL);
}

static void count_done(void *argument)
{
    (void)argument;
    atomic_fetch_add(&done_count, 1);
}

/* It sleeps as soon as another task of its reactor gets a turn. */
static void start_sleeper(void)
{
    assert_int_equal(reactor_spawn(reactors[0], "sleeper", sleep_until_canceled, NULL), 0);
    while (!atomic_load(&sleeper))
        sched_yield();
    atomic_store(&done_count, 0);
    assert_int_equal(reactor_spawn(reactors[0], "next", count_done, NULL), 0);
    while (atomic_load(&done_count) == 0)
        sched_yield();
}

static void compute_a_little(void *argument)
{
    volatile unsigned *sink = argument;
    for (unsigned i = 0; i < 1000; i++)
        *sink += i;
}

static void serve(void *argument)
{
    unsigned sink = 0;
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        trace_request_begin("Produce", "client", (int32_t)i, 100);
        trace_region_begin("decode");
        task_yield();
        trace_region_next("append");
        ASSERT(task_offload(WAIT_FILE, compute_a_little, &sink) == 0);
        trace_region_end();
        trace_request_end("Produce", 0);
    }
    atomic_fetch_add(&done_count, 1);
}

/* So many requests on each reactor, and no more. */
static void serve_requests(void)
{
    atomic_store(&done_count, 0);
    for (unsigned i = 0; i < ARRAY_COUNT(reactors); i++)
        assert_int_equal(reactor_spawn(reactors[i], "server", serve, NULL), 0);
    while (atomic_load(&done_count) < ARRAY_COUNT(reactors))
        sched_yield();
}

/* --- taking a trace --- */

static void tell(void *context)
{
    sem_post(context);
}

/* All that comes, until the end. */
static void take_all(struct trace_collection *collection, sem_t *told, struct buf *bytes)
{
    while (trace_take(collection, bytes))
        while (sem_wait(told) != 0)
            continue;
    trace_close(collection);
}

static struct trace_collection *open_trace(const struct trace_query *query)
{
    struct trace_collection *collection = NULL;
    assert_int_equal(trace_open(profiler, query, &collection), 0);
    return collection;
}

static void expect_valid(const struct buf *bytes, struct go_reader_counts *counts)
{
    const char *fault = go_reader_check(buf_bytes(bytes), counts);
    if (fault)
        fail_msg("%s", fault);
}

static bool has_text(const struct buf *bytes, const char *text)
{
    return memmem(bytes->data, bytes->size, text, strlen(text)) != NULL;
}

static const char *const go_formats[] = {"1.19", "1.22"};

static void what_happens_from_now_on_is_the_trace(void **state)
{
    (void)state;
    start_sleeper();
    for (unsigned i = 0; i < ARRAY_COUNT(go_formats); i++) {
        struct go_reader_counts counts;
        struct buf bytes;
        sem_t told;
        buf_init(&bytes);
        sem_init(&told, 0, 0);
        serve_requests(); /* before: not in it */
        struct trace_collection *collection = open_trace(&(struct trace_query){
            .format = trace_format_find(bytes_of_string(go_formats[i])),
            .duration_ns = HOUR_NS,
            .notify = tell,
            .context = &told,
        });
        serve_requests();
        trace_stop(collection);
        take_all(collection, &told, &bytes);
        expect_valid(&bytes, &counts);
        assert_int_equal(counts.requests, 2 * ROUNDS);
        assert_int_equal(counts.regions, 4 * ROUNDS);
        assert_true(counts.yields >= 2 * ROUNDS);
        assert_true(counts.starts >= 4 * ROUNDS);
        if (i == 0) /* the other format gives no name to a task that does nothing */
            assert_true(has_text(&bytes, "sleeper"));
        assert_true(has_text(&bytes, "takhin " TAKHIN_VERSION));
        buf_deinit(&bytes);
        sem_destroy(&told);
    }
    task_cancel(atomic_load(&sleeper));
}

static void it_ends_by_itself(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    struct buf bytes;
    sem_t told;
    buf_init(&bytes);
    sem_init(&told, 0, 0);
    uint64_t begin_ns = clock_monotonic_ns();
    take_all(open_trace(&(struct trace_query){.format = &trace_format_1_19, .duration_ns = 50 * NS_PER_MS,
                                              .notify = tell, .context = &told}), &told, &bytes);
    assert_true(clock_monotonic_ns() - begin_ns >= 50 * NS_PER_MS);
    expect_valid(&bytes, &counts);
    buf_deinit(&bytes);
    sem_destroy(&told);
}

/* --- the time before now --- */

struct names_seen {
    const struct trace_tables *tables;
    unsigned waiting_sleepers, servers_before, servers_created, requests;
};

static void see(const struct trace_event *event, void *context)
{
    struct names_seen *seen = context;
    const char *name = (const char *)trace_string_text(seen->tables, event->name).data;
    if (event->type == TRACE_EVENT_TASK_EXISTS && strcmp(name, "sleeper") == 0)
        seen->waiting_sleepers += event->is_waiting;
    seen->servers_before += event->type == TRACE_EVENT_TASK_EXISTS && strcmp(name, "server") == 0;
    seen->servers_created += event->type == TRACE_EVENT_TASK_CREATE && strcmp(name, "server") == 0;
    seen->requests += event->type == TRACE_EVENT_REQUEST_BEGIN;
}

static struct names_seen decode(const struct buf *bytes)
{
    struct trace_tables *tables = trace_tables_create();
    struct names_seen seen = {.tables = tables};
    struct buf message;
    buf_init(&message);
    int rc = trace_decode(buf_bytes(bytes), tables, see, &seen, &message);
    if (rc < 0)
        fail_msg("%s", buf_string(&message));
    buf_deinit(&message);
    trace_tables_destroy(tables);
    return seen;
}

static void what_has_happened_is_the_trace(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    struct buf bytes;
    sem_t told;
    buf_init(&bytes);
    sem_init(&told, 0, 0);
    profiler_reconfigure(profiler, &(struct profiler_options){.cpu_hz = 100, .trace_buffer = 0});
    start_sleeper();
    profiler_reconfigure(profiler, &(struct profiler_options){.cpu_hz = 100, .trace_buffer = 16 << 20});
    serve_requests();
    take_all(open_trace(&(struct trace_query){.format = &trace_format_1_19, .last_ns = HOUR_NS, .notify = tell,
                                              .context = &told}), &told, &bytes);
    expect_valid(&bytes, &counts);
    assert_int_equal(counts.requests, 2 * ROUNDS);
    struct names_seen seen = decode(&bytes);
    assert_int_equal(seen.requests, 2 * ROUNDS);
    assert_int_equal(seen.waiting_sleepers, 1);
    assert_int_equal(seen.servers_before, 0);
    assert_int_equal(seen.servers_created, 2);
    task_cancel(atomic_load(&sleeper));
    buf_deinit(&bytes);
    sem_destroy(&told);
}

static void without_a_flight_recorder_there_is_no_past(void **state)
{
    (void)state;
    struct trace_collection *collection;
    profiler_reconfigure(profiler, &(struct profiler_options){.cpu_hz = 100, .trace_buffer = 0});
    const struct trace_query query = {.format = &trace_format_1_19, .last_ns = NS_PER_S};
    assert_int_equal(trace_open(profiler, &query, &collection), ERR_UNSUPPORTED);
}

/* --- ends that nobody asked for --- */

#define LONG_TEXTS 40000u

static char (*long_texts)[TRACE_STRING_MAX];

static void log_long_texts(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LONG_TEXTS; i++) {
        memset(long_texts[i], 'a', TRACE_STRING_MAX - 1);
        snprintf(long_texts[i], 16, "%014u", i);
        long_texts[i][14] = 'a';
        trace_log("text", long_texts[i]);
    }
    atomic_fetch_add(&done_count, 1);
}

static void a_trace_that_is_too_large_is_cut_and_says_so(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    struct buf bytes;
    sem_t told;
    buf_init(&bytes);
    sem_init(&told, 0, 0);
    long_texts = mem_alloc_array(LONG_TEXTS, sizeof *long_texts);
    uint64_t cut_count = trace_stats(profiler).cut_count;
    struct trace_collection *collection = open_trace(&(struct trace_query){
        .format = &trace_format_1_19, .duration_ns = HOUR_NS, .notify = tell, .context = &told});
    atomic_store(&done_count, 0);
    assert_int_equal(reactor_spawn(reactors[0], "talker", log_long_texts, NULL), 0);
    take_all(collection, &told, &bytes); /* ends by itself */
    while (atomic_load(&done_count) == 0)
        sched_yield();
    expect_valid(&bytes, &counts);
    assert_true(bytes.size <= TRACE_BYTES_MAX);
    assert_true(bytes.size > TRACE_BYTES_MAX / 2);
    assert_true(has_text(&bytes, "trace cut at 32 MiB after"));
    assert_int_equal(trace_stats(profiler).cut_count, cut_count + 1);
    /* The recorder still points at the texts. */
    profiler_reconfigure(profiler, &(struct profiler_options){.cpu_hz = 100, .trace_buffer = 0});
    mem_free(long_texts);
    buf_deinit(&bytes);
    sem_destroy(&told);
}

static void lost_records_end_it_cleanly(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    struct buf bytes;
    buf_init(&bytes);
    profiler_reconfigure(profiler, &(struct profiler_options){.cpu_hz = 100, .trace_buffer = 0});
    struct trace_collection *collection = open_trace(&(struct trace_query){.format = &trace_format_1_19,
                                                                           .duration_ns = HOUR_NS});
    serve_requests();
    /* Faster than anybody could repair them; of a task that is none, so that the trace is not full before. */
    while (trace_take(collection, &bytes))
        for (unsigned i = 0; i < 100000; i++)
            trace_task_unparked(UINT32_MAX, 0);
    trace_close(collection);
    expect_valid(&bytes, &counts);
    assert_true(has_text(&bytes, "records were lost after"));
    buf_deinit(&bytes);
}

/* --- several, and in a hurry --- */

static void several_run_at_once_but_not_too_many(void **state)
{
    (void)state;
    enum { AT_ONCE = 4 };
    struct trace_collection *collections[AT_ONCE], *one_more;
    struct go_reader_counts counts;
    sem_t told[AT_ONCE];
    for (unsigned i = 0; i < AT_ONCE; i++) {
        sem_init(&told[i], 0, 0);
        collections[i] = open_trace(&(struct trace_query){
            .format = trace_format_find(bytes_of_string(go_formats[i % 2])),
            .duration_ns = HOUR_NS,
            .full_stacks = i == 3,
            .notify = tell,
            .context = &told[i],
        });
    }
    const struct trace_query query = {.format = &trace_format_1_19, .last_ns = HOUR_NS};
    assert_int_equal(trace_open(profiler, &query, &one_more), ERR_BUSY);
    serve_requests();
    for (unsigned i = 0; i < AT_ONCE; i++) {
        struct buf bytes;
        buf_init(&bytes);
        trace_stop(collections[i]);
        take_all(collections[i], &told[i], &bytes);
        expect_valid(&bytes, &counts);
        assert_int_equal(counts.requests, 2 * ROUNDS);
        buf_deinit(&bytes);
        sem_destroy(&told[i]);
    }
    one_more = open_trace(&query);
    trace_close(one_more);
}

static void it_may_be_left_at_any_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        trace_close(open_trace(&(struct trace_query){.format = &trace_format_1_19, .duration_ns = HOUR_NS}));
        serve_requests();
        trace_close(open_trace(&(struct trace_query){.format = &trace_format_1_19, .last_ns = HOUR_NS}));
    }
}

/* --- CPU samples --- */

static atomic_bool burner_ends;
static atomic_uint burnt_ms;

static void burn_in_turns(void *argument)
{
    (void)argument;
    while (!atomic_load(&burner_ends)) {
        burn(NS_PER_MS);
        atomic_fetch_add(&burnt_ms, 1);
        task_yield();
    }
    atomic_fetch_add(&done_count, 1);
}

struct samples_seen {
    unsigned in_burn, of_others_there;
    const struct trace_tables *tables;
};

/* The root of a task's stack is its name. */
static void see_samples(const struct trace_event *event, void *context)
{
    struct samples_seen *seen = context;
    unsigned depth;
    bool is_in_burn = false;
    if (event->type != TRACE_EVENT_SAMPLE || event->stack == 0)
        return;
    const struct trace_frame *frames = trace_stack_frames(seen->tables, event->stack, &depth);
    for (unsigned i = 0; i < depth; i++)
        is_in_burn |= bytes_equal_string(trace_string_text(seen->tables, frames[i].function), "burn");
    if (!is_in_burn)
        return;
    seen->in_burn++;
    seen->of_others_there +=
        !bytes_equal_string(trace_string_text(seen->tables, frames[depth - 1].function), "burner");
}

static void samples_of_a_cpu_profile_are_in_it(void **state)
{
    (void)state;
    struct cpu_sampler *sampler = profiler_cpu(profiler);
    struct stack_table *stacks = stack_table_create(2);
    struct cpu_reader *reader;
    struct go_reader_counts counts;
    struct buf bytes, message;
    sem_t told;
    buf_init(&bytes);
    buf_init(&message);
    sem_init(&told, 0, 0);
    struct trace_collection *collection = open_trace(&(struct trace_query){
        .format = &trace_format_1_19, .duration_ns = HOUR_NS, .notify = tell, .context = &told});
    atomic_store(&done_count, 0);
    atomic_store(&burner_ends, false);
    assert_int_equal(cpu_reader_start(sampler, 100, stacks, &reader), 0);
    assert_int_equal(reactor_spawn(reactors[0], "burner", burn_in_turns, NULL), 0);
    uint64_t samples = cpu_sampler_stats(sampler).sample_count;
    while (cpu_sampler_stats(sampler).sample_count < samples + 5)
        usleep(1000);
    unsigned before_ms = atomic_load(&burnt_ms);
    while (atomic_load(&burnt_ms) < before_ms + 200) /* 20 samples of it, less what the kernel's tick takes together */
        usleep(1000);
    cpu_reader_stop(reader); /* all of them have been taken then */
    trace_stop(collection);
    atomic_store(&burner_ends, true);
    take_all(collection, &told, &bytes);
    while (atomic_load(&done_count) == 0)
        sched_yield();

    expect_valid(&bytes, &counts);
    assert_true(counts.samples >= 5);
    struct trace_tables *tables = trace_tables_create();
    struct samples_seen seen = {.tables = tables};
    assert_int_equal(trace_decode(buf_bytes(&bytes), tables, see_samples, &seen, &message), 0);
    if (!SIGNALS_ARE_LATE) {
        assert_in_range(seen.in_burn, 5, counts.samples);
        assert_int_equal(seen.of_others_there, 0);
    }
    trace_tables_destroy(tables);
    stack_table_destroy(stacks);
    buf_deinit(&bytes);
    buf_deinit(&message);
    sem_destroy(&told);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_happens_from_now_on_is_the_trace),
        TEST(it_ends_by_itself),
        TEST(what_has_happened_is_the_trace),
        TEST(without_a_flight_recorder_there_is_no_past),
        TEST(a_trace_that_is_too_large_is_cut_and_says_so),
        TEST(lost_records_end_it_cleanly),
        TEST(several_run_at_once_but_not_too_many),
        TEST(it_may_be_left_at_any_time),
        TEST(samples_of_a_cpu_profile_are_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
