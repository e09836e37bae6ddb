/* wait_times.h: how long tasks have waited, added up exactly while a trace is recorded, to hold traces against. */
#ifndef RUNTIME_WAIT_TIMES_H
#define RUNTIME_WAIT_TIMES_H

#include "runtime/task.h"

/* Of the tasks of all reactors since the program began, in seconds, by the very times that the trace's records have.
 * Counted is what began and ended while the same recording was on: with a trace of all of it they agree exactly. The
 * flight recorder's goes on for ever, so there a trace lacks the part of a wait that lies beyond its ends. */
struct wait_times {
    double parked_s[WAIT_REASON_COUNT]; /* from the park to the wake */
    double runnable_s;                  /* from the wake, the start of its life or a yield until it ran */
};
/* Each number is read on its own. None becomes less, but for the program's first second (trace_tick_ns). [any] */
void wait_times_read(struct wait_times *times);

#endif
