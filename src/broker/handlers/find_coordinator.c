/* find_coordinator.c: FindCoordinator: groups and transactions are not served, which a client may ask for again. */
#include "broker/handlers.h"

#include "base/trace.h"
#include "broker/request.h"
#include "kafka/error.h"
#include "kafka/messages/find_coordinator.h"

static const char why[] = "this broker serves neither consumer groups nor transactions";

void kafka_handler_find_coordinator(struct request *request)
{
    const struct find_coordinator_request *in = request->in;
    struct find_coordinator_response *out = request->out;

    trace_region_next("lookup");
    out->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    out->error_message = bytes_of_string(why);
    out->node_id = -1;
    out->port = -1;
    out->coordinators.count = in->coordinator_keys.count;
    out->coordinators.items =
        CODEC_NEW(request->arena, find_coordinator_response_coordinator, in->coordinator_keys.count);
    for (size_t i = 0; i < in->coordinator_keys.count; i++) {
        struct find_coordinator_response_coordinator *coordinator = &out->coordinators.items[i];
        coordinator->key = in->coordinator_keys.items[i];
        coordinator->node_id = -1;
        coordinator->port = -1;
        coordinator->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        coordinator->error_message = bytes_of_string(why);
    }
}
