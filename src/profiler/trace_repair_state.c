/* trace_repair_state.c: every event but those of the process comes out here, where its effect is remembered. */
#include "profiler/trace_repair_state.h"

#include "base/mem.h"
#include "profiler/trace_stacks.h"
#include "trace/tables.h"

#include <string.h>

/* Threads that work for tasks are given a task of their own, so that viewers show what they do. A record has 48 bits
 * for an id, so no other task has one like these. */
#define OWN_TASK_ID(lane_number) ((UINT64_C(1) << TRACE_ARGUMENT_BITS) + (lane_number))
/* libuv's pool gives its threads numbers; in a list of tasks they are one kind. */
#define POOL_THREAD_PREFIX "pool-"
#define POOL_TASK_NAME "pool worker"

#define UNKNOWN_TASK_NAME "task"

void repair_emit(struct trace_repair *repair, struct trace_event event)
{
    if (event.type != TRACE_EVENT_SAMPLE)
        event.time_ns = repair->now_ns;
    repair->counts.event_count++;
    repair->take(&event, repair->context);
}

void repair_count(struct trace_repair *repair)
{
    repair->counts.repaired_count++;
}

/* --- tasks --- */

void repair_name_task(struct trace_repair *repair, struct trace_task *task, const char *name, uintptr_t run)
{
    if (name[0] == '\0') /* viewers hide what has none */
        name = UNKNOWN_TASK_NAME;
    task->name = trace_string_of(repair->tables, name);
    task->entry = trace_stacks_entry(repair->stacks, name, run);
}

void repair_know_task(struct trace_repair *repair, struct trace_task *task, bool is_waiting)
{
    task->state = is_waiting ? TRACE_TASK_WAITING : TRACE_TASK_RUNNABLE;
    task->told_ns = repair->now_ns;
}

void repair_tell_task(struct trace_repair *repair, struct trace_task *task, bool is_waiting)
{
    if (task->state != TRACE_TASK_UNTOLD)
        return;
    if (task->entry == 0)
        repair_name_task(repair, task, UNKNOWN_TASK_NAME, 0);
    repair_know_task(repair, task, is_waiting);
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_EXISTS, .lane = TRACE_NO_LANE, .task = task->id,
                                             .entry = task->entry, .name = task->name, .is_waiting = is_waiting});
}

/* --- lanes --- */

struct trace_lane *repair_add_lane(struct trace_repair *repair, const struct trace_thread *thread, bool is_worker)
{
    struct trace_lane *lane = MEM_NEW(struct trace_lane);
    lane->thread_index = thread->index;
    lane->number = repair->lane_count++;
    lane->thread_id = thread->id;
    uint32_t name = trace_string_of(repair->tables, thread->name);
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_LANE, .lane = lane->number, .name = name,
                                             .thread_id = thread->id, .is_worker = is_worker});
    if (is_worker) {
        bool is_pool = strncmp(thread->name, POOL_THREAD_PREFIX, strlen(POOL_THREAD_PREFIX)) == 0;
        lane->own_task = trace_task_table_get(repair->tasks, OWN_TASK_ID(lane->number));
        repair_name_task(repair, lane->own_task, is_pool ? POOL_TASK_NAME : thread->name, 0);
    }
    return lane;
}

void repair_start_lane(struct trace_repair *repair, struct trace_lane *lane)
{
    if (lane->is_busy)
        return;
    lane->is_busy = true;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_LANE_START, .lane = lane->number});
}

void repair_stop_lane(struct trace_repair *repair, struct trace_lane *lane)
{
    if (!lane->is_busy)
        return;
    lane->is_busy = false;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_LANE_STOP, .lane = lane->number});
}

void repair_begin_call(struct trace_repair *repair, struct trace_lane *lane, uint64_t call_ns, uint32_t name,
                       uint32_t stack)
{
    lane->is_in_call = true;
    lane->call_end_ns = repair->now_ns + call_ns;
    repair->in_call_count++;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_CALL_BEGIN, .lane = lane->number,
                                             .task = lane->task->id, .text = name, .stack = stack});
}

void repair_end_call(struct trace_repair *repair, struct trace_lane *lane)
{
    if (!lane->is_in_call)
        return;
    lane->is_in_call = false;
    repair->in_call_count--;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_CALL_END, .lane = lane->number,
                                             .task = lane->task->id});
}

void repair_end_calls(struct trace_repair *repair, uint64_t now_ns)
{
    while (repair->in_call_count > 0) {
        struct trace_lane *first = NULL;
        for (struct trace_lane *lane = repair->lanes; lane; lane = lane->hh.next)
            if (lane->is_in_call && (!first || lane->call_end_ns < first->call_end_ns))
                first = lane;
        if (first->call_end_ns > now_ns)
            return;
        repair->now_ns = first->call_end_ns;
        repair_end_call(repair, first);
    }
}

/* --- what a lane does with its task --- */

static void start(struct trace_repair *repair, struct trace_lane *lane, struct trace_task *task)
{
    repair_start_lane(repair, lane);
    task->state = TRACE_TASK_RUNNING;
    task->lane = lane;
    lane->task = task;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_START, .lane = lane->number, .task = task->id});
}

void repair_park(struct trace_repair *repair, struct trace_lane *lane, uint32_t reason, enum trace_wait wait,
                 uint32_t stack)
{
    struct trace_task *task = lane->task;
    task->state = TRACE_TASK_WAITING;
    task->lane = NULL;
    lane->task = NULL;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_PARK, .lane = lane->number, .task = task->id,
                                             .text = reason, .wait = (enum trace_event_wait)wait, .stack = stack});
}

void repair_yield(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    struct trace_task *task = lane->task;
    task->state = TRACE_TASK_RUNNABLE;
    task->lane = NULL;
    lane->task = NULL;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_YIELD, .lane = lane->number, .task = task->id,
                                             .stack = stack});
}

void repair_unpark(struct trace_repair *repair, uint32_t lane_number, struct trace_task *task, uint32_t stack)
{
    task->state = TRACE_TASK_RUNNABLE;
    task->waker_stack = 0;
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_UNPARK, .lane = lane_number, .task = task->id,
                                             .stack = stack});
}

void repair_clear_lane(struct trace_repair *repair, struct trace_lane *lane)
{
    repair_end_call(repair, lane);
    if (!lane->task)
        return;
    repair_count(repair);
    repair_park(repair, lane, trace_string_of(repair->tables, REASON_UNKNOWN), TRACE_WAIT_OTHER, lane->task->entry);
}

void repair_take_up(struct trace_repair *repair, struct trace_lane *lane, struct trace_task *task, bool was_woken,
                    uint32_t waker_stack)
{
    if (task->state == TRACE_TASK_RUNNING) {
        repair_count(repair);
        repair_end_call(repair, task->lane);
        repair_yield(repair, task->lane, task->entry);
    }
    repair_clear_lane(repair, lane);
    repair_tell_task(repair, task, was_woken);
    repair_start_lane(repair, lane);
    if (task->state == TRACE_TASK_WAITING) {
        if (!was_woken)
            repair_count(repair);
        repair_unpark(repair, lane->number, task, was_woken ? waker_stack : task->waker_stack);
    }
    start(repair, lane, task);
}

/* --- what a task says of itself --- */

void repair_say(struct trace_repair *repair, struct trace_lane *lane, enum trace_event_type type, uint32_t text,
                uint32_t value, uint32_t stack)
{
    const struct trace_task *task = lane->task;
    repair_emit(repair, (struct trace_event){.type = type, .lane = lane->number, .task = task->id,
                                             .request = task->request, .text = text, .value = value,
                                             .stack = stack});
}

void repair_begin_region(struct trace_repair *repair, struct trace_lane *lane, uint32_t name, uint32_t stack)
{
    if (trace_task_open_region(lane->task, name))
        repair_say(repair, lane, TRACE_EVENT_REGION_BEGIN, name, 0, stack);
    else
        repair_count(repair);
}

static void close_region(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    struct trace_task *task = lane->task;
    const struct trace_region *region = &task->regions[--task->region_count];
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_REGION_END, .lane = lane->number, .task = task->id,
                                             .request = region->request, .text = region->name, .stack = stack});
}

void repair_end_region(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    struct trace_task *task = lane->task;
    if (task->deep_count > 0)
        task->deep_count--;
    else if (task->region_count > 0)
        close_region(repair, lane, stack);
    else
        repair_count(repair);
}

/* Those that belong to this request and are still open; 0: all. */
static void close_regions(struct trace_repair *repair, struct trace_lane *lane, uint64_t request)
{
    struct trace_task *task = lane->task;
    task->deep_count = 0;
    while (task->region_count > 0 && (request == 0 || task->regions[task->region_count - 1].request == request))
        close_region(repair, lane, task->entry);
}

void repair_begin_request(struct trace_repair *repair, struct trace_lane *lane, uint32_t name, uint32_t stack)
{
    if (lane->task->request) {
        repair_count(repair);
        repair_end_request(repair, lane, stack);
    }
    lane->task->request = ++repair->request_count;
    repair_say(repair, lane, TRACE_EVENT_REQUEST_BEGIN, name, 0, stack);
}

void repair_end_request(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    close_regions(repair, lane, lane->task->request);
    repair_say(repair, lane, TRACE_EVENT_REQUEST_END, 0, 0, stack);
    lane->task->request = 0;
}

void repair_end_task(struct trace_repair *repair, struct trace_lane *lane)
{
    struct trace_task *task = lane->task;
    if (task->request)
        repair_end_request(repair, lane, task->entry);
    close_regions(repair, lane, 0);
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_END, .lane = lane->number, .task = task->id});
    lane->task = NULL;
    trace_task_table_end(repair->tasks, task);
}
