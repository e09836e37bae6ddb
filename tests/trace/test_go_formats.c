/* test_go_formats.c: what is written for go tool trace, byte for byte and by the rules of its readers. */
#include "trace/format.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "encode.h"
#include "events.h"
#include "go_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const versions[] = {"1.19", "1.22"};

static void assert_is_read(struct bytes file, struct go_reader_counts *counts)
{
    const char *fault = go_reader_check(file, counts);
    if (fault)
        fail_msg("%s", fault);
}

static void assert_bytes(const struct buf *out, const uint8_t *golden, size_t size)
{
    for (size_t i = 0; i < size && i < out->size; i++)
        if (out->data[i] != golden[i])
            fail_msg("byte %zu is %02x, not %02x", i, out->data[i], golden[i]);
    assert_int_equal(out->size, size);
}

#define MINUS_ONE 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
#define GIGA 0x80, 0x94, 0xeb, 0xdc, 0x03

static void small_trace_has_the_golden_bytes_of_1_19(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        'g', 'o', ' ', '1', '.', '1', '9', ' ', 't', 'r', 'a', 'c', 'e', 0, 0, 0,
        0x41, MINUS_ONE, 0xe8, 0x07,                                     /* Batch of no P at 1000, empty */
        0x02, GIGA,                                                      /* Frequency */
        0x25, 1, 9, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k',         /* String id, size, bytes */
        0x25, 2, 6, 'c', 'o', 'n', 'n', '.', 'c',
        0x25, 3, 7, 'P', 'r', 'o', 'd', 'u', 'c', 'e',
        0x25, 4, 6, 'd', 'e', 'c', 'o', 'd', 'e',
        0x25, 5, 13, '[', 's', 'o', 'c', 'k', 'e', 't', ' ', 'r', 'e', 'a', 'd', ']',
        0xc3, 9, 1, 1, 0x80, 0xa0, 0x80, 0x02, 1, 2, 42,                 /* Stack of 9 bytes: id, depth, {pc, ...} */
        0xc3, 16, 2, 2, 0x90, 0xa0, 0x80, 0x02, 5, 0, 0, 0x80, 0xa0, 0x80, 0x02, 1, 2, 42, /* with a reason on it */
        0x41, MINUS_ONE, 0xe8, 0x07,                                     /* Batch of no P */
        0xcd, 4, 0, 7, 1, 0,                                             /* GoCreate of 7, entry 1 */
        0x5f, 0, 7,                                                      /* GoWaiting: that is sequence 1 */
        0x84, 0x0b, 1, 0,                                                /* Gomaxprocs before all starts (R3) */
        0x84, 0x01, 1, 0,                                                /* and again */
        0x84, 0xc4, 0x02, 1, 0,                                          /* the end's, 324 later */
        0x41, 0, 0xf5, 0x07,                                             /* Batch of P 0 at 1013 */
        0x45, 0, 100,                                                    /* ProcStart on thread 100 */
        0xd5, 4, 10, 7, 2, 0,                                            /* GoUnblock of 7, sequence 2 */
        0x66, 5, 7,                                                      /* GoStartLocal, so sequence 3 */
        0xed, 5, 1, 1, 0, 3, 1,                                          /* UserTaskCreate: stack last */
        0xef, 5, 1, 1, 0, 4, 1,                                          /* UserRegion begins */
        0xef, 6, 0xac, 0x02, 1, 1, 4, 1,                                 /* and ends 300 later */
        0xae, 1, 1, 1,                                                   /* UserTaskEnd */
        0x5b, 2, 2,                                                      /* GoBlockNet */
        0x06, 3,                                                         /* ProcStop */
    };
    struct small_trace trace = small_trace(false);

    struct buf out = encode("1.19", trace.tables, trace.events, trace.count);

    assert_bytes(&out, golden, sizeof(golden));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void call_has_the_golden_bytes_of_1_19(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        0x5c, 10, 2,          /* GoSysCall, its stack with the call's name */
        0x1e, 0,              /* GoSysBlock */
        0x06, 0,              /* ProcStop at once (R1) */
        0x45, 0xc8, 0x01, 100, /* ProcStart 200 later */
        0xdd, 4, 0, 7, 4, 0,  /* GoSysExit, sequence 4, at its own time */
        0x66, 0, 7,           /* GoStartLocal */
        0xef, 5, 90, 1, 1, 4, 1,
    };
    struct small_trace trace = small_trace(true);

    struct buf out = encode("1.19", trace.tables, trace.events, trace.count);

    assert_non_null(memmem(out.data, out.size, golden, sizeof(golden)));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void small_trace_has_the_golden_bytes_of_1_22(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        'g', 'o', ' ', '1', '.', '2', '2', ' ', 't', 'r', 'a', 'c', 'e', 0, 0, 0,
        0x01, 1, MINUS_ONE, 0xe8, 0x07, 14,                /* EventBatch: generation 1, no M, at 1000, 14 bytes */
        0x19, 0, 7, MINUS_ONE, 4,                          /* GoStatus of 7: waiting, on no M */
        0x01, 1, 100, 0xf2, 0x07, 54,                      /* EventBatch of M 100 at 1010 */
        0x0d, 0, 0, 2,                                     /* ProcStatus of 0: idle */
        0x0a, 0, 0, 1,                                     /* ProcStart of 0, sequence 1 */
        0x15, 10, 7, 1, 0,                                 /* GoUnblock of 7, sequence 1 */
        0x10, 5, 7, 2,                                     /* GoStart, sequence 2 */
        0x09, 0, 1, 0,                                     /* ProcsChange: only a task can say it */
        0x28, 1, 1, 0, 1, 1,                               /* UserTaskBegin: request, parent, name, stack */
        0x2a, 1, 1, 4, 1,                                  /* UserRegionBegin */
        0x16, 10, 2, 2,                                    /* GoSyscallBegin: P's sequence 2 */
        0x17, 0xc8, 0x01,                                  /* GoSyscallEnd */
        0x2b, 90, 1, 4, 1,                                 /* UserRegionEnd */
        0x29, 1, 1, 1,                                     /* UserTaskEnd */
        0x14, 2, 6, 3,                                     /* GoBlock: "network" */
        0x0b, 3,                                           /* ProcStop */
        0x01, 1, MINUS_ONE, 0xe8, 0x07, 45, 2,             /* Stacks, none before the trace's start */
        3, 1, 1, 0x80, 0xa0, 0x80, 0x02, 2, 3, 42,         /* Stack: id, depth, {pc, function, file, line} */
        3, 2, 2, 0x90, 0xa0, 0x80, 0x02, 5, 0, 0, 0x80, 0xa0, 0x80, 0x02, 2, 3, 42,
        3, 3, 2, 0xa0, 0xa0, 0x80, 0x02, 7, 0, 0, 0x80, 0xa0, 0x80, 0x02, 2, 3, 42,
        0x01, 1, MINUS_ONE, 0xe8, 0x07, 78, 4,             /* Strings */
        5, 1, 7, 'P', 'r', 'o', 'd', 'u', 'c', 'e',
        5, 2, 9, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k',
        5, 3, 6, 'c', 'o', 'n', 'n', '.', 'c',
        5, 4, 6, 'd', 'e', 'c', 'o', 'd', 'e',
        5, 5, 8, '[', 'p', 'w', 'r', 'i', 't', 'e', ']',
        5, 6, 7, 'n', 'e', 't', 'w', 'o', 'r', 'k',
        5, 7, 13, '[', 's', 'o', 'c', 'k', 'e', 't', ' ', 'r', 'e', 'a', 'd', ']',
        0x01, 1, MINUS_ONE, 0xe8, 0x07, 6, 8, GIGA,        /* Frequency, with which a generation is complete */
    };
    struct small_trace trace = small_trace(true);

    struct buf out = encode("1.22", trace.tables, trace.events, trace.count);

    assert_bytes(&out, golden, sizeof(golden));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void broker_is_read_back_with_the_same_sums(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 300, 50000);
    const struct broker_totals *totals = &broker.totals;
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++) {
        struct go_reader_counts counts = {0};
        struct buf out = encode(versions[i], tables, broker.events, broker.count);

        assert_is_read(buf_bytes(&out), &counts);

        uint64_t sync = counts.waited_ns[TRACE_EVENT_WAIT_SYNC];
        uint64_t condition = counts.waited_ns[TRACE_EVENT_WAIT_CONDITION];
        assert_int_equal(counts.waited_ns[TRACE_EVENT_WAIT_SELECT], totals->select_ns);
        assert_int_equal(sync + condition, totals->sync_ns + totals->condition_ns);
        assert_int_equal(counts.waited_ns[TRACE_EVENT_WAIT_NETWORK], totals->network_ns);
        assert_int_equal(counts.call_ns, totals->call_ns);
        assert_int_equal(counts.calls, totals->call_count + 1); /* one has not ended */
        assert_int_equal(counts.requests, totals->produce_count + totals->fetch_count);
        assert_int_equal(counts.regions, totals->region_count);
        assert_int_equal(counts.samples, totals->sample_count);
        assert_int_equal(counts.tasks, CONNECTIONS + 2 + 30);
        assert_int_equal(counts.logs, counts.requests);
        assert_int_equal(counts.yields, 30);
        buf_deinit(&out);
    }
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

static void trace_may_stop_at_any_event(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 20, 50000);
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++)
        for (size_t count = 0; count <= broker.count; count++) {
            struct go_reader_counts counts = {0};
            struct buf out = encode(versions[i], tables, broker.events, count);
            assert_is_read(buf_bytes(&out), &counts);
            buf_deinit(&out);
        }
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

/* Offsets behind complete generations, from what the batches' heads say; returns how many. */
static unsigned generations_of(struct bytes file, size_t *ends, unsigned max)
{
    unsigned count = 0;
    const uint8_t *at = file.data + 16;
    while (at < file.data + file.size) {
        uint64_t head[4] = {0}; /* generation, thread, time, size */
        assert_int_equal(*at++, 1);
        for (unsigned i = 0; i < 4; i++) {
            unsigned shift = 0;
            do
                head[i] |= (uint64_t)(*at & 0x7f) << shift;
            while (shift += 7, *at++ & 0x80);
        }
        assert_true(head[3] <= 65536);
        assert_int_equal(head[0], count + 1);
        bool is_frequency = head[3] == 6 && *at == 8;
        at += head[3];
        if (is_frequency && count < max)
            ends[count++] = (size_t)(at - file.data);
    }
    return count;
}

static void each_generation_is_complete(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 3000, 3000000); /* some 2.5 seconds */
    struct buf out = encode("1.22", tables, broker.events, broker.count);
    size_t ends[8];

    unsigned count = generations_of(buf_bytes(&out), ends, 8);

    assert_in_range(count, 3, 8);
    assert_int_equal(ends[count - 1], out.size);
    for (unsigned i = 0; i < count; i++) {
        struct go_reader_counts counts = {0};
        assert_is_read(bytes_of(out.data, ends[i]), &counts);
        assert_int_equal(counts.generations, i + 1);
    }
    buf_deinit(&out);
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

/* Two lanes; each test says what happens on them. */
static struct small_trace two_lanes(void)
{
    struct small_trace trace = {.tables = trace_tables_create()};
    for (uint32_t lane = 0; lane < 2; lane++) {
        struct trace_event *event = small_add(&trace, TRACE_EVENT_LANE, 0);
        event->lane = lane;
        event->thread_id = 100;
        event->name = text_of(trace.tables, "reactor");
    }
    return trace;
}

static struct trace_event *on_lane(struct small_trace *trace, enum trace_event_type type, uint32_t lane,
                                   uint64_t time_ns, uint64_t task)
{
    struct trace_event *event = small_add(trace, type, time_ns);
    event->lane = lane;
    event->task = task;
    if (type == TRACE_EVENT_TASK_EXISTS || type == TRACE_EVENT_TASK_CREATE)
        event->entry = entry_of(trace->tables, "job");
    return event;
}

static struct go_reader_counts read_small(struct small_trace *trace, const char *version)
{
    struct go_reader_counts counts = {0};
    struct buf out = encode(version, trace->tables, trace->events, trace->count);
    assert_is_read(buf_bytes(&out), &counts);
    buf_deinit(&out);
    return counts;
}

#define SECOND 1000000000ull

static void states_go_on_in_the_next_generation(void **state)
{
    (void)state;
    struct small_trace trace = two_lanes();
    for (uint64_t task = 1; task <= 4; task++)
        on_lane(&trace, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, 0, task)->is_waiting = task == 3;
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 10, 0);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 20, 1);
    on_lane(&trace, TRACE_EVENT_REQUEST_BEGIN, 0, 20, 1)->request = 5;
    on_lane(&trace, TRACE_EVENT_REGION_BEGIN, 0, 20, 1)->request = 5;
    on_lane(&trace, TRACE_EVENT_CALL_BEGIN, 0, 30, 1); /* task 1 is in a call, 2 and 4 are runnable, 3 waits */
    on_lane(&trace, TRACE_EVENT_LANE_START, 1, SECOND + 40, 0); /* here the second one begins */
    on_lane(&trace, TRACE_EVENT_TASK_START, 1, SECOND + 50, 2);
    on_lane(&trace, TRACE_EVENT_TASK_UNPARK, 1, SECOND + 60, 3);
    on_lane(&trace, TRACE_EVENT_CALL_END, 0, SECOND + 70, 1);
    on_lane(&trace, TRACE_EVENT_CALL_BEGIN, 0, SECOND + 72, 1);
    on_lane(&trace, TRACE_EVENT_CALL_END, 0, SECOND + 75, 1);
    on_lane(&trace, TRACE_EVENT_TASK_PARK, 1, 2 * SECOND + 80, 2); /* and here the third */
    on_lane(&trace, TRACE_EVENT_REGION_END, 0, 2 * SECOND + 90, 1)->request = 5;
    on_lane(&trace, TRACE_EVENT_REQUEST_END, 0, 2 * SECOND + 90, 1)->request = 5;
    on_lane(&trace, TRACE_EVENT_TASK_YIELD, 0, 2 * SECOND + 90, 1);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 3 * SECOND + 100, 4);
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++) {
        struct go_reader_counts counts = read_small(&trace, versions[i]);

        assert_int_equal(counts.call_ns, SECOND + 43);
        assert_int_equal(counts.starts, 3);
        assert_int_equal(counts.request_ns, 2 * SECOND + 70);
        assert_int_equal(counts.region_ns, 2 * SECOND + 70);
        assert_int_equal(counts.generations, versions[i][2] == '2' ? 4 : 1);
    }
    trace_tables_destroy(trace.tables);
}

static void tasks_that_turn_up_late_are_read(void **state)
{
    (void)state;
    struct small_trace trace = two_lanes();
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 10, 0);
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, TRACE_NO_LANE, 20, 1); /* by a thread that is no lane */
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, 1, 20, 2);             /* on a lane that has nothing to do */
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 30, 1);
    on_lane(&trace, TRACE_EVENT_TASK_PARK, 0, SECOND + 40, 1);
    on_lane(&trace, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, SECOND + 50, 3)->is_waiting = true;
    on_lane(&trace, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, SECOND + 50, 4);
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, TRACE_NO_LANE, SECOND + 50, 5);
    on_lane(&trace, TRACE_EVENT_TASK_UNPARK, TRACE_NO_LANE, SECOND + 60, 3);
    for (uint64_t task = 2; task <= 5; task++) {
        on_lane(&trace, TRACE_EVENT_TASK_START, 0, SECOND + 100 * task, task);
        on_lane(&trace, TRACE_EVENT_TASK_END, 0, SECOND + 100 * task + 50, task);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++) {
        struct go_reader_counts counts = read_small(&trace, versions[i]);

        assert_int_equal(counts.tasks, 5);
        assert_int_equal(counts.starts, 5);
        assert_int_equal(counts.ends, 4);
    }
    trace_tables_destroy(trace.tables);
}

/* The number says where a record stands among those of other lanes: within a lane that is clear. */
static void only_records_that_follow_another_lane_s_have_a_sequence_number(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        0x66, 10, 7,     /* GoStartLocal after GoCreate: sequence 1 */
        0x54, 10, 0,     /* GoBlock */
        0xa7, 10, 7, 0,  /* GoUnblockLocal: 2 */
        0x66, 10, 7,     /* GoStartLocal: 3 */
        0x54, 10, 0,
        0x8e, 30, 7, 5,  /* GoStart after the other lane's wake */
    }, other[] = {0xd5, 4, 10, 7, 4, 0}; /* GoUnblock */
    struct small_trace trace = two_lanes();
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 10, 0);
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, 0, 20, 7);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 30, 7);
    on_lane(&trace, TRACE_EVENT_TASK_PARK, 0, 40, 7);
    on_lane(&trace, TRACE_EVENT_TASK_UNPARK, 0, 50, 7);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 60, 7);
    on_lane(&trace, TRACE_EVENT_TASK_PARK, 0, 70, 7);
    on_lane(&trace, TRACE_EVENT_LANE_START, 1, 80, 0);
    on_lane(&trace, TRACE_EVENT_TASK_UNPARK, 1, 90, 7);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 100, 7);
    struct buf out = encode("1.19", trace.tables, trace.events, trace.count);
    assert_non_null(memmem(out.data, out.size, golden, sizeof(golden)));
    assert_non_null(memmem(out.data, out.size, other, sizeof(other)));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

/* A thread's id is used again when it has ended, or is not known. */
static void lanes_have_threads_of_their_own(void **state)
{
    (void)state;
    struct small_trace trace = two_lanes(); /* both on thread 100 */
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 10, 0);
    on_lane(&trace, TRACE_EVENT_LANE_START, 1, 20, 0);
    on_lane(&trace, TRACE_EVENT_LANE, 2, 30, 0); /* comes later, on none */
    on_lane(&trace, TRACE_EVENT_LANE_START, 2, 40, 0);
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, 2, 50, 1);
    on_lane(&trace, TRACE_EVENT_TASK_START, 1, 60, 1);
    static const uint8_t procs[] = {0x84, 0x15, 3, 0}; /* Gomaxprocs once more */
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++)
        assert_int_equal(read_small(&trace, versions[i]).lane_starts, 3);

    struct buf out = encode("1.19", trace.tables, trace.events, trace.count);
    assert_non_null(memmem(out.data, out.size, procs, sizeof(procs)));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void heap_of_no_lane_is_said_when_one_is_busy(void **state)
{
    (void)state;
    struct small_trace trace = two_lanes();
    struct trace_event *event = on_lane(&trace, TRACE_EVENT_HEAP, TRACE_NO_LANE, 10, 0);
    event->bytes = 1000;
    event->limit_bytes = 2000;
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 20, 0);
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++)
        assert_int_equal(read_small(&trace, versions[i]).heap_sizes, 1);
    trace_tables_destroy(trace.tables);
}

/* Deep stacks of frames with long names that nobody has seen before: more than a batch holds, in one event. */
static void names_of_any_size_are_read(void **state)
{
    (void)state;
    struct small_trace trace = two_lanes();
    struct trace_frame frames[TRACE_STACK_MAX];
    for (unsigned i = 0; i < TRACE_STACK_MAX; i++) {
        char *name = mem_printf("%u%*s", i, TRACE_STRING_MAX + 50, "function");
        char *file = mem_printf("%u%*s", i, TRACE_STRING_MAX + 50, "file");
        frames[i] = (struct trace_frame){text_of(trace.tables, name), text_of(trace.tables, file), UINT32_MAX};
        mem_free(name);
        mem_free(file);
    }
    char reason[TRACE_STRING_MAX + 1] = {0};
    memset(reason, '\xff', TRACE_STRING_MAX);
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 10, 0);
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, 0, 20, UINT64_MAX - 1);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 30, UINT64_MAX - 1);
    struct trace_event *event = on_lane(&trace, TRACE_EVENT_LOG, 0, 35, UINT64_MAX - 1);
    event->text = event->value = text_of(trace.tables, reason);
    event = on_lane(&trace, TRACE_EVENT_TASK_PARK, 0, 40, UINT64_MAX - 1);
    event->wait = TRACE_EVENT_WAIT_SELECT;
    event->text = text_of(trace.tables, reason);
    event->stack = trace_stack(trace.tables, frames, TRACE_STACK_MAX);
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++) {
        struct go_reader_counts counts = read_small(&trace, versions[i]);
        assert_int_equal(counts.parks[TRACE_EVENT_WAIT_SELECT], 1);
        assert_int_equal(counts.logs, 1);
    }
    trace_tables_destroy(trace.tables);
}

/* Go 1.26 shows the outermost frame as a region's place, older ones the innermost. */
static void region_has_the_stack_of_its_place_alone(void **state)
{
    (void)state;
    static const uint8_t stack[] = {0xc3, 9, 2, 1, 0x90, 0xa0, 0x80, 0x02, 3, 4, 60}; /* of one frame: append's */
    struct small_trace trace = two_lanes();
    on_lane(&trace, TRACE_EVENT_LANE_START, 0, 10, 0);
    on_lane(&trace, TRACE_EVENT_TASK_CREATE, 0, 20, 1);
    on_lane(&trace, TRACE_EVENT_TASK_START, 0, 30, 1);
    struct trace_event *event = on_lane(&trace, TRACE_EVENT_REGION_BEGIN, 0, 40, 1);
    event->stack = stack_of(trace.tables, "append", "produce.c", 60, "job");
    event->text = text_of(trace.tables, "append");
    struct buf out = encode("1.19", trace.tables, trace.events, trace.count);
    assert_non_null(memmem(out.data, out.size, stack, sizeof(stack)));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

/* Viewers fail without a task's function (1.19), and hide tasks that have no name (R5). */
static void task_of_unknown_function_has_its_name_for_one(void **state)
{
    (void)state;
    struct small_trace trace = two_lanes();
    struct trace_event *event = on_lane(&trace, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, 0, 1);
    event->entry = 0;
    event->name = text_of(trace.tables, "old one");
    static const char name[] = "\x25\x01\x09[old one]";
    struct buf out = encode("1.19", trace.tables, trace.events, trace.count);
    assert_non_null(memmem(out.data, out.size, name, sizeof(name) - 1));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void what_is_pending_is_no_less_than_what_comes(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct broker broker = broker_run(tables, 500, 50000);
    for (unsigned i = 0; i < trace_format_count; i++)
        for (size_t count = 0; count <= broker.count; count += 501) {
            const struct trace_format *format = trace_formats[i];
            struct trace_encoder *encoder = format->create(tables);
            struct buf out;
            buf_init(&out);
            for (size_t j = 0; j < count; j++)
                format->event(encoder, &broker.events[j], &out);
            size_t before = out.size, pending = format->pending_bytes(encoder);

            format->finish(encoder, broker.totals.end_ns, &out);

            assert_true(out.size - before <= pending);
            assert_true(pending < 256 << 10);
            format->destroy(encoder);
            buf_deinit(&out);
        }
    mem_free(broker.events);
    trace_tables_destroy(tables);
}

static void empty_trace_is_read(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    for (unsigned i = 0; i < ARRAY_COUNT(versions); i++) {
        struct go_reader_counts counts = {0};
        struct buf out = encode(versions[i], tables, NULL, 0);
        assert_is_read(buf_bytes(&out), &counts);
        buf_deinit(&out);
    }
    trace_tables_destroy(tables);
}

static void formats_are_found_by_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < trace_format_count; i++)
        assert_ptr_equal(trace_format_find(bytes_of_string(trace_formats[i]->name)), trace_formats[i]);
    assert_ptr_equal(trace_format_find(bytes_of_string("1.19")), &trace_format_1_19);
    assert_null(trace_format_find(bytes_of_string("1.2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_trace_has_the_golden_bytes_of_1_19),
        cmocka_unit_test(call_has_the_golden_bytes_of_1_19),
        cmocka_unit_test(only_records_that_follow_another_lane_s_have_a_sequence_number),
        cmocka_unit_test(small_trace_has_the_golden_bytes_of_1_22),
        cmocka_unit_test(broker_is_read_back_with_the_same_sums),
        cmocka_unit_test(trace_may_stop_at_any_event),
        cmocka_unit_test(each_generation_is_complete),
        cmocka_unit_test(states_go_on_in_the_next_generation),
        cmocka_unit_test(tasks_that_turn_up_late_are_read),
        cmocka_unit_test(lanes_have_threads_of_their_own),
        cmocka_unit_test(heap_of_no_lane_is_said_when_one_is_busy),
        cmocka_unit_test(names_of_any_size_are_read),
        cmocka_unit_test(region_has_the_stack_of_its_place_alone),
        cmocka_unit_test(task_of_unknown_function_has_its_name_for_one),
        cmocka_unit_test(what_is_pending_is_no_less_than_what_comes),
        cmocka_unit_test(empty_trace_is_read),
        cmocka_unit_test(formats_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
