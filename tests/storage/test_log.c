/* test_log.c: appending to a partition, reading from it, waiting for more. */
#include "fixture.h"

#include "runtime/lock.h"
#include "runtime/task.h"
#include "storage/log_private.h"

#include <errno.h>

static void append_gives_offsets_and_read_gives_the_bytes(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct buf sent, got;
    buf_init(&sent);
    buf_init(&got);
    int64_t offset;
    put_batch(&sent, &(struct batch_spec){.records = 3, .value_bytes = 10});
    size_t first = sent.size;
    put_batch(&sent, &(struct batch_spec){.records = 2, .value_bytes = 20});
    TASK_CHECK(storage_log_append(log, sent.data, first, NO_LIMIT, &offset) == 0 && offset == 0);
    TASK_CHECK(storage_log_append(log, sent.data + first, sent.size - first, NO_LIMIT, &offset) == 0 && offset == 3);
    TASK_CHECK(storage_log_end_offset(log) == 5 && storage_log_start_offset(log) == 0);
    TASK_CHECK(storage_log_size_bytes(log) == (int64_t)sent.size);

    struct storage_slice slice;
    TASK_CHECK(storage_log_read(log, 0, NO_LIMIT, false, &slice) == 0);
    TASK_CHECK(slice.start_offset == 0 && slice.end_offset == 5);
    read_slice(&slice, &got);
    TASK_CHECK(bytes_equal(buf_bytes(&got), buf_bytes(&sent)));
    storage_slice_release(&slice);

    struct record_batch batch;
    TASK_CHECK(record_batch_parse(bytes_of(got.data + first, got.size - first), &batch) == 0);
    TASK_CHECK(batch.base_offset == 3 && batch.leader_epoch == 0 && record_batch_check_crc(&batch) == 0);
    buf_deinit(&sent);
    buf_deinit(&got);
    storage_topic_release(topic);
}

/* Batches of 100 bytes at offsets 0, 1, 2, ... with an index entry for nearly each. */
static void put_ten_batches(struct storage_log *log)
{
    for (int i = 0; i < 10; i++)
        append_ok(log, &(struct batch_spec){.records = 1, .value_bytes = 32, .timestamp = 1000 + i});
}

static void read_is_cut_at_whole_batches(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    put_ten_batches(log);
    static const struct {
        int64_t offset;
        size_t max_bytes;
        bool at_least_one;
        int64_t position;
        size_t size;
    } cases[] = {
        {0, 1000, false, 0, 1000}, {0, 999, false, 0, 900}, {0, 350, false, 0, 300},   {3, 350, false, 300, 300},
        {9, 100, false, 900, 100}, {9, 99, false, 0, 0},    {9, 99, true, 900, 100},   {0, 0, true, 0, 100},
        {0, 0, false, 0, 0},       {10, 500, true, 0, 0},   {5, SIZE_MAX, false, 500, 500},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct storage_slice slice;
        TASK_CHECK(storage_log_read(log, cases[i].offset, cases[i].max_bytes, cases[i].at_least_one, &slice) == 0);
        TASK_CHECK(slice.size == cases[i].size);
        TASK_CHECK(slice.size == 0 ? slice.segment == NULL && slice.fd == -1 : slice.position == cases[i].position);
        TASK_CHECK(slice.end_offset == 10);
        storage_slice_release(&slice);
    }
    struct storage_slice slice;
    TASK_CHECK(storage_log_read(log, 11, 100, true, &slice) == ERR_OUT_OF_RANGE && slice.end_offset == 10);
    TASK_CHECK(storage_log_read(log, -1, 100, true, &slice) == ERR_OUT_OF_RANGE);
    storage_topic_release(topic);
}

/* Every offset is found, with an index entry per batch, with few and with none, and across segments. */
static void each_offset_is_found(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct buf got;
    buf_init(&got);
    for (int i = 0; i < 300; i++)
        append_ok(log, &(struct batch_spec){.records = 1 + i % 3, .value_bytes = (size_t)(i * 7 % 40)});
    int64_t end = storage_log_end_offset(log);
    for (int64_t offset = 0; offset < end; offset++) {
        struct storage_slice slice;
        struct record_batch batch;
        TASK_CHECK(storage_log_read(log, offset, 0, true, &slice) == 0 && slice.size > 0);
        buf_clear(&got);
        read_slice(&slice, &got);
        TASK_CHECK(record_batch_parse(buf_bytes(&got), &batch) == 0 && batch.whole.size == got.size);
        TASK_CHECK(batch.base_offset <= offset && record_batch_last_offset(&batch) >= offset);
        storage_slice_release(&slice);
    }
    buf_deinit(&got);
    storage_topic_release(topic);
}

static void bad_batches_are_refused_and_change_nothing(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    const struct batch_spec good = {.records = 2, .value_bytes = 5};
    struct buf buf;
    int64_t offset;
    buf_init(&buf);
    put_batch(&buf, &good);
    size_t size = buf.size;
    for (size_t cut = 0; cut < size; cut++)
        TASK_CHECK(storage_log_append(log, buf.data, cut, NO_LIMIT, &offset) == ERR_TRUNCATED);
    for (size_t i = 21; i < size; i++) {
        buf.data[i] ^= 0x10;
        TASK_CHECK(storage_log_append(log, buf.data, size, NO_LIMIT, &offset) < 0);
        buf.data[i] ^= 0x10;
    }
    TASK_CHECK(storage_log_append(log, buf.data, size, size - 1, &offset) == ERR_TOO_LARGE);
    buf.data[16] = 1;
    TASK_CHECK(storage_log_append(log, buf.data, size, NO_LIMIT, &offset) == ERR_UNSUPPORTED);
    buf.data[16] = 2;
    put_batch(&buf, &good);
    TASK_CHECK(storage_log_append(log, buf.data, buf.size, NO_LIMIT, &offset) == ERR_MALFORMED);
    struct batch_spec bad = good;
    bad.attributes = RECORD_BATCH_CONTROL;
    TASK_CHECK(append_spec(log, &bad, &offset) == ERR_MALFORMED);
    bad.attributes = RECORD_BATCH_TRANSACTIONAL;
    TASK_CHECK(append_spec(log, &bad, &offset) == ERR_UNSUPPORTED);
    TASK_CHECK(storage_log_end_offset(log) == 0 && storage_log_size_bytes(log) == 0);
    TASK_CHECK(storage_log_append(log, buf.data, size, size, &offset) == 0 && offset == 0);
    buf_deinit(&buf);
    storage_topic_release(topic);
}

static void segments_roll_by_size_and_age(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    put_ten_batches(log); /* segment_bytes is 350: three batches each */
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000000.log")) == 300);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000003.log")) == 300);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000006.log")) == 300);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000009.log")) == 100);
    /* Each closed segment ends its .timeindex with its last timestamp. */
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000003.timeindex")) % 12 == 0);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000003.timeindex")) >= 12);
    append_ok(log, &(struct batch_spec){.records = 1, .value_bytes = 32, .timestamp = 1009 + 5001});
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000010.log")) == 100);
    TASK_CHECK(storage_log_size_bytes(log) == 1100);
    int64_t offset;
    TASK_CHECK(append_spec(log, &(struct batch_spec){.records = 8, .value_bytes = 40}, &offset) == ERR_TOO_LARGE);
    storage_topic_release(topic);
}

static void times_are_found(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    int64_t offset, timestamp;
    TASK_CHECK(storage_log_offset_for_time(log, 0, &offset, &timestamp) == ERR_NOT_FOUND);
    TASK_CHECK(storage_log_offset_for_time(log, STORAGE_TIME_MAX, &offset, &timestamp) == ERR_NOT_FOUND);
    put_ten_batches(log); /* 1000 to 1009 */
    append_ok(log, &(struct batch_spec){.records = 5, .value_bytes = 8, .timestamp = 2000, .timestamp_step = 10});
    append_ok(log, &(struct batch_spec){.records = 2, .value_bytes = 8, .timestamp = 1500});
    append_ok(log, &(struct batch_spec){.records = 2, .value_bytes = 8, .timestamp = 3000, .timestamp_step = 10,
                                        .attributes = 4}); /* says that it is compressed: is not unpacked */
    static const struct {
        int64_t time;
        int rc;
        int64_t offset, timestamp;
    } cases[] = {
        {STORAGE_TIME_EARLIEST, 0, 0, -1}, {STORAGE_TIME_LATEST, 0, 19, -1}, {0, 0, 0, 1000},    {1000, 0, 0, 1000},
        {1001, 0, 1, 1001},                {1009, 0, 9, 1009},               {1010, 0, 10, 2000}, {2001, 0, 11, 2010},
        {2040, 0, 14, 2040},               {2041, 0, 17, 3000},              {3000, 0, 17, 3000}, {3005, 0, 17, 3010},
        {3011, ERR_NOT_FOUND, 0, 0},       {STORAGE_TIME_MAX, 0, 17, 3010},  {-4, ERR_NOT_FOUND, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        TASK_CHECK(storage_log_offset_for_time(log, cases[i].time, &offset, &timestamp) == cases[i].rc);
        TASK_CHECK(cases[i].rc != 0 || (offset == cases[i].offset && timestamp == cases[i].timestamp));
    }
    storage_topic_release(topic);
}

/* Timestamps are the client's: none may overflow, none keeps later batches out. */
static void extreme_times_do_no_harm(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    static const int64_t times[] = {INT64_MIN, INT64_MAX, -1, 0, INT64_MIN + 1, INT64_MAX, 5};
    int64_t offset, timestamp;
    for (size_t i = 0; i < ARRAY_COUNT(times); i++)
        append_ok(log, &(struct batch_spec){.records = 1, .value_bytes = 8, .timestamp = times[i],
                                            .producer_id_plus_1 = 9, .sequence = (int32_t)i});
    TASK_CHECK(storage_log_offset_for_time(log, 0, &offset, &timestamp) == 0 && offset == 1);
    TASK_CHECK(storage_log_offset_for_time(log, STORAGE_TIME_MAX, &offset, &timestamp) == 0);
    TASK_CHECK(offset == 1 && timestamp == INT64_MAX);
    storage_topic_release(topic);
}

static void a_batch_sent_twice_is_kept_once(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct batch_spec spec = {.records = 2, .value_bytes = 5, .producer_id_plus_1 = 78};
    TASK_CHECK(append_ok(log, &spec) == 0);
    spec.sequence = 2;
    TASK_CHECK(append_ok(log, &spec) == 2);
    TASK_CHECK(append_ok(log, &spec) == 2);
    spec.sequence = 0;
    TASK_CHECK(append_ok(log, &spec) == 0);
    TASK_CHECK(storage_log_end_offset(log) == 4);
    int64_t offset;
    spec.sequence = 6;
    TASK_CHECK(append_spec(log, &spec, &offset) == ERR_SEQUENCE);
    storage_topic_release(topic);
}

/* Two reactors: the body runs on the first, and spawns what it likes on the second. */
static struct reactor *second_reactor;

/* Each append of each of many tasks on two reactors has an offset of its own, and there are no gaps. */
#define APPENDERS 8
#define APPENDS 50

struct appender {
    struct storage *storage;
    struct storage_log *log;
    struct task_group *group;
    atomic_int *seen; /* by offset */
};

static void append_many(void *argument)
{
    const struct appender *appender = argument;
    for (int i = 0; i < APPENDS; i++) {
        int64_t offset = append_ok(appender->log, &(struct batch_spec){.records = 1, .value_bytes = 20});
        atomic_fetch_add(&appender->seen[offset], 1);
        if (i % 5 == 0)
            task_yield();
    }
    task_group_done(appender->group);
}

static void concurrent_appends_get_an_offset_each(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct task_group group = {0};
    atomic_int seen[APPENDERS * APPENDS] = {0};
    struct appender appender = {.log = topic->logs[0], .group = &group, .seen = seen};
    task_group_add(&group, APPENDERS);
    for (int i = 0; i < APPENDERS; i++)
        TASK_CHECK(reactor_spawn(i % 2 ? second_reactor : reactor_self(), "appender", append_many, &appender) == 0);
    TASK_CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    TASK_CHECK(storage_log_end_offset(topic->logs[0]) == APPENDERS * APPENDS);
    for (int i = 0; i < APPENDERS * APPENDS; i++)
        TASK_CHECK(seen[i] == 1);
    storage_topic_release(topic);
}

/* One task appends, one reads what is there over and over: it sees whole batches in order, up to what it was told. */
static void append_for_reader(void *argument)
{
    const struct appender *appender = argument;
    for (int i = 0; i < 400; i++) {
        append_ok(appender->log, &(struct batch_spec){.records = 1, .value_bytes = (size_t)(i % 40)});
        if (i % 8 == 0)
            task_yield();
    }
    task_group_done(appender->group);
}

static void check_slice(const struct storage_slice *slice, int64_t *offset, struct buf *got)
{
    buf_clear(got);
    read_slice(slice, got);
    for (struct bytes rest = buf_bytes(got); rest.size > 0;) {
        struct record_batch batch;
        TASK_CHECK(record_batch_parse(rest, &batch) == 0 && record_batch_check_crc(&batch) == 0);
        TASK_CHECK(batch.base_offset == *offset);
        *offset = record_batch_last_offset(&batch) + 1;
        rest = bytes_of(rest.data + batch.whole.size, rest.size - batch.whole.size);
    }
    TASK_CHECK(*offset <= slice->end_offset);
}

static void a_long_poll_follows_an_appender(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct task_group group = {0};
    struct appender appender = {.log = log, .group = &group};
    struct storage_waiter waiter;
    struct storage_watch watch;
    struct buf got;
    buf_init(&got);
    task_group_add(&group, 1);
    storage_waiter_init(&waiter);
    storage_log_watch(log, &watch, &waiter);
    TASK_CHECK(reactor_spawn(second_reactor, "appender", append_for_reader, &appender) == 0);
    for (int64_t offset = 0; offset < 400;) {
        struct storage_slice slice;
        TASK_CHECK(storage_log_read(log, offset, 4096, true, &slice) == 0);
        if (slice.size == 0)
            TASK_CHECK(storage_waiter_wait(&waiter, TIMEOUT_NEVER) == 0);
        else
            check_slice(&slice, &offset, &got);
        storage_slice_release(&slice);
    }
    storage_log_unwatch(log, &watch);
    TASK_CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    buf_deinit(&got);
    storage_topic_release(topic);
}

/* Waiters come and go, with and without a time-out, while another reactor appends. */
static void waiters_may_leave_at_any_time(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct task_group group = {0};
    struct appender appender = {.log = log, .group = &group};
    task_group_add(&group, 1);
    TASK_CHECK(reactor_spawn(second_reactor, "appender", append_for_reader, &appender) == 0);
    while (storage_log_end_offset(log) < 400) {
        struct storage_waiter waiter;
        struct storage_watch watch;
        storage_waiter_init(&waiter);
        storage_log_watch(log, &watch, &waiter);
        int rc = storage_waiter_wait(&waiter, storage_log_end_offset(log) % 2);
        TASK_CHECK(rc == 0 || rc == -ETIMEDOUT);
        storage_log_unwatch(log, &watch);
    }
    TASK_CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    storage_topic_release(topic);
}

static void append_once(void *argument)
{
    const struct appender *appender = argument;
    append_ok(appender->log, &(struct batch_spec){.records = 1});
    task_group_done(appender->group);
}

static void any_of_several_logs_wakes_the_waiter(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic;
    struct storage_waiter waiter;
    struct storage_watch watches[3];
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("three"), 3, &topic) == 0);
    storage_waiter_init(&waiter);
    for (int i = 0; i < 3; i++)
        storage_log_watch(topic->logs[i], &watches[i], &waiter);
    TASK_CHECK(storage_waiter_wait(&waiter, 1) == -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        struct task_group group = {0};
        struct appender appender = {.log = topic->logs[i], .group = &group};
        task_group_add(&group, 1);
        TASK_CHECK(reactor_spawn(second_reactor, "appender", append_once, &appender) == 0);
        TASK_CHECK(storage_waiter_wait(&waiter, TIMEOUT_NEVER) == 0);
        TASK_CHECK(storage_log_end_offset(topic->logs[i]) == 1);
        TASK_CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    }
    for (int i = 0; i < 3; i++)
        storage_log_unwatch(topic->logs[i], &watches[i]);
    storage_topic_release(topic);
}

static void a_deleted_topic_stays_readable_for_who_reads(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct storage_waiter waiter;
    struct storage_watch watch;
    struct storage_slice slice, none;
    put_ten_batches(log);
    TASK_CHECK(storage_log_read(log, 0, NO_LIMIT, true, &slice) == 0);
    storage_waiter_init(&waiter);
    storage_log_watch(log, &watch, &waiter);

    TASK_CHECK(storage_topic_delete(fixture->storage, bytes_of_string("t")) == 0);

    TASK_CHECK(storage_waiter_wait(&waiter, TIMEOUT_NEVER) == 0);
    storage_log_unwatch(log, &watch);
    TASK_CHECK(file_bytes(partition_path(fixture, NULL)) == -1);
    int64_t offset = 0;
    struct buf got;
    buf_init(&got);
    check_slice(&slice, &offset, &got);
    TASK_CHECK(offset == 10);
    buf_deinit(&got);
    storage_slice_release(&slice);
    TASK_CHECK(storage_log_read(log, 0, NO_LIMIT, true, &none) == ERR_CLOSED);
    TASK_CHECK(append_spec(log, &(struct batch_spec){.records = 1}, &offset) == ERR_CLOSED);
    TASK_CHECK(storage_log_flush(log) == ERR_CLOSED);
    TASK_CHECK(storage_topic_find(fixture->storage, bytes_of_string("t")) == NULL);
    storage_topic_release(topic);
    /* The name is free again. */
    topic = topic_t(fixture);
    TASK_CHECK(storage_log_end_offset(topic->logs[0]) == 0);
    storage_topic_release(topic);
}

/* With flush_messages = 1 each append is on the disk when it returns: the recovery point follows the end. */
static void a_flush_per_message_comes_before_the_answer(void *argument)
{
    struct fixture *fixture = argument;
    concurrent_appends_get_an_offset_each(fixture);
    struct storage_topic *topic = topic_t(fixture);
    TASK_CHECK(log_recovery_point(topic->logs[0]) == APPENDERS * APPENDS);
    storage_topic_release(topic);
}

static void without_the_option_only_a_flush_reaches_the_disk(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    put_ten_batches(topic->logs[0]);
    TASK_CHECK(log_recovery_point(topic->logs[0]) == 0);
    TASK_CHECK(storage_log_flush(topic->logs[0]) == 0);
    TASK_CHECK(log_recovery_point(topic->logs[0]) == 10);
    storage_topic_release(topic);
}

static void maintain_beside(void *argument)
{
    const struct appender *appender = argument;
    while (storage_log_end_offset(appender->log) < 400) {
        storage_maintain_once(appender->storage);
        task_yield();
    }
    task_group_done(appender->group);
}

/* Old segments go under a reader's feet: it is told so, and what it holds stays whole. */
static void retention_beside_a_reader_and_an_appender(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    struct task_group group = {0};
    struct appender appender = {.storage = fixture->storage, .log = log, .group = &group};
    struct buf got;
    buf_init(&got);
    task_group_add(&group, 2);
    TASK_CHECK(reactor_spawn(second_reactor, "appender", append_for_reader, &appender) == 0);
    TASK_CHECK(reactor_spawn(second_reactor, "upkeep", maintain_beside, &appender) == 0);
    for (int64_t offset = 0; offset < 400;) {
        struct storage_slice slice;
        int rc = storage_log_read(log, offset, 300, true, &slice);
        if (rc == ERR_OUT_OF_RANGE) {
            TASK_CHECK(slice.start_offset > offset);
            offset = slice.start_offset;
            continue;
        }
        TASK_CHECK(rc == 0);
        task_yield();
        if (slice.size > 0)
            check_slice(&slice, &offset, &got);
        storage_slice_release(&slice);
    }
    TASK_CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    buf_deinit(&got);
    storage_topic_release(topic);
}

static void append_until_closed(void *argument)
{
    const struct appender *appender = argument;
    int64_t offset;
    int rc;
    while ((rc = append_spec(appender->log, &(struct batch_spec){.records = 1, .value_bytes = 20}, &offset)) == 0)
        task_yield();
    TASK_CHECK(rc == ERR_CLOSED);
    task_group_done(appender->group);
}

static void a_deletion_ends_the_appends_of_others(void *argument)
{
    struct fixture *fixture = argument;
    for (int i = 0; i < 10; i++) {
        struct storage_topic *topic = topic_t(fixture);
        struct task_group group = {0};
        struct appender appender = {.log = topic->logs[0], .group = &group};
        task_group_add(&group, 2);
        TASK_CHECK(reactor_spawn(second_reactor, "appender", append_until_closed, &appender) == 0);
        TASK_CHECK(reactor_spawn(second_reactor, "appender", append_until_closed, &appender) == 0);
        while (storage_log_end_offset(topic->logs[0]) < 5)
            task_yield();
        TASK_CHECK(storage_topic_delete(fixture->storage, bytes_of_string("t")) == 0);
        TASK_CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
        TASK_CHECK(!storage_log_failed(topic->logs[0]));
        storage_topic_release(topic);
    }
}

static void run_body(void **state, void (*body)(void *fixture))
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    assert_int_equal(reactor_start(&second_reactor, &(struct reactor_options){.name = "second"}), 0);
    task_test_run_with(body, fixture);
    reactor_stop(second_reactor);
    reactor_join(second_reactor);
    fixture_close(fixture);
}

/* The test for a body, with the options that differ from the fixture's. */
#define BODY_TEST(body, ...) \
    static void test_##body(void **state) \
    { \
        struct fixture *fixture = *state; \
        struct storage_options *options = &fixture->options; \
        (void)options; \
        __VA_ARGS__; \
        run_body(state, body); \
    }

BODY_TEST(append_gives_offsets_and_read_gives_the_bytes)
BODY_TEST(read_is_cut_at_whole_batches, options->index_interval_bytes = 50)
BODY_TEST(each_offset_is_found, options->index_interval_bytes = 300, options->segment_bytes = 5000)
BODY_TEST(bad_batches_are_refused_and_change_nothing)
BODY_TEST(segments_roll_by_size_and_age, options->segment_bytes = 350, options->segment_age_ms = 5000)
BODY_TEST(times_are_found, options->segment_bytes = 450, options->index_interval_bytes = 150)
BODY_TEST(extreme_times_do_no_harm)
BODY_TEST(a_batch_sent_twice_is_kept_once)
BODY_TEST(concurrent_appends_get_an_offset_each, options->segment_bytes = 2000, options->index_interval_bytes = 200)
BODY_TEST(a_long_poll_follows_an_appender, options->segment_bytes = 3000, options->index_interval_bytes = 200)
BODY_TEST(waiters_may_leave_at_any_time)
BODY_TEST(any_of_several_logs_wakes_the_waiter)
BODY_TEST(a_deleted_topic_stays_readable_for_who_reads)
BODY_TEST(retention_beside_a_reader_and_an_appender, options->segment_bytes = 500, options->retention_bytes = 1500)
BODY_TEST(a_deletion_ends_the_appends_of_others, options->segment_bytes = 500)
BODY_TEST(a_flush_per_message_comes_before_the_answer, options->flush_messages = 1)
BODY_TEST(without_the_option_only_a_flush_reaches_the_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(test_append_gives_offsets_and_read_gives_the_bytes),
        STORAGE_TEST(test_read_is_cut_at_whole_batches),
        STORAGE_TEST(test_each_offset_is_found),
        STORAGE_TEST(test_bad_batches_are_refused_and_change_nothing),
        STORAGE_TEST(test_segments_roll_by_size_and_age),
        STORAGE_TEST(test_times_are_found),
        STORAGE_TEST(test_extreme_times_do_no_harm),
        STORAGE_TEST(test_a_batch_sent_twice_is_kept_once),
        STORAGE_TEST(test_concurrent_appends_get_an_offset_each),
        STORAGE_TEST(test_a_long_poll_follows_an_appender),
        STORAGE_TEST(test_waiters_may_leave_at_any_time),
        STORAGE_TEST(test_any_of_several_logs_wakes_the_waiter),
        STORAGE_TEST(test_a_deleted_topic_stays_readable_for_who_reads),
        STORAGE_TEST(test_retention_beside_a_reader_and_an_appender),
        STORAGE_TEST(test_a_deletion_ends_the_appends_of_others),
        STORAGE_TEST(test_a_flush_per_message_comes_before_the_answer),
        STORAGE_TEST(test_without_the_option_only_a_flush_reaches_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
