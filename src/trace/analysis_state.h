/* analysis_state.h: what analysis.c gathers from events, and analysis_text.c says about it. */
#ifndef TRACE_ANALYSIS_STATE_H
#define TRACE_ANALYSIS_STATE_H

#include "trace/analysis.h"
#include "trace/index_map.h"
#include "trace/tables.h"

#include <stdbool.h>
#include <stddef.h>

/* What a task's time goes into. */
enum activity {
    ACTIVITY_RUNNING,
    ACTIVITY_RUNNABLE,
    ACTIVITY_LOCK,
    ACTIVITY_FSYNC,
    ACTIVITY_QUEUE,   /* for a thread of the pool */
    ACTIVITY_FILE,    /* for that thread's work */
    ACTIVITY_NETWORK,
    ACTIVITY_DATA,    /* that a client asked to wait for */
    ACTIVITY_SLEEP,
    ACTIVITY_OTHER,
    ACTIVITY_CALL,    /* the first of the system calls, by name; the last one stands for all that have no room */
    ACTIVITY_COUNT = ACTIVITY_CALL + 8,
};

#define SLOWEST_COUNT 5
#define PIECES_COUNT 3  /* of a request: its longest */
#define STRETCH_COUNT 3 /* of a reactor, and of all: the longest */
#define LOGS_MAX 8      /* of a request */
#define NOTES_MAX 12
#define RECENT_COUNT 4
#define WORK_COUNT 32   /* of all tasks: the last long deeds but waits for others */
/* Who did what in the time that others waited: what took less is not kept. */
#define RECENT_MIN_NS 1000000

/* Who: a task, and what it served. */
struct actor {
    uint64_t task, request; /* 0: none */
    uint32_t task_name, api;
};

/* One activity of one task, without a break. */
struct deed {
    struct actor who;
    enum activity activity;
    uint32_t text;         /* the reason's or the call's name */
    uint32_t region;       /* the innermost, by name */
    uint32_t stack;        /* where that was; of what ran: the place known next */
    uint32_t stack_before; /* of what ran: the place known before */
    uint32_t lane;         /* of what ran */
    uint64_t start_ns, end_ns;
};

/* A deed, and what made it last. */
struct piece {
    struct deed deed;
    bool has_waker;        /* of a wait: an event ended it */
    struct actor waker;    /* no task: the lane itself, or a thread that runs no task */
    uint32_t waker_stack;
    struct deed behind;    /* what the waker did meanwhile, or who ran while this was runnable; of 0 ns: not known */
    struct deed amid;      /* of a wait for a lock: the last of what others did most of that time */
    unsigned amid_count;   /* of such deeds; 0: there was nothing that long */
    uint64_t amid_ns;
};

struct request {
    struct actor who;
    uint64_t start_ns, end_ns;
    bool is_open; /* at the trace's end */
    uint64_t split_ns[ACTIVITY_COUNT]; /* sums up to its duration */
    struct piece pieces[PIECES_COUNT]; /* the longest first, without waits for data */
    unsigned log_count;
    struct { uint32_t key, value; } logs[LOGS_MAX];
};

/* Requests of one name that have ended. */
struct api {
    uint32_t name;
    uint64_t *durations_ns;
    size_t count, capacity;
    uint64_t total_ns;
    uint64_t split_ns[ACTIVITY_COUNT];
};

struct analyzed_task {
    struct actor who;
    bool has_place;         /* its entry has a file: a program's function, and not a thread's stand-in */
    struct request *request; /* that it serves; NULL */
    struct deed now;        /* without an end */
    uint64_t resumed_ns;    /* when it was last started after a wait */
    uint32_t last_stack;
    uint32_t *regions; /* names of those that are open, innermost last */
    uint32_t region_count, region_capacity;
    struct piece *recent;   /* the last RECENT_COUNT long ones; NULL: none yet */
    unsigned recent_next;
};

/* A lane's time with one task, or busy with none. */
struct stretch {
    uint32_t lane;
    uint64_t start_ns, end_ns;
    struct deed longest; /* of the task's deeds in that time */
};

/* The longest first. */
struct stretches {
    struct stretch all[STRETCH_COUNT];
    unsigned count;
};

struct analyzed_lane {
    bool exists, is_busy, is_worker;
    uint32_t name;
    int32_t thread_id;
    struct analyzed_task *running;
    struct stretch stretch; /* now, while it is busy */
    uint64_t busy_since_ns, busy_ns, running_ns, longest_ns, start_count;
    uint64_t first_task;    /* that ran there */
    bool has_more_tasks, first_has_place;
    bool has_served;        /* a request began there */
    struct stretch recent[RECENT_COUNT];
    unsigned recent_next;
    struct stretches stretches;
};

/* Times in which not even the heap's size was told, though that was due. */
struct silence {
    uint64_t start_ns, end_ns;         /* the longest one; equal: there was none */
    uint64_t gap_start_ns, gap_end_ns; /* between two events: the longest since the heap's size is due */
    uint64_t heap_ns, heap_due_ns;     /* when that was told last, and is due. 0: not known */
    uint64_t heap_every_ns;            /* the shortest time between two of these; 0: not known */
};

struct sample {
    uint64_t time_ns, task;
    uint32_t stack;
};

struct trace_analysis {
    const struct trace_tables *tables;
    uint64_t end_ns; /* the last event's time */
    uint64_t event_count;
    bool is_finished;
    struct index_map task_indexes;
    struct analyzed_task **tasks; /* [0] is none; NULL once it has ended */
    uint32_t task_count, task_capacity;
    uint64_t request_count, open_count;
    struct analyzed_lane *lanes;
    uint32_t lane_count;
    struct index_map api_indexes;
    struct api *apis; /* [0] is none */
    uint32_t api_count, api_capacity;
    uint32_t call_names[ACTIVITY_COUNT - ACTIVITY_CALL]; /* strings; 0: free. The last one stays free */
    struct request slowest[SLOWEST_COUNT];
    unsigned slowest_count;
    struct stretches stretches, other_stretches; /* of reactors that have served requests; of the others */
    struct silence silence;
    struct deed work[WORK_COUNT];
    unsigned work_next;
    struct sample *samples;
    size_t sample_count, sample_capacity;
    struct { uint32_t key, value; } notes[NOTES_MAX];
    unsigned note_count;
};

/* Without what the client asked to wait. */
static inline uint64_t request_own_ns(const struct request *request)
{
    return request->end_ns - request->start_ns - request->split_ns[ACTIVITY_DATA];
}

static inline uint64_t deed_ns(const struct deed *deed)
{
    return deed->end_ns - deed->start_ns;
}

static inline uint64_t stretch_ns(const struct stretch *stretch)
{
    return stretch->end_ns - stretch->start_ns;
}

/* --- analysis_activities.c --- */
enum activity analysis_activity_of_wait(const struct trace_analysis *analysis, const struct trace_event *park);
enum activity analysis_activity_of_call(struct trace_analysis *analysis, uint32_t name);

/* --- analysis_causes.c: for what is over, and what may be asked about later --- */
void analysis_remember_piece(struct trace_analysis *analysis, struct analyzed_task *task, const struct piece *piece);
void analysis_remember_stretch(struct analyzed_lane *lane, const struct stretch *stretch);
/* What took most of that time of the task's. If that was a wait for somebody else's lock: what he did. */
struct deed analysis_what_it_did(const struct analyzed_task *task, uint64_t start_ns, uint64_t end_ns);
/* What the lane ran for most of that time. */
struct deed analysis_what_ran(const struct analyzed_lane *lane, uint64_t start_ns, uint64_t end_ns);
/* What others did of one kind while this waited for a lock, if that was most of the time: they may have had the lock in
 * turn. */
void analysis_find_amid(const struct trace_analysis *analysis, struct piece *piece);

/* --- analysis_requests.c --- */
void analysis_keep_piece(struct request *request, const struct piece *piece);
/* Of the one that the task serves. */
void analysis_end_request(struct trace_analysis *analysis, struct analyzed_task *task, uint64_t time_ns, bool is_open);

/* --- analysis_silence.c --- */
/* Something happened, and nothing since. */
void analysis_hear(struct silence *silence, uint64_t last_ns, uint64_t now_ns);
/* The heap's size was told. */
void analysis_hear_heap(struct silence *silence, uint64_t now_ns);

/* --- analysis.c --- */
/* A thread that works for tasks: what it does for long holds no reactor. */
bool analysis_lane_is_worker(const struct analyzed_lane *lane);
/* End what is still going on at the time of the last event. Nothing may be added then. */
void analysis_finish(struct trace_analysis *analysis);

#endif
