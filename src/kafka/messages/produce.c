/* produce.c: the fields of Produce, versions 0 to 11. */
#include "kafka/messages/produce.h"

static const struct codec_field produce_request_partition_fields[] = {
    CODEC_FIELD(produce_request_partition, index, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(produce_request_partition, records, RECORDS, CODEC_SINCE(0), .nullable = CODEC_SINCE(0)),
};
CODEC_SCHEMA(produce_request_partition);

static const struct codec_field produce_request_topic_fields[] = {
    CODEC_FIELD(produce_request_topic, name, STRING, CODEC_SINCE(0)),
    CODEC_STRUCTS(produce_request_topic, partition_data, produce_request_partition, CODEC_SINCE(0)),
};
CODEC_SCHEMA(produce_request_topic);

static const struct codec_field produce_request_fields[] = {
    CODEC_FIELD(produce_request, transactional_id, STRING, CODEC_SINCE(3), .nullable = CODEC_SINCE(3)),
    CODEC_FIELD(produce_request, acks, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(produce_request, timeout_ms, INT32, CODEC_SINCE(0)),
    CODEC_STRUCTS(produce_request, topic_data, produce_request_topic, CODEC_SINCE(0)),
};
CODEC_SCHEMA(produce_request);

static const struct codec_field produce_response_record_error_fields[] = {
    CODEC_FIELD(produce_response_record_error, batch_index, INT32, CODEC_SINCE(8)),
    CODEC_FIELD(produce_response_record_error, batch_index_error_message, STRING, CODEC_SINCE(8),
                .nullable = CODEC_SINCE(8)),
};
CODEC_SCHEMA(produce_response_record_error);

static const struct codec_field produce_response_leader_fields[] = {
    CODEC_FIELD(produce_response_leader, leader_id, INT32, CODEC_SINCE(10), .fallback = -1),
    CODEC_FIELD(produce_response_leader, leader_epoch, INT32, CODEC_SINCE(10), .fallback = -1),
};
CODEC_SCHEMA(produce_response_leader);

static const struct codec_field produce_response_partition_fields[] = {
    CODEC_FIELD(produce_response_partition, index, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(produce_response_partition, error_code, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(produce_response_partition, base_offset, INT64, CODEC_SINCE(0)),
    CODEC_FIELD(produce_response_partition, log_append_time_ms, INT64, CODEC_SINCE(2), .fallback = -1),
    CODEC_FIELD(produce_response_partition, log_start_offset, INT64, CODEC_SINCE(5), .fallback = -1),
    CODEC_STRUCTS(produce_response_partition, record_errors, produce_response_record_error, CODEC_SINCE(8)),
    CODEC_FIELD(produce_response_partition, error_message, STRING, CODEC_SINCE(8), .nullable = CODEC_SINCE(8)),
    CODEC_NESTED(produce_response_partition, current_leader, produce_response_leader, CODEC_SINCE(10),
                 CODEC_TAGGED(0, CODEC_SINCE(10))),
};
CODEC_SCHEMA(produce_response_partition);

static const struct codec_field produce_response_topic_fields[] = {
    CODEC_FIELD(produce_response_topic, name, STRING, CODEC_SINCE(0)),
    CODEC_STRUCTS(produce_response_topic, partition_responses, produce_response_partition, CODEC_SINCE(0)),
};
CODEC_SCHEMA(produce_response_topic);

static const struct codec_field produce_response_node_fields[] = {
    CODEC_FIELD(produce_response_node, node_id, INT32, CODEC_SINCE(10)),
    CODEC_FIELD(produce_response_node, host, STRING, CODEC_SINCE(10)),
    CODEC_FIELD(produce_response_node, port, INT32, CODEC_SINCE(10)),
    CODEC_FIELD(produce_response_node, rack, STRING, CODEC_SINCE(10), .nullable = CODEC_SINCE(10)),
};
CODEC_SCHEMA(produce_response_node);

static const struct codec_field produce_response_fields[] = {
    CODEC_STRUCTS(produce_response, responses, produce_response_topic, CODEC_SINCE(0)),
    CODEC_FIELD(produce_response, throttle_time_ms, INT32, CODEC_SINCE(1)),
    CODEC_STRUCTS(produce_response, node_endpoints, produce_response_node, CODEC_SINCE(10),
                  CODEC_TAGGED(0, CODEC_SINCE(10))),
};
CODEC_SCHEMA(produce_response);
