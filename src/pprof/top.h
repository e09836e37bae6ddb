/* top.h: the table of the functions that weigh most, as `go tool pprof -top` prints it.
 *
 * Follows the pprof of Go 1.26 to the byte for profiles of C functions: the profile's default sample type, one row a
 * function name, functions below 0.5 % left out. Not done here: demangling of C++ names, and symbols for locations
 * that have none (pprof opens the binary); ours need neither. Go before 1.20 writes the Time line in another form. */
#ifndef PPROF_TOP_H
#define PPROF_TOP_H

#include "base/buf.h"
#include "pprof/profile.h"

/* Append header and table to *out. row_limit as pprof's -nodecount; 0: all rows. The time is that of the local zone.
 * ERR_MALFORMED: the profile's drop_frames or keep_frames is no regular expression; *out is as before. */
int profile_top(const struct profile *profile, uint32_t row_limit, struct buf *out) MUST_USE;

#endif
