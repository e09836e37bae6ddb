/* typo.h: words that were meant to be others. */
#ifndef CMD_PROFILER_TYPO_H
#define CMD_PROFILER_TYPO_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the word is the name but for one slip: a letter too many, one too few, another one, or two that changed
 * places. Case does not count. Never of names of one or two letters, which are like too many words. */
bool typo_is_of(const char *word, size_t length, const char *name);

#endif
