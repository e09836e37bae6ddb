/* list_offsets.h: ListOffsets, key 2: the offset that belongs to a timestamp. */
#ifndef KAFKA_MESSAGES_LIST_OFFSETS_H
#define KAFKA_MESSAGES_LIST_OFFSETS_H

#include "kafka/codec.h"

/* Timestamps that are questions of their own. */
enum list_offsets_timestamp {
    LIST_OFFSETS_LATEST = -1,
    LIST_OFFSETS_EARLIEST = -2,
    LIST_OFFSETS_MAX_TIMESTAMP = -3,  /* version 7 on */
    LIST_OFFSETS_EARLIEST_LOCAL = -4, /* version 8 on; differs from the earliest with tiered storage only */
    LIST_OFFSETS_LATEST_TIERED = -5,  /* version 9 on */
};

struct list_offsets_request_partition {
    int32_t partition_index;
    int32_t current_leader_epoch; /* -1: not known to the client; version 4 on */
    int64_t timestamp;            /* ms since 1970, or enum list_offsets_timestamp */
};

struct list_offsets_request_topic {
    struct bytes name;
    CODEC_ARRAY(struct list_offsets_request_partition) partitions;
};

struct list_offsets_request {
    int32_t replica_id;     /* -1: a consumer */
    int8_t isolation_level; /* 0: read uncommitted, 1: read committed; version 2 on */
    CODEC_ARRAY(struct list_offsets_request_topic) topics;
    int32_t timeout_ms; /* version 10 on */
};

struct list_offsets_response_partition {
    int32_t partition_index;
    int16_t error_code;
    int64_t timestamp;    /* default -1: unknown */
    int64_t offset;       /* default -1: none */
    int32_t leader_epoch; /* default -1; version 4 on */
};

struct list_offsets_response_topic {
    struct bytes name;
    CODEC_ARRAY(struct list_offsets_response_partition) partitions;
};

struct list_offsets_response {
    int32_t throttle_time_ms; /* version 2 on */
    CODEC_ARRAY(struct list_offsets_response_topic) topics;
};

extern const struct codec_schema list_offsets_request_partition_schema;
extern const struct codec_schema list_offsets_request_topic_schema;
extern const struct codec_schema list_offsets_request_schema;
extern const struct codec_schema list_offsets_response_partition_schema;
extern const struct codec_schema list_offsets_response_topic_schema;
extern const struct codec_schema list_offsets_response_schema;

#endif
