/* delete_topics.h: DeleteTopics, key 20. */
#ifndef KAFKA_MESSAGES_DELETE_TOPICS_H
#define KAFKA_MESSAGES_DELETE_TOPICS_H

#include "kafka/codec.h"

struct delete_topics_request_topic {
    struct bytes name; /* nullable: named by id */
    struct uuid topic_id;
};

struct delete_topics_request {
    CODEC_ARRAY(struct delete_topics_request_topic) topics; /* version 6 on */
    CODEC_ARRAY(struct bytes) topic_names;                  /* to version 5 */
    int32_t timeout_ms;
};

struct delete_topics_response_topic {
    struct bytes name;         /* nullable from version 6 on */
    struct uuid topic_id; /* version 6 on */
    int16_t error_code;
    struct bytes error_message; /* nullable; version 5 on */
};

struct delete_topics_response {
    int32_t throttle_time_ms;
    CODEC_ARRAY(struct delete_topics_response_topic) responses;
};

extern const struct codec_schema delete_topics_request_topic_schema;
extern const struct codec_schema delete_topics_request_schema;
extern const struct codec_schema delete_topics_response_topic_schema;
extern const struct codec_schema delete_topics_response_schema;

#endif
