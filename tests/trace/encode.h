/* encode.h: events -> a file, with one of the encoders. */
#ifndef TESTS_TRACE_ENCODE_H
#define TESTS_TRACE_ENCODE_H

#include "events.h"

#include "base/buf.h"
#include "trace/format.h"

/* The first `count` events; the trace ends with the last. */
static inline struct buf encode(const char *format_name, const struct trace_tables *tables,
                                const struct trace_event *events, size_t count)
{
    const struct trace_format *format = trace_format_find(bytes_of_string(format_name));
    struct trace_encoder *encoder = format->create(tables);
    uint64_t end_ns = 0;
    struct buf out;
    buf_init(&out);
    for (size_t i = 0; i < count; i++) {
        format->event(encoder, &events[i], &out);
        if (events[i].time_ns > end_ns)
            end_ns = events[i].time_ns;
    }
    format->finish(encoder, end_ns, &out);
    format->destroy(encoder);
    return out;
}

/* One connection is served once; with a call in it, if it is to have one. */
struct small_trace {
    struct trace_tables *tables;
    struct trace_event events[32];
    size_t count;
};

static inline struct trace_event *small_add(struct small_trace *trace, enum trace_event_type type, uint64_t time_ns)
{
    struct trace_event *event = &trace->events[trace->count++];
    *event = (struct trace_event){.type = type, .time_ns = time_ns};
    return event;
}

static inline struct small_trace small_trace(bool has_call)
{
    struct small_trace trace = {.tables = trace_tables_create()};
    struct trace_frame frame = {text_of(trace.tables, "conn_task"), text_of(trace.tables, "conn.c"), 42};
    uint32_t stack = trace_stack(trace.tables, &frame, 1);
    struct trace_event *event = small_add(&trace, TRACE_EVENT_LANE, 0);
    event->thread_id = 100;
    event->name = text_of(trace.tables, "reactor-0");
    event = small_add(&trace, TRACE_EVENT_TASK_EXISTS, 0);
    event->lane = TRACE_NO_LANE;
    event->entry = stack;
    event->name = text_of(trace.tables, "conn_task");
    event->is_waiting = 1;
    small_add(&trace, TRACE_EVENT_LANE_START, 10);
    small_add(&trace, TRACE_EVENT_TASK_UNPARK, 20);
    small_add(&trace, TRACE_EVENT_TASK_START, 25);
    event = small_add(&trace, TRACE_EVENT_REQUEST_BEGIN, 26);
    event->text = text_of(trace.tables, "Produce");
    event = small_add(&trace, TRACE_EVENT_REGION_BEGIN, 27);
    event->text = text_of(trace.tables, "decode");
    if (has_call) {
        event = small_add(&trace, TRACE_EVENT_CALL_BEGIN, 37);
        event->text = text_of(trace.tables, "pwrite");
        small_add(&trace, TRACE_EVENT_CALL_END, 237);
    }
    event = small_add(&trace, TRACE_EVENT_REGION_END, 327);
    event->text = text_of(trace.tables, "decode");
    small_add(&trace, TRACE_EVENT_REQUEST_END, 328);
    event = small_add(&trace, TRACE_EVENT_TASK_PARK, 330);
    event->wait = TRACE_EVENT_WAIT_NETWORK;
    event->text = text_of(trace.tables, "socket read");
    small_add(&trace, TRACE_EVENT_LANE_STOP, 333);
    for (size_t i = 0; i < trace.count; i++) {
        event = &trace.events[i];
        if (event->type >= TRACE_EVENT_TASK_EXISTS)
            event->task = event->type == TRACE_EVENT_LANE_STOP ? 0 : 7;
        if (event->type >= TRACE_EVENT_REQUEST_BEGIN && event->type <= TRACE_EVENT_REGION_END)
            event->request = 1;
        if (event->type >= TRACE_EVENT_TASK_PARK && event->type != TRACE_EVENT_TASK_UNPARK &&
            event->type != TRACE_EVENT_CALL_END)
            event->stack = stack;
    }
    return trace;
}

#endif
