/* events.h: what a small broker does, made up: events that hold to the rules of trace/event.h, and what they add up to.
 *
 * Two reactors serve ten connections; a worker syncs files for them. Half of the requests are Produce, which wait for
 * the worker, and some for a lock; some Fetches wait for data. In the middle, a second worker turns up. */
#ifndef TESTS_TRACE_EVENTS_H
#define TESTS_TRACE_EVENTS_H

#include "base/mem.h"
#include "trace/event.h"
#include "trace/tables.h"

#include <stdio.h>
#include <stdlib.h>

#define REACTORS 2
#define WORKER_LANE REACTORS
#define LATE_LANE (REACTORS + 1)
#define CONNECTIONS 10
#define WORKER_TASK 500
#define LATE_TASK 501
#define FIRST_CONNECTION 1001

/* Sums of what has ended, in ns, and counts. */
struct broker_totals {
    uint64_t network_ns, select_ns, sync_ns, condition_ns, call_ns;
    uint64_t produce_count, fetch_count, call_count, region_count, sample_count, end_ns;
};

struct broker {
    struct trace_tables *tables;
    struct trace_event *events;
    size_t count, capacity;
    uint64_t random;
    uint64_t now[REACTORS], worker_free; /* until when each is done with what it has done */
    uint64_t parked_at[CONNECTIONS];     /* 0: it waits since before the trace */
    uint64_t requests, pause_ns; /* pause_ns: at most, between two requests */
    struct broker_totals totals;
};

static inline struct trace_event *broker_add(struct broker *broker, enum trace_event_type type, uint32_t lane,
                                             uint64_t time_ns, uint64_t task)
{
    if (broker->count == broker->capacity) {
        broker->capacity = broker->capacity ? 2 * broker->capacity : 1024;
        broker->events = mem_realloc(broker->events, broker->capacity * sizeof *broker->events);
    }
    struct trace_event *event = &broker->events[broker->count++];
    *event = (struct trace_event){.type = type, .lane = lane, .time_ns = time_ns, .task = task};
    return event;
}

static inline uint64_t broker_random(struct broker *broker, uint64_t from, uint64_t to)
{
    broker->random = broker->random * 6364136223846793005u + 1442695040888963407u;
    return from + (broker->random >> 33) % (to - from);
}

static inline uint32_t text_of(struct trace_tables *tables, const char *text)
{
    return trace_string_of(tables, text);
}

/* A stack of the place and, if the task has one, its root. */
static inline uint32_t stack_of(struct trace_tables *tables, const char *function, const char *file, uint32_t line,
                                const char *root)
{
    struct trace_frame frames[2] = {
        {text_of(tables, function), text_of(tables, file), line},
        {root ? text_of(tables, root) : 0, text_of(tables, "src/broker/connection.c"), 77},
    };
    return trace_stack(tables, frames, root ? 2 : 1);
}

static inline uint32_t entry_of(struct trace_tables *tables, const char *name)
{
    struct trace_frame frame = {text_of(tables, name), text_of(tables, "src/broker/connection.c"), 77};
    return trace_stack(tables, &frame, 1);
}

static const char connection_name[] = "kafka connection";

static inline uint32_t connection_stack(struct broker *broker, const char *function, const char *file, uint32_t line)
{
    return stack_of(broker->tables, function, file, line, connection_name);
}

static inline void broker_lane(struct broker *broker, uint32_t lane, const char *name, int32_t thread_id,
                               bool is_worker)
{
    struct trace_event *event = broker_add(broker, TRACE_EVENT_LANE, lane, 0, 0);
    event->name = text_of(broker->tables, name);
    event->thread_id = thread_id;
    event->is_worker = is_worker;
}

static inline void broker_task(struct broker *broker, enum trace_event_type type, uint32_t lane, uint64_t time_ns,
                               uint64_t task, const char *name)
{
    struct trace_event *event = broker_add(broker, type, lane, time_ns, task);
    event->entry = entry_of(broker->tables, name);
    event->name = text_of(broker->tables, name);
    event->is_waiting = type == TRACE_EVENT_TASK_EXISTS;
    if (type == TRACE_EVENT_TASK_CREATE)
        event->stack = stack_of(broker->tables, "listener_accept", "src/runtime/listener.c", 91, NULL);
}

static inline void broker_park(struct broker *broker, uint32_t lane, uint64_t time_ns, uint64_t task,
                               enum trace_event_wait wait, const char *reason, uint32_t stack)
{
    struct trace_event *event = broker_add(broker, TRACE_EVENT_TASK_PARK, lane, time_ns, task);
    event->wait = wait;
    event->text = text_of(broker->tables, reason);
    event->stack = stack;
}

static inline void broker_unpark(struct broker *broker, uint32_t lane, uint64_t time_ns, uint64_t task,
                                 const char *function, const char *file, uint32_t line)
{
    struct trace_event *event = broker_add(broker, TRACE_EVENT_TASK_UNPARK, lane, time_ns, task);
    event->stack = stack_of(broker->tables, function, file, line, NULL);
}

static inline void broker_call(struct broker *broker, uint32_t lane, uint64_t time_ns, uint64_t end_ns, uint64_t task,
                               const char *name, uint32_t stack)
{
    struct trace_event *event = broker_add(broker, TRACE_EVENT_CALL_BEGIN, lane, time_ns, task);
    event->text = text_of(broker->tables, name);
    event->stack = stack;
    broker_add(broker, TRACE_EVENT_CALL_END, lane, end_ns, task);
    broker->totals.call_ns += end_ns - time_ns;
    broker->totals.call_count++;
}

static inline void broker_region(struct broker *broker, enum trace_event_type type, uint32_t lane, uint64_t time_ns,
                                 uint64_t task, uint64_t request, const char *name, uint32_t line)
{
    struct trace_event *event = broker_add(broker, type, lane, time_ns, task);
    event->request = request;
    event->text = text_of(broker->tables, name);
    event->stack = connection_stack(broker, "kafka_handler_produce", "src/broker/handlers/produce.c", line);
    broker->totals.region_count += type == TRACE_EVENT_REGION_BEGIN;
}

/* The worker gets the file to sync from `task`, which parks; returns when it wakes the task. */
static inline uint64_t broker_sync(struct broker *broker, uint32_t lane, uint64_t now, uint64_t task)
{
    uint64_t begin = now > broker->worker_free ? now : broker->worker_free;
    uint64_t end = begin + broker_random(broker, 100000, 300000);
    uint32_t stack = stack_of(broker->tables, "files_sync", "src/storage/files.c", 140, "pool worker");
    broker_park(broker, lane, now, task, TRACE_EVENT_WAIT_CONDITION, "fsync",
                connection_stack(broker, "storage_log_append", "src/storage/log.c", 488));
    broker_add(broker, TRACE_EVENT_LANE_START, WORKER_LANE, begin + 1000, 0);
    broker_unpark(broker, WORKER_LANE, begin + 2000, WORKER_TASK, "worker_main", "src/runtime/offload.c", 30);
    broker_add(broker, TRACE_EVENT_TASK_START, WORKER_LANE, begin + 3000, WORKER_TASK);
    broker_call(broker, WORKER_LANE, begin + 4000, end - 4000, WORKER_TASK, "fsync", stack);
    broker_unpark(broker, WORKER_LANE, end - 3000, task, "worker_main", "src/runtime/offload.c", 44);
    broker_park(broker, WORKER_LANE, end - 2000, WORKER_TASK, TRACE_EVENT_WAIT_OTHER, "work", stack);
    broker_add(broker, TRACE_EVENT_LANE_STOP, WORKER_LANE, end - 1000, 0);
    broker->worker_free = end;
    broker->totals.condition_ns += end - 3000 - now;
    return end - 3000;
}

/* Parks, is woken by nobody's lane, and goes on. */
static inline uint64_t broker_wait(struct broker *broker, uint32_t lane, uint64_t now, uint64_t task,
                                   enum trace_event_wait wait, const char *reason, uint32_t stack)
{
    uint64_t woken = now + broker_random(broker, 20000, 90000);
    broker_park(broker, lane, now, task, wait, reason, stack);
    broker_unpark(broker, TRACE_NO_LANE, woken, task, "storage_append_done", "src/storage/log.c", 510);
    *(wait == TRACE_EVENT_WAIT_SYNC ? &broker->totals.sync_ns : &broker->totals.select_ns) += woken - now;
    broker_add(broker, TRACE_EVENT_TASK_START, lane, woken + 3000, task);
    return woken + 4000;
}

static inline void broker_request(struct broker *broker)
{
    uint64_t request = ++broker->requests;
    uint32_t lane = request % REACTORS;
    unsigned connection = (unsigned)(request % CONNECTIONS);
    uint64_t task = FIRST_CONNECTION + connection;
    uint64_t now = broker->now[lane] + broker_random(broker, 5000, broker->pause_ns);
    bool is_produce = request / REACTORS % 2 == 0;
    struct trace_event *event;
    broker_add(broker, TRACE_EVENT_LANE_START, lane, now, 0);
    broker_unpark(broker, lane, now += 1000, task, "stream_read_done", "src/runtime/stream.c", 210);
    if (broker->parked_at[connection] != 0)
        broker->totals.network_ns += now - broker->parked_at[connection];
    broker_add(broker, TRACE_EVENT_TASK_START, lane, now += 1000, task);
    event = broker_add(broker, TRACE_EVENT_REQUEST_BEGIN, lane, now += 1000, task);
    event->request = request;
    event->text = text_of(broker->tables, is_produce ? "Produce" : "Fetch");
    event->stack = connection_stack(broker, "connection_serve", "src/broker/connection.c", 300);
    event = broker_add(broker, TRACE_EVENT_LOG, lane, now, task);
    event->request = request;
    event->text = text_of(broker->tables, "topic");
    event->value = text_of(broker->tables, "orders");
    broker_region(broker, TRACE_EVENT_REGION_BEGIN, lane, now += 1000, task, request, "decode", 50);
    broker_region(broker, TRACE_EVENT_REGION_END, lane, now += 9000, task, request, "decode", 50);
    if (is_produce) {
        broker_region(broker, TRACE_EVENT_REGION_BEGIN, lane, now, task, request, "append", 60);
        if (request % 4 == 0)
            now = broker_wait(broker, lane, now + 1000, task, TRACE_EVENT_WAIT_SYNC, "mutex lock",
                              connection_stack(broker, "storage_log_append", "src/storage/log.c", 470));
        uint64_t done = now + broker_random(broker, 5000, 30000);
        broker_call(broker, lane, now += 1000, done, task, "pwrite",
                    connection_stack(broker, "storage_log_append", "src/storage/log.c", 480));
        now = broker_sync(broker, lane, done + 1000, task) + 2000;
        broker_add(broker, TRACE_EVENT_TASK_START, lane, now, task);
        broker_region(broker, TRACE_EVENT_REGION_END, lane, now += 1000, task, request, "append", 60);
    } else if (request % 6 == 0) {
        now = broker_wait(broker, lane, now + 1000, task, TRACE_EVENT_WAIT_SELECT, "data wait",
                          connection_stack(broker, "storage_wait", "src/storage/storage.c", 88));
    }
    *(is_produce ? &broker->totals.produce_count : &broker->totals.fetch_count) += 1;
    event = broker_add(broker, TRACE_EVENT_SAMPLE, lane, now - 500, task);
    event->stack = connection_stack(broker, "crc32c", "src/base/crc32c.c", 12);
    broker->totals.sample_count++;
    event = broker_add(broker, TRACE_EVENT_REQUEST_END, lane, now += 1000, task);
    event->request = request;
    broker_park(broker, lane, now += 1000, task, TRACE_EVENT_WAIT_NETWORK, "socket read",
                connection_stack(broker, "stream_read", "src/runtime/stream.c", 180));
    broker->parked_at[connection] = now;
    broker_add(broker, TRACE_EVENT_LANE_STOP, lane, now += 1000, 0);
    broker->now[lane] = now;
}

/* A connection that comes, yields once, sleeps, and goes. */
static inline void broker_visitor(struct broker *broker, uint32_t lane, uint64_t task)
{
    uint64_t now = broker->now[lane] + 1000;
    broker_add(broker, TRACE_EVENT_LANE_START, lane, now, 0);
    broker_task(broker, TRACE_EVENT_TASK_CREATE, lane, now += 1000, task, "visitor");
    broker_add(broker, TRACE_EVENT_TASK_START, lane, now += 1000, task);
    uint32_t stack = stack_of(broker->tables, "visitor_main", "src/broker/visitor.c", 5, "visitor");
    broker_add(broker, TRACE_EVENT_TASK_YIELD, lane, now += 1000, task)->stack = stack;
    broker_add(broker, TRACE_EVENT_TASK_START, lane, now += 1000, task);
    broker_park(broker, lane, now += 1000, task, TRACE_EVENT_WAIT_SLEEP, "timer", stack);
    broker_unpark(broker, lane, now += 5000, task, "timer_fired", "src/runtime/reactor.c", 66);
    broker_add(broker, TRACE_EVENT_TASK_START, lane, now += 1000, task);
    broker_add(broker, TRACE_EVENT_TASK_END, lane, now += 1000, task);
    struct trace_event *event = broker_add(broker, TRACE_EVENT_HEAP, TRACE_NO_LANE, now += 1000, 0);
    event->bytes = 5000000 + task;
    event->limit_bytes = 9000000;
    broker_add(broker, TRACE_EVENT_LANE_STOP, lane, now += 1000, 0);
    broker->now[lane] = now;
}

/* A thread that nobody knew of works for a task from before the trace, and is in a call when the trace ends. */
static inline void broker_latecomer(struct broker *broker)
{
    uint64_t now = broker->now[0] > broker->now[1] ? broker->now[0] : broker->now[1];
    uint32_t stack = stack_of(broker->tables, "files_open", "src/storage/files.c", 20, "late worker");
    broker_lane(broker, LATE_LANE, "late worker", 101, true); /* its thread's id was another's before */
    broker->events[broker->count - 1].time_ns = now;
    broker_task(broker, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, now, LATE_TASK, "late worker");
    broker_add(broker, TRACE_EVENT_LANE_START, LATE_LANE, now += 1000, 0);
    broker_unpark(broker, LATE_LANE, now += 1000, LATE_TASK, "worker_main", "src/runtime/offload.c", 30);
    broker_add(broker, TRACE_EVENT_TASK_START, LATE_LANE, now += 1000, LATE_TASK);
    struct trace_event *event = broker_add(broker, TRACE_EVENT_CALL_BEGIN, LATE_LANE, now += 1000, LATE_TASK);
    event->text = text_of(broker->tables, "open");
    event->stack = stack;
}

/* Samples come late, and keep their time. */
static inline uint64_t broker_order(const struct trace_event *event)
{
    return event->time_ns + (event->type == TRACE_EVENT_SAMPLE ? 200000 : 0);
}

struct broker_numbered {
    struct trace_event event;
    size_t number;
};

static inline int broker_compare(const void *a, const void *b)
{
    const struct broker_numbered *first = a, *second = b;
    uint64_t first_order = broker_order(&first->event), second_order = broker_order(&second->event);
    if (first_order != second_order)
        return first_order < second_order ? -1 : 1;
    return first->number < second->number ? -1 : 1;
}

static inline void broker_sort(struct broker *broker)
{
    struct broker_numbered *numbered = mem_alloc_array(broker->count, sizeof *numbered);
    for (size_t i = 0; i < broker->count; i++)
        numbered[i] = (struct broker_numbered){broker->events[i], i};
    qsort(numbered, broker->count, sizeof *numbered, broker_compare);
    for (size_t i = 0; i < broker->count; i++)
        broker->events[i] = numbered[i].event;
    mem_free(numbered);
}

/* Makes the events, in order; free them with mem_free. */
static inline struct broker broker_run(struct trace_tables *tables, unsigned requests, uint64_t pause_ns)
{
    struct broker broker = {
        .tables = tables, .random = 42, .now = {10000, 12345}, .worker_free = 10000, .pause_ns = pause_ns};
    broker_lane(&broker, 0, "reactor-0", 101, false);
    broker_lane(&broker, 1, "reactor-1", 102, false);
    broker_lane(&broker, WORKER_LANE, "worker", 103, true);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        broker_task(&broker, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, 0, FIRST_CONNECTION + i, connection_name);
    broker_task(&broker, TRACE_EVENT_TASK_EXISTS, TRACE_NO_LANE, 0, WORKER_TASK, "pool worker");
    for (unsigned i = 0; i < requests; i++) {
        broker_request(&broker);
        if (i % 10 == 9)
            broker_visitor(&broker, i / 10 % REACTORS, 5000 + i);
        if (i == requests / 2)
            broker_latecomer(&broker);
    }
    broker_sort(&broker);
    for (unsigned i = 0; i < REACTORS; i++)
        if (broker.now[i] > broker.totals.end_ns)
            broker.totals.end_ns = broker.now[i];
    return broker;
}

#endif
