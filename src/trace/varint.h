/* varint.h: numbers of 7 bits a byte, least significant first, as Go's traces and protobuf have them. */
#ifndef TRACE_VARINT_H
#define TRACE_VARINT_H

#include "base/buf.h"

#include <stdint.h>

#define VARINT_MAX 10 /* bytes */

/* Returns what is behind it. */
static inline uint8_t *varint_put(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static inline void varint_append(struct buf *out, uint64_t value)
{
    uint8_t *start = buf_reserve(out, VARINT_MAX);
    out->size += (size_t)(varint_put(start, value) - start);
}

static inline unsigned varint_size(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

#endif
