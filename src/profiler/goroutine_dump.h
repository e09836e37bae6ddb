/* goroutine_dump.h: each task and thread at length, as Go prints its goroutines: what debug=2 shows. */
#ifndef PROFILER_GOROUTINE_DUMP_H
#define PROFILER_GOROUTINE_DUMP_H

#include "base/buf.h"

struct collection;
struct task_dump;

/* A longer text ends with a line that says how much is missing, as Go's ends at this size. */
#define GOROUTINE_DUMP_BYTES_MAX ((size_t)64 << 20)
/* Threads have numbers too, apart from those of tasks: this plus the thread's id. */
#define GOROUTINE_DUMP_FIRST_THREAD 1000000000000ull

/* "goroutine 17 [IO wait, 3 minutes, task=connection, thread=reactor-0, api=Fetch]:", the stack, who created it.
 * Parsers of Go's dumps read the state and the minutes and pass the rest by. remark follows the state, such as
 * " (parked)"; or "". */
void goroutine_dump_write(struct collection *collection, const struct task_dump *dump, const char *remark,
                          struct buf *text);

#endif
