/* progress.h: what standard error shows while something is collected: one redrawn line with a bar on a terminal, else a
 * line as it begins. */
#ifndef CMD_PROFILER_PROGRESS_H
#define CMD_PROFILER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *subject;  /* "cpu profile of localhost:6060", "9 profiles of localhost:6060" */
    int64_t duration_ns;  /* of the longest; 0: all come at once, and there is no bar */
    size_t total, ended;  /* parts */
    uint64_t start_ns;    /* of the monotonic clock */
    uint64_t received_bytes;
    bool is_finishing;    /* interrupted: what was collected is awaited */
    bool draws;           /* there is a bar */
};

/* Says what begins. The subject stays the caller's. quiet: nothing is ever shown. */
void progress_start(struct progress *progress, bool quiet, const char *subject, int64_t duration_ns, size_t total);
/* Bar and time left; call it a few times a second. */
void progress_draw(const struct progress *progress);
/* A part has ended, well or not. The bar is gone until it is drawn again, so that the caller may write. */
void progress_step(struct progress *progress);
/* The bar goes. */
void progress_end(const struct progress *progress);

#endif
