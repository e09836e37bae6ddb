/* decode.h: a profile read back from bytes that anybody may have written. */
#ifndef PPROF_DECODE_H
#define PPROF_DECODE_H

#include "base/bytes.h"
#include "base/check.h"
#include "pprof/profile.h"

#include <stddef.h>

/* What a hostile input may cost. */
struct profile_limits {
    size_t plain_bytes;  /* of the protobuf, once decompressed: a gzip bomb ends here */
    size_t memory_bytes; /* that its parsed form may take: two bytes can be a record of 80 */
};

/* Far above any real profile: Go's largest heap profiles are some 100 MB. */
#define PROFILE_LIMITS_DEFAULT \
    ((struct profile_limits){.plain_bytes = (size_t)256 << 20, .memory_bytes = (size_t)2 << 30})

/* Those that exist have up to ten, and each is looked for among the others by its name. */
#define PROFILE_SAMPLE_TYPES_MAX 1000

/* Read a profile: protobuf, plain or in gzip (any number of members, one after another). On success *profile is the
 * caller's (profile_destroy). Ids are renumbered from 1 in the order of the input; doubles become one,
 * but for samples, which stay as they are.
 * On failure *profile is NULL and *problem a sentence for people that lives for ever:
 *   ERR_MALFORMED     not a profile at all: neither gzip nor protobuf
 *   ERR_TRUNCATED     gzip that ends too early
 *   ERR_CORRUPT       gzip whose content or checksum is wrong
 *   ERR_OUT_OF_RANGE  protobuf that breaks a rule of the format (an id that nothing has, a value too few, ...)
 *   ERR_TOO_LARGE     beyond a limit [any] */
int profile_decode(struct bytes encoded, struct profile_limits limits, struct profile **profile,
                   const char **problem) MUST_USE;

/* The same for a file that is mapped for reading: a page that was read is let go, as the file has it still; what the
 * profile becomes takes its room. */
int profile_decode_mapped(struct bytes encoded, struct profile_limits limits, struct profile **profile,
                          const char **problem) MUST_USE;

#endif
