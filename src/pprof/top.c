/* top.c: samples summed up by node, and the rules by which pprof picks and sorts them. */
#include "pprof/top.h"

#include "base/mem.h"
#include "pprof/frame_table.h"
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

struct ranking {
    struct top *top;
    const struct filter *filter;
    const struct top_options *options;
    struct arena scratch;
    struct frame_table table;
    struct node **order; /* those above the cutoff, heaviest first */
    uint32_t order_count;
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

/* --- weights --- */

static void weigh_sample(struct ranking *ranking, uint32_t number, int64_t weight)
{
    const struct profile *profile = ranking->filter->profile;
    const struct frame_table *table = &ranking->table;
    const struct profile_sample *sample = &profile->samples[number];
    const uint32_t *ids = profile->sample_locations + sample->location_start;
    struct node *leaf = NULL;
    for (uint32_t i = sample->location_count, first = prune_sample(&ranking->filter->prune, sample); i > first; i--) {
        for (uint32_t j = table->starts[ids[i - 1] - 1]; j < table->starts[ids[i - 1]]; j++) {
            leaf = &table->nodes[table->frames[j].node];
            if (leaf->seen_in != number + 1) {
                leaf->seen_in = number + 1;
                leaf->cum = value_add(leaf->cum, weight);
            }
        }
    }
    if (leaf != NULL)
        leaf->flat = value_add(leaf->flat, weight);
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
    const struct profile *profile = ranking->filter->profile;
    const struct frame_table *table = &ranking->table;
    const struct profile_sample *sample = &profile->samples[number];
    const uint32_t *ids = profile->sample_locations + sample->location_start;
    uint32_t caller = UINT32_MAX;
    for (uint32_t i = sample->location_count, first = prune_sample(&ranking->filter->prune, sample); i > first; i--) {
        for (uint32_t j = table->starts[ids[i - 1] - 1]; j < table->starts[ids[i - 1]]; j++) {
            struct frame frame = table->frames[j];
            const struct node *node = &table->nodes[frame.node];
            if (!node->shown)
                continue;
            if (node->may_be_inlined && caller != UINT32_MAX && caller != frame.node) {
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

static void for_each_kept_sample(struct ranking *ranking,
                                 void (*weigh)(struct ranking *ranking, uint32_t number, int64_t weight))
{
    for (uint32_t i = 0; i < ranking->filter->profile->sample_count; i++) {
        int64_t weight = filter_value(ranking->filter, i);
        if (weight != 0 && filter_keeps(ranking->filter, i))
            weigh(ranking, i, weight);
    }
}

/* --- which nodes, in which order --- */

/* What decides, then the text, then the other one. */
static int compare(int64_t first_a, int64_t first_b, const struct node *a, const struct node *b, int64_t second_a,
                   int64_t second_b)
{
    if (first_a != first_b)
        return first_a > first_b ? -1 : 1;
    int by_text = strcmp(a->text, b->text);
    if (by_text != 0)
        return by_text;
    if (second_a != second_b)
        return second_a > second_b ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int compare_by_flat(const void *left, const void *right)
{
    const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
    return compare(magnitude(a->flat), magnitude(b->flat), a, b, magnitude(a->cum), magnitude(b->cum));
}

static int compare_by_cum(const void *left, const void *right)
{
    const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
    return compare(magnitude(a->cum), magnitude(b->cum), a, b, magnitude(a->flat), magnitude(b->flat));
}

static int64_t sum_of_flat(const struct ranking *ranking)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < ranking->table.node_count; i++)
        sum = value_add(sum, ranking->table.nodes[i].flat);
    return sum;
}

/* Callers are looked for among those that are shown. As in pprof, what cancelled out is a caller too where nothing had
 * to be left out. */
static void show_nodes(struct ranking *ranking)
{
    const struct top *top = ranking->top;
    bool is_whole = top->dropped_count == 0 && top->row_count == top->candidate_count;
    for (uint32_t i = 0; i < ranking->table.node_count && is_whole; i++)
        ranking->table.nodes[i].shown = true;
    for (uint32_t i = 0; i < top->row_count; i++)
        ranking->order[i]->shown = true;
}

/* All that is above the cutoff, heaviest first. */
static void select_nodes(struct ranking *ranking)
{
    struct top *top = ranking->top;
    int64_t cutoff = top_fraction(sum_of_flat(ranking), TOP_NODE_FRACTION);
    ranking->order = arena_alloc_array(&ranking->scratch, ranking->table.node_count, sizeof(struct node *));
    for (uint32_t i = 0; i < ranking->table.node_count; i++) {
        struct node *node = &ranking->table.nodes[i];
        if (node->cum == 0 && node->flat == 0)
            continue;
        if (magnitude(node->cum) < cutoff) {
            top->dropped_count++;
            continue;
        }
        node->text = frame_table_text(node, &top->arena);
        ranking->order[ranking->order_count++] = node;
    }
    top->candidate_count = top->row_count = ranking->order_count;
    if (ranking->order_count > 0)
        qsort(ranking->order, ranking->order_count, sizeof(struct node *),
              ranking->options->by_cum ? compare_by_cum : compare_by_flat);
    uint32_t limit = ranking->options->row_limit;
    if (limit > 0 && limit < top->row_count)
        top->row_count = limit;
    show_nodes(ranking);
}

/* Which rows are inlined into their callers: rare calls do not count. */
static void mark_inlined(struct ranking *ranking)
{
    for_each_kept_sample(ranking, weigh_edges_of_sample);
    int64_t cutoff = top_fraction(sum_of_flat(ranking), EDGE_FRACTION);
    for (uint32_t i = 0; i < ranking->edge_count; i++) {
        const struct edge *edge = &ranking->edges[i];
        if (magnitude(edge->weight) < cutoff)
            continue;
        struct node *callee = &ranking->table.nodes[edge->callee];
        if (edge->inlined)
            callee->inlined = true;
        else
            callee->called = true;
    }
}

/* --- the table --- */

static void build_rows(struct ranking *ranking)
{
    struct top *top = ranking->top;
    top->rows = arena_alloc_array(&top->arena, top->row_count, sizeof(*top->rows));
    for (uint32_t i = 0; i < top->row_count; i++) {
        const struct node *node = ranking->order[i];
        /* A path that was cleaned is in memory that goes. */
        const char *file = *node->file == '\0' ? "" : arena_printf(&top->arena, "%s", node->file);
        top->rows[i] = (struct top_row){
            .text = node->text, .function = node->name, .file = file, .line = node->line,
            .flat = node->flat, .cum = node->cum,
            .mark = !node->inlined ? "" : node->called ? "(partial-inline)" : "(inline)"};
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

void top_init(struct top *top, const struct filter *filter, const struct top_options *options)
{
    *top = (struct top){.filter = filter};
    arena_init(&top->arena);
    struct ranking ranking = {.top = top, .filter = filter, .options = options};
    arena_init(&ranking.scratch);
    frame_table_init(&ranking.table, filter->profile, &filter->prune, options->by_line, &ranking.scratch);
    for_each_kept_sample(&ranking, weigh_sample);
    select_nodes(&ranking);
    if (!options->is_unmarked)
        mark_inlined(&ranking);
    build_rows(&ranking);
    top->output_unit = choose_output_unit(top);
    pair_map_deinit(&ranking.edge_index);
    mem_free(ranking.edges);
    arena_deinit(&ranking.scratch);
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
