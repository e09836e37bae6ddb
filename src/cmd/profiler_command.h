/* profiler_command.h: the command line of takhin-profiler. */
#ifndef CMD_PROFILER_COMMAND_H
#define CMD_PROFILER_COMMAND_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

/* A kind of profile that this version collects. */
struct profile_type {
    const char *name;           /* of -type */
    const char *path;           /* on the debug port */
    const char *default_output; /* file */
};

enum profiler_action { PROFILER_COLLECT, PROFILER_PRINT_VERSION, PROFILER_PRINT_HELP };

/* Strings point into argv or are constants. */
struct profiler_command {
    enum profiler_action action; /* the last one that was asked for */
    const struct profile_type *type;
    int64_t duration_ns;
    const char *output;
    const char *remote;      /* "host:port"; NULL: as the configuration says */
    const char *config_file; /* NULL: none */
    bool analyze, flamegraph, quiet;
};

/* Reads argv[1] and on; flags have one dash or two, values follow in their own argument or behind "=".
 * 0, or ERR_CONFIG with *message saying what is wrong, one line. */
int profiler_command_parse(int argc, char **argv, struct profiler_command *command, struct buf *message) MUST_USE;

/* The whole manual. For -h. */
void profiler_command_write_help(struct buf *text);

#endif
