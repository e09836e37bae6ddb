/* test_decode.c: what was written comes back; what is cut, damaged or hostile is refused with its reason. */
#include "pprof/decode.h"

#include "base/error.h"
#include "base/mem.h"
#include "example.h"
#include "pprof/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <zlib.h>

static struct buf encoded(struct profile *profile, bool gzip)
{
    struct buf out;
    buf_init(&out);
    (gzip ? profile_encode_gzip : profile_encode)(profile, &out);
    profile_destroy(profile);
    return out;
}

static int decode(struct bytes bytes, struct profile **profile)
{
    const char *problem;
    int result = profile_decode(bytes, PROFILE_LIMITS_DEFAULT, profile, &problem);
    assert_true((result == 0) == (problem == NULL));
    assert_true((result == 0) == (*profile != NULL));
    return result;
}

static void assert_refused(struct bytes bytes, int code, const char *part_of_problem)
{
    struct profile *profile;
    const char *problem;
    assert_int_equal(profile_decode(bytes, PROFILE_LIMITS_DEFAULT, &profile, &problem), code);
    assert_null(profile);
    assert_non_null(strstr(problem, part_of_problem));
}

static void assert_round_trip(struct profile *original, bool gzip)
{
    struct buf before, after;
    buf_init(&before);
    profile_encode(original, &before);
    struct buf out = encoded(original, gzip);
    struct profile *profile;

    assert_int_equal(decode(buf_bytes(&out), &profile), 0);

    buf_init(&after);
    profile_encode(profile, &after);
    assert_true(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
    profile_destroy(profile);
    buf_deinit(&after);
    buf_deinit(&out);
    buf_deinit(&before);
}

static void what_was_encoded_comes_back_the_same(void **state)
{
    (void)state;
    assert_round_trip(example_cpu(), false);
    assert_round_trip(example_cpu(), true);
    assert_round_trip(example_large(500, 25, 400, 150), true);
}

static void every_field_comes_back(void **state)
{
    (void)state;
    struct profile *original = example_cpu();
    original->default_sample_type = profile_string(original, "cpu");
    original->drop_frames = profile_string(original, "malloc|free");
    original->keep_frames = profile_string(original, "keep");
    original->doc_url = profile_string(original, "https://example.org/doc");
    struct buf out = encoded(original, true);
    struct profile *profile;

    assert_int_equal(decode(buf_bytes(&out), &profile), 0);

    assert_string_equal(profile_text(profile, profile->sample_types[1].unit), "nanoseconds");
    assert_string_equal(profile_text(profile, profile->period_type.type), "cpu");
    assert_int_equal(profile->period, 10000000);
    assert_int_equal(profile->time_ns, 1750000000123456789);
    assert_int_equal(profile->duration_ns, 30020000000);
    assert_string_equal(profile_text(profile, profile->default_sample_type), "cpu");
    assert_string_equal(profile_text(profile, profile->drop_frames), "malloc|free");
    assert_string_equal(profile_text(profile, profile->keep_frames), "keep");
    assert_string_equal(profile_text(profile, profile->doc_url), "https://example.org/doc");
    assert_int_equal(profile->comment_count, 2);
    assert_string_equal(profile_text(profile, profile->comments[0]), "takhin example");
    assert_int_equal(profile->mapping_count, 2);
    assert_int_equal(profile->mappings[0].limit, 0x800000);
    assert_true(profile->mappings[0].has_inline_frames);
    assert_false(profile->mappings[1].has_line_numbers);
    assert_int_equal(profile->sample_count, 7);
    const struct profile_sample *sample = &profile->samples[1];
    assert_int_equal(sample->label_count, 2);
    assert_string_equal(profile_text(profile, profile_label_at(profile, sample->label_start).text), "Produce");
    struct profile_label wait = profile_label_at(profile, sample->label_start + 1);
    assert_int_equal(wait.number, 250);
    assert_string_equal(profile_text(profile, wait.unit), "milliseconds");
    profile_destroy(profile);
    buf_deinit(&out);
}

static void gzip_members_one_after_another_are_one_profile(void **state)
{
    (void)state;
    struct buf plain = encoded(example_cpu(), false), members;
    buf_init(&members);
    size_t cuts[] = {0, 10, plain.size / 2, plain.size};
    for (size_t i = 0; i + 1 < ARRAY_COUNT(cuts); i++) {
        z_stream stream = {.next_in = plain.data + cuts[i], .avail_in = (uInt)(cuts[i + 1] - cuts[i])};
        assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        uLong bound = deflateBound(&stream, stream.avail_in);
        stream.next_out = buf_reserve(&members, bound);
        stream.avail_out = (uInt)bound;
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        members.size += stream.total_out;
        deflateEnd(&stream);
    }
    struct profile *profile;
    assert_int_equal(decode(buf_bytes(&members), &profile), 0);
    assert_int_equal(profile->sample_count, 7);
    profile_destroy(profile);
    buf_deinit(&members);
    buf_deinit(&plain);
}

static void gzip_cut_at_any_length_is_refused(void **state)
{
    (void)state;
    struct buf out = encoded(example_cpu(), true);
    assert_refused(bytes_of(out.data, 0), ERR_MALFORMED, "empty");
    assert_refused(bytes_of(out.data, 1), ERR_MALFORMED, "not a profile");
    for (size_t size = 2; size < out.size; size++)
        assert_refused(bytes_of(out.data, size), ERR_TRUNCATED, "too early");
    buf_deinit(&out);
}

/* A protobuf has no end mark: what is cut between two fields is another protobuf. It must not pass unless all that
 * samples refer to is there, which is so only behind the last string. */
static void plain_cut_at_any_length_before_the_last_string_is_refused(void **state)
{
    (void)state;
    struct buf out = encoded(example_cpu(), false);
    const uint8_t *last_text = memmem(out.data, out.size, "milliseconds", 12);
    assert_non_null(last_text);
    size_t strings_end = (size_t)(last_text - out.data) + 12;
    for (size_t size = 0; size < out.size; size++) {
        /* Exact memory, so that a sanitizer sees a read beyond it. */
        uint8_t *copy = mem_alloc(size);
        memcpy(copy, out.data, size);
        struct profile *profile;
        if (decode(bytes_of(copy, size), &profile) == 0) {
            assert_true(size >= strings_end);
            assert_int_equal(profile->sample_count, 7);
            profile_destroy(profile);
        }
        mem_free(copy);
    }
    buf_deinit(&out);
}

/* But for the bits that fill up the last byte in front of the checksum. */
static void any_flipped_bit_in_gzip_is_noticed_or_changes_nothing(void **state)
{
    (void)state;
    struct buf plain = encoded(example_cpu(), false), out = encoded(example_cpu(), true), again;
    size_t accepted = 0;
    buf_init(&again);
    for (size_t i = 10; i < out.size; i++) { /* behind the header, whose time and system nobody checks */
        out.data[i] ^= 0x10;
        struct profile *profile;
        if (decode(buf_bytes(&out), &profile) == 0) {
            accepted++;
            buf_clear(&again);
            profile_encode(profile, &again);
            assert_true(bytes_equal(buf_bytes(&again), buf_bytes(&plain)));
            profile_destroy(profile);
        }
        out.data[i] ^= 0x10;
    }
    assert_true(accepted <= 1);
    buf_deinit(&again);
    buf_deinit(&out);
    buf_deinit(&plain);
}

static void text_is_not_a_profile(void **state)
{
    (void)state;
    assert_refused(bytes_of_string("<html><body>login</body></html>"), ERR_MALFORMED, "not a profile");
    assert_refused(bytes_of_string("{\"error\": 1}"), ERR_MALFORMED, "not a profile");
    assert_refused(bytes_of_string("404 page not found\n"), ERR_MALFORMED, "not a profile");
    assert_refused(bytes_of("\x1f\x8b garbage behind the magic", 27), ERR_CORRUPT, "damaged");
}

static void garbage_behind_gzip_is_refused(void **state)
{
    (void)state;
    struct buf out = encoded(example_cpu(), true);
    buf_append_string(&out, "garbage behind the end");
    assert_refused(buf_bytes(&out), ERR_CORRUPT, "damaged");
    buf_deinit(&out);
}

static void gzip_bomb_stops_at_the_limit(void **state)
{
    (void)state;
    /* 64 MiB of zeros in 64 KiB. */
    size_t size = (size_t)64 << 20;
    uint8_t *zeros = mem_alloc(size);
    z_stream stream = {.next_in = zeros, .avail_in = (uInt)size};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    uint8_t *bomb = mem_alloc((size_t)1 << 20);
    stream.next_out = bomb;
    stream.avail_out = 1 << 20;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t bomb_size = stream.total_out;
    deflateEnd(&stream);
    mem_free(zeros);

    struct profile *profile;
    const char *problem;
    struct profile_limits limits = {.plain_bytes = (size_t)1 << 20, .memory_bytes = (size_t)64 << 20};
    assert_int_equal(profile_decode(bytes_of(bomb, bomb_size), limits, &profile, &problem), ERR_TOO_LARGE);
    assert_null(profile);
    mem_free(bomb);
}

static void exactly_the_limit_is_allowed(void **state)
{
    (void)state;
    struct buf plain = encoded(example_cpu(), false), packed = encoded(example_cpu(), true);
    struct profile *profile;
    const char *problem;
    struct profile_limits limits = {.plain_bytes = plain.size, .memory_bytes = (size_t)1 << 20};
    assert_int_equal(profile_decode(buf_bytes(&packed), limits, &profile, &problem), 0);
    profile_destroy(profile);
    limits.plain_bytes--;
    assert_int_equal(profile_decode(buf_bytes(&packed), limits, &profile, &problem), ERR_TOO_LARGE);
    assert_int_equal(profile_decode(buf_bytes(&plain), limits, &profile, &problem), ERR_TOO_LARGE);
    buf_deinit(&packed);
    buf_deinit(&plain);
}

static void many_small_records_stop_at_the_memory_limit(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out);
    buf_append(&out, "\x0a\x00\x32\x00", 4); /* a sample type and its string */
    for (int i = 0; i < 100000; i++)
        buf_append(&out, "\x12\x03\x12\x01\x05", 5);
    struct profile *profile;
    const char *problem;
    struct profile_limits limits = {.plain_bytes = (size_t)1 << 20, .memory_bytes = (size_t)1 << 20};
    assert_int_equal(profile_decode(buf_bytes(&out), limits, &profile, &problem), ERR_TOO_LARGE);
    buf_deinit(&out);
}

static void more_sample_types_than_anybody_has_are_refused(void **state)
{
    (void)state;
    struct profile *profile;
    const char *problem;
    struct buf out;
    buf_init(&out);
    buf_append(&out, "\x32\x00", 2); /* a string */
    for (int i = 0; i < PROFILE_SAMPLE_TYPES_MAX; i++)
        buf_append(&out, "\x0a\x00", 2);
    assert_int_equal(profile_decode(buf_bytes(&out), PROFILE_LIMITS_DEFAULT, &profile, &problem), 0);
    profile_destroy(profile);
    buf_append(&out, "\x0a\x00", 2);
    assert_int_equal(profile_decode(buf_bytes(&out), PROFILE_LIMITS_DEFAULT, &profile, &problem), ERR_TOO_LARGE);
    buf_deinit(&out);
}

/* A gibibyte of one sample took twelve, before it was counted. */
static void parts_of_one_sample_stop_at_the_memory_limit(void **state)
{
    (void)state;
    enum { PARTS = 100000 };
    static const struct {
        const char *part; /* of a sample, and many times */
        size_t size;
    } cases[] = {
        {"\x1a\x00", 2},         /* a label */
        {"\x0a\x02\x01\x01", 4}, /* two locations */
        {"\x08\x01", 2},         /* a location */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf sample, out;
        buf_init(&sample);
        buf_init(&out);
        buf_append(&sample, "\x10\x05", 2); /* its value */
        for (int j = 0; j < PARTS; j++)
            buf_append(&sample, cases[i].part, cases[i].size);
        buf_append(&sample, "\x1a\x02\x08\x09", 4); /* a string that is not there: nobody gets so far */
        buf_append(&out, "\x0a\x00\x32\x00\x22\x02\x08\x01\x12", 9);
        for (size_t rest = sample.size; rest > 0; rest >>= 7)
            buf_append_byte(&out, (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
        buf_append_bytes(&out, buf_bytes(&sample));
        struct profile *profile;
        const char *problem;
        struct profile_limits limits = {.plain_bytes = (size_t)1 << 20, .memory_bytes = (size_t)100 << 10};
        assert_int_equal(profile_decode(buf_bytes(&out), limits, &profile, &problem), ERR_TOO_LARGE);
        buf_deinit(&out);
        buf_deinit(&sample);
    }
}

/* Pieces of profiles: a sample type and its strings, then what each case adds. */
#define SAMPLE_TYPE "\x0a\x00"
#define STRINGS "\x32\x00"

static void rules_of_the_format_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *problem;
    } cases[] = {
#define CASE(text, problem) {text, sizeof(text) - 1, problem}
        CASE("\x32\x00", "no sample type"),
        CASE(SAMPLE_TYPE, "empty string"),
        CASE(SAMPLE_TYPE "\x32\x01x", "empty string"),
        CASE("\x0a\x02\x08\x01" STRINGS, "string table does not have"),
        CASE("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" STRINGS, "string table does not have"),
        CASE(SAMPLE_TYPE STRINGS "\x1a\x00", "a mapping has the id 0"),
        CASE(SAMPLE_TYPE STRINGS "\x1a\x02\x08\x01\x1a\x02\x08\x01", "two have the same"),
        CASE(SAMPLE_TYPE STRINGS "\x2a\x00", "a function has the id 0"),
        CASE(SAMPLE_TYPE STRINGS "\x2a\x02\x08\x05\x2a\x02\x08\x05", "two have the same"),
        CASE(SAMPLE_TYPE STRINGS "\x22\x00", "a location has the id 0"),
        CASE(SAMPLE_TYPE STRINGS "\x22\x02\x08\x05\x22\x02\x08\x05", "two have the same"),
        CASE(SAMPLE_TYPE STRINGS "\x22\x06\x08\x01\x22\x02\x08\x09", "a function that is not there"),
        CASE(SAMPLE_TYPE STRINGS "\x22\x04\x08\x01\x22\x00", "a function that is not there"),
        CASE(SAMPLE_TYPE STRINGS "\x12\x06\x0a\x01\x07\x12\x01\x01", "a location that is not there"),
        CASE(SAMPLE_TYPE STRINGS "\x12\x06\x0a\x01\x00\x12\x01\x01", "a location that is not there"),
        CASE(SAMPLE_TYPE STRINGS "\x12\x00", "more or fewer values"),
        CASE(SAMPLE_TYPE STRINGS "\x12\x04\x12\x02\x01\x01", "more or fewer values"),
        CASE(SAMPLE_TYPE STRINGS "\x12\x07\x12\x01\x01\x1a\x02\x08\x09", "string table does not have"),
        CASE(SAMPLE_TYPE STRINGS "\x6a\x01\x04", "string table does not have"),
        CASE(SAMPLE_TYPE STRINGS "\x70\x04", "string table does not have"),
#undef CASE
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_refused(bytes_of(cases[i].bytes, cases[i].size), ERR_OUT_OF_RANGE, cases[i].problem);
}

static void ids_with_gaps_and_in_any_order_are_renumbered(void **state)
{
    (void)state;
    /* Locations 9 and 4 of functions 70 and 3 (varint 0xf0 0x01 = 240), a mapping that is not there, unpacked ids. */
    static const char text[] = SAMPLE_TYPE STRINGS "\x32\x01" "a" "\x32\x01" "b"
                               "\x12\x08\x08\x09\x08\x04\x12\x02\x85\x01"
                               "\x22\x09\x08\x09\x10\x05\x22\x03\x08\xf0\x01"
                               "\x22\x06\x08\x04\x22\x02\x08\x03"
                               "\x2a\x05\x08\xf0\x01\x10\x01"
                               "\x2a\x04\x08\x03\x10\x02";
    struct profile *profile;
    assert_int_equal(decode(bytes_of(text, sizeof(text) - 1), &profile), 0);
    assert_int_equal(profile->sample_location_count, 2);
    assert_int_equal(profile->sample_values[0], 133);
    const struct profile_location *leaf = &profile->locations[profile->sample_locations[0] - 1];
    assert_int_equal(leaf->mapping, 0);
    const struct profile_function *function = &profile->functions[profile->lines[leaf->line_start].function - 1];
    assert_string_equal(profile_text(profile, function->name), "a");
    profile_destroy(profile);
}

/* How much of the mapping that begins there is in memory, in bytes. */
static size_t resident_bytes(const void *mapped)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    char line[512];
    bool is_found = false;
    unsigned long start, end;
    size_t kilobytes = SIZE_MAX / 1024;
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            is_found = start == (uintptr_t)mapped;
        if (is_found && sscanf(line, "Rss: %zu kB", &kilobytes) == 1)
            break;
    }
    fclose(maps);
    return kilobytes * 1024;
}

static void a_mapped_file_is_let_go_as_it_is_read(void **state)
{
    (void)state;
    enum { COMMENTS = 48, COMMENT_BYTES = 1 << 20 };
    struct profile *large = profile_create(), *profile;
    profile_add_sample_type(large, "samples", "count");
    char *comment = mem_alloc(COMMENT_BYTES);
    memset(comment, 'x', COMMENT_BYTES - 1);
    for (int i = 0; i < COMMENTS; i++) {
        comment[0] = (char)('A' + i);
        profile_add_comment(large, comment);
    }
    mem_free(comment);
    struct buf out = encoded(large, false), again;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(out.data, 1, out.size, file), out.size);
    fflush(file);
    void *mapped = mmap(NULL, out.size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    assert_true(mapped != MAP_FAILED);
    const char *problem;

    assert_int_equal(profile_decode_mapped(bytes_of(mapped, out.size), PROFILE_LIMITS_DEFAULT, &profile, &problem), 0);

    assert_true(resident_bytes(mapped) < out.size / 2);
    buf_init(&again);
    profile_encode(profile, &again);
    assert_true(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
    profile_destroy(profile);
    buf_deinit(&again);
    munmap(mapped, out.size);
    fclose(file);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_comes_back_the_same),
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(gzip_members_one_after_another_are_one_profile),
        cmocka_unit_test(gzip_cut_at_any_length_is_refused),
        cmocka_unit_test(plain_cut_at_any_length_before_the_last_string_is_refused),
        cmocka_unit_test(any_flipped_bit_in_gzip_is_noticed_or_changes_nothing),
        cmocka_unit_test(text_is_not_a_profile),
        cmocka_unit_test(garbage_behind_gzip_is_refused),
        cmocka_unit_test(gzip_bomb_stops_at_the_limit),
        cmocka_unit_test(exactly_the_limit_is_allowed),
        cmocka_unit_test(many_small_records_stop_at_the_memory_limit),
        cmocka_unit_test(more_sample_types_than_anybody_has_are_refused),
        cmocka_unit_test(parts_of_one_sample_stop_at_the_memory_limit),
        cmocka_unit_test(rules_of_the_format_are_checked),
        cmocka_unit_test(ids_with_gaps_and_in_any_order_are_renumbered),
        cmocka_unit_test(a_mapped_file_is_let_go_as_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
