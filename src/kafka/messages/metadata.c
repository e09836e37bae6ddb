/* metadata.c: the fields of Metadata, versions 0 to 13. */
#include "kafka/messages/metadata.h"

static const struct codec_field metadata_request_topic_fields[] = {
    CODEC_FIELD(metadata_request_topic, topic_id, UUID, CODEC_SINCE(10)),
    CODEC_FIELD(metadata_request_topic, name, STRING, CODEC_SINCE(0), .nullable = CODEC_SINCE(10)),
};
CODEC_SCHEMA(metadata_request_topic);

static const struct codec_field metadata_request_fields[] = {
    CODEC_STRUCTS(metadata_request, topics, metadata_request_topic, CODEC_SINCE(0), .nullable = CODEC_SINCE(1)),
    CODEC_FIELD(metadata_request, allow_auto_topic_creation, BOOL, CODEC_SINCE(4), .fallback = true),
    CODEC_FIELD(metadata_request, include_cluster_authorized_operations, BOOL, CODEC_RANGE(8, 10)),
    CODEC_FIELD(metadata_request, include_topic_authorized_operations, BOOL, CODEC_SINCE(8)),
};
CODEC_SCHEMA(metadata_request);

static const struct codec_field metadata_response_broker_fields[] = {
    CODEC_FIELD(metadata_response_broker, node_id, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_broker, host, STRING, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_broker, port, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_broker, rack, STRING, CODEC_SINCE(1), .nullable = CODEC_SINCE(1)),
};
CODEC_SCHEMA(metadata_response_broker);

static const struct codec_field metadata_response_partition_fields[] = {
    CODEC_FIELD(metadata_response_partition, error_code, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_partition, partition_index, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_partition, leader_id, INT32, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_partition, leader_epoch, INT32, CODEC_SINCE(7), .fallback = -1),
    CODEC_SCALARS(metadata_response_partition, replica_nodes, INT32, CODEC_SINCE(0)),
    CODEC_SCALARS(metadata_response_partition, isr_nodes, INT32, CODEC_SINCE(0)),
    CODEC_SCALARS(metadata_response_partition, offline_replicas, INT32, CODEC_SINCE(5)),
};
CODEC_SCHEMA(metadata_response_partition);

static const struct codec_field metadata_response_topic_fields[] = {
    CODEC_FIELD(metadata_response_topic, error_code, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_topic, name, STRING, CODEC_SINCE(0), .nullable = CODEC_SINCE(12)),
    CODEC_FIELD(metadata_response_topic, topic_id, UUID, CODEC_SINCE(10)),
    CODEC_FIELD(metadata_response_topic, is_internal, BOOL, CODEC_SINCE(1)),
    CODEC_STRUCTS(metadata_response_topic, partitions, metadata_response_partition, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response_topic, topic_authorized_operations, INT32, CODEC_SINCE(8),
                .fallback = METADATA_OPERATIONS_NOT_ASKED),
};
CODEC_SCHEMA(metadata_response_topic);

static const struct codec_field metadata_response_fields[] = {
    CODEC_FIELD(metadata_response, throttle_time_ms, INT32, CODEC_SINCE(3)),
    CODEC_STRUCTS(metadata_response, brokers, metadata_response_broker, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response, cluster_id, STRING, CODEC_SINCE(2), .nullable = CODEC_SINCE(2)),
    CODEC_FIELD(metadata_response, controller_id, INT32, CODEC_SINCE(1), .fallback = -1),
    CODEC_STRUCTS(metadata_response, topics, metadata_response_topic, CODEC_SINCE(0)),
    CODEC_FIELD(metadata_response, cluster_authorized_operations, INT32, CODEC_RANGE(8, 10),
                .fallback = METADATA_OPERATIONS_NOT_ASKED),
    CODEC_FIELD(metadata_response, error_code, INT16, CODEC_SINCE(13)),
};
CODEC_SCHEMA(metadata_response);
