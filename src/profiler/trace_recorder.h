/* trace_recorder.h: keeps what threads record (base/trace.h): the last of it, in memory of a fixed size.
 *
 * One recorder serves everybody: the flight recorder, which is nothing but its memory, and any number of readers, who
 * read what is there already or as it comes. A chunk is handed to one thread, which gives it back when it is full; the
 * oldest full one that nobody is reading is handed out next. No thread is ever stopped or waited for. */
#ifndef PROFILER_TRACE_RECORDER_H
#define PROFILER_TRACE_RECORDER_H

#include "base/check.h"
#include "base/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_recorder;
struct trace_reader;

#define TRACE_BUFFER_MAX (1ull << 30)
/* What readers have at least, also where the flight recorder is off. */
#define TRACE_BUFFER_MIN (8ull << 20)

/* Records nothing yet. One at a time in the process: the sink is the process's. */
struct trace_recorder *trace_recorder_create(void);
/* No reader may be left. */
void trace_recorder_destroy(struct trace_recorder *recorder);
/* The flight recorder's memory in bytes, rounded to whole chunks; 0: it is off. [any] */
void trace_recorder_configure(struct trace_recorder *recorder, uint64_t buffer_bytes);
/* Who hears of slow requests, and from how long on they are; UINT64_MAX: nobody. It is called on the thread that served
 * the request: it may not wait. [any] */
void trace_recorder_watch(struct trace_recorder *recorder, uint64_t slow_ns,
                          void (*slow)(void *context, const char *name, uint64_t duration_ns), void *context);

struct trace_recorder_stats {
    uint64_t record_count;  /* since the beginning: in chunks that are full */
    uint64_t lost_count;    /* that found no chunk */
    uint64_t held_bytes;
    uint64_t history_ns;    /* how far back the flight recorder reaches now; 0: off */
};
struct trace_recorder_stats trace_recorder_stats(struct trace_recorder *recorder);

/* A thread that has recorded. */
struct trace_thread {
    uint32_t index; /* counts up, never used again */
    enum trace_thread_kind kind;
    int32_t id;     /* as gettid says */
    char name[16];
};

/* Read what was recorded in the last `last_ns`, or, if 0, what comes from now on; until trace_reader_stop. Recording
 * goes on as long as there is a reader. full_stacks: each event has its stack, from now on and while it reads. [any] */
struct trace_reader *trace_reader_open(struct trace_recorder *recorder, uint64_t last_ns, bool full_stacks);
void trace_reader_close(struct trace_reader *reader);

/* A record of one thread. */
struct trace_item {
    uint64_t time_ns;                  /* since trace_reader_start_ns; never less than the item's before */
    const struct trace_thread *thread; /* lives as long as the reader */
    const struct trace_record *record; /* its continuations follow it; valid until the next trace_reader_next */
    uint64_t call_ns;                  /* of TRACE_CALL: how long it took. Its item comes when it *began* */
    uint64_t sample_ns;                /* of TRACE_SAMPLE: its ticks on this scale; may lie before time_ns */
};

enum trace_progress {
    TRACE_PROGRESS_ITEM,
    TRACE_PROGRESS_WAIT, /* nothing more is known to be in order yet: come again in some 20 ms */
    TRACE_PROGRESS_END,  /* the end that was asked for */
    TRACE_PROGRESS_LOST, /* a record was lost here: what follows would not fit together. The last item */
};
/* The next record of all threads, in the order of time. One that turns up later than others of its time were given
 * out counts as of now. Of one thread at a time. */
enum trace_progress trace_reader_next(struct trace_reader *reader, struct trace_item *item);
/* Of one opened with last_ns: begin once more. */
void trace_reader_rewind(struct trace_reader *reader);
/* Give out what was recorded until now, and end. [any] */
void trace_reader_stop(struct trace_reader *reader);

/* Where the trace's time 0 lies, by clock_monotonic_ns; with `last_ns` it may be later than that long ago, where the
 * memory does not reach so far. Known from the first item on. */
uint64_t trace_reader_start_ns(const struct trace_reader *reader);
/* Where the time of the last item that was given out, or of the end, lies on that scale. */
uint64_t trace_reader_now_ns(const struct trace_reader *reader);

#endif
