/* units.h: sizes and durations as people write them. [any] */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

/* "1048576", "64KiB", "1GiB", "10MB" (decimal), "1 GiB" -> bytes. Units in any case: B, KB, KiB, K (=KiB), up to T.
 * ERR_MALFORMED, or ERR_OUT_OF_RANGE beyond INT64_MAX. */
int units_parse_size(const char *text, int64_t *bytes) MUST_USE;

/* Go's durations (time.ParseDuration): "30s", "500ms", "1m30s", "1.5h", "2h45m"; units ns, us, ms, s, m, h, and d for
 * days. A bare number is refused but for 0. May be negative. ERR_MALFORMED or ERR_OUT_OF_RANGE. */
int units_parse_duration(const char *text, int64_t *ns) MUST_USE;

/* The shortest exact form: 1073741824 -> "1GiB", 1000 -> "1000". Always fits 32 bytes. */
void units_format_size(int64_t bytes, char *text, size_t capacity);
/* 90000000000 -> "1m30s", 1500000 -> "1.5ms", 0 -> "0s". Always fits 64 bytes. */
void units_format_duration(int64_t ns, char *text, size_t capacity);

#endif
