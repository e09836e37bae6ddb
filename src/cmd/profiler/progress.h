/* progress.h: what standard error shows while something is collected: a bar on a terminal, else one line. */
#ifndef CMD_PROFILER_PROGRESS_H
#define CMD_PROFILER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *title, *address;
    int64_t duration_ns;
    uint64_t start_ns;
    bool draws;
};

/* Says what begins. The strings stay the caller's. quiet: nothing is ever shown. Duration 0: no bar. */
void progress_start(struct progress *progress, bool quiet, const char *title, const char *address,
                    int64_t duration_ns);
/* Bar and time left; call it a few times a second. */
void progress_draw(const struct progress *progress);
/* The bar goes. */
void progress_end(const struct progress *progress);

#endif
