/* decode.c: protobuf read table by table, what others refer to first; each reference is checked where it is read.
 *
 * By hand, as the bytes of a large profile are nearly all samples: generated code makes an object of each first. Of a
 * profile of 194 MB that took 1.9 s and 1.8 GB, where going through the bytes again for each table takes 0.6 s and
 * 0.3 GB (bench_pprof_analyse). */
#include "pprof/decode.h"

#include "base/error.h"
#include "base/mem.h"
#include "pprof/fields.h"
#include "pprof/id_map.h"
#include "pprof/inflate.h"
#include "pprof/wire.h"

#include <sys/mman.h>
#include <unistd.h>

/* --- the tables --- */

enum owner {
    OWNER_CALLER, /* who reads the bytes again, maybe */
    OWNER_FILE,   /* pages of a mapping, which come back when they are read again */
    OWNER_US,
};

struct decoder {
    struct profile *profile;
    struct bytes spans[PROFILE_FIELD_COUNT]; /* by field: from its first to behind its last record */
    size_t memory_bytes, memory_limit;
    uint32_t *strings; /* of their string table: our indexes */
    size_t string_count, string_capacity;
    struct id_map mappings, functions, locations;
    struct buf ids, values, labels, lines; /* of the record at hand */
    enum owner owner;
    const uint8_t *released; /* until here pages were let go; NULL: none are */

    /* Sticky: the first rule that was broken. */
    int error;
    const char *problem;
};

static void refuse(struct decoder *decoder, int error, const char *problem)
{
    if (decoder->error == 0) {
        decoder->error = error;
        decoder->problem = problem;
    }
}

static void broken(struct decoder *decoder, const char *rule)
{
    refuse(decoder, ERR_OUT_OF_RANGE, rule);
}

static void not_protobuf(struct decoder *decoder)
{
    refuse(decoder, ERR_MALFORMED, "not a profile: neither gzip nor a protocol buffer");
}

/* Whether so much may still be taken. */
static bool has_room(struct decoder *decoder, size_t bytes)
{
    if (decoder->memory_bytes + bytes > decoder->memory_limit)
        refuse(decoder, ERR_TOO_LARGE, "the profile has more entries than the memory limit allows");
    return decoder->error == 0;
}

/* What a record will take in our tables. */
static bool charge(struct decoder *decoder, size_t bytes)
{
    bool is_free = has_room(decoder, bytes);
    decoder->memory_bytes += bytes;
    return is_free;
}

static uint32_t string_at(struct decoder *decoder, uint64_t index)
{
    if (index >= decoder->string_count) {
        broken(decoder, "not a valid profile: it names a string that its string table does not have");
        return 0;
    }
    return decoder->strings[index];
}

/* The numbers of a record by their field; what is no number where one should be is broken. */
#define NUMBERS_MAX 16

static void read_numbers(struct decoder *decoder, struct bytes record, uint32_t nested_field, uint64_t *numbers)
{
    struct wire wire = wire_of(record);
    struct wire_field field;
    while (wire_next(&wire, &field)) {
        if (field.number >= NUMBERS_MAX || field.number == nested_field)
            continue;
        if (field.type == WIRE_TYPE_VARINT)
            numbers[field.number] = field.value;
    }
    if (wire.is_broken)
        not_protobuf(decoder);
}

#define NO_NESTED_FIELD 0

static void decode_string(struct decoder *decoder, struct bytes text)
{
    if (!charge(decoder, sizeof(uint32_t) + sizeof(struct bytes) + text.size))
        return;
    if (decoder->string_count == decoder->string_capacity) {
        decoder->string_capacity = decoder->string_capacity == 0 ? 256 : decoder->string_capacity * 2;
        decoder->strings = mem_realloc(decoder->strings, decoder->string_capacity * sizeof(*decoder->strings));
    }
    if (decoder->string_count == 0 && text.size > 0)
        broken(decoder, "not a valid profile: its string table does not begin with the empty string");
    decoder->strings[decoder->string_count++] = profile_string_bytes(decoder->profile, text);
}

static struct profile_value_type read_value_type(struct decoder *decoder, struct bytes record)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    read_numbers(decoder, record, NO_NESTED_FIELD, numbers);
    return (struct profile_value_type){string_at(decoder, numbers[VALUE_TYPE_TYPE]),
                                       string_at(decoder, numbers[VALUE_TYPE_UNIT])};
}

static void decode_sample_type(struct decoder *decoder, struct bytes record)
{
    struct profile_value_type type = read_value_type(decoder, record);
    struct profile *profile = decoder->profile;
    if (profile->sample_type_count == PROFILE_SAMPLE_TYPES_MAX)
        refuse(decoder, ERR_TOO_LARGE, "the profile has more sample types than the limit allows");
    if (charge(decoder, sizeof(type)))
        profile_add_sample_type(profile, profile_text(profile, type.type), profile_text(profile, type.unit));
}

static void decode_mapping(struct decoder *decoder, struct bytes record)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    read_numbers(decoder, record, NO_NESTED_FIELD, numbers);
    struct profile_mapping mapping = {
        .start = numbers[MAPPING_START],
        .limit = numbers[MAPPING_LIMIT],
        .file_offset = numbers[MAPPING_OFFSET],
        .file = string_at(decoder, numbers[MAPPING_FILE]),
        .build_id = string_at(decoder, numbers[MAPPING_BUILD_ID]),
        .has_functions = numbers[MAPPING_HAS_FUNCTIONS] != 0,
        .has_filenames = numbers[MAPPING_HAS_FILENAMES] != 0,
        .has_line_numbers = numbers[MAPPING_HAS_LINE_NUMBERS] != 0,
        .has_inline_frames = numbers[MAPPING_HAS_INLINE_FRAMES] != 0,
    };
    if (charge(decoder, sizeof(mapping) + sizeof(struct id_entry)))
        id_map_add(&decoder->mappings, numbers[MAPPING_ID], profile_add_mapping(decoder->profile, &mapping));
}

static void decode_function(struct decoder *decoder, struct bytes record)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    read_numbers(decoder, record, NO_NESTED_FIELD, numbers);
    struct profile_function function = {
        .name = string_at(decoder, numbers[FUNCTION_NAME]),
        .system_name = string_at(decoder, numbers[FUNCTION_SYSTEM_NAME]),
        .file = string_at(decoder, numbers[FUNCTION_FILE]),
        .start_line = (int64_t)numbers[FUNCTION_START_LINE],
    };
    if (charge(decoder, sizeof(function) + sizeof(struct id_entry)))
        id_map_add(&decoder->functions, numbers[FUNCTION_ID],
                profile_add_function_record(decoder->profile, &function));
}

static void decode_line(struct decoder *decoder, struct bytes record)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    read_numbers(decoder, record, NO_NESTED_FIELD, numbers);
    struct profile_line line = {.function = id_map_find(&decoder->functions, numbers[LINE_FUNCTION]),
                                .line = (int64_t)numbers[LINE_LINE]};
    if (line.function == 0)
        broken(decoder, "not a valid profile: a location names a function that is not there");
    if (charge(decoder, sizeof(line)))
        buf_append(&decoder->lines, &line, sizeof(line));
}

static void decode_location(struct decoder *decoder, struct bytes record)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    read_numbers(decoder, record, LOCATION_LINE, numbers);
    buf_clear(&decoder->lines);
    struct wire wire = wire_of(record);
    struct wire_field field;
    while (decoder->error == 0 && wire_next(&wire, &field)) {
        if (field.number == LOCATION_LINE && field.type == WIRE_TYPE_LENGTH)
            decode_line(decoder, field.content);
    }
    if (!charge(decoder, sizeof(struct profile_location) + sizeof(struct id_entry)))
        return;
    /* A mapping that is not there counts as none: Go's reader takes such profiles too. */
    uint32_t mapping = id_map_find(&decoder->mappings, numbers[LOCATION_MAPPING]);
    uint32_t ours = profile_add_location(decoder->profile, mapping, numbers[LOCATION_ADDRESS],
                                         (const struct profile_line *)decoder->lines.data,
                                         (uint32_t)(decoder->lines.size / sizeof(struct profile_line)));
    id_map_add(&decoder->locations, numbers[LOCATION_ID], ours);
}

/* --- samples --- */

/* One of them, or several that are packed. */
static struct wire numbers_of(const struct wire_field *field)
{
    return field->type == WIRE_TYPE_LENGTH ? wire_of(field->content) : (struct wire){0};
}

static void decode_sample_locations(struct decoder *decoder, const struct wire_field *field)
{
    struct wire packed = numbers_of(field);
    size_t most_bytes = (field->content.size + 1) * sizeof(uint32_t); /* a number takes a byte at least */
    if (!has_room(decoder, decoder->ids.size + most_bytes))
        return;
    uint32_t *ids = (uint32_t *)(void *)buf_reserve(&decoder->ids, most_bytes), *at = ids;
    bool is_known = true;
    if (field->type == WIRE_TYPE_VARINT)
        is_known = (*at++ = id_map_find(&decoder->locations, field->value)) != 0;
    while (packed.at < packed.end) {
        *at = id_map_find(&decoder->locations, wire_varint(&packed));
        is_known = is_known && *at++ != 0;
    }
    decoder->ids.size += (size_t)(at - ids) * sizeof(*ids);
    if (packed.is_broken)
        not_protobuf(decoder);
    if (!is_known)
        broken(decoder, "not a valid profile: a sample names a location that is not there");
}

/* One too many is enough to refuse the sample. */
static void append_value(struct decoder *decoder, uint64_t value)
{
    if (decoder->values.size / sizeof(value) <= decoder->profile->sample_type_count)
        buf_append(&decoder->values, &value, sizeof(value));
}

static void decode_sample_values(struct decoder *decoder, const struct wire_field *field)
{
    struct wire packed = numbers_of(field);
    if (field->type == WIRE_TYPE_VARINT)
        append_value(decoder, field->value);
    while (packed.at < packed.end)
        append_value(decoder, wire_varint(&packed));
    if (packed.is_broken)
        not_protobuf(decoder);
}

static void decode_label(struct decoder *decoder, struct bytes record)
{
    uint64_t numbers[NUMBERS_MAX] = {0};
    read_numbers(decoder, record, NO_NESTED_FIELD, numbers);
    struct profile_label label = {
        .key = string_at(decoder, numbers[LABEL_KEY]),
        .text = string_at(decoder, numbers[LABEL_TEXT]),
        .number = (int64_t)numbers[LABEL_NUMBER],
        .unit = string_at(decoder, numbers[LABEL_UNIT]),
    };
    if (has_room(decoder, decoder->labels.size + sizeof(label)))
        buf_append(&decoder->labels, &label, sizeof(label));
}

static void decode_sample(struct decoder *decoder, struct bytes record)
{
    buf_clear(&decoder->ids);
    buf_clear(&decoder->values);
    buf_clear(&decoder->labels);
    struct wire wire = wire_of(record);
    struct wire_field field;
    while (wire_next(&wire, &field)) {
        bool is_numbers = field.type == WIRE_TYPE_VARINT || field.type == WIRE_TYPE_LENGTH;
        if (field.number == SAMPLE_LOCATION && is_numbers)
            decode_sample_locations(decoder, &field);
        else if (field.number == SAMPLE_VALUE && is_numbers)
            decode_sample_values(decoder, &field);
        else if (field.number == SAMPLE_LABEL && field.type == WIRE_TYPE_LENGTH)
            decode_label(decoder, field.content);
    }
    if (wire.is_broken)
        not_protobuf(decoder);
    if (decoder->values.size / sizeof(int64_t) != decoder->profile->sample_type_count)
        broken(decoder, "not a valid profile: a sample has more or fewer values than there are sample types");
    if (!charge(decoder, sizeof(struct profile_sample) + decoder->ids.size + decoder->values.size +
                             decoder->labels.size))
        return;
    profile_append_sample(decoder->profile, (const uint32_t *)(void *)decoder->ids.data,
                          (uint32_t)(decoder->ids.size / sizeof(uint32_t)),
                          (const int64_t *)(void *)decoder->values.data,
                          (const struct profile_label *)(void *)decoder->labels.data,
                          (uint32_t)(decoder->labels.size / sizeof(struct profile_label)));
}

/* --- the rest --- */

static void decode_period_type(struct decoder *decoder, struct bytes record)
{
    decoder->profile->period_type = read_value_type(decoder, record);
}

static void add_comment(struct decoder *decoder, uint64_t index)
{
    uint32_t comment = string_at(decoder, index);
    if (charge(decoder, sizeof(comment)))
        profile_add_comment(decoder->profile, profile_text(decoder->profile, comment));
}

static void decode_comments(struct decoder *decoder, struct bytes packed)
{
    struct wire wire = wire_of(packed);
    while (wire.at < wire.end && decoder->error == 0)
        add_comment(decoder, wire_varint(&wire));
    if (wire.is_broken)
        not_protobuf(decoder);
}

static void decode_number(struct decoder *decoder, uint32_t number, uint64_t value)
{
    struct profile *profile = decoder->profile;
    switch (number) {
    case PROFILE_DROP_FRAMES:
        profile->drop_frames = string_at(decoder, value);
        break;
    case PROFILE_KEEP_FRAMES:
        profile->keep_frames = string_at(decoder, value);
        break;
    case PROFILE_TIME:
        profile->time_ns = (int64_t)value;
        break;
    case PROFILE_DURATION:
        profile->duration_ns = (int64_t)value;
        break;
    case PROFILE_PERIOD:
        profile->period = (int64_t)value;
        break;
    case PROFILE_COMMENT:
        add_comment(decoder, value);
        break;
    case PROFILE_DEFAULT_SAMPLE_TYPE:
        profile->default_sample_type = string_at(decoder, value);
        break;
    case PROFILE_DOC_URL:
        profile->doc_url = string_at(decoder, value);
        break;
    default:
        not_protobuf(decoder); /* a number where a record should be */
    }
}

/* What was read makes room for what it becomes. */
#define RELEASE_BYTES ((ptrdiff_t)8 << 20) /* whole pages */

/* NULL: nothing is released. */
static void release_from(struct decoder *decoder, const uint8_t *start)
{
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    decoder->released = (const uint8_t *)(((uintptr_t)start + page_size - 1) & ~(page_size - 1));
}

static void release_until(struct decoder *decoder, const uint8_t *at)
{
    while (decoder->released != NULL && at - decoder->released >= RELEASE_BYTES) {
        /* Failing costs memory only. */
        (void)madvise((void *)decoder->released, (size_t)RELEASE_BYTES, MADV_DONTNEED);
        decoder->released += RELEASE_BYTES;
    }
}

/* Where which records are: nearly all writers keep those of a kind together. */
static void find_spans(struct decoder *decoder, struct bytes plain)
{
    struct wire wire = wire_of(plain);
    struct wire_field field;
    release_from(decoder, decoder->owner == OWNER_FILE ? wire.at : NULL);
    for (const uint8_t *begin = wire.at; wire_next(&wire, &field); begin = wire.at) {
        release_until(decoder, begin);
        if (field.number >= PROFILE_FIELD_COUNT)
            continue;
        struct bytes *span = &decoder->spans[field.number];
        if (span->data == NULL)
            span->data = begin;
        span->size = (size_t)(wire.at - span->data);
    }
    if (wire.is_broken)
        not_protobuf(decoder);
}

static void decode_field(struct decoder *decoder, uint32_t number,
                         void (*decode_record)(struct decoder *decoder, struct bytes record))
{
    struct wire wire = wire_of(decoder->spans[number]);
    struct wire_field field;
    bool is_last = number == PROFILE_SAMPLE;
    release_from(decoder, decoder->owner == OWNER_FILE || (decoder->owner == OWNER_US && is_last) ? wire.at : NULL);
    for (const uint8_t *begin = wire.at; decoder->error == 0 && wire_next(&wire, &field); begin = wire.at) {
        release_until(decoder, begin);
        if (field.number != number)
            continue;
        if (field.type == WIRE_TYPE_LENGTH && decode_record != NULL)
            decode_record(decoder, field.content);
        else if (field.type == WIRE_TYPE_VARINT)
            decode_number(decoder, number, field.value);
        else
            not_protobuf(decoder);
    }
}

static void check_strings(struct decoder *decoder)
{
    if (decoder->string_count == 0)
        broken(decoder, "not a valid profile: its string table does not begin with the empty string");
}

static void check_sample_types(struct decoder *decoder)
{
    if (decoder->profile->sample_type_count == 0)
        broken(decoder, "not a valid profile: it does not say what its samples measure (no sample type)");
}

static void finish_mappings(struct decoder *decoder)
{
    if (!id_map_finish(&decoder->mappings))
        broken(decoder, "not a valid profile: a mapping has the id 0, or two have the same");
}

static void finish_functions(struct decoder *decoder)
{
    if (!id_map_finish(&decoder->functions))
        broken(decoder, "not a valid profile: a function has the id 0, or two have the same");
}

static void finish_locations(struct decoder *decoder)
{
    if (!id_map_finish(&decoder->locations))
        broken(decoder, "not a valid profile: a location has the id 0, or two have the same");
}

/* Later tables refer to earlier ones; a broken one ends it. */
static void decode_tables(struct decoder *decoder)
{
    static const struct {
        enum profile_field field;
        void (*decode_record)(struct decoder *decoder, struct bytes record); /* NULL: it is a number */
        void (*finish)(struct decoder *decoder);
    } steps[] = {
        {PROFILE_STRING, decode_string, check_strings},
        {PROFILE_SAMPLE_TYPE, decode_sample_type, check_sample_types},
        {PROFILE_MAPPING, decode_mapping, finish_mappings},
        {PROFILE_FUNCTION, decode_function, finish_functions},
        {PROFILE_LOCATION, decode_location, finish_locations},
        {PROFILE_DROP_FRAMES, NULL, NULL},
        {PROFILE_KEEP_FRAMES, NULL, NULL},
        {PROFILE_TIME, NULL, NULL},
        {PROFILE_DURATION, NULL, NULL},
        {PROFILE_PERIOD_TYPE, decode_period_type, NULL},
        {PROFILE_PERIOD, NULL, NULL},
        {PROFILE_COMMENT, decode_comments, NULL},
        {PROFILE_DEFAULT_SAMPLE_TYPE, NULL, NULL},
        {PROFILE_DOC_URL, NULL, NULL},
        {PROFILE_SAMPLE, decode_sample, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(steps) && decoder->error == 0; i++) {
        decode_field(decoder, steps[i].field, steps[i].decode_record);
        if (steps[i].finish != NULL && decoder->error == 0)
            steps[i].finish(decoder);
    }
}

static int decode_plain(struct bytes plain, enum owner owner, size_t memory_limit, struct profile **profile,
                        const char **problem)
{
    struct decoder decoder = {.profile = profile_create(), .memory_limit = memory_limit, .owner = owner};
    find_spans(&decoder, plain);
    if (decoder.error == 0)
        decode_tables(&decoder);
    struct id_map *const maps[] = {&decoder.mappings, &decoder.functions, &decoder.locations};
    for (size_t i = 0; i < ARRAY_COUNT(maps); i++)
        id_map_deinit(maps[i]);
    struct buf *const buffers[] = {&decoder.ids, &decoder.values, &decoder.labels, &decoder.lines};
    for (size_t i = 0; i < ARRAY_COUNT(buffers); i++)
        buf_deinit(buffers[i]);
    mem_free(decoder.strings);
    if (decoder.error == 0) {
        *profile = decoder.profile;
    } else {
        profile_destroy(decoder.profile);
        *problem = decoder.problem;
    }
    return decoder.error;
}

static int fail(const char **problem, int code, const char *text)
{
    *problem = text;
    return code;
}

static int decode(struct bytes encoded, enum owner owner, struct profile_limits limits, struct profile **profile,
                  const char **problem)
{
    ASSERT(limits.plain_bytes < UINT32_MAX); /* positions in a profile are 32 bits wide */
    *profile = NULL;
    *problem = NULL;
    if (encoded.size == 0)
        return fail(problem, ERR_MALFORMED, "not a profile: it is empty");
    if (encoded.size > limits.plain_bytes)
        return fail(problem, ERR_TOO_LARGE, "the profile is larger than the limit");
    if (!gzip_is(encoded))
        return decode_plain(encoded, owner, limits.memory_bytes, profile, problem);

    struct buf plain;
    buf_init(&plain);
    int result = gzip_inflate(encoded, limits.plain_bytes, &plain, problem);
    if (result == 0)
        result = decode_plain(buf_bytes(&plain), OWNER_US, limits.memory_bytes, profile, problem);
    buf_deinit(&plain);
    return result;
}

int profile_decode(struct bytes encoded, struct profile_limits limits, struct profile **profile,
                   const char **problem)
{
    return decode(encoded, OWNER_CALLER, limits, profile, problem);
}

int profile_decode_mapped(struct bytes encoded, struct profile_limits limits, struct profile **profile,
                          const char **problem)
{
    return decode(encoded, OWNER_FILE, limits, profile, problem);
}
