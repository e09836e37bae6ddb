/* inflate.h: gzip taken off, within a limit. Part of decode.c. [any] */
#ifndef PPROF_INFLATE_H
#define PPROF_INFLATE_H

#include "base/buf.h"

bool gzip_is(struct bytes bytes);

/* Append what any number of members, one after another, hold. ERR_TRUNCATED, ERR_CORRUPT, or ERR_TOO_LARGE: more than
 * plain_limit; *problem is a sentence then. */
int gzip_inflate(struct bytes encoded, size_t plain_limit, struct buf *plain, const char **problem) MUST_USE;

#endif
