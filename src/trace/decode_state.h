/* decode_state.h: what decode.c knows while it reads a file, and how decode_order.c puts records in order. */
#ifndef TRACE_DECODE_STATE_H
#define TRACE_DECODE_STATE_H

#include "trace/event.h"
#include "trace/go_v1_reader.h"
#include "trace/index_map.h"

#define NO_TASK 0

enum task_status { TASK_UNKNOWN, TASK_RUNNABLE, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

struct region {
    struct region *outer;
    uint32_t depth;        /* from 1 */
    uint64_t file_request; /* as the file says */
    uint32_t name;
    uint64_t request;      /* of the event */
    bool has_ended;        /* together with its request, before the file says so */
};

struct decoded_task {
    uint64_t id;
    uint64_t sequence;
    enum task_status status;
    uint64_t request;       /* that it serves; 0: none */
    uint32_t request_depth; /* of the regions around that */
    struct region *regions; /* innermost first */
};

struct decoded_lane {
    struct go_v1_cursor cursor;
    struct go_v1_record next; /* the lane's next record, which waits to be taken */
    bool is_waiting;          /* for its next record's task; else it is ready, or has no record left */
    bool is_busy, is_in_call;
    uint32_t task;            /* that runs; NO_TASK */
    struct go_v1_stack call;  /* of the call that was begun last */
};

struct decoder {
    struct go_v1_file file;
    struct trace_tables *tables;
    void (*take)(const struct trace_event *event, void *context);
    void *context;
    struct buf *message;
    struct decoded_lane *lanes; /* as the file's: [0] is no lane's */
    uint32_t *ready;            /* lanes whose next record may be taken: a heap, the earliest first */
    uint32_t ready_count, waiting_count;
    struct index_map task_indexes, request_ids;
    struct decoded_task *tasks; /* [0] is none */
    uint32_t task_count, task_capacity;
    struct index_map waiting;   /* who waits for a task to come to a number: (task, number) -> lane + 1 */
    uint64_t time_ns;           /* of the last event */
    uint64_t heap_goal;
    int error;
};

/* The first problem is said, and nothing is taken after it. */
void decode_refuse(struct decoder *decoder, const char *problem);
/* Its place among the tasks; a new one if the file has not named it before. */
uint32_t decode_task_at(struct decoder *decoder, uint64_t id);

/* What a record needs a task to be, and at which number, before it may be taken. */
struct need {
    bool is_numbered;
    uint64_t task, sequence;
    enum task_status status;
};

struct need decode_need_of(const struct go_v1_record *record);
bool decode_is_met(const struct need *need, const struct decoded_task *task);

/* Of the lanes that are ready, the one whose next record is the earliest; there is one. */
uint32_t decode_pop_ready(struct decoder *decoder);
/* The lane has taken its record: on to the next. */
void decode_advance(struct decoder *decoder, uint32_t lane);
/* The task has come to another state or number: whoever waited for that goes on. */
void decode_move_task(struct decoder *decoder, uint32_t index, enum task_status status, unsigned steps);

#endif
