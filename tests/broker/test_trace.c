/* test_trace.c: what a request leaves in a trace: its facts, its regions, and its end if it was slow. */
#include "broker/broker.h"

#include "../support/kafka_client.h"
#include "../support/task_test.h"
#include "../support/trace_tape.h"
#include "base/label.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "storage/log.h"
#include "storage/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TOPIC "orders"
#define CLIENT "test client"

struct fixture {
    char folder[32];
    struct storage *storage;
    struct metrics *metrics;
    struct broker *broker;
    struct buf frame, response;
    int client;
    char text[1024];
};

static void ask(struct fixture *fixture, int32_t correlation_id)
{
    kafka_send(fixture->client, &fixture->frame);
    assert_int_equal(kafka_receive(fixture->client, &fixture->response), correlation_id);
}

static int set_up_flushing(void **state, int64_t flush_messages)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->folder, "/tmp/takhin-broker-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    log_configure((struct log_options){.level = LOG_WARNING});
    fixture->metrics = metrics_create();
    struct storage_options storage = {.data_dir = fixture->folder, .node_id = 1, .segment_bytes = 1 << 20,
                                      .segment_age_ms = 1000000, .index_interval_bytes = 4096, .retention_ms = -1,
                                      .retention_bytes = -1, .retention_check_ms = 1000000,
                                      .flush_messages = flush_messages};
    assert_int_equal(storage_open(&fixture->storage, &storage, NULL, NULL), 0);
    struct broker_options options = {.host = "127.0.0.1", .threads = 1, .broker_id = 1, .advertised_host = "",
                                     .max_message_bytes = 1 << 20, .max_request_bytes = 1 << 20,
                                     .max_connections = 10, .connection_idle_ms = 600000, .default_partitions = 1,
                                     .auto_create_topics = true};
    assert_int_equal(broker_start(&fixture->broker, &options, fixture->storage, fixture->metrics), 0);
    fixture->client = kafka_connect(broker_port(fixture->broker));
    kafka_metadata(&fixture->frame, 1, CLIENT, TOPIC);
    ask(fixture, 1);
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    return set_up_flushing(state, 0);
}

static int set_up_with_flush(void **state)
{
    return set_up_flushing(state, 1);
}

static void stop(struct fixture *fixture)
{
    if (fixture->broker)
        broker_stop(fixture->broker);
    fixture->broker = NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    tape_stop();
    label_key_switch(LABEL_TOPIC, true);
    label_key_switch(LABEL_CLIENT_ID, true);
    close(fixture->client);
    stop(fixture);
    storage_close(fixture->storage);
    metrics_destroy(fixture->metrics);
    buf_deinit(&fixture->frame);
    buf_deinit(&fixture->response);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* A request ends when its response is gone: certain once the next is answered. */
static void ask_once_more(struct fixture *fixture)
{
    kafka_metadata(&fixture->frame, 99, CLIENT, TOPIC);
    ask(fixture, 99);
}

static void say(struct fixture *fixture, const char *format, const char *name)
{
    size_t size = strlen(fixture->text);
    int more = snprintf(fixture->text + size, sizeof fixture->text - size, format, name);
    assert_in_range(more, 1, sizeof fixture->text - size - 1);
}

/* The records of the first request of this name, from its begin to its end, as words; without calls, which leave a
 * record or not. All threads have written by then. */
static const char *request_text(struct fixture *fixture, const char *name, struct trace_request_facts *facts)
{
    ask_once_more(fixture);
    tape_stop();
    stop(fixture);
    size_t count, i = 0;
    struct tape_item *items = tape_items(&count);
    while (i < count && !(trace_type(items[i].record) == TRACE_REQUEST_BEGIN &&
                          strcmp(tape_text(items[i].record), name) == 0))
        i++;
    assert_true(i < count);
    memcpy(facts, items[i].record + 1, sizeof *facts);
    assert_int_equal(trace_type(items[i + 1].record), TRACE_REGION_BEGIN);
    assert_true(items[i].ticks == items[i + 1].ticks);
    int thread_id = items[i].thread_id;
    fixture->text[0] = '\0';
    for (bool ended = false; !ended && i < count; i++) {
        const struct trace_record *record = items[i].record;
        if (items[i].thread_id != thread_id)
            continue;
        switch (trace_type(record)) {
        case TRACE_REQUEST_BEGIN:
            say(fixture, "%s:", tape_text(record));
            break;
        case TRACE_REGION_BEGIN:
            say(fixture, " (%s", tape_text(record));
            break;
        case TRACE_REGION_NEXT:
            say(fixture, " | %s", tape_text(record));
            break;
        case TRACE_REGION_END:
            say(fixture, "%s", ")");
            break;
        case TRACE_LOG:
            say(fixture, " %s=", tape_text(record));
            say(fixture, "%s", (const char *)(uintptr_t)tape_continuation(record));
            break;
        case TRACE_TASK_PARK:
            say(fixture, " [%s]", tape_text(record));
            break;
        case TRACE_REQUEST_END:
            say(fixture, "%s", " end");
            ended = true;
            break;
        default:
            break;
        }
    }
    free(items);
    return fixture->text;
}

static const char *client_of(const struct trace_request_facts *facts)
{
    return (const char *)(uintptr_t)facts->client;
}

static void a_produce_decodes_appends_and_responds(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    kafka_produce(&fixture->frame, 42, CLIENT, TOPIC, "hello");
    size_t frame_size = fixture->frame.size - 4;
    tape_start();
    ask(fixture, 42);
    assert_string_equal(request_text(fixture, "Produce", &facts),
                        "Produce: (decode | append topic=" TOPIC " | respond end");
    assert_int_equal(facts.correlation_id, 42);
    assert_int_equal(facts.size_bytes, frame_size);
    assert_string_equal(client_of(&facts), CLIENT);
}

static void a_produce_that_must_be_on_the_disk_waits_within_its_append(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    kafka_produce(&fixture->frame, 42, CLIENT, TOPIC, "hello");
    tape_start();
    ask(fixture, 42);
    assert_string_equal(request_text(fixture, "Produce", &facts),
                        "Produce: (decode | append topic=" TOPIC " (wait_acks [fsync]) | respond end");
}

static void a_produce_without_acks_has_no_response(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    kafka_produce(&fixture->frame, 42, CLIENT, TOPIC, "hello");
    memset(fixture->frame.data + 4 + 8 + 2 + strlen(CLIENT) + 2, 0, 2); /* acks */
    tape_start();
    kafka_send(fixture->client, &fixture->frame);
    kafka_metadata(&fixture->frame, 43, CLIENT, TOPIC); /* answered behind it */
    ask(fixture, 43);
    assert_string_equal(request_text(fixture, "Produce", &facts), "Produce: (decode | append topic=" TOPIC ") end");
}

static bool somebody_waits_for_data(void)
{
    bool found = false;
    size_t count;
    struct tape_item *items = tape_items(&count);
    for (size_t i = 0; i < count && !found; i++)
        found = trace_type(items[i].record) == TRACE_TASK_PARK && strcmp(tape_text(items[i].record), "data wait") == 0;
    free(items);
    return found;
}

static void append_one(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = storage_topic_find(fixture->storage, bytes_of_string(TOPIC));
    struct buf batch;
    int64_t offset;
    buf_init(&batch);
    put_batch(&batch, "hello");
    TASK_CHECK(storage_log_append(topic->logs[0], batch.data, batch.size, 1 << 20, &offset) == 0);
    buf_deinit(&batch);
    storage_topic_release(topic);
}

/* What it waits for comes from another thread, whose records are none of the request's. */
static void fetch_and_wait(struct fixture *fixture, int32_t correlation_id)
{
    kafka_fetch(&fixture->frame, correlation_id, CLIENT, TOPIC, 0, 60000);
    kafka_send(fixture->client, &fixture->frame);
    while (!somebody_waits_for_data())
        usleep(1000);
    task_test_run_with(append_one, fixture);
    assert_int_equal(kafka_receive(fixture->client, &fixture->response), correlation_id);
}

static void a_fetch_reads_waits_and_reads_again(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    tape_start();
    fetch_and_wait(fixture, 44);
    assert_string_equal(request_text(fixture, "Fetch", &facts),
                        "Fetch: (decode | read topic=" TOPIC " | wait_data [data wait] | read | respond end");
}

static void a_topic_that_metadata_makes_is_a_region(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    tape_start();
    kafka_metadata(&fixture->frame, 45, CLIENT, "new");
    ask(fixture, 45);
    const char *text = request_text(fixture, "Metadata", &facts);
    assert_ptr_equal(strstr(text, "Metadata: (decode | lookup (create_topic "), text); /* waits for files */
    assert_non_null(strstr(text, ") | respond end"));
}

static void a_version_that_is_refused_is_a_request_too(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    tape_start();
    kafka_begin(&fixture->frame, 18, 99, 46, CLIENT);
    put_int(&fixture->frame, 0, 1); /* tagged fields of the header */
    kafka_end(&fixture->frame);
    ask(fixture, 46);
    assert_string_equal(request_text(fixture, "ApiVersions", &facts), "ApiVersions: (decode | respond end");
    assert_int_equal(facts.correlation_id, 46);
}

static void labels_that_are_switched_off_are_not_in_the_trace(void **state)
{
    struct fixture *fixture = *state;
    struct trace_request_facts facts;
    label_key_switch(LABEL_TOPIC, false);
    label_key_switch(LABEL_CLIENT_ID, false);
    kafka_produce(&fixture->frame, 42, CLIENT, TOPIC, "hello");
    tape_start();
    ask(fixture, 42);
    assert_string_equal(request_text(fixture, "Produce", &facts), "Produce: (decode | append | respond end");
    assert_null(client_of(&facts));
}

/* On the reactor. */
static char slow_names[64];

static void note_slow(const char *name, uint64_t duration_ns)
{
    ASSERT(duration_ns > 0);
    if (strlen(slow_names) + strlen(name) + 2 < sizeof slow_names)
        strcat(strcat(slow_names, name), " ");
}

static void a_slow_request_is_told(void **state)
{
    static const struct trace_sink sink = {.next_chunk = tape_next_chunk, .slow_request = note_slow};
    struct fixture *fixture = *state;
    slow_names[0] = '\0';
    tape_start();
    atomic_store(&trace_sink, &sink);
    kafka_produce(&fixture->frame, 42, CLIENT, TOPIC, "hello");
    ask(fixture, 42);
    ask_once_more(fixture);
    assert_string_equal(slow_names, ""); /* none is */
    atomic_store(&trace_slow_request_ns, 1);
    kafka_produce(&fixture->frame, 43, CLIENT, TOPIC, "hello");
    ask(fixture, 43);
    ask_once_more(fixture);
    stop(fixture);
    atomic_store(&trace_slow_request_ns, UINT64_MAX);
    assert_non_null(strstr(slow_names, "Produce Metadata "));
}

static void sums_of_waits_are_metrics(void **state)
{
    struct fixture *fixture = *state;
    struct buf text;
    buf_init(&text);
    tape_start();
    fetch_and_wait(fixture, 44);
    tape_stop();
    metrics_expose(fixture->metrics, METRICS_TEXT, &text);
    assert_null(strstr(buf_string(&text), "takhin_task_wait_seconds_total{reason=\"data wait\"} 0\n"));
    assert_non_null(strstr(buf_string(&text), "takhin_task_wait_seconds_total{reason=\"data wait\"} "));
    assert_non_null(strstr(buf_string(&text), "\ntakhin_task_runnable_seconds_total "));
    assert_non_null(strstr(buf_string(&text), "\ntakhin_blocking_call_seconds_total{call=\"write\"} "));
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_produce_decodes_appends_and_responds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_produce_that_must_be_on_the_disk_waits_within_its_append, set_up_with_flush,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_produce_without_acks_has_no_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fetch_reads_waits_and_reads_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_topic_that_metadata_makes_is_a_region, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_version_that_is_refused_is_a_request_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_that_are_switched_off_are_not_in_the_trace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_request_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sums_of_waits_are_metrics, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
