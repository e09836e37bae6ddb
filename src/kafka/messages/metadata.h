/* metadata.h: Metadata, key 3: the brokers and where each partition is. */
#ifndef KAFKA_MESSAGES_METADATA_H
#define KAFKA_MESSAGES_METADATA_H

#include "kafka/codec.h"

/* authorized_operations of who did not ask for them. */
#define METADATA_OPERATIONS_NOT_ASKED INT32_MIN

struct metadata_request_topic {
    struct uuid topic_id; /* version 10 on */
    struct bytes name;         /* nullable from version 10 on: asked for by id */
};

struct metadata_request {
    /* nullable from version 1 on: all topics. In version 0 an empty array means that */
    CODEC_ARRAY(struct metadata_request_topic) topics;
    bool allow_auto_topic_creation; /* default true; version 4 on */
    bool include_cluster_authorized_operations; /* versions 8 to 10 */
    bool include_topic_authorized_operations;   /* version 8 on */
};

struct metadata_response_broker {
    int32_t node_id;
    struct bytes host;
    int32_t port;
    struct bytes rack; /* nullable; version 1 on */
};

struct metadata_response_partition {
    int16_t error_code;
    int32_t partition_index;
    int32_t leader_id;
    int32_t leader_epoch; /* default -1; version 7 on */
    CODEC_ARRAY(int32_t) replica_nodes;
    CODEC_ARRAY(int32_t) isr_nodes;
    CODEC_ARRAY(int32_t) offline_replicas; /* version 5 on */
};

struct metadata_response_topic {
    int16_t error_code;
    struct bytes name;         /* nullable from version 12 on: an id that nobody knows */
    struct uuid topic_id; /* version 10 on */
    bool is_internal;          /* version 1 on */
    CODEC_ARRAY(struct metadata_response_partition) partitions;
    int32_t topic_authorized_operations; /* default METADATA_OPERATIONS_NOT_ASKED; version 8 on */
};

struct metadata_response {
    int32_t throttle_time_ms; /* version 3 on */
    CODEC_ARRAY(struct metadata_response_broker) brokers;
    struct bytes cluster_id; /* nullable; version 2 on */
    int32_t controller_id;   /* default -1; version 1 on */
    CODEC_ARRAY(struct metadata_response_topic) topics;
    int32_t cluster_authorized_operations; /* default METADATA_OPERATIONS_NOT_ASKED; versions 8 to 10 */
    int16_t error_code;                    /* version 13 on */
};

extern const struct codec_schema metadata_request_topic_schema;
extern const struct codec_schema metadata_request_schema;
extern const struct codec_schema metadata_response_broker_schema;
extern const struct codec_schema metadata_response_partition_schema;
extern const struct codec_schema metadata_response_topic_schema;
extern const struct codec_schema metadata_response_schema;

#endif
