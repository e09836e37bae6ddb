/* pattern.h: the regular expressions that people give to pprof, run by the C library's.
 *
 * Go's syntax (https://github.com/google/re2/wiki/Syntax) where POSIX's extended one can say the same: also \d \w \s \b
 * and their opposites, (?:...), (?i) in front, lazy repeats (which match the same texts), \Q...\E. Refused, rather
 * than taken for something else: Unicode classes, other flags, what repeats more than 1000 times, nests more than 50
 * deep, or is longer than 4096 bytes: expressions come with profiles too, and must not cost more than they are worth.
 * [any] */
#ifndef PPROF_PATTERN_H
#define PPROF_PATTERN_H

#include "base/bytes.h"
#include "base/check.h"

struct pattern;

/* is_whole: the whole text must match, not some part of it. ERR_MALFORMED: it is none, or none that is
 * understood here; *pattern is NULL then. */
int pattern_compile(const char *expression, bool is_whole, struct pattern **pattern) MUST_USE;
void pattern_destroy(struct pattern *pattern);

/* Where the text begins and ends is what ^ and $ mean. Not from two threads at a time. */
bool pattern_matches(const struct pattern *pattern, struct bytes text);

#endif
