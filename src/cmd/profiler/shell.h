/* shell.h: words of commands that users are told to run. */
#ifndef CMD_PROFILER_SHELL_H
#define CMD_PROFILER_SHELL_H

#include "base/buf.h"

/* Append the text as a shell reads it as one word: as it is, or between apostrophes. */
void shell_append_word(struct buf *command, const char *text);

#endif
