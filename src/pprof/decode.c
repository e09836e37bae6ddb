/* decode.c: gzip off, protobuf parsed by generated code within a memory limit, then every reference checked. */
#include "pprof/decode.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "pprof/profile.pb-c.h"

#include <stdlib.h>
#include <zlib.h>

#define INFLATE_STEP_BYTES ((size_t)64 << 10)

static int fail(const char **problem, int code, const char *text)
{
    *problem = text;
    return code;
}

/* --- gzip --- */

static bool is_gzip(struct bytes bytes)
{
    return bytes.size >= 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b; /* RFC 1952, section 2.3.1 */
}

static int inflate_members(z_stream *stream, size_t plain_limit, struct buf *plain, const char **problem)
{
    for (;;) {
        size_t room = plain_limit + 1 - plain->size; /* one more than allowed, to see that it was too much */
        if (room > INFLATE_STEP_BYTES)
            room = INFLATE_STEP_BYTES;
        stream->next_out = buf_reserve(plain, room);
        stream->avail_out = (uInt)room;
        int status = inflate(stream, Z_NO_FLUSH);
        plain->size += room - stream->avail_out;
        if (plain->size > plain_limit)
            return fail(problem, ERR_TOO_LARGE, "the profile is larger than the limit once decompressed");
        if (status == Z_STREAM_END) {
            if (stream->avail_in == 0)
                return 0;
            status = inflateReset(stream); /* another member follows */
        }
        if (status == Z_BUF_ERROR)
            return fail(problem, ERR_TRUNCATED, "the profile ends too early: its gzip stream is cut off");
        if (status != Z_OK)
            return fail(problem, ERR_CORRUPT, "the profile is damaged: its gzip stream does not decompress");
    }
}

static int decompress(struct bytes encoded, size_t plain_limit, struct buf *plain, const char **problem)
{
    z_stream stream = {.next_in = (Bytef *)encoded.data, .avail_in = (uInt)encoded.size};
    int status = inflateInit2(&stream, 15 + 16); /* gzip only */
    ASSERT(status == Z_OK);
    int result = inflate_members(&stream, plain_limit, plain, problem);
    inflateEnd(&stream);
    return result;
}

/* --- memory of the generated parser --- */

struct bounded_arena {
    struct arena arena;
    size_t limit_bytes;
    bool exhausted;
};

static void *bounded_alloc(void *context, size_t size)
{
    struct bounded_arena *bounded = context;
    if (size > bounded->limit_bytes || bounded->arena.used_bytes > bounded->limit_bytes - size) {
        bounded->exhausted = true;
        return NULL;
    }
    return arena_alloc(&bounded->arena, size);
}

static void bounded_free(void *context, void *memory)
{
    /* All at once, with the arena. */
    (void)context;
    (void)memory;
}

/* --- ids --- */

struct id_entry {
    uint64_t theirs;
    uint32_t ours;
};

struct id_map {
    struct id_entry *entries; /* sorted by their id once map_finish has run */
    size_t count;
};

static int compare_entries(const void *left, const void *right)
{
    const struct id_entry *a = left, *b = right;
    return a->theirs < b->theirs ? -1 : a->theirs > b->theirs;
}

/* False if an id is 0 or there twice. */
static bool map_finish(struct id_map *map)
{
    qsort(map->entries, map->count, sizeof(*map->entries), compare_entries);
    uint64_t previous = 0;
    for (size_t i = 0; i < map->count; i++) {
        if (map->entries[i].theirs == previous)
            return false;
        previous = map->entries[i].theirs;
    }
    return true;
}

/* 0: nothing has this id. Most writers number from 1 without gaps, so the first look is nearly always right. */
static uint32_t map_find(const struct id_map *map, uint64_t theirs)
{
    if (theirs == 0)
        return 0;
    if (theirs <= map->count && map->entries[theirs - 1].theirs == theirs)
        return map->entries[theirs - 1].ours;
    if (map->count == 0)
        return 0;
    struct id_entry key = {.theirs = theirs};
    const struct id_entry *found =
        bsearch(&key, map->entries, map->count, sizeof(*map->entries), compare_entries);
    return found ? found->ours : 0;
}

/* --- tables --- */

struct decoder {
    const Pprof__Profile *parsed;
    struct profile *profile;
    struct arena *scratch;
    uint32_t *strings; /* of their string table: our indexes */
    struct id_map mappings, functions, locations;
    const char *problem; /* sticky: the first rule that was broken */
};

static void broken(struct decoder *decoder, const char *rule)
{
    if (decoder->problem == NULL)
        decoder->problem = rule;
}

static uint32_t string_at(struct decoder *decoder, int64_t index)
{
    if (index < 0 || (uint64_t)index >= decoder->parsed->n_string_table) {
        broken(decoder, "not a valid profile: it names a string that its string table does not have");
        return 0;
    }
    return decoder->strings[index];
}

static const char *text_at(struct decoder *decoder, int64_t index)
{
    return profile_text(decoder->profile, string_at(decoder, index));
}

static void map_init(struct decoder *decoder, struct id_map *map, size_t count)
{
    map->entries = arena_alloc_array(decoder->scratch, count, sizeof(*map->entries));
    map->count = count;
}

static void decode_strings(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    decoder->strings = arena_alloc_array(decoder->scratch, parsed->n_string_table, sizeof(*decoder->strings));
    if (parsed->n_string_table == 0 || parsed->string_table[0].len != 0)
        broken(decoder, "not a valid profile: its string table does not begin with the empty string");
    for (size_t i = 0; i < parsed->n_string_table; i++) {
        struct bytes text = bytes_of(parsed->string_table[i].data, parsed->string_table[i].len);
        decoder->strings[i] = profile_string_bytes(decoder->profile, text);
    }
}

static void decode_sample_types(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    if (parsed->n_sample_type == 0)
        broken(decoder, "not a valid profile: it does not say what its samples measure (no sample type)");
    for (size_t i = 0; i < parsed->n_sample_type; i++) {
        const Pprof__ValueType *type = parsed->sample_type[i];
        profile_add_sample_type(decoder->profile, text_at(decoder, type->type), text_at(decoder, type->unit));
    }
}

static void decode_mappings(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    map_init(decoder, &decoder->mappings, parsed->n_mapping);
    for (size_t i = 0; i < parsed->n_mapping; i++) {
        const Pprof__Mapping *theirs = parsed->mapping[i];
        struct profile_mapping mapping = {
            .start = theirs->memory_start,
            .limit = theirs->memory_limit,
            .file_offset = theirs->file_offset,
            .file = string_at(decoder, theirs->filename),
            .build_id = string_at(decoder, theirs->build_id),
            .has_functions = theirs->has_functions,
            .has_filenames = theirs->has_filenames,
            .has_line_numbers = theirs->has_line_numbers,
            .has_inline_frames = theirs->has_inline_frames,
        };
        decoder->mappings.entries[i] = (struct id_entry){theirs->id, profile_add_mapping(decoder->profile, &mapping)};
    }
    if (!map_finish(&decoder->mappings))
        broken(decoder, "not a valid profile: a mapping has the id 0, or two have the same");
}

static void decode_functions(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    map_init(decoder, &decoder->functions, parsed->n_function);
    for (size_t i = 0; i < parsed->n_function; i++) {
        const Pprof__Function *theirs = parsed->function[i];
        struct profile_function function = {
            .name = string_at(decoder, theirs->name),
            .system_name = string_at(decoder, theirs->system_name),
            .file = string_at(decoder, theirs->filename),
            .start_line = theirs->start_line,
        };
        uint32_t ours = profile_add_function_record(decoder->profile, &function);
        decoder->functions.entries[i] = (struct id_entry){theirs->id, ours};
    }
    if (!map_finish(&decoder->functions))
        broken(decoder, "not a valid profile: a function has the id 0, or two have the same");
}

static void decode_locations(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    map_init(decoder, &decoder->locations, parsed->n_location);
    size_t lines_max = 0;
    for (size_t i = 0; i < parsed->n_location; i++) {
        if (parsed->location[i]->n_line > lines_max)
            lines_max = parsed->location[i]->n_line;
    }
    struct profile_line *lines = arena_alloc_array(decoder->scratch, lines_max, sizeof(*lines));
    for (size_t i = 0; i < parsed->n_location; i++) {
        const Pprof__Location *theirs = parsed->location[i];
        for (size_t j = 0; j < theirs->n_line; j++) {
            lines[j].function = map_find(&decoder->functions, theirs->line[j]->function_id);
            lines[j].line = theirs->line[j]->line;
            if (lines[j].function == 0) {
                broken(decoder, "not a valid profile: a location names a function that is not there");
                return;
            }
        }
        /* A mapping that is not there counts as none: Go's reader takes such profiles too. */
        uint32_t mapping = map_find(&decoder->mappings, theirs->mapping_id);
        uint32_t ours =
            profile_add_location(decoder->profile, mapping, theirs->address, lines, (uint32_t)theirs->n_line);
        decoder->locations.entries[i] = (struct id_entry){theirs->id, ours};
    }
    if (!map_finish(&decoder->locations))
        broken(decoder, "not a valid profile: a location has the id 0, or two have the same");
}

static void decode_sample(struct decoder *decoder, const Pprof__Sample *theirs, uint32_t *locations,
                          struct profile_label *labels)
{
    if (theirs->n_value != decoder->profile->sample_type_count) {
        broken(decoder, "not a valid profile: a sample has more or fewer values than there are sample types");
        return;
    }
    for (size_t i = 0; i < theirs->n_location_id; i++) {
        locations[i] = map_find(&decoder->locations, theirs->location_id[i]);
        if (locations[i] == 0) {
            broken(decoder, "not a valid profile: a sample names a location that is not there");
            return;
        }
    }
    for (size_t i = 0; i < theirs->n_label; i++) {
        labels[i] = (struct profile_label){
            .key = string_at(decoder, theirs->label[i]->key),
            .text = string_at(decoder, theirs->label[i]->str),
            .number = theirs->label[i]->num,
            .unit = string_at(decoder, theirs->label[i]->num_unit),
        };
    }
    profile_add_sample(decoder->profile, locations, (uint32_t)theirs->n_location_id, theirs->value, labels,
                       (uint32_t)theirs->n_label);
}

static void decode_samples(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    size_t locations_max = 0, labels_max = 0;
    for (size_t i = 0; i < parsed->n_sample; i++) {
        if (parsed->sample[i]->n_location_id > locations_max)
            locations_max = parsed->sample[i]->n_location_id;
        if (parsed->sample[i]->n_label > labels_max)
            labels_max = parsed->sample[i]->n_label;
    }
    uint32_t *locations = arena_alloc_array(decoder->scratch, locations_max, sizeof(*locations));
    struct profile_label *labels = arena_alloc_array(decoder->scratch, labels_max, sizeof(*labels));
    for (size_t i = 0; i < parsed->n_sample && decoder->problem == NULL; i++)
        decode_sample(decoder, parsed->sample[i], locations, labels);
}

static void decode_header(struct decoder *decoder)
{
    const Pprof__Profile *parsed = decoder->parsed;
    struct profile *profile = decoder->profile;
    if (parsed->period_type != NULL) {
        profile->period_type.type = string_at(decoder, parsed->period_type->type);
        profile->period_type.unit = string_at(decoder, parsed->period_type->unit);
    }
    profile->period = parsed->period;
    profile->time_ns = parsed->time_nanos;
    profile->duration_ns = parsed->duration_nanos;
    profile->default_sample_type = string_at(decoder, parsed->default_sample_type);
    profile->drop_frames = string_at(decoder, parsed->drop_frames);
    profile->keep_frames = string_at(decoder, parsed->keep_frames);
    profile->doc_url = string_at(decoder, parsed->doc_url);
    for (size_t i = 0; i < parsed->n_comment; i++)
        profile_add_comment(profile, text_at(decoder, parsed->comment[i]));
}

/* Later tables refer to earlier ones; a broken one ends it. */
static const char *decode_tables(struct decoder *decoder)
{
    void (*const steps[])(struct decoder *) = {decode_strings,   decode_sample_types, decode_mappings,
                                               decode_functions, decode_locations,    decode_samples,
                                               decode_header};
    for (size_t i = 0; i < ARRAY_COUNT(steps) && decoder->problem == NULL; i++)
        steps[i](decoder);
    return decoder->problem;
}

static int decode_plain(struct bytes plain, size_t memory_limit, struct profile **profile, const char **problem)
{
    struct bounded_arena memory = {.limit_bytes = memory_limit};
    arena_init(&memory.arena);
    ProtobufCAllocator allocator = {.alloc = bounded_alloc, .free = bounded_free, .allocator_data = &memory};
    int result = 0;

    struct decoder decoder = {.scratch = &memory.arena};
    decoder.parsed = pprof__profile__unpack(&allocator, plain.size, plain.data);
    if (decoder.parsed == NULL) {
        result = memory.exhausted
                     ? fail(problem, ERR_TOO_LARGE, "the profile has more entries than the memory limit allows")
                     : fail(problem, ERR_MALFORMED, "not a profile: neither gzip nor a protocol buffer");
        goto out;
    }
    decoder.profile = profile_create();
    if (decode_tables(&decoder) != NULL) {
        profile_destroy(decoder.profile);
        result = fail(problem, ERR_OUT_OF_RANGE, decoder.problem);
        goto out;
    }
    *profile = decoder.profile;
out:
    arena_deinit(&memory.arena);
    return result;
}

int profile_decode(struct bytes encoded, struct profile_limits limits, struct profile **profile,
                   const char **problem)
{
    ASSERT(limits.plain_bytes < UINT32_MAX); /* positions in a profile are 32 bits wide */
    *profile = NULL;
    *problem = NULL;
    if (encoded.size == 0)
        return fail(problem, ERR_MALFORMED, "not a profile: it is empty");
    if (encoded.size > limits.plain_bytes)
        return fail(problem, ERR_TOO_LARGE, "the profile is larger than the limit");
    if (!is_gzip(encoded))
        return decode_plain(encoded, limits.memory_bytes, profile, problem);

    struct buf plain;
    buf_init(&plain);
    int result = decompress(encoded, limits.plain_bytes, &plain, problem);
    if (result == 0)
        result = decode_plain(buf_bytes(&plain), limits.memory_bytes, profile, problem);
    buf_deinit(&plain);
    return result;
}
