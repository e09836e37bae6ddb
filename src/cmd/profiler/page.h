/* page.h: long lines on a terminal. */
#ifndef CMD_PROFILER_PAGE_H
#define CMD_PROFILER_PAGE_H

#include "base/bytes.h"

/* To standard output. Is that a terminal, lines that are wider are broken between words, and go on further to the
 * right; else they are left as they are, for grep and the like. */
void page_print(struct bytes text);

#endif
