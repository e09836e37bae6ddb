/* output.h: the file that appears only when it is complete. */
#ifndef CMD_PROFILER_OUTPUT_H
#define CMD_PROFILER_OUTPUT_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>

struct output {
    char *target;    /* the path, with links followed */
    char *temporary; /* beside it; NULL once it has become the target, or where the target is no regular file */
    int fd;          /* -1: closed */
};

/* See that the path can be written, before half a minute is spent on what goes there. Close it in any case.
 * A device or a pipe is written to directly. Errors are -errno with *message saying which path and why. */
int output_open(struct output *output, const char *path, struct buf *message) MUST_USE;
/* Write everything, then let it appear under its name. */
int output_commit(struct output *output, struct bytes content, struct buf *message) MUST_USE;
/* Without a commit before it, nothing is left behind. */
void output_close(struct output *output);

#endif
