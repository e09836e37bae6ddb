/* tracks.h: a trace as tracks of nested slices, for viewers that know nothing of tasks: what formats for them have in
 * common. They only write down what this calls.
 *
 * Each lane is a track: when it is busy, in that which task runs, in that system calls and wakes. Each task that serves
 * requests is one, too: requests, in them regions, calls and waits. One track a task and not one a request, as a task
 * serves one at a time: so slices nest, and tracks stay few. Flows lead from wakes to where the task goes on. */
#ifndef TRACE_TRACKS_H
#define TRACE_TRACKS_H

#include "base/buf.h"
#include "base/bytes.h"
#include "trace/event.h"
#include "trace/task_map.h"

#include <stdbool.h>

struct trace_encoder;
struct trace_tables;

enum track_kind {
    TRACK_LANE,    /* number: the lane, or TRACE_NO_LANE */
    TRACK_TASK,    /* number: the task */
    TRACK_COUNTER, /* number: its place in the list of counters */
};

struct track {
    enum track_kind kind;
    uint64_t number;
    struct bytes name;
    struct bytes *open_names; /* of the slices that have not ended, innermost last */
    uint32_t open, open_capacity;
    bool is_known; /* to the format */
};

/* What a slice begins with, or what happens at one instant. Texts stay where they are while the tables live. */
struct track_mark {
    uint64_t time_ns;
    struct bytes name, value; /* value: may be empty */
    uint32_t stack;           /* 0: none */
    uint64_t flow;            /* an instant: begins here; a slice: ends here. 0: none */
};

struct track_format {
    void (*track)(struct trace_encoder *encoder, const struct track *track); /* before all else of a track */
    void (*begin)(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark);
    /* The innermost one, which has this name. */
    void (*end)(struct trace_encoder *encoder, const struct track *track, uint64_t time_ns, struct bytes name);
    void (*instant)(struct trace_encoder *encoder, const struct track *track, const struct track_mark *mark);
    void (*count)(struct trace_encoder *encoder, const struct track *track, uint64_t time_ns, uint64_t value);
};

enum {
    COUNTER_RUNNING, /* tasks */
    COUNTER_RUNNABLE,
    COUNTER_WAITING,
    COUNTER_HEAP, /* bytes */
    COUNTER_RESIDENT,
    COUNTER_COUNT,
};

struct tracks {
    const struct track_format *format;
    struct trace_encoder *encoder;
    const struct trace_tables *tables;
    struct track_lane *lanes; /* the first: no lane */
    uint32_t lane_count;
    struct task_map tasks;
    struct track counters[COUNTER_COUNT];
    uint64_t states[COUNTER_WAITING + 1]; /* how many tasks are in each */
    uint64_t states_written_ns, last_flow;
    bool states_changed;
};

void tracks_init(struct tracks *tracks, const struct track_format *format, struct trace_encoder *encoder,
                 const struct trace_tables *tables);
void tracks_deinit(struct tracks *tracks);
void tracks_event(struct tracks *tracks, const struct trace_event *event);
/* Ends what is still open. */
void tracks_finish(struct tracks *tracks, uint64_t end_ns);
/* How many slices that would end. */
size_t tracks_open(const struct tracks *tracks);

/* "function file:line" of a stack's innermost frame, valid UTF-8, into `text`. */
void tracks_place(const struct trace_tables *tables, uint32_t stack, struct buf *text);
/* Append a text; what is no UTF-8 becomes U+FFFD. */
void tracks_append_utf8(struct buf *out, struct bytes text);

#endif
