/* record_batch.c: reading the header of a batch, and walking records that are not compressed. */
#include "kafka/record_batch.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "kafka/wire.h"

#include <endian.h>
#include <string.h>

#define MAGIC 2
#define MAGIC_OFFSET 16u
#define LEADER_EPOCH_OFFSET 12u
#define ATTRIBUTES_OFFSET 21u /* the checksum covers everything from here on */
#define CODEC_ZSTD 4

int record_batch_parse(struct bytes input, struct record_batch *batch)
{
    /* Formats 0 and 1 have their magic in the same place but shorter headers: look at it first. */
    if (input.size > MAGIC_OFFSET && input.data[MAGIC_OFFSET] != MAGIC)
        return ERR_UNSUPPORTED;
    if (input.size < RECORD_BATCH_HEADER_BYTES)
        return ERR_TRUNCATED;

    struct wire_reader reader;
    wire_reader_init(&reader, bytes_of(input.data, RECORD_BATCH_HEADER_BYTES));
    batch->base_offset = wire_read_int64(&reader);
    int32_t length = wire_read_int32(&reader);
    batch->leader_epoch = wire_read_int32(&reader);
    wire_read_int8(&reader); /* magic */
    batch->crc = wire_read_uint32(&reader);
    batch->attributes = wire_read_int16(&reader);
    batch->last_offset_delta = wire_read_int32(&reader);
    batch->base_timestamp = wire_read_int64(&reader);
    batch->max_timestamp = wire_read_int64(&reader);
    batch->producer_id = wire_read_int64(&reader);
    batch->producer_epoch = wire_read_int16(&reader);
    batch->base_sequence = wire_read_int32(&reader);
    batch->record_count = wire_read_int32(&reader);

    int64_t last_offset;
    if (length < (int32_t)(RECORD_BATCH_HEADER_BYTES - RECORD_BATCH_LENGTH_OFFSET) || batch->last_offset_delta < 0 ||
        /* Compaction may leave fewer records than offsets, nothing leaves more. */
        batch->record_count < 0 || batch->record_count > (int64_t)batch->last_offset_delta + 1 ||
        __builtin_add_overflow(batch->base_offset, batch->last_offset_delta, &last_offset))
        return ERR_MALFORMED;
    if ((size_t)length > input.size - RECORD_BATCH_LENGTH_OFFSET)
        return ERR_TRUNCATED;
    batch->whole = bytes_of(input.data, RECORD_BATCH_LENGTH_OFFSET + (size_t)length);
    return 0;
}

int record_batch_check_crc(const struct record_batch *batch)
{
    struct bytes covered =
        bytes_of(batch->whole.data + ATTRIBUTES_OFFSET, batch->whole.size - ATTRIBUTES_OFFSET);
    return crc32c(covered) == batch->crc ? 0 : ERR_CORRUPT;
}

int64_t record_batch_last_offset(const struct record_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta;
}

struct bytes record_batch_records(const struct record_batch *batch)
{
    if (batch->attributes & RECORD_BATCH_CODEC_MASK)
        return (struct bytes){0};
    return bytes_of(batch->whole.data + RECORD_BATCH_HEADER_BYTES, batch->whole.size - RECORD_BATCH_HEADER_BYTES);
}

/* A key, value or header's text: a varint with its size, -1 for null, and the bytes. */
static struct bytes read_sized(struct wire_reader *reader)
{
    int32_t size = wire_read_varint(reader);
    if (size >= 0)
        return wire_read_raw(reader, (size_t)size);
    if (size != -1)
        wire_reader_fail(reader, ERR_MALFORMED);
    return (struct bytes){0};
}

/* Headers are a string and a value each; the string is never null. */
static void skip_headers(struct wire_reader *reader, int32_t count)
{
    if (count < 0)
        wire_reader_fail(reader, ERR_MALFORMED);
    for (int32_t i = 0; i < count && !reader->error; i++) {
        if (!read_sized(reader).data)
            wire_reader_fail(reader, ERR_MALFORMED);
        read_sized(reader);
    }
}

int record_next(struct bytes *rest, struct record *record)
{
    struct wire_reader outer, reader;
    wire_reader_init(&outer, *rest);
    struct bytes body = read_sized(&outer);
    if (outer.error)
        return outer.error;
    if (!body.data)
        return ERR_MALFORMED;

    wire_reader_init(&reader, body);
    wire_read_int8(&reader); /* attributes: none are defined */
    record->timestamp_delta = wire_read_varlong(&reader);
    record->offset_delta = wire_read_varint(&reader);
    record->key = read_sized(&reader);
    record->value = read_sized(&reader);
    record->header_count = wire_read_varint(&reader);
    const uint8_t *headers = reader.position;
    skip_headers(&reader, record->header_count);
    /* The record has told its size before: ending early inside it is no truncation. */
    if (reader.error || wire_reader_remaining(&reader) > 0)
        return ERR_MALFORMED;
    record->headers = bytes_of(headers, (size_t)(reader.position - headers));
    *rest = bytes_of(outer.position, wire_reader_remaining(&outer));
    return 0;
}

/* As many records as the header says, numbered from 0, and nothing behind them. */
static int check_framing(const struct record_batch *batch)
{
    struct bytes rest = record_batch_records(batch);
    for (int32_t i = 0; i < batch->record_count; i++) {
        struct record record;
        if (record_next(&rest, &record) < 0 || record.offset_delta != i)
            return ERR_MALFORMED;
    }
    return rest.size == 0 ? 0 : ERR_MALFORMED;
}

int record_batch_check_produced(const struct record_batch *batch)
{
    int codec = batch->attributes & RECORD_BATCH_CODEC_MASK;
    if (codec > CODEC_ZSTD)
        return ERR_UNSUPPORTED;
    if (batch->record_count < 1 || batch->last_offset_delta != batch->record_count - 1 ||
        (batch->attributes & RECORD_BATCH_CONTROL) || (batch->producer_id >= 0 && batch->base_sequence < 0))
        return ERR_MALFORMED;
    return codec == 0 ? check_framing(batch) : 0;
}

void record_batch_assign(uint8_t *data, int64_t base_offset, int32_t leader_epoch)
{
    uint64_t offset = htobe64((uint64_t)base_offset);
    uint32_t epoch = htobe32((uint32_t)leader_epoch);
    memcpy(data, &offset, sizeof offset);
    memcpy(data + LEADER_EPOCH_OFFSET, &epoch, sizeof epoch);
}
