/* collect_problems.h: what failed of a run of takhin-profiler, for people: each reason once, whatever it cost. */
#ifndef CMD_PROFILER_COLLECT_PROBLEMS_H
#define CMD_PROFILER_COLLECT_PROBLEMS_H

#include "base/buf.h"
#include "cmd/profiler/collect_plan.h"

void collect_problems_write(const struct collect_plan *plan, struct buf *message);
/* Of one file, or nothing. */
void collect_problems_write_of(const struct collect_file *file, struct buf *message);

#endif
