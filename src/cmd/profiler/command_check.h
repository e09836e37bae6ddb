/* command_check.h: what flags of takhin-profiler cannot know of each other. Part of command.c. */
#ifndef CMD_PROFILER_COMMAND_CHECK_H
#define CMD_PROFILER_COMMAND_CHECK_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/command.h"

/* Of the flags that were named the first that is only for ...; NULL: none. */
struct command_named {
    const char *collecting; /* asking a takhin and writing files: "type", "output" */
    const char *table;      /* the table of functions: "cum" */
};

/* Whether everything that was asked for can be done: nothing is ignored in silence. ERR_CONFIG: *message says, in one
 * line, what cannot. */
int command_check(const struct profiler_command *command, const struct command_named *named,
                  struct buf *message) MUST_USE;

#endif
