/* files.h: what files that were collected before say: takhin-profiler analyze FILE... */
#ifndef CMD_PROFILER_FILES_H
#define CMD_PROFILER_FILES_H

#include "base/buf.h"
#include "base/check.h"

/* Print each one's analysis to standard output: of a profile or of a trace, as its content is. 0, or the first error of
 * any; *message says what was wrong with which file, a line each. */
int profiler_files_analyze(const char *const *paths, int count, struct buf *message) MUST_USE;

#endif
