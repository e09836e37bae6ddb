/* produce.h: Produce, key 0: append record batches to partitions.
 *
 * Before version 3 the records are of message formats 0 and 1; such a request can be decoded, so that it can be
 * answered with UNSUPPORTED_VERSION. */
#ifndef KAFKA_MESSAGES_PRODUCE_H
#define KAFKA_MESSAGES_PRODUCE_H

#include "kafka/codec.h"

struct produce_request_partition {
    int32_t index;
    struct wire_records records; /* nullable */
};

struct produce_request_topic {
    struct bytes name;
    CODEC_ARRAY(struct produce_request_partition) partition_data;
};

struct produce_request {
    struct bytes transactional_id; /* nullable: no transaction; version 3 on */
    int16_t acks;                  /* 0: send no response, 1: the leader has it, -1: all in-sync replicas have it */
    int32_t timeout_ms;
    CODEC_ARRAY(struct produce_request_topic) topic_data;
};

struct produce_response_record_error {
    int32_t batch_index; /* of the record in its batch */
    struct bytes batch_index_error_message; /* nullable */
};

struct produce_response_leader {
    int32_t leader_id;    /* -1: unknown */
    int32_t leader_epoch; /* -1: unknown */
};

struct produce_response_partition {
    int32_t index;
    int16_t error_code;
    int64_t base_offset;
    int64_t log_append_time_ms; /* default -1: the producer's timestamps stand; version 2 on */
    int64_t log_start_offset;   /* default -1; version 5 on */
    CODEC_ARRAY(struct produce_response_record_error) record_errors; /* version 8 on */
    struct bytes error_message;                    /* nullable; version 8 on */
    struct produce_response_leader current_leader; /* tagged; version 10 on */
};

struct produce_response_topic {
    struct bytes name;
    CODEC_ARRAY(struct produce_response_partition) partition_responses;
};

struct produce_response_node {
    int32_t node_id;
    struct bytes host;
    int32_t port;
    struct bytes rack; /* nullable */
};

struct produce_response {
    CODEC_ARRAY(struct produce_response_topic) responses;
    int32_t throttle_time_ms; /* version 1 on */
    CODEC_ARRAY(struct produce_response_node) node_endpoints; /* tagged; version 10 on */
};

extern const struct codec_schema produce_request_partition_schema;
extern const struct codec_schema produce_request_topic_schema;
extern const struct codec_schema produce_request_schema;
extern const struct codec_schema produce_response_record_error_schema;
extern const struct codec_schema produce_response_leader_schema;
extern const struct codec_schema produce_response_partition_schema;
extern const struct codec_schema produce_response_topic_schema;
extern const struct codec_schema produce_response_node_schema;
extern const struct codec_schema produce_response_schema;

#endif
