/* trace_repair.h: from what threads recorded to events that are free of contradictions (trace/event.h).
 *
 * Records say what each thread did; a trace begins in the middle of it, clocks may differ by a little, and a wake may
 * be written down before the park that it ends. So each record is held against what is known of its task and its lane:
 * what is missing is put in (a task that starts without having been woken was woken just then), what cannot be is left
 * out (a wake of a task that is not parked), and times are moved forward to what they depend on. */
#ifndef PROFILER_TRACE_REPAIR_H
#define PROFILER_TRACE_REPAIR_H

#include "profiler/trace_recorder.h"
#include "trace/event.h"

struct symbols;
struct trace_repair;
struct trace_tables;

typedef void (*trace_take_fn)(const struct trace_event *event, void *context);

/* Strings and stacks go to the tables, with the names that the symbols have (held while it lives). */
struct trace_repair *trace_repair_create(struct symbols *symbols, struct trace_tables *tables, trace_take_fn take,
                                         void *context);
void trace_repair_destroy(struct trace_repair *repair);

/* Of a task that lived before the first item, and what it did then: so that it is there from the start. Without, it
 * appears with its first record. [before the first trace_repair_add] */
struct trace_living {
    uint64_t task;
    char name[32];
    uintptr_t run;   /* 0: not known */
    bool is_waiting; /* else it is runnable, or runs: it will say */
};
void trace_repair_add_living(struct trace_repair *repair, const struct trace_living *living);

/* In the order of trace_reader_next. Calls take() any number of times. */
void trace_repair_add(struct trace_repair *repair, const struct trace_item *item);
/* Write an event of this very trace's own: a note for whoever reads it ("cut at 32 MB"). */
void trace_repair_note(struct trace_repair *repair, const char *key, const char *text);

struct trace_repair_counts {
    uint64_t event_count;
    uint64_t repaired_count; /* events that were put in, or left out, or moved in time */
};
struct trace_repair_counts trace_repair_counts(const struct trace_repair *repair);

#endif
