/* bench_trace_encode.c: what a trace costs to write, in each format: ns and bytes an event.
 *
 * Events are those of a served request over and over, on four lanes: a wake, a start, a request with regions and a log,
 * a call, and a wait. Best of some rounds, as it is the machine's noise that the others add. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "trace/format.h"
#include "trace/tables.h"

#include <stdio.h>

#define LANES 4
#define TASKS 64
#define ROUNDS 7
#define REQUESTS 30000

struct events {
    struct trace_event *all;
    size_t count;
    uint64_t time_ns;
};

static struct trace_event *add(struct events *events, enum trace_event_type type, uint32_t lane, uint64_t task)
{
    struct trace_event *event = &events->all[events->count++];
    events->time_ns += 700;
    *event = (struct trace_event){.type = type, .lane = lane, .task = task, .time_ns = events->time_ns};
    return event;
}

static uint32_t stack_of(struct trace_tables *tables, const char *function, uint32_t line)
{
    struct trace_frame frames[2] = {
        {trace_string_of(tables, function), trace_string_of(tables, "src/storage/log.c"), line},
        {trace_string_of(tables, "kafka connection"), trace_string_of(tables, "src/broker/connection.c"), 77},
    };
    return trace_stack(tables, frames, 2);
}

static void add_request(struct events *events, struct trace_tables *tables, uint64_t number)
{
    static const char *const parts[] = {"decode", "append", "respond"};
    uint32_t lane = (uint32_t)(number % LANES), stack = stack_of(tables, "storage_log_append", 480);
    uint64_t task = 1 + number % TASKS;
    size_t first = events->count;
    add(events, TRACE_EVENT_TASK_UNPARK, lane, task);
    add(events, TRACE_EVENT_TASK_START, lane, task);
    add(events, TRACE_EVENT_REQUEST_BEGIN, lane, task)->text = trace_string_of(tables, "Produce");
    struct trace_event *log = add(events, TRACE_EVENT_LOG, lane, task);
    log->text = trace_string_of(tables, "topic");
    log->value = trace_string_of(tables, "orders");
    for (unsigned i = 0; i < ARRAY_COUNT(parts); i++) {
        add(events, TRACE_EVENT_REGION_BEGIN, lane, task)->text = trace_string_of(tables, parts[i]);
        if (i == 1) {
            add(events, TRACE_EVENT_CALL_BEGIN, lane, task)->text = trace_string_of(tables, "pwrite");
            add(events, TRACE_EVENT_CALL_END, lane, task);
        }
        add(events, TRACE_EVENT_REGION_END, lane, task)->text = trace_string_of(tables, parts[i]);
    }
    add(events, TRACE_EVENT_REQUEST_END, lane, task);
    struct trace_event *park = add(events, TRACE_EVENT_TASK_PARK, lane, task);
    park->wait = TRACE_EVENT_WAIT_NETWORK;
    park->text = trace_string_of(tables, "socket read");
    for (size_t i = first; i < events->count; i++) {
        events->all[i].stack = stack;
        events->all[i].request = number + 1;
    }
}

static void add_start(struct events *events, struct trace_tables *tables)
{
    for (uint32_t lane = 0; lane < LANES; lane++)
        add(events, TRACE_EVENT_LANE, lane, 0)->thread_id = (int32_t)lane + 1;
    for (uint64_t task = 1; task <= TASKS; task++) {
        struct trace_event *event = add(events, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, task);
        event->entry = stack_of(tables, "connection_main", 5);
        event->name = trace_string_of(tables, "kafka connection");
        event->is_waiting = 1;
    }
    for (uint32_t lane = 0; lane < LANES; lane++)
        add(events, TRACE_EVENT_LANE_START, lane, 0);
}

int main(void)
{
    struct trace_tables *tables = trace_tables_create();
    struct events events = {.all = mem_alloc_array(REQUESTS * 16 + 256, sizeof(struct trace_event))};
    struct buf out;
    buf_init(&out);
    add_start(&events, tables);
    for (uint64_t i = 0; i < REQUESTS; i++)
        add_request(&events, tables, i);
    for (unsigned i = 0; i < trace_format_count; i++) {
        const struct trace_format *format = trace_formats[i];
        uint64_t best_ns = UINT64_MAX;
        for (unsigned round = 0; round < ROUNDS; round++) {
            buf_clear(&out);
            uint64_t start_ns = clock_monotonic_ns();
            struct trace_encoder *encoder = format->create(tables);
            for (size_t j = 0; j < events.count; j++)
                format->event(encoder, &events.all[j], &out);
            format->finish(encoder, events.time_ns, &out);
            format->destroy(encoder);
            uint64_t took_ns = clock_monotonic_ns() - start_ns;
            best_ns = took_ns < best_ns ? took_ns : best_ns;
        }
        double ns = (double)best_ns / (double)events.count;
        printf("%-9s %6.1f ns an event (%5.1f M/s)  %6.2f bytes an event\n", format->name, ns, 1e3 / ns,
               (double)out.size / (double)events.count);
    }
    buf_deinit(&out);
    mem_free(events.all);
    trace_tables_destroy(tables);
    return 0;
}
