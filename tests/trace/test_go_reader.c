/* test_go_reader.c: the reader that traces are held against takes what Go takes, and refuses what Go refuses. */
#include "go_reader.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

/* --- bytes by hand --- */

#define HEADER_1_19 "go 1.19 trace\0\0"
#define HEADER_1_22 "go 1.22 trace\0\0"

static void put(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_append_byte(out, (uint8_t)(value | 0x80));
    buf_append_byte(out, (uint8_t)value);
}

#define COUNT(...) (sizeof((const uint64_t[]){0, ##__VA_ARGS__}) / sizeof(uint64_t) - 1)
#define VALUES(...) ((const uint64_t[]){0, ##__VA_ARGS__} + 1), COUNT(__VA_ARGS__)

/* Type and arguments, the time first where there is one; extra: arguments that do not count for k. */
static void record_v1(struct buf *out, unsigned type, unsigned untimed, const uint64_t *values, size_t count)
{
    unsigned arguments = (unsigned)count - !untimed;
    unsigned k = arguments < 3 ? arguments : 3;
    if (type == 1)
        k = 1;
    if (type == 2)
        k = 0;
    buf_append_byte(out, (uint8_t)(type | k << 6));
    struct buf body;
    buf_init(&body);
    for (size_t i = 0; i < count; i++)
        put(&body, values[i]);
    if (k == 3)
        put(out, body.size);
    buf_append(out, body.data, body.size);
    buf_deinit(&body);
}
#define V1(type, ...) record_v1(&out, (type), 0, VALUES(__VA_ARGS__))
#define V1_UNTIMED(type, ...) record_v1(&out, (type), 1, VALUES(__VA_ARGS__))

static void string_v1(struct buf *out, uint64_t id, const char *text)
{
    buf_append_byte(out, 37);
    put(out, id);
    put(out, strlen(text));
    buf_append_string(out, text);
}

#define NONE UINT64_MAX

static void footer_v1(struct buf *target)
{
    struct buf out = *target;
    V1_UNTIMED(1, NONE, 1000000);
    string_v1(&out, 1, "conn_task");
    string_v1(&out, 2, "conn.c");
    string_v1(&out, 3, "Produce");
    string_v1(&out, 4, "decode");
    V1_UNTIMED(3, 1, 1, 0x1000, 1, 2, 42);
    V1_UNTIMED(2, 1000000000);
    *target = out;
}

/* Two tasks, of which 7 runs on P 0 and 8 waits; the lane is at tick 1020. */
static struct buf begun_v1(void)
{
    struct buf out;
    buf_init(&out);
    buf_append(&out, HEADER_1_19, 16);
    V1_UNTIMED(1, NONE, 1000);
    V1(13, 0, 7, 1, 0);
    V1(13, 0, 8, 1, 0);
    V1(31, 0, 8);
    V1(4, 1, 1, 0);
    V1_UNTIMED(1, 0, 1010);
    V1(5, 0, 100);
    V1(14, 10, 7, 1);
    return out;
}

static const char *fault_of(struct buf *out)
{
    static char fault[512];
    struct go_reader_counts counts;
    const char *found = go_reader_check(buf_bytes(out), &counts);
    snprintf(fault, sizeof fault, "%s", found ? found : "none");
    buf_deinit(out);
    return fault;
}

static void assert_fault(struct buf *out, const char *wanted, int line)
{
    const char *fault = fault_of(out);
    if (!strstr(fault, wanted))
        fail_msg("line %d: wanted \"%s\", but the reader says: %s", line, wanted, fault);
}

/* What comes behind the beginning, and what the reader is to say of it. */
#define V1_CASE(wanted, ...) \
    do { \
        struct buf out = begun_v1(); \
        __VA_ARGS__; \
        footer_v1(&out); \
        assert_fault(&out, (wanted), __LINE__); \
    } while (0)

/* --- version 1.19 --- */

static const uint8_t golden_v1[] = {
    0x67, 0x6f, 0x20, 0x31, 0x2e, 0x31, 0x39, 0x20, 0x74, 0x72, 0x61, 0x63, 0x65, 0x00, 0x00, 0x00,
    0x41, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xe8, 0x07,
    0xcd, 0x04, 0x00, 0x07, 0x01, 0x00,
    0x5f, 0x00, 0x07,
    0x84, 0x01, 0x01, 0x00,
    0x41, 0x00, 0xf2, 0x07,
    0x45, 0x00, 0x64,
    0xd5, 0x04, 0x0a, 0x07, 0x02, 0x00,
    0x8e, 0x05, 0x07, 0x03,
    0xed, 0x05, 0x01, 0x01, 0x00, 0x03, 0x01,
    0xef, 0x05, 0x01, 0x01, 0x00, 0x04, 0x01,
    0xef, 0x06, 0xac, 0x02, 0x01, 0x01, 0x04, 0x01,
    0xae, 0x01, 0x01, 0x01,
    0x5b, 0x02, 0x01,
    0x06, 0x03,
    0x41, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xf8, 0x0a,
    0x25, 0x01, 0x09, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k',
    0x25, 0x02, 0x06, 'c', 'o', 'n', 'n', '.', 'c',
    0x25, 0x03, 0x07, 'P', 'r', 'o', 'd', 'u', 'c', 'e',
    0x25, 0x04, 0x06, 'd', 'e', 'c', 'o', 'd', 'e',
    0xc3, 0x07, 0x01, 0x01, 0x80, 0x20, 0x01, 0x02, 0x2a,
    0x02, 0x80, 0x94, 0xeb, 0xdc, 0x03,
};

static void a_minimal_trace_of_version_1_19_is_taken(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    assert_null(go_reader_check(bytes_of(golden_v1, sizeof golden_v1), &counts));
    assert_int_equal(counts.tasks, 1);
    assert_int_equal(counts.starts, 1);
    assert_int_equal(counts.unparks, 1);
    assert_int_equal(counts.waited_ns[TRACE_EVENT_WAIT_OTHER], 20);
    assert_int_equal(counts.runnable_ns, 5);
    assert_int_equal(counts.parks[TRACE_EVENT_WAIT_NETWORK], 1);
    assert_int_equal(counts.requests, 1);
    assert_int_equal(counts.request_ns, 302);
    assert_int_equal(counts.regions, 1);
    assert_int_equal(counts.region_ns, 300);
}

static void every_cut_of_version_1_19_is_refused(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    for (size_t size = 0; size < sizeof golden_v1; size++)
        assert_non_null(go_reader_check(bytes_of(golden_v1, size), &counts));
}

static void what_is_right_in_version_1_19_is_taken(void **state)
{
    (void)state;
    V1_CASE("none", V1(15, 1));
    V1_CASE("none", V1(18, 1, 0));
    V1_CASE("none", V1(28, 1, 1); V1(30, 0); V1(6, 0); V1(5, 50, 100); V1(29, 0, 7, 2, 0); V1(14, 0, 7, 3); V1(15, 1));
    V1_CASE("none", V1(21, 1, 8, 2, 1); V1(17, 1, 1); V1(14, 1, 8, 3); V1(15, 1); V1(14, 1, 7, 2); V1(15, 1));
    V1_CASE("none", V1(47, 1, 0, 1, 4, 1); V1(15, 1)); /* an end of what began before */
    V1_CASE("none", V1(47, 1, 0, 0, 4, 1); V1(15, 1)); /* a begin without an end */
    V1_CASE("none", V1(46, 1, 9, 1); V1(45, 1, 9, 0, 3, 1); V1(15, 1));
    V1_CASE("none", V1(45, 1, 9, 0, 3, 1); V1(46, 1, 9, 1); V1(45, 1, 9, 0, 3, 1); V1(15, 1));
    V1_CASE("none", V1(49, 0, 1005, 0, 7, 1); V1(33, 1, 4096); V1(34, 0, 8192); V1(15, 1));
}

static void nothing_of_version_1_19_runs_on_at_the_end(void **state)
{
    (void)state;
    V1_CASE("g 7 runs on at the end", (void)0);
}

static void a_file_of_version_1_19_begins_with_a_batch(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out);
    buf_append(&out, "go 1.20 trace\0\0", 16);
    assert_fault(&out, "unsupported trace version", __LINE__);
    buf_init(&out);
    buf_append(&out, HEADER_1_19, 16);
    assert_fault(&out, "empty", __LINE__);
    buf_init(&out);
    buf_append(&out, HEADER_1_19, 16);
    string_v1(&out, 1, "early");
    assert_fault(&out, "before the first batch", __LINE__);
    buf_init(&out);
    buf_append(&out, HEADER_1_19, 16);
    V1_UNTIMED(2, 1000000000);
    assert_fault(&out, "before the first batch", __LINE__);
    out = begun_v1();
    assert_fault(&out, "no Frequency", __LINE__);
}

static void records_of_version_1_19_are_whole(void **state)
{
    (void)state;
    V1_CASE("Frequency is there twice", V1_UNTIMED(2, 1000000000));
    V1_CASE("Frequency is 0", V1_UNTIMED(2, 0));
    V1_CASE("P's number is too large", V1_UNTIMED(1, 1 << 20, 2000));
    V1_CASE("number is too long", buf_append_byte(&out, 6); for (int i = 0; i < 9; i++) buf_append_byte(&out, 0x80);
            buf_append_byte(&out, 2));
    V1_CASE("unknown record type", V1(50, 0));
    V1_CASE("unknown record type", V1(10, 0));
    V1_CASE("wrong number of arguments", V1(6, 0, 1));
    V1_CASE("wrong number of arguments", V1(14, 0, 7));
    V1_CASE("wrong length", V1(21, 1, 8, 2, 1, 1));
    V1_CASE("goes back in time", V1_UNTIMED(1, 0, 1000));
    V1_CASE("time goes back", V1(33, NONE, 1));
    V1_CASE("string has id 0", string_v1(&out, 0, "none"));
    V1_CASE("is there twice", string_v1(&out, 1, "other"));
    V1_CASE("invalid length", string_v1(&out, 9, ""));
    V1_CASE("is there twice", V1_UNTIMED(3, 1, 1, 0x1000, 1, 2, 42));
    V1_CASE("two places", V1_UNTIMED(3, 2, 1, 0x1000, 1, 2, 43));
    V1_CASE("pc 0", V1_UNTIMED(3, 2, 1, 0, 1, 2, 43));
    V1_CASE("no function", V1_UNTIMED(3, 2, 1, 0x1010, 0, 2, 43));
    V1_CASE("too many frames", V1_UNTIMED(3, 2, 129, 1));
    V1_CASE("string 77 is not defined", V1_UNTIMED(3, 2, 1, 0x1010, 77, 2, 43));
    V1_CASE("string 77 is not defined", V1(47, 1, 0, 0, 77, 1));
    V1_CASE("stack 77 is not defined", V1(27, 1, 77));
}

static void a_record_of_version_1_19_has_2048_bytes_at_most(void **state)
{
    (void)state;
    struct buf out = begun_v1();
    buf_append_byte(&out, 0xc3);
    put(&out, 2049);
    for (unsigned i = 0; i < 2049; i++)
        put(&out, 1);
    assert_fault(&out, "longer than 2048", __LINE__);
}

static void events_of_version_1_19_have_one_order(void **state)
{
    (void)state;
    static const char order[] = "no consistent ordering of events possible";
    V1_CASE(order, V1(14, 1, 9, 1));                      /* nobody created it */
    V1_CASE(order, V1(13, 1, 7, 1, 0));                   /* is there */
    V1_CASE(order, V1(21, 1, 8, 3, 1));                   /* wrong sequence number */
    V1_CASE(order, V1(21, 1, 8, 2, 1); V1(21, 1, 8, 3, 1)); /* woken twice */
    V1_CASE(order, V1(21, 1, 7, 2, 1));                   /* it runs */
    V1_CASE(order, V1(27, 1, 1); V1(14, 1, 7, 2));        /* starts without having been woken */
    V1_CASE(order, V1(27, 1, 1); V1(21, 1, 7, 2, 0); V1(14, 1, 7, 2));
    V1_CASE(order, V1(27, 1, 1); V1(27, 1, 1));           /* parks twice */
    V1_CASE(order, V1(31, 1, 9));
    V1_CASE(order, V1(29, 1, 7, 2, 0));                   /* is in no call */
    V1_CASE("time stamps out of order", V1(21, 100, 8, 2, 1); V1_UNTIMED(1, 1, 1060); V1(5, 0, 101);
            V1(14, 0, 8, 3)); /* 60 ticks too early, on another lane */
    V1_CASE("time stamps out of order", V1(30, 50); V1(6, 0); V1(5, 9, 100); V1(29, 0, 7, 2, 1030));
}

static void tasks_and_lanes_of_version_1_19_do_what_they_can(void **state)
{
    (void)state;
    V1_CASE("already running g 7 while start g 8", V1(21, 1, 8, 2, 1); V1(14, 1, 8, 3));
    V1_CASE("is running before start", V1(5, 1, 100));
    V1_CASE("running a goroutine 7 during stop", V1(6, 1));
    V1_CASE("not running before stop", V1(27, 1, 1); V1(6, 1); V1(6, 1));
    V1_CASE("is not running before start", V1(21, 1, 8, 2, 1); V1(27, 1, 1); V1(6, 1); V1(14, 1, 8, 3));
    V1_CASE("g 0 did GoEnd", V1(27, 1, 1); V1(15, 1));
    V1_CASE("g 0 did GoSysCall", V1(27, 1, 1); V1(28, 1, 1));
    V1_CASE("task id conflicts", V1(45, 1, 9, 0, 3, 1); V1(45, 1, 9, 0, 3, 1));
    V1_CASE("misuse of region", V1(47, 1, 1, 0, 4, 1); V1(47, 1, 1, 1, 3, 1));
    V1_CASE("misuse of region", V1(47, 1, 1, 0, 4, 1); V1(47, 1, 2, 1, 4, 1));
    V1_CASE("invalid user region mode", V1(47, 1, 1, 2, 4, 1));
    V1_CASE("region without a running task", V1(27, 1, 1); V1(47, 1, 1, 0, 4, 1));
    V1_CASE("already exists", V1(13, 50, 9, 1, 0); V1(49, 0, 1030, 0, 9, 1); V1(15, 1));
    /* At the same time: in any order. */
    V1_CASE("already exists", V1(13, 50, 9, 1, 0); V1(49, 0, 1070, 0, 9, 1); V1(15, 1));
    V1_CASE("none", V1(13, 50, 9, 1, 0); V1(49, 0, 1071, 0, 9, 1); V1(15, 1));
    V1_CASE("missing stack information", V1(13, 1, 9, 0, 0));
    V1_CASE("hides it", string_v1(&out, 9, "runtime.main"); V1_UNTIMED(3, 9, 1, 0x1040, 9, 2, 1); V1(13, 1, 9, 9, 0));
    V1_CASE("stands behind GoSysBlock", V1(28, 1, 1); V1(30, 0); V1(29, 9, 7, 2, 0));
    V1_CASE("must not begin in a call", V1(13, 1, 9, 1, 0); V1(32, 1, 9));
    V1_CASE("not waiting before unpark", V1(30, 1); V1(6, 0); V1_UNTIMED(1, 1, 1030); V1(21, 0, 7, 2, 0));
}

static void lanes_of_version_1_19_are_counted_before_a_task_starts(void **state)
{
    (void)state;
    for (int with_late_one = 0; with_late_one < 2; with_late_one++) {
        struct buf out;
        buf_init(&out);
        buf_append(&out, HEADER_1_19, 16);
        V1_UNTIMED(1, NONE, 1000);
        V1(13, 0, 7, 1, 0);
        V1_UNTIMED(1, 0, 1010);
        V1(5, 0, 100);
        V1(14, 10, 7, 1);
        if (with_late_one)
            V1(4, 1, 1, 0);
        footer_v1(&out);
        assert_fault(&out, with_late_one ? "before the first Gomaxprocs" : "no Gomaxprocs", __LINE__);
    }
}

/* Which lane's record comes first is chance. */
static void records_of_the_same_time_may_come_in_any_order(void **state)
{
    (void)state;
    for (int procs_are_late = 0; procs_are_late < 2; procs_are_late++) {
        struct buf out;
        buf_init(&out);
        buf_append(&out, HEADER_1_19, 16);
        V1_UNTIMED(1, NONE, 1000);
        V1(13, 0, 7, 1, 0);
        V1(4, procs_are_late ? 10 : 9, 1, 0);
        V1_UNTIMED(1, 0, 1010);
        V1(5, 0, 100);
        V1(14, 0, 7, 1);
        V1(15, 0);
        footer_v1(&out);
        assert_fault(&out, procs_are_late ? "before the first Gomaxprocs" : "none", __LINE__);
    }
}

/* --- version 1.22 --- */

static const uint8_t golden_v2[] = {
    0x67, 0x6f, 0x20, 0x31, 0x2e, 0x32, 0x32, 0x20, 0x74, 0x72, 0x61, 0x63, 0x65, 0x00, 0x00, 0x00,
    0x01, 0x01, 0x64, 0xe8, 0x07, 0x3c,
    0x0d, 0x00, 0x00, 0x01,
    0x19, 0x00, 0x07, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x04,
    0x15, 0x0a, 0x07, 0x01, 0x00,
    0x10, 0x05, 0x07, 0x02,
    0x28, 0x01, 0x01, 0x00, 0x03, 0x01,
    0x2a, 0x01, 0x01, 0x04, 0x01,
    0x16, 0x0a, 0x01, 0x01,
    0x17, 0xc8, 0x01,
    0x2b, 0x5a, 0x01, 0x04, 0x01,
    0x29, 0x01, 0x01, 0x01,
    0x14, 0x02, 0x05, 0x01,
    0x0b, 0x03,
    0x01, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xe8, 0x07, 0x09,
    0x02, 0x03, 0x01, 0x01, 0x80, 0x20, 0x01, 0x02, 0x2a,
    0x01, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xe8, 0x07, 0x33,
    0x04, 0x05, 0x01, 0x09, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k', 0x05, 0x02, 0x06, 'c', 'o', 'n', 'n', '.', 'c',
    0x05, 0x03, 0x07, 'P', 'r', 'o', 'd', 'u', 'c', 'e', 0x05, 0x04, 0x06, 'd', 'e', 'c', 'o', 'd', 'e',
    0x05, 0x05, 0x07, 'n', 'e', 't', 'w', 'o', 'r', 'k',
    0x01, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xe8, 0x07, 0x06,
    0x08, 0x80, 0x94, 0xeb, 0xdc, 0x03,
};

static void a_minimal_trace_of_version_1_22_is_taken(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    const char *fault = go_reader_check(bytes_of(golden_v2, sizeof golden_v2), &counts);
    if (fault)
        fail_msg("%s", fault);
    assert_int_equal(counts.tasks, 1);
    assert_int_equal(counts.starts, 1);
    assert_int_equal(counts.calls, 1);
    assert_int_equal(counts.call_ns, 200);
    assert_int_equal(counts.parks[TRACE_EVENT_WAIT_NETWORK], 1);
    assert_int_equal(counts.request_ns, 302);
    assert_int_equal(counts.region_ns, 300);
    assert_int_equal(counts.generations, 1);
}

/* Between batches it may end, but for the one with the frequency. */
static void every_cut_of_version_1_22_is_refused(void **state)
{
    (void)state;
    struct go_reader_counts counts;
    for (size_t size = 0; size < sizeof golden_v2; size++)
        assert_non_null(go_reader_check(bytes_of(golden_v2, size), &counts));
}

static void batch_v2(struct buf *out, uint64_t generation, uint64_t machine, const struct buf *body)
{
    buf_append_byte(out, 1);
    put(out, generation);
    put(out, machine);
    put(out, 1000);
    put(out, body->size);
    buf_append(out, body->data, body->size);
}

static void event_v2(struct buf *out, unsigned type, const uint64_t *values, size_t count)
{
    buf_append_byte(out, (uint8_t)type);
    for (size_t i = 0; i < count; i++)
        put(out, values[i]);
}
#define V2(type, ...) event_v2(&body, (type), VALUES(__VA_ARGS__))

static void string_v2(struct buf *out, uint64_t id, const char *text)
{
    buf_append_byte(out, 5);
    put(out, id);
    put(out, strlen(text));
    buf_append_string(out, text);
}

/* Strings 1..5, stack 1, the frequency. */
static void definitions_v2(struct buf *out, uint64_t generation)
{
    static const char *const texts[] = {"conn_task", "conn.c", "Produce", "decode", "network"};
    struct buf body;
    buf_init(&body);
    buf_append_byte(&body, 4);
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        string_v2(&body, i + 1, texts[i]);
    batch_v2(out, generation, NONE, &body);
    buf_clear(&body);
    buf_append_byte(&body, 2);
    V2(3, 1, 1, 0x1000, 1, 2, 42);
    batch_v2(out, generation, NONE, &body);
    buf_clear(&body);
    V2(8, 1000000000);
    batch_v2(out, generation, NONE, &body);
    buf_deinit(&body);
}

/* Task 7 runs on P 0 of M 100, 8 waits, 9 is runnable. */
static void begun_v2(struct buf *body_out)
{
    struct buf body = *body_out;
    V2(13, 0, 0, 1);
    V2(25, 0, 7, 100, 2);
    V2(25, 0, 8, NONE, 4);
    V2(25, 0, 9, NONE, 1);
    *body_out = body;
}

/* `...`: events of M 100; `more`: more of the file. */
#define V2_CASE_AND(wanted, more, ...) \
    do { \
        struct buf out, body; \
        buf_init(&out); \
        buf_init(&body); \
        buf_append(&out, HEADER_1_22, 16); \
        begun_v2(&body); \
        __VA_ARGS__; \
        batch_v2(&out, 1, 100, &body); \
        buf_clear(&body); \
        more; \
        definitions_v2(&out, 1); \
        buf_deinit(&body); \
        assert_fault(&out, (wanted), __LINE__); \
    } while (0)
#define V2_CASE(wanted, ...) V2_CASE_AND(wanted, (void)0, __VA_ARGS__)

static void what_is_right_in_version_1_22_is_taken(void **state)
{
    (void)state;
    V2_CASE("none", (void)0);
    V2_CASE("none", V2(20, 1, 5, 1); V2(21, 1, 7, 1, 0); V2(16, 1, 7, 2); V2(17, 1); V2(11, 0));
    V2_CASE("none", V2(19, 1, 5, 1); V2(11, 0); V2(10, 5, 0, 1); V2(16, 1, 9, 1));
    V2_CASE("none", V2(22, 1, 1, 1); V2(23, 9); V2(22, 1, 2, 1); V2(23, 9));
    /* A wake that another thread wrote down too early by its clock. */
    V2_CASE_AND("none", V2(21, 0, 7, 1, 0); batch_v2(&out, 1, 101, &body), V2(20, 50, 5, 1));
    V2_CASE("none", V2(43, 1, 1, 4, 1));
    V2_CASE("none", V2(44, 1, 0, 3, 4, 1); V2(37, 1, 4096); V2(38, 1, 9); V2(39, 1, 3));
}

static void batches_of_version_1_22_are_whole(void **state)
{
    (void)state;
    V2_CASE("unknown event type", V2(12, 0));
    V2_CASE("invalid batch size", while (body.size <= 65536) V2(37, 1, 4096));
    V2_CASE_AND("generations out of order", batch_v2(&out, 3, NONE, &body), (void)0);
    V2_CASE_AND("two frequencies", V2(8, 1000); batch_v2(&out, 1, NONE, &body), (void)0);
    V2_CASE_AND("has something else", buf_append_byte(&body, 4); V2(37, 1, 1); batch_v2(&out, 1, NONE, &body), (void)0);
    V2_CASE_AND("there twice", buf_append_byte(&body, 4); string_v2(&body, 1, "x"); batch_v2(&out, 1, NONE, &body),
                (void)0);
    V2_CASE_AND("there twice", buf_append_byte(&body, 2); V2(3, 1, 1, 0x1000, 1, 2, 42);
                batch_v2(&out, 1, NONE, &body), (void)0);
    V2_CASE_AND("too many frames", buf_append_byte(&body, 2); V2(3, 2, 129); batch_v2(&out, 1, NONE, &body), (void)0);
    V2_CASE_AND("two places", buf_append_byte(&body, 2); V2(3, 2, 1, 0x1000, 1, 2, 43);
                batch_v2(&out, 1, NONE, &body), (void)0);
    char text[1026];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    V2_CASE_AND("invalid string size", buf_append_byte(&body, 4); string_v2(&body, 9, text);
                batch_v2(&out, 1, NONE, &body), (void)0);
    V2_CASE("invalid string ID", V2(20, 1, 77, 1));
    V2_CASE("invalid stack ID", V2(20, 1, 5, 77));
}

static void events_of_version_1_22_follow_states(void **state)
{
    (void)state;
    static const char stuck[] = "failed to advance";
    V2_CASE(stuck, V2(21, 1, 7, 1, 0));                               /* it runs */
    V2_CASE(stuck, V2(21, 1, 8, 2, 0));                               /* wrong sequence number */
    V2_CASE(stuck, V2(20, 1, 5, 1); V2(16, 1, 7, 1));                 /* not woken */
    V2_CASE(stuck, V2(20, 1, 5, 1); V2(16, 1, 77, 1));                /* nobody created it */
    V2_CASE(stuck, V2(20, 1, 5, 1); V2(11, 1); V2(10, 1, 0, 2));
    V2_CASE(stuck, V2(10, 1, 0, 1));                                  /* it runs already */
    V2_CASE("expected no goroutine", V2(16, 1, 9, 1));
    V2_CASE("expected a goroutine", V2(20, 1, 5, 1); V2(20, 1, 5, 1));
    V2_CASE("expected a goroutine", V2(20, 1, 5, 1); V2(44, 1, 0, 3, 4, 1));
    V2_CASE("expected a proc", V2(20, 1, 5, 1); V2(11, 1); V2(37, 1, 4096));
    V2_CASE("expected a proc", V2(20, 1, 5, 1); V2(11, 1); V2(16, 1, 9, 1));
    V2_CASE("while a goroutine runs", V2(11, 1));
    V2_CASE("already exists", V2(14, 1, 9, 1, 1));
    V2_CASE("without a stack", V2(14, 1, 10, 0, 1));
    V2_CASE("inconsistent status for goroutine", V2(25, 1, 9, NONE, 4));
    V2_CASE("inconsistent status for proc", V2(13, 1, 0, 2));
    V2_CASE("task ID conflict", V2(40, 1, 1, 0, 3, 1); V2(40, 1, 1, 0, 3, 1));
    V2_CASE("misuse of region", V2(42, 1, 1, 4, 1); V2(43, 1, 1, 3, 1));
    V2_CASE("can't make sequence", V2(22, 1, 2, 1));
    V2_CASE("wrong state", V2(23, 1));
    V2_CASE_AND("expected a thread", V2(37, 1, 4096); batch_v2(&out, 1, NONE, &body), (void)0);
}

/* The second begins with the states that the first has ended with. */
#define V2_SECOND_CASE(wanted, ...) \
    do { \
        struct buf out, body; \
        buf_init(&out); \
        buf_init(&body); \
        buf_append(&out, HEADER_1_22, 16); \
        begun_v2(&body); \
        batch_v2(&out, 1, 100, &body); \
        definitions_v2(&out, 1); \
        buf_clear(&body); \
        __VA_ARGS__; \
        batch_v2(&out, 2, 100, &body); \
        definitions_v2(&out, 2); \
        buf_deinit(&body); \
        assert_fault(&out, (wanted), __LINE__); \
    } while (0)

static void generations_repeat_what_they_need(void **state)
{
    (void)state;
    V2_SECOND_CASE("none", begun_v2(&body); V2(20, 1, 5, 1); V2(16, 1, 9, 1));
    V2_SECOND_CASE("failed to advance", V2(13, 0, 0, 1); V2(25, 0, 7, 100, 2); V2(20, 1, 5, 1); V2(16, 1, 9, 1));
    V2_SECOND_CASE("new goroutine after the first generation", begun_v2(&body); V2(25, 0, 10, NONE, 1));
    V2_SECOND_CASE("inconsistent status", V2(13, 0, 0, 1); V2(25, 0, 7, NONE, 1));

    struct buf out, body;
    buf_init(&out);
    buf_init(&body);
    buf_append(&out, HEADER_1_22, 16);
    begun_v2(&body);
    batch_v2(&out, 1, 100, &body);
    definitions_v2(&out, 1);
    batch_v2(&out, 2, 100, &body);
    buf_deinit(&body);
    assert_fault(&out, "no frequency", __LINE__);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minimal_trace_of_version_1_19_is_taken),
        cmocka_unit_test(every_cut_of_version_1_19_is_refused),
        cmocka_unit_test(what_is_right_in_version_1_19_is_taken),
        cmocka_unit_test(nothing_of_version_1_19_runs_on_at_the_end),
        cmocka_unit_test(a_file_of_version_1_19_begins_with_a_batch),
        cmocka_unit_test(records_of_version_1_19_are_whole),
        cmocka_unit_test(a_record_of_version_1_19_has_2048_bytes_at_most),
        cmocka_unit_test(events_of_version_1_19_have_one_order),
        cmocka_unit_test(tasks_and_lanes_of_version_1_19_do_what_they_can),
        cmocka_unit_test(lanes_of_version_1_19_are_counted_before_a_task_starts),
        cmocka_unit_test(records_of_the_same_time_may_come_in_any_order),
        cmocka_unit_test(a_minimal_trace_of_version_1_22_is_taken),
        cmocka_unit_test(every_cut_of_version_1_22_is_refused),
        cmocka_unit_test(what_is_right_in_version_1_22_is_taken),
        cmocka_unit_test(batches_of_version_1_22_are_whole),
        cmocka_unit_test(events_of_version_1_22_follow_states),
        cmocka_unit_test(generations_repeat_what_they_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
