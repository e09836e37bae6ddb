/* analysis_requests.c: requests, summed up by their names, and the slowest ones with their longest pieces. */
#include "trace/analysis_state.h"

#include "base/mem.h"

#include <string.h>

void analysis_keep_piece(struct request *request, const struct piece *piece)
{
    unsigned at = PIECES_COUNT;
    while (at > 0 && deed_ns(&piece->deed) > deed_ns(&request->pieces[at - 1].deed))
        at--;
    if (at == PIECES_COUNT)
        return;
    memmove(&request->pieces[at + 1], &request->pieces[at], (PIECES_COUNT - 1 - at) * sizeof *piece);
    request->pieces[at] = *piece;
}

static struct api *api_at(struct trace_analysis *analysis, uint32_t name)
{
    uint32_t *index = index_map_at(&analysis->api_indexes, name);
    if (*index == 0) {
        if (analysis->api_count == analysis->api_capacity) {
            analysis->api_capacity *= 2;
            analysis->apis = mem_realloc(analysis->apis, analysis->api_capacity * sizeof *analysis->apis);
        }
        *index = analysis->api_count++;
        analysis->apis[*index] = (struct api){.name = name};
    }
    return &analysis->apis[*index];
}

static void count_request(struct api *api, const struct request *request)
{
    if (api->count == api->capacity) {
        api->capacity = api->capacity ? 2 * api->capacity : 4;
        api->durations_ns = mem_realloc(api->durations_ns, api->capacity * sizeof *api->durations_ns);
    }
    uint64_t duration_ns = request->end_ns - request->start_ns;
    api->durations_ns[api->count++] = duration_ns;
    api->total_ns += duration_ns;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        api->split_ns[i] += request->split_ns[i];
}

static void keep_slowest(struct trace_analysis *analysis, const struct request *request)
{
    unsigned at = analysis->slowest_count;
    while (at > 0 && request_own_ns(request) > request_own_ns(&analysis->slowest[at - 1]))
        at--;
    if (at == SLOWEST_COUNT)
        return;
    if (analysis->slowest_count < SLOWEST_COUNT)
        analysis->slowest_count++;
    memmove(&analysis->slowest[at + 1], &analysis->slowest[at],
            (analysis->slowest_count - 1 - at) * sizeof *request);
    analysis->slowest[at] = *request;
}

void analysis_end_request(struct trace_analysis *analysis, struct analyzed_task *task, uint64_t time_ns, bool is_open)
{
    struct request *request = task->request;
    request->end_ns = time_ns;
    request->is_open = is_open;
    if (is_open) {
        analysis->open_count++;
    } else {
        analysis->request_count++;
        count_request(api_at(analysis, request->who.api), request);
    }
    keep_slowest(analysis, request);
    mem_free(request);
    task->request = NULL;
    task->who.request = task->who.api = 0;
}
