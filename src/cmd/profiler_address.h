/* profiler_address.h: where the debug port is that takhin-profiler asks. */
#ifndef CMD_PROFILER_ADDRESS_H
#define CMD_PROFILER_ADDRESS_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler_command.h"

/* Appends "host:port" as a URL has it: from -remote, else from the configuration's file, environment and defaults.
 * 0, or ERR_CONFIG with *message saying what is wrong, one problem a line. */
int profiler_address_find(const struct profiler_command *command, struct buf *address, struct buf *message) MUST_USE;

#endif
