/* content.h: what takhin-profiler collects, as it is read back and told: profiles, and execution traces. */
#ifndef CMD_PROFILER_CONTENT_H
#define CMD_PROFILER_CONTENT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"

#include <stddef.h>

struct profiler_command;

struct profiler_content {
    const char *noun; /* "profile" */
    /* Read what a server sent; *read_back is for the others, and destroy. Negative: it is none; *problem says why. */
    int (*read)(struct bytes body, void **read_back, struct buf *problem) MUST_USE;
    /* To standard output: what was written, and what to do with it. */
    void (*print_report)(const struct profiler_command *command, void *read_back, size_t size);
    /* To standard output: what it says. */
    int (*print_analysis)(void *read_back, struct buf *message) MUST_USE;
    void (*destroy)(void *read_back); /* NULL is none */
};

extern const struct profiler_content profiler_content_profile, profiler_content_trace;

#endif
