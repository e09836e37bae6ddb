/* command.h: the command line of takhin-profiler. */
#ifndef CMD_PROFILER_COMMAND_H
#define CMD_PROFILER_COMMAND_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct profiler_content;

/* A kind of profile that this version collects, or the trace. */
struct collectible {
    const char *name;           /* of -type */
    const char *title;          /* "cpu profile" */
    const struct profiler_content *content;
    const char *path;           /* on the debug port */
    const char *default_output; /* file */
    enum collectible_time {
        TIME_WINDOW,   /* it is of the time that -duration says */
        TIME_SNAPSHOT, /* of this moment; of what comes within a time if -duration or a rate asks for one */
        TIME_AGE,      /* of this moment; -duration says how old what it lists is at least */
    } time;
    int64_t window_ns;  /* where -duration does not name it */
    bool has_fractions; /* the time may be other than whole seconds */
    enum collectible_rate { RATE_NONE, RATE_SAMPLES, RATE_MEMORY } rate; /* the flag that may set one */
    int64_t rate_max;           /* takhin takes no more */
    const char *meaning; /* for the help */
    const char *empty;   /* what to say of one without samples, or requests; NULL: nothing */
};

enum profiler_action { PROFILER_COLLECT, PROFILER_ANALYZE_FILES, PROFILER_PRINT_VERSION, PROFILER_PRINT_HELP };

/* Strings point into argv or are constants. */
struct profiler_command {
    enum profiler_action action; /* the last one that was asked for */
    const struct collectible *type;
    int64_t duration_ns; /* 0: not named */
    int64_t last_ns;     /* of the time before now; 0: what comes from now on */
    int64_t sample_rate, mem_rate; /* 0: as takhin is configured */
    bool sample_rate_is_named, mem_rate_is_named;
    const char *output;
    const char *remote;      /* "host:port"; NULL: as the configuration says */
    const char *config_file; /* NULL: none */
    bool analyze, flamegraph, quiet;
    const char *const *files; /* to analyze, in place of collecting */
    int file_count;
};

/* Reads argv[1] and on; flags have one dash or two, values follow in their own argument or behind "=".
 * 0, or ERR_CONFIG with *message saying what is wrong, one line. */
int profiler_command_parse(int argc, char **argv, struct profiler_command *command, struct buf *message) MUST_USE;

/* How long takhin will collect before it answers; 0: it answers at once. */
int64_t profiler_command_window_ns(const struct profiler_command *command);
/* What to ask of the debug port: "/debug/pprof/block?seconds=30&rate=1". */
void profiler_command_write_target(const struct profiler_command *command, struct buf *target);

/* What to do if takhin refuses; NULL: nothing beyond what it says itself. */
const char *profiler_command_hint(const struct profiler_command *command);

/* The whole manual. For -h. */
void profiler_command_write_help(struct buf *text);

#endif
