/* init_producer_id.c: the fields of InitProducerId, versions 0 to 5. */
#include "kafka/messages/init_producer_id.h"

static const struct codec_field init_producer_id_request_fields[] = {
    CODEC_FIELD(init_producer_id_request, transactional_id, STRING, CODEC_SINCE(0), .nullable = CODEC_SINCE(0)),
    CODEC_FIELD(init_producer_id_request, transaction_timeout_ms, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(init_producer_id_request, producer_id, INT64, CODEC_SINCE(3), .fallback = -1),
    CODEC_FIELD(init_producer_id_request, producer_epoch, INT16, CODEC_SINCE(3), .fallback = -1),
};
CODEC_SCHEMA(init_producer_id_request);

static const struct codec_field init_producer_id_response_fields[] = {
    CODEC_FIELD(init_producer_id_response, throttle_time_ms, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(init_producer_id_response, error_code, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(init_producer_id_response, producer_id, INT64, CODEC_SINCE(0), .fallback = -1),
    CODEC_FIELD(init_producer_id_response, producer_epoch, INT16, CODEC_SINCE(0)),
};
CODEC_SCHEMA(init_producer_id_response);
