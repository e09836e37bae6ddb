/* fetch_explain.h: why an answer of a debug port did not come, in words, and what to do about it. */
#ifndef CMD_PROFILER_FETCH_EXPLAIN_H
#define CMD_PROFILER_FETCH_EXPLAIN_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/fetch.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a request ended. */
struct fetch_ending {
    CURLcode code;
    const char *detail;     /* what libcurl says about the code; "": nothing */
    int connect_errno;      /* 0: none */
    bool is_reached;        /* over TCP; TLS may be missing */
    bool is_connected;      /* TLS and all */
    bool is_too_large;
    bool is_not_http;       /* the body has what came instead */
    bool is_from_pprof;     /* Go's and our debug ports say of themselves that they are ones */
    bool is_cut;            /* its sending side was shut after an interrupt */
    long status;            /* of HTTP, with code CURLE_OK */
    const char *location;   /* where a redirect leads; NULL: it is none */
    int64_t connect_timeout_ns, timeout_ns;
    int64_t taken_ns;       /* by all of it */
};

/* The code for the result of anything but a status 200; the words go into fetch->problem. */
int fetch_explain(struct fetch *fetch, const struct fetch_ending *ending) MUST_USE;

/* The same of what an interrupt ended. */
enum fetch_interrupt {
    FETCH_NOT_BEGUN,   /* it was not asked yet */
    FETCH_OVER_TLS,    /* where the sending side alone cannot be shut */
    FETCH_NO_ANSWER,   /* nothing whole came by then */
};
int fetch_explain_interrupt(struct fetch *fetch, enum fetch_interrupt how) MUST_USE;

#endif
