/* test_codec.c: every message at every version, against bytes that are not ours and against hostile ones. */
#include "kafka/codec.h"

#include "base/error.h"
#include "fill.h"
#include "hex.h"
#include "kafka/api.h"
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

/* One message at one version, filled in one of the two ways. */
struct sample {
    const struct api *api;
    const struct codec_schema *schema;
    bool request, flexible;
    int16_t version;
    enum fill_how how;
};

static void for_each_sample(void (*check)(const struct sample *sample))
{
    const struct api *api;
    for (size_t i = 0; (api = api_at(i)); i++)
        for (int16_t version = api->min_version; version <= api->max_version; version++)
            for (int variant = 0; variant < 4; variant++) {
                bool request = variant & 1;
                struct sample sample = {
                    .api = api,
                    .schema = request ? api->request : api->response,
                    .request = request,
                    .flexible = version >= api->flexible_from,
                    .version = version,
                    .how = variant & 2 ? FILL_SPARSE : FILL_ALL,
                };
                check(&sample);
                arena_reset(&arena);
            }
}

/* The sample's bytes in memory of exactly their size, so that reading beyond is noticed. */
static struct bytes encode_sample(const struct sample *sample)
{
    wire_writer_clear(&writer);
    const void *message = fill_new(&arena, sample->schema, sample->version, sample->how);
    assert_int_equal(codec_encode(sample->schema, sample->version, sample->flexible, message, &writer), 0);
    uint8_t *copy = test_malloc(writer.bytes.size + 1);
    memcpy(copy, writer.bytes.data, writer.bytes.size);
    return bytes_of(copy, writer.bytes.size);
}

static void free_bytes(struct bytes bytes)
{
    test_free((void *)(uintptr_t)bytes.data);
}

static int decode(const struct sample *sample, struct bytes input, void **message)
{
    *message = arena_alloc(&arena, sample->schema->struct_bytes);
    return codec_decode(sample->schema, sample->version, sample->flexible, input, &arena, *message);
}

static void assert_encodes_to(const struct sample *sample, const void *message, struct bytes expected)
{
    wire_writer_clear(&writer);
    assert_int_equal(codec_encode(sample->schema, sample->version, sample->flexible, message, &writer), 0);
    assert_int_equal(writer.bytes.size, expected.size);
    assert_memory_equal(writer.bytes.data, expected.data, expected.size);
}

static void round_trip(const struct sample *sample)
{
    struct bytes bytes = encode_sample(sample);
    void *message;
    assert_int_equal(decode(sample, bytes, &message), 0);
    assert_encodes_to(sample, message, bytes);
    free_bytes(bytes);
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
    (void)state;
    for_each_sample(round_trip);
}

static void truncate_everywhere(const struct sample *sample)
{
    struct bytes bytes = encode_sample(sample);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *piece = test_malloc(size + 1);
        memcpy(piece, bytes.data, size);
        void *message;
        assert_true(decode(sample, bytes_of(piece, size), &message) < 0);
        test_free(piece);
    }
    free_bytes(bytes);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for_each_sample(truncate_everywhere);
}

static void append_byte(const struct sample *sample)
{
    struct bytes bytes = encode_sample(sample);
    struct buf longer = {0};
    buf_append_bytes(&longer, bytes);
    buf_append_byte(&longer, 0);
    void *message;
    assert_int_equal(decode(sample, buf_bytes(&longer), &message), 0);
    assert_encodes_to(sample, message, bytes);
    buf_deinit(&longer);
    free_bytes(bytes);
}

static void bytes_behind_a_message_are_ignored(void **state)
{
    (void)state;
    for_each_sample(append_byte);
}

/* The last byte of a sparse flexible message is its count of tagged fields: none is set. */
static void add_unknown_tag(const struct sample *sample)
{
    static const uint8_t unknown[] = {2, 100, 3, 'a', 'b', 'c', 0x80, 0x01, 0};
    if (!sample->flexible || sample->how != FILL_SPARSE)
        return;
    struct bytes bytes = encode_sample(sample);
    assert_int_equal(bytes.data[bytes.size - 1], 0);
    struct buf longer = {0};
    buf_append(&longer, bytes.data, bytes.size - 1);
    buf_append(&longer, unknown, sizeof unknown);
    void *message;
    assert_int_equal(decode(sample, buf_bytes(&longer), &message), 0);
    assert_encodes_to(sample, message, bytes);
    buf_deinit(&longer);
    free_bytes(bytes);
}

static void unknown_tagged_fields_are_skipped(void **state)
{
    (void)state;
    for_each_sample(add_unknown_tag);
}

/* Each byte of a message replaced by values that lengths and counts choke on: no crash, nothing read beyond. */
static void flip_each_byte(const struct sample *sample)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff};
    struct bytes bytes = encode_sample(sample);
    uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t kept = data[i];
        for (size_t v = 0; v < sizeof values; v++) {
            data[i] = values[v];
            void *message;
            int rc = decode(sample, bytes, &message);
            assert_true(rc == 0 || rc == ERR_MALFORMED || rc == ERR_TRUNCATED || rc == ERR_TOO_LARGE);
        }
        data[i] = kept;
    }
    free_bytes(bytes);
}

static void damaged_bytes_give_an_error_or_a_message(void **state)
{
    (void)state;
    for_each_sample(flip_each_byte);
}

static const struct golden {
    const char *api;
    bool request;
    int16_t version;
    bool sparse;
    const char *hex;
} golden[] = {
#include "golden/kafka_python.inc"
#include "golden/kio.inc"
};

static void match_golden(const struct sample *sample)
{
    const struct golden *found = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(golden) && !found; i++)
        if (strcmp(golden[i].api, sample->api->name) == 0 && golden[i].request == sample->request &&
            golden[i].version == sample->version && golden[i].sparse == (sample->how == FILL_SPARSE))
            found = &golden[i];
    assert_non_null(found);
    struct bytes expected = hex_bytes(&arena, found->hex);
    assert_encodes_to(sample, fill_new(&arena, sample->schema, sample->version, sample->how), expected);
    void *message;
    assert_int_equal(decode(sample, expected, &message), 0);
    assert_encodes_to(sample, message, expected);
}

static void bytes_are_those_of_an_independent_implementation(void **state)
{
    (void)state;
    for_each_sample(match_golden);
}

static void null_and_empty_differ(void **state)
{
    (void)state;
    static const uint8_t null[] = {0xff, 0xff, 0xff, 0xff}, empty[] = {0, 0, 0, 0};
    struct metadata_request request;

    assert_int_equal(codec_decode(&metadata_request_schema, 1, false, bytes_of(null, 4), &arena, &request), 0);
    assert_null(request.topics.items);
    assert_int_equal(request.topics.count, 0);

    assert_int_equal(codec_decode(&metadata_request_schema, 1, false, bytes_of(empty, 4), &arena, &request), 0);
    assert_non_null(request.topics.items);
    assert_int_equal(request.topics.count, 0);

    /* Version 0 knows no null. */
    assert_int_equal(codec_decode(&metadata_request_schema, 0, false, bytes_of(null, 4), &arena, &request),
                     ERR_MALFORMED);
}

static void a_message_without_fields_is_no_bytes(void **state)
{
    (void)state;
    struct api_versions_request request;
    assert_int_equal(codec_decode(&api_versions_request_schema, 0, false, (struct bytes){0}, &arena, &request), 0);
    assert_int_equal(codec_encode(&api_versions_request_schema, 0, false, &request, &writer), 0);
    assert_int_equal(writer.bytes.size, 0);
}

static void null_where_it_is_not_allowed_is_refused(void **state)
{
    (void)state;
    static const uint8_t null_string[] = {0xff, 0xff};
    struct find_coordinator_request request;
    assert_int_equal(codec_decode(&find_coordinator_request_schema, 0, false, bytes_of(null_string, 2), &arena,
                                  &request),
                     ERR_MALFORMED);
}

static void fields_of_other_versions_get_their_defaults(void **state)
{
    (void)state;
    static const uint8_t no_topics[] = {0, 0, 0, 0};
    struct metadata_request request;
    assert_int_equal(codec_decode(&metadata_request_schema, 3, false, bytes_of(no_topics, 4), &arena, &request), 0);
    assert_true(request.allow_auto_topic_creation);

    struct fetch_response_partition *partition = CODEC_NEW(&arena, fetch_response_partition, 2) + 1;
    assert_int_equal(partition->preferred_read_replica, -1);
    assert_int_equal(partition->last_stable_offset, -1);
    assert_int_equal(partition->current_leader.leader_epoch, -1);
    assert_null(partition->records.data);
}

static void a_count_beyond_the_input_is_refused_before_it_is_allocated(void **state)
{
    (void)state;
    static const uint8_t input[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    struct metadata_request request;
    assert_int_equal(codec_decode(&metadata_request_schema, 4, false, bytes_of(input, sizeof input), &arena, &request),
                     ERR_TRUNCATED);
    assert_int_equal(arena.used_bytes, 0);

    static const uint8_t negative[] = {0xff, 0xff, 0xff, 0xfe};
    assert_int_equal(codec_decode(&metadata_request_schema, 1, false, bytes_of(negative, 4), &arena, &request),
                     ERR_MALFORMED);
}

/* Empty strings take one byte each on the wire and a struct each in memory. */
static void a_message_that_swells_is_refused(void **state)
{
    (void)state;
    size_t count = CODEC_DECODED_BYTES_MAX / sizeof(struct bytes) + 1;
    struct find_coordinator_request request = {.coordinator_keys = {.count = count}};
    request.coordinator_keys.items = arena_alloc_array(&arena, count, sizeof(struct bytes));
    assert_int_equal(codec_encode(&find_coordinator_request_schema, 4, true, &request, &writer), 0);
    size_t used_bytes = arena.used_bytes;

    assert_int_equal(codec_decode(&find_coordinator_request_schema, 4, true, buf_bytes(&writer.bytes), &arena,
                                  &request),
                     ERR_TOO_LARGE);
    assert_int_equal(arena.used_bytes, used_bytes);
}

static void records_are_views_of_the_input(void **state)
{
    (void)state;
    const struct sample sample = {
        .schema = &produce_request_schema, .version = 9, .flexible = true, .how = FILL_ALL};
    struct bytes bytes = encode_sample(&sample);
    void *message;
    assert_int_equal(decode(&sample, bytes, &message), 0);
    const struct produce_request *request = message;
    struct wire_records records = request->topic_data.items[0].partition_data.items[0].records;
    assert_true(records.data > bytes.data && records.data + records.size <= bytes.data + bytes.size);
    assert_null(records.source);
    free_bytes(bytes);
}

static void records_from_a_source_leave_a_hole(void **state)
{
    (void)state;
    const struct sample sample = {
        .schema = &fetch_response_schema, .version = 12, .flexible = true, .how = FILL_ALL};
    struct fetch_response *response = fill_new(&arena, sample.schema, sample.version, sample.how);
    struct wire_records *records = &response->responses.items[0].partitions.items[0].records;
    struct wire_records copied = *records;
    struct bytes whole = encode_sample(&sample);

    *records = (struct wire_records){.size = copied.size, .source = &sample};
    wire_writer_clear(&writer);
    assert_int_equal(codec_encode(sample.schema, sample.version, true, response, &writer), 0);

    assert_int_equal(writer.hole_count, 1);
    assert_int_equal(writer.hole_bytes, copied.size);
    assert_ptr_equal(writer.holes[0].source, &sample);
    size_t position = writer.holes[0].position;
    assert_int_equal(writer.bytes.size + copied.size, whole.size);
    assert_memory_equal(writer.bytes.data, whole.data, position);
    assert_memory_equal(copied.data, whole.data + position, copied.size);
    assert_memory_equal(writer.bytes.data + position, whole.data + position + copied.size,
                        writer.bytes.size - position);
    free_bytes(whole);
}

static void a_string_too_long_for_the_wire_is_refused(void **state)
{
    (void)state;
    struct find_coordinator_request request = {.key = bytes_of(arena_alloc(&arena, 40000), 40000)};
    assert_int_equal(codec_encode(&find_coordinator_request_schema, 1, false, &request, &writer), ERR_TOO_LARGE);
    wire_writer_clear(&writer);
    assert_int_equal(codec_encode(&find_coordinator_request_schema, 3, true, &request, &writer), ERR_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_encoded_decodes_to_the_same),
        TEST(a_message_cut_anywhere_is_refused),
        TEST(bytes_behind_a_message_are_ignored),
        TEST(unknown_tagged_fields_are_skipped),
        TEST(damaged_bytes_give_an_error_or_a_message),
        TEST(bytes_are_those_of_an_independent_implementation),
        TEST(null_and_empty_differ),
        TEST(a_message_without_fields_is_no_bytes),
        TEST(null_where_it_is_not_allowed_is_refused),
        TEST(fields_of_other_versions_get_their_defaults),
        TEST(a_count_beyond_the_input_is_refused_before_it_is_allocated),
        TEST(a_message_that_swells_is_refused),
        TEST(records_are_views_of_the_input),
        TEST(records_from_a_source_leave_a_hole),
        TEST(a_string_too_long_for_the_wire_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
