/* test_segment.c: the files of a segment, byte by byte, and what recovery makes of them. */
#include "fixture.h"

#include "storage/producers.h"
#include "storage/segment.h"

#define INTERVAL 150

/* Six batches of 100 bytes at offsets 0 to 5, times 1000 to 1005, into a fresh segment. */
static struct storage_segment *make_segment(const struct fixture *fixture)
{
    struct storage_segment *segment;
    struct segment_state next;
    assert_int_equal(segment_create(fixture->folder, 0, &segment), 0);
    for (int i = 0; i < 6; i++) {
        struct buf buf;
        struct record_batch batch;
        buf_init(&buf);
        put_batch(&buf, &(struct batch_spec){.records = 1, .value_bytes = 32, .timestamp = 1000 + i});
        assert_int_equal(buf.size, 100);
        record_batch_assign(buf.data, i, 0);
        assert_int_equal(record_batch_parse(buf_bytes(&buf), &batch), 0);
        assert_int_equal(segment_append(segment, &batch, INTERVAL, &next), 0);
        segment->state = next;
        buf_deinit(&buf);
    }
    return segment;
}

static void assert_file(const struct fixture *fixture, const char *suffix, const uint8_t *bytes, size_t size)
{
    char *path = segment_path(fixture->folder, 0, suffix);
    struct buf content;
    load_file(path, &content);
    assert_int_equal(content.size, size);
    assert_memory_equal(content.data, bytes, size);
    buf_deinit(&content);
    mem_free(path);
}

/* An entry for the first batch that begins more than 150 bytes behind the last entry's: last offset, position. */
static const uint8_t golden_index[] = {
    0, 0, 0, 2, 0, 0, 0, 200, /* offset 2 at 200 */
    0, 0, 0, 4, 0, 0, 1, 144, /* offset 4 at 400 */
};
/* The largest timestamp so far and its batch's last offset; the third entry comes when the segment is closed. */
static const uint8_t golden_time_index[] = {
    0, 0, 0, 0, 0, 0, 3, 234, 0, 0, 0, 2, /* 1002 */
    0, 0, 0, 0, 0, 0, 3, 236, 0, 0, 0, 4, /* 1004 */
    0, 0, 0, 0, 0, 0, 3, 237, 0, 0, 0, 5, /* 1005 */
};
/* The first batch as it lies in the file; its checksum, 0x4fca49d2, was computed bit by bit outside of this program. */
static const uint8_t golden_batch_start[] = {
    0, 0, 0, 0, 0, 0, 0, 0, /* base offset */
    0, 0, 0, 88,            /* length */
    0, 0, 0, 0,             /* leader epoch */
    2,                      /* magic */
    79, 202, 73, 210,  /* CRC-32C */
    0, 0,                   /* attributes */
    0, 0, 0, 0,             /* last offset delta */
    0, 0, 0, 0, 0, 0, 3, 232, /* base timestamp */
    0, 0, 0, 0, 0, 0, 3, 232, /* max timestamp */
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, /* no producer */
    0, 0, 0, 1,             /* records */
    76, 0, 0, 0, 1, 64,     /* a record of 38 bytes: no key, 32 bytes of value */
};

static void files_have_the_bytes_that_kafka_writes(void **state)
{
    struct fixture *fixture = *state;
    struct storage_segment *segment = make_segment(fixture);
    struct segment_state sealed;

    assert_file(fixture, ".index", golden_index, 0); /* too few to write yet */
    assert_file(fixture, ".timeindex", golden_time_index, 0);
    assert_int_equal(segment_seal(segment, &sealed), 0);
    segment->state = sealed;
    assert_file(fixture, ".index", golden_index, sizeof golden_index);
    assert_file(fixture, ".timeindex", golden_time_index, sizeof golden_time_index);
    assert_int_equal(segment_seal(segment, &sealed), 0); /* nothing new to say */
    assert_int_equal(sealed.time_index_count, 3);

    char *path = segment_path(fixture->folder, 0, ".log");
    assert_string_equal(strrchr(path, '/'), "/00000000000000000000.log");
    struct buf log;
    load_file(path, &log);
    assert_int_equal(log.size, 600);
    assert_memory_equal(log.data, golden_batch_start, sizeof golden_batch_start);
    buf_deinit(&log);
    mem_free(path);
    segment_release(segment);
}

static void names_are_twenty_digits(void **state)
{
    (void)state;
    int64_t offset;
    assert_int_equal(segment_parse_name("00000000000000000042.log", ".log", &offset), 0);
    assert_int_equal(offset, 42);
    assert_int_equal(segment_parse_name("09223372036854775807.log", ".log", &offset), 0);
    assert_true(offset == INT64_MAX);
    static const char *const wrong[] = {"0000000000000000042.log", "000000000000000000042.log", "", ".log",
                                        "00000000000000000042.index", "00000000000000000042.log.deleted",
                                        "0000000000000000004a.log", "99999999999999999999.log"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        assert_int_equal(segment_parse_name(wrong[i], ".log", &offset), ERR_MALFORMED);
}

static void assert_same_state(const struct segment_state *a, const struct segment_state *b)
{
    assert_int_equal(a->size_bytes, b->size_bytes);
    assert_int_equal(a->index_count, b->index_count);
    assert_int_equal(a->time_index_count, b->time_index_count);
    assert_int_equal(a->index_written, b->index_written);
    assert_int_equal(a->time_index_written, b->time_index_written);
    assert_int_equal(a->next_offset, b->next_offset);
    assert_int_equal(a->first_timestamp, b->first_timestamp);
    assert_int_equal(a->max_timestamp, b->max_timestamp);
    assert_int_equal(a->max_timestamp_offset, b->max_timestamp_offset);
    assert_int_equal(a->indexed_timestamp, b->indexed_timestamp);
    assert_int_equal(a->bytes_since_index, b->bytes_since_index);
}

/* The tail is written each time that it is full, and what an undone append brought to it is not. */
static void index_entries_are_written_in_groups(void **state)
{
    struct fixture *fixture = *state;
    struct storage_segment *segment;
    struct segment_state next;
    assert_int_equal(segment_create(fixture->folder, 0, &segment), 0);
    char *path = segment_path(fixture->folder, 0, ".index");
    struct buf buf, index;
    for (int i = 0; i < 20; i++) {
        struct record_batch batch;
        buf_init(&buf);
        put_batch(&buf, &(struct batch_spec){.records = 1, .value_bytes = 32, .timestamp = 1000 + i});
        record_batch_assign(buf.data, i, 0);
        assert_int_equal(record_batch_parse(buf_bytes(&buf), &batch), 0);
        assert_int_equal(segment_append(segment, &batch, 0, &next), 0); /* an entry a batch, but for the first */
        segment_undo_append(segment);
        assert_int_equal(file_bytes(path), i == 0 ? 0 : (i - 1) / INDEX_TAIL_ENTRIES * INDEX_TAIL_ENTRIES * 8);
        assert_int_equal(segment_append(segment, &batch, 0, &next), 0);
        segment->state = next;
        assert_int_equal(file_bytes(path), i / INDEX_TAIL_ENTRIES * INDEX_TAIL_ENTRIES * 8);
        buf_deinit(&buf);
    }
    assert_int_equal(segment_seal(segment, &next), 0);
    load_file(path, &index);
    assert_int_equal(index.size, 19 * 8);
    for (int i = 0; i < 19; i++) {
        assert_int_equal(big_endian_read_32(index.data + 8 * i), i + 1);
        assert_int_equal(big_endian_read_32(index.data + 8 * i + 4), 100 * (i + 1));
    }
    buf_deinit(&index);
    mem_free(path);
    segment_release(segment);
}

/* What is read back from the files is what the appender knew; so it goes on as if it had never stopped. */
static void loading_restores_the_state(void **state)
{
    struct fixture *fixture = *state;
    struct storage_segment *segment = make_segment(fixture), *loaded;
    struct segment_state sealed;
    assert_int_equal(segment_seal(segment, &sealed), 0);
    assert_int_equal(segment_open(fixture->folder, 0, &loaded), 0);
    assert_int_equal(segment_load(loaded, -1), 0);
    assert_same_state(&loaded->state, &sealed);
    segment_release(segment);
    segment_release(loaded);
}

static void recovery_rebuilds_lost_and_false_indexes(void **state)
{
    struct fixture *fixture = *state;
    struct storage_segment *segment = make_segment(fixture), *recovered;
    struct producers *producers = producers_create();
    struct segment_state sealed;
    int64_t cut;
    assert_int_equal(segment_seal(segment, &sealed), 0);
    segment_release(segment);
    static const uint8_t garbage[1000] = {1, 2, 3};
    char *index = segment_path(fixture->folder, 0, ".index");
    char *time_index = segment_path(fixture->folder, 0, ".timeindex");
    store_file(index, bytes_of(garbage, sizeof garbage));
    assert_int_equal(unlink(time_index), 0);

    assert_int_equal(segment_open(fixture->folder, 0, &recovered), 0);
    assert_int_equal(segment_recover(recovered, INT64_MAX, INTERVAL, producers, &cut), 0);

    assert_int_equal(cut, 0);
    assert_same_state(&recovered->state, &sealed);
    assert_file(fixture, ".index", golden_index, sizeof golden_index);
    assert_file(fixture, ".timeindex", golden_time_index, sizeof golden_time_index);
    segment_release(recovered);
    producers_destroy(producers);
    mem_free(index);
    mem_free(time_index);
}

/* Base offsets lie outside the checksum: one that reaches into the next segment is damage. */
static void recovery_stops_at_the_next_segments_offsets(void **state)
{
    struct fixture *fixture = *state;
    struct storage_segment *segment = make_segment(fixture);
    struct producers *producers = producers_create();
    int64_t cut;
    assert_int_equal(segment_recover(segment, 6, INTERVAL, producers, &cut), 0);
    assert_int_equal(cut, 0);
    assert_int_equal(segment_recover(segment, 5, INTERVAL, producers, &cut), 0);
    assert_int_equal(cut, 100);
    assert_int_equal(segment->state.next_offset, 5);
    segment_release(segment);
    producers_destroy(producers);
}

static void loading_refuses_files_that_do_not_fit_together(void **state)
{
    struct fixture *fixture = *state;
    struct storage_segment *segment = make_segment(fixture);
    struct segment_state sealed;
    assert_int_equal(segment_seal(segment, &sealed), 0);
    segment_release(segment);
    static const struct {
        const char *suffix;
        off_t size;
    } cuts[] = {{".timeindex", 30}, {".timeindex", 0}, {".index", 15},
                {".index", 800}, {".timeindex", 1200}, /* zeros behind, as in files that Kafka had open when it died */
                {".log", 599}, {".log", 150}, {".log", 30}};
    for (size_t i = 0; i < ARRAY_COUNT(cuts); i++) {
        struct buf before;
        struct storage_segment *loaded;
        char *path = segment_path(fixture->folder, 0, cuts[i].suffix);
        load_file(path, &before);
        assert_int_equal(truncate(path, cuts[i].size), 0);
        assert_int_equal(segment_open(fixture->folder, 0, &loaded), 0);
        assert_int_equal(segment_load(loaded, -1), ERR_CORRUPT);
        segment_release(loaded);
        store_file(path, buf_bytes(&before));
        buf_deinit(&before);
        mem_free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(files_have_the_bytes_that_kafka_writes),
        STORAGE_TEST(names_are_twenty_digits),
        STORAGE_TEST(index_entries_are_written_in_groups),
        STORAGE_TEST(loading_restores_the_state),
        STORAGE_TEST(recovery_rebuilds_lost_and_false_indexes),
        STORAGE_TEST(recovery_stops_at_the_next_segments_offsets),
        STORAGE_TEST(loading_refuses_files_that_do_not_fit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
