/* test_record_batch.c: batches as real clients made them, and what may be wrong with one. */
#include "kafka/record_batch.h"

#include "base/error.h"
#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Two records of kcat 1.7.1 with -X enable.idempotence=true: "k1:hello" and "k2:world". */
#define KCAT_BATCH \
    "00000000000000000000004d0000000002aaa80c05000000000001000001a206611c48000001a206611c4800000000000003e80000" \
    "00000000000000021a000000046b310a68656c6c6f001a000002046b320a776f726c6400"
/* One record of kafkajs 2.2.4 with a header: h=v. */
#define KAFKAJS_BATCH \
    "0000000000000000000000430000000002413a843a0000000000000000018bcfe568000000018bcfe5680000000000000003e80000" \
    "000000000000000122000000046b310a68656c6c6f0202680276"
/* Ten records of kcat 1.7.1 with -z gzip. */
#define KCAT_GZIP_BATCH \
    "0000000000000000000000730000000002000a3c45000100000009000001a20662051a000001a20662051affffffffffffffffffff" \
    "ffffffff0000000a1f8b08000000000000036b6164606060ac48a40030b400cd60a282192c5430838d0a667050c10c2e2a98c14305" \
    "33f8a860860015cc10a2d00c00e39ea520a8020000"

#define LENGTH_FIELD 8u
#define MAGIC_FIELD 16u
#define ATTRIBUTES_FIELD 21u
#define LAST_OFFSET_DELTA_FIELD 23u
#define BASE_SEQUENCE_FIELD 53u
#define RECORD_COUNT_FIELD 57u

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static struct record_batch parsed(struct bytes bytes)
{
    struct record_batch batch;
    assert_int_equal(record_batch_parse(bytes, &batch), 0);
    return batch;
}

/* The batch with the bytes at `field` replaced. */
static struct bytes patched(const char *hex, size_t field, const char *patch)
{
    struct bytes bytes = hex_bytes(&arena, hex), value = hex_bytes(&arena, patch);
    memcpy((uint8_t *)(uintptr_t)bytes.data + field, value.data, value.size);
    return bytes;
}

static void a_batch_of_librdkafka_is_read(void **state)
{
    (void)state;
    struct record_batch batch = parsed(hex_bytes(&arena, KCAT_BATCH));
    assert_int_equal(batch.base_offset, 0);
    assert_int_equal(batch.leader_epoch, 0);
    assert_int_equal(batch.crc, 0xaaa80c05);
    assert_int_equal(batch.attributes, 0);
    assert_int_equal(batch.last_offset_delta, 1);
    assert_int_equal(batch.base_timestamp, 0x1a206611c48);
    assert_int_equal(batch.max_timestamp, 0x1a206611c48);
    assert_int_equal(batch.producer_id, 1000);
    assert_int_equal(batch.producer_epoch, 0);
    assert_int_equal(batch.base_sequence, 0);
    assert_int_equal(batch.record_count, 2);
    assert_int_equal(batch.whole.size, 89);
    assert_int_equal(record_batch_last_offset(&batch), 1);
    assert_int_equal(record_batch_check_crc(&batch), 0);
    assert_int_equal(record_batch_check_produced(&batch), 0);
}

static void records_are_read_one_by_one(void **state)
{
    (void)state;
    struct record_batch batch = parsed(hex_bytes(&arena, KCAT_BATCH));
    struct bytes rest = record_batch_records(&batch);
    struct record record;
    assert_int_equal(record_next(&rest, &record), 0);
    assert_int_equal(record.offset_delta, 0);
    assert_int_equal(record.timestamp_delta, 0);
    assert_true(bytes_equal_string(record.key, "k1"));
    assert_true(bytes_equal_string(record.value, "hello"));
    assert_int_equal(record.header_count, 0);
    assert_int_equal(record_next(&rest, &record), 0);
    assert_int_equal(record.offset_delta, 1);
    assert_true(bytes_equal_string(record.value, "world"));
    assert_int_equal(rest.size, 0);
    assert_int_equal(record_next(&rest, &record), ERR_TRUNCATED);
}

static void headers_of_a_record_are_kept_as_they_are(void **state)
{
    (void)state;
    struct record_batch batch = parsed(hex_bytes(&arena, KAFKAJS_BATCH));
    assert_int_equal(record_batch_check_crc(&batch), 0);
    assert_int_equal(record_batch_check_produced(&batch), 0);
    struct bytes rest = record_batch_records(&batch);
    struct record record;
    assert_int_equal(record_next(&rest, &record), 0);
    assert_int_equal(record.header_count, 1);
    assert_true(bytes_equal(record.headers, hex_bytes(&arena, "02680276")));
}

static void compressed_records_are_taken_on_trust(void **state)
{
    (void)state;
    struct record_batch batch = parsed(hex_bytes(&arena, KCAT_GZIP_BATCH));
    assert_int_equal(batch.attributes & RECORD_BATCH_CODEC_MASK, 1);
    assert_int_equal(batch.record_count, 10);
    assert_int_equal(record_batch_records(&batch).size, 0);
    assert_int_equal(record_batch_check_crc(&batch), 0);
    assert_int_equal(record_batch_check_produced(&batch), 0);
}

static void a_batch_cut_anywhere_is_truncated(void **state)
{
    (void)state;
    struct bytes bytes = hex_bytes(&arena, KCAT_BATCH);
    for (size_t size = 0; size < bytes.size; size++) {
        struct record_batch batch;
        uint8_t *piece = test_malloc(size + 1);
        memcpy(piece, bytes.data, size);
        assert_int_equal(record_batch_parse(bytes_of(piece, size), &batch), ERR_TRUNCATED);
        test_free(piece);
    }
}

static void only_the_first_batch_is_viewed(void **state)
{
    (void)state;
    struct record_batch batch = parsed(hex_bytes(&arena, KCAT_BATCH KAFKAJS_BATCH));
    assert_int_equal(batch.whole.size, 89);
}

static void every_flipped_bit_behind_the_checksum_is_noticed(void **state)
{
    (void)state;
    struct bytes bytes = hex_bytes(&arena, KCAT_BATCH);
    uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
    struct record_batch batch = parsed(bytes);
    for (size_t bit = ATTRIBUTES_FIELD * 8; bit < bytes.size * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(record_batch_check_crc(&batch), ERR_CORRUPT);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void headers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        const char *patch;
        int error;
    } cases[] = {
        {MAGIC_FIELD, "00", ERR_UNSUPPORTED},
        {MAGIC_FIELD, "01", ERR_UNSUPPORTED},
        {LENGTH_FIELD, "ffffffff", ERR_MALFORMED},
        {LENGTH_FIELD, "00000030", ERR_MALFORMED}, /* one byte less than the header */
        {LENGTH_FIELD, "7fffffff", ERR_TRUNCATED},
        {LAST_OFFSET_DELTA_FIELD, "ffffffff", ERR_MALFORMED},
        {RECORD_COUNT_FIELD, "ffffffff", ERR_MALFORMED},
        {RECORD_COUNT_FIELD, "00000003", ERR_MALFORMED}, /* more records than offsets */
        {0, "7fffffffffffffff", ERR_MALFORMED},          /* the last offset is none */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct record_batch batch;
        struct bytes bytes = patched(KCAT_BATCH, cases[i].field, cases[i].patch);
        assert_int_equal(record_batch_parse(bytes, &batch), cases[i].error);
    }
}

static void what_a_producer_may_not_send_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        const char *patch;
        int error;
    } cases[] = {
        {ATTRIBUTES_FIELD, "0020", ERR_MALFORMED},   /* a control batch */
        {ATTRIBUTES_FIELD, "0005", ERR_UNSUPPORTED}, /* a codec that is none */
        {BASE_SEQUENCE_FIELD, "ffffffff", ERR_MALFORMED},
        {RECORD_COUNT_FIELD, "00000001", ERR_MALFORMED},  /* fewer records than offsets */
        {RECORD_COUNT_FIELD, "00000000", ERR_MALFORMED},
        {LAST_OFFSET_DELTA_FIELD, "00000002" "000001a206611c48000001a206611c4800000000000003e8000000000000" "00000003",
         ERR_MALFORMED}, /* more of both than there are bytes for */
        {RECORD_BATCH_HEADER_BYTES, "1c", ERR_MALFORMED},     /* the first record's length */
        {RECORD_BATCH_HEADER_BYTES + 3, "02", ERR_MALFORMED}, /* the first record's offset */
        {RECORD_BATCH_HEADER_BYTES + 4, "03", ERR_MALFORMED}, /* its key's length: -2 */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct record_batch batch = parsed(patched(KCAT_BATCH, cases[i].field, cases[i].patch));
        assert_int_equal(record_batch_check_produced(&batch), cases[i].error);
    }
}

static void a_record_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct record_batch batch = parsed(hex_bytes(&arena, KAFKAJS_BATCH));
    struct bytes records = record_batch_records(&batch);
    for (size_t size = 0; size < records.size; size++) {
        struct bytes rest = bytes_of(records.data, size);
        struct record record;
        assert_int_equal(record_next(&rest, &record), ERR_TRUNCATED);
    }
}

static void lengths_inside_a_record_stay_inside_it(void **state)
{
    (void)state;
    /* length, attributes, timestamp, offset, key, value, header count, headers; each reaches for the record behind. */
    static const char *const records[] = {
        "0e" "00000001" "0a6100" "ffffffffff",   /* a value of 5 where 2 bytes are left */
        "0c" "00000001" "01" "7e" "ffffffffff",  /* 63 headers in no bytes */
        "0c" "00000001" "01" "01" "ffffffffff",  /* -1 headers */
        "0e" "00000001" "01" "02" "01" "ffffff", /* a header without a name */
        "10" "00000001" "01" "00" "0000" "ff",   /* bytes behind the headers */
        "01",                                    /* a record of -1 bytes */
    };
    for (size_t i = 0; i < ARRAY_COUNT(records); i++) {
        struct bytes rest = hex_bytes(&arena, records[i]);
        struct record record;
        assert_int_equal(record_next(&rest, &record), ERR_MALFORMED);
    }
}

static void null_keys_and_values_are_told_from_empty_ones(void **state)
{
    (void)state;
    struct bytes rest = hex_bytes(&arena, "0c" "000000" "01" "01" "00" "0c" "000000" "00" "00" "00");
    struct record record;
    assert_int_equal(record_next(&rest, &record), 0);
    assert_null(record.key.data);
    assert_null(record.value.data);
    assert_int_equal(record_next(&rest, &record), 0);
    assert_non_null(record.key.data);
    assert_non_null(record.value.data);
}

static void what_the_broker_assigns_is_outside_the_checksum(void **state)
{
    (void)state;
    struct bytes bytes = hex_bytes(&arena, KCAT_BATCH);
    record_batch_assign((uint8_t *)(uintptr_t)bytes.data, 0x0102030405060708, 9);
    struct record_batch batch = parsed(bytes);
    assert_int_equal(batch.base_offset, 0x0102030405060708);
    assert_int_equal(batch.leader_epoch, 9);
    assert_int_equal(record_batch_last_offset(&batch), 0x0102030405060709);
    assert_int_equal(record_batch_check_crc(&batch), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_of_librdkafka_is_read),
        TEST(records_are_read_one_by_one),
        TEST(headers_of_a_record_are_kept_as_they_are),
        TEST(compressed_records_are_taken_on_trust),
        TEST(a_batch_cut_anywhere_is_truncated),
        TEST(only_the_first_batch_is_viewed),
        TEST(every_flipped_bit_behind_the_checksum_is_noticed),
        TEST(headers_that_cannot_be_are_refused),
        TEST(what_a_producer_may_not_send_is_refused),
        TEST(a_record_cut_anywhere_is_refused),
        TEST(lengths_inside_a_record_stay_inside_it),
        TEST(null_keys_and_values_are_told_from_empty_ones),
        TEST(what_the_broker_assigns_is_outside_the_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
