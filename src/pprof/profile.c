/* profile.c: the tables of a profile and the hash indexes that keep doubles out of them. */
#include "pprof/profile.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "pprof/index.h"

/* Most samples have the labels of one that came not long before. */
#define RECENT_LABELS 1024
struct label_range {
    uint32_t start, count;
};

struct profile_tables {
    struct index string_index, mapping_index, function_index, location_index, sample_index;
    struct arena texts; /* what profile->strings points at */
    uint32_t sample_type_capacity, mapping_capacity, function_capacity, line_capacity, location_capacity;
    uint32_t sample_capacity, sample_location_capacity, sample_label_capacity, sample_value_capacity;
    uint32_t label_number_capacity;
    uint32_t string_capacity, comment_capacity;
    struct label_range recent_labels[RECENT_LABELS]; /* by hash */
};

/* Room for `more` elements behind `count`; returns the array, which may have moved. */
static void *array_reserve(void *array, uint32_t *capacity, uint32_t count, size_t more, size_t element_size)
{
    size_t needed = (size_t)count + more;
    if (needed <= *capacity)
        return array;
    size_t grown = needed < 16 ? 16 : needed + needed / 2;
    ASSERT(grown < UINT32_MAX); /* decoders bound what they read, builders sample */
    *capacity = (uint32_t)grown;
    return mem_realloc(array, grown * element_size);
}

#define RESERVE(profile, array, name, more) \
    ((profile)->array = array_reserve((profile)->array, &(profile)->tables->name##_capacity, \
                                      (profile)->name##_count, (more), sizeof(*(profile)->array)))

struct profile *profile_create(void)
{
    struct profile *profile = MEM_NEW(struct profile);
    profile->tables = MEM_NEW(struct profile_tables);
    arena_init(&profile->tables->texts);
    /* Never NULL: whoever reads a sample adds its offset to them, if only 0. */
    RESERVE(profile, lines, line, 1);
    RESERVE(profile, sample_locations, sample_location, 1);
    RESERVE(profile, sample_labels, sample_label, 1);
    RESERVE(profile, sample_values, sample_value, 1);
    uint32_t empty = profile_string(profile, "");
    ASSERT(empty == 0);
    return profile;
}

void profile_destroy(struct profile *profile)
{
    if (profile == NULL)
        return;
    struct profile_tables *tables = profile->tables;
    struct index *indexes[] = {&tables->string_index, &tables->mapping_index, &tables->function_index,
                               &tables->location_index, &tables->sample_index};
    for (size_t i = 0; i < ARRAY_COUNT(indexes); i++)
        index_deinit(indexes[i]);
    void *arrays[] = {profile->sample_types,  profile->mappings,      profile->functions, profile->lines,
                      profile->locations,     profile->samples,       profile->strings,   profile->sample_locations,
                      profile->sample_labels, profile->label_numbers, profile->sample_values,
                      profile->comments};
    for (size_t i = 0; i < ARRAY_COUNT(arrays); i++)
        mem_free(arrays[i]);
    arena_deinit(&tables->texts);
    mem_free(tables);
    mem_free(profile);
}

static bool string_equal(const void *owner, uint32_t position, const void *key)
{
    const struct profile *profile = owner;
    return bytes_equal(profile->strings[position], *(const struct bytes *)key);
}

static uint32_t intern(struct profile *profile, struct bytes text)
{
    struct index *index = &profile->tables->string_index;
    uint32_t hash = hash_finish(hash_bytes(text));
    uint32_t position = index_find(index, hash, string_equal, profile, &text);
    if (position != NOT_IN_INDEX)
        return position;
    RESERVE(profile, strings, string, 1);
    position = profile->string_count++;
    profile->strings[position] = bytes_of(arena_copy_bytes(&profile->tables->texts, text), text.size);
    index_insert(index, hash, position);
    return position;
}

/* How far the text is UTF-8. */
static size_t utf8_size(struct bytes text)
{
    size_t position = 0, size;
    while ((size = utf8_character_size(bytes_of(text.data + position, text.size - position))) > 0)
        position += size;
    return position;
}

uint32_t profile_string_bytes(struct profile *profile, struct bytes text)
{
    if (text.size == 0 || utf8_size(text) == text.size)
        return intern(profile, text);
    uint8_t *readable = (uint8_t *)mem_copy_bytes(text);
    for (size_t position = 0; (position += utf8_size(bytes_of(readable + position, text.size - position))) < text.size;)
        readable[position] = '?';
    uint32_t string = intern(profile, bytes_of(readable, text.size));
    mem_free(readable);
    return string;
}

uint32_t profile_string(struct profile *profile, const char *text)
{
    return profile_string_bytes(profile, bytes_of_string(text));
}

uint32_t profile_find_string(const struct profile *profile, const char *text)
{
    struct bytes bytes = bytes_of_string(text);
    uint32_t position =
        index_find(&profile->tables->string_index, hash_finish(hash_bytes(bytes)), string_equal, profile, &bytes);
    return position == NOT_IN_INDEX ? 0 : position;
}

const char *profile_text(const struct profile *profile, uint32_t string)
{
    ASSERT(string < profile->string_count);
    return (const char *)profile->strings[string].data;
}

const char *profile_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

void profile_add_sample_type(struct profile *profile, const char *type, const char *unit)
{
    ASSERT(profile->sample_count == 0);
    RESERVE(profile, sample_types, sample_type, 1);
    struct profile_value_type value_type = {profile_string(profile, type), profile_string(profile, unit)};
    profile->sample_types[profile->sample_type_count++] = value_type;
}

static bool mapping_equal(const void *owner, uint32_t position, const void *key)
{
    const struct profile *profile = owner;
    const struct profile_mapping *a = &profile->mappings[position], *b = key;
    return a->start == b->start && a->limit == b->limit && a->file_offset == b->file_offset && a->file == b->file &&
           a->build_id == b->build_id && a->has_functions == b->has_functions &&
           a->has_filenames == b->has_filenames && a->has_line_numbers == b->has_line_numbers &&
           a->has_inline_frames == b->has_inline_frames;
}

uint32_t profile_add_mapping(struct profile *profile, const struct profile_mapping *mapping)
{
    ASSERT(mapping->file < profile->string_count && mapping->build_id < profile->string_count);
    struct index *index = &profile->tables->mapping_index;
    uint64_t mixed = hash_mix(hash_mix(hash_begin(mapping->start), mapping->limit), mapping->file_offset);
    uint32_t hash = hash_finish(hash_mix(mixed, (uint64_t)mapping->file << 32 | mapping->build_id));
    uint32_t position = index_find(index, hash, mapping_equal, profile, mapping);
    if (position != NOT_IN_INDEX)
        return position + 1;
    RESERVE(profile, mappings, mapping, 1);
    position = profile->mapping_count++;
    profile->mappings[position] = *mapping;
    index_insert(index, hash, position);
    return position + 1;
}

static bool function_equal(const void *owner, uint32_t position, const void *key)
{
    const struct profile *profile = owner;
    const struct profile_function *a = &profile->functions[position], *b = key;
    return a->name == b->name && a->system_name == b->system_name && a->file == b->file &&
           a->start_line == b->start_line;
}

uint32_t profile_add_function_record(struct profile *profile, const struct profile_function *function)
{
    ASSERT(function->name < profile->string_count && function->system_name < profile->string_count &&
           function->file < profile->string_count);
    struct index *index = &profile->tables->function_index;
    uint64_t mixed = hash_mix(hash_begin(function->name), (uint64_t)function->system_name << 32 | function->file);
    uint32_t hash = hash_finish(hash_mix(mixed, (uint64_t)function->start_line));
    uint32_t position = index_find(index, hash, function_equal, profile, function);
    if (position != NOT_IN_INDEX)
        return position + 1;
    RESERVE(profile, functions, function, 1);
    position = profile->function_count++;
    profile->functions[position] = *function;
    index_insert(index, hash, position);
    return position + 1;
}

uint32_t profile_add_function(struct profile *profile, const char *name, const char *file, int64_t start_line)
{
    uint32_t name_string = profile_string(profile, name);
    struct profile_function function = {
        .name = name_string, .system_name = name_string, .file = profile_string(profile, file),
        .start_line = start_line};
    return profile_add_function_record(profile, &function);
}

struct location_key {
    uint64_t address;
    uint32_t mapping, line_count;
    const struct profile_line *lines;
};

static bool location_equal(const void *owner, uint32_t position, const void *key)
{
    const struct profile *profile = owner;
    const struct profile_location *a = &profile->locations[position];
    const struct location_key *b = key;
    if (a->address != b->address || a->mapping != b->mapping || a->line_count != b->line_count)
        return false;
    for (uint32_t i = 0; i < b->line_count; i++) {
        const struct profile_line *line = &profile->lines[a->line_start + i];
        if (line->function != b->lines[i].function || line->line != b->lines[i].line)
            return false;
    }
    return true;
}

uint32_t profile_add_location(struct profile *profile, uint32_t mapping, uint64_t address,
                              const struct profile_line *lines, uint32_t line_count)
{
    ASSERT(mapping <= profile->mapping_count);
    struct index *index = &profile->tables->location_index;
    struct location_key key = {address, mapping, line_count, lines};
    uint64_t mixed = hash_mix(hash_begin(address), (uint64_t)mapping << 32 | line_count);
    for (uint32_t i = 0; i < line_count; i++) {
        ASSERT(lines[i].function >= 1 && lines[i].function <= profile->function_count);
        mixed = hash_mix(hash_mix(mixed, lines[i].function), (uint64_t)lines[i].line);
    }
    uint32_t hash = hash_finish(mixed);
    uint32_t position = index_find(index, hash, location_equal, profile, &key);
    if (position != NOT_IN_INDEX)
        return position + 1;

    RESERVE(profile, locations, location, 1);
    RESERVE(profile, lines, line, line_count);
    position = profile->location_count++;
    profile->locations[position] = (struct profile_location){address, mapping, profile->line_count, line_count};
    if (line_count > 0)
        memcpy(profile->lines + profile->line_count, lines, line_count * sizeof(*lines));
    profile->line_count += line_count;
    index_insert(index, hash, position);
    return position + 1;
}

/* --- samples --- */

static uint64_t hash_locations(const struct profile *profile, const uint32_t *locations, uint32_t count)
{
    uint64_t hash = hash_begin(count);
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(locations[i] >= 1 && locations[i] <= profile->location_count);
        hash = hash_mix(hash, locations[i]);
    }
    return hash;
}

static bool has_number(const struct profile_label *label)
{
    return label->number != 0 || label->unit != 0;
}

/* The first word says whether others follow: no key has its highest bit. */
static uint64_t hash_label(uint64_t hash, struct profile_label label)
{
    bool is_longer = has_number(&label);
    hash = hash_mix(hash, (uint64_t)is_longer << 63 | (uint64_t)label.key << 32 | label.text);
    return is_longer ? hash_mix(hash_mix(hash, (uint64_t)label.number), label.unit) : hash;
}

static uint64_t hash_labels(uint64_t hash, const struct profile_label *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        hash = hash_label(hash, labels[i]);
    return hash;
}

static bool has_labels(const struct profile *profile, uint32_t start, const struct profile_label *labels,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct profile_label label = profile_label_at(profile, start + i);
        if (label.key != labels[i].key || label.text != labels[i].text || label.number != labels[i].number ||
            label.unit != labels[i].unit)
            return false;
    }
    return true;
}

static void append_label(struct profile *profile, const struct profile_label *label)
{
    ASSERT(label->key < profile->string_count && label->text < profile->string_count &&
           label->unit < profile->string_count);
    struct profile_kept_label kept = {.key = label->key & PROFILE_LABEL_KEY_MAX, .text = label->text};
    ASSERT(kept.key == label->key);
    if (has_number(label)) {
        RESERVE(profile, label_numbers, label_number, 1);
        kept.has_number = true;
        kept.text = profile->label_number_count;
        profile->label_numbers[profile->label_number_count++] =
            (struct profile_label_number){label->number, label->unit, label->text};
    }
    RESERVE(profile, sample_labels, sample_label, 1);
    profile->sample_labels[profile->sample_label_count++] = kept;
}

/* Where these labels are; new ones go to the end. */
static uint32_t place_labels(struct profile *profile, const struct profile_label *labels, uint32_t count)
{
    if (count == 0)
        return 0;
    uint32_t hash = hash_finish(hash_labels(hash_begin(count), labels, count));
    struct label_range *recent = &profile->tables->recent_labels[hash % RECENT_LABELS];
    if (recent->count == count && has_labels(profile, recent->start, labels, count))
        return recent->start;
    *recent = (struct label_range){profile->sample_label_count, count};
    for (uint32_t i = 0; i < count; i++)
        append_label(profile, &labels[i]);
    return recent->start;
}

void profile_append_sample(struct profile *profile, const uint32_t *locations, uint32_t location_count,
                           const int64_t *values, const struct profile_label *labels, uint32_t label_count)
{
    uint32_t label_start = place_labels(profile, labels, label_count);
    RESERVE(profile, samples, sample, 1);
    RESERVE(profile, sample_locations, sample_location, location_count);
    RESERVE(profile, sample_values, sample_value, profile->sample_type_count);
    profile->samples[profile->sample_count++] = (struct profile_sample){
        .location_start = profile->sample_location_count, .location_count = location_count,
        .label_start = label_start, .label_count = label_count};
    if (location_count > 0)
        memcpy(profile->sample_locations + profile->sample_location_count, locations,
               location_count * sizeof(*locations));
    if (profile->sample_type_count > 0)
        memcpy(profile->sample_values + profile->sample_value_count, values,
               profile->sample_type_count * sizeof(*values));
    profile->sample_location_count += location_count;
    profile->sample_value_count += profile->sample_type_count;
}

struct sample_key {
    const uint32_t *locations;
    const struct profile_label *labels;
    uint32_t location_count, label_count;
};

static bool sample_equal(const void *owner, uint32_t position, const void *key)
{
    const struct profile *profile = owner;
    const struct profile_sample *a = &profile->samples[position];
    const struct sample_key *b = key;
    if (a->location_count != b->location_count || a->label_count != b->label_count)
        return false;
    if (b->location_count > 0 && memcmp(profile->sample_locations + a->location_start, b->locations,
                                        b->location_count * sizeof(*b->locations)) != 0)
        return false;
    return has_labels(profile, a->label_start, b->labels, b->label_count);
}

/* Those that were appended are not in the index yet. */
static void index_samples(struct profile *profile)
{
    struct index *index = &profile->tables->sample_index;
    for (uint32_t i = index->count; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        uint64_t hash = hash_locations(profile, profile->sample_locations + sample->location_start,
                                       sample->location_count);
        for (uint32_t j = 0; j < sample->label_count; j++)
            hash = hash_label(hash, profile_label_at(profile, sample->label_start + j));
        index_insert(index, hash_finish(hash), i);
    }
}

void profile_add_sample(struct profile *profile, const uint32_t *locations, uint32_t location_count,
                        const int64_t *values, const struct profile_label *labels, uint32_t label_count)
{
    struct index *index = &profile->tables->sample_index;
    index_samples(profile);
    struct sample_key key = {locations, labels, location_count, label_count};
    uint32_t hash = hash_finish(hash_labels(hash_locations(profile, locations, location_count), labels, label_count));
    uint32_t position = index_find(index, hash, sample_equal, profile, &key);
    if (position != NOT_IN_INDEX) {
        int64_t *sums = profile_sample_values(profile, &profile->samples[position]);
        for (uint32_t i = 0; i < profile->sample_type_count; i++)
            sums[i] = (int64_t)((uint64_t)sums[i] + (uint64_t)values[i]); /* wraps, as in the readers' languages */
        return;
    }
    profile_append_sample(profile, locations, location_count, values, labels, label_count);
    index_insert(index, hash, profile->sample_count - 1);
}

void profile_add_comment(struct profile *profile, const char *text)
{
    RESERVE(profile, comments, comment, 1);
    profile->comments[profile->comment_count++] = profile_string(profile, text);
}
