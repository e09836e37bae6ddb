/* go.h: what both of Go's trace formats have in common: lanes that write batches, and definitions of names and stacks.
 * One thread. */
#ifndef TRACE_GO_H
#define TRACE_GO_H

#include "base/buf.h"
#include "trace/event.h"
#include "trace/index_map.h"
#include "trace/task_map.h"

#include <stdbool.h>

struct trace_tables;

#define GO_HEADER_SIZE 16
#define GO_FREQUENCY 1000000000 /* ticks a second: one is a ns */
#define GO_NONE UINT64_MAX      /* as a P or an M */
/* Ticks when the trace starts. Not 0: that is how some fields say none. */
#define GO_START_TICKS 1000

/* --- definitions --- */

/* Which number means what. Definitions are written when they are needed first. */
struct go_names {
    const struct trace_tables *tables;
    const struct go_dialect *dialect;
    struct index_map string_ids, stack_ids, frame_ids;
    struct buf strings, stacks; /* definitions that nobody has taken yet */
    void *owner;
};

struct go_dialect {
    uint8_t string_type, stack_type;
    bool stack_has_size; /* in bytes, behind its type */
    /* Definitions are to be taken before a buffer of them gets larger than this. */
    size_t run_max;
    void (*take_run)(struct go_names *names, struct buf *run);
};

void go_names_init(struct go_names *names, const struct trace_tables *tables, const struct go_dialect *dialect,
                   void *owner);
void go_names_deinit(struct go_names *names);
/* All strings and stacks have to be defined anew from here on; what a frame's number is stays. */
void go_names_forget(struct go_names *names);

/* How a text of the tables is written. */
enum go_form {
    GO_PLAIN,
    GO_BRACKETS, /* "[text]" */
    GO_SLEEP,    /* "sleep (text)"; without a text "sleep". So are: */
    GO_NETWORK,
    GO_SYNC,
    GO_SELECT,
    GO_YIELD,
};
uint64_t go_string(struct go_names *names, enum go_form form, uint32_t text);
/* Of the tables' stack; a text stands on it as a frame of its own, "[text]", where it is not 0. */
uint64_t go_stack(struct go_names *names, uint32_t text, uint32_t stack);
/* Its innermost frame alone: where a region is. Go 1.26 would take the outermost one for that. */
uint64_t go_place(struct go_names *names, uint32_t stack);
/* A task's: its name stands in for a function that is not known, as viewers need one. */
uint64_t go_entry(struct go_names *names, uint32_t entry, uint32_t name);

/* --- lanes --- */

enum go_status { /* as version 1.22 numbers them */
    GO_UNBORN,
    GO_RUNNABLE,
    GO_RUNNING,
    GO_IN_CALL,
    GO_WAITING,
};

struct go_task {
    uint64_t id;
    uint64_t sequence;
    enum go_status status;
    uint32_t lane;       /* that has moved it last; 1.19 only */
    uint64_t generation; /* that has it mentioned last; 1.22 only, as what follows */
    uint32_t entry, name;
};

struct go_lane {
    struct buf bytes;              /* of a batch that is not written yet */
    uint64_t batch_ticks, ticks;   /* when it begins, and of its last record */
    uint64_t thread;               /* as an M: no other lane has it */
    struct go_task *running;
    bool is_busy;
    uint64_t sequence, generation; /* 1.22 only */
};

struct go_lanes {
    struct go_lane *all; /* all[0]: what happens outside of every lane; all[lane + 1] */
    uint32_t count;      /* of lanes, all[0] not among them */
};

void go_lanes_init(struct go_lanes *lanes);
void go_lanes_deinit(struct go_lanes *lanes);
void go_lanes_add(struct go_lanes *lanes, const struct trace_event *event);

static inline struct go_lane *go_lane(struct go_lanes *lanes, uint32_t lane)
{
    return &lanes->all[lane + 1]; /* TRACE_NO_LANE + 1 is 0 */
}
/* A lane's number as a P. */
static inline uint64_t go_proc(uint32_t lane)
{
    return lane == TRACE_NO_LANE ? GO_NONE : lane;
}

#endif
