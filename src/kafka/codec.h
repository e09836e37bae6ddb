/* codec.h: from bytes to plain structs and back, driven by tables. Pure.
 *
 * A message is a plain C struct (messages.h) and a table with one row a field, in the order of Kafka's specification.
 * Conventions of those structs:
 *   - strings, bytes: struct bytes; null is a NULL `data`, empty is not NULL;
 *   - arrays: CODEC_ARRAY(type); null is NULL `items`, empty is not NULL. In a field that cannot be null at the version
 *     that is written, NULL goes out as empty; so zeroed memory is a message that can be sent;
 *   - what a message carried (strings, bytes, records) is a view of the input, never a copy; arrays live in the arena.
 * A field that the version does not have is set to its default when read and left out when written. */
#ifndef KAFKA_CODEC_H
#define KAFKA_CODEC_H

#include "base/mem.h"
#include "kafka/wire.h"

#include <stddef.h>

/* What one decoded message may take of the arena. Arrays of small elements are several times larger as structs than
 * on the wire, so that the size of the frame alone does not bound it. 16 MiB are some 100,000 partitions. */
#define CODEC_DECODED_BYTES_MAX (16u << 20)

#define CODEC_ARRAY(type) \
    struct { \
        type *items; \
        size_t count; \
    }

enum codec_type {
    CODEC_BOOL,
    CODEC_INT8,
    CODEC_INT16,
    CODEC_INT32,
    CODEC_INT64,
    CODEC_UUID,
    CODEC_STRING,
    CODEC_BYTES,
    CODEC_RECORDS,
    CODEC_STRUCT, /* the row's schema says which */
};

/* The C type of a member that a row calls BOOL, INT8 and so on. */
#define CODEC_C_BOOL bool
#define CODEC_C_INT8 int8_t
#define CODEC_C_INT16 int16_t
#define CODEC_C_INT32 int32_t
#define CODEC_C_INT64 int64_t
#define CODEC_C_UUID struct uuid
#define CODEC_C_STRING struct bytes
#define CODEC_C_BYTES struct bytes
#define CODEC_C_RECORDS struct wire_records

/* From first to before end; zeroed: none. */
struct codec_versions {
    int16_t first, end;
};

struct codec_field {
    const char *name;
    enum codec_type type; /* of the elements, for an array */
    bool array;
    uint16_t offset, element_bytes;
    struct codec_versions versions;
    struct codec_versions nullable;
    struct codec_versions tagged; /* there it is no plain field but one of the tagged fields, left out if default */
    uint8_t tag;
    int64_t fallback; /* the default, for integers and bool */
    const struct codec_schema *schema; /* for CODEC_STRUCT */
};

struct codec_schema {
    const char *name;
    size_t struct_bytes;
    const struct codec_field *fields;
    size_t field_count;
};

/* Read one message. *message (schema->struct_bytes) is overwritten. Bytes behind it are ignored, as by Kafka:
 * librdkafka sends three with a flexible Metadata request for all topics (still so in 2.16).
 * ERR_TRUNCATED, ERR_MALFORMED, or ERR_TOO_LARGE beyond CODEC_DECODED_BYTES_MAX. Unknown tagged fields are skipped. */
int codec_decode(const struct codec_schema *schema, int16_t version, bool flexible, struct bytes input,
                 struct arena *arena, void *message) MUST_USE;
/* Append one message. The same struct gives the same bytes. 0 or ERR_TOO_LARGE (a string over WIRE_STRING_MAX, a count
 * over INT32_MAX), after which the bytes mean nothing. */
int codec_encode(const struct codec_schema *schema, int16_t version, bool flexible, const void *message,
                 struct wire_writer *writer) MUST_USE;

/* So many structs from the arena, each field at its default: `CODEC_NEW(arena, fetch_response_topic, count)`. */
#define CODEC_NEW(arena, type, count) ((struct type *)codec_new((arena), &type##_schema, (count)))
void *codec_new(struct arena *arena, const struct codec_schema *schema, size_t count);

/* Rows. Each names the struct it belongs to, so that the compiler can hold the row's type against the member's:
 *
 *     static const struct codec_field fetch_request_topic_fields[] = {
 *         CODEC_FIELD(fetch_request_topic, topic, STRING, CODEC_RANGE(4, 12)),
 *         CODEC_FIELD(fetch_request_topic, topic_id, UUID, CODEC_SINCE(13)),
 *         CODEC_STRUCTS(fetch_request_topic, partitions, fetch_request_partition, CODEC_SINCE(4)),
 *     };
 *     CODEC_SCHEMA(fetch_request_topic);
 *
 * What follows the versions are more members of struct codec_field: `.nullable = CODEC_SINCE(10), .fallback = -1`. */
#define CODEC_SINCE(version) {(version), INT16_MAX}
#define CODEC_RANGE(first, last) {(first), (last) + 1}
#define CODEC_TAGGED(number, versions) .tagged = versions, .tag = (number)

/* 0 if the expression has the type, a compile error if not. */
#define CODEC_CHECKED(expression, c_type) _Generic((expression), c_type: 0)
#define CODEC_MEMBER(owner, member) (((struct owner *)0)->member)

#define CODEC_FIELD(owner, member, kind, range, ...) \
    { \
        .name = #member, .type = CODEC_##kind, \
        .offset = offsetof(struct owner, member) + CODEC_CHECKED(CODEC_MEMBER(owner, member), CODEC_C_##kind), \
        .versions = range, __VA_ARGS__ \
    }
/* A struct inside. */
#define CODEC_NESTED(owner, member, element, range, ...) \
    { \
        .name = #member, .type = CODEC_STRUCT, .schema = &element##_schema, \
        .offset = offsetof(struct owner, member) + CODEC_CHECKED(CODEC_MEMBER(owner, member), struct element), \
        .versions = range, __VA_ARGS__ \
    }
/* An array of scalars. */
#define CODEC_SCALARS(owner, member, kind, range, ...) \
    { \
        .name = #member, .type = CODEC_##kind, .array = true, .element_bytes = sizeof(CODEC_C_##kind), \
        .offset = offsetof(struct owner, member) + CODEC_CHECKED(CODEC_MEMBER(owner, member).items, CODEC_C_##kind *), \
        .versions = range, __VA_ARGS__ \
    }
/* An array of structs. */
#define CODEC_STRUCTS(owner, member, element, range, ...) \
    { \
        .name = #member, .type = CODEC_STRUCT, .schema = &element##_schema, .array = true, \
        .element_bytes = sizeof(struct element), \
        .offset = offsetof(struct owner, member) + CODEC_CHECKED(CODEC_MEMBER(owner, member).items, struct element *), \
        .versions = range, __VA_ARGS__ \
    }
#define CODEC_SCHEMA(owner) \
    const struct codec_schema owner##_schema = { \
        .name = #owner, \
        .struct_bytes = sizeof(struct owner), \
        .fields = owner##_fields, \
        .field_count = ARRAY_COUNT(owner##_fields), \
    }

#endif
