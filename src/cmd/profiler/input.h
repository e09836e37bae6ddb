/* input.h: the bytes of a file that the user has named. */
#ifndef CMD_PROFILER_INPUT_H
#define CMD_PROFILER_INPUT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>

struct input {
    struct bytes bytes;
    void *mapped;    /* NULL: they are in own */
    struct buf own;  /* of what cannot be mapped, such as a pipe */
};

/* Whether the path stands for standard input: "-". */
bool input_is_standard(const char *path);

/* Negative: *problem says why, and what to do; there is nothing to close. */
int input_open(struct input *input, const char *path, struct buf *problem) MUST_USE;
void input_close(struct input *input);

#endif
