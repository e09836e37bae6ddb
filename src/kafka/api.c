/* api.c: the table of Kafka's APIs and their frames. */
#include "kafka/api.h"

#include "base/error.h"
#include "kafka/messages.h"

/* In order of the keys. */
static const struct api apis[] = {
#define API(key, name, min, max, flexible_from, message) \
    {API_##key, name, min, max, flexible_from, &message##_request_schema, &message##_response_schema}
    /* Versions 0 to 2 of Produce carry message formats that are not stored; they are listed because librdkafka before
     * 2.12 takes a missing version 0 to mean that the broker cannot take gzip, snappy and lz4 (KAFKA-18659). */
    API(PRODUCE, "Produce", 0, 11, 9, produce),
    API(FETCH, "Fetch", 4, 17, 12, fetch),
    API(LIST_OFFSETS, "ListOffsets", 1, 10, 6, list_offsets),
    API(METADATA, "Metadata", 0, 13, 9, metadata),
    API(FIND_COORDINATOR, "FindCoordinator", 0, 6, 3, find_coordinator),
    API(API_VERSIONS, "ApiVersions", 0, 4, 3, api_versions),
    API(CREATE_TOPICS, "CreateTopics", 2, 7, 5, create_topics),
    API(DELETE_TOPICS, "DeleteTopics", 1, 6, 4, delete_topics),
    API(INIT_PRODUCER_ID, "InitProducerId", 0, 5, 2, init_producer_id),
#undef API
};

const struct api *api_at(size_t index)
{
    return index < ARRAY_COUNT(apis) ? &apis[index] : NULL;
}

const struct api *api_find(int16_t key)
{
    for (size_t i = 0; i < ARRAY_COUNT(apis); i++)
        if ((int16_t)apis[i].key == key)
            return &apis[i];
    return NULL;
}

bool api_has_version(const struct api *api, int16_t version)
{
    return version >= api->min_version && version <= api->max_version;
}

static bool is_flexible(const struct api *api, int16_t version)
{
    return version >= api->flexible_from;
}

int api_decode_header(struct bytes frame, struct request_header *header, const struct api **api, struct bytes *body)
{
    struct wire_reader reader;
    wire_reader_init(&reader, frame);
    header->api_key = wire_read_int16(&reader);
    header->api_version = wire_read_int16(&reader);
    header->correlation_id = wire_read_int32(&reader);
    header->client_id = wire_read_string(&reader, false); /* not compact in any version */
    if (reader.error)
        return reader.error;
    *api = api_find(header->api_key);
    if (!*api)
        return ERR_UNSUPPORTED;
    if (is_flexible(*api, header->api_version))
        wire_skip_tagged_fields(&reader);
    *body = bytes_of(reader.position, wire_reader_remaining(&reader));
    return reader.error;
}

int api_decode_request(const struct api *api, int16_t version, struct bytes body, struct arena *arena, void **request)
{
    if (!api_has_version(api, version))
        return ERR_UNSUPPORTED;
    *request = arena_alloc(arena, api->request->struct_bytes);
    return codec_decode(api->request, version, is_flexible(api, version), body, arena, *request);
}

static int encode_frame(const struct api *api, int16_t version, int32_t correlation_id, const void *response,
                        struct wire_writer *writer)
{
    size_t start = writer->bytes.size, start_hole_bytes = writer->hole_bytes;
    wire_write_int32(writer, 0); /* the size, known at the end */
    wire_write_int32(writer, correlation_id);
    /* The header of ApiVersions never has tagged fields: its reader does not know yet what the broker speaks. */
    if (is_flexible(api, version) && api->key != API_API_VERSIONS)
        wire_write_unsigned_varint(writer, 0);
    int rc = codec_encode(api->response, version, is_flexible(api, version), response, writer);
    if (rc < 0)
        return rc;
    size_t size = writer->bytes.size - start - sizeof(int32_t) + writer->hole_bytes - start_hole_bytes;
    if (size > INT32_MAX)
        return ERR_TOO_LARGE;
    wire_overwrite_int32(writer, start, (int32_t)size);
    return 0;
}

int api_encode_response(const struct api *api, int16_t version, int32_t correlation_id, const void *response,
                        struct wire_writer *writer)
{
    ASSERT(api_has_version(api, version));
    ASSERT(writer->error == 0);
    size_t bytes = writer->bytes.size, hole_count = writer->hole_count, hole_bytes = writer->hole_bytes;
    int rc = encode_frame(api, version, correlation_id, response, writer);
    if (rc < 0) {
        writer->bytes.size = bytes;
        writer->hole_count = hole_count;
        writer->hole_bytes = hole_bytes;
        writer->error = 0;
    }
    return rc;
}

void api_list_versions(struct arena *arena, struct api_versions_response *response)
{
    response->api_keys.items = CODEC_NEW(arena, api_versions_response_api, ARRAY_COUNT(apis));
    response->api_keys.count = ARRAY_COUNT(apis);
    for (size_t i = 0; i < ARRAY_COUNT(apis); i++)
        response->api_keys.items[i] = (struct api_versions_response_api){
            .api_key = (int16_t)apis[i].key,
            .min_version = apis[i].min_version,
            .max_version = apis[i].max_version,
        };
}
