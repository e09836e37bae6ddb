/* dispatch.c: one row an API. */
#include "broker/dispatch.h"

#include "base/check.h"
#include "base/label.h"
#include "base/mem.h"
#include "broker/handlers.h"
#include "kafka/api.h"
#include "metrics/metrics.h"

static const struct {
    enum api_key key;
    void (*handle)(struct request *request);
} handlers[] = {
    {API_PRODUCE, kafka_handler_produce},
    {API_FETCH, kafka_handler_fetch},
    {API_LIST_OFFSETS, kafka_handler_list_offsets},
    {API_METADATA, kafka_handler_metadata},
    {API_FIND_COORDINATOR, kafka_handler_find_coordinator},
    {API_API_VERSIONS, kafka_handler_api_versions},
    {API_CREATE_TOPICS, kafka_handler_create_topics},
    {API_DELETE_TOPICS, kafka_handler_delete_topics},
    {API_INIT_PRODUCER_ID, kafka_handler_init_producer_id},
};

struct dispatch {
    struct dispatch_row rows[ARRAY_COUNT(handlers)];
};

struct dispatch *dispatch_create(struct metrics *metrics)
{
    struct dispatch *dispatch = MEM_NEW(struct dispatch);
    for (size_t i = 0; i < ARRAY_COUNT(handlers); i++) {
        const struct api *api = api_find((int16_t)handlers[i].key);
        ASSERT(api);
        dispatch->rows[i] = (struct dispatch_row){
            .api = api,
            .handle = handlers[i].handle,
            .label = label_intern(LABEL_API, bytes_of_string(api->name)),
            .latency = metrics_histogram(metrics, "takhin_request_latency_seconds",
                                         "From a whole request to its response, with what the client asked to wait.",
                                         &metric_buckets_latency, METRIC_LABELS("api", api->name)),
            .processing = metrics_histogram(metrics, "takhin_request_processing_seconds",
                                            "The same without what the client asked to wait (Fetch's long poll).",
                                            &metric_buckets_latency, METRIC_LABELS("api", api->name)),
        };
    }
    for (size_t i = 0; api_at(i); i++) /* what is advertised is served */
        ASSERT(dispatch_find(dispatch, api_at(i))->handle);
    return dispatch;
}

void dispatch_destroy(struct dispatch *dispatch)
{
    mem_free(dispatch);
}

const struct dispatch_row *dispatch_find(const struct dispatch *dispatch, const struct api *api)
{
    size_t i = 0;
    while (i < ARRAY_COUNT(handlers) && dispatch->rows[i].api != api)
        i++;
    ASSERT(i < ARRAY_COUNT(handlers));
    return &dispatch->rows[i];
}
