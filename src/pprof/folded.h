/* folded.h: a profile as folded stacks: `main;serve;write 123`, a line a stack, which flamegraph.pl, speedscope and
 * many others read (format: https://github.com/brendangregg/FlameGraph#2-fold-stacks). [any] */
#ifndef PPROF_FOLDED_H
#define PPROF_FOLDED_H

#include "base/buf.h"
#include "pprof/profile.h"

/* Append the lines to *out, sorted, root first, each stack once, with the sum of its values of one sample type; stacks
 * that sum up to 0 are left out, and what drop_frames hides is (prune.h). In names, ':' stands for ';' and a space for
 * each control character.
 * ERR_OUT_OF_RANGE: there is no such sample type; ERR_MALFORMED: drop_frames or keep_frames is no regular expression;
 * *out is as before. */
int profile_write_folded(const struct profile *profile, uint32_t sample_type_index, struct buf *out) MUST_USE;

#endif
