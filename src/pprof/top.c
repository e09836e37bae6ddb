/* top.c: samples summed up by function name, and the rules by which pprof picks, sorts and prints them. */
#include "pprof/top.h"

#include "base/error.h"
#include "base/mem.h"
#include "pprof/measure.h"
#include "pprof/prune.h"

#include <stdlib.h>
#include <time.h>
#include <uthash.h>

/* pprof's defaults for -nodefraction and -edgefraction. */
#define NODE_FRACTION 0.005
#define EDGE_FRACTION 0.001

/* A function name, or the file of code that has no name. */
struct node {
    const char *name;   /* as printed */
    int64_t flat, cum;
    uint32_t seen_in;   /* the last sample that counted here, from 1: recursion counts once */
    bool shown;
    bool called, inlined; /* some caller calls it; some caller has it inlined */
};

/* Calls between two shown nodes, across those that are not shown. */
struct edge {
    struct edge_key {
        uint32_t caller, callee; /* node indexes */
    } key;
    int64_t weight;
    uint32_t seen_in;
    bool inlined; /* in all of its samples */
    UT_hash_handle hh;
};

/* One shown line of a location. A location's frames are in a row, outermost first. */
struct frame {
    uint32_t node;
    bool inlined; /* into the one before */
};

struct top {
    const struct profile *profile;
    struct arena arena; /* all below lives here */
    struct prune prune;
    uint32_t value_index; /* of the sample type that is shown */
    const char *sample_unit, *output_unit;
    struct node *nodes;
    uint32_t node_count;
    struct frame *frames;
    uint32_t *frame_start; /* by location; one more at the end */
    struct edge *edges;
    struct node **rows;
    uint32_t row_count;
    uint32_t candidate_count, dropped_count; /* nodes above and below the cutoff */
    int64_t total;
};

/* Sums wrap, as in Go; a hostile profile must not be undefined behaviour. */
static int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t magnitude(int64_t value)
{
    return value < 0 ? (int64_t)(0 - (uint64_t)value) : value;
}

static int64_t fraction_of(int64_t value, double fraction)
{
    return magnitude((int64_t)((double)value * fraction));
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static uint32_t default_value_index(const struct profile *profile)
{
    for (uint32_t i = 0; i < profile->sample_type_count && profile->default_sample_type != 0; i++) {
        if (profile->sample_types[i].type == profile->default_sample_type)
            return i;
    }
    return profile->sample_type_count - 1;
}

/* --- nodes and frames --- */

/* Node indexes plus one, by string: of function names, and of files for code without a name. */
struct node_names {
    uint32_t *functions, *files;
};

static uint32_t node_for(struct top *top, uint32_t *known, uint32_t string, const char *name)
{
    if (known[string] == 0) {
        top->nodes[top->node_count++] = (struct node){.name = name};
        known[string] = top->node_count;
    }
    return known[string] - 1;
}

static uint32_t node_of_file(struct top *top, const struct node_names *names, const struct profile_location *location)
{
    uint32_t file = location->mapping == 0 ? 0 : top->profile->mappings[location->mapping - 1].file;
    if (names->files[file] != 0)
        return names->files[file] - 1;
    const char *name = file == 0 ? "<unknown>"
                                 : arena_printf(&top->arena, "[%s]", base_name(profile_text(top->profile, file)));
    return node_for(top, names->files, file, name);
}

static void add_frames(struct top *top, const struct node_names *names, uint32_t location_id, uint32_t *frame_count)
{
    const struct profile *profile = top->profile;
    const struct profile_location *location = &profile->locations[location_id - 1];
    if (location->line_count == 0) {
        top->frames[(*frame_count)++] = (struct frame){.node = node_of_file(top, names, location)};
        return;
    }
    uint32_t first = prune_first_line(&top->prune, location_id);
    for (uint32_t i = location->line_count; i > first; i--) {
        uint32_t function = profile->lines[location->line_start + i - 1].function;
        uint32_t name = profile->functions[function - 1].name;
        uint32_t node = name == 0 ? node_of_file(top, names, location)
                                  : node_for(top, names->functions, name, profile_text(profile, name));
        top->frames[(*frame_count)++] = (struct frame){.node = node, .inlined = i < location->line_count};
    }
}

static void build_frames(struct top *top)
{
    const struct profile *profile = top->profile;
    struct node_names names = {
        .functions = arena_alloc_array(&top->arena, profile->string_count, sizeof(uint32_t)),
        .files = arena_alloc_array(&top->arena, profile->string_count, sizeof(uint32_t)),
    };
    size_t nodes_max = (size_t)profile->function_count + profile->mapping_count + 1;
    size_t frames_max = (size_t)profile->line_count + profile->location_count;
    top->nodes = arena_alloc_array(&top->arena, nodes_max, sizeof(*top->nodes));
    top->frames = arena_alloc_array(&top->arena, frames_max, sizeof(*top->frames));
    top->frame_start = arena_alloc_array(&top->arena, (size_t)profile->location_count + 1, sizeof(uint32_t));
    uint32_t frame_count = 0;
    for (uint32_t id = 1; id <= profile->location_count; id++) {
        top->frame_start[id - 1] = frame_count;
        add_frames(top, &names, id, &frame_count);
    }
    top->frame_start[profile->location_count] = frame_count;
}

/* --- weights --- */

static void weigh_sample(struct top *top, uint32_t number)
{
    const struct profile_sample *sample = &top->profile->samples[number];
    int64_t weight = top->profile->sample_values[sample->value_start + top->value_index];
    top->total = add(top->total, magnitude(weight));
    struct node *leaf = NULL;
    for (uint32_t i = sample->location_count, first = prune_sample(&top->prune, sample); i > first; i--) {
        uint32_t location = top->profile->sample_locations[sample->location_start + i - 1] - 1;
        for (uint32_t j = top->frame_start[location]; j < top->frame_start[location + 1]; j++) {
            leaf = &top->nodes[top->frames[j].node];
            if (leaf->seen_in != number + 1) {
                leaf->seen_in = number + 1;
                leaf->cum = add(leaf->cum, weight);
            }
        }
    }
    if (leaf != NULL)
        leaf->flat = add(leaf->flat, weight);
}

static void weigh_edge(struct top *top, struct edge_key key, uint32_t number, int64_t weight, bool inlined)
{
    struct edge *edge;
    HASH_FIND(hh, top->edges, &key, sizeof(key), edge);
    if (edge == NULL) {
        edge = arena_alloc(&top->arena, sizeof(*edge));
        edge->key = key;
        edge->inlined = true;
        HASH_ADD(hh, top->edges, key, sizeof(key), edge);
    }
    if (edge->seen_in == number + 1)
        return;
    edge->seen_in = number + 1;
    edge->weight = add(edge->weight, weight);
    edge->inlined = edge->inlined && inlined;
}

static void weigh_edges_of_sample(struct top *top, uint32_t number)
{
    const struct profile_sample *sample = &top->profile->samples[number];
    int64_t weight = top->profile->sample_values[sample->value_start + top->value_index];
    if (weight == 0)
        return;
    uint32_t caller = UINT32_MAX;
    for (uint32_t i = sample->location_count, first = prune_sample(&top->prune, sample); i > first; i--) {
        uint32_t location = top->profile->sample_locations[sample->location_start + i - 1] - 1;
        for (uint32_t j = top->frame_start[location]; j < top->frame_start[location + 1]; j++) {
            struct frame frame = top->frames[j];
            if (!top->nodes[frame.node].shown)
                continue;
            if (caller != UINT32_MAX && caller != frame.node)
                weigh_edge(top, (struct edge_key){caller, frame.node}, number, weight, frame.inlined);
            caller = frame.node;
        }
    }
}

/* --- rows --- */

static int compare_rows(const void *left, const void *right)
{
    const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
    int64_t flat_a = magnitude(a->flat), flat_b = magnitude(b->flat);
    if (flat_a != flat_b)
        return flat_a > flat_b ? -1 : 1;
    int by_name = strcmp(a->name, b->name);
    if (by_name != 0)
        return by_name;
    int64_t cum_a = magnitude(a->cum), cum_b = magnitude(b->cum);
    if (cum_a != cum_b)
        return cum_a > cum_b ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int64_t sum_of_flat(const struct top *top)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < top->node_count; i++)
        sum = add(sum, top->nodes[i].flat);
    return sum;
}

/* All that is above the cutoff, heaviest first, at most row_limit of them. */
static void select_rows(struct top *top, uint32_t row_limit)
{
    int64_t cutoff = fraction_of(sum_of_flat(top), NODE_FRACTION);
    top->rows = arena_alloc_array(&top->arena, top->node_count, sizeof(struct node *));
    for (uint32_t i = 0; i < top->node_count; i++) {
        struct node *node = &top->nodes[i];
        if (node->cum == 0 && node->flat == 0)
            continue;
        if (magnitude(node->cum) < cutoff)
            top->dropped_count++;
        else
            top->rows[top->row_count++] = node;
    }
    top->candidate_count = top->row_count;
    if (top->row_count > 0)
        qsort(top->rows, top->row_count, sizeof(struct node *), compare_rows);
    if (row_limit > 0 && row_limit < top->row_count)
        top->row_count = row_limit;
    for (uint32_t i = 0; i < top->row_count; i++)
        top->rows[i]->shown = true;
}

/* Which rows are inlined into their callers: rare calls do not count. */
static void mark_inlined(struct top *top)
{
    for (uint32_t i = 0; i < top->profile->sample_count; i++)
        weigh_edges_of_sample(top, i);
    int64_t cutoff = fraction_of(sum_of_flat(top), EDGE_FRACTION);
    for (struct edge *edge = top->edges; edge != NULL; edge = edge->hh.next) {
        if (magnitude(edge->weight) < cutoff)
            continue;
        struct node *callee = &top->nodes[edge->key.callee];
        if (edge->inlined)
            callee->inlined = true;
        else
            callee->called = true;
    }
    HASH_CLEAR(hh, top->edges);
}

/* One unit for all values: that of the smallest, or, where the largest has another and is far away, that of a hundred
 * times the smallest, which then prints as 0.01. */
static void choose_output_unit(struct top *top)
{
    int64_t smallest = 0;
    for (uint32_t i = 0; i < top->row_count; i++) {
        int64_t value = magnitude(top->rows[i]->flat != 0 ? top->rows[i]->flat : top->rows[i]->cum);
        if (value > 0 && (smallest == 0 || value < smallest))
            smallest = value;
    }
    if (smallest == 0)
        smallest = top->total;
    int64_t hundredfold = (int64_t)((uint64_t)smallest * 100);
    const char *unit = measure_scale(smallest, top->sample_unit, MEASURE_BEST_UNIT).unit;
    const char *largest_unit = measure_scale(top->total, top->sample_unit, MEASURE_BEST_UNIT).unit;
    if (strcmp(unit, largest_unit) != 0 && hundredfold < top->total)
        unit = measure_scale(hundredfold, top->sample_unit, MEASURE_BEST_UNIT).unit;
    if (top->row_count == 0)
        unit = MEASURE_BEST_UNIT;
    top->output_unit = *unit == '\0' ? top->sample_unit : unit;
}

/* --- text --- */

#define VALUE_TEXT_MAX 128
#define PERCENTAGE_TEXT_MAX 32

static void format_value(const struct top *top, int64_t value, char text[VALUE_TEXT_MAX])
{
    measure_format(value, top->sample_unit, top->output_unit, text, VALUE_TEXT_MAX);
}

static void print_time(const struct profile *profile, struct buf *out)
{
    char text[64];
    time_t seconds = profile->time_ns / 1000000000;
    struct tm local;
    if (localtime_r(&seconds, &local) == NULL)
        return;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &local);
    buf_printf(out, "Time: %s\n", text);
}

static void print_duration(const struct top *top, struct buf *out)
{
    int64_t duration_ns = top->profile->duration_ns;
    char duration[VALUE_TEXT_MAX], total[VALUE_TEXT_MAX], percentage[PERCENTAGE_TEXT_MAX];
    measure_format(duration_ns, "nanoseconds", MEASURE_BEST_UNIT, duration, sizeof(duration));
    format_value(top, top->total, total);
    buf_printf(out, "Duration: %s, Total samples = %s ", duration, total);
    struct measured in_ns = measure_scale(top->total, top->sample_unit, "nanoseconds");
    if (strcmp(in_ns.unit, "ns") == 0 && in_ns.value != 0 && in_ns.value < 0x1p63 && in_ns.value > -0x1p63) {
        measure_percentage((int64_t)in_ns.value, duration_ns, percentage, sizeof(percentage));
        buf_printf(out, "(%s)", percentage);
    }
    buf_append_string(out, "\n");
}

static void print_header(const struct top *top, struct buf *out)
{
    const struct profile *profile = top->profile;
    if (profile->mapping_count > 0 && profile->mappings[0].file != 0)
        buf_printf(out, "File: %s\n", base_name(profile_text(profile, profile->mappings[0].file)));
    if (profile->mapping_count > 0 && profile->mappings[0].build_id != 0)
        buf_printf(out, "Build ID: %s\n", profile_text(profile, profile->mappings[0].build_id));
    for (uint32_t i = 0; i < profile->comment_count; i++) {
        const char *comment = profile_text(profile, profile->comments[i]);
        if (*comment != '#')
            buf_printf(out, "%s\n", comment);
    }
    uint32_t type = profile->sample_types[top->value_index].type;
    if (type != 0)
        buf_printf(out, "Type: %s\n", profile_text(profile, type));
    if (profile->doc_url != 0)
        buf_printf(out, "Doc: %s\n", profile_text(profile, profile->doc_url));
    if (profile->time_ns != 0)
        print_time(profile, out);
    if (profile->duration_ns != 0)
        print_duration(top, out);
}

static void print_summary(const struct top *top, struct buf *out)
{
    int64_t shown = 0;
    for (uint32_t i = 0; i < top->row_count; i++)
        shown = add(shown, top->rows[i]->flat);
    char shown_text[VALUE_TEXT_MAX], total[VALUE_TEXT_MAX], percentage[PERCENTAGE_TEXT_MAX], cutoff[VALUE_TEXT_MAX];
    format_value(top, shown, shown_text);
    format_value(top, top->total, total);
    measure_percentage(shown, top->total, percentage, sizeof(percentage));
    buf_printf(out, "Showing nodes accounting for %s, %s of %s total\n", shown_text,
               percentage + strspn(percentage, " "), total);
    if (top->total == 0)
        return;
    if (top->dropped_count > 0) {
        format_value(top, fraction_of(top->total, NODE_FRACTION), cutoff);
        buf_printf(out, "Dropped %u node%s (cum <= %s)\n", top->dropped_count, top->dropped_count > 1 ? "s" : "",
                   cutoff);
    }
    if (top->row_count > 0 && top->row_count < top->candidate_count)
        buf_printf(out, "Showing top %u nodes out of %u\n", top->row_count, top->candidate_count);
}

static void print_rows(const struct top *top, struct buf *out)
{
    buf_printf(out, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
    int64_t sum = 0;
    for (uint32_t i = 0; i < top->row_count; i++) {
        const struct node *node = top->rows[i];
        sum = add(sum, node->flat);
        char flat[VALUE_TEXT_MAX], cum[VALUE_TEXT_MAX];
        char flat_share[PERCENTAGE_TEXT_MAX], sum_share[PERCENTAGE_TEXT_MAX], cum_share[PERCENTAGE_TEXT_MAX];
        format_value(top, node->flat, flat);
        format_value(top, node->cum, cum);
        measure_percentage(node->flat, top->total, flat_share, sizeof(flat_share));
        measure_percentage(sum, top->total, sum_share, sizeof(sum_share));
        measure_percentage(node->cum, top->total, cum_share, sizeof(cum_share));
        const char *mark = !node->inlined ? "" : node->called ? " (partial-inline)" : " (inline)";
        buf_printf(out, "%10s %s %s %10s %s  %s%s\n", flat, flat_share, sum_share, cum, cum_share, node->name, mark);
    }
}

int profile_top(const struct profile *profile, uint32_t row_limit, struct buf *out)
{
    ASSERT(profile->sample_type_count > 0);
    struct top top = {.profile = profile, .value_index = default_value_index(profile)};
    top.sample_unit = profile_text(profile, profile->sample_types[top.value_index].unit);
    arena_init(&top.arena);
    int result = prune_init(&top.prune, profile, &top.arena);
    if (result == 0) {
        build_frames(&top);
        for (uint32_t i = 0; i < profile->sample_count; i++)
            weigh_sample(&top, i);
        select_rows(&top, row_limit);
        mark_inlined(&top);
        choose_output_unit(&top);
        print_header(&top, out);
        print_summary(&top, out);
        print_rows(&top, out);
    }
    arena_deinit(&top.arena);
    return result;
}
