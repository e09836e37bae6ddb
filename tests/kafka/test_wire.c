/* test_wire.c: the scalars of the protocol at their edges. */
#include "kafka/wire.h"

#include "base/error.h"
#include "base/mem.h"
#include "hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct arena arena;
static struct wire_writer writer;
static struct wire_reader reader;

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

static void read_hex(const char *hex)
{
    wire_reader_init(&reader, hex_bytes(&arena, hex));
}

static void assert_written(const char *hex)
{
    struct bytes expected = hex_bytes(&arena, hex);
    assert_int_equal(writer.bytes.size, expected.size);
    assert_memory_equal(writer.bytes.data, expected.data, expected.size);
    wire_writer_clear(&writer);
}

static void integers_are_big_endian(void **state)
{
    (void)state;
    read_hex("80" "fffe" "80000001" "ffffffff" "0102030405060708");
    assert_int_equal(wire_read_int8(&reader), -128);
    assert_int_equal(wire_read_int16(&reader), -2);
    assert_int_equal(wire_read_int32(&reader), INT32_MIN + 1);
    assert_int_equal(wire_read_uint32(&reader), UINT32_MAX);
    assert_int_equal(wire_read_int64(&reader), 0x0102030405060708);
    assert_int_equal(reader.error, 0);
    assert_int_equal(wire_reader_remaining(&reader), 0);

    wire_write_int8(&writer, -128);
    wire_write_int16(&writer, -2);
    wire_write_int32(&writer, INT32_MIN + 1);
    wire_write_int64(&writer, 0x0102030405060708);
    assert_written("80" "fffe" "80000001" "0102030405060708");
}

static void unsigned_varints_have_one_to_five_bytes(void **state)
{
    (void)state;
    static const struct {
        uint32_t value;
        const char *hex;
    } cases[] = {{0, "00"}, {127, "7f"}, {128, "8001"}, {300, "ac02"}, {16384, "808001"}, {UINT32_MAX, "ffffffff0f"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        read_hex(cases[i].hex);
        assert_int_equal(wire_read_unsigned_varint(&reader), cases[i].value);
        assert_int_equal(reader.error, 0);
        wire_write_unsigned_varint(&writer, cases[i].value);
        assert_written(cases[i].hex);
    }
}

static void zigzag_varints_are_signed(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *hex;
    } cases[] = {{0, "00"}, {-1, "01"}, {1, "02"}, {-64, "7f"}, {64, "8001"}, {INT32_MIN, "ffffffff0f"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        read_hex(cases[i].hex);
        assert_int_equal(wire_read_varint(&reader), cases[i].value);
        read_hex(cases[i].hex);
        assert_int_equal(wire_read_varlong(&reader), cases[i].value);
        assert_int_equal(reader.error, 0);
    }
    read_hex("ffffffffffffffffff01");
    assert_true(wire_read_varlong(&reader) == INT64_MIN);
    assert_int_equal(reader.error, 0);
}

static void varints_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const too_wide[] = {"ffffffff1f", "8080808080", "808080808001"};
    for (size_t i = 0; i < ARRAY_COUNT(too_wide); i++) {
        read_hex(too_wide[i]);
        assert_int_equal(wire_read_unsigned_varint(&reader), 0);
        assert_int_equal(reader.error, ERR_MALFORMED);
    }
    read_hex("ffffffffffffffffff02");
    assert_int_equal(wire_read_varlong(&reader), 0);
    assert_int_equal(reader.error, ERR_MALFORMED);
    read_hex("8080");
    assert_int_equal(wire_read_unsigned_varint(&reader), 0);
    assert_int_equal(reader.error, ERR_TRUNCATED);
}

static void the_first_error_stays_and_stops_reading(void **state)
{
    (void)state;
    read_hex("0000");
    assert_int_equal(wire_read_int32(&reader), 0);
    assert_int_equal(reader.error, ERR_TRUNCATED);
    wire_reader_fail(&reader, ERR_MALFORMED);
    assert_int_equal(reader.error, ERR_TRUNCATED);
    assert_int_equal(wire_read_int16(&reader), 0);
    assert_null(wire_read_string(&reader, true).data);
    assert_int_equal(wire_read_count(&reader, false), 0);
}

static void strings_tell_null_from_empty(void **state)
{
    (void)state;
    static const struct {
        bool flexible;
        const char *null, *empty, *text;
    } cases[] = {{false, "ffff", "0000", "00026162"}, {true, "00", "01", "036162"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        bool flexible = cases[i].flexible;
        read_hex(cases[i].null);
        assert_null(wire_read_string(&reader, flexible).data);
        assert_int_equal(reader.error, 0);
        read_hex(cases[i].empty);
        assert_non_null(wire_read_string(&reader, flexible).data);
        assert_int_equal(reader.error, 0);
        read_hex(cases[i].text);
        assert_true(bytes_equal_string(wire_read_string(&reader, flexible), "ab"));

        wire_write_string(&writer, (struct bytes){0}, flexible, true);
        assert_written(cases[i].null);
        wire_write_string(&writer, (struct bytes){0}, flexible, false);
        assert_written(cases[i].empty);
        wire_write_string(&writer, bytes_of_string(""), flexible, true);
        assert_written(cases[i].empty);
        wire_write_string(&writer, bytes_of_string("ab"), flexible, true);
        assert_written(cases[i].text);
    }
}

static void lengths_beyond_the_input_or_below_null_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        bool flexible;
        int error;
    } strings[] = {{"000361", false, ERR_TRUNCATED}, {"fffe", false, ERR_MALFORMED}, {"0461", true, ERR_TRUNCATED},
                   {"ffffffff0f61", true, ERR_MALFORMED}};
    for (size_t i = 0; i < ARRAY_COUNT(strings); i++) {
        read_hex(strings[i].hex);
        assert_null(wire_read_string(&reader, strings[i].flexible).data);
        assert_int_equal(reader.error, strings[i].error);
    }
    static const struct {
        const char *hex;
        bool flexible;
        int error;
    } counts[] = {{"00000002" "00", false, ERR_TRUNCATED}, {"80000000", false, ERR_MALFORMED},
                  {"ffffffff0f" "00", true, ERR_TRUNCATED}};
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        read_hex(counts[i].hex);
        assert_int_equal(wire_read_count(&reader, counts[i].flexible), -1);
        assert_int_equal(reader.error, counts[i].error);
        read_hex(counts[i].hex);
        assert_null(wire_read_bytes(&reader, counts[i].flexible).data);
        assert_int_equal(reader.error, counts[i].error);
    }
}

static void tagged_fields_are_skipped_whole(void **state)
{
    (void)state;
    read_hex("02" "0001aa" "ac020361626300" "ff");
    wire_skip_tagged_fields(&reader);
    assert_int_equal(reader.error, 0);
    assert_int_equal(wire_reader_remaining(&reader), 2);
    read_hex("ffffffff0f" "0001aa");
    wire_skip_tagged_fields(&reader);
    assert_int_equal(reader.error, ERR_TRUNCATED);
}

static void a_size_is_put_in_front_of_what_it_counts(void **state)
{
    (void)state;
    wire_write_int8(&writer, 1);
    size_t start = writer.bytes.size;
    for (int i = 0; i < 200; i++)
        wire_write_int8(&writer, (int8_t)(i / 2));
    wire_prefix_size(&writer, start);
    assert_int_equal(writer.bytes.size, 203);
    assert_memory_equal(writer.bytes.data, ((uint8_t[]){1, 0xc8, 0x01, 0, 0, 1}), 6);
    assert_int_equal(writer.bytes.data[202], 99);
    wire_writer_clear(&writer);
    wire_prefix_size(&writer, 0);
    assert_written("00");
}

static void records_are_written_or_promised(void **state)
{
    (void)state;
    struct wire_records records = {.data = (const uint8_t *)"abc", .size = 3};
    wire_write_records(&writer, records, false, true);
    assert_written("00000003616263");
    wire_write_records(&writer, (struct wire_records){0}, true, true);
    assert_written("00");
    wire_write_records(&writer, (struct wire_records){.source = &arena}, true, true);
    assert_int_equal(writer.hole_count, 0); /* nothing to splice in */
    assert_written("01");

    for (size_t i = 1; i <= 20; i++)
        wire_write_records(&writer, (struct wire_records){.size = i, .source = &arena}, false, true);
    assert_int_equal(writer.hole_count, 20);
    assert_int_equal(writer.hole_bytes, 210);
    assert_int_equal(writer.holes[19].position, 80);
    assert_int_equal(writer.holes[19].size, 20);
    wire_writer_clear(&writer);
    assert_int_equal(writer.hole_count, 0);
    assert_int_equal(writer.hole_bytes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_are_big_endian),
        TEST(unsigned_varints_have_one_to_five_bytes),
        TEST(zigzag_varints_are_signed),
        TEST(varints_that_do_not_fit_are_refused),
        TEST(the_first_error_stays_and_stops_reading),
        TEST(strings_tell_null_from_empty),
        TEST(lengths_beyond_the_input_or_below_null_are_refused),
        TEST(tagged_fields_are_skipped_whole),
        TEST(a_size_is_put_in_front_of_what_it_counts),
        TEST(records_are_written_or_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
