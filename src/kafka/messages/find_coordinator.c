/* find_coordinator.c: the fields of FindCoordinator, versions 0 to 6. */
#include "kafka/messages/find_coordinator.h"

static const struct codec_field find_coordinator_request_fields[] = {
    CODEC_FIELD(find_coordinator_request, key, STRING, CODEC_RANGE(0, 3)),
    CODEC_FIELD(find_coordinator_request, key_type, INT8, CODEC_SINCE(1)),
    CODEC_SCALARS(find_coordinator_request, coordinator_keys, STRING, CODEC_SINCE(4)),
};
CODEC_SCHEMA(find_coordinator_request);

static const struct codec_field find_coordinator_response_coordinator_fields[] = {
    CODEC_FIELD(find_coordinator_response_coordinator, key, STRING, CODEC_SINCE(4)),
    CODEC_FIELD(find_coordinator_response_coordinator, node_id, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(find_coordinator_response_coordinator, host, STRING, CODEC_SINCE(4)),
    CODEC_FIELD(find_coordinator_response_coordinator, port, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(find_coordinator_response_coordinator, error_code, INT16, CODEC_SINCE(4)),
    CODEC_FIELD(find_coordinator_response_coordinator, error_message, STRING, CODEC_SINCE(4),
                .nullable = CODEC_SINCE(4)),
};
CODEC_SCHEMA(find_coordinator_response_coordinator);

static const struct codec_field find_coordinator_response_fields[] = {
    CODEC_FIELD(find_coordinator_response, throttle_time_ms, INT32, CODEC_SINCE(1)),
    CODEC_FIELD(find_coordinator_response, error_code, INT16, CODEC_RANGE(0, 3)),
    CODEC_FIELD(find_coordinator_response, error_message, STRING, CODEC_RANGE(1, 3), .nullable = CODEC_RANGE(1, 3)),
    CODEC_FIELD(find_coordinator_response, node_id, INT32, CODEC_RANGE(0, 3)),
    CODEC_FIELD(find_coordinator_response, host, STRING, CODEC_RANGE(0, 3)),
    CODEC_FIELD(find_coordinator_response, port, INT32, CODEC_RANGE(0, 3)),
    CODEC_STRUCTS(find_coordinator_response, coordinators, find_coordinator_response_coordinator, CODEC_SINCE(4)),
};
CODEC_SCHEMA(find_coordinator_response);
