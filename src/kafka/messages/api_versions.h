/* api_versions.h: ApiVersions, key 18: what the broker speaks. */
#ifndef KAFKA_MESSAGES_API_VERSIONS_H
#define KAFKA_MESSAGES_API_VERSIONS_H

#include "kafka/codec.h"

struct api_versions_request {
    struct bytes client_software_name;    /* version 3 on */
    struct bytes client_software_version; /* version 3 on */
};

struct api_versions_response_api {
    int16_t api_key;
    int16_t min_version, max_version; /* inclusive */
};

struct api_versions_response_supported_feature {
    struct bytes name;
    int16_t min_version, max_version;
};

struct api_versions_response_finalized_feature {
    struct bytes name;
    int16_t max_version_level, min_version_level;
};

struct api_versions_response {
    int16_t error_code;
    CODEC_ARRAY(struct api_versions_response_api) api_keys;
    int32_t throttle_time_ms; /* version 1 on */
    /* All of these are tagged, from version 3 on. */
    CODEC_ARRAY(struct api_versions_response_supported_feature) supported_features;
    int64_t finalized_features_epoch; /* default -1: unknown */
    CODEC_ARRAY(struct api_versions_response_finalized_feature) finalized_features;
    bool zk_migration_ready;
};

extern const struct codec_schema api_versions_request_schema;
extern const struct codec_schema api_versions_response_api_schema;
extern const struct codec_schema api_versions_response_supported_feature_schema;
extern const struct codec_schema api_versions_response_finalized_feature_schema;
extern const struct codec_schema api_versions_response_schema;

#endif
