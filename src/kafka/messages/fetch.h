/* fetch.h: Fetch, key 1: read record batches from partitions. */
#ifndef KAFKA_MESSAGES_FETCH_H
#define KAFKA_MESSAGES_FETCH_H

#include "kafka/codec.h"

struct fetch_request_replica {
    int32_t replica_id; /* -1: a consumer */
    int64_t replica_epoch;
};

struct fetch_request_partition {
    int32_t partition;
    int32_t current_leader_epoch; /* -1: not known to the client; version 9 on */
    int64_t fetch_offset;
    int32_t last_fetched_epoch; /* -1: none; version 12 on */
    int64_t log_start_offset;   /* of a follower, -1 for consumers; version 5 on */
    int32_t partition_max_bytes;
    struct uuid replica_directory_id; /* of a follower; tagged; version 17 on */
};

struct fetch_request_topic {
    struct bytes topic;        /* to version 12 */
    struct uuid topic_id; /* version 13 on */
    CODEC_ARRAY(struct fetch_request_partition) partitions;
};

/* Of a fetch session: what the client no longer wants. */
struct fetch_request_forgotten_topic {
    struct bytes topic;        /* to version 12 */
    struct uuid topic_id; /* version 13 on */
    CODEC_ARRAY(int32_t) partitions;
};

struct fetch_request {
    int32_t replica_id; /* -1: a consumer; to version 14, then replica_state */
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes;
    int8_t isolation_level; /* 0: read uncommitted, 1: read committed */
    int32_t session_id;     /* 0: none; version 7 on */
    int32_t session_epoch;  /* -1: no session wanted; version 7 on */
    CODEC_ARRAY(struct fetch_request_topic) topics;
    CODEC_ARRAY(struct fetch_request_forgotten_topic) forgotten_topics_data; /* version 7 on */
    struct bytes rack_id;                       /* version 11 on */
    struct bytes cluster_id;                    /* nullable; tagged; version 12 on */
    struct fetch_request_replica replica_state; /* tagged; version 15 on */
};

struct fetch_response_epoch_end {
    int32_t epoch;
    int64_t end_offset;
};

struct fetch_response_leader {
    int32_t leader_id;    /* -1: unknown */
    int32_t leader_epoch; /* -1: unknown */
};

struct fetch_response_snapshot {
    int64_t end_offset;
    int32_t epoch;
};

struct fetch_response_aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
};

struct fetch_response_partition {
    int32_t partition_index;
    int16_t error_code;
    int64_t high_watermark;
    int64_t last_stable_offset; /* default -1 */
    int64_t log_start_offset;   /* default -1; version 5 on */
    struct fetch_response_epoch_end diverging_epoch; /* tagged; version 12 on */
    struct fetch_response_leader current_leader;     /* tagged; version 12 on */
    struct fetch_response_snapshot snapshot_id;      /* tagged; version 12 on */
    CODEC_ARRAY(struct fetch_response_aborted_transaction) aborted_transactions; /* nullable: read uncommitted */
    int32_t preferred_read_replica; /* default -1: this broker; version 11 on */
    struct wire_records records;    /* nullable; what has a `source` is not copied into the frame */
};

struct fetch_response_topic {
    struct bytes topic;        /* to version 12 */
    struct uuid topic_id; /* version 13 on */
    CODEC_ARRAY(struct fetch_response_partition) partitions;
};

struct fetch_response_node {
    int32_t node_id;
    struct bytes host;
    int32_t port;
    struct bytes rack; /* nullable */
};

struct fetch_response {
    int32_t throttle_time_ms;
    int16_t error_code; /* version 7 on */
    int32_t session_id; /* 0: no session; version 7 on */
    CODEC_ARRAY(struct fetch_response_topic) responses;
    CODEC_ARRAY(struct fetch_response_node) node_endpoints; /* tagged; version 16 on */
};

extern const struct codec_schema fetch_request_replica_schema;
extern const struct codec_schema fetch_request_partition_schema;
extern const struct codec_schema fetch_request_topic_schema;
extern const struct codec_schema fetch_request_forgotten_topic_schema;
extern const struct codec_schema fetch_request_schema;
extern const struct codec_schema fetch_response_epoch_end_schema;
extern const struct codec_schema fetch_response_leader_schema;
extern const struct codec_schema fetch_response_snapshot_schema;
extern const struct codec_schema fetch_response_aborted_transaction_schema;
extern const struct codec_schema fetch_response_partition_schema;
extern const struct codec_schema fetch_response_topic_schema;
extern const struct codec_schema fetch_response_node_schema;
extern const struct codec_schema fetch_response_schema;

#endif
