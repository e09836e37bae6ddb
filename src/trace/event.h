/* event.h: an execution trace as data: what tasks, reactors and requests did, in order and free of contradictions.
 *
 * Who makes events (profiler/trace_repair.h from records, trace/decode.h from a file) holds to the rules below, so
 * encoders and the analysis check nothing:
 *  - times never go back, over all events;
 *  - a lane is busy between its LANE_START and LANE_STOP, and stops only while it runs no task;
 *  - a task exists from TASK_EXISTS or TASK_CREATE until TASK_END; its id is never used again;
 *  - it is runnable at first (TASK_EXISTS may say that it is waiting); TASK_START takes a runnable one onto a busy lane
 *    that runs none; TASK_PARK makes the one that runs there waiting, TASK_YIELD runnable; TASK_UNPARK makes a waiting
 *    one runnable;
 *  - CALL_BEGIN and CALL_END come in pairs on a lane, with nothing of that lane in between;
 *  - requests, regions and logs are of the task that runs on the lane. A task serves one request at a time; its regions
 *    nest, and those of a request end before it does. What begins need not end: a trace may stop at any event. */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <stdint.h>

/* What happens outside of every lane: on threads that run no task. */
#define TRACE_NO_LANE UINT32_MAX

enum trace_event_type {
    TRACE_EVENT_LANE,         /* a lane exists: lane, name, thread_id, is_worker. Before anything happens on it */
    TRACE_EVENT_LANE_START,   /* it has something to do */
    TRACE_EVENT_LANE_STOP,    /* it waits for something to do */
    TRACE_EVENT_TASK_EXISTS,  /* from before the trace: task, entry, name, is_waiting */
    TRACE_EVENT_TASK_CREATE,  /* task, entry, name; stack: where; by the lane's running task, or by the lane itself */
    TRACE_EVENT_TASK_START,   /* task */
    TRACE_EVENT_TASK_PARK,    /* task, wait, text: the reason; stack */
    TRACE_EVENT_TASK_YIELD,   /* task, stack */
    TRACE_EVENT_TASK_END,     /* task */
    TRACE_EVENT_TASK_UNPARK,  /* task: the one that may go on; stack: of the waker. By the lane's running task, by the
                                 lane itself, or by no lane */
    TRACE_EVENT_CALL_BEGIN,   /* task, text: the system call; stack */
    TRACE_EVENT_CALL_END,     /* task */
    TRACE_EVENT_REQUEST_BEGIN, /* task, request: a new id, text: its name, stack */
    TRACE_EVENT_REQUEST_END,   /* task, request, stack */
    TRACE_EVENT_REGION_BEGIN, /* task, request (0: none), text: its name, stack */
    TRACE_EVENT_REGION_END,   /* the same, of the innermost open one */
    TRACE_EVENT_LOG,          /* task, request (0: none), text: the key, value: a text; stack */
    TRACE_EVENT_HEAP,         /* bytes: allocated, limit_bytes: resident. TRACE_NO_LANE, or by a busy lane */
    TRACE_EVENT_SAMPLE,       /* of CPU time: task (there already by then; 0: none), stack; time_ns is when, which may
                                 lie before others' */
    TRACE_EVENT_TYPE_COUNT,
};

/* As viewers tell them apart; the same as base/trace.h's trace_wait, in that order. */
enum trace_event_wait {
    TRACE_EVENT_WAIT_OTHER,
    TRACE_EVENT_WAIT_SLEEP,
    TRACE_EVENT_WAIT_NETWORK,
    TRACE_EVENT_WAIT_SYNC,
    TRACE_EVENT_WAIT_CONDITION,
    TRACE_EVENT_WAIT_SELECT,
};

/* Strings and stacks are ids of the trace's tables; 0: none. Fields that the type does not name are 0. */
struct trace_event {
    enum trace_event_type type;
    uint32_t lane;
    uint64_t time_ns; /* since the trace's start */
    uint64_t task;
    uint64_t request;
    uint32_t stack;
    uint32_t entry; /* a stack of one frame: the task's function, which is also the root of its stacks */
    uint32_t text;
    uint32_t name, value;
    enum trace_event_wait wait;
    int32_t thread_id;
    uint64_t bytes, limit_bytes;
    uint8_t is_waiting, is_worker;
};

#endif
