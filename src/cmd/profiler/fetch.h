/* fetch.h: answers of debug ports over HTTP into memory, any number at the same time, with progress meanwhile. */
#ifndef CMD_PROFILER_FETCH_H
#define CMD_PROFILER_FETCH_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/target.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch {
    /* The caller's. */
    const struct target *target;
    const char *path;    /* "/debug/pprof/profile?seconds=30", to be put behind the target's url */
    const char *title;   /* "cpu profile", for progress */
    const char *noun;    /* "profile", for messages */
    const char *hint;    /* what to do if the server refuses; NULL: nothing is known */
    const char *off_in;  /* the configuration that leaves the profiler off; NULL: none */
    int64_t duration_ns; /* that the server will collect for; 0: it answers at once */
    size_t body_limit;   /* bytes */
    bool is_side_question; /* no progress shows it, and what it fails of is nobody's business but the caller's */
    void *context;       /* the caller's, for done */

    /* Results: init them to zeros; fetch_deinit frees them. */
    int result;          /* 0: the whole answer of a status 200 is in body; else a negative code and the reason */
    struct buf body;
    struct buf problem;  /* what happened and what to do, one or more lines */
    char server[64];     /* the Server header: "takhin/0.4.0"; "" if there was none */
    bool is_cut_short;   /* interrupted: it is whole, but of a shorter time */
};

struct fetch_options {
    int64_t timeout_ns;  /* of an answer, beyond the time that the server collects for; 0: 30 s */
    bool quiet;          /* no progress */
    /* Set to how many signals have come. At the first, what is being collected is ended early: the sending side of its
     * connection is shut, on which the debug port answers with what it has by then. What has not come when
     * nobody has sent anything for some seconds, or at the second signal, fails with ERR_CLOSED. */
    const volatile sig_atomic_t *interrupt_count;
    void (*done)(struct fetch *fetch); /* called as each ends, well or not; NULL: nobody is told */
};

/* Ask for all and wait for all. */
void fetch_all(struct fetch *fetches, size_t count, const struct fetch_options *options);
void fetch_deinit(struct fetch *fetch);

/* What came instead of a profile, for a message: the answer's first line, with nothing a terminal would act on. */
void fetch_describe(struct bytes body, struct buf *text);

#endif
