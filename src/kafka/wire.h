/* wire.h: the scalars of Kafka's protocol, one by one: reading from a view, writing to a buffer. Pure.
 *
 * Big-endian. A "flexible" version of a message writes lengths as unsigned varints of length + 1 (0: null), the others
 * as int16 (strings) or int32 (bytes, arrays) with -1 for null (kafka.apache.org/protocol, KIP-482).
 *
 * Both sides keep a sticky error: read or write ten fields, then look at `error` once. */
#ifndef KAFKA_WIRE_H
#define KAFKA_WIRE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

/* Strings are bounded by int16 in all versions, as in Kafka itself. */
#define WIRE_STRING_MAX INT16_MAX

/* Record batches. What a message carried is a view of its bytes. A message to send may promise them instead: with a
 * `source` only their size goes into the frame, and whoever writes that to the socket splices them in: wire_hole. */
struct wire_records {
    const uint8_t *data; /* NULL and no source: null */
    size_t size;
    const void *source; /* of the caller's choice; not looked at here */
};

struct wire_reader {
    const uint8_t *position, *end;
    int error; /* 0, or the first that happened: ERR_TRUNCATED or ERR_MALFORMED. From then on all reads give 0 */
};

void wire_reader_init(struct wire_reader *reader, struct bytes input);
/* Keep the first error and read nothing more. */
void wire_reader_fail(struct wire_reader *reader, int error);
size_t wire_reader_remaining(const struct wire_reader *reader);

int8_t wire_read_int8(struct wire_reader *reader);
int16_t wire_read_int16(struct wire_reader *reader);
int32_t wire_read_int32(struct wire_reader *reader);
uint32_t wire_read_uint32(struct wire_reader *reader);
int64_t wire_read_int64(struct wire_reader *reader);
uint32_t wire_read_unsigned_varint(struct wire_reader *reader);
/* Zigzag, as in records (protobuf's sint32 and sint64). */
int32_t wire_read_varint(struct wire_reader *reader);
int64_t wire_read_varlong(struct wire_reader *reader);
struct uuid wire_read_uuid(struct wire_reader *reader);
/* Exactly so many bytes. */
struct bytes wire_read_raw(struct wire_reader *reader, size_t size);
/* Null: data is NULL. Empty: it is not. */
struct bytes wire_read_string(struct wire_reader *reader, bool flexible);
struct bytes wire_read_bytes(struct wire_reader *reader, bool flexible);
/* How many elements an array has; -1: null. Never more than bytes are left, as each element takes at least one. */
int64_t wire_read_count(struct wire_reader *reader, bool flexible);
void wire_skip_tagged_fields(struct wire_reader *reader);

/* Where promised records belong: behind the byte at `position` - 1 of the writer's bytes. */
struct wire_hole {
    size_t position;
    size_t size;
    const void *source;
};

struct wire_writer {
    struct buf bytes; /* the frames without what the holes stand for */
    struct wire_hole *holes; /* in order of position */
    size_t hole_count, hole_capacity;
    size_t hole_bytes; /* sum of their sizes */
    int error;         /* 0, or the first that happened: ERR_TOO_LARGE */
};

void wire_writer_init(struct wire_writer *writer);
void wire_writer_deinit(struct wire_writer *writer);
/* Forget bytes, holes and error, keep the memory. */
void wire_writer_clear(struct wire_writer *writer);

void wire_write_int8(struct wire_writer *writer, int8_t value);
void wire_write_int16(struct wire_writer *writer, int16_t value);
void wire_write_int32(struct wire_writer *writer, int32_t value);
void wire_write_int64(struct wire_writer *writer, int64_t value);
void wire_write_unsigned_varint(struct wire_writer *writer, uint32_t value);
void wire_write_uuid(struct wire_writer *writer, struct uuid uuid);
/* NULL data is written as null where that is allowed, as empty elsewhere. */
void wire_write_string(struct wire_writer *writer, struct bytes string, bool flexible, bool nullable);
void wire_write_bytes(struct wire_writer *writer, struct bytes bytes, bool flexible, bool nullable);
/* Only the length when the records come from a source; then a hole is added. */
void wire_write_records(struct wire_writer *writer, struct wire_records records, bool flexible, bool nullable);
/* -1: null. */
void wire_write_count(struct wire_writer *writer, int64_t count, bool flexible);
/* Put an int32 over four bytes that were written before, as for a frame's size. */
void wire_overwrite_int32(struct wire_writer *writer, size_t position, int32_t value);
/* Put the number of bytes written since `start` in front of them, as an unsigned varint. No hole may lie there. */
void wire_prefix_size(struct wire_writer *writer, size_t start);

#endif
