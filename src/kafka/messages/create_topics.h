/* create_topics.h: CreateTopics, key 19. */
#ifndef KAFKA_MESSAGES_CREATE_TOPICS_H
#define KAFKA_MESSAGES_CREATE_TOPICS_H

#include "kafka/codec.h"

struct create_topics_request_assignment {
    int32_t partition_index;
    CODEC_ARRAY(int32_t) broker_ids;
};

struct create_topics_request_config {
    struct bytes name;
    struct bytes value; /* nullable */
};

struct create_topics_request_topic {
    struct bytes name;
    int32_t num_partitions;     /* -1: the broker's default, or as assigned */
    int16_t replication_factor; /* -1: the broker's default, or as assigned */
    CODEC_ARRAY(struct create_topics_request_assignment) assignments; /* empty: the broker chooses */
    CODEC_ARRAY(struct create_topics_request_config) configs;
};

struct create_topics_request {
    CODEC_ARRAY(struct create_topics_request_topic) topics;
    int32_t timeout_ms; /* default 60000 */
    bool validate_only;
};

struct create_topics_response_config {
    struct bytes name;
    struct bytes value; /* nullable */
    bool read_only;
    int8_t config_source; /* default -1 */
    bool is_sensitive;
};

struct create_topics_response_topic {
    struct bytes name;
    struct uuid topic_id; /* version 7 on */
    int16_t error_code;
    struct bytes error_message;        /* nullable */
    int16_t topic_config_error_code;   /* why configs is null; tagged; version 5 on */
    int32_t num_partitions;            /* default -1; version 5 on */
    int16_t replication_factor;        /* default -1; version 5 on */
    CODEC_ARRAY(struct create_topics_response_config) configs; /* nullable; version 5 on */
};

struct create_topics_response {
    int32_t throttle_time_ms;
    CODEC_ARRAY(struct create_topics_response_topic) topics;
};

extern const struct codec_schema create_topics_request_assignment_schema;
extern const struct codec_schema create_topics_request_config_schema;
extern const struct codec_schema create_topics_request_topic_schema;
extern const struct codec_schema create_topics_request_schema;
extern const struct codec_schema create_topics_response_config_schema;
extern const struct codec_schema create_topics_response_topic_schema;
extern const struct codec_schema create_topics_response_schema;

#endif
