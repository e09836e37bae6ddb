/* go_v1_events.h: the records of Go's first trace format (headers 1.11 to 1.21), as runtime/trace.go numbers them. */
#ifndef TRACE_GO_V1_EVENTS_H
#define TRACE_GO_V1_EVENTS_H

/* The low six bits of a record's first byte. In brackets: what follows the time; stacks are ids, and stand last. */
enum go_v1_event {
    GO_V1_BATCH = 1,        /* [lane, absolute ticks] without a time of its own */
    GO_V1_FREQUENCY = 2,    /* [ticks per second] the same */
    GO_V1_STACK = 3,        /* [id, count, count times: pc, function, file, line] the same */
    GO_V1_PROC_COUNT = 4,   /* [lanes, stack] */
    GO_V1_PROC_START = 5,   /* [thread] */
    GO_V1_PROC_STOP = 6,
    GO_V1_GC_START = 7,     /* [sequence, stack] */
    GO_V1_GC_DONE = 8,
    GO_V1_STW_START = 9,    /* [kind] */
    GO_V1_STW_DONE = 10,
    GO_V1_SWEEP_START = 11, /* [stack] */
    GO_V1_SWEEP_DONE = 12,  /* [swept, reclaimed] */
    GO_V1_CREATE = 13,      /* [task, stack of its entry, stack] */
    GO_V1_START = 14,       /* [task, sequence] */
    GO_V1_END = 15,
    GO_V1_STOP = 16,        /* [stack] */
    GO_V1_YIELD = 17,       /* [stack] */
    GO_V1_PREEMPT = 18,     /* [stack] */
    GO_V1_SLEEP = 19,       /* [stack] */
    GO_V1_BLOCK = 20,       /* [stack] */
    GO_V1_UNBLOCK = 21,     /* [task, sequence, stack] */
    GO_V1_BLOCK_SEND = 22,  /* [stack], and so the next five */
    GO_V1_BLOCK_RECEIVE = 23,
    GO_V1_BLOCK_SELECT = 24,
    GO_V1_BLOCK_SYNC = 25,
    GO_V1_BLOCK_CONDITION = 26,
    GO_V1_BLOCK_NETWORK = 27,
    GO_V1_CALL = 28,        /* [stack] */
    GO_V1_CALL_EXIT = 29,   /* [task, sequence, ticks or 0] */
    GO_V1_CALL_BLOCK = 30,
    GO_V1_WAITING = 31,     /* [task] */
    GO_V1_IN_CALL = 32,     /* [task] */
    GO_V1_HEAP_SIZE = 33,   /* [bytes] */
    GO_V1_HEAP_GOAL = 34,   /* [bytes] */
    GO_V1_TIMER_TASK = 35,  /* [task] */
    GO_V1_FUTILE_WAKE = 36,
    GO_V1_STRING = 37,      /* [id, size] without a time of its own, and then the string */
    GO_V1_START_LOCAL = 38, /* [task] */
    GO_V1_UNBLOCK_LOCAL = 39,   /* [task, stack] */
    GO_V1_CALL_EXIT_LOCAL = 40, /* [task, ticks or 0] */
    GO_V1_START_LABEL = 41, /* [task, sequence, label] */
    GO_V1_BLOCK_GC = 42,    /* [stack] */
    GO_V1_ASSIST_START = 43, /* [stack] */
    GO_V1_ASSIST_DONE = 44,
    GO_V1_REQUEST_BEGIN = 45, /* [id, parent, name, stack] */
    GO_V1_REQUEST_END = 46, /* [id, stack] */
    GO_V1_REGION = 47,      /* [request, 0: begin or 1: end, name, stack] */
    GO_V1_LOG = 48,         /* [request, key, stack], and then size and value */
    GO_V1_SAMPLE = 49,      /* [absolute ticks, lane, task, stack] */
    GO_V1_EVENT_COUNT,
};

#endif
