/* hex.h: bytes written as hexadecimal digits, for golden values. */
#ifndef TESTS_KAFKA_HEX_H
#define TESTS_KAFKA_HEX_H

#include "base/mem.h"

#include <stdlib.h>

static struct bytes hex_bytes(struct arena *arena, const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *data = arena_alloc(arena, size + 1);
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        data[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return bytes_of(data, size);
}

#endif
