/* test_decode.c: files are read back as the events that they were made of; and what is cut, damaged or hostile. */
#include "trace/decode.h"

#include "base/error.h"
#include "base/mem.h"
#include "encode.h"
#include "event_rules.h"
#include "events.h"
#include "trace/go_v1_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What decoding gave. */
struct decoded {
    struct trace_tables *tables;
    struct event_rules rules;
    struct trace_event *events;
    size_t count, capacity;
    unsigned type_counts[TRACE_EVENT_TYPE_COUNT];
    int result;
    struct buf message;
};

static void keep(const struct trace_event *event, void *context)
{
    struct decoded *decoded = context;
    const char *broken = event_rules_check(&decoded->rules, event);
    if (broken)
        fail_msg("event %zu breaks a rule: %s", decoded->count, broken);
    if (decoded->count == decoded->capacity) {
        decoded->capacity = decoded->capacity ? 2 * decoded->capacity : 256;
        decoded->events = mem_realloc(decoded->events, decoded->capacity * sizeof *decoded->events);
    }
    decoded->events[decoded->count++] = *event;
    decoded->type_counts[event->type]++;
}

static struct decoded decode(struct bytes file)
{
    struct decoded decoded = {.tables = trace_tables_create()};
    buf_init(&decoded.message);
    event_rules_init(&decoded.rules, decoded.tables);
    /* In memory of its own size, so that reading beyond the end is seen. */
    uint8_t *copy = file.size > 0 ? mem_alloc(file.size) : NULL;
    if (copy)
        memcpy(copy, file.data, file.size);
    decoded.result = trace_decode(bytes_of(copy, file.size), decoded.tables, keep, &decoded, &decoded.message);
    mem_free(copy);
    assert_int_equal(decoded.result == 0, decoded.message.size == 0);
    return decoded;
}

static void decoded_deinit(struct decoded *decoded)
{
    event_rules_deinit(&decoded->rules);
    buf_deinit(&decoded->message);
    mem_free(decoded->events);
    trace_tables_destroy(decoded->tables);
}

static struct buf read_file(const char *path)
{
    struct buf content;
    buf_init(&content);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t got;
    while ((got = fread(buf_reserve(&content, 65536), 1, 65536, file)) > 0)
        content.size += got;
    fclose(file);
    return content;
}

static const char *text(const struct decoded *decoded, uint32_t id)
{
    return (const char *)trace_string_text(decoded->tables, id).data;
}

/* --- a program of Go's --- */

static const char golden_path[] = TAKHIN_SOURCE_DIR "/tests/trace/golden/go_1_19.trace";

static void go_program_has_as_many_events_as_go_tool_trace_says(void **state)
{
    (void)state;
    static const unsigned counts[TRACE_EVENT_TYPE_COUNT] = {
        [TRACE_EVENT_LANE] = 2,
        [TRACE_EVENT_LANE_START] = 30,
        [TRACE_EVENT_LANE_STOP] = 29,
        [TRACE_EVENT_TASK_EXISTS] = 6, /* and creations: 13 GoCreate */
        [TRACE_EVENT_TASK_CREATE] = 7,
        [TRACE_EVENT_TASK_START] = 31,
        [TRACE_EVENT_TASK_PARK] = 8 + 6 + 3 + 1 + 1, /* sleep, sync, network, other, and a GoSysBlock */
        [TRACE_EVENT_TASK_YIELD] = 5 + 1,
        [TRACE_EVENT_TASK_END] = 6,
        [TRACE_EVENT_TASK_UNPARK] = 17 + 1, /* and a GoSysExit */
        [TRACE_EVENT_CALL_BEGIN] = 29,
        [TRACE_EVENT_CALL_END] = 29,
        [TRACE_EVENT_REQUEST_BEGIN] = 6,
        [TRACE_EVENT_REQUEST_END] = 6,
        [TRACE_EVENT_REGION_BEGIN] = 12,
        [TRACE_EVENT_REGION_END] = 12,
        [TRACE_EVENT_LOG] = 6,
        [TRACE_EVENT_HEAP] = 3,
        [TRACE_EVENT_SAMPLE] = 1,
    };
    struct buf file = read_file(golden_path);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    for (unsigned i = 0; i < TRACE_EVENT_TYPE_COUNT; i++)
        assert_int_equal(decoded.type_counts[i], counts[i]);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

static const struct trace_event *find(const struct decoded *decoded, enum trace_event_type type, const char *name)
{
    for (size_t i = 0; i < decoded->count; i++)
        if (decoded->events[i].type == type && strcmp(text(decoded, decoded->events[i].text), name) == 0)
            return &decoded->events[i];
    fail_msg("no such event: %s", name);
    return NULL;
}

static void go_program_has_its_names_and_places(void **state)
{
    (void)state;
    struct buf file = read_file(golden_path);

    struct decoded decoded = decode(buf_bytes(&file));

    const struct trace_event *lock = find(&decoded, TRACE_EVENT_TASK_PARK, "lock");
    unsigned depth;
    const struct trace_frame *frames = trace_stack_frames(decoded.tables, lock->stack, &depth);
    assert_string_equal(text(&decoded, frames[0].function), "sync.(*WaitGroup).Wait");
    assert_string_equal(text(&decoded, frames[0].file), "sync/waitgroup.go");
    assert_string_equal(text(&decoded, frames[depth - 1].function), "main.main");
    assert_int_equal(lock->wait, TRACE_EVENT_WAIT_SYNC);
    assert_int_equal(find(&decoded, TRACE_EVENT_TASK_PARK, "IO wait")->wait, TRACE_EVENT_WAIT_NETWORK);
    /* The call that kept its thread for long, and lost it. */
    assert_int_equal(find(&decoded, TRACE_EVENT_TASK_PARK, "syscall.read")->wait, TRACE_EVENT_WAIT_OTHER);
    const struct trace_event *log = find(&decoded, TRACE_EVENT_LOG, "client");
    assert_string_equal(text(&decoded, log->value), "c1");
    assert_int_equal(log->request, find(&decoded, TRACE_EVENT_REQUEST_BEGIN, "Produce")->request);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

/* --- takhin's own --- */

static void assert_same_text(const struct trace_tables *a_tables, uint32_t a, const struct trace_tables *b_tables,
                             uint32_t b)
{
    assert_string_equal(trace_string_text(a_tables, a).data, trace_string_text(b_tables, b).data);
}

/* At most so many frames of it. */
static void assert_same_stack(const struct trace_tables *a_tables, uint32_t a, const struct trace_tables *b_tables,
                              uint32_t b, unsigned depth_max)
{
    assert_int_equal(a == 0, b == 0);
    if (a == 0)
        return;
    unsigned a_depth, b_depth;
    const struct trace_frame *a_frames = trace_stack_frames(a_tables, a, &a_depth);
    const struct trace_frame *b_frames = trace_stack_frames(b_tables, b, &b_depth);
    assert_int_equal(a_depth < depth_max ? a_depth : depth_max, b_depth);
    for (unsigned i = 0; i < b_depth; i++) {
        assert_same_text(a_tables, a_frames[i].function, b_tables, b_frames[i].function);
        assert_same_text(a_tables, a_frames[i].file, b_tables, b_frames[i].file);
        assert_int_equal(a_frames[i].line, b_frames[i].line);
    }
}

/* The format has no names of lanes, puts three ticks in after what is there at the start, and has only the place of
 * regions: viewers group them by that. */
static void assert_same_event(const struct trace_tables *a_tables, const struct trace_event *a,
                              const struct trace_tables *b_tables, const struct trace_event *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->lane, b->lane);
    if (a->lane != LATE_LANE) /* whose thread's id was another's before: viewers would take them for one */
        assert_int_equal(a->thread_id, b->thread_id);
    if (a->type == TRACE_EVENT_LANE)
        return;
    assert_int_equal(a->time_ns == 0 ? 0 : a->time_ns + 3, b->time_ns);
    assert_int_equal(a->type == TRACE_EVENT_HEAP ? 0 : a->task, b->task);
    assert_int_equal(a->request, b->request);
    bool is_region = a->type == TRACE_EVENT_REGION_BEGIN || a->type == TRACE_EVENT_REGION_END;
    assert_same_stack(a_tables, a->stack, b_tables, b->stack, is_region ? 1 : TRACE_STACK_MAX);
    assert_same_stack(a_tables, a->entry, b_tables, b->entry, 1);
    assert_same_text(a_tables, a->text, b_tables, b->text);
    assert_same_text(a_tables, a->name, b_tables, b->name);
    assert_same_text(a_tables, a->value, b_tables, b->value);
    assert_int_equal(a->wait, b->wait);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->limit_bytes, b->limit_bytes);
    assert_int_equal(a->is_waiting, b->is_waiting);
}

/* In the order of lanes, and of each lane's own; samples are in a row of their own. */
static unsigned row_of(const struct trace_event *event)
{
    return event->type == TRACE_EVENT_LANE ? 0 : event->type == TRACE_EVENT_SAMPLE ? 1 : 3 + event->lane;
}

static const struct trace_event *next_in_row(const struct trace_event *events, size_t count, unsigned row, size_t *at)
{
    while (*at < count && row_of(&events[*at]) != row)
        ++*at;
    return *at < count ? &events[(*at)++] : NULL;
}

static void what_was_encoded_comes_back_the_same(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 300, 200000);
    struct buf file = encode("1.19", tables, broker.events, broker.count);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    for (unsigned row = 0; row <= 3 + LATE_LANE; row++) {
        size_t a_at = 0, b_at = 0;
        for (;;) {
            const struct trace_event *a = next_in_row(broker.events, broker.count, row, &a_at);
            const struct trace_event *b = next_in_row(decoded.events, decoded.count, row, &b_at);
            if (!a)
                break; /* what is still going on then ends in the file */
            assert_non_null(b);
            assert_same_event(tables, a, decoded.tables, b);
        }
    }
    decoded_deinit(&decoded);
    buf_deinit(&file);
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

/* --- cut files --- */

/* Each cut gives an error, or less of the same; and never an event that breaks a rule: keep() holds to that. */
static void assert_every_cut_is_clean(struct bytes file)
{
    struct decoded whole = decode(file);
    assert_int_equal(whole.result, 0);
    for (size_t size = 0; size < file.size; size++) {
        struct decoded cut = decode(bytes_of(file.data, size));
        assert_true(cut.result == 0 || cut.result == ERR_TRUNCATED || cut.result == ERR_MALFORMED);
        assert_true(cut.count <= whole.count);
        if (size < 16)
            assert_int_equal(cut.result, ERR_TRUNCATED);
        decoded_deinit(&cut);
    }
    decoded_deinit(&whole);
}

static void every_cut_of_a_small_trace_is_clean(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 12, 100000);
    struct buf file = encode("1.19", tables, broker.events, broker.count);
    assert_every_cut_is_clean(buf_bytes(&file));
    buf_deinit(&file);
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

static void every_cut_of_a_go_programs_trace_is_clean(void **state)
{
    (void)state;
    struct buf file = read_file(golden_path);
    assert_every_cut_is_clean(buf_bytes(&file));
    buf_deinit(&file);
}

/* --- files made by hand --- */

#define NO_LANE UINT64_MAX

static void put_number(struct buf *file, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        buf_append_byte(file, (uint8_t)(number | 0x80));
    buf_append_byte(file, (uint8_t)number);
}

/* The values of a record: its time first, where it has one. */
static void put_values(struct buf *file, uint8_t type, const uint64_t *values, unsigned count)
{
    struct buf body;
    buf_init(&body);
    for (unsigned i = 0; i < count; i++)
        put_number(&body, values[i]);
    bool is_counted = count < 4 && type != GO_V1_STACK;
    bool has_count = type != GO_V1_FREQUENCY && type != GO_V1_STRING;
    buf_append_byte(file, (uint8_t)(type | (!has_count ? 0 : is_counted ? count - 1 : 3) << 6));
    if (!is_counted)
        put_number(file, body.size);
    buf_append_bytes(file, buf_bytes(&body));
    buf_deinit(&body);
}
#define PUT(file, type, ...) \
    put_values(file, type, (uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void put_string(struct buf *file, uint64_t id, const char *string)
{
    PUT(file, GO_V1_STRING, id, strlen(string));
    buf_append_string(file, string);
}

/* A trace of ns, with some names: 1 is the stack of a task's entry, 2 that of a wait with a name of its own. */
static struct buf begin_file(void)
{
    struct buf file;
    buf_init(&file);
    buf_append(&file, "go 1.19 trace\0\0", 16);
    PUT(&file, GO_V1_BATCH, NO_LANE, 1000);
    PUT(&file, GO_V1_FREQUENCY, 1000000000);
    put_string(&file, 1, "kafka connection");
    put_string(&file, 2, "src/broker/connection.c");
    put_string(&file, 3, "[pwrite]");
    put_string(&file, 4, "Produce");
    put_string(&file, 5, "append");
    PUT(&file, GO_V1_STACK, 1, 1, 16, 1, 2, 40);
    PUT(&file, GO_V1_STACK, 2, 2, 32, 3, 0, 0, 48, 1, 2, 99);
    return file;
}

/* Task 7, which waits, and task 8, which may run. */
static struct buf begin_two_tasks(void)
{
    struct buf file = begin_file();
    PUT(&file, GO_V1_CREATE, 0, 7, 1, 0);
    PUT(&file, GO_V1_WAITING, 0, 7);
    PUT(&file, GO_V1_CREATE, 0, 8, 1, 0);
    return file;
}

static void records_are_taken_in_the_order_of_sequence_numbers_and_times_never_go_back(void **state)
{
    (void)state;
    struct buf file = begin_two_tasks();
    /* Lane 1 starts what lane 0 wakes later, by its clock. */
    PUT(&file, GO_V1_BATCH, 1, 1005);
    PUT(&file, GO_V1_PROC_START, 0, 200);
    PUT(&file, GO_V1_START, 0, 7, 3);
    PUT(&file, GO_V1_BLOCK_NETWORK, 1, 0);
    PUT(&file, GO_V1_BATCH, 0, 1010);
    PUT(&file, GO_V1_PROC_START, 0, 100);
    PUT(&file, GO_V1_START, 0, 8, 1);
    PUT(&file, GO_V1_UNBLOCK, 0, 7, 2, 0);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    const struct trace_event *last = &decoded.events[decoded.count - 1];
    assert_int_equal(last[-2].type, TRACE_EVENT_TASK_UNPARK);
    assert_int_equal(last[-2].time_ns, 10);
    assert_int_equal(last[-1].type, TRACE_EVENT_TASK_START);
    assert_int_equal(last[-1].lane, 1);
    assert_int_equal(last[-1].time_ns, 10);
    assert_int_equal(last[0].type, TRACE_EVENT_TASK_PARK);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

/* Of lane 0, in which task 8 runs: a call, which its lane waits for. */
static void put_call_out(struct buf *file)
{
    PUT(file, GO_V1_BATCH, 0, 1010);
    PUT(file, GO_V1_PROC_START, 0, 100);
    PUT(file, GO_V1_START, 0, 8, 1);
    PUT(file, GO_V1_CALL, 5, 2);
    PUT(file, GO_V1_CALL_BLOCK, 0);
    PUT(file, GO_V1_PROC_STOP, 0);
}

static void call_that_keeps_its_lane_is_a_call(void **state)
{
    (void)state;
    struct buf file = begin_two_tasks();
    put_call_out(&file);
    PUT(&file, GO_V1_PROC_START, 20, 100);
    PUT(&file, GO_V1_CALL_EXIT, 0, 8, 2, 0);
    PUT(&file, GO_V1_START, 0, 8, 3);
    PUT(&file, GO_V1_END, 1);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    const struct trace_event *last = &decoded.events[decoded.count - 1];
    assert_int_equal(last[-2].type, TRACE_EVENT_CALL_BEGIN);
    assert_int_equal(last[-2].time_ns, 15);
    assert_string_equal(text(&decoded, last[-2].text), "pwrite");
    unsigned depth;
    assert_int_equal(trace_stack_frames(decoded.tables, last[-2].stack, &depth)[0].line, 99);
    assert_int_equal(depth, 1);
    assert_int_equal(last[-1].type, TRACE_EVENT_CALL_END);
    assert_int_equal(last[-1].time_ns, 35);
    assert_int_equal(last[0].type, TRACE_EVENT_TASK_END);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

static void call_that_loses_its_lane_is_a_wait(void **state)
{
    (void)state;
    struct buf file = begin_two_tasks();
    put_call_out(&file);
    PUT(&file, GO_V1_BATCH, 1, 1030);
    PUT(&file, GO_V1_PROC_START, 0, 200);
    PUT(&file, GO_V1_CALL_EXIT, 0, 8, 2, 0);
    PUT(&file, GO_V1_START, 0, 8, 3);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    const struct trace_event *park = find(&decoded, TRACE_EVENT_TASK_PARK, "pwrite");
    assert_int_equal(park->time_ns, 15);
    const struct trace_event *last = &decoded.events[decoded.count - 1];
    assert_int_equal(last[-1].type, TRACE_EVENT_TASK_UNPARK);
    assert_int_equal(last[-1].time_ns, 30);
    assert_int_equal(last[0].type, TRACE_EVENT_TASK_START);
    assert_int_equal(last[0].lane, 1);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

static void trace_may_end_within_a_call(void **state)
{
    (void)state;
    struct buf file = begin_two_tasks();
    put_call_out(&file);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    assert_int_equal(decoded.events[decoded.count - 1].type, TRACE_EVENT_LANE_STOP);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

/* Go lets goroutines have several tasks, and regions end after them; ours end first, or are none. */
static void region_that_is_open_ends_with_its_request(void **state)
{
    (void)state;
    struct buf file = begin_two_tasks();
    PUT(&file, GO_V1_BATCH, 0, 1010);
    PUT(&file, GO_V1_PROC_START, 0, 100);
    PUT(&file, GO_V1_START, 0, 8, 1);
    PUT(&file, GO_V1_REQUEST_BEGIN, 0, 5, 0, 4, 1);
    PUT(&file, GO_V1_REQUEST_BEGIN, 0, 6, 5, 4, 1); /* a second one: left out */
    PUT(&file, GO_V1_REGION, 1, 5, 0, 5, 1);
    PUT(&file, GO_V1_REGION, 1, 6, 0, 5, 1);
    PUT(&file, GO_V1_REQUEST_END, 1, 6, 1);
    PUT(&file, GO_V1_REQUEST_END, 1, 5, 1);
    PUT(&file, GO_V1_REGION, 1, 6, 1, 5, 1);
    PUT(&file, GO_V1_REGION, 1, 5, 1, 5, 1);
    PUT(&file, GO_V1_REGION, 1, 5, 1, 5, 1); /* began before the trace: left out */
    PUT(&file, GO_V1_YIELD, 1, 1);

    struct decoded decoded = decode(buf_bytes(&file));

    assert_int_equal(decoded.result, 0);
    const struct trace_event *last = &decoded.events[decoded.count - 1];
    static const enum trace_event_type expected[] = {
        TRACE_EVENT_REQUEST_BEGIN, TRACE_EVENT_REGION_BEGIN, TRACE_EVENT_REGION_BEGIN, TRACE_EVENT_REGION_END,
        TRACE_EVENT_REGION_END,    TRACE_EVENT_REQUEST_END,  TRACE_EVENT_TASK_YIELD,
    };
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++)
        assert_int_equal(last[(ptrdiff_t)i + 1 - (ptrdiff_t)ARRAY_COUNT(expected)].type, expected[i]);
    assert_int_equal(last[-5].request, 5);
    assert_int_equal(last[-4].request, 0);
    decoded_deinit(&decoded);
    buf_deinit(&file);
}

/* --- what is refused --- */

static void assert_refused(struct buf *file, int code, const char *part_of_message)
{
    struct decoded decoded = decode(buf_bytes(file));
    if (decoded.result != code || !strstr(buf_string(&decoded.message), part_of_message))
        fail_msg("%s: %s; not: %s", error_name(decoded.result), buf_string(&decoded.message), part_of_message);
    decoded_deinit(&decoded);
    buf_deinit(file);
}

static void put_lost_wake(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 7, 3);
}

static void put_start_of_two(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 8, 1);
    PUT(file, GO_V1_UNBLOCK, 0, 7, 2, 0);
    PUT(file, GO_V1_START, 0, 7, 3);
}

static void put_second_start(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 8, 1);
    PUT(file, GO_V1_YIELD, 0, 0);
    PUT(file, GO_V1_START, 0, 8, 1);
}

static void put_second_creation(struct buf *file)
{
    PUT(file, GO_V1_CREATE, 0, 8, 1, 0);
}

static void put_park_of_nobody(struct buf *file)
{
    PUT(file, GO_V1_BLOCK_SYNC, 0, 0);
}

static void put_stop_with_a_task(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 8, 1);
    PUT(file, GO_V1_PROC_STOP, 0);
}

static void put_wait_out_of_nothing(struct buf *file)
{
    PUT(file, GO_V1_WAITING, 0, 8);
}

static void put_crossed_regions(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 8, 1);
    PUT(file, GO_V1_REGION, 0, 0, 0, 4, 0);
    PUT(file, GO_V1_REGION, 0, 0, 0, 5, 0);
    PUT(file, GO_V1_REGION, 0, 0, 1, 4, 0);
}

static void put_request_twice(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 8, 1);
    PUT(file, GO_V1_REQUEST_BEGIN, 0, 5, 0, 4, 1);
    PUT(file, GO_V1_REQUEST_END, 0, 5, 1);
    PUT(file, GO_V1_REQUEST_BEGIN, 0, 5, 0, 4, 1);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const struct {
        void (*put)(struct buf *file);
        const char *message;
    } cases[] = {
        {put_lost_wake, "something is missing"},
        {put_start_of_two, "a task starts where none can"},
        {put_second_start, "past that"},
        {put_second_creation, "created twice"},
        {put_park_of_nobody, "stops where none runs"},
        {put_stop_with_a_task, "a lane starts or stops"},
        {put_wait_out_of_nothing, "not created just before"},
        {put_crossed_regions, "not the innermost"},
        {put_request_twice, "begins twice"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf file = begin_two_tasks();
        PUT(&file, GO_V1_BATCH, 0, 1010);
        PUT(&file, GO_V1_PROC_START, 0, 100);
        cases[i].put(&file);
        assert_refused(&file, ERR_MALFORMED, cases[i].message);
    }
}

static void put_unknown_type(struct buf *file)
{
    PUT(file, 50, 0);
}

static void put_too_few_values(struct buf *file)
{
    PUT(file, GO_V1_START, 0, 8);
}

static void put_too_many_values(struct buf *file)
{
    PUT(file, GO_V1_UNBLOCK, 0, 8, 1, 0, 5);
}

static void put_string_again(struct buf *file)
{
    put_string(file, 1, "other");
}

static void put_endless_number(struct buf *file)
{
    buf_append(file, "\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
}

static void put_far_lane(struct buf *file)
{
    PUT(file, GO_V1_BATCH, 1u << 30, 0);
}

static void put_deep_stack(struct buf *file)
{
    PUT(file, GO_V1_STACK, 9, 1u << 30, 1, 1, 1, 1);
}

static void put_time_beyond_all(struct buf *file)
{
    PUT(file, GO_V1_PROC_STOP, UINT64_MAX - 5);
}

static void put_stopped_clock(struct buf *file)
{
    PUT(file, GO_V1_FREQUENCY, 0);
}

static void malformed_records_are_refused(void **state)
{
    (void)state;
    static void (*const puts[])(struct buf *file) = {
        put_unknown_type, put_too_few_values, put_too_many_values, put_string_again,  put_endless_number,
        put_far_lane,     put_deep_stack,     put_time_beyond_all, put_stopped_clock,
    };
    for (size_t i = 0; i < ARRAY_COUNT(puts); i++) {
        struct buf file = begin_two_tasks();
        puts[i](&file);
        PUT(&file, GO_V1_PROC_COUNT, 0, 1, 0); /* so that the file goes on */
        assert_refused(&file, ERR_MALFORMED, "is none of a trace");
    }
}

static struct buf file_of(const char *bytes, size_t size)
{
    struct buf file;
    buf_init(&file);
    buf_append(&file, bytes, size);
    return file;
}

static void other_files_are_named(void **state)
{
    (void)state;
    struct buf newer = file_of("go 1.22 trace\0\0\0\x01\x01", 18), other = file_of("\x1f\x8b profile of some sort", 24);
    struct buf empty = file_of("", 0), header = file_of("go 1.19 trace\0\0", 16);
    struct buf version = file_of("go 1.21 trace\0\0\0\x41\x00\x00\x02\x01", 21);

    struct decoded decoded = decode(buf_bytes(&version));

    assert_int_equal(decoded.result, 0);
    decoded_deinit(&decoded);
    buf_deinit(&version);
    assert_refused(&newer, ERR_UNSUPPORTED, "go 1.22 trace");
    assert_refused(&other, ERR_MALFORMED, "does not begin as");
    assert_refused(&empty, ERR_TRUNCATED, "within its header");
    assert_refused(&header, ERR_TRUNCATED, "how long a tick");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_program_has_as_many_events_as_go_tool_trace_says),
        cmocka_unit_test(go_program_has_its_names_and_places),
        cmocka_unit_test(what_was_encoded_comes_back_the_same),
        cmocka_unit_test(every_cut_of_a_small_trace_is_clean),
        cmocka_unit_test(every_cut_of_a_go_programs_trace_is_clean),
        cmocka_unit_test(records_are_taken_in_the_order_of_sequence_numbers_and_times_never_go_back),
        cmocka_unit_test(call_that_keeps_its_lane_is_a_call),
        cmocka_unit_test(call_that_loses_its_lane_is_a_wait),
        cmocka_unit_test(trace_may_end_within_a_call),
        cmocka_unit_test(region_that_is_open_ends_with_its_request),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(malformed_records_are_refused),
        cmocka_unit_test(other_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
