/* trace_repair_state.h: what is known of lanes and tasks while a trace is repaired. Each change of it is an event, so
 * nothing can happen to a lane or a task that the rules of trace/event.h do not allow. Of trace_repair.c only. */
#ifndef PROFILER_TRACE_REPAIR_STATE_H
#define PROFILER_TRACE_REPAIR_STATE_H

#include "profiler/trace_repair.h"
#include "profiler/trace_task_table.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#define REASON_UNKNOWN "unknown"
#define REASON_NO_WORK "no work"

struct trace_stacks;

/* A thread that runs tasks (a reactor), or works for them. */
struct trace_lane {
    uint32_t thread_index;
    uint32_t number; /* as events have it */
    int32_t thread_id;
    bool is_busy, is_in_call;
    uint64_t call_end_ns;
    struct trace_task *task; /* that runs here, as far as is known */
    struct trace_task *own_task; /* NULL: a reactor's lane */
    uintptr_t work; /* the function that a thread has been given to do */
    UT_hash_handle hh;
};

struct trace_repair {
    struct trace_tables *tables;
    struct trace_stacks *stacks;
    trace_take_fn take;
    void *context;
    uint64_t now_ns; /* of the last event */
    struct trace_lane *lanes;
    uint32_t lane_count, in_call_count;
    struct trace_lane *note_lane; /* of the trace itself; NULL until it has something to say */
    struct trace_task_table *tasks;
    uint64_t request_count;
    struct trace_repair_counts counts;
};

/* At the time that it is now; a sample has its own. */
void repair_emit(struct trace_repair *repair, struct trace_event event);
/* Something is not as the record says, or said by no record. */
void repair_count(struct trace_repair *repair);

/* What it is, before anything is told of it. run: its function, 0: not known. */
void repair_name_task(struct trace_repair *repair, struct trace_task *task, const char *name, uintptr_t run);
/* An event names it for the first time right now: it is waiting, or runnable. */
void repair_know_task(struct trace_repair *repair, struct trace_task *task, bool is_waiting);
/* If it has not been told of until now, it was there from before the trace. */
void repair_tell_task(struct trace_repair *repair, struct trace_task *task, bool is_waiting);

/* is_worker: it gets a task of its own, which is not told of yet. */
struct trace_lane *repair_add_lane(struct trace_repair *repair, const struct trace_thread *thread, bool is_worker);
/* Nothing, if it is busy (idle) already. */
void repair_start_lane(struct trace_repair *repair, struct trace_lane *lane);
void repair_stop_lane(struct trace_repair *repair, struct trace_lane *lane);

/* The lane's task is in a call from now on, for so long at most. */
void repair_begin_call(struct trace_repair *repair, struct trace_lane *lane, uint64_t call_ns, uint32_t name,
                       uint32_t stack);
/* If it is in one. */
void repair_end_call(struct trace_repair *repair, struct trace_lane *lane);
/* Those of all lanes that are over by then, each at its time. */
void repair_end_calls(struct trace_repair *repair, uint64_t now_ns);

/* Have the task run on this lane, whatever it and the lane did before. was_woken: by this lane, right now, there. */
void repair_take_up(struct trace_repair *repair, struct trace_lane *lane, struct trace_task *task, bool was_woken,
                    uint32_t waker_stack);
/* Of the lane's task, which leaves it. */
void repair_park(struct trace_repair *repair, struct trace_lane *lane, uint32_t reason, enum trace_wait wait,
                 uint32_t stack);
void repair_yield(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack);
/* With what it has open. The task is gone then. */
void repair_end_task(struct trace_repair *repair, struct trace_lane *lane);
/* What ran on the lane, if anything did, has left it without saying so. */
void repair_clear_lane(struct trace_repair *repair, struct trace_lane *lane);
/* Of a waiting task, by a lane or by none. */
void repair_unpark(struct trace_repair *repair, uint32_t lane_number, struct trace_task *task, uint32_t stack);

/* Of the lane's task and its open request: what has no effect on what may come next. */
void repair_say(struct trace_repair *repair, struct trace_lane *lane, enum trace_event_type type, uint32_t text,
                uint32_t value, uint32_t stack);
/* An open request ends before. */
void repair_begin_request(struct trace_repair *repair, struct trace_lane *lane, uint32_t name, uint32_t stack);
/* The open one, with its regions. */
void repair_end_request(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack);
void repair_begin_region(struct trace_repair *repair, struct trace_lane *lane, uint32_t name, uint32_t stack);
/* The innermost, if there is one: its begin may lie before the trace. */
void repair_end_region(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack);

#endif
