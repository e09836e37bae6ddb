/* top.c: the rules by which pprof picks nodes, sorts them and says which are inlined. */
#include "pprof/top.h"

#include "base/mem.h"
#include "pprof/measure.h"
#include "pprof/pair_map.h"
#include "pprof/value.h"

#include <stdlib.h>

/* pprof's default for -edgefraction; -nodefraction is TOP_NODE_FRACTION. */
#define EDGE_FRACTION 0.001

/* Calls of a node that is inlined somewhere, from one shown node, across those that are not shown. */
struct edge {
    uint32_t callee;
    uint32_t seen_in; /* the last sample that counted here, from 1 */
    int64_t weight;
    bool inlined;     /* in all of its samples */
};

/* A node that may be a row. */
struct candidate {
    uint32_t node;
    int64_t flat, cum;
    const char *text;
};

/* Of a node. */
enum flag {
    SHOWN = 1,
    CALLED = 2,  /* some caller calls it */
    INLINED = 4, /* some caller has it inlined */
};

struct ranking {
    struct top *top;
    const struct weights *weights;
    const struct top_options *options;
    struct arena scratch;
    struct candidate *order; /* those above the cutoff, heaviest first */
    uint8_t *flags;          /* by node */
    struct pair_map edge_index; /* caller, callee */
    struct edge *edges;
    uint32_t edge_count, edge_capacity;
};

/* The least of all numbers stays what it is, as in Go. */
static int64_t magnitude(int64_t value)
{
    return (int64_t)value_magnitude(value);
}

int64_t top_fraction(int64_t value, double fraction)
{
    return magnitude((int64_t)((double)value * fraction));
}

/* --- which nodes, in which order --- */

/* What decides, then the text, then the other one. */
static int compare(int64_t first_a, int64_t first_b, const struct candidate *a, const struct candidate *b,
                   int64_t second_a, int64_t second_b)
{
    if (first_a != first_b)
        return first_a > first_b ? -1 : 1;
    int by_text = strcmp(a->text, b->text);
    if (by_text != 0)
        return by_text;
    if (second_a != second_b)
        return second_a > second_b ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static int compare_by_flat(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return compare(magnitude(a->flat), magnitude(b->flat), a, b, magnitude(a->cum), magnitude(b->cum));
}

static int compare_by_cum(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return compare(magnitude(a->cum), magnitude(b->cum), a, b, magnitude(a->flat), magnitude(b->flat));
}

/* All that is above the cutoff, heaviest first. */
static void select_nodes(struct ranking *ranking)
{
    struct top *top = ranking->top;
    const struct weights *weights = ranking->weights;
    int64_t cutoff = top_fraction(weights->flat_sum, TOP_NODE_FRACTION);
    ranking->order = arena_alloc_array(&ranking->scratch, weights->table.node_count, sizeof(*ranking->order));
    for (uint32_t i = 0; i < weights->table.node_count; i++) {
        struct candidate candidate = {.node = i, .flat = weights->flat[i], .cum = weights->cum[i]};
        if (candidate.cum == 0 && candidate.flat == 0)
            continue;
        if (magnitude(candidate.cum) < cutoff) {
            top->dropped_count++;
            continue;
        }
        candidate.text = frame_table_text(&weights->table.nodes[i], &top->arena);
        ranking->order[top->candidate_count++] = candidate;
    }
    if (top->candidate_count > 0)
        qsort(ranking->order, top->candidate_count, sizeof(*ranking->order),
              ranking->options->by_cum ? compare_by_cum : compare_by_flat);
    uint32_t limit = ranking->options->row_limit;
    top->row_count = limit > 0 && limit < top->candidate_count ? limit : top->candidate_count;
}

/* --- which rows are inlined --- */

/* Callers are looked for among those that are shown. As in pprof, what cancelled out is a caller too where nothing had
 * to be left out. */
static void show_nodes(struct ranking *ranking)
{
    const struct top *top = ranking->top;
    uint32_t node_count = ranking->weights->table.node_count;
    bool is_whole = top->dropped_count == 0 && top->row_count == top->candidate_count;
    ranking->flags = arena_alloc_array(&ranking->scratch, node_count, sizeof(*ranking->flags));
    for (uint32_t i = 0; i < node_count && is_whole; i++)
        ranking->flags[i] = SHOWN;
    for (uint32_t i = 0; i < top->row_count; i++)
        ranking->flags[ranking->order[i].node] = SHOWN;
}

static bool may_be_inlined(const struct ranking *ranking)
{
    for (uint32_t i = 0; i < ranking->top->row_count; i++) {
        if (ranking->weights->table.nodes[ranking->order[i].node].may_be_inlined)
            return true;
    }
    return false;
}

static struct edge *find_edge(struct ranking *ranking, uint32_t caller, uint32_t callee)
{
    uint32_t at = pair_map_find_or_add(&ranking->edge_index, caller, callee, ranking->edge_count);
    if (at < ranking->edge_count)
        return &ranking->edges[at];
    if (ranking->edge_count == ranking->edge_capacity) {
        ranking->edge_capacity = ranking->edge_capacity == 0 ? 64 : ranking->edge_capacity * 2;
        ranking->edges = mem_realloc(ranking->edges, (size_t)ranking->edge_capacity * sizeof(struct edge));
    }
    ranking->edges[ranking->edge_count] = (struct edge){.callee = callee, .inlined = true};
    return &ranking->edges[ranking->edge_count++];
}

static void weigh_edges_of_sample(struct ranking *ranking, uint32_t number, int64_t weight)
{
    const struct filter *filter = ranking->weights->filter;
    const struct frame_table *table = &ranking->weights->table;
    const struct profile_sample *sample = &filter->profile->samples[number];
    const uint32_t *ids = filter->profile->sample_locations + sample->location_start;
    uint32_t caller = UINT32_MAX;
    for (uint32_t i = sample->location_count, first = prune_sample(&filter->prune, sample); i > first; i--) {
        for (uint32_t j = table->starts[ids[i - 1] - 1]; j < table->starts[ids[i - 1]]; j++) {
            struct frame frame = table->frames[j];
            if ((ranking->flags[frame.node] & SHOWN) == 0)
                continue;
            if (table->nodes[frame.node].may_be_inlined && caller != UINT32_MAX && caller != frame.node) {
                struct edge *edge = find_edge(ranking, caller, frame.node);
                if (edge->seen_in != number + 1) {
                    edge->seen_in = number + 1;
                    edge->weight = value_add(edge->weight, weight);
                    edge->inlined = edge->inlined && frame.inlined;
                }
            }
            caller = frame.node;
        }
    }
}

/* Rare calls do not count. */
static void mark_inlined(struct ranking *ranking)
{
    const struct filter *filter = ranking->weights->filter;
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        int64_t weight = filter_value(filter, i);
        if (weight != 0 && filter_keeps(filter, i))
            weigh_edges_of_sample(ranking, i, weight);
    }
    int64_t cutoff = top_fraction(ranking->weights->flat_sum, EDGE_FRACTION);
    for (uint32_t i = 0; i < ranking->edge_count; i++) {
        const struct edge *edge = &ranking->edges[i];
        if (magnitude(edge->weight) >= cutoff)
            ranking->flags[edge->callee] |= edge->inlined ? INLINED : CALLED;
    }
}

static const char *mark_of(uint8_t flags)
{
    if ((flags & INLINED) == 0)
        return "";
    return (flags & CALLED) == 0 ? "(inline)" : "(partial-inline)";
}

/* --- the table --- */

static void build_rows(struct ranking *ranking)
{
    struct top *top = ranking->top;
    top->rows = arena_alloc_array(&top->arena, top->row_count, sizeof(*top->rows));
    for (uint32_t i = 0; i < top->row_count; i++) {
        const struct candidate *candidate = &ranking->order[i];
        const struct node *node = &ranking->weights->table.nodes[candidate->node];
        /* A path that was cleaned is in memory that goes. */
        const char *file = *node->file == '\0' ? "" : arena_printf(&top->arena, "%s", node->file);
        top->rows[i] = (struct top_row){
            .text = candidate->text, .function = node->name, .file = file, .line = node->line,
            .flat = candidate->flat, .cum = candidate->cum, .mark = mark_of(ranking->flags[candidate->node])};
    }
}

/* One unit for all values: that of the smallest, or, where the largest has another and is far away, that of a hundred
 * times the smallest, which then prints as 0.01. */
static const char *choose_output_unit(const struct top *top)
{
    const char *sample_unit = top->filter->unit;
    if (top->row_count == 0)
        return MEASURE_BEST_UNIT;
    int64_t smallest = 0, total = top->filter->total;
    for (uint32_t i = 0; i < top->row_count; i++) {
        int64_t value = magnitude(top->rows[i].flat != 0 ? top->rows[i].flat : top->rows[i].cum);
        if (value > 0 && (smallest == 0 || value < smallest))
            smallest = value;
    }
    if (smallest == 0)
        smallest = total;
    int64_t hundredfold = (int64_t)((uint64_t)smallest * 100);
    const char *unit = measure_scale(smallest, sample_unit, MEASURE_BEST_UNIT).unit;
    const char *largest_unit = measure_scale(total, sample_unit, MEASURE_BEST_UNIT).unit;
    if (strcmp(unit, largest_unit) != 0 && hundredfold < total)
        unit = measure_scale(hundredfold, sample_unit, MEASURE_BEST_UNIT).unit;
    return *unit == '\0' ? sample_unit : unit;
}

void top_init_weighed(struct top *top, const struct weights *weights, const struct top_options *options)
{
    ASSERT(weights->by_line == options->by_line);
    *top = (struct top){.filter = weights->filter};
    arena_init(&top->arena);
    struct ranking ranking = {.top = top, .weights = weights, .options = options};
    arena_init(&ranking.scratch);
    select_nodes(&ranking);
    show_nodes(&ranking);
    if (!options->is_unmarked && may_be_inlined(&ranking))
        mark_inlined(&ranking);
    build_rows(&ranking);
    top->output_unit = choose_output_unit(top);
    pair_map_deinit(&ranking.edge_index);
    mem_free(ranking.edges);
    arena_deinit(&ranking.scratch);
}

void top_init(struct top *top, const struct filter *filter, const struct top_options *options)
{
    struct weights weights;
    weights_init(&weights, filter, options->by_line);
    top_init_weighed(top, &weights, options);
    weights_deinit(&weights);
}

void top_deinit(struct top *top)
{
    arena_deinit(&top->arena);
}

int profile_top(const struct profile *profile, uint32_t row_limit, struct buf *out)
{
    struct filter filter;
    struct buf problem;
    buf_init(&problem);
    int result = filter_init(&filter, profile, &(struct filter_options){0}, &problem);
    buf_deinit(&problem);
    if (result != 0)
        return result;
    struct top top;
    top_init(&top, &filter, &(struct top_options){.row_limit = row_limit});
    top_print(&top, out);
    top_deinit(&top);
    filter_deinit(&filter);
    return 0;
}
