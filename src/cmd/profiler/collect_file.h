/* collect_file.h: one file of takhin-profiler, from the answers that make it up to its name. */
#ifndef CMD_PROFILER_COLLECT_FILE_H
#define CMD_PROFILER_COLLECT_FILE_H

#include "base/check.h"
#include "cmd/profiler/collect_plan.h"

/* See that it can be written. Errors as output_open. */
int collect_file_open(struct collect_file *file, struct buf *message) MUST_USE;

/* All its parts have ended: read what came, make one of it, write it, and free the answers. What failed is then in the
 * parts' results, or in the file's own; else what was read is there until it is forgotten. */
void collect_file_finish(struct collect_file *file);
void collect_file_forget(struct collect_file *file);

/* Whether an analysis or a page of it is asked for; a trace has no page. */
bool collect_file_is_to_be_shown(const struct collect_file *file);

/* Whether this part of it is in what was written. */
bool collect_file_holds(const struct collect_file *file, const struct fetch *part);

#endif
