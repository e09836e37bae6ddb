/* init_producer_id.c: InitProducerId: an id for an idempotent producer. */
#include "broker/handlers.h"

#include "base/trace.h"
#include "broker/request.h"
#include "kafka/error.h"
#include "kafka/messages/init_producer_id.h"
#include "storage/storage.h"

void kafka_handler_init_producer_id(struct request *request)
{
    const struct init_producer_id_request *in = request->in;
    struct init_producer_id_response *out = request->out;

    trace_region_next("new_producer_id");
    if (in->transactional_id.data) { /* clients find no coordinator for it, so only a mistaken one gets here */
        out->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        out->producer_epoch = -1;
        return;
    }
    /* A producer that lost track (it names its old id) starts anew as well: its sequences begin at 0 again. */
    out->producer_id = storage_new_producer_id();
    out->producer_epoch = 0;
}
