/* help.h: one description of takhin-profiler in three forms: its help, its page of the manual, its completion. */
#ifndef CMD_PROFILER_HELP_H
#define CMD_PROFILER_HELP_H

#include "base/buf.h"

/* What it is for, in a line. */
#define HELP_PURPOSE "collects, analyses, compares and draws profiles of a running takhin"

/* The whole manual as plain text. For -h. */
void help_write(struct buf *text);
/* The same for man, in roff (man(7)). For -man. */
void help_write_man(struct buf *text);
/* A script that bash reads: flags, and the values of those that have few. For -completion. */
void help_write_completion(struct buf *text);

#endif
