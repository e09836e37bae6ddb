/* delete_topics.c: the fields of DeleteTopics, versions 1 to 6. */
#include "kafka/messages/delete_topics.h"

static const struct codec_field delete_topics_request_topic_fields[] = {
    CODEC_FIELD(delete_topics_request_topic, name, STRING, CODEC_SINCE(6), .nullable = CODEC_SINCE(6)),
    CODEC_FIELD(delete_topics_request_topic, topic_id, UUID, CODEC_SINCE(6)),
};
CODEC_SCHEMA(delete_topics_request_topic);

static const struct codec_field delete_topics_request_fields[] = {
    CODEC_STRUCTS(delete_topics_request, topics, delete_topics_request_topic, CODEC_SINCE(6)),
    CODEC_SCALARS(delete_topics_request, topic_names, STRING, CODEC_RANGE(1, 5)),
    CODEC_FIELD(delete_topics_request, timeout_ms, INT32, CODEC_SINCE(1)),
};
CODEC_SCHEMA(delete_topics_request);

static const struct codec_field delete_topics_response_topic_fields[] = {
    CODEC_FIELD(delete_topics_response_topic, name, STRING, CODEC_SINCE(1), .nullable = CODEC_SINCE(6)),
    CODEC_FIELD(delete_topics_response_topic, topic_id, UUID, CODEC_SINCE(6)),
    CODEC_FIELD(delete_topics_response_topic, error_code, INT16, CODEC_SINCE(1)),
    CODEC_FIELD(delete_topics_response_topic, error_message, STRING, CODEC_SINCE(5), .nullable = CODEC_SINCE(5)),
};
CODEC_SCHEMA(delete_topics_response_topic);

static const struct codec_field delete_topics_response_fields[] = {
    CODEC_FIELD(delete_topics_response, throttle_time_ms, INT32, CODEC_SINCE(1)),
    CODEC_STRUCTS(delete_topics_response, responses, delete_topics_response_topic, CODEC_SINCE(1)),
};
CODEC_SCHEMA(delete_topics_response);
