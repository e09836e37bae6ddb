/* encode.c: profile.proto written by hand, in one pass over the tables.
 *
 * Bytes go through a bare pointer into room that was reserved for the largest form of one record, so the inner loops
 * check nothing. A record's length stands before it and is not known until its end: one byte is left for it, and the
 * rare record of 128 bytes or more is moved up to make room for a longer one. */
#include "pprof/encode.h"

#include "base/mem.h"
#include "pprof/fields.h"

#include <zlib.h>

/* Protobuf's wire types: what follows a tag. */
enum wire { WIRE_VARINT = 0, WIRE_LENGTH = 2 };

#define VARINT_MAX 10 /* bytes of a 64-bit varint */
#define FIELD_MAX (1 + VARINT_MAX)

static inline uint8_t *put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* proto3 leaves a zero out. */
static inline uint8_t *put_field(uint8_t *at, unsigned field, uint64_t value)
{
    if (value == 0)
        return at;
    *at++ = (uint8_t)(field << 3 | WIRE_VARINT);
    return put_varint(at, value);
}

/* Returns where the record's content begins; record_end wants it back. */
static inline uint8_t *record_begin(uint8_t *at, unsigned field)
{
    at[0] = (uint8_t)(field << 3 | WIRE_LENGTH);
    return at + 2;
}

static inline uint8_t *record_end(uint8_t *content, uint8_t *end)
{
    size_t size = (size_t)(end - content);
    if (LIKELY(size < 0x80)) {
        content[-1] = (uint8_t)size;
        return end;
    }
    uint8_t length[VARINT_MAX];
    size_t length_size = (size_t)(put_varint(length, size) - length);
    memmove(content - 1 + length_size, content, size);
    memcpy(content - 1, length, length_size);
    return content - 1 + length_size + size;
}

static void finish(struct buf *out, const uint8_t *end)
{
    out->size = (size_t)(end - out->data);
}

static void encode_field(struct buf *out, unsigned field, uint64_t value)
{
    finish(out, put_field(buf_reserve(out, FIELD_MAX), field, value));
}

static void encode_value_type(struct buf *out, unsigned field, const struct profile_value_type *type)
{
    uint8_t *content = record_begin(buf_reserve(out, 3 * FIELD_MAX), field);
    uint8_t *at = put_field(content, VALUE_TYPE_TYPE, type->type);
    at = put_field(at, VALUE_TYPE_UNIT, type->unit);
    finish(out, record_end(content, at));
}

static void encode_sample(struct buf *out, const struct profile *profile, const struct profile_sample *sample)
{
    size_t varint_count = (size_t)sample->location_count + profile->sample_type_count;
    size_t field_count = 3 + 5 * (size_t)sample->label_count;
    uint8_t *start = buf_reserve(out, varint_count * VARINT_MAX + field_count * FIELD_MAX);
    uint8_t *content = record_begin(start, PROFILE_SAMPLE), *at = content;

    if (sample->location_count > 0) {
        uint8_t *packed = record_begin(at, SAMPLE_LOCATION);
        const uint32_t *locations = profile->sample_locations + sample->location_start;
        at = packed;
        for (uint32_t i = 0; i < sample->location_count; i++)
            at = put_varint(at, locations[i]);
        at = record_end(packed, at);
    }
    uint8_t *packed = record_begin(at, SAMPLE_VALUE);
    at = packed;
    for (uint32_t i = 0; i < profile->sample_type_count; i++)
        at = put_varint(at, (uint64_t)profile_sample_values(profile, sample)[i]);
    at = record_end(packed, at);
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(profile, sample->label_start + i);
        uint8_t *nested = record_begin(at, SAMPLE_LABEL);
        at = put_field(nested, LABEL_KEY, label.key);
        at = put_field(at, LABEL_TEXT, label.text);
        at = put_field(at, LABEL_NUMBER, (uint64_t)label.number);
        at = put_field(at, LABEL_UNIT, label.unit);
        at = record_end(nested, at);
    }
    finish(out, record_end(content, at));
}

static void encode_mapping(struct buf *out, uint32_t id, const struct profile_mapping *mapping)
{
    uint8_t *content = record_begin(buf_reserve(out, 11 * FIELD_MAX), PROFILE_MAPPING);
    uint8_t *at = put_field(content, MAPPING_ID, id);
    at = put_field(at, MAPPING_START, mapping->start);
    at = put_field(at, MAPPING_LIMIT, mapping->limit);
    at = put_field(at, MAPPING_OFFSET, mapping->file_offset);
    at = put_field(at, MAPPING_FILE, mapping->file);
    at = put_field(at, MAPPING_BUILD_ID, mapping->build_id);
    at = put_field(at, MAPPING_HAS_FUNCTIONS, mapping->has_functions);
    at = put_field(at, MAPPING_HAS_FILENAMES, mapping->has_filenames);
    at = put_field(at, MAPPING_HAS_LINE_NUMBERS, mapping->has_line_numbers);
    at = put_field(at, MAPPING_HAS_INLINE_FRAMES, mapping->has_inline_frames);
    finish(out, record_end(content, at));
}

static void encode_location(struct buf *out, const struct profile *profile, uint32_t id,
                            const struct profile_location *location)
{
    uint8_t *start = buf_reserve(out, (4 + 3 * (size_t)location->line_count) * FIELD_MAX);
    uint8_t *content = record_begin(start, PROFILE_LOCATION);
    uint8_t *at = put_field(content, LOCATION_ID, id);
    at = put_field(at, LOCATION_MAPPING, location->mapping);
    at = put_field(at, LOCATION_ADDRESS, location->address);
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct profile_line *line = &profile->lines[location->line_start + i];
        uint8_t *nested = record_begin(at, LOCATION_LINE);
        at = put_field(nested, LINE_FUNCTION, line->function);
        at = put_field(at, LINE_LINE, (uint64_t)line->line);
        at = record_end(nested, at);
    }
    finish(out, record_end(content, at));
}

static void encode_function(struct buf *out, uint32_t id, const struct profile_function *function)
{
    uint8_t *content = record_begin(buf_reserve(out, 6 * FIELD_MAX), PROFILE_FUNCTION);
    uint8_t *at = put_field(content, FUNCTION_ID, id);
    at = put_field(at, FUNCTION_NAME, function->name);
    at = put_field(at, FUNCTION_SYSTEM_NAME, function->system_name);
    at = put_field(at, FUNCTION_FILE, function->file);
    at = put_field(at, FUNCTION_START_LINE, (uint64_t)function->start_line);
    finish(out, record_end(content, at));
}

static void encode_string(struct buf *out, struct bytes text)
{
    uint8_t *at = buf_reserve(out, FIELD_MAX + text.size);
    *at++ = (uint8_t)(PROFILE_STRING << 3 | WIRE_LENGTH);
    at = put_varint(at, text.size);
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    finish(out, at + text.size);
}

static void encode_comments(struct buf *out, const struct profile *profile)
{
    if (profile->comment_count == 0)
        return;
    uint8_t *start = buf_reserve(out, FIELD_MAX + (size_t)profile->comment_count * VARINT_MAX);
    uint8_t *content = record_begin(start, PROFILE_COMMENT), *at = content;
    for (uint32_t i = 0; i < profile->comment_count; i++)
        at = put_varint(at, profile->comments[i]);
    finish(out, record_end(content, at));
}

void profile_encode(const struct profile *profile, struct buf *out)
{
    for (uint32_t i = 0; i < profile->sample_type_count; i++)
        encode_value_type(out, PROFILE_SAMPLE_TYPE, &profile->sample_types[i]);
    for (uint32_t i = 0; i < profile->sample_count; i++)
        encode_sample(out, profile, &profile->samples[i]);
    for (uint32_t i = 0; i < profile->mapping_count; i++)
        encode_mapping(out, i + 1, &profile->mappings[i]);
    for (uint32_t i = 0; i < profile->location_count; i++)
        encode_location(out, profile, i + 1, &profile->locations[i]);
    for (uint32_t i = 0; i < profile->function_count; i++)
        encode_function(out, i + 1, &profile->functions[i]);
    for (uint32_t i = 0; i < profile->string_count; i++)
        encode_string(out, profile->strings[i]);
    encode_field(out, PROFILE_DROP_FRAMES, profile->drop_frames);
    encode_field(out, PROFILE_KEEP_FRAMES, profile->keep_frames);
    encode_field(out, PROFILE_TIME, (uint64_t)profile->time_ns);
    encode_field(out, PROFILE_DURATION, (uint64_t)profile->duration_ns);
    encode_value_type(out, PROFILE_PERIOD_TYPE, &profile->period_type);
    encode_field(out, PROFILE_PERIOD, (uint64_t)profile->period);
    encode_comments(out, profile);
    encode_field(out, PROFILE_DEFAULT_SAMPLE_TYPE, profile->default_sample_type);
    encode_field(out, PROFILE_DOC_URL, profile->doc_url);
}

void profile_encode_gzip(const struct profile *profile, struct buf *out)
{
    struct buf plain;
    buf_init(&plain);
    profile_encode(profile, &plain);

    z_stream stream = {0};
    /* 15 + 16: the largest window, in gzip's framing (zlib.h, deflateInit2). */
    int status = deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, MAX_MEM_LEVEL - 1, Z_DEFAULT_STRATEGY);
    ASSERT(status == Z_OK); /* only memory could fail, and running out of it ends the process */
    ASSERT(plain.size <= UINT32_MAX / 2);
    uLong bound = deflateBound(&stream, plain.size);
    stream.next_in = plain.data;
    stream.avail_in = (uInt)plain.size;
    stream.next_out = buf_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    status = deflate(&stream, Z_FINISH);
    ASSERT(status == Z_STREAM_END);
    out->size += stream.total_out;
    deflateEnd(&stream);
    buf_deinit(&plain);
}
