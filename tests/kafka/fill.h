/* fill.h: fills any message by its table with values that tell its fields apart, as golden/generate.py does. */
#ifndef TESTS_KAFKA_FILL_H
#define TESTS_KAFKA_FILL_H

#include "kafka/codec.h"

#include <string.h>

enum fill_how {
    FILL_ALL,    /* each field has a value, each array of structs one element and of scalars two */
    FILL_SPARSE, /* null, empty or default wherever the version lets the field be that */
};

struct fill {
    struct arena *arena;
    int16_t version;
    enum fill_how how;
};

static bool fill_has(struct codec_versions versions, int16_t version)
{
    return version >= versions.first && version < versions.end;
}

/* FNV-1a, 32 bits. */
static uint32_t fill_hash(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

static void fill_message(const struct fill *fill, const struct codec_schema *schema, uint8_t *message);

static void fill_value(const struct fill *fill, const struct codec_field *field, uint8_t *target)
{
    uint32_t hash = fill_hash(field->name);
    struct bytes text = bytes_of_string(field->name);
    bool null = fill->how == FILL_SPARSE && fill_has(field->nullable, fill->version);
    switch (field->type) {
    case CODEC_BOOL:
        *(bool *)target = hash & 1;
        break;
    case CODEC_INT8:
        *(int8_t *)target = (int8_t)(hash % 128);
        break;
    case CODEC_INT16:
        *(int16_t *)target = (int16_t)(hash % 88); /* also a valid error code */
        break;
    case CODEC_INT32:
        *(int32_t *)target = (int32_t)(hash >> 1);
        break;
    case CODEC_INT64:
        *(int64_t *)target = hash * 1000ll; /* also a time that Python has */
        break;
    case CODEC_UUID:
        for (size_t i = 0; i < sizeof(struct uuid); i++)
            target[i] = (uint8_t)(hash >> (24 - i % 4 * 8));
        break;
    case CODEC_STRING:
    case CODEC_BYTES:
        *(struct bytes *)target = null ? (struct bytes){0} : text;
        break;
    case CODEC_RECORDS:
        *(struct wire_records *)target =
            null ? (struct wire_records){0} : (struct wire_records){.data = text.data, .size = text.size};
        break;
    case CODEC_STRUCT:
        fill_message(fill, field->schema, target);
        break;
    }
}

static void fill_array(const struct fill *fill, const struct codec_field *field, uint8_t *member)
{
    struct {
        void *items;
        size_t count;
    } array = {0};
    if (fill->how == FILL_ALL) {
        array.count = field->type == CODEC_STRUCT ? 1 : 2;
        array.items = field->type == CODEC_STRUCT ? codec_new(fill->arena, field->schema, array.count)
                                                  : arena_alloc_array(fill->arena, array.count, field->element_bytes);
        for (size_t i = 0; i < array.count; i++)
            fill_value(fill, field, (uint8_t *)array.items + i * field->element_bytes);
    }
    memcpy(member, &array, sizeof array);
}

/* Every field that the version has; the others keep their defaults. */
static void fill_message(const struct fill *fill, const struct codec_schema *schema, uint8_t *message)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct codec_field *field = &schema->fields[i];
        if (!fill_has(field->versions, fill->version) ||
            (fill->how == FILL_SPARSE && fill_has(field->tagged, fill->version)))
            continue;
        if (field->array)
            fill_array(fill, field, message + field->offset);
        else
            fill_value(fill, field, message + field->offset);
    }
}

/* A new message in the arena. */
static void *fill_new(struct arena *arena, const struct codec_schema *schema, int16_t version, enum fill_how how)
{
    struct fill fill = {.arena = arena, .version = version, .how = how};
    void *message = codec_new(arena, schema, 1);
    fill_message(&fill, schema, message);
    return message;
}

#endif
