/* init_producer_id.h: InitProducerId, key 22: the identity of an idempotent or transactional producer. */
#ifndef KAFKA_MESSAGES_INIT_PRODUCER_ID_H
#define KAFKA_MESSAGES_INIT_PRODUCER_ID_H

#include "kafka/codec.h"

struct init_producer_id_request {
    struct bytes transactional_id; /* nullable: idempotent only */
    int32_t transaction_timeout_ms;
    int64_t producer_id;    /* -1: none yet; version 3 on */
    int16_t producer_epoch; /* -1: none yet; version 3 on */
};

struct init_producer_id_response {
    int32_t throttle_time_ms;
    int16_t error_code;
    int64_t producer_id; /* default -1 */
    int16_t producer_epoch;
};

extern const struct codec_schema init_producer_id_request_schema;
extern const struct codec_schema init_producer_id_response_schema;

#endif
