/* test_tracks.c: Chrome's JSON and Perfetto's protobuf, byte for byte. */
#include "trace/tracks.h"

#include "encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The trace stops in the call: all that is open ends. */
static const size_t until_call = 9;

static void chrome_has_the_golden_lines(void **state)
{
    (void)state;
    static const char golden[] =
        "[\n"
        "{\"ph\":\"M\",\"ts\":0.000,\"pid\":1,\"tid\":0,\"name\":\"process_name\",\"args\":{\"name\":\"takhin\"}},\n"
        "{\"ph\":\"M\",\"ts\":0.000,\"pid\":1,\"tid\":1,\"name\":\"thread_name\",\"args\":{\"name\":\"reactor-0\"}},\n"
        "{\"ph\":\"M\",\"ts\":0.000,\"pid\":1,\"tid\":1,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":1}},\n"
        "{\"ph\":\"B\",\"ts\":0.010,\"pid\":1,\"tid\":1,\"name\":\"busy\"},\n"
        "{\"ph\":\"X\",\"ts\":0.020,\"pid\":1,\"tid\":1,\"name\":\"wake\",\"args\":{\"value\":\"conn_task\"},"
        "\"dur\":0},\n"
        "{\"ph\":\"s\",\"ts\":0.020,\"pid\":1,\"tid\":1,\"cat\":\"wake\",\"name\":\"wake\",\"id\":1},\n"
        "{\"ph\":\"B\",\"ts\":0.025,\"pid\":1,\"tid\":1,\"name\":\"conn_task\"},\n"
        "{\"ph\":\"f\",\"ts\":0.025,\"pid\":1,\"tid\":1,\"cat\":\"wake\",\"name\":\"wake\",\"id\":1,\"bp\":\"e\"},\n"
        "{\"ph\":\"b\",\"ts\":0.026,\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x7\",\"name\":\"Produce\","
        "\"args\":{\"at\":\"conn_task conn.c:42\"}},\n"
        "{\"ph\":\"b\",\"ts\":0.027,\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x7\",\"name\":\"decode\","
        "\"args\":{\"at\":\"conn_task conn.c:42\"}},\n"
        "{\"ph\":\"B\",\"ts\":0.037,\"pid\":1,\"tid\":1,\"name\":\"pwrite\","
        "\"args\":{\"at\":\"conn_task conn.c:42\"}},\n"
        "{\"ph\":\"b\",\"ts\":0.037,\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x7\",\"name\":\"pwrite\","
        "\"args\":{\"at\":\"conn_task conn.c:42\"}},\n"
        "{\"ph\":\"E\",\"ts\":0.237,\"pid\":1,\"tid\":1},\n"
        "{\"ph\":\"e\",\"ts\":0.237,\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x7\",\"name\":\"pwrite\"},\n"
        "{\"ph\":\"E\",\"ts\":0.237,\"pid\":1,\"tid\":1},\n"
        "{\"ph\":\"E\",\"ts\":0.237,\"pid\":1,\"tid\":1},\n"
        "{\"ph\":\"e\",\"ts\":0.237,\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x7\",\"name\":\"decode\"},\n"
        "{\"ph\":\"e\",\"ts\":0.237,\"pid\":1,\"tid\":0,\"cat\":\"task\",\"id\":\"0x7\",\"name\":\"Produce\"},\n"
        "{\"ph\":\"C\",\"ts\":0.237,\"pid\":1,\"name\":\"tasks running\",\"args\":{\"value\":1}},\n"
        "{\"ph\":\"C\",\"ts\":0.237,\"pid\":1,\"name\":\"tasks runnable\",\"args\":{\"value\":0}},\n"
        "{\"ph\":\"C\",\"ts\":0.237,\"pid\":1,\"name\":\"tasks waiting\",\"args\":{\"value\":0}}\n"
        "]\n";
    struct small_trace trace = small_trace(true);

    struct buf out = encode("chrome", trace.tables, trace.events, until_call);

    assert_string_equal(buf_string(&out), golden);
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void chrome_escapes_what_clients_send(void **state)
{
    (void)state;
    struct small_trace trace = small_trace(false);
    struct trace_event *event = &trace.events[5]; /* the request */
    event->type = TRACE_EVENT_LOG;
    event->stack = 0;
    event->value = trace_string(trace.tables, bytes_of("a\"b\\c\n\0\x1f\x7f\xc3\xa9\xff\xed\xa0\x80", 15));

    struct buf out = encode("chrome", trace.tables, trace.events, 6);

    assert_non_null(strstr(buf_string(&out), "\"args\":{\"value\":\"a\\\"b\\\\c\\u000a\\u0000\\u001f\x7f\xc3\xa9"
                                             "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}"));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

static void empty_trace_is_json(void **state)
{
    (void)state;
    struct trace_tables *tables = trace_tables_create();
    struct buf out = encode("chrome", tables, NULL, 0);
    assert_memory_equal(out.data, "[\n{", 3);
    assert_memory_equal(out.data + out.size - 5, "}}\n]\n", 5);
    buf_deinit(&out);
    trace_tables_destroy(tables);
}

#define UUID_LANE 0x80, 0x80, 0x80, 0x80, 0x10
#define UUID_TASK 0x87, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40
#define ON_SEQUENCE 0x50, 1, 0x68 /* of trusted_packet_sequence_id 10; sequence_flags 13: */

static void perfetto_has_the_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t golden[] = {
        0x0a, 21, 0xe2, 0x03, 14,                              /* packet 1: track_descriptor 60 */
        0x08, 1, 0x1a, 10, 0x08, 1, 0x32, 6, 't', 'a', 'k', 'h', 'i', 'n', /* uuid 1, process 3: pid 1, name 6 */
        ON_SEQUENCE, 3,                                        /* nothing is known from before */
        0x0a, 26, 0xe2, 0x03, 19,
        0x08, UUID_LANE, 0x12, 9, 'r', 'e', 'a', 'c', 't', 'o', 'r', '-', '0', 0x28, 1, /* name 2, parent 5 */
        ON_SEQUENCE, 2,
        0x0a, 30, 0x40, 10,                                    /* packet: timestamp 8 */
        0x62, 10, 0x12, 8, 0x08, 1, 0x12, 4, 'b', 'u', 's', 'y', /* interned_data 12: event_names 2: iid 1, name 2 */
        0x5a, 10, 0x48, 1, 0x58, UUID_LANE, 0x50, 1,           /* track_event 11: type 9 begins, track 11, name 10 */
        ON_SEQUENCE, 2,
        0x0a, 60, 0x40, 20,
        0x62, 10, 0x12, 8, 0x08, 2, 0x12, 4, 'w', 'a', 'k', 'e',
        0x5a, 40, 0x48, 3, 0x58, UUID_LANE, 0x50, 2,           /* an instant */
        0x22, 18, 0x52, 5, 'v', 'a', 'l', 'u', 'e',            /* debug_annotations 4: name 10, string_value 6 */
        0x32, 9, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k',
        0xf9, 0x02, 1, 0, 0, 0, 0, 0, 0, 0,                    /* flow_ids 47 */
        ON_SEQUENCE, 2,
        0x0a, 45, 0x40, 25,
        0x62, 15, 0x12, 13, 0x08, 3, 0x12, 9, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k',
        0x5a, 20, 0x48, 1, 0x58, UUID_LANE, 0x50, 3,
        0x81, 0x03, 1, 0, 0, 0, 0, 0, 0, 0,                    /* terminating_flow_ids 48 */
        ON_SEQUENCE, 2,
        0x0a, 30, 0xe2, 0x03, 23,                              /* the task's track, as it has a request */
        0x08, UUID_TASK, 0x12, 9, 'c', 'o', 'n', 'n', '_', 't', 'a', 's', 'k', 0x28, 1,
        ON_SEQUENCE, 2,
    };
    static const uint8_t counter[] = {
        0x08, 2, 0x12, 13, 't', 'a', 's', 'k', 's', ' ', 'r', 'u', 'n', 'n', 'i', 'n', 'g', 0x28, 1,
        0x42, 2, 0x18, 2,                                      /* counter 8: unit 3, a count */
        ON_SEQUENCE, 2,
        0x0a, 16, 0x40, 0xed, 0x01,
        0x5a, 7, 0x48, 4, 0x58, 2, 0xf0, 0x01, 1,              /* counter_value 30 */
        ON_SEQUENCE, 2,
    };
    struct small_trace trace = small_trace(true);

    struct buf out = encode("perfetto", trace.tables, trace.events, until_call);

    assert_true(out.size > sizeof(golden));
    assert_memory_equal(out.data, golden, sizeof(golden));
    assert_non_null(memmem(out.data, out.size, counter, sizeof(counter)));
    buf_deinit(&out);
    trace_tables_destroy(trace.tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chrome_has_the_golden_lines),
        cmocka_unit_test(chrome_escapes_what_clients_send),
        cmocka_unit_test(empty_trace_is_json),
        cmocka_unit_test(perfetto_has_the_golden_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
