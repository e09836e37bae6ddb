/* types.h: what takhin-profiler collects: a row for each profile, and for the trace. */
#ifndef CMD_PROFILER_TYPES_H
#define CMD_PROFILER_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profiler_content;

#define COLLECTIBLE_SAMPLE_TYPES_MAX 4

struct collectible {
    const char *name;           /* of -type */
    const char *title;          /* "cpu profile" */
    const struct profiler_content *content;
    const char *path;           /* on the debug port */
    const char *default_output; /* file, in the current folder: "cpu.prof" */
    bool in_all;                /* -type all collects it */
    enum collectible_time {
        TIME_WINDOW,   /* it is of the time that -duration says */
        TIME_SNAPSHOT, /* of this moment; of what comes within a time if -duration or a rate asks for one */
        TIME_AGE,      /* of this moment; -duration says how old what it lists is at least */
    } time;
    int64_t window_ns;  /* where -duration does not name it; of TIME_AGE takhin knows its own */
    bool has_fractions; /* the time may be other than whole seconds */
    bool is_delta;      /* of a time it is the difference of two moments, the second of which may come early */
    enum collectible_rate { RATE_NONE, RATE_SAMPLES, RATE_MEMORY } rate; /* the flag that may set one */
    int64_t rate_max;    /* takhin takes no more */
    const char *meaning; /* for the help */
    const char *sample_types[COLLECTIBLE_SAMPLE_TYPES_MAX + 1]; /* up to NULL: the values of a sample, here and of Go */
    const char *empty;   /* what to say of one without samples, or requests; NULL: nothing */
};

extern const struct collectible collectibles[];
extern const size_t collectible_count;
#define COLLECTIBLES_MAX 16 /* there are fewer */

/* NULL: there is none of that name. */
const struct collectible *collectible_find(const char *name);

#endif
