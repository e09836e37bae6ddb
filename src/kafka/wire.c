/* wire.c: reading and writing the scalars of Kafka's protocol. */
#include "kafka/wire.h"

#include "base/error.h"
#include "base/mem.h"

#include <endian.h>
#include <string.h>

void wire_reader_init(struct wire_reader *reader, struct bytes input)
{
    static const uint8_t nothing[1]; /* no arithmetic on NULL, and an empty view of empty input is not null */
    const uint8_t *data = input.data ? input.data : nothing;
    *reader = (struct wire_reader){.position = data, .end = data + input.size};
}

void wire_reader_fail(struct wire_reader *reader, int error)
{
    if (!reader->error)
        reader->error = error;
    reader->position = reader->end;
}

size_t wire_reader_remaining(const struct wire_reader *reader)
{
    return (size_t)(reader->end - reader->position);
}

struct bytes wire_read_raw(struct wire_reader *reader, size_t size)
{
    if (size > wire_reader_remaining(reader)) {
        wire_reader_fail(reader, ERR_TRUNCATED);
        return (struct bytes){0};
    }
    struct bytes view = bytes_of(reader->position, size);
    reader->position += size;
    return view;
}

/* Copy a fixed-size scalar out; untouched when the input ends before. */
static void read_scalar(struct wire_reader *reader, void *value, size_t size)
{
    struct bytes view = wire_read_raw(reader, size);
    if (view.data)
        memcpy(value, view.data, size);
}

int8_t wire_read_int8(struct wire_reader *reader)
{
    int8_t value = 0;
    read_scalar(reader, &value, sizeof value);
    return value;
}

int16_t wire_read_int16(struct wire_reader *reader)
{
    uint16_t value = 0;
    read_scalar(reader, &value, sizeof value);
    return (int16_t)be16toh(value);
}

uint32_t wire_read_uint32(struct wire_reader *reader)
{
    uint32_t value = 0;
    read_scalar(reader, &value, sizeof value);
    return be32toh(value);
}

int32_t wire_read_int32(struct wire_reader *reader)
{
    return (int32_t)wire_read_uint32(reader);
}

int64_t wire_read_int64(struct wire_reader *reader)
{
    uint64_t value = 0;
    read_scalar(reader, &value, sizeof value);
    return (int64_t)be64toh(value);
}

/* Seven bits a byte, the lowest first; the top bit says that more follow. Produce reads six of these a record. */
static uint64_t read_varint_bits(struct wire_reader *reader, unsigned bits)
{
    const uint8_t *position = reader->position;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (position == reader->end) {
            wire_reader_fail(reader, ERR_TRUNCATED);
            return 0;
        }
        uint8_t byte = *position++;
        uint64_t group = byte & 0x7f;
        if (shift + 7 > bits && group >> (bits - shift) != 0)
            break; /* the last byte may only hold what is left of the width */
        value |= group << shift;
        if (byte < 0x80) {
            reader->position = position;
            return value;
        }
    }
    wire_reader_fail(reader, ERR_MALFORMED);
    return 0;
}

uint32_t wire_read_unsigned_varint(struct wire_reader *reader)
{
    return (uint32_t)read_varint_bits(reader, 32);
}

int32_t wire_read_varint(struct wire_reader *reader)
{
    uint32_t value = (uint32_t)read_varint_bits(reader, 32);
    return (int32_t)(value >> 1 ^ -(value & 1));
}

int64_t wire_read_varlong(struct wire_reader *reader)
{
    uint64_t value = read_varint_bits(reader, 64);
    return (int64_t)(value >> 1 ^ -(value & 1));
}

struct uuid wire_read_uuid(struct wire_reader *reader)
{
    struct uuid uuid = {{0}};
    read_scalar(reader, uuid.bytes, sizeof uuid.bytes);
    return uuid;
}

/* A length that must fit into what is left; -1: null. */
static int64_t checked_length(struct wire_reader *reader, int64_t length)
{
    if (length < -1) {
        wire_reader_fail(reader, ERR_MALFORMED);
        return -1;
    }
    if (length > (int64_t)wire_reader_remaining(reader)) {
        wire_reader_fail(reader, ERR_TRUNCATED);
        return -1;
    }
    return length;
}

int64_t wire_read_count(struct wire_reader *reader, bool flexible)
{
    return checked_length(reader, flexible ? (int64_t)wire_read_unsigned_varint(reader) - 1 : wire_read_int32(reader));
}

struct bytes wire_read_bytes(struct wire_reader *reader, bool flexible)
{
    int64_t length = wire_read_count(reader, flexible);
    return length < 0 ? (struct bytes){0} : wire_read_raw(reader, (size_t)length);
}

struct bytes wire_read_string(struct wire_reader *reader, bool flexible)
{
    int64_t length = flexible ? (int64_t)wire_read_unsigned_varint(reader) - 1 : wire_read_int16(reader);
    if (length > WIRE_STRING_MAX)
        wire_reader_fail(reader, ERR_MALFORMED);
    length = checked_length(reader, length);
    return length < 0 ? (struct bytes){0} : wire_read_raw(reader, (size_t)length);
}

void wire_skip_tagged_fields(struct wire_reader *reader)
{
    uint32_t count = wire_read_unsigned_varint(reader);
    while (count-- > 0 && !reader->error) {
        wire_read_unsigned_varint(reader); /* tag */
        wire_read_raw(reader, wire_read_unsigned_varint(reader));
    }
}

void wire_writer_init(struct wire_writer *writer)
{
    *writer = (struct wire_writer){0};
}

void wire_writer_deinit(struct wire_writer *writer)
{
    buf_deinit(&writer->bytes);
    mem_free(writer->holes);
    *writer = (struct wire_writer){0};
}

void wire_writer_clear(struct wire_writer *writer)
{
    buf_clear(&writer->bytes);
    writer->hole_count = 0;
    writer->hole_bytes = 0;
    writer->error = 0;
}

void wire_write_int8(struct wire_writer *writer, int8_t value)
{
    buf_append_byte(&writer->bytes, (uint8_t)value);
}

void wire_write_int16(struct wire_writer *writer, int16_t value)
{
    uint16_t swapped = htobe16((uint16_t)value);
    buf_append(&writer->bytes, &swapped, sizeof swapped);
}

void wire_write_int32(struct wire_writer *writer, int32_t value)
{
    uint32_t swapped = htobe32((uint32_t)value);
    buf_append(&writer->bytes, &swapped, sizeof swapped);
}

void wire_write_int64(struct wire_writer *writer, int64_t value)
{
    uint64_t swapped = htobe64((uint64_t)value);
    buf_append(&writer->bytes, &swapped, sizeof swapped);
}

void wire_write_unsigned_varint(struct wire_writer *writer, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_append_byte(&writer->bytes, (uint8_t)(value | 0x80));
    buf_append_byte(&writer->bytes, (uint8_t)value);
}

void wire_write_uuid(struct wire_writer *writer, struct uuid uuid)
{
    buf_append(&writer->bytes, uuid.bytes, sizeof uuid.bytes);
}

void wire_write_count(struct wire_writer *writer, int64_t count, bool flexible)
{
    if (count > INT32_MAX) {
        writer->error = ERR_TOO_LARGE;
        count = -1;
    }
    if (flexible)
        wire_write_unsigned_varint(writer, (uint32_t)(count + 1));
    else
        wire_write_int32(writer, (int32_t)count);
}

void wire_write_string(struct wire_writer *writer, struct bytes string, bool flexible, bool nullable)
{
    if (string.size > WIRE_STRING_MAX) {
        writer->error = ERR_TOO_LARGE;
        string.size = 0;
    }
    int64_t length = string.data || !nullable ? (int64_t)string.size : -1;
    if (flexible)
        wire_write_unsigned_varint(writer, (uint32_t)(length + 1));
    else
        wire_write_int16(writer, (int16_t)length);
    buf_append_bytes(&writer->bytes, string);
}

void wire_write_bytes(struct wire_writer *writer, struct bytes bytes, bool flexible, bool nullable)
{
    wire_write_count(writer, bytes.data || !nullable ? (int64_t)bytes.size : -1, flexible);
    buf_append_bytes(&writer->bytes, bytes);
}

static void add_hole(struct wire_writer *writer, struct wire_hole hole)
{
    if (writer->hole_count == writer->hole_capacity) {
        writer->hole_capacity = writer->hole_capacity ? writer->hole_capacity * 2 : 8;
        writer->holes = mem_realloc(writer->holes, writer->hole_capacity * sizeof hole);
    }
    writer->holes[writer->hole_count++] = hole;
    writer->hole_bytes += hole.size;
}

void wire_write_records(struct wire_writer *writer, struct wire_records records, bool flexible, bool nullable)
{
    if (!records.source) {
        wire_write_bytes(writer, bytes_of(records.data, records.size), flexible, nullable);
        return;
    }
    wire_write_count(writer, (int64_t)records.size, flexible);
    if (records.size > 0)
        add_hole(writer, (struct wire_hole){writer->bytes.size, records.size, records.source});
}

void wire_overwrite_int32(struct wire_writer *writer, size_t position, int32_t value)
{
    ASSERT(position + sizeof value <= writer->bytes.size);
    uint32_t swapped = htobe32((uint32_t)value);
    memcpy(writer->bytes.data + position, &swapped, sizeof swapped);
}

void wire_prefix_size(struct wire_writer *writer, size_t start)
{
    ASSERT(writer->hole_count == 0 || writer->holes[writer->hole_count - 1].position <= start);
    size_t size = writer->bytes.size - start;
    if (size > INT32_MAX) {
        writer->error = ERR_TOO_LARGE;
        return;
    }
    wire_write_unsigned_varint(writer, (uint32_t)size);
    /* The prefix was written behind its bytes; turn the two around. At most five bytes. */
    size_t prefix_size = writer->bytes.size - start - size;
    uint8_t prefix[5];
    uint8_t *value = writer->bytes.data + start;
    memcpy(prefix, value + size, prefix_size);
    memmove(value + prefix_size, value, size);
    memcpy(value, prefix, prefix_size);
}
