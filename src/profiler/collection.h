/* collection.h: one profile, from the request for it to the answer.
 *
 * Open it; wait, if there is a window; then take either the profile or the text, and close it. All of these read files
 * or wait for other threads: offload them. [any] */
#ifndef PROFILER_COLLECTION_H
#define PROFILER_COLLECTION_H

#include "profiler/type.h"

struct profile;

/* That a row may make. */
#define COLLECTION_COMMENTS_MAX 16

/* What a request may say. Zeroed: a snapshot, as configured. */
struct profile_query {
    bool is_delta;           /* of a type that needs no window: what comes between open and the end */
    bool keeps_go_wart;      /* a delta also subtracts from levels, which may then be negative, as Go's does */
    int64_t rate;            /* in force from open to close, see profile_type.rate; 0: as configured */
    bool trims_memory;       /* heap: give free memory back to the system first (gc=1) */
    uint64_t parked_for_ns;  /* goroutineleak: tasks that have been parked for so long */
    /* Delta since this table was filled, and fill it anew: what a scraper has not seen yet. NULL: no such delta. The
     * table that it points to is the caller's, to keep until the next time; it may be NULL at first. */
    struct stack_table **since;
};

/* What the functions of a row see. */
struct collection {
    struct profiler *profiler;
    const struct profile_type *type;
    struct profile_query query;
    void *state;                /* the row's own, from start to collect or cancel */
    struct stack_table *stacks; /* to fill */
    int64_t period;             /* for the row to set, in the unit of type->period; 1 at first */
    int64_t time_ns;            /* since 1970: when the window began, when the (or a delta's second) look was taken */
    uint64_t duration_ns;       /* of the window or the delta; 0: a snapshot. A row's collect may know both better */
    struct stack_table *before; /* of a delta */
    bool is_text;               /* what is collected becomes a text for people */
    uint64_t start_ns;          /* clock_monotonic_ns at open */
    bool is_window_open;        /* between the row's start and its collect or cancel */
    char *comments[COLLECTION_COMMENTS_MAX];
    unsigned comment_count;
};

/* Negative: an error of the row's start. ERR_OUT_OF_RANGE: a rate beyond the row's limits. */
int collection_open(struct profiler *profiler, const struct profile_type *type, const struct profile_query *query,
                    struct collection **collection) MUST_USE;
/* Collect, subtract, look up names. The profile becomes the caller's. Either this or the text, once. */
struct profile *collection_profile(struct collection *collection);
/* The same as text, of a type that has one: debug is 1 or more. */
void collection_write_text(struct collection *collection, int debug, struct buf *text);
/* Ends a window that is still open. NULL is allowed. */
void collection_close(struct collection *collection);

/* For rows: a line about how the profile came to be, which `pprof -comments` shows. */
void collection_comment(struct collection *collection, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
