/* trace_living.h: which tasks lived when a trace began, and what they did then. */
#ifndef PROFILER_TRACE_LIVING_H
#define PROFILER_TRACE_LIVING_H

#include "profiler/trace_recorder.h"
#include "profiler/trace_repair.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Tell the repair of them, before the first item. Tasks are looked at now, and what was recorded since the beginning
 * says what they have done meanwhile. A reader opened with last_ns is read to its end and rewound. Gives up when
 * *is_abandoned. */
void trace_living_tell(struct trace_recorder *recorder, struct trace_reader *reader, bool is_window,
                       const atomic_bool *is_abandoned, struct trace_repair *repair);

#endif
