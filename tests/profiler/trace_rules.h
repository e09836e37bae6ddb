/* trace_rules.h: the rules of trace/event.h, checked; and what events add up to, for each task and in all. */
#ifndef TESTS_PROFILER_TRACE_RULES_H
#define TESTS_PROFILER_TRACE_RULES_H

#include "base/mem.h"
#include "trace/event.h"
#include "trace/tables.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define RULES_LANES_MAX 32
#define RULES_REGIONS_MAX 128
#define RULES_WAITS (TRACE_EVENT_WAIT_SELECT + 1)

/* Durations count when they have ended. */
struct rules_sums {
    uint64_t waited_ns[RULES_WAITS], parks[RULES_WAITS];
    uint64_t ran_ns, runnable_ns, call_ns, request_ns, region_ns;
    uint64_t starts, yields, unparks, calls, requests, regions, logs, samples, heap_sizes, tasks, ends;
};

enum rules_status { RULES_NONE, RULES_RUNNABLE, RULES_RUNNING, RULES_WAITING, RULES_ENDED };

struct rules_task {
    uint64_t id;
    enum rules_status status;
    uint32_t lane, entry;
    uint64_t since_ns, call_since_ns, told_ns;
    enum trace_event_wait wait;
    uint64_t request, request_since_ns;
    struct {
        uint64_t request, since_ns;
        uint32_t name;
    } regions[RULES_REGIONS_MAX];
    unsigned region_count;
    struct rules_sums sums;
    UT_hash_handle hh;
};

struct rules_lane {
    bool exists, is_busy, is_in_call;
    struct rules_task *task;
};

struct rules {
    const struct trace_tables *tables;
    struct rules_task *tasks;
    struct rules_lane lanes[RULES_LANES_MAX];
    struct rules_sums sums;
    uint64_t now_ns, last_request;
    char broken[200]; /* the first rule that was; "": none */
};

static inline void rules_init(struct rules *rules, const struct trace_tables *tables)
{
    memset(rules, 0, sizeof *rules);
    rules->tables = tables;
}

static inline void rules_deinit(struct rules *rules)
{
    while (rules->tasks) {
        struct rules_task *task = rules->tasks;
        HASH_DEL(rules->tasks, task);
        mem_free(task);
    }
}

static inline struct rules_task *rules_task(struct rules *rules, uint64_t id)
{
    struct rules_task *task;
    HASH_FIND(hh, rules->tasks, &id, sizeof id, task);
    if (!task) {
        task = MEM_NEW(struct rules_task);
        task->id = id;
        HASH_ADD(hh, rules->tasks, id, sizeof id, task);
    }
    return task;
}

#define RULE(fact) \
    do { \
        if (!(fact)) { \
            if (!rules->broken[0]) \
                snprintf(rules->broken, sizeof rules->broken, "event %d of task %llu at %llu ns: not %s", \
                         (int)event->type, (unsigned long long)event->task, (unsigned long long)event->time_ns, \
                         #fact); \
            return; \
        } \
    } while (0)

#define RULES_ADD(field, value) (task->sums.field += (value), rules->sums.field += (value))

static inline void rules_take_lane(struct rules *rules, const struct trace_event *event)
{
    struct rules_lane *lane = &rules->lanes[event->lane];
    switch (event->type) {
    case TRACE_EVENT_LANE:
        RULE(!lane->exists);
        RULE(event->name != 0);
        lane->exists = true;
        return;
    case TRACE_EVENT_LANE_START:
        RULE(!lane->is_busy);
        lane->is_busy = true;
        return;
    default:
        RULE(lane->is_busy);
        RULE(!lane->task);
        lane->is_busy = false;
        return;
    }
}

static inline void rules_take_new(struct rules *rules, struct rules_task *task, const struct trace_event *event)
{
    unsigned depth = 0;
    RULE(task->status == RULES_NONE);
    RULE(event->entry != 0 && event->name != 0);
    const struct trace_frame *entry = trace_stack_frames(rules->tables, event->entry, &depth);
    RULE(depth == 1 && entry->function == event->name);
    task->status = event->is_waiting ? RULES_WAITING : RULES_RUNNABLE;
    task->since_ns = task->told_ns = event->time_ns;
    task->entry = event->entry;
    RULES_ADD(tasks, 1);
}

/* Its root is the task's entry. */
static inline bool rules_is_stack_of(const struct rules *rules, const struct rules_task *task, uint32_t stack)
{
    unsigned depth, entry_depth;
    if (stack == 0)
        return false;
    const struct trace_frame *frames = trace_stack_frames(rules->tables, stack, &depth);
    const struct trace_frame *entry = trace_stack_frames(rules->tables, task->entry, &entry_depth);
    return memcmp(&frames[depth - 1], entry, sizeof *entry) == 0;
}

static inline void rules_take_move(struct rules *rules, struct rules_task *task, const struct trace_event *event)
{
    struct rules_lane *lane = event->lane == TRACE_NO_LANE ? NULL : &rules->lanes[event->lane];
    uint64_t took_ns = event->time_ns - task->since_ns;
    switch (event->type) {
    case TRACE_EVENT_TASK_START:
        RULE(lane && lane->is_busy && !lane->task);
        RULE(task->status == RULES_RUNNABLE);
        RULES_ADD(runnable_ns, took_ns);
        RULES_ADD(starts, 1);
        task->status = RULES_RUNNING;
        lane->task = task;
        break;
    case TRACE_EVENT_TASK_UNPARK:
        RULE(task->status == RULES_WAITING);
        RULES_ADD(waited_ns[task->wait], took_ns);
        RULES_ADD(unparks, 1);
        task->status = RULES_RUNNABLE;
        break;
    default: /* it leaves the lane */
        RULE(lane && lane->task == task && task->status == RULES_RUNNING);
        RULES_ADD(ran_ns, took_ns);
        lane->task = NULL;
        if (event->type == TRACE_EVENT_TASK_END) {
            RULE(!task->request && task->region_count == 0);
            RULES_ADD(ends, 1);
            task->status = RULES_ENDED;
            break;
        }
        RULE(rules_is_stack_of(rules, task, event->stack));
        task->status = event->type == TRACE_EVENT_TASK_YIELD ? RULES_RUNNABLE : RULES_WAITING;
        if (task->status == RULES_RUNNABLE) {
            RULES_ADD(yields, 1);
            break;
        }
        RULE(event->text != 0);
        RULES_ADD(parks[event->wait], 1);
        task->wait = event->wait;
        break;
    }
    task->since_ns = event->time_ns;
}

static inline void rules_take_said(struct rules *rules, struct rules_task *task, const struct trace_event *event)
{
    struct rules_lane *lane = &rules->lanes[event->lane];
    RULE(event->lane != TRACE_NO_LANE && lane->task == task);
    unsigned top = task->region_count - 1;
    switch (event->type) {
    case TRACE_EVENT_CALL_BEGIN:
        RULE(event->text != 0 && event->request == 0);
        lane->is_in_call = true;
        task->call_since_ns = event->time_ns;
        RULES_ADD(calls, 1);
        break;
    case TRACE_EVENT_CALL_END:
        RULES_ADD(call_ns, event->time_ns - task->call_since_ns);
        lane->is_in_call = false;
        break;
    case TRACE_EVENT_REQUEST_BEGIN:
        RULE(!task->request && event->request > rules->last_request && event->text != 0);
        rules->last_request = task->request = event->request;
        task->request_since_ns = event->time_ns;
        RULES_ADD(requests, 1);
        break;
    case TRACE_EVENT_REQUEST_END:
        RULE(task->request == event->request && event->request != 0);
        RULE(task->region_count == 0 || task->regions[top].request != task->request);
        RULES_ADD(request_ns, event->time_ns - task->request_since_ns);
        task->request = 0;
        break;
    case TRACE_EVENT_REGION_BEGIN:
        RULE(event->request == task->request && event->text != 0 && task->region_count < RULES_REGIONS_MAX);
        task->regions[task->region_count].request = event->request;
        task->regions[task->region_count].since_ns = event->time_ns;
        task->regions[task->region_count++].name = event->text;
        RULES_ADD(regions, 1);
        break;
    case TRACE_EVENT_REGION_END:
        RULE(task->region_count > 0);
        RULE(task->regions[top].name == event->text && task->regions[top].request == event->request);
        RULES_ADD(region_ns, event->time_ns - task->regions[top].since_ns);
        task->region_count--;
        break;
    default:
        RULE(event->request == task->request && event->text != 0);
        RULES_ADD(logs, 1);
        break;
    }
}

/* trace_take_fn. */
static inline void rules_take(const struct trace_event *event, void *context)
{
    struct rules *rules = context;
    RULE((unsigned)event->type < TRACE_EVENT_TYPE_COUNT);
    RULE(event->lane == TRACE_NO_LANE || event->lane < RULES_LANES_MAX);
    RULE(event->stack <= trace_stack_count(rules->tables));
    RULE(event->text <= trace_string_count(rules->tables) && event->value <= trace_string_count(rules->tables));
    if (event->type == TRACE_EVENT_SAMPLE) {
        const struct rules_task *task = event->task ? rules_task(rules, event->task) : NULL;
        RULE(!task || (task->status != RULES_NONE && task->told_ns < event->time_ns));
        rules->sums.samples++;
        return;
    }
    RULE(event->time_ns >= rules->now_ns);
    rules->now_ns = event->time_ns;
    if (event->type == TRACE_EVENT_HEAP) {
        rules->sums.heap_sizes++;
        return;
    }
    if (event->lane != TRACE_NO_LANE) {
        const struct rules_lane *lane = &rules->lanes[event->lane];
        RULE(lane->exists || event->type == TRACE_EVENT_LANE);
        RULE(lane->is_in_call == (event->type == TRACE_EVENT_CALL_END));
        RULE(lane->is_busy || event->type <= TRACE_EVENT_LANE_START);
    }
    if (event->type <= TRACE_EVENT_LANE_STOP) {
        rules_take_lane(rules, event);
        return;
    }
    struct rules_task *task = rules_task(rules, event->task);
    if (event->type <= TRACE_EVENT_TASK_CREATE) {
        rules_take_new(rules, task, event);
        return;
    }
    RULE(task->status != RULES_NONE && task->status != RULES_ENDED);
    if (event->type <= TRACE_EVENT_TASK_UNPARK)
        rules_take_move(rules, task, event);
    else
        rules_take_said(rules, task, event);
}

#endif
