/* collect.h: takhin-profiler's walk from its command line to files: ask all targets for all types at once, write what
 * comes, show it. */
#ifndef CMD_PROFILER_COLLECT_H
#define CMD_PROFILER_COLLECT_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/command.h"

#include <signal.h>
#include <stddef.h>

/* Of what each target was asked for: how much of it is written and shown, and how much is not. */
struct collect_outcome {
    size_t done_count, failed_count;
};

/* 0, or the first error; *message says what failed and what to do about it. ERR_CONFIG: the command line or the
 * configuration is wrong, and nothing was asked. */
int collect_run(const struct profiler_command *command, const volatile sig_atomic_t *interrupt_count,
                struct collect_outcome *outcome, struct buf *message) MUST_USE;

#endif
