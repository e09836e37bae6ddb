/* big_endian.h: the integers of index and snapshot files. [any] */
#ifndef STORAGE_BIG_ENDIAN_H
#define STORAGE_BIG_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline int32_t big_endian_read_32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return (int32_t)be32toh(value);
}

static inline int64_t big_endian_read_64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return (int64_t)be64toh(value);
}

static inline void big_endian_write_32(uint8_t *to, int32_t value)
{
    uint32_t swapped = htobe32((uint32_t)value);
    memcpy(to, &swapped, sizeof swapped);
}

static inline void big_endian_write_64(uint8_t *to, int64_t value)
{
    uint64_t swapped = htobe64((uint64_t)value);
    memcpy(to, &swapped, sizeof swapped);
}

#endif
