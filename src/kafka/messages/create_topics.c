/* create_topics.c: the fields of CreateTopics, versions 2 to 7. */
#include "kafka/messages/create_topics.h"

static const struct codec_field create_topics_request_assignment_fields[] = {
    CODEC_FIELD(create_topics_request_assignment, partition_index, INT32, CODEC_SINCE(2)),
    CODEC_SCALARS(create_topics_request_assignment, broker_ids, INT32, CODEC_SINCE(2)),
};
CODEC_SCHEMA(create_topics_request_assignment);

static const struct codec_field create_topics_request_config_fields[] = {
    CODEC_FIELD(create_topics_request_config, name, STRING, CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_request_config, value, STRING, CODEC_SINCE(2), .nullable = CODEC_SINCE(2)),
};
CODEC_SCHEMA(create_topics_request_config);

static const struct codec_field create_topics_request_topic_fields[] = {
    CODEC_FIELD(create_topics_request_topic, name, STRING, CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_request_topic, num_partitions, INT32, CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_request_topic, replication_factor, INT16, CODEC_SINCE(2)),
    CODEC_STRUCTS(create_topics_request_topic, assignments, create_topics_request_assignment, CODEC_SINCE(2)),
    CODEC_STRUCTS(create_topics_request_topic, configs, create_topics_request_config, CODEC_SINCE(2)),
};
CODEC_SCHEMA(create_topics_request_topic);

static const struct codec_field create_topics_request_fields[] = {
    CODEC_STRUCTS(create_topics_request, topics, create_topics_request_topic, CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_request, timeout_ms, INT32, CODEC_SINCE(2), .fallback = 60000),
    CODEC_FIELD(create_topics_request, validate_only, BOOL, CODEC_SINCE(2)),
};
CODEC_SCHEMA(create_topics_request);

static const struct codec_field create_topics_response_config_fields[] = {
    CODEC_FIELD(create_topics_response_config, name, STRING, CODEC_SINCE(5)),
    CODEC_FIELD(create_topics_response_config, value, STRING, CODEC_SINCE(5), .nullable = CODEC_SINCE(5)),
    CODEC_FIELD(create_topics_response_config, read_only, BOOL, CODEC_SINCE(5)),
    CODEC_FIELD(create_topics_response_config, config_source, INT8, CODEC_SINCE(5), .fallback = -1),
    CODEC_FIELD(create_topics_response_config, is_sensitive, BOOL, CODEC_SINCE(5)),
};
CODEC_SCHEMA(create_topics_response_config);

static const struct codec_field create_topics_response_topic_fields[] = {
    CODEC_FIELD(create_topics_response_topic, name, STRING, CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_response_topic, topic_id, UUID, CODEC_SINCE(7)),
    CODEC_FIELD(create_topics_response_topic, error_code, INT16, CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_response_topic, error_message, STRING, CODEC_SINCE(2), .nullable = CODEC_SINCE(2)),
    CODEC_FIELD(create_topics_response_topic, topic_config_error_code, INT16, CODEC_SINCE(5),
                CODEC_TAGGED(0, CODEC_SINCE(5))),
    CODEC_FIELD(create_topics_response_topic, num_partitions, INT32, CODEC_SINCE(5), .fallback = -1),
    CODEC_FIELD(create_topics_response_topic, replication_factor, INT16, CODEC_SINCE(5), .fallback = -1),
    CODEC_STRUCTS(create_topics_response_topic, configs, create_topics_response_config, CODEC_SINCE(5),
                  .nullable = CODEC_SINCE(5)),
};
CODEC_SCHEMA(create_topics_response_topic);

static const struct codec_field create_topics_response_fields[] = {
    CODEC_FIELD(create_topics_response, throttle_time_ms, INT32, CODEC_SINCE(2)),
    CODEC_STRUCTS(create_topics_response, topics, create_topics_response_topic, CODEC_SINCE(2)),
};
CODEC_SCHEMA(create_topics_response);
