/* collect_report.h: what takhin-profiler says of the files that it has written. Scripts that read its standard output
 * (-json, -folded) find none of it there; -quiet has none of it said. */
#ifndef CMD_PROFILER_COLLECT_REPORT_H
#define CMD_PROFILER_COLLECT_REPORT_H

#include "cmd/profiler/collect_plan.h"

/* "wrote cpu.prof: 12.34kB, cpu 1.20s in 34 stacks, of 30s", and what else there is to say of it at once; of one file,
 * also what to do with it next. It is written, and not forgotten. */
void collect_report_file(const struct collect_file *file);

/* Of several files, what to do with such ones next. */
void collect_report_next(const struct collect_plan *plan);

#endif
