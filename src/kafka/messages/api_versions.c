/* api_versions.c: the fields of ApiVersions, versions 0 to 4. */
#include "kafka/messages/api_versions.h"

static const struct codec_field api_versions_request_fields[] = {
    CODEC_FIELD(api_versions_request, client_software_name, STRING, CODEC_SINCE(3)),
    CODEC_FIELD(api_versions_request, client_software_version, STRING, CODEC_SINCE(3)),
};
CODEC_SCHEMA(api_versions_request);

static const struct codec_field api_versions_response_api_fields[] = {
    CODEC_FIELD(api_versions_response_api, api_key, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(api_versions_response_api, min_version, INT16, CODEC_SINCE(0)),
    CODEC_FIELD(api_versions_response_api, max_version, INT16, CODEC_SINCE(0)),
};
CODEC_SCHEMA(api_versions_response_api);

static const struct codec_field api_versions_response_supported_feature_fields[] = {
    CODEC_FIELD(api_versions_response_supported_feature, name, STRING, CODEC_SINCE(3)),
    CODEC_FIELD(api_versions_response_supported_feature, min_version, INT16, CODEC_SINCE(3)),
    CODEC_FIELD(api_versions_response_supported_feature, max_version, INT16, CODEC_SINCE(3)),
};
CODEC_SCHEMA(api_versions_response_supported_feature);

static const struct codec_field api_versions_response_finalized_feature_fields[] = {
    CODEC_FIELD(api_versions_response_finalized_feature, name, STRING, CODEC_SINCE(3)),
    CODEC_FIELD(api_versions_response_finalized_feature, max_version_level, INT16, CODEC_SINCE(3)),
    CODEC_FIELD(api_versions_response_finalized_feature, min_version_level, INT16, CODEC_SINCE(3)),
};
CODEC_SCHEMA(api_versions_response_finalized_feature);

static const struct codec_field api_versions_response_fields[] = {
    CODEC_FIELD(api_versions_response, error_code, INT16, CODEC_SINCE(0)),
    CODEC_STRUCTS(api_versions_response, api_keys, api_versions_response_api, CODEC_SINCE(0)),
    CODEC_FIELD(api_versions_response, throttle_time_ms, INT32, CODEC_SINCE(1)),
    CODEC_STRUCTS(api_versions_response, supported_features, api_versions_response_supported_feature, CODEC_SINCE(3),
                  CODEC_TAGGED(0, CODEC_SINCE(3))),
    CODEC_FIELD(api_versions_response, finalized_features_epoch, INT64, CODEC_SINCE(3), .fallback = -1,
                CODEC_TAGGED(1, CODEC_SINCE(3))),
    CODEC_STRUCTS(api_versions_response, finalized_features, api_versions_response_finalized_feature, CODEC_SINCE(3),
                  CODEC_TAGGED(2, CODEC_SINCE(3))),
    CODEC_FIELD(api_versions_response, zk_migration_ready, BOOL, CODEC_SINCE(3), CODEC_TAGGED(3, CODEC_SINCE(3))),
};
CODEC_SCHEMA(api_versions_response);
