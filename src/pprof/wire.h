/* wire.h: protocol buffers read field by field, without a copy. [any]
 *
 * Encoding: https://protobuf.dev/programming-guides/encoding/. Groups, which nobody writes any more, are refused. */
#ifndef PPROF_WIRE_H
#define PPROF_WIRE_H

#include "base/bytes.h"
#include "base/check.h"

enum wire_type { WIRE_TYPE_VARINT = 0, WIRE_TYPE_FIXED64 = 1, WIRE_TYPE_LENGTH = 2, WIRE_TYPE_FIXED32 = 5 };

struct wire {
    const uint8_t *at, *end;
    bool is_broken; /* sticky; nothing more is read then */
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;       /* of a varint */
    struct bytes content; /* of what has a length */
};

static inline struct wire wire_of(struct bytes bytes)
{
    return (struct wire){.at = bytes.data, .end = bytes.size == 0 ? bytes.data : bytes.data + bytes.size};
}

/* 0 and is_broken where there is none. */
static inline uint64_t wire_varint(struct wire *wire)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
        uint8_t byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    wire->is_broken = true;
    wire->at = wire->end;
    return 0;
}

static inline struct bytes wire_bytes(struct wire *wire, uint64_t size)
{
    if (size > (uint64_t)(wire->end - wire->at)) {
        wire->is_broken = true;
        wire->at = wire->end;
        return bytes_of(NULL, 0);
    }
    struct bytes content = bytes_of(wire->at, (size_t)size);
    wire->at += size;
    return content;
}

/* The next field; false at the end, and where it is broken. */
static inline bool wire_next(struct wire *wire, struct wire_field *field)
{
    if (wire->at == wire->end)
        return false;
    uint64_t tag = wire_varint(wire);
    *field = (struct wire_field){0};
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum wire_type)(tag & 7);
    switch (field->type) {
    case WIRE_TYPE_VARINT:
        field->value = wire_varint(wire);
        break;
    case WIRE_TYPE_LENGTH:
        field->content = wire_bytes(wire, wire_varint(wire));
        break;
    case WIRE_TYPE_FIXED64:
        wire_bytes(wire, 8);
        break;
    case WIRE_TYPE_FIXED32:
        wire_bytes(wire, 4);
        break;
    default:
        wire->is_broken = true;
    }
    if (tag >> 3 == 0 || tag > UINT32_MAX)
        wire->is_broken = true;
    return !wire->is_broken;
}

#endif
