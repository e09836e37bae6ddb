/* api.h: the one table of Kafka's APIs, and the frames that requests and responses travel in. Pure.
 *
 * A frame is an int32 with the size of what follows, a header, and the message. Which header depends on the API and
 * its version (KIP-482), so only here is it known. */
#ifndef KAFKA_API_H
#define KAFKA_API_H

#include "kafka/codec.h"

/* Kafka's numbers; one row of the table each. */
enum api_key {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_FIND_COORDINATOR = 10,
    API_API_VERSIONS = 18,
    API_CREATE_TOPICS = 19,
    API_DELETE_TOPICS = 20,
    API_INIT_PRODUCER_ID = 22,
};

struct api {
    enum api_key key;
    const char *name;                 /* Kafka's, "ListOffsets" */
    int16_t min_version, max_version; /* what is advertised and can be decoded; inclusive */
    int16_t flexible_from;
    const struct codec_schema *request, *response; /* their struct_bytes are the sizes of the structs */
};

/* NULL: unknown. [any] */
const struct api *api_find(int16_t key);
/* The row at `index`, in order of the keys; NULL behind the last. [any] */
const struct api *api_at(size_t index);
bool api_has_version(const struct api *api, int16_t version);

struct request_header {
    int16_t api_key, api_version;
    int32_t correlation_id;
    struct bytes client_id; /* nullable; a view of the frame */
};

/* Read the header of a request; `frame` is what follows the size. *api gets its row and *body the message.
 * ERR_UNSUPPORTED: no such API. ERR_TRUNCATED, ERR_MALFORMED. That the API has the version is not checked: ApiVersions
 * is answered at any (in version 0, KIP-511). */
int api_decode_header(struct bytes frame, struct request_header *header, const struct api **api,
                      struct bytes *body) MUST_USE;
/* Decode the message behind the header into a new struct of the arena, of the type that belongs to the API.
 * ERR_UNSUPPORTED when the API does not have the version; the errors of codec_decode. */
int api_decode_request(const struct api *api, int16_t version, struct bytes body, struct arena *arena,
                       void **request) MUST_USE;
/* Append a whole response frame; its size counts what the writer's holes stand for. On ERR_TOO_LARGE the writer is as
 * it was before. */
int api_encode_response(const struct api *api, int16_t version, int32_t correlation_id, const void *response,
                        struct wire_writer *writer) MUST_USE;

struct api_versions_response;
/* Fill in the versions of all APIs; the array lives in the arena. */
void api_list_versions(struct arena *arena, struct api_versions_response *response);

#endif
