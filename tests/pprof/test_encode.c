/* test_encode.c: a profile's bytes, golden and through gzip. */
#include "pprof/encode.h"

#include "example.h"
#include "go_tool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

static void small_profile_has_the_golden_bytes(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count"); /* strings 1 and 2 */
    struct profile_line line = {profile_add_function(profile, "run", "a.c", 1), 5}; /* 3 and 4 */
    uint32_t location = profile_add_location(profile, 0, 0x1000, &line, 1);
    struct profile_label label = {.key = profile_string(profile, "api"), .text = profile_string(profile, "Fetch")};
    int64_t value = 7;
    profile_add_sample(profile, &location, 1, &value, &label, 1);
    struct buf out;
    buf_init(&out);

    profile_encode(profile, &out);

    static const uint8_t golden[] = {
        0x0a, 0x04, 0x08, 0x01, 0x10, 0x02,                                                 /* sample type */
        0x12, 0x0c, 0x0a, 0x01, 0x01, 0x12, 0x01, 0x07, 0x1a, 0x04, 0x08, 0x05, 0x10, 0x06, /* sample */
        0x22, 0x0b, 0x08, 0x01, 0x18, 0x80, 0x20, 0x22, 0x04, 0x08, 0x01, 0x10, 0x05,       /* location */
        0x2a, 0x0a, 0x08, 0x01, 0x10, 0x03, 0x18, 0x03, 0x20, 0x04, 0x28, 0x01,             /* function */
        0x32, 0x00, 0x32, 0x07, 's',  'a',  'm',  'p',  'l',  'e',  's',                    /* strings */
        0x32, 0x05, 'c',  'o',  'u',  'n',  't',  0x32, 0x03, 'r',  'u',  'n',
        0x32, 0x03, 'a',  '.',  'c',  0x32, 0x03, 'a',  'p',  'i',
        0x32, 0x05, 'F',  'e',  't',  'c',  'h',
        0x5a, 0x00,                                                                         /* period type: none */
    };
    assert_int_equal(out.size, sizeof(golden));
    assert_memory_equal(out.data, golden, sizeof(golden));
    buf_deinit(&out);
    profile_destroy(profile);
}

static void what_is_no_utf8_becomes_question_marks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"plain", "plain"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\x80 \xff", "? ?"},
        {"cut \xe2\x82", "cut ??"},
        {"\xc3(", "?("},
        {"\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "?? ??? ????"}, /* overlong */
        {"\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"},            /* a surrogate; beyond U+10FFFF */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct profile *profile = profile_create();
        profile_string(profile, cases[i].text);
        struct buf out;
        buf_init(&out);

        profile_encode(profile, &out);

        size_t length = strlen(cases[i].written); /* behind the empty string's two bytes: tag, length, text */
        assert_true(out.size >= 4 + length);
        assert_int_equal(out.data[3], length);
        assert_memory_equal(out.data + 4, cases[i].written, length);
        buf_deinit(&out);
        profile_destroy(profile);
    }
}

static void record_of_128_bytes_has_a_two_byte_length(void **state)
{
    (void)state;
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    uint32_t locations[200];
    for (uint32_t i = 0; i < ARRAY_COUNT(locations); i++)
        locations[i] = profile_add_location(profile, 0, 1, NULL, 0);
    int64_t value = -1;
    profile_add_sample(profile, locations, ARRAY_COUNT(locations), &value, NULL, 0);
    struct buf out;
    buf_init(&out);

    profile_encode(profile, &out);

    /* Behind the sample type's 6 bytes: a sample of 3 + 200 bytes of locations and 2 + 10 of the value. */
    static const uint8_t head[] = {0x12, 0xd7, 0x01, 0x0a, 0xc8, 0x01, 0x01, 0x01};
    assert_memory_equal(out.data + 6, head, sizeof(head));
    static const uint8_t minus_one[] = {0x12, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    assert_memory_equal(out.data + 6 + 3 + 203, minus_one, sizeof(minus_one));
    buf_deinit(&out);
    profile_destroy(profile);
}

static void gzip_holds_the_plain_bytes_behind_what_was_there(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    struct buf plain, packed;
    buf_init(&plain);
    buf_init(&packed);
    buf_append_string(&packed, "head");

    profile_encode(profile, &plain);
    profile_encode_gzip(profile, &packed);

    assert_memory_equal(packed.data, "head\x1f\x8b", 6);
    uint8_t *unpacked = mem_alloc(plain.size);
    z_stream stream = {.next_in = packed.data + 4, .avail_in = (uInt)packed.size - 4,
                       .next_out = unpacked, .avail_out = (uInt)plain.size};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, plain.size);
    assert_memory_equal(unpacked, plain.data, plain.size);
    inflateEnd(&stream);
    mem_free(unpacked);
    buf_deinit(&packed);
    buf_deinit(&plain);
    profile_destroy(profile);
}

static void equal_profiles_have_equal_bytes(void **state)
{
    (void)state;
    struct buf out[2];
    for (int i = 0; i < 2; i++) {
        struct profile *profile = example_large(300, 20, 200, 80);
        buf_init(&out[i]);
        profile_encode_gzip(profile, &out[i]);
        profile_destroy(profile);
    }
    assert_true(bytes_equal(buf_bytes(&out[0]), buf_bytes(&out[1])));
    buf_deinit(&out[0]);
    buf_deinit(&out[1]);
}

/* Everything that the profile says must come back from Go's reader, and it must have nothing to complain of. */
static void every_go_reads_it_without_a_word(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "Period: 10000000", "Duration: 30.0", "samples/count cpu/nanoseconds", "1234 12340000000: ",
        "api:[Produce]", "latency:[250 milliseconds]", "0x400900 M=1 crc32c src/a.c:44",
        "storage_log_append src/a.c:37", "1: 0x400000/0x800000/0x0 /usr/bin/takhin 0123456789abcdef",
    };
    struct profile *profile = example_cpu();
    bool compared = false;
    for (size_t i = 0; i < ARRAY_COUNT(go_tools); i++) {
        if (!go_works(go_tools[i]))
            continue;
        compared = true;
        struct go_output output = go_run(go_tools[i], "tool pprof -raw cpu.prof", profile);
        assert_int_equal(output.status, 0);
        assert_string_equal(buf_string(&output.err), "");
        for (size_t j = 0; j < ARRAY_COUNT(expected); j++) {
            if (strstr(buf_string(&output.out), expected[j]) == NULL)
                fail_msg("%s: no \"%s\" in:\n%s", go_tools[i], expected[j], buf_string(&output.out));
        }
        go_output_deinit(&output);
    }
    profile_destroy(profile);
    if (!compared)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_profile_has_the_golden_bytes),
        cmocka_unit_test(what_is_no_utf8_becomes_question_marks),
        cmocka_unit_test(record_of_128_bytes_has_a_two_byte_length),
        cmocka_unit_test(gzip_holds_the_plain_bytes_behind_what_was_there),
        cmocka_unit_test(equal_profiles_have_equal_bytes),
        cmocka_unit_test(every_go_reads_it_without_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
