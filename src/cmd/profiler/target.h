/* target.h: where the debug port is that takhin-profiler asks. */
#ifndef CMD_PROFILER_TARGET_H
#define CMD_PROFILER_TARGET_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/command.h"

#include <stdbool.h>

struct profiler_address {
    struct buf text;     /* "host:port" as a URL has it */
    struct buf warnings; /* of the configuration, one a line */
    bool is_off;         /* the -config file leaves the profiler off */
};

/* From -remote, else from the configuration's file, environment and defaults. 0, or ERR_CONFIG with *message saying
 * what is wrong, one problem a line. Deinit the address in either case. */
int profiler_address_find(const struct profiler_command *command, struct profiler_address *address,
                          struct buf *message) MUST_USE;
void profiler_address_deinit(struct profiler_address *address);

#endif
