/* type.h: a kind of profile is one row of a table: its name, its columns, and how it is collected and written.
 *
 * To add one: write its file, with a `const struct profile_type profile_type_<name>`, and name it in types.c. The
 * endpoint, the index page, deltas, errors and metrics all follow from the row. */
#ifndef PROFILER_TYPE_H
#define PROFILER_TYPE_H

#include "base/buf.h"
#include "base/check.h"
#include "profiler/stack_table.h"

#include <stdbool.h>
#include <stdint.h>

struct collection;
struct profiler;

struct profile_column {
    const char *type, *unit; /* "inuse_space", "bytes" */
    bool is_level;           /* says how much there is, so a delta has the value at its end and subtracts nothing */
};

/* What one kind of sampler has done since the program started, for /metrics. */
struct profile_stats {
    uint64_t sample_count;
    uint64_t lost_count;      /* events that were due for a sample and have none */
    uint64_t truncated_count; /* stacks deeper than UNWIND_DEPTH_MAX */
    uint64_t rootless_count;  /* walks that ended before the root */
    uint64_t overhead_ns;     /* spent on taking samples, measured or estimated from some of them */
    uint64_t held_bytes;      /* memory that the sampler holds now */
};

struct profile_type {
    const char *name;    /* of the endpoint and of the file that is sent: "heap" */
    const char *summary; /* HTML, for the index page */
    struct profile_column columns[STACK_VALUES_MAX];
    unsigned column_count;
    const char *default_column; /* of the viewer; NULL: the last one, as in Go */
    struct profile_column period;
    struct {
        const char *label, *unit; /* of stack_key.number; unit NULL: none; label NULL: keys have no number */
    } number;
    /* Frames that a viewer hides, with all they call: a regular expression (profile.proto, drop_frames); or NULL. */
    const char *drop_frames;
    /* Collected over a window that the request names, such as CPU samples. The others say what there is (or was so far)
     * at one moment; a window makes a delta of them. */
    bool needs_window;
    bool has_delta; /* `seconds` may ask for one */
    bool seconds_is_age; /* `seconds` says how long what it lists has lasted at least: profile_query.parked_for_ns */
    /* What `rate` on a request sets for as long as it runs, and its limits. */
    enum profile_rate { PROFILE_RATE_NONE, PROFILE_RATE_HZ, PROFILE_RATE_MEMORY, PROFILE_RATE_BLOCK,
                        PROFILE_RATE_MUTEX } rate;

    /* Begin a window. 0 or a negative error. NULL where needs_window is false. */
    int (*start)(struct collection *collection);
    /* Add to collection->stacks all there is, or was in the window, which ends. */
    void (*collect)(struct collection *collection);
    /* End a window whose profile nobody wants any more. NULL where needs_window is false. */
    void (*cancel)(struct collection *collection);

    /* The form for people, debug=1. collect has been called. NULL: there is none, the binary is sent. */
    void (*write_text)(struct collection *collection, struct buf *text);
    /* Each record by itself, debug=2 and more: looks for itself, instead of collect. NULL: as write_text. */
    void (*write_dump)(struct collection *collection, struct buf *text);
    /* For the index page: how many records it would have now. NULL: 0. */
    uint64_t (*count)(struct profiler *profiler);
    /* NULL: no sampler of its own. */
    void (*stats)(struct profiler *profiler, struct profile_stats *stats);
};

extern const struct profile_type *const profile_types[];
extern const unsigned profile_type_count;

/* NULL: there is none of this name. */
const struct profile_type *profile_type_find(struct bytes name);

#endif
