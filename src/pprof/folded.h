/* folded.h: a profile as folded stacks: `main;serve;write 123`, a line a stack, which flamegraph.pl, speedscope and
 * many others read (format: https://github.com/brendangregg/FlameGraph#2-fold-stacks). [any] */
#ifndef PPROF_FOLDED_H
#define PPROF_FOLDED_H

#include "base/buf.h"
#include "pprof/filter.h"

/* Append the lines to *out, sorted, root first, each stack once, with the sum of its values in the samples that the
 * filter keeps; stacks that sum up to 0 are left out, and what drop_frames hides is (prune.h). In names, ':' stands for
 * ';' and a space for each control character.
 * ERR_TOO_LARGE: there are too many different stacks (flamegraph_tree.h), or more than FOLDED_MAX bytes of lines; *out
 * is as before. */
int profile_write_folded(const struct filter *filter, struct buf *out) MUST_USE;

#define FOLDED_MAX ((size_t)1 << 30)

#endif
