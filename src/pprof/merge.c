/* merge.c: what the profiles have in common is settled first, then sample after sample is translated and added. */
#include "pprof/merge.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "pprof/filter.h"
#include "pprof/index.h"
#include "pprof/measure.h"

#include <math.h>
#include <stdlib.h>

struct source {
    const struct profile *profile;
    const char *label_key, *label_value; /* NULL: none */
    bool is_negative;
    uint32_t *columns; /* by sample type of the result: its place here */
    double *ratios;    /* by sample type of the result: to its unit */
    bool is_scaled;    /* some ratio is not 1 */
    bool is_changed;   /* its sample types are not the result's */
};

/* What makes two mappings the same, wherever they were loaded. */
struct mapping_key {
    uint64_t size, offset;
    uint32_t identity; /* string: build id, else file */
    uint32_t padding;  /* keys are compared as bytes */
};

struct known_mapping {
    struct mapping_key key;
    uint32_t id;
    UT_hash_handle hh;
};

struct sorted_label {
    struct profile_label label;
    uint32_t position; /* those of a key stay in their order */
};

struct merger {
    struct profile *merged;
    struct known_mapping *known_mappings;
    struct index comments; /* by their strings */
    struct arena arena;

    /* Of the source at hand: what has become of its things. Ids, or a string's index plus one; 0: not asked for yet. */
    const struct source *source;
    uint32_t *strings, *functions, *mappings, *locations;
    struct profile_label own_label; /* where it has one */

    /* One sample as it is added. */
    struct buf ids, values, labels, sorted, lines;
};

/* --- what they have in common --- */

static const char *type_name(const struct profile *profile, uint32_t column)
{
    return profile_text(profile, profile->sample_types[column].type);
}

static const char *type_unit(const struct profile *profile, uint32_t column)
{
    return profile_text(profile, profile->sample_types[column].unit);
}

#define NO_COLUMN UINT32_MAX

static uint32_t find_column(const struct profile *profile, const char *type)
{
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        if (strcmp(type_name(profile, i), type) == 0)
            return i;
    }
    return NO_COLUMN;
}

/* The unit in which all are whole numbers; NULL: there is none. */
static const char *finer_unit(const char *unit, const char *other)
{
    if (!measure_is_convertible(unit, other))
        return NULL;
    return measure_scale(1, other, unit).value < 1 ? other : unit;
}

static int refuse_units(struct buf *problem, const char *type, const char *unit, const char *other)
{
    buf_printf(problem, "the profiles measure %s in different things: %s and %s", type, unit, other);
    return ERR_UNSUPPORTED;
}

/* Append a sample type if all sources have it. */
static int add_common_type(struct merger *merger, struct source *sources, size_t count, const char *type,
                           const char *first_unit, struct buf *problem)
{
    const char *unit = first_unit;
    uint32_t place = merger->merged->sample_type_count;
    for (size_t i = 0; i < count; i++) {
        uint32_t column = find_column(sources[i].profile, type);
        if (column == NO_COLUMN)
            return 0;
        const char *other = type_unit(sources[i].profile, column), *finer = finer_unit(unit, other);
        if (finer == NULL)
            return refuse_units(problem, type, unit, other);
        unit = finer;
        sources[i].columns[place] = column;
    }
    profile_add_sample_type(merger->merged, type, unit);
    for (size_t i = 0; i < count; i++) {
        uint32_t column = sources[i].columns[place];
        sources[i].ratios[place] = measure_scale(1, type_unit(sources[i].profile, column), unit).value;
        sources[i].is_scaled = sources[i].is_scaled || sources[i].ratios[place] != 1;
        sources[i].is_changed = sources[i].is_changed || column != place;
    }
    return 0;
}

static int settle_types(struct merger *merger, struct source *sources, size_t count, struct buf *problem)
{
    const struct profile *first = sources[0].profile;
    for (size_t i = 0; i < count; i++) {
        sources[i].columns = arena_alloc_array(&merger->arena, first->sample_type_count, sizeof(uint32_t));
        sources[i].ratios = arena_alloc_array(&merger->arena, first->sample_type_count, sizeof(double));
    }
    for (uint32_t i = 0; i < first->sample_type_count; i++) {
        if (find_column(merger->merged, type_name(first, i)) != NO_COLUMN)
            continue;
        int result = add_common_type(merger, sources, count, type_name(first, i), type_unit(first, i), problem);
        if (result != 0)
            return result;
    }
    if (merger->merged->sample_type_count == 0) {
        buf_append_string(problem, "the profiles have no sample type in common");
        return ERR_UNSUPPORTED;
    }
    for (size_t i = 0; i < count; i++) {
        if (sources[i].profile->sample_type_count != merger->merged->sample_type_count)
            sources[i].is_changed = true;
    }
    return 0;
}

static int settle_period(struct merger *merger, const struct source *sources, size_t count, struct buf *problem)
{
    const struct profile *first = sources[0].profile;
    const char *type = profile_text(first, first->period_type.type);
    const char *unit = profile_text(first, first->period_type.unit);
    for (size_t i = 1; i < count; i++) {
        const struct profile *other = sources[i].profile;
        const char *other_type = profile_text(other, other->period_type.type);
        const char *other_unit = profile_text(other, other->period_type.unit), *finer = finer_unit(unit, other_unit);
        if (strcmp(type, other_type) != 0 || finer == NULL) {
            buf_printf(problem, "the profiles are of different kinds: sampled by %s (%s) and by %s (%s)", type, unit,
                       other_type, other_unit);
            return ERR_UNSUPPORTED;
        }
        unit = finer;
    }
    merger->merged->period_type =
        (struct profile_value_type){profile_string(merger->merged, type), profile_string(merger->merged, unit)};
    for (size_t i = 0; i < count; i++) {
        const struct profile *profile = sources[i].profile;
        const char *from = profile_text(profile, profile->period_type.unit);
        double period = measure_scale(profile->period, from, unit).value;
        if (fabs(period) < 0x1p63 && (int64_t)period > merger->merged->period)
            merger->merged->period = (int64_t)period;
    }
    return 0;
}

/* --- headers --- */

static bool is_comment(const void *profile, uint32_t position, const void *string)
{
    return ((const struct profile *)profile)->comments[position] == *(const uint32_t *)string;
}

/* Unless it is there. */
static void merge_comment(struct merger *merger, const char *text)
{
    uint32_t string = profile_string(merger->merged, text), hash = hash_finish(hash_begin(string));
    if (index_find(&merger->comments, hash, is_comment, merger->merged, &string) != NOT_IN_INDEX)
        return;
    index_insert(&merger->comments, hash, merger->merged->comment_count);
    profile_add_comment(merger->merged, text);
}

/* The default that a profile has, once it has the result's sample types. */
static const char *default_type(const struct merger *merger, const struct source *source)
{
    const char *own = profile_text(source->profile, source->profile->default_sample_type);
    if (!source->is_changed || find_column(merger->merged, own) != NO_COLUMN)
        return own;
    return type_name(merger->merged, 0);
}

static void merge_header(struct merger *merger, const struct source *source, bool is_first)
{
    const struct profile *profile = source->profile;
    struct profile *merged = merger->merged;
    if (is_first) {
        merged->drop_frames = profile_string(merged, profile_text(profile, profile->drop_frames));
        merged->keep_frames = profile_string(merged, profile_text(profile, profile->keep_frames));
    }
    if (merged->time_ns == 0 || profile->time_ns < merged->time_ns)
        merged->time_ns = profile->time_ns;
    merged->duration_ns = (int64_t)((uint64_t)merged->duration_ns + (uint64_t)profile->duration_ns);
    for (uint32_t i = 0; i < profile->comment_count; i++)
        merge_comment(merger, profile_text(profile, profile->comments[i]));
    if (merged->default_sample_type == 0)
        merged->default_sample_type = profile_string(merged, default_type(merger, source));
    if (merged->doc_url == 0)
        merged->doc_url = profile_string(merged, profile_text(profile, profile->doc_url));
}

/* --- things that samples refer to --- */

static uint32_t merge_string(struct merger *merger, uint32_t string)
{
    uint32_t *known = &merger->strings[string];
    if (*known == 0)
        *known = profile_string_bytes(merger->merged, merger->source->profile->strings[string]) + 1;
    return *known - 1;
}

static uint32_t merge_mapping(struct merger *merger, uint32_t id)
{
    if (id == 0)
        return 0;
    uint32_t *merged_id = &merger->mappings[id - 1];
    if (*merged_id != 0)
        return *merged_id;
    struct profile_mapping mapping = merger->source->profile->mappings[id - 1];
    mapping.file = merge_string(merger, mapping.file);
    mapping.build_id = merge_string(merger, mapping.build_id);
    struct mapping_key key = {.size = (mapping.limit - mapping.start + 0xfff) & ~(uint64_t)0xfff, /* whole pages */
                              .offset = mapping.file_offset,
                              .identity = mapping.build_id != 0 ? mapping.build_id : mapping.file};
    struct known_mapping *known;
    HASH_FIND(hh, merger->known_mappings, &key, sizeof(key), known);
    if (known == NULL) {
        known = arena_alloc(&merger->arena, sizeof(*known));
        known->key = key;
        known->id = profile_add_mapping(merger->merged, &mapping);
        HASH_ADD(hh, merger->known_mappings, key, sizeof(key), known);
    }
    return *merged_id = known->id;
}

static uint32_t merge_function(struct merger *merger, uint32_t id)
{
    uint32_t *merged_id = &merger->functions[id - 1];
    if (*merged_id != 0)
        return *merged_id;
    struct profile_function function = merger->source->profile->functions[id - 1];
    function.name = merge_string(merger, function.name);
    function.system_name = merge_string(merger, function.system_name);
    function.file = merge_string(merger, function.file);
    return *merged_id = profile_add_function_record(merger->merged, &function);
}

static uint32_t merge_location(struct merger *merger, uint32_t id)
{
    uint32_t *merged_id = &merger->locations[id - 1];
    if (*merged_id != 0)
        return *merged_id;
    const struct profile *profile = merger->source->profile;
    const struct profile_location *location = &profile->locations[id - 1];
    uint32_t mapping = merge_mapping(merger, location->mapping);
    uint64_t address = location->address;
    if (mapping != 0)
        address += merger->merged->mappings[mapping - 1].start - profile->mappings[location->mapping - 1].start;
    buf_clear(&merger->lines);
    for (uint32_t i = 0; i < location->line_count; i++) {
        struct profile_line line = profile->lines[location->line_start + i];
        line.function = merge_function(merger, line.function);
        buf_append(&merger->lines, &line, sizeof(line));
    }
    return *merged_id = profile_add_location(merger->merged, mapping, address,
                                             (const struct profile_line *)merger->lines.data, location->line_count);
}

/* --- samples --- */

static int64_t scale(int64_t value, double ratio)
{
    double scaled = round((double)value * ratio);
    return fabs(scaled) < 0x1p63 ? (int64_t)scaled : INT64_MIN; /* as x86 converts what does not fit */
}

/* False if nothing is left of the sample. */
static bool merge_values(struct merger *merger, const struct profile_sample *sample)
{
    const struct source *source = merger->source;
    bool is_nonzero = false, is_nonzero_scaled = false;
    buf_clear(&merger->values);
    for (uint32_t i = 0; i < merger->merged->sample_type_count; i++) {
        int64_t value = profile_sample_values(source->profile, sample)[source->columns[i]];
        if (source->is_negative)
            value = scale(value, -1);
        if (source->ratios[i] != 1) {
            value = scale(value, source->ratios[i]);
            is_nonzero_scaled = is_nonzero_scaled || value != 0;
        }
        is_nonzero = is_nonzero || value != 0;
        buf_append(&merger->values, &value, sizeof(value));
    }
    /* pprof looks only at those values that it scaled, if it scaled any. */
    return is_nonzero && (is_nonzero_scaled || !source->is_scaled);
}

static int compare_labels(const void *left, const void *right)
{
    const struct sorted_label *a = left, *b = right;
    bool is_text_a = a->label.text != 0, is_text_b = b->label.text != 0;
    if (is_text_a != is_text_b)
        return is_text_a ? -1 : 1;
    if (a->label.key != b->label.key)
        return a->label.key < b->label.key ? -1 : 1;
    return a->position < b->position ? -1 : a->position > b->position;
}

/* Equal labels in another order are equal. Those that say nothing are left out, as by Go's reader. */
static void merge_labels(struct merger *merger, const struct profile_sample *sample)
{
    const struct source *source = merger->source;
    buf_clear(&merger->sorted);
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(source->profile, sample->label_start + i);
        if (label.text == 0 && label.number == 0 && label.unit == 0)
            continue;
        label.key = merge_string(merger, label.key);
        label.text = merge_string(merger, label.text);
        label.unit = merge_string(merger, label.unit);
        struct sorted_label sorted = {label, i};
        if (label.text == 0 || source->label_key == NULL || label.key != merger->own_label.key)
            buf_append(&merger->sorted, &sorted, sizeof(sorted));
    }
    if (source->label_key != NULL) {
        struct sorted_label own = {.label = merger->own_label};
        buf_append(&merger->sorted, &own, sizeof(own));
    }
    struct sorted_label *sorted = (struct sorted_label *)merger->sorted.data;
    size_t count = merger->sorted.size / sizeof(*sorted);
    if (count > 1)
        qsort(sorted, count, sizeof(*sorted), compare_labels);
    buf_clear(&merger->labels);
    for (size_t i = 0; i < count; i++)
        buf_append(&merger->labels, &sorted[i].label, sizeof(sorted[i].label));
}

static void merge_sample(struct merger *merger, const struct profile_sample *sample)
{
    if (!merge_values(merger, sample))
        return;
    const uint32_t *ids = merger->source->profile->sample_locations + sample->location_start;
    buf_clear(&merger->ids);
    for (uint32_t i = 0; i < sample->location_count; i++) {
        uint32_t id = merge_location(merger, ids[i]);
        buf_append(&merger->ids, &id, sizeof(id));
    }
    merge_labels(merger, sample);
    profile_add_sample(merger->merged, (const uint32_t *)merger->ids.data, sample->location_count,
                       (const int64_t *)merger->values.data, (const struct profile_label *)merger->labels.data,
                       (uint32_t)(merger->labels.size / sizeof(struct profile_label)));
}

static void merge_source(struct merger *merger, const struct source *source)
{
    const struct profile *profile = source->profile;
    merger->source = source;
    merger->strings = mem_alloc_array(profile->string_count, sizeof(uint32_t));
    merger->functions = mem_alloc_array(profile->function_count, sizeof(uint32_t));
    merger->mappings = mem_alloc_array(profile->mapping_count, sizeof(uint32_t));
    merger->locations = mem_alloc_array(profile->location_count, sizeof(uint32_t));
    if (source->label_key != NULL)
        merger->own_label = (struct profile_label){.key = profile_string(merger->merged, source->label_key),
                                                   .text = profile_string(merger->merged, source->label_value)};
    /* The first mapping is the program, whatever the samples come across first. */
    if (merger->merged->mapping_count == 0 && profile->mapping_count > 0)
        merge_mapping(merger, 1);
    for (uint32_t i = 0; i < profile->sample_count; i++)
        merge_sample(merger, &profile->samples[i]);
    uint32_t *const tables[] = {merger->strings, merger->functions, merger->mappings, merger->locations};
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++)
        mem_free(tables[i]);
}

/* --- the whole --- */

/* Positions in a profile are 32 bits wide, and an index of as many is at most half full. */
static bool fits(const struct source *sources, size_t count)
{
    uint64_t most[9] = {0};
    for (size_t i = 0; i < count; i++) {
        const struct profile *profile = sources[i].profile;
        const uint32_t more[] = {
            profile->mapping_count,      profile->function_count,        profile->line_count,
            profile->location_count,     profile->sample_count,          profile->string_count,
            profile->sample_value_count, profile->sample_location_count, profile->sample_label_count};
        _Static_assert(ARRAY_COUNT(more) == ARRAY_COUNT(most), "a sum for each");
        for (size_t j = 0; j < ARRAY_COUNT(more); j++)
            most[j] += more[j];
        most[ARRAY_COUNT(more) - 1] += profile->sample_count; /* a label on each sample */
    }
    for (size_t i = 0; i < ARRAY_COUNT(most); i++) {
        if (most[i] > INDEX_ENTRIES_MAX)
            return false;
    }
    return true;
}

static bool has_empty_sample(const struct profile *profile)
{
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        bool is_empty = true;
        for (uint32_t j = 0; j < profile->sample_type_count; j++)
            is_empty = is_empty && profile_sample_values(profile, &profile->samples[i])[j] == 0;
        if (is_empty)
            return true;
    }
    return false;
}

static int merge_sources(struct source *sources, size_t count, struct profile **merged, struct buf *problem)
{
    struct merger merger = {.merged = profile_create()};
    arena_init(&merger.arena);
    int result = settle_types(&merger, sources, count, problem);
    if (result == 0)
        result = settle_period(&merger, sources, count, problem);
    if (result == 0) {
        for (size_t i = 0; i < count; i++) {
            merge_header(&merger, &sources[i], i == 0);
            merge_source(&merger, &sources[i]);
        }
    }
    struct buf *const buffers[] = {&merger.ids, &merger.values, &merger.labels, &merger.sorted, &merger.lines};
    for (size_t i = 0; i < ARRAY_COUNT(buffers); i++)
        buf_deinit(buffers[i]);
    HASH_CLEAR(hh, merger.known_mappings);
    index_deinit(&merger.comments);
    arena_deinit(&merger.arena);
    if (result != 0) {
        profile_destroy(merger.merged);
        merger.merged = NULL;
    }
    *merged = merger.merged;
    return result;
}

static int merge(struct source *sources, size_t count, struct profile **merged, struct buf *problem)
{
    ASSERT(count > 0);
    *merged = NULL;
    if (!fits(sources, count)) {
        buf_append_string(problem, "the profiles are too large to be one");
        return ERR_TOO_LARGE;
    }
    int result = merge_sources(sources, count, merged, problem);
    if (result != 0 || !has_empty_sample(*merged))
        return result;
    /* Once more, without those that cancelled out and what only they referred to. */
    struct profile *whole = *merged;
    struct source again = {.profile = whole};
    result = merge_sources(&again, 1, merged, problem);
    profile_destroy(whole);
    return result;
}

int profile_merge(const struct merge_input *inputs, size_t count, struct profile **merged, struct buf *problem)
{
    struct source *sources = mem_alloc_array(count, sizeof(*sources));
    for (size_t i = 0; i < count; i++)
        sources[i] = (struct source){.profile = inputs[i].profile, .label_key = inputs[i].label_key,
                                     .label_value = inputs[i].label_value};
    int result = merge(sources, count, merged, problem);
    mem_free(sources);
    return result;
}

int profile_subtract(const struct profile *profile, const struct profile *base, bool is_comparison,
                     struct profile **difference, struct buf *problem)
{
    struct source sources[] = {
        {.profile = profile},
        {.profile = base, .is_negative = true, .label_key = is_comparison ? FILTER_BASE_LABEL : NULL,
         .label_value = is_comparison ? "true" : NULL},
    };
    return merge(sources, ARRAY_COUNT(sources), difference, problem);
}
