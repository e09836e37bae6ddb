/* test_recovery.c: what a start finds after a proper end, after a crash, and after damage. */
#include "fixture.h"

#include "storage/log_private.h"

#include <errno.h>
#include <sys/resource.h>

#define LOG_FILE "00000000000000000000.log"
#define BATCHES 5

static void append_batches(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    for (int i = 0; i < BATCHES; i++)
        append_ok(topic->logs[0], &(struct batch_spec){.records = 1, .value_bytes = 32, .timestamp = 1000 + i,
                                                       .fill = (char)('a' + i)});
    storage_topic_release(topic);
}

static void append_one_more(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    int64_t end = storage_log_end_offset(topic->logs[0]);
    TASK_CHECK(append_ok(topic->logs[0], &(struct batch_spec){.records = 1, .value_bytes = 32}) == end);
    storage_topic_release(topic);
}

/* Five batches of 100 bytes, closed properly. */
static void prepare(struct fixture *fixture)
{
    fixture_open(fixture);
    task_test_run_with(append_batches, fixture);
    fixture_close(fixture);
}

/* As after a crash: nothing says that the end was a proper one. */
static void forget_proper_end(const struct fixture *fixture)
{
    char *marker = mem_printf("%s/.takhin_cleanshutdown", fixture->folder);
    assert_int_equal(unlink(marker), 0);
    mem_free(marker);
}

struct seen {
    struct fixture *fixture;
    int64_t start_offset, end_offset, size_bytes;
    struct buf bytes; /* of the first slice */
};

static void look(void *argument)
{
    struct seen *seen = argument;
    struct storage_topic *topic = topic_t(seen->fixture);
    struct storage_slice slice;
    seen->start_offset = storage_log_start_offset(topic->logs[0]);
    seen->end_offset = storage_log_end_offset(topic->logs[0]);
    seen->size_bytes = storage_log_size_bytes(topic->logs[0]);
    TASK_CHECK(storage_log_read(topic->logs[0], seen->start_offset, NO_LIMIT, true, &slice) == 0);
    if (slice.size > 0)
        read_slice(&slice, &seen->bytes);
    storage_slice_release(&slice);
    storage_topic_release(topic);
}

/* Open, look, append one more batch, which must fit in at the end, and close properly. */
static void assert_opens_with(struct fixture *fixture, int64_t end_offset, struct bytes bytes)
{
    struct seen seen = {.fixture = fixture};
    buf_init(&seen.bytes);
    fixture_open(fixture);
    task_test_run_with(look, &seen);
    task_test_run_with(append_one_more, fixture);
    fixture_close(fixture);
    assert_int_equal(seen.end_offset, end_offset);
    assert_int_equal(seen.bytes.size, bytes.size);
    assert_true(bytes_equal(buf_bytes(&seen.bytes), bytes));
    buf_deinit(&seen.bytes);
}

static void a_proper_end_is_believed(void **state)
{
    struct fixture *fixture = *state;
    struct buf log;
    prepare(fixture);
    load_file(partition_path(fixture, LOG_FILE), &log);
    assert_opens_with(fixture, BATCHES, buf_bytes(&log));
    assert_true(fixture->report.was_clean);
    assert_int_equal(fixture->report.segments_checked, 0);
    assert_int_equal(fixture->report.partitions, 1);
    assert_int_equal(fixture->report.topics, 1);
    buf_deinit(&log);
}

static void after_a_crash_everything_is_checked_and_kept(void **state)
{
    struct fixture *fixture = *state;
    struct buf log;
    prepare(fixture);
    load_file(partition_path(fixture, LOG_FILE), &log);
    forget_proper_end(fixture);
    assert_opens_with(fixture, BATCHES, buf_bytes(&log));
    assert_false(fixture->report.was_clean);
    assert_int_equal(fixture->report.segments_checked, 1);
    assert_int_equal(fixture->report.partitions_cut, 0);
    assert_int_equal(fixture->report.bytes_cut, 0);
    buf_deinit(&log);
}

static void a_torn_tail_is_cut_at_each_length(void **state)
{
    struct fixture *fixture = *state;
    struct buf log;
    prepare(fixture);
    load_file(partition_path(fixture, LOG_FILE), &log);
    for (size_t size = 401; size < 500; size++) {
        store_file(partition_path(fixture, LOG_FILE), bytes_of(log.data, size));
        forget_proper_end(fixture);
        assert_opens_with(fixture, 4, bytes_of(log.data, 400));
        assert_int_equal(fixture->report.bytes_cut, size - 400);
        assert_int_equal(fixture->report.partitions_cut, 1);
    }
    buf_deinit(&log);
}

/* Even a proper end does not make a short file whole. */
static void a_torn_tail_is_cut_after_a_proper_end_too(void **state)
{
    struct fixture *fixture = *state;
    struct buf log;
    prepare(fixture);
    load_file(partition_path(fixture, LOG_FILE), &log);
    store_file(partition_path(fixture, LOG_FILE), bytes_of(log.data, 450));
    assert_opens_with(fixture, 4, bytes_of(log.data, 400));
    assert_true(fixture->report.was_clean);
    assert_int_equal(fixture->report.bytes_cut, 50);
    buf_deinit(&log);
}

static void a_flipped_byte_cuts_at_its_batch(void **state)
{
    struct fixture *fixture = *state;
    struct buf log;
    prepare(fixture);
    load_file(partition_path(fixture, LOG_FILE), &log);
    for (int i = 0; i < BATCHES; i++) {
        /* The magic, the checksum, counts, a timestamp, the record, its last byte. */
        static const size_t places[] = {16, 17, 20, 21, 26, 30, 59, 61, 70, 99};
        for (size_t j = 0; j < ARRAY_COUNT(places); j++) {
            uint8_t *byte = log.data + 100 * i + places[j];
            *byte ^= 0x04;
            store_file(partition_path(fixture, LOG_FILE), buf_bytes(&log));
            *byte ^= 0x04;
            forget_proper_end(fixture);
            assert_opens_with(fixture, i, bytes_of(log.data, 100 * (size_t)i));
            assert_int_equal(fixture->report.bytes_cut, 500 - 100 * i);
        }
    }
    buf_deinit(&log);
}

static void damage_in_an_early_segment_ends_the_log_there(void **state)
{
    struct fixture *fixture = *state;
    struct buf log;
    fixture->options.segment_bytes = 200; /* bases 0, 2, 4 */
    prepare(fixture);
    load_file(partition_path(fixture, "00000000000000000002.log"), &log);
    log.data[150] ^= 1;
    store_file(partition_path(fixture, "00000000000000000002.log"), buf_bytes(&log));
    char *points = mem_printf("%s/recovery-point-offset-checkpoint", fixture->folder);
    assert_int_equal(unlink(points), 0);
    forget_proper_end(fixture);

    fixture_open(fixture);

    assert_int_equal(fixture->report.bytes_cut, 100 + 100);
    assert_int_equal(fixture->report.partitions_cut, 1);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000002.log")), 100);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000004.log")), -1);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000004.index")), -1);
    struct seen seen = {.fixture = fixture};
    buf_init(&seen.bytes);
    task_test_run_with(look, &seen);
    assert_int_equal(seen.end_offset, 3);
    buf_deinit(&seen.bytes);
    buf_deinit(&log);
    mem_free(points);
}

static void segments_before_the_recovery_point_are_not_walked(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 200;
    prepare(fixture);
    forget_proper_end(fixture);
    fixture_open(fixture);
    assert_int_equal(fixture->report.segments_checked, 1);
    fixture_close(fixture);
    /* Nor believed when an index of theirs is gone. */
    assert_int_equal(unlink(partition_path(fixture, "00000000000000000002.timeindex")), 0);
    assert_int_equal(unlink(partition_path(fixture, "00000000000000000000.index")), 0);
    forget_proper_end(fixture);
    fixture_open(fixture);
    assert_int_equal(fixture->report.segments_checked, 3);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000002.timeindex")), 12);
}

/* The flush that made the recovery point 4 synced .log of the segment before it, which was the active one then, but not
 * its indexes. */
static void a_segment_that_ends_at_the_recovery_point_is_walked(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 200;
    prepare(fixture); /* segments 0, 2, 4 */
    char *points = mem_printf("%s/recovery-point-offset-checkpoint", fixture->folder);
    store_file(points, bytes_of_string("0\n1\nt 0 4\n"));
    forget_proper_end(fixture);
    fixture_open(fixture);
    assert_int_equal(fixture->report.segments_checked, 2);
    mem_free(points);
}

static void a_lost_index_costs_the_walk_of_its_own_segment_only(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 200;
    prepare(fixture); /* segments 0, 2, 4; the recovery point is 5 */
    assert_int_equal(unlink(partition_path(fixture, "00000000000000000000.index")), 0);
    forget_proper_end(fixture);
    fixture_open(fixture);
    assert_int_equal(fixture->report.segments_checked, 2);
}

/* Let the process open so many files more. */
static void allow_descriptors(int count)
{
    struct rlimit limit;
    int fd = 0;
    for (; count > 0; fd++)
        count -= fcntl(fd, F_GETFD) < 0;
    ASSERT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t)fd;
    ASSERT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Segments that stay behind a cut one would be taken for its continuation at the next start. */
static void what_follows_a_cut_goes_without_being_opened(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before;
    ASSERT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    fixture->options.segment_bytes = 200;
    prepare(fixture); /* segments 0, 2, 4 */
    char *points = mem_printf("%s/recovery-point-offset-checkpoint", fixture->folder);
    assert_int_equal(unlink(points), 0);
    assert_int_equal(truncate(partition_path(fixture, LOG_FILE), 150), 0);
    forget_proper_end(fixture);
    allow_descriptors(1 + 3 + 2); /* the lock, a segment, and not enough for another one */
    fixture_open(fixture);
    ASSERT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000002.log")), -1);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000004.log")), -1);
    assert_int_equal(fixture->report.bytes_cut, 50 + 200 + 100);
    mem_free(points);
}

static void find_warning(const char *line, void *context)
{
    int *found = context;
    *found += strstr(line, "damaged end cut off partition=t-0 offset=4 bytes=37") != NULL;
}

static void what_is_cut_is_said(void **state)
{
    struct fixture *fixture = *state;
    int found = 0;
    prepare(fixture);
    assert_int_equal(truncate(partition_path(fixture, LOG_FILE), 437), 0);
    forget_proper_end(fixture);
    log_configure((struct log_options){.level = LOG_WARNING});
    log_redirect(find_warning, &found);
    fixture_open(fixture);
    log_redirect(NULL, NULL);
    assert_int_equal(found, 1);
}

static const struct batch_spec first_sent = {.records = 2, .value_bytes = 32, .producer_id_plus_1 = 8};
static const struct batch_spec second_sent = {.records = 2, .value_bytes = 32, .producer_id_plus_1 = 8, .sequence = 2};

static void send_both(void *argument)
{
    struct storage_topic *topic = topic_t(argument);
    TASK_CHECK(append_ok(topic->logs[0], &first_sent) == 0);
    TASK_CHECK(append_ok(topic->logs[0], &second_sent) == 2);
    storage_topic_release(topic);
}

static void send_second_again(void *argument)
{
    struct storage_topic *topic = topic_t(argument);
    TASK_CHECK(append_ok(topic->logs[0], &second_sent) == 2);
    TASK_CHECK(storage_log_end_offset(topic->logs[0]) == 4);
    struct batch_spec late = second_sent;
    int64_t offset;
    late.sequence = 99;
    TASK_CHECK(append_spec(topic->logs[0], &late, &offset) == ERR_SEQUENCE);
    storage_topic_release(topic);
}

static void producers_are_known_after_a_proper_end_and_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    task_test_run_with(send_both, fixture);
    fixture_close(fixture);
    assert_true(file_bytes(partition_path(fixture, "00000000000000000004.snapshot")) > 0);
    for (int i = 0; i < 2; i++) {
        fixture_open(fixture);
        task_test_run_with(send_second_again, fixture);
        fixture_close(fixture);
    }
    forget_proper_end(fixture);
    assert_int_equal(unlink(partition_path(fixture, "00000000000000000004.snapshot")), 0);
    fixture_open(fixture);
    task_test_run_with(send_second_again, fixture);
}

static void roll_behind(void *argument)
{
    struct storage_topic *topic = topic_t(argument);
    append_ok(topic->logs[0], &(struct batch_spec){.records = 1, .value_bytes = 32});
    storage_topic_release(topic);
}

static void send_second_after_roll(void *argument)
{
    struct storage_topic *topic = topic_t(argument);
    TASK_CHECK(append_ok(topic->logs[0], &second_sent) == 2);
    TASK_CHECK(storage_log_end_offset(topic->logs[0]) == 5);
    storage_topic_release(topic);
}

/* Only the last segment is walked: who wrote before it is known from the snapshot that the roll left. */
static void a_roll_leaves_the_producers_for_recovery(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 300;
    fixture_open(fixture);
    task_test_run_with(send_both, fixture);
    task_test_run_with(roll_behind, fixture);
    fixture_close(fixture);
    forget_proper_end(fixture);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000004.log")), 100);
    fixture_open(fixture);
    assert_int_equal(fixture->report.segments_checked, 1);
    task_test_run_with(send_second_after_roll, fixture);
}

/* A walk knows the producers as far as it came: no snapshot between two walked segments is better. */
static void a_walk_over_several_segments_remembers_the_producers(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 300;
    fixture_open(fixture);
    task_test_run_with(send_both, fixture);
    task_test_run_with(roll_behind, fixture);
    fixture_close(fixture);
    char *points = mem_printf("%s/recovery-point-offset-checkpoint", fixture->folder);
    assert_int_equal(unlink(points), 0);
    assert_int_equal(unlink(partition_path(fixture, "00000000000000000004.snapshot")), 0);
    forget_proper_end(fixture);
    fixture_open(fixture);
    assert_int_equal(fixture->report.segments_checked, 2);
    task_test_run_with(send_second_after_roll, fixture);
    mem_free(points);
}

/* Which batch a read gives, by its base offset. */
static void assert_reads(struct storage_log *log, int64_t offset, int64_t base_offset)
{
    struct storage_slice slice;
    struct record_batch batch;
    struct buf got;
    buf_init(&got);
    TASK_CHECK(storage_log_read(log, offset, 0, true, &slice) == 0 && slice.size == 100);
    read_slice(&slice, &got);
    TASK_CHECK(record_batch_parse(buf_bytes(&got), &batch) == 0 && batch.base_offset == base_offset);
    storage_slice_release(&slice);
    buf_deinit(&got);
}

static void read_over_gaps(void *argument)
{
    struct storage_topic *topic = topic_t(argument);
    struct storage_log *log = topic->logs[0];
    TASK_CHECK(storage_log_start_offset(log) == 0 && storage_log_end_offset(log) == 31);
    assert_reads(log, 0, 3);
    assert_reads(log, 3, 3);
    assert_reads(log, 4, 8);
    assert_reads(log, 9, 20);
    assert_reads(log, 21, 30);
    storage_topic_release(topic);
}

/* Files as Kafka's compaction leaves them: offsets 3 and 8 in the first segment, 20 and 30 in the second. */
static void gaps_left_by_compaction_are_read_over(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t offsets[] = {3, 8, 20, 30};
    struct buf log;
    fixture->options.segment_bytes = 200;
    prepare(fixture); /* segments 0, 2, 4 */
    buf_init(&log);
    for (int i = 0; i < 4; i++) {
        put_batch(&log, &(struct batch_spec){.records = 1, .value_bytes = 32});
        record_batch_assign(log.data + 100 * i, offsets[i], 0);
    }
    remove_tree(partition_path(fixture, NULL));
    assert_int_equal(mkdir(partition_path(fixture, NULL), 0755), 0);
    store_file(partition_path(fixture, LOG_FILE), bytes_of(log.data, 200));
    store_file(partition_path(fixture, "00000000000000000020.log"), bytes_of(log.data + 200, 200));
    buf_deinit(&log);
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            forget_proper_end(fixture);
        fixture_open(fixture);
        assert_int_equal(fixture->report.bytes_cut, 0);
        task_test_run_with(read_over_gaps, fixture);
        fixture_close(fixture);
    }
}

static void a_broken_checkpoint_only_means_more_to_check(void **state)
{
    struct fixture *fixture = *state;
    static const char *const broken[] = {"", "0\n", "1\n1\nt 0 5\n", "0\n2\nt 0 5\n", "0\n1\nt 0\n", "0\nx\n",
                                         "0\n1\nt 0 5\nt 1 5\n", "0\n99999999999999\nt 0 5\n"};
    char *path = mem_printf("%s/recovery-point-offset-checkpoint", fixture->folder);
    fixture->options.segment_bytes = 200;
    prepare(fixture); /* segments 0, 2, 4 */
    for (size_t i = 0; i < ARRAY_COUNT(broken); i++) {
        store_file(path, bytes_of_string(broken[i]));
        forget_proper_end(fixture);
        fixture_open(fixture);
        assert_int_equal(fixture->report.segments_checked, 3);
        fixture_close(fixture);
    }
    mem_free(path);
}

static void litter_is_removed(void **state)
{
    struct fixture *fixture = *state;
    prepare(fixture);
    store_file(partition_path(fixture, "00000000000000000777.index"), bytes_of_string("12345678"));
    store_file(partition_path(fixture, "00000000000000000777.snapshot"), bytes_of_string("?"));
    store_file(partition_path(fixture, "00000000000000000777.snapshot.tmp"), bytes_of_string("?"));
    store_file(partition_path(fixture, "00000000000000000000.log.deleted"), bytes_of_string("?"));
    store_file(partition_path(fixture, "00000000000000000000.log.swap"), bytes_of_string("not ours to judge"));
    char *mark = mem_printf("%s/.kafka_cleanshutdown", fixture->folder);
    store_file(mark, bytes_of_string("{}"));
    char *deleted = mem_printf("%s/gone-3.0123456789abcdef0123456789abcdef-delete", fixture->folder);
    char *inside = mem_printf("%s/00000000000000000000.log", deleted);
    assert_int_equal(mkdir(deleted, 0755), 0);
    store_file(inside, bytes_of_string("x"));
    fixture_open(fixture);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000777.index")), -1);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000777.snapshot")), -1);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000777.snapshot.tmp")), -1);
    assert_int_equal(file_bytes(partition_path(fixture, "00000000000000000000.log.deleted")), -1);
    assert_true(file_bytes(partition_path(fixture, "00000000000000000000.log.swap")) > 0);
    assert_int_equal(file_bytes(mark), -1);
    assert_int_equal(file_bytes(deleted), -1);
    assert_int_equal(fixture->report.topics, 1);
    mem_free(mark);
    mem_free(deleted);
    mem_free(inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(a_proper_end_is_believed),
        STORAGE_TEST(after_a_crash_everything_is_checked_and_kept),
        STORAGE_TEST(a_torn_tail_is_cut_at_each_length),
        STORAGE_TEST(a_torn_tail_is_cut_after_a_proper_end_too),
        STORAGE_TEST(a_flipped_byte_cuts_at_its_batch),
        STORAGE_TEST(damage_in_an_early_segment_ends_the_log_there),
        STORAGE_TEST(segments_before_the_recovery_point_are_not_walked),
        STORAGE_TEST(a_segment_that_ends_at_the_recovery_point_is_walked),
        STORAGE_TEST(a_lost_index_costs_the_walk_of_its_own_segment_only),
        STORAGE_TEST(what_follows_a_cut_goes_without_being_opened),
        STORAGE_TEST(what_is_cut_is_said),
        STORAGE_TEST(producers_are_known_after_a_proper_end_and_after_a_crash),
        STORAGE_TEST(a_roll_leaves_the_producers_for_recovery),
        STORAGE_TEST(a_walk_over_several_segments_remembers_the_producers),
        STORAGE_TEST(gaps_left_by_compaction_are_read_over),
        STORAGE_TEST(a_broken_checkpoint_only_means_more_to_check),
        STORAGE_TEST(litter_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
