/* list_offsets.c: the fields of ListOffsets, versions 1 to 10. */
#include "kafka/messages/list_offsets.h"

static const struct codec_field list_offsets_request_partition_fields[] = {
    CODEC_FIELD(list_offsets_request_partition, partition_index, INT32, CODEC_SINCE(1)),
    CODEC_FIELD(list_offsets_request_partition, current_leader_epoch, INT32, CODEC_SINCE(4), .fallback = -1),
    CODEC_FIELD(list_offsets_request_partition, timestamp, INT64, CODEC_SINCE(1)),
};
CODEC_SCHEMA(list_offsets_request_partition);

static const struct codec_field list_offsets_request_topic_fields[] = {
    CODEC_FIELD(list_offsets_request_topic, name, STRING, CODEC_SINCE(1)),
    CODEC_STRUCTS(list_offsets_request_topic, partitions, list_offsets_request_partition, CODEC_SINCE(1)),
};
CODEC_SCHEMA(list_offsets_request_topic);

static const struct codec_field list_offsets_request_fields[] = {
    CODEC_FIELD(list_offsets_request, replica_id, INT32, CODEC_SINCE(1)),
    CODEC_FIELD(list_offsets_request, isolation_level, INT8, CODEC_SINCE(2)),
    CODEC_STRUCTS(list_offsets_request, topics, list_offsets_request_topic, CODEC_SINCE(1)),
    CODEC_FIELD(list_offsets_request, timeout_ms, INT32, CODEC_SINCE(10)),
};
CODEC_SCHEMA(list_offsets_request);

static const struct codec_field list_offsets_response_partition_fields[] = {
    CODEC_FIELD(list_offsets_response_partition, partition_index, INT32, CODEC_SINCE(1)),
    CODEC_FIELD(list_offsets_response_partition, error_code, INT16, CODEC_SINCE(1)),
    CODEC_FIELD(list_offsets_response_partition, timestamp, INT64, CODEC_SINCE(1), .fallback = -1),
    CODEC_FIELD(list_offsets_response_partition, offset, INT64, CODEC_SINCE(1), .fallback = -1),
    CODEC_FIELD(list_offsets_response_partition, leader_epoch, INT32, CODEC_SINCE(4), .fallback = -1),
};
CODEC_SCHEMA(list_offsets_response_partition);

static const struct codec_field list_offsets_response_topic_fields[] = {
    CODEC_FIELD(list_offsets_response_topic, name, STRING, CODEC_SINCE(1)),
    CODEC_STRUCTS(list_offsets_response_topic, partitions, list_offsets_response_partition, CODEC_SINCE(1)),
};
CODEC_SCHEMA(list_offsets_response_topic);

static const struct codec_field list_offsets_response_fields[] = {
    CODEC_FIELD(list_offsets_response, throttle_time_ms, INT32, CODEC_SINCE(2)),
    CODEC_STRUCTS(list_offsets_response, topics, list_offsets_response_topic, CODEC_SINCE(1)),
};
CODEC_SCHEMA(list_offsets_response);
