/* test_api.c: headers and frames, and requests as real clients sent them. */
#include "kafka/api.h"

#include "base/error.h"
#include "hex.h"
#include "kafka/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct arena arena;
static struct wire_writer writer;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    wire_writer_init(&writer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire_writer_deinit(&writer);
    arena_deinit(&arena);
    return 0;
}

static const struct capture {
    const char *client, *api;
    int16_t version;
    const char *hex;
} captures[] = {
#include "golden/clients.inc"
};

/* The request that a client sent for this API at this version. */
static const void *captured(const char *client, const char *api_name, int16_t version)
{
    for (size_t i = 0; i < ARRAY_COUNT(captures); i++) {
        if (strcmp(captures[i].client, client) != 0 || strcmp(captures[i].api, api_name) != 0 ||
            captures[i].version != version)
            continue;
        struct request_header header;
        const struct api *api;
        struct bytes body;
        void *request;
        assert_int_equal(api_decode_header(hex_bytes(&arena, captures[i].hex), &header, &api, &body), 0);
        assert_int_equal(api_decode_request(api, header.api_version, body, &arena, &request), 0);
        return request;
    }
    fail_msg("%s sent no %s %d", client, api_name, version);
    return NULL;
}

static void requests_of_real_clients_decode_and_encode_to_the_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(captures); i++) {
        struct bytes frame = hex_bytes(&arena, captures[i].hex), body;
        struct request_header header;
        const struct api *api;
        void *request;
        assert_int_equal(api_decode_header(frame, &header, &api, &body), 0);
        assert_string_equal(api->name, captures[i].api);
        assert_int_equal(header.api_version, captures[i].version);
        assert_true(bytes_equal_string(header.client_id, "golden"));
        assert_int_equal(api_decode_request(api, header.api_version, body, &arena, &request), 0);

        wire_writer_clear(&writer);
        bool flexible = header.api_version >= api->flexible_from;
        assert_int_equal(codec_encode(api->request, header.api_version, flexible, request, &writer), 0);
        assert_true(bytes_equal(buf_bytes(&writer.bytes), body));
    }
}

static void produce_of_librdkafka_is_understood(void **state)
{
    (void)state;
    const struct produce_request *request = captured("kcat 1.7.1", "Produce", 7);
    assert_null(request->transactional_id.data);
    assert_int_equal(request->acks, -1);
    assert_int_equal(request->timeout_ms, 30000);
    assert_int_equal(request->topic_data.count, 1);
    assert_true(bytes_equal_string(request->topic_data.items[0].name, "orders"));
    assert_int_equal(request->topic_data.items[0].partition_data.count, 1);
    assert_int_equal(request->topic_data.items[0].partition_data.items[0].index, 0);
    assert_int_equal(request->topic_data.items[0].partition_data.items[0].records.size, 0x59);
}

static void fetch_of_librdkafka_is_understood(void **state)
{
    (void)state;
    const struct fetch_request *request = captured("kcat 1.7.1", "Fetch", 11);
    assert_int_equal(request->replica_id, -1);
    assert_int_equal(request->max_wait_ms, 500);
    assert_int_equal(request->min_bytes, 1);
    assert_int_equal(request->session_id, 0);
    assert_int_equal(request->session_epoch, -1);
    assert_int_equal(request->replica_state.replica_id, -1);
    assert_true(bytes_equal_string(request->topics.items[0].topic, "orders"));
    assert_int_equal(request->topics.items[0].partitions.items[0].fetch_offset, 0);
    assert_int_equal(request->topics.items[0].partitions.items[0].partition_max_bytes, 1048576);
}

static void admin_requests_of_kafkajs_are_understood(void **state)
{
    (void)state;
    const struct create_topics_request *create = captured("kafkajs 2.2.4", "CreateTopics", 3);
    assert_int_equal(create->topics.items[0].num_partitions, 3);
    assert_int_equal(create->topics.items[0].replication_factor, -1);
    assert_true(bytes_equal_string(create->topics.items[0].configs.items[0].name, "retention.ms"));
    assert_true(bytes_equal_string(create->topics.items[0].configs.items[0].value, "60000"));
    const struct delete_topics_request *delete = captured("kafkajs 2.2.4", "DeleteTopics", 1);
    assert_int_equal(delete->topic_names.count, 1);
    assert_true(bytes_equal_string(delete->topic_names.items[0], "orders"));
    assert_int_equal(delete->timeout_ms, 5000);
}

static void a_header_cut_anywhere_is_refused(void **state)
{
    (void)state;
    /* ApiVersions 3: header version 2, so the tagged fields belong to it. */
    struct bytes frame = hex_bytes(&arena, "00120003000000010006676f6c64656e00"), body;
    struct request_header header;
    const struct api *api;
    for (size_t size = 0; size < frame.size; size++)
        assert_int_equal(api_decode_header(bytes_of(frame.data, size), &header, &api, &body), ERR_TRUNCATED);
    assert_int_equal(api_decode_header(frame, &header, &api, &body), 0);
    assert_int_equal(body.size, 0);
}

static void tagged_fields_of_a_header_are_skipped(void **state)
{
    (void)state;
    struct bytes frame = hex_bytes(&arena, "00120003000000010006676f6c64656e" "01050261620378017900"), body;
    struct request_header header;
    const struct api *api;
    assert_int_equal(api_decode_header(frame, &header, &api, &body), 0);
    assert_true(bytes_equal(body, hex_bytes(&arena, "0378017900")));
}

static void an_unknown_api_is_told_from_malformed_bytes(void **state)
{
    (void)state;
    struct request_header header;
    const struct api *api;
    struct bytes body;
    assert_int_equal(api_decode_header(hex_bytes(&arena, "03e70000000000070000"), &header, &api, &body),
                     ERR_UNSUPPORTED);
    assert_int_equal(header.correlation_id, 7);
}

static void a_version_that_is_not_served_is_not_decoded(void **state)
{
    (void)state;
    void *request;
    const struct api *api = api_find(API_FETCH);
    assert_int_equal(api_decode_request(api, 3, (struct bytes){0}, &arena, &request), ERR_UNSUPPORTED);
    assert_int_equal(api_decode_request(api, api->max_version + 1, (struct bytes){0}, &arena, &request),
                     ERR_UNSUPPORTED);
    assert_int_equal(api_decode_request(api, -1, (struct bytes){0}, &arena, &request), ERR_UNSUPPORTED);
}

static void assert_frame(const struct api *api, int16_t version, const void *response, const char *hex)
{
    wire_writer_clear(&writer);
    assert_int_equal(api_encode_response(api, version, 0x01020304, response, &writer), 0);
    struct bytes expected = hex_bytes(&arena, hex);
    assert_int_equal(writer.bytes.size, expected.size);
    assert_memory_equal(writer.bytes.data, expected.data, expected.size);
}

static void a_response_has_the_header_of_its_version(void **state)
{
    (void)state;
    struct init_producer_id_response response = {.producer_id = 7};
    const struct api *api = api_find(API_INIT_PRODUCER_ID);
    assert_frame(api, 1, &response, "00000014" "01020304" "00000000" "0000" "0000000000000007" "0000");
    assert_frame(api, 2, &response, "00000016" "01020304" "00" "00000000" "0000" "0000000000000007" "0000" "00");
}

static void the_header_of_api_versions_never_has_tagged_fields(void **state)
{
    (void)state;
    struct api_versions_response response = {.finalized_features_epoch = -1};
    const struct api *api = api_find(API_API_VERSIONS);
    assert_frame(api, 0, &response, "0000000a" "01020304" "0000" "00000000");
    assert_frame(api, 3, &response, "0000000c" "01020304" "0000" "01" "00000000" "00");
}

static void the_size_of_a_frame_counts_its_holes(void **state)
{
    (void)state;
    struct fetch_response_partition partition = {.records = {.size = 1000, .source = &arena}};
    struct fetch_response_topic topic = {.topic = bytes_of_string("t"), .partitions = {&partition, 1}};
    struct fetch_response response = {.responses = {&topic, 1}};
    const struct api *api = api_find(API_FETCH);
    /* Two frames behind each other, as for requests that came in one piece. */
    assert_int_equal(api_encode_response(api, 4, 1, &response, &writer), 0);
    size_t first = writer.bytes.size;
    assert_int_equal(api_encode_response(api, 4, 2, &response, &writer), 0);

    struct wire_reader reader;
    for (size_t start = 0; start <= first; start += first) {
        wire_reader_init(&reader, bytes_of(writer.bytes.data + start, first));
        assert_int_equal(wire_read_int32(&reader), first - 4 + 1000);
    }
    assert_int_equal(writer.hole_count, 2);
    assert_int_equal(writer.holes[0].position, first);
    assert_int_equal(writer.holes[1].position, 2 * first);
}

static void a_response_that_cannot_be_sent_leaves_the_writer_as_it_was(void **state)
{
    (void)state;
    struct init_producer_id_response fine = {0};
    assert_int_equal(api_encode_response(api_find(API_INIT_PRODUCER_ID), 0, 1, &fine, &writer), 0);
    size_t size = writer.bytes.size;

    struct fetch_response_partition partitions[2] = {
        {.records = {.size = INT32_MAX, .source = &arena}}, {.records = {.size = INT32_MAX, .source = &arena}}};
    struct fetch_response_topic topic = {.topic = bytes_of_string("t"), .partitions = {partitions, 2}};
    struct fetch_response response = {.responses = {&topic, 1}};
    assert_int_equal(api_encode_response(api_find(API_FETCH), 4, 2, &response, &writer), ERR_TOO_LARGE);
    topic.topic = bytes_of(arena_alloc(&arena, 40000), 40000);
    topic.partitions.count = 0;
    assert_int_equal(api_encode_response(api_find(API_FETCH), 4, 3, &response, &writer), ERR_TOO_LARGE);

    assert_int_equal(writer.bytes.size, size);
    assert_int_equal(writer.hole_count, 0);
    assert_int_equal(writer.hole_bytes, 0);
    assert_int_equal(api_encode_response(api_find(API_INIT_PRODUCER_ID), 0, 1, &fine, &writer), 0);
}

static void api_versions_lists_the_table(void **state)
{
    (void)state;
    struct api_versions_response response = {0};
    api_list_versions(&arena, &response);
    const struct api *api;
    for (size_t i = 0; (api = api_at(i)); i++) {
        assert_ptr_equal(api_find((int16_t)api->key), api);
        assert_true(i == 0 || api_at(i - 1)->key < api->key);
        assert_int_equal(response.api_keys.items[i].api_key, api->key);
        assert_int_equal(response.api_keys.items[i].min_version, api->min_version);
        assert_int_equal(response.api_keys.items[i].max_version, api->max_version);
        assert_int_equal(response.api_keys.count > i, 1);
    }
    assert_null(api_at(response.api_keys.count));
    assert_null(api_find(999));
}

/* What librdkafka 2.0.2 to 2.11 look for to switch features on: exact versions within the advertised ranges. */
static void versions_that_librdkafka_looks_for_are_advertised(void **state)
{
    (void)state;
    static const struct {
        enum api_key key;
        int16_t version;
    } wanted[] = {
        {API_PRODUCE, 2},      {API_PRODUCE, 3},      {API_PRODUCE, 7},          {API_FETCH, 4},
        {API_FETCH, 10},       {API_LIST_OFFSETS, 1}, {API_FIND_COORDINATOR, 0}, {API_API_VERSIONS, 0},
        {API_API_VERSIONS, 3}, {API_METADATA, 4},     {API_INIT_PRODUCER_ID, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        assert_true(api_has_version(api_find((int16_t)wanted[i].key), wanted[i].version));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_of_real_clients_decode_and_encode_to_the_same_bytes),
        TEST(produce_of_librdkafka_is_understood),
        TEST(fetch_of_librdkafka_is_understood),
        TEST(admin_requests_of_kafkajs_are_understood),
        TEST(a_header_cut_anywhere_is_refused),
        TEST(tagged_fields_of_a_header_are_skipped),
        TEST(an_unknown_api_is_told_from_malformed_bytes),
        TEST(a_version_that_is_not_served_is_not_decoded),
        TEST(a_response_has_the_header_of_its_version),
        TEST(the_header_of_api_versions_never_has_tagged_fields),
        TEST(the_size_of_a_frame_counts_its_holes),
        TEST(a_response_that_cannot_be_sent_leaves_the_writer_as_it_was),
        TEST(api_versions_lists_the_table),
        TEST(versions_that_librdkafka_looks_for_are_advertised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
