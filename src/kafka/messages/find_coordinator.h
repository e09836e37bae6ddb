/* find_coordinator.h: FindCoordinator, key 10: which broker looks after a group or a transaction. */
#ifndef KAFKA_MESSAGES_FIND_COORDINATOR_H
#define KAFKA_MESSAGES_FIND_COORDINATOR_H

#include "kafka/codec.h"

enum find_coordinator_key_type { FIND_COORDINATOR_GROUP = 0, FIND_COORDINATOR_TRANSACTION = 1 };

struct find_coordinator_request {
    struct bytes key; /* to version 3 */
    int8_t key_type;  /* enum find_coordinator_key_type; version 1 on */
    CODEC_ARRAY(struct bytes) coordinator_keys; /* version 4 on */
};

struct find_coordinator_response_coordinator {
    struct bytes key;
    int32_t node_id;
    struct bytes host;
    int32_t port;
    int16_t error_code;
    struct bytes error_message; /* nullable */
};

struct find_coordinator_response {
    int32_t throttle_time_ms; /* version 1 on */
    /* The answer up to version 3. */
    int16_t error_code;
    struct bytes error_message; /* nullable; version 1 on */
    int32_t node_id;
    struct bytes host;
    int32_t port;
    /* The answers from version 4 on. */
    CODEC_ARRAY(struct find_coordinator_response_coordinator) coordinators;
};

extern const struct codec_schema find_coordinator_request_schema;
extern const struct codec_schema find_coordinator_response_coordinator_schema;
extern const struct codec_schema find_coordinator_response_schema;

#endif
