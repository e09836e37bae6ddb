/* codec.c: walks a message's table to read it or to write it. */
#include "kafka/codec.h"

#include "base/error.h"

#include <string.h>

struct decoder {
    struct wire_reader reader;
    struct arena *arena;
    size_t arena_end; /* arena->used_bytes may not go beyond */
    int16_t version;
    bool flexible;
};

struct encoder {
    struct wire_writer *writer;
    int16_t version;
    bool flexible;
};

/* What every CODEC_ARRAY is in memory. */
struct array {
    void *items;
    size_t count;
};

static bool versions_have(struct codec_versions versions, int16_t version)
{
    return version >= versions.first && version < versions.end;
}

static struct array load_array(const void *member)
{
    struct array array;
    memcpy(&array, member, sizeof array); /* copied, as the members' types differ in their pointer */
    return array;
}

static void set_defaults(const struct codec_schema *schema, uint8_t *message)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct codec_field *field = &schema->fields[i];
        uint8_t *member = message + field->offset;
        if (field->array)
            continue;
        switch (field->type) {
        case CODEC_BOOL:
            *(bool *)member = field->fallback != 0;
            break;
        case CODEC_INT8:
            *(int8_t *)member = (int8_t)field->fallback;
            break;
        case CODEC_INT16:
            *(int16_t *)member = (int16_t)field->fallback;
            break;
        case CODEC_INT32:
            *(int32_t *)member = (int32_t)field->fallback;
            break;
        case CODEC_INT64:
            *(int64_t *)member = field->fallback;
            break;
        case CODEC_STRUCT:
            set_defaults(field->schema, member);
            break;
        case CODEC_UUID:
        case CODEC_STRING:
        case CODEC_BYTES:
        case CODEC_RECORDS:
            break; /* zero, which is none or null */
        }
    }
}

void *codec_new(struct arena *arena, const struct codec_schema *schema, size_t count)
{
    uint8_t *items = arena_alloc_array(arena, count, schema->struct_bytes);
    for (size_t i = 0; i < count; i++)
        set_defaults(schema, items + i * schema->struct_bytes);
    return items;
}

static void decode_struct(struct decoder *decoder, const struct codec_schema *schema, uint8_t *message);

/* A view that may only be null where the table says so. */
static struct bytes checked_null(struct decoder *decoder, const struct codec_field *field, struct bytes view)
{
    if (!view.data && !versions_have(field->nullable, decoder->version))
        wire_reader_fail(&decoder->reader, ERR_MALFORMED);
    return view;
}

static void decode_value(struct decoder *decoder, const struct codec_field *field, uint8_t *target)
{
    struct wire_reader *reader = &decoder->reader;
    switch (field->type) {
    case CODEC_BOOL:
        *(bool *)target = wire_read_int8(reader) != 0;
        break;
    case CODEC_INT8:
        *(int8_t *)target = wire_read_int8(reader);
        break;
    case CODEC_INT16:
        *(int16_t *)target = wire_read_int16(reader);
        break;
    case CODEC_INT32:
        *(int32_t *)target = wire_read_int32(reader);
        break;
    case CODEC_INT64:
        *(int64_t *)target = wire_read_int64(reader);
        break;
    case CODEC_UUID:
        *(struct uuid *)target = wire_read_uuid(reader);
        break;
    case CODEC_STRING:
        *(struct bytes *)target = checked_null(decoder, field, wire_read_string(reader, decoder->flexible));
        break;
    case CODEC_BYTES:
        *(struct bytes *)target = checked_null(decoder, field, wire_read_bytes(reader, decoder->flexible));
        break;
    case CODEC_RECORDS: {
        struct bytes view = checked_null(decoder, field, wire_read_bytes(reader, decoder->flexible));
        *(struct wire_records *)target = (struct wire_records){.data = view.data, .size = view.size};
        break;
    }
    case CODEC_STRUCT:
        decode_struct(decoder, field->schema, target);
        break;
    }
}

static void decode_array(struct decoder *decoder, const struct codec_field *field, uint8_t *member)
{
    struct wire_reader *reader = &decoder->reader;
    int64_t count = wire_read_count(reader, decoder->flexible);
    if (count < 0) {
        if (!versions_have(field->nullable, decoder->version))
            wire_reader_fail(reader, ERR_MALFORMED);
        return;
    }
    /* The count is at most the size of the frame, so the sum cannot overflow. */
    struct array array = {.count = (size_t)count};
    if (decoder->arena->used_bytes + array.count * field->element_bytes > decoder->arena_end) {
        wire_reader_fail(reader, ERR_TOO_LARGE);
        return;
    }
    array.items = arena_alloc_array(decoder->arena, array.count, field->element_bytes);
    uint8_t *item = array.items;
    for (size_t i = 0; i < array.count && !reader->error; i++, item += field->element_bytes)
        decode_value(decoder, field, item);
    memcpy(member, &array, sizeof array);
}

static void decode_member(struct decoder *decoder, const struct codec_field *field, uint8_t *message)
{
    if (field->array)
        decode_array(decoder, field, message + field->offset);
    else
        decode_value(decoder, field, message + field->offset);
}

static const struct codec_field *find_tagged(const struct decoder *decoder, const struct codec_schema *schema,
                                             uint32_t tag)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct codec_field *field = &schema->fields[i];
        if (versions_have(field->tagged, decoder->version) && field->tag == tag)
            return field;
    }
    return NULL;
}

static void decode_tagged_fields(struct decoder *decoder, const struct codec_schema *schema, uint8_t *message)
{
    struct wire_reader *reader = &decoder->reader;
    uint32_t count = wire_read_unsigned_varint(reader);
    while (count-- > 0 && !reader->error) {
        uint32_t tag = wire_read_unsigned_varint(reader);
        struct bytes value = wire_read_raw(reader, wire_read_unsigned_varint(reader));
        const struct codec_field *field = find_tagged(decoder, schema, tag);
        if (!field || reader->error)
            continue;
        /* The field may read its own bytes, all of them, and no others. */
        struct wire_reader outer = *reader;
        wire_reader_init(reader, value);
        decode_member(decoder, field, message);
        if (wire_reader_remaining(reader) > 0)
            wire_reader_fail(reader, ERR_MALFORMED);
        if (!reader->error)
            *reader = outer;
    }
}

/* `message` is zeroed memory. */
static void decode_struct(struct decoder *decoder, const struct codec_schema *schema, uint8_t *message)
{
    set_defaults(schema, message);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct codec_field *field = &schema->fields[i];
        if (versions_have(field->versions, decoder->version) && !versions_have(field->tagged, decoder->version))
            decode_member(decoder, field, message);
    }
    if (decoder->flexible)
        decode_tagged_fields(decoder, schema, message);
}

int codec_decode(const struct codec_schema *schema, int16_t version, bool flexible, struct bytes input,
                 struct arena *arena, void *message)
{
    struct decoder decoder = {
        .arena = arena,
        .arena_end = arena->used_bytes + CODEC_DECODED_BYTES_MAX,
        .version = version,
        .flexible = flexible,
    };
    wire_reader_init(&decoder.reader, input);
    memset(message, 0, schema->struct_bytes);
    decode_struct(&decoder, schema, message);
    return decoder.reader.error;
}

static void encode_struct(struct encoder *encoder, const struct codec_schema *schema, const uint8_t *message);

static void encode_value(struct encoder *encoder, const struct codec_field *field, const uint8_t *source)
{
    struct wire_writer *writer = encoder->writer;
    bool nullable = versions_have(field->nullable, encoder->version);
    switch (field->type) {
    case CODEC_BOOL:
        wire_write_int8(writer, *(const bool *)source);
        break;
    case CODEC_INT8:
        wire_write_int8(writer, *(const int8_t *)source);
        break;
    case CODEC_INT16:
        wire_write_int16(writer, *(const int16_t *)source);
        break;
    case CODEC_INT32:
        wire_write_int32(writer, *(const int32_t *)source);
        break;
    case CODEC_INT64:
        wire_write_int64(writer, *(const int64_t *)source);
        break;
    case CODEC_UUID:
        wire_write_uuid(writer, *(const struct uuid *)source);
        break;
    case CODEC_STRING:
        wire_write_string(writer, *(const struct bytes *)source, encoder->flexible, nullable);
        break;
    case CODEC_BYTES:
        wire_write_bytes(writer, *(const struct bytes *)source, encoder->flexible, nullable);
        break;
    case CODEC_RECORDS:
        wire_write_records(writer, *(const struct wire_records *)source, encoder->flexible, nullable);
        break;
    case CODEC_STRUCT:
        encode_struct(encoder, field->schema, source);
        break;
    }
}

static void encode_member(struct encoder *encoder, const struct codec_field *field, const uint8_t *message)
{
    const uint8_t *member = message + field->offset;
    if (!field->array) {
        encode_value(encoder, field, member);
        return;
    }
    struct array array = load_array(member);
    bool null = !array.items && versions_have(field->nullable, encoder->version);
    wire_write_count(encoder->writer, null ? -1 : (int64_t)array.count, encoder->flexible);
    const uint8_t *item = array.items;
    for (size_t i = 0; i < array.count; i++, item += field->element_bytes)
        encode_value(encoder, field, item);
}

static bool is_default(const struct codec_field *field, const uint8_t *message)
{
    const uint8_t *member = message + field->offset;
    static const struct uuid no_uuid;
    if (field->array)
        return load_array(member).count == 0;
    switch (field->type) {
    case CODEC_BOOL:
        return *(const bool *)member == (field->fallback != 0);
    case CODEC_INT8:
        return *(const int8_t *)member == field->fallback;
    case CODEC_INT16:
        return *(const int16_t *)member == field->fallback;
    case CODEC_INT32:
        return *(const int32_t *)member == field->fallback;
    case CODEC_INT64:
        return *(const int64_t *)member == field->fallback;
    case CODEC_UUID:
        return memcmp(member, &no_uuid, sizeof no_uuid) == 0;
    case CODEC_STRING:
    case CODEC_BYTES:
        return !((const struct bytes *)member)->data;
    case CODEC_RECORDS:
        return false; /* never tagged */
    case CODEC_STRUCT:
        for (size_t i = 0; i < field->schema->field_count; i++)
            if (!is_default(&field->schema->fields[i], member))
                return false;
        return true;
    }
    return false;
}

/* The tagged field with the lowest tag from `tag` on that has something to say; NULL: no more. */
static const struct codec_field *next_tagged_field(const struct encoder *encoder, const struct codec_schema *schema,
                                                   const uint8_t *message, unsigned tag)
{
    const struct codec_field *next = NULL;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct codec_field *field = &schema->fields[i];
        if (versions_have(field->tagged, encoder->version) && field->tag >= tag && (!next || field->tag < next->tag) &&
            !is_default(field, message))
            next = field;
    }
    return next;
}

/* How many there are, then each in order of its tag, with its size in front. */
static void encode_tagged_fields(struct encoder *encoder, const struct codec_schema *schema, const uint8_t *message)
{
    struct wire_writer *writer = encoder->writer;
    const struct codec_field *field;
    uint32_t count = 0;
    for (unsigned tag = 0; (field = next_tagged_field(encoder, schema, message, tag)); tag = field->tag + 1u)
        count++;
    wire_write_unsigned_varint(writer, count);
    for (unsigned tag = 0; (field = next_tagged_field(encoder, schema, message, tag)); tag = field->tag + 1u) {
        wire_write_unsigned_varint(writer, field->tag);
        size_t start = writer->bytes.size;
        encode_member(encoder, field, message);
        wire_prefix_size(writer, start);
    }
}

static void encode_struct(struct encoder *encoder, const struct codec_schema *schema, const uint8_t *message)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct codec_field *field = &schema->fields[i];
        if (versions_have(field->versions, encoder->version) && !versions_have(field->tagged, encoder->version))
            encode_member(encoder, field, message);
    }
    if (encoder->flexible)
        encode_tagged_fields(encoder, schema, message);
}

int codec_encode(const struct codec_schema *schema, int16_t version, bool flexible, const void *message,
                 struct wire_writer *writer)
{
    struct encoder encoder = {.writer = writer, .version = version, .flexible = flexible};
    encode_struct(&encoder, schema, message);
    return writer->error;
}
