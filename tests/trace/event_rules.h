/* event_rules.h: the rules of trace/event.h as a state machine: what an event breaks, if anything. */
#ifndef TESTS_TRACE_EVENT_RULES_H
#define TESTS_TRACE_EVENT_RULES_H

#include "base/mem.h"
#include "trace/event.h"
#include "trace/index_map.h"
#include "trace/tables.h"

#include <stdbool.h>
#include <stddef.h>

struct ruled_task {
    enum { RULED_RUNNABLE, RULED_RUNNING, RULED_WAITING, RULED_ENDED } state;
    uint64_t request;
    uint32_t region_count, regions_around; /* the request */
    uint32_t region_capacity;
    struct ruled_region {
        uint32_t name;
        uint64_t request;
    } *regions;
};

struct ruled_lane {
    bool exists, is_busy, is_in_call;
    uint64_t task; /* 0: none */
};

struct event_rules {
    const struct trace_tables *tables;
    uint64_t time_ns;
    struct index_map task_indexes, requests;
    struct ruled_task *tasks; /* [0] is none */
    uint32_t task_count;
    struct ruled_lane *lanes;
    uint32_t lane_count;
};

static inline void event_rules_init(struct event_rules *rules, const struct trace_tables *tables)
{
    *rules = (struct event_rules){.tables = tables, .task_count = 1};
}

static inline void event_rules_deinit(struct event_rules *rules)
{
    for (uint32_t i = 1; i < rules->task_count; i++)
        mem_free(rules->tasks[i].regions);
    mem_free(rules->tasks);
    mem_free(rules->lanes);
    index_map_deinit(&rules->task_indexes);
    index_map_deinit(&rules->requests);
}

#define RULE(fact) \
    do { \
        if (!(fact)) \
            return #fact; \
    } while (0)

static inline const char *event_rules_lane(struct event_rules *rules, const struct trace_event *event)
{
    RULE(event->lane != TRACE_NO_LANE);
    if (event->lane >= rules->lane_count) {
        struct ruled_lane *lanes = mem_alloc_array(event->lane + 1, sizeof *lanes);
        if (rules->lane_count > 0)
            memcpy(lanes, rules->lanes, rules->lane_count * sizeof *lanes);
        mem_free(rules->lanes);
        rules->lanes = lanes;
        rules->lane_count = event->lane + 1;
    }
    RULE(!rules->lanes[event->lane].exists);
    rules->lanes[event->lane].exists = true;
    return NULL;
}

static inline const char *event_rules_new_task(struct event_rules *rules, const struct trace_event *event)
{
    RULE(event->task != 0);
    uint32_t *index = index_map_at(&rules->task_indexes, event->task);
    RULE(*index == 0);
    *index = rules->task_count++;
    if ((rules->task_count & (rules->task_count - 1)) == 0 || rules->task_count == 2)
        rules->tasks = mem_realloc(rules->tasks, 2 * (size_t)rules->task_count * sizeof *rules->tasks);
    rules->tasks[*index] = (struct ruled_task){.state = event->is_waiting ? RULED_WAITING : RULED_RUNNABLE};
    unsigned depth;
    if (event->entry != 0)
        trace_stack_frames(rules->tables, event->entry, &depth);
    RULE(event->entry == 0 || depth == 1);
    return NULL;
}

static inline const char *event_rules_region(struct ruled_task *task, const struct trace_event *event)
{
    if (event->type == TRACE_EVENT_REGION_BEGIN) {
        if (task->region_count == task->region_capacity) {
            task->region_capacity = task->region_capacity ? 2 * task->region_capacity : 4;
            task->regions = mem_realloc(task->regions, task->region_capacity * sizeof *task->regions);
        }
        task->regions[task->region_count++] = (struct ruled_region){event->text, event->request};
        return NULL;
    }
    RULE(task->region_count > 0);
    RULE(task->regions[task->region_count - 1].name == event->text);
    RULE(task->regions[task->region_count - 1].request == event->request);
    task->region_count--;
    return NULL;
}

static inline const char *event_rules_request(struct event_rules *rules, struct ruled_task *task,
                                              const struct trace_event *event)
{
    RULE(event->request != 0);
    if (event->type == TRACE_EVENT_REQUEST_BEGIN) {
        uint32_t *known = index_map_at(&rules->requests, event->request);
        RULE(*known == 0);
        *known = 1;
        RULE(task->request == 0);
        task->request = event->request;
        task->regions_around = task->region_count;
        return NULL;
    }
    RULE(task->request == event->request);
    RULE(task->region_count <= task->regions_around);
    task->request = 0;
    return NULL;
}

static inline const char *event_rules_of_running(struct event_rules *rules, struct ruled_lane *lane,
                                                 struct ruled_task *task, const struct trace_event *event)
{
    RULE(lane && lane->is_busy);
    RULE(lane->task == event->task && task->state == RULED_RUNNING);
    RULE(!lane->is_in_call || event->type == TRACE_EVENT_CALL_END);
    switch (event->type) {
    case TRACE_EVENT_CALL_BEGIN: lane->is_in_call = true; return NULL;
    case TRACE_EVENT_CALL_END:
        RULE(lane->is_in_call);
        lane->is_in_call = false;
        return NULL;
    case TRACE_EVENT_REQUEST_BEGIN:
    case TRACE_EVENT_REQUEST_END: return event_rules_request(rules, task, event);
    case TRACE_EVENT_REGION_BEGIN:
    case TRACE_EVENT_REGION_END:
        RULE(event->request == 0 || event->request == task->request || event->type == TRACE_EVENT_REGION_END);
        return event_rules_region(task, event);
    case TRACE_EVENT_LOG: RULE(event->request == 0 || event->request == task->request); return NULL;
    default: break;
    }
    lane->task = 0;
    task->state = event->type == TRACE_EVENT_TASK_PARK ? RULED_WAITING
                  : event->type == TRACE_EVENT_TASK_YIELD ? RULED_RUNNABLE
                                                          : RULED_ENDED;
    return NULL;
}

/* NULL: the event is as it should be. Else the fact that does not hold. */
static inline const char *event_rules_check(struct event_rules *rules, const struct trace_event *event)
{
    RULE(event->type < TRACE_EVENT_TYPE_COUNT);
    RULE(event->stack <= trace_stack_count(rules->tables) && event->entry <= trace_stack_count(rules->tables));
    RULE(event->text <= trace_string_count(rules->tables) && event->value <= trace_string_count(rules->tables));
    if (event->type == TRACE_EVENT_LANE)
        return event_rules_lane(rules, event);
    RULE(event->lane == TRACE_NO_LANE || event->lane < rules->lane_count);
    struct ruled_lane *lane = event->lane == TRACE_NO_LANE ? NULL : &rules->lanes[event->lane];
    RULE(!lane || lane->exists);
    uint32_t index = index_map_find(&rules->task_indexes, event->task);
    struct ruled_task *task = index != 0 ? &rules->tasks[index] : NULL;
    if (event->type == TRACE_EVENT_SAMPLE) {
        RULE(event->task == 0 || task);
        return NULL;
    }
    RULE(event->time_ns >= rules->time_ns);
    rules->time_ns = event->time_ns;
    RULE(!lane || !lane->is_in_call || event->type == TRACE_EVENT_CALL_END);
    switch (event->type) {
    case TRACE_EVENT_LANE_START:
        RULE(lane && !lane->is_busy);
        lane->is_busy = true;
        return NULL;
    case TRACE_EVENT_LANE_STOP:
        RULE(lane && lane->is_busy && lane->task == 0);
        lane->is_busy = false;
        return NULL;
    case TRACE_EVENT_HEAP: RULE(!lane || lane->is_busy); return NULL;
    case TRACE_EVENT_TASK_EXISTS: return event_rules_new_task(rules, event);
    case TRACE_EVENT_TASK_CREATE:
        RULE(lane && lane->is_busy && !event->is_waiting);
        return event_rules_new_task(rules, event);
    case TRACE_EVENT_LOG:
        if (event->task == 0)
            return NULL;
        break;
    default: break;
    }
    RULE(task);
    if (event->type == TRACE_EVENT_TASK_START) {
        RULE(lane && lane->is_busy && lane->task == 0 && task->state == RULED_RUNNABLE);
        lane->task = event->task;
        task->state = RULED_RUNNING;
        return NULL;
    }
    if (event->type == TRACE_EVENT_TASK_UNPARK) {
        RULE(!lane || lane->is_busy);
        RULE(task->state == RULED_WAITING);
        task->state = RULED_RUNNABLE;
        return NULL;
    }
    return event_rules_of_running(rules, lane, task, event);
}

#undef RULE

#endif
