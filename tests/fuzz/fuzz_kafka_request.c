/* fuzz_kafka_request.c: any bytes as any message at any version; what decodes must encode to a message equal to it.
 *
 * Input: which API and whether the response (1 byte), version (1 byte), message. The same bytes are read as a request
 * frame too. */
#include "base/check.h"
#include "kafka/api.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_as_frame(struct bytes frame, struct arena *arena)
{
    struct request_header header;
    const struct api *api;
    struct bytes body;
    void *request;
    if (api_decode_header(frame, &header, &api, &body) == 0)
        (void)!api_decode_request(api, header.api_version, body, arena, &request);
}

static void encode(const struct codec_schema *schema, int16_t version, bool flexible, const void *message,
                   struct wire_writer *writer)
{
    wire_writer_init(writer);
    ASSERT(codec_encode(schema, version, flexible, message, writer) == 0);
}

static void decode_and_encode_twice(struct bytes input, struct arena *arena)
{
    if (input.size < 2)
        return;
    const struct api *api = api_at(input.data[0] >> 1);
    if (!api)
        return;
    const struct codec_schema *schema = input.data[0] & 1 ? api->response : api->request;
    int16_t version = (int16_t)(api->min_version + input.data[1] % (api->max_version - api->min_version + 1));
    bool flexible = version >= api->flexible_from;
    void *message = arena_alloc(arena, schema->struct_bytes), *again = arena_alloc(arena, schema->struct_bytes);
    if (codec_decode(schema, version, flexible, bytes_of(input.data + 2, input.size - 2), arena, message) < 0)
        return;

    struct wire_writer first, second;
    encode(schema, version, flexible, message, &first);
    ASSERT(codec_decode(schema, version, flexible, buf_bytes(&first.bytes), arena, again) == 0);
    encode(schema, version, flexible, again, &second);
    ASSERT(bytes_equal(buf_bytes(&first.bytes), buf_bytes(&second.bytes)));
    wire_writer_deinit(&first);
    wire_writer_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    decode_as_frame(bytes_of(data, size), &arena);
    decode_and_encode_twice(bytes_of(data, size), &arena);
    arena_deinit(&arena);
    return 0;
}
