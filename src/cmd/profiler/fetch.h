/* fetch.h: one profile or trace over HTTP into memory, with a line of progress meanwhile. */
#ifndef CMD_PROFILER_FETCH_H
#define CMD_PROFILER_FETCH_H

#include "base/buf.h"
#include "base/check.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct fetch {
    const char *address;   /* host:port */
    const char *title;     /* "cpu profile", for progress */
    const char *noun;      /* "profile", for messages */
    const char *target;    /* "/debug/pprof/profile?seconds=30" */
    int64_t duration_ns;   /* that the server will collect for; an answer may take 30 s more */
    size_t body_limit;     /* bytes */
    bool quiet;            /* no progress */
    const char *off_in;    /* the configuration that gave the address and leaves the profiler off; NULL: none */
    const char *hint;      /* what to do if the server refuses; NULL: nothing is known */
    const volatile sig_atomic_t *interrupted; /* set by a signal: give up */
};

/* Ask for it and wait for it. 0 with the whole answer of a status 200 in *body, or a negative error code with
 * *message saying what happened and what to do, in one or more lines. */
int fetch_profile(const struct fetch *fetch, struct buf *body, struct buf *message) MUST_USE;

/* What came instead of a profile, for a message: the answer's first line, with nothing a terminal would act on. */
void fetch_describe(struct bytes body, struct buf *text);

#endif
