/* analysis_facts.c: sorts what was gathered. */
#include "trace/analysis_facts.h"

#include "base/mem.h"

#include <stdlib.h>

#define HELD_MIN_NS 1000000
#define PIECE_SHARE 20 /* a piece of less than one in so many parts of its request is not shown */

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int compare_apis(const void *a, const void *b)
{
    uint64_t left = (*(const struct api *const *)a)->total_ns, right = (*(const struct api *const *)b)->total_ns;
    return left > right ? -1 : left < right;
}

static void sort_apis(struct facts *facts, struct trace_analysis *analysis)
{
    facts->api_count = analysis->api_count - 1;
    facts->apis = mem_alloc_array(facts->api_count, sizeof(struct api *));
    for (uint32_t i = 0; i < facts->api_count; i++) {
        struct api *api = &analysis->apis[1 + i];
        qsort(api->durations_ns, api->count, sizeof *api->durations_ns, compare_u64);
        facts->apis[i] = api;
    }
    qsort(facts->apis, facts->api_count, sizeof *facts->apis, compare_apis);
}

static void list_held(struct facts *facts, const struct trace_analysis *analysis)
{
    const struct stretches *const lists[] = {&analysis->stretches, &analysis->other_stretches};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
        for (unsigned j = 0; j < lists[i]->count && stretch_ns(&lists[i]->all[j]) >= HELD_MIN_NS; j++)
            facts->held[facts->held_count++] = &lists[i]->all[j];
}

static int compare_lanes(const void *a, const void *b)
{
    const struct analyzed_lane *left = *(const struct analyzed_lane *const *)a;
    const struct analyzed_lane *right = *(const struct analyzed_lane *const *)b;
    if (left->busy_ns != right->busy_ns)
        return left->busy_ns > right->busy_ns ? -1 : 1;
    return left < right ? -1 : 1;
}

static void sort_lanes(struct facts *facts, const struct trace_analysis *analysis)
{
    facts->lanes = mem_alloc_array(analysis->lane_count, sizeof(struct analyzed_lane *));
    for (uint32_t i = 0; i < analysis->lane_count; i++)
        if (analysis->lanes[i].exists && analysis->lanes[i].busy_ns > 0)
            facts->lanes[facts->lane_count++] = &analysis->lanes[i];
    qsort(facts->lanes, facts->lane_count, sizeof *facts->lanes, compare_lanes);
}

void facts_init(struct facts *facts, struct trace_analysis *analysis)
{
    analysis_finish(analysis);
    *facts = (struct facts){.api_count = 0};
    buf_init(&facts->findings);
    findings_write(analysis, &facts->findings);
    sort_apis(facts, analysis);
    list_held(facts, analysis);
    sort_lanes(facts, analysis);
}

void facts_deinit(struct facts *facts)
{
    mem_free(facts->lanes);
    mem_free(facts->apis);
    buf_deinit(&facts->findings);
}

uint64_t facts_percentile_ns(const struct api *api, unsigned percent)
{
    size_t rank = (api->count * percent + 99) / 100;
    return api->durations_ns[rank > 0 ? rank - 1 : 0];
}

bool facts_piece_matters(const struct request *request, const struct piece *piece)
{
    return deed_ns(&piece->deed) > 0 && deed_ns(&piece->deed) >= request_own_ns(request) / PIECE_SHARE;
}
