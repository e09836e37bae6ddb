/* encode.h: a profile as the bytes that `go tool pprof` and the scrapers read.
 *
 * The format is github.com/google/pprof proto/profile.proto (src/pprof/profile.proto has the part that we use). Every
 * table is written in the order in which it was built, so equal profiles give equal bytes. */
#ifndef PPROF_ENCODE_H
#define PPROF_ENCODE_H

#include "base/buf.h"
#include "pprof/profile.h"

/* Append the plain protobuf. */
void profile_encode(const struct profile *profile, struct buf *out);

/* Append it as one gzip member at zlib's fastest level, which is what Go's servers send: level 6 would take twice the
 * time for a tenth fewer bytes. */
void profile_encode_gzip(const struct profile *profile, struct buf *out);

#endif
