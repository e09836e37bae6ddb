/* command.h: the command line of takhin-profiler. */
#ifndef CMD_PROFILER_COMMAND_H
#define CMD_PROFILER_COMMAND_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/analysis.h"
#include "cmd/profiler/types.h"

#include <stdbool.h>
#include <stdint.h>

enum profiler_action {
    PROFILER_COLLECT,
    PROFILER_ANALYZE_FILES,
    PROFILER_PRINT_VERSION,
    PROFILER_PRINT_HELP,
    PROFILER_PRINT_MAN,
    PROFILER_PRINT_COMPLETION,
};

/* Strings point into argv or are constants. */
struct profiler_command {
    enum profiler_action action; /* the last one that was asked for */
    const struct collectible *types[COLLECTIBLES_MAX];
    size_t type_count;   /* 1, or those of -type all */
    int64_t duration_ns; /* 0: not named */
    int64_t last_ns;     /* of the time before now; 0: what comes from now on */
    int64_t timeout_ns;  /* 0: not named */
    int64_t sample_rate, mem_rate; /* 0: as takhin is configured */
    bool sample_rate_is_named, mem_rate_is_named;
    const char *output;      /* "-": standard output; NULL: the types' default names, or others in output_dir */
    const char *output_dir;  /* NULL: the current folder */
    const char *remote;      /* NULL: as the configuration says */
    const char *config_file; /* NULL: none */
    bool split;              /* a file a broker, in place of one of all */
    bool quiet;
    struct analysis_options analysis;
    const char *const *files; /* to analyze, in place of collecting; in argv's own array, which is reordered */
    int file_count;
};

/* Reads argv[1] and on; flags have one dash or two, values follow in their own argument or behind "=", and "--" ends
 * them. Where argv says "analyze", what is no flag is a file's name.
 * 0, or ERR_CONFIG with *message saying what is wrong, one line. */
int profiler_command_parse(int argc, char **argv, struct profiler_command *command, struct buf *message) MUST_USE;

/* How long takhin will collect that type before it answers; 0: it answers at once. */
int64_t profiler_command_window_ns(const struct profiler_command *command, const struct collectible *type);
/* The time that a request for that type names: the same, or how old what it lists is at least; 0: none. */
int64_t profiler_command_asked_ns(const struct profiler_command *command, const struct collectible *type);
/* What to ask of the debug port: "/debug/pprof/block?seconds=30&rate=1". */
void profiler_command_write_request(const struct profiler_command *command, const struct collectible *type,
                                    struct buf *request);

/* What to do if takhin refuses; NULL: nothing beyond what it says itself. */
const char *profiler_command_hint(const struct profiler_command *command, const struct collectible *type);

/* A flag, for the help. */
struct command_flag {
    const char *name;
    const char *value;   /* what it is called; NULL: it takes none */
    const char *meaning; /* NULL: another name of the flag above */
    enum command_flag_group { FLAGS_COLLECT, FLAGS_OUTPUT, FLAGS_ANALYZE, FLAGS_OTHER } group;
    /* For completion. */
    enum command_flag_values { VALUES_NONE, VALUES_ANY, VALUES_TYPES, VALUES_FILES, VALUES_FOLDERS } values;
};
/* The flags in the help's order; NULL: no more. */
const struct command_flag *profiler_command_flag(size_t index);

#endif
