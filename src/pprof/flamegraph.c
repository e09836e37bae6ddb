/* flamegraph.c: the data of the page: one JSON object of flat arrays of numbers, which refer to a list of strings. */
#include "pprof/flamegraph.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "pprof/flamegraph_page.h"
#include "pprof/flamegraph_tree.h"
#include "pprof/measure.h"

#include <string.h>

/* The labels of a sample, as strings of the tree's names: key, value, key, value. */
struct label_set {
    const uint32_t *strings;
    uint32_t count;
    uint32_t number;
    UT_hash_handle hh;
};

struct writer {
    struct flamegraph_tree tree; /* of both profiles */
    struct arena arena;
    struct label_set *label_sets;
    struct buf *out;
};

/* --- JSON --- */

static void write_number(struct buf *out, int64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        digits[--at] = '-';
    buf_append(out, digits + at, sizeof(digits) - at);
}

/* One number of a list; *first says whether it needs no comma. */
static void write_item(struct buf *out, bool *first, int64_t number)
{
    if (!*first)
        buf_append_byte(out, ',');
    *first = false;
    write_number(out, number);
}

/* A string in quotes. No '<' of it reaches the page: neither "</script" nor "<!--" can end the data early. */
static void write_text(struct buf *out, struct bytes text)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte < ' ' || byte == '<' || byte == '"' || byte == '\\')
            buf_printf(out, "\\u%04x", byte);
        else
            buf_append_byte(out, byte);
    }
    buf_append_byte(out, '"');
}

static void write_text_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\n\"%s\":", name);
    write_text(out, bytes_of_string(text));
}

/* --- labels --- */

static uint32_t label_value(struct writer *writer, const struct profile *profile, const struct profile_label *label)
{
    if (label->text != 0)
        return profile_string_bytes(writer->tree.names, profile->strings[label->text]);
    /* Go's heap profiles have a label "bytes" and no unit. */
    char text[128];
    measure_format(label->number, profile_text(profile, label->unit != 0 ? label->unit : label->key),
                   MEASURE_BEST_UNIT, text, sizeof(text));
    return profile_string(writer->tree.names, text);
}

static uint32_t add_label_set(struct writer *writer, const struct profile *profile, const struct profile_sample *sample)
{
    uint32_t count = 2 * sample->label_count;
    uint32_t *strings = mem_alloc_array(count + 1, sizeof(*strings));
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(profile, sample->label_start + i);
        strings[2 * i] = profile_string_bytes(writer->tree.names, profile->strings[label.key]);
        strings[2 * i + 1] = label_value(writer, profile, &label);
    }
    struct label_set *set;
    size_t size = count * sizeof(*strings);
    HASH_FIND(hh, writer->label_sets, strings, size, set);
    if (set == NULL) {
        set = arena_alloc(&writer->arena, sizeof(*set));
        uint32_t *copy = arena_alloc_array(&writer->arena, count + 1, sizeof(*copy));
        memcpy(copy, strings, size);
        *set = (struct label_set){.strings = copy, .count = count, .number = HASH_COUNT(writer->label_sets)};
        HASH_ADD_KEYPTR(hh, writer->label_sets, set->strings, size, set);
    }
    mem_free(strings);
    return set->number;
}

/* --- samples --- */

#define NO_TYPE UINT32_MAX

static uint32_t find_type(const struct profile *profile, const char *type, const char *unit)
{
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        const struct profile_value_type *value_type = &profile->sample_types[i];
        if (strcmp(profile_text(profile, value_type->type), type) == 0 &&
            (unit == NULL || strcmp(profile_text(profile, value_type->unit), unit) == 0))
            return i;
    }
    return NO_TYPE;
}

/* Where in `of` the values of each of the profile's sample types are. ERR_NOT_FOUND: it has none of them. */
static int match_types(const struct profile *profile, const struct profile *of, uint32_t *columns)
{
    int result = ERR_NOT_FOUND;
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        const struct profile_value_type *value_type = &profile->sample_types[i];
        columns[i] = find_type(of, profile_text(profile, value_type->type), profile_text(profile, value_type->unit));
        if (columns[i] != NO_TYPE)
            result = 0;
    }
    return result;
}

/* One of the two profiles. Each sample: its node, its set of labels, its values. */
static void write_samples(struct writer *writer, const struct filter *filter, const uint32_t *nodes,
                          const uint32_t *columns, uint32_t column_count)
{
    struct buf *out = writer->out;
    const struct profile *profile = filter->profile;
    buf_printf(out, "{\"time_ms\":%lld,\"duration_ns\":%lld,\"samples\":[", (long long)(profile->time_ns / 1000000),
               (long long)profile->duration_ns);
    bool first = true;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        if (!filter_keeps(filter, i))
            continue;
        const struct profile_sample *sample = &profile->samples[i];
        write_item(out, &first, nodes[i]);
        write_item(out, &first, add_label_set(writer, profile, sample));
        for (uint32_t j = 0; j < column_count; j++) {
            bool missing = columns[j] == NO_TYPE;
            write_item(out, &first, missing ? 0 : profile_sample_values(profile, sample)[columns[j]]);
        }
    }
    buf_append_string(out, "]}");
}

/* --- the tree, and what all refer to --- */

static void write_tree(const struct flamegraph_tree *tree, struct buf *out)
{
    bool first = true;
    buf_append_string(out, ",\n\"frames\":["); /* name, file, line, kind and whether it is inlined */
    for (uint32_t i = 0; i < tree->frame_count; i++) {
        const struct flamegraph_frame *frame = &tree->frames[i];
        write_item(out, &first, frame->name);
        write_item(out, &first, frame->file);
        write_item(out, &first, frame->line);
        write_item(out, &first, 2 * (int)frame->kind + frame->inlined);
    }
    buf_append_string(out, "],\n\"nodes\":["); /* how far back the parent is, frame; the root is not listed */
    first = true;
    for (uint32_t i = FLAMEGRAPH_ROOT + 1; i < tree->node_count; i++) {
        write_item(out, &first, i - tree->nodes[i].parent);
        write_item(out, &first, tree->nodes[i].frame);
    }
    buf_append_string(out, "]");
}

static void write_label_sets(const struct label_set *sets, struct buf *out)
{
    buf_append_string(out, ",\n\"labels\":[");
    for (const struct label_set *set = sets; set != NULL; set = set->hh.next) {
        bool first = true;
        buf_append_string(out, set == sets ? "[" : ",[");
        for (uint32_t i = 0; i < set->count; i++)
            write_item(out, &first, set->strings[i]);
        buf_append_byte(out, ']');
    }
    buf_append_byte(out, ']');
}

/* Last: all names are known then. */
static void write_strings(const struct profile *names, struct buf *out)
{
    buf_append_string(out, ",\n\"strings\":[");
    for (uint32_t i = 0; i < names->string_count; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        write_text(out, names->strings[i]);
    }
    buf_append_byte(out, ']');
}

static void write_head(const struct profile *profile, const char *title, uint32_t type, struct buf *out)
{
    buf_printf(out, "{\"type\":%u,\n\"types\":[", type);
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        buf_append_string(out, i == 0 ? "[" : ",[");
        write_text(out, bytes_of_string(profile_text(profile, profile->sample_types[i].type)));
        buf_append_byte(out, ',');
        write_text(out, bytes_of_string(profile_text(profile, profile->sample_types[i].unit)));
        buf_append_byte(out, ']');
    }
    buf_append_byte(out, ']');
    write_text_member(out, "title", title == NULL ? "" : title);
    bool has_program = profile->mapping_count > 0;
    write_text_member(out, "program",
                      has_program ? profile_base_name(profile_text(profile, profile->mappings[0].file)) : "");
    buf_append_string(out, ",\n\"comments\":[");
    for (uint32_t i = 0; i < profile->comment_count; i++) {
        if (i > 0)
            buf_append_byte(out, ',');
        write_text(out, bytes_of_string(profile_text(profile, profile->comments[i])));
    }
    buf_append_byte(out, ']');
}

static void write_data(struct writer *writer, const struct filter *const *filters, uint32_t *const *nodes,
                       uint32_t *const *columns, const char *title)
{
    static const char *const names[] = {",\n\"profile\":", ",\n\"base\":"};
    const struct profile *profile = filters[0]->profile;
    write_head(profile, title, filters[0]->value_index, writer->out);
    write_tree(&writer->tree, writer->out);
    for (int i = 0; i < 2 && filters[i] != NULL; i++) {
        buf_append_string(writer->out, names[i]);
        write_samples(writer, filters[i], nodes[i], columns[i], profile->sample_type_count);
    }
    write_label_sets(writer->label_sets, writer->out);
    write_strings(writer->tree.names, writer->out);
    buf_append_byte(writer->out, '}');
}

static int write_page(const struct filter *const *filters, const char *title, struct buf *out)
{
    struct writer writer = {.out = out};
    const struct profile *profile = filters[0]->profile;
    flamegraph_tree_init(&writer.tree);
    arena_init(&writer.arena);
    uint32_t *nodes[2] = {0}, *columns[2] = {0};
    int result = 0;
    for (int i = 0; i < 2 && result == 0 && filters[i] != NULL; i++) {
        const struct profile *of = filters[i]->profile;
        nodes[i] = arena_alloc_array(&writer.arena, of->sample_count, sizeof(uint32_t));
        columns[i] = arena_alloc_array(&writer.arena, profile->sample_type_count, sizeof(uint32_t));
        result = match_types(profile, of, columns[i]);
        if (result == 0)
            result = flamegraph_tree_add(&writer.tree, filters[i], nodes[i]);
    }
    if (result == 0) {
        buf_append(out, flamegraph_page_before, flamegraph_page_before_size);
        write_data(&writer, filters, nodes, columns, title);
        buf_append(out, flamegraph_page_after, flamegraph_page_after_size);
    }
    HASH_CLEAR(hh, writer.label_sets);
    arena_deinit(&writer.arena);
    flamegraph_tree_deinit(&writer.tree);
    return result;
}

/* One that keeps everything. */
static int init_filter(struct filter *filter, const struct profile *profile)
{
    struct buf problem;
    buf_init(&problem);
    int result = filter_init(filter, profile, &(struct filter_options){0}, &problem);
    buf_deinit(&problem);
    return result;
}

int profile_write_flamegraph(const struct profile *profile, const struct profile *base,
                             const struct flamegraph_options *options, struct buf *out)
{
    static const struct flamegraph_options no_options;
    if (options == NULL)
        options = &no_options;
    const struct profile *const profiles[] = {profile, base};
    const struct filter *filters[] = {options->filter, options->base_filter};
    struct filter own[2];
    int result = 0, own_count = 0;
    for (int i = 0; i < 2 && result == 0; i++) {
        if (profiles[i] == NULL || filters[i] != NULL)
            continue;
        result = init_filter(&own[own_count], profiles[i]);
        if (result == 0)
            filters[i] = &own[own_count++];
    }
    if (result == 0)
        result = write_page(filters, options->title, out);
    while (own_count > 0)
        filter_deinit(&own[--own_count]);
    return result;
}
