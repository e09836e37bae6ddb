/* fetch_overview.h: what is asked for, in a few words for progress. */
#ifndef CMD_PROFILER_FETCH_OVERVIEW_H
#define CMD_PROFILER_FETCH_OVERVIEW_H

#include "base/buf.h"
#include "cmd/profiler/fetch.h"

/* Side questions are none of it. */
struct fetch_overview {
    /* "cpu profile of a:6060", "cpu profile of each of 3 brokers", "8 profiles and 1 trace of a:6060" */
    struct buf subject;
    int64_t longest_ns;
    size_t count;
};

void fetch_overview_init(struct fetch_overview *overview, const struct fetch *fetches, size_t count);
void fetch_overview_deinit(struct fetch_overview *overview);

#endif
