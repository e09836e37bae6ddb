/* fetch.c: the fields of Fetch, versions 4 to 17. */
#include "kafka/messages/fetch.h"

static const struct codec_field fetch_request_replica_fields[] = {
    CODEC_FIELD(fetch_request_replica, replica_id, INT32, CODEC_SINCE(15), .fallback = -1),
    CODEC_FIELD(fetch_request_replica, replica_epoch, INT64, CODEC_SINCE(15), .fallback = -1),
};
CODEC_SCHEMA(fetch_request_replica);

static const struct codec_field fetch_request_partition_fields[] = {
    CODEC_FIELD(fetch_request_partition, partition, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request_partition, current_leader_epoch, INT32, CODEC_SINCE(9), .fallback = -1),
    CODEC_FIELD(fetch_request_partition, fetch_offset, INT64, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request_partition, last_fetched_epoch, INT32, CODEC_SINCE(12), .fallback = -1),
    CODEC_FIELD(fetch_request_partition, log_start_offset, INT64, CODEC_SINCE(5), .fallback = -1),
    CODEC_FIELD(fetch_request_partition, partition_max_bytes, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request_partition, replica_directory_id, UUID, CODEC_SINCE(17), CODEC_TAGGED(0, CODEC_SINCE(17))),
};
CODEC_SCHEMA(fetch_request_partition);

static const struct codec_field fetch_request_topic_fields[] = {
    CODEC_FIELD(fetch_request_topic, topic, STRING, CODEC_RANGE(4, 12)),
    CODEC_FIELD(fetch_request_topic, topic_id, UUID, CODEC_SINCE(13)),
    CODEC_STRUCTS(fetch_request_topic, partitions, fetch_request_partition, CODEC_SINCE(4)),
};
CODEC_SCHEMA(fetch_request_topic);

static const struct codec_field fetch_request_forgotten_topic_fields[] = {
    CODEC_FIELD(fetch_request_forgotten_topic, topic, STRING, CODEC_RANGE(7, 12)),
    CODEC_FIELD(fetch_request_forgotten_topic, topic_id, UUID, CODEC_SINCE(13)),
    CODEC_SCALARS(fetch_request_forgotten_topic, partitions, INT32, CODEC_SINCE(7)),
};
CODEC_SCHEMA(fetch_request_forgotten_topic);

static const struct codec_field fetch_request_fields[] = {
    CODEC_FIELD(fetch_request, replica_id, INT32, CODEC_RANGE(4, 14), .fallback = -1),
    CODEC_FIELD(fetch_request, max_wait_ms, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request, min_bytes, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request, max_bytes, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request, isolation_level, INT8, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_request, session_id, INT32, CODEC_SINCE(7)),
    CODEC_FIELD(fetch_request, session_epoch, INT32, CODEC_SINCE(7), .fallback = -1),
    CODEC_STRUCTS(fetch_request, topics, fetch_request_topic, CODEC_SINCE(4)),
    CODEC_STRUCTS(fetch_request, forgotten_topics_data, fetch_request_forgotten_topic, CODEC_SINCE(7)),
    CODEC_FIELD(fetch_request, rack_id, STRING, CODEC_SINCE(11)),
    CODEC_FIELD(fetch_request, cluster_id, STRING, CODEC_SINCE(12), .nullable = CODEC_SINCE(12),
                CODEC_TAGGED(0, CODEC_SINCE(12))),
    CODEC_NESTED(fetch_request, replica_state, fetch_request_replica, CODEC_SINCE(15),
                 CODEC_TAGGED(1, CODEC_SINCE(15))),
};
CODEC_SCHEMA(fetch_request);

static const struct codec_field fetch_response_epoch_end_fields[] = {
    CODEC_FIELD(fetch_response_epoch_end, epoch, INT32, CODEC_SINCE(12), .fallback = -1),
    CODEC_FIELD(fetch_response_epoch_end, end_offset, INT64, CODEC_SINCE(12), .fallback = -1),
};
CODEC_SCHEMA(fetch_response_epoch_end);

static const struct codec_field fetch_response_leader_fields[] = {
    CODEC_FIELD(fetch_response_leader, leader_id, INT32, CODEC_SINCE(12), .fallback = -1),
    CODEC_FIELD(fetch_response_leader, leader_epoch, INT32, CODEC_SINCE(12), .fallback = -1),
};
CODEC_SCHEMA(fetch_response_leader);

static const struct codec_field fetch_response_snapshot_fields[] = {
    CODEC_FIELD(fetch_response_snapshot, end_offset, INT64, CODEC_SINCE(12), .fallback = -1),
    CODEC_FIELD(fetch_response_snapshot, epoch, INT32, CODEC_SINCE(12), .fallback = -1),
};
CODEC_SCHEMA(fetch_response_snapshot);

static const struct codec_field fetch_response_aborted_transaction_fields[] = {
    CODEC_FIELD(fetch_response_aborted_transaction, producer_id, INT64, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_response_aborted_transaction, first_offset, INT64, CODEC_SINCE(4)),
};
CODEC_SCHEMA(fetch_response_aborted_transaction);

static const struct codec_field fetch_response_partition_fields[] = {
    CODEC_FIELD(fetch_response_partition, partition_index, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_response_partition, error_code, INT16, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_response_partition, high_watermark, INT64, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_response_partition, last_stable_offset, INT64, CODEC_SINCE(4), .fallback = -1),
    CODEC_FIELD(fetch_response_partition, log_start_offset, INT64, CODEC_SINCE(5), .fallback = -1),
    CODEC_NESTED(fetch_response_partition, diverging_epoch, fetch_response_epoch_end, CODEC_SINCE(12),
                 CODEC_TAGGED(0, CODEC_SINCE(12))),
    CODEC_NESTED(fetch_response_partition, current_leader, fetch_response_leader, CODEC_SINCE(12),
                 CODEC_TAGGED(1, CODEC_SINCE(12))),
    CODEC_NESTED(fetch_response_partition, snapshot_id, fetch_response_snapshot, CODEC_SINCE(12),
                 CODEC_TAGGED(2, CODEC_SINCE(12))),
    CODEC_STRUCTS(fetch_response_partition, aborted_transactions, fetch_response_aborted_transaction, CODEC_SINCE(4),
                  .nullable = CODEC_SINCE(4)),
    CODEC_FIELD(fetch_response_partition, preferred_read_replica, INT32, CODEC_SINCE(11), .fallback = -1),
    CODEC_FIELD(fetch_response_partition, records, RECORDS, CODEC_SINCE(4), .nullable = CODEC_SINCE(4)),
};
CODEC_SCHEMA(fetch_response_partition);

static const struct codec_field fetch_response_topic_fields[] = {
    CODEC_FIELD(fetch_response_topic, topic, STRING, CODEC_RANGE(4, 12)),
    CODEC_FIELD(fetch_response_topic, topic_id, UUID, CODEC_SINCE(13)),
    CODEC_STRUCTS(fetch_response_topic, partitions, fetch_response_partition, CODEC_SINCE(4)),
};
CODEC_SCHEMA(fetch_response_topic);

static const struct codec_field fetch_response_node_fields[] = {
    CODEC_FIELD(fetch_response_node, node_id, INT32, CODEC_SINCE(16)),
    CODEC_FIELD(fetch_response_node, host, STRING, CODEC_SINCE(16)),
    CODEC_FIELD(fetch_response_node, port, INT32, CODEC_SINCE(16)),
    CODEC_FIELD(fetch_response_node, rack, STRING, CODEC_SINCE(16), .nullable = CODEC_SINCE(16)),
};
CODEC_SCHEMA(fetch_response_node);

static const struct codec_field fetch_response_fields[] = {
    CODEC_FIELD(fetch_response, throttle_time_ms, INT32, CODEC_SINCE(4)),
    CODEC_FIELD(fetch_response, error_code, INT16, CODEC_SINCE(7)),
    CODEC_FIELD(fetch_response, session_id, INT32, CODEC_SINCE(7)),
    CODEC_STRUCTS(fetch_response, responses, fetch_response_topic, CODEC_SINCE(4)),
    CODEC_STRUCTS(fetch_response, node_endpoints, fetch_response_node, CODEC_SINCE(16),
                  CODEC_TAGGED(0, CODEC_SINCE(16))),
};
CODEC_SCHEMA(fetch_response);
