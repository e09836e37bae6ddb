/* test_storage.c: the data folder: who owns it, its topics, and its upkeep. */
#include "fixture.h"

#include "base/clock.h"
#include "storage/log_private.h"

#include <errno.h>

static char *in_folder(const struct fixture *fixture, const char *name)
{
    return mem_printf("%s/%s", fixture->folder, name);
}

static void assert_text(const struct fixture *fixture, const char *name, const char *expected)
{
    char *path = in_folder(fixture, name);
    struct buf text;
    load_file(path, &text);
    assert_string_equal(buf_string(&text), expected);
    buf_deinit(&text);
    mem_free(path);
}

static void a_folder_is_made_with_its_parents_and_belongs_to_one(void **state)
{
    struct fixture *fixture = *state;
    struct storage *second;
    char *nested = in_folder(fixture, "a/b/c");
    fixture->options.data_dir = nested;
    fixture_open(fixture);
    assert_int_equal(storage_open(&second, &fixture->options, NULL, NULL), ERR_BUSY);
    fixture_close(fixture);
    assert_int_equal(storage_open(&second, &fixture->options, NULL, NULL), 0);
    storage_close(second);
    mem_free(nested);
}

static void the_cluster_keeps_its_id_and_the_node_its_folder(void **state)
{
    struct fixture *fixture = *state;
    struct storage *other;
    char cluster_id[UUID_TEXT_BYTES];
    fixture_open(fixture);
    strcpy(cluster_id, storage_cluster_id(fixture->storage));
    assert_int_equal(strlen(cluster_id), 22);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_string_equal(storage_cluster_id(fixture->storage), cluster_id);
    fixture_close(fixture);
    fixture->options.node_id = 2;
    assert_int_equal(storage_open(&other, &fixture->options, NULL, NULL), ERR_CONFIG);

    static const char *const bad[] = {"", "version=2\ncluster.id=a\nnode.id=2\n", "version=1\nnode.id=2\n",
                                      "version=1\ncluster.id=a\n",
                                      "version=1\ncluster.id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nnode.id=2\n"};
    char *path = in_folder(fixture, "meta.properties");
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        store_file(path, bytes_of_string(bad[i]));
        assert_int_equal(storage_open(&other, &fixture->options, NULL, NULL), ERR_CORRUPT);
    }
    /* As Kafka writes it, with its comments and a line of its own. */
    store_file(path, bytes_of_string("#\n#Mon Jan 01 00:00:00 UTC 2024\nnode.id=2\nversion=1\nother=x\n"
                                     "cluster.id=abc\r\n"));
    assert_int_equal(storage_open(&other, &fixture->options, NULL, NULL), 0);
    assert_string_equal(storage_cluster_id(other), "abc");
    storage_close(other);
    mem_free(path);
}

static void options_that_cannot_be_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct storage *storage;
    fixture->options.segment_bytes = (int64_t)INT32_MAX + 1;
    assert_int_equal(storage_open(&storage, &fixture->options, NULL, NULL), ERR_CONFIG);
    fixture->options.segment_bytes = 0;
    assert_int_equal(storage_open(&storage, &fixture->options, NULL, NULL), ERR_CONFIG);
}

static void names_are_kafkas(void **state)
{
    (void)state;
    char name[251];
    memset(name, 'a', 250);
    name[250] = '\0';
    assert_true(storage_topic_name_valid(bytes_of(name, 249)));
    assert_false(storage_topic_name_valid(bytes_of(name, 250)));
    static const char *const good[] = {"a", "A.b_c-9", "...", "__consumer_offsets"};
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xa4", "a:b"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        assert_true(storage_topic_name_valid(bytes_of_string(good[i])));
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(storage_topic_name_valid(bytes_of_string(bad[i])));
    assert_false(storage_topic_name_valid(bytes_of("a\0b", 3)));
}

static void create_two_topics(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic;
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("orders"), 3, &topic) == 0);
    TASK_CHECK(topic->partition_count == 3 && strcmp(topic->name, "orders") == 0);
    TASK_CHECK(strcmp(label_name_use(topic->label), "orders") == 0);
    TASK_CHECK(strcmp(storage_log_name(topic->logs[2]), "orders-2") == 0);
    storage_topic_release(topic);
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("a-1"), 1, NULL) == 0);
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("orders"), 1, NULL) == ERR_EXISTS);
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("a/b"), 1, NULL) == ERR_MALFORMED);
    TASK_CHECK(storage_topic_create(fixture->storage, bytes_of_string("zero"), 0, NULL) == ERR_MALFORMED);
    TASK_CHECK(storage_topic_delete(fixture->storage, bytes_of_string("nobody")) == ERR_NOT_FOUND);
    TASK_CHECK(storage_topic_find(fixture->storage, bytes_of_string("order")) == NULL);
}

static void note_ids(void *argument)
{
    struct fixture *fixture = argument;
    size_t count;
    struct storage_topic **topics = storage_topics_list(fixture->storage, &count);
    TASK_CHECK(count == 2 && strcmp(topics[0]->name, "a-1") == 0 && strcmp(topics[1]->name, "orders") == 0);
    TASK_CHECK(topics[0]->partition_count == 1 && topics[1]->partition_count == 3);
    char id[UUID_TEXT_BYTES];
    uuid_format(&topics[1]->id, id);
    char *expected = mem_printf("version: 0\ntopic_id: %s\n", id);
    for (int i = 0; i < 3; i++) {
        char *path = mem_printf("%s/orders-%d/partition.metadata", fixture->folder, i);
        struct buf text;
        load_file(path, &text);
        TASK_CHECK(strcmp(buf_string(&text), expected) == 0);
        buf_deinit(&text);
        mem_free(path);
    }
    mem_free(expected);
    struct storage_topic *found = storage_topic_find_by_id(fixture->storage, &topics[1]->id);
    TASK_CHECK(found == topics[1]);
    storage_topic_release(found);
    struct uuid unknown = uuid_random();
    TASK_CHECK(storage_topic_find_by_id(fixture->storage, &unknown) == NULL);
    storage_topics_release(topics, count);
}

static void topics_are_found_again(void **state)
{
    struct fixture *fixture = *state;
    struct storage_progress progress = {0};
    fixture_open(fixture);
    task_test_run_with(create_two_topics, fixture);
    task_test_run_with(note_ids, fixture);
    assert_text(fixture, "orders-1/leader-epoch-checkpoint", "0\n1\n0 0\n");
    fixture_close(fixture);
    assert_text(fixture, "recovery-point-offset-checkpoint", "0\n4\norders 0 0\norders 1 0\norders 2 0\na-1 0 0\n");
    /* A file and a folder that are none of ours stay unharmed. */
    char *file = in_folder(fixture, "README-1"), *folder = in_folder(fixture, "lost+found");
    store_file(file, bytes_of_string("hello"));
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(storage_open(&fixture->storage, &fixture->options, &progress, &fixture->report), 0);
    assert_int_equal(progress.partitions_total, 4);
    assert_int_equal(progress.partitions_done, 4);
    task_test_run_with(note_ids, fixture); /* partition.metadata on the disk has the ids: they are the same */
    assert_int_equal(file_bytes(file), 5);
    mem_free(file);
    mem_free(folder);
}

/* A partition that was removed by hand begins empty, and the topic keeps its others. */
static void a_missing_partition_is_made_anew(void **state)
{
    struct fixture *fixture = *state;
    struct storage_progress progress = {0};
    fixture_open(fixture);
    task_test_run_with(create_two_topics, fixture);
    fixture_close(fixture);
    char *folder = in_folder(fixture, "orders-1");
    remove_tree(folder);
    mem_free(folder);
    assert_int_equal(storage_open(&fixture->storage, &fixture->options, &progress, &fixture->report), 0);
    assert_int_equal(progress.partitions_total, 4);
    assert_int_equal(progress.partitions_done, 4);
    task_test_run_with(note_ids, fixture);
}

#define HOUR_MS (3600 * 1000ll)
#define START_MS (1700000000000ll)

/* Three batches of 100 bytes a segment, a batch each hour, ten in all: segments 0, 3, 6, 9. */
static void append_by_the_hour(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    for (int i = 0; i < 10; i++)
        append_ok(topic->logs[0],
                  &(struct batch_spec){.records = 1, .value_bytes = 32, .timestamp = START_MS + i * HOUR_MS});
    storage_topic_release(topic);
}

/* Upkeep leaves the log with this start, size and end. */
static void assert_kept(struct fixture *fixture, int64_t start_offset, int64_t size_bytes)
{
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    storage_maintain_once(fixture->storage);
    TASK_CHECK(storage_log_start_offset(log) == start_offset);
    TASK_CHECK(storage_log_size_bytes(log) == size_bytes);
    TASK_CHECK(storage_log_end_offset(log) == 10);
    struct storage_slice slice;
    TASK_CHECK(start_offset == 0 || storage_log_read(log, start_offset - 1, 100, true, &slice) == ERR_OUT_OF_RANGE);
    storage_topic_release(topic);
}

static void freeze_at(int64_t wall_ms)
{
    clock_test_freeze(1, wall_ms * (int64_t)NS_PER_MS);
}

static void old_segments_go(void *argument)
{
    struct fixture *fixture = argument;
    append_by_the_hour(fixture);
    struct storage_topic *topic = topic_t(fixture);
    struct storage_slice slice;
    TASK_CHECK(storage_log_read(topic->logs[0], 0, NO_LIMIT, true, &slice) == 0 && slice.size == 300);
    /* Segment 0 ends at hour 2. */
    freeze_at(START_MS + 12 * HOUR_MS);
    assert_kept(fixture, 0, 1000);
    freeze_at(START_MS + 12 * HOUR_MS + 1);
    assert_kept(fixture, 3, 700);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000000.log")) == -1);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000000.index")) == -1);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000000.timeindex")) == -1);
    /* Who reads it goes on reading. */
    struct buf got;
    buf_init(&got);
    read_slice(&slice, &got);
    TASK_CHECK(got.size == 300);
    buf_deinit(&got);
    storage_slice_release(&slice);
    /* The active segment is closed off before it goes: there is always one to append to. */
    freeze_at(START_MS + 100 * HOUR_MS);
    assert_kept(fixture, 10, 0);
    TASK_CHECK(file_bytes(partition_path(fixture, "00000000000000000010.log")) == 0);
    assert_kept(fixture, 10, 0);
    TASK_CHECK(append_ok(topic->logs[0], &(struct batch_spec){.records = 1}) == 10);
    storage_topic_release(topic);
}

static void retention_by_time(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 300;
    fixture->options.retention_ms = 10 * HOUR_MS;
    fixture_open(fixture);
    task_test_run_with(old_segments_go, fixture);
    clock_test_real();
    fixture_close(fixture);
    fixture_open(fixture);
    assert_true(fixture->report.was_clean);
}

static void much_goes_from_the_old_end(void *argument)
{
    struct fixture *fixture = argument;
    append_by_the_hour(fixture);
    assert_kept(fixture, 3, 700); /* without segment 0 there are still 700 >= 650, without 3 only 400 */
}

static void retention_by_size(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.segment_bytes = 300;
    fixture->options.retention_bytes = 650;
    fixture_open(fixture);
    task_test_run_with(much_goes_from_the_old_end, fixture);
}

static void maintain_and_look(void *argument)
{
    struct fixture *fixture = argument;
    struct storage_topic *topic = topic_t(fixture);
    struct storage_log *log = topic->logs[0];
    clock_test_freeze(1000 * NS_PER_S, START_MS * (int64_t)NS_PER_MS);
    append_ok(log, &(struct batch_spec){.records = 1, .value_bytes = 32});
    clock_test_advance(4999 * NS_PER_MS);
    storage_maintain_once(fixture->storage);
    TASK_CHECK(log_recovery_point(log) == 0);
    clock_test_advance(NS_PER_MS);
    storage_maintain_once(fixture->storage);
    TASK_CHECK(log_recovery_point(log) == 1);
    clock_test_real();
    storage_topic_release(topic);
}

static void flush_by_time_moves_the_checkpoint(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.flush_ms = 5000;
    fixture_open(fixture);
    task_test_run_with(maintain_and_look, fixture);
    assert_text(fixture, "recovery-point-offset-checkpoint", "0\n1\nt 0 1\n");
}

static void maintain_once(void *argument)
{
    struct fixture *fixture = argument;
    storage_topic_release(topic_t(fixture));
    storage_maintain_once(fixture->storage);
}

static void a_checkpoint_that_failed_is_written_the_next_time(void **state)
{
    struct fixture *fixture = *state;
    char *path = in_folder(fixture, "recovery-point-offset-checkpoint");
    fixture_open(fixture);
    assert_int_equal(mkdir(path, 0755), 0); /* nothing can be renamed to it */
    task_test_run_with(maintain_once, fixture);
    assert_int_equal(rmdir(path), 0);
    task_test_run_with(maintain_once, fixture);
    assert_text(fixture, "recovery-point-offset-checkpoint", "0\n1\nt 0 0\n");
    mem_free(path);
}

static void checkpoint_then_delete(void *argument)
{
    struct fixture *fixture = argument;
    append_by_the_hour(fixture);
    struct storage_topic *topic = topic_t(fixture);
    TASK_CHECK(storage_log_flush(topic->logs[0]) == 0);
    storage_topic_release(topic);
    storage_maintain_once(fixture->storage);
    TASK_CHECK(storage_topic_delete(fixture->storage, bytes_of_string("t")) == 0);
}

/* Else a new topic of the same name would be believed up to where the old one was on the disk. */
static void a_deleted_topic_leaves_no_recovery_point(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    assert_true(fixture->report.was_clean); /* a new folder */
    task_test_run_with(checkpoint_then_delete, fixture);
    assert_text(fixture, "recovery-point-offset-checkpoint", "0\n0\n");
}

static void upkeep_ends_when_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct reactor *reactor;
    fixture->options.retention_check_ms = 1;
    fixture_open(fixture);
    assert_int_equal(reactor_start(&reactor, &(struct reactor_options){.name = "upkeep"}), 0);
    assert_int_equal(reactor_spawn(reactor, "storage upkeep", storage_maintain, fixture->storage), 0);
    task_test_run_on(reactor, append_by_the_hour, fixture);
    reactor_stop(reactor);
    reactor_join(reactor);
}

static void ids_read_back(void **state)
{
    (void)state;
    char text[UUID_TEXT_BYTES];
    struct uuid uuid = {{0}}, back;
    uuid_format(&uuid, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    memset(uuid.bytes, 0xff, sizeof uuid.bytes);
    uuid_format(&uuid, text);
    assert_string_equal(text, "_____________________w");
    for (int i = 0; i < 200; i++) {
        uuid = uuid_random();
        uuid_format(&uuid, text);
        assert_true(text[0] != '-');
        assert_int_equal(uuid.bytes[6] >> 4, 4);
        assert_int_equal(uuid_parse(bytes_of_string(text), &back), 0);
        assert_true(uuid_equal(&uuid, &back));
    }
    static const char *const bad[] = {"", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB",
                                      "AAAAAAAAAA+AAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA=="};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(uuid_parse(bytes_of_string(bad[i]), &back), ERR_MALFORMED);
    assert_true(storage_new_producer_id() >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(a_folder_is_made_with_its_parents_and_belongs_to_one),
        STORAGE_TEST(the_cluster_keeps_its_id_and_the_node_its_folder),
        STORAGE_TEST(options_that_cannot_be_are_refused),
        cmocka_unit_test(names_are_kafkas),
        STORAGE_TEST(topics_are_found_again),
        STORAGE_TEST(a_missing_partition_is_made_anew),
        STORAGE_TEST(retention_by_time),
        STORAGE_TEST(retention_by_size),
        STORAGE_TEST(flush_by_time_moves_the_checkpoint),
        STORAGE_TEST(a_checkpoint_that_failed_is_written_the_next_time),
        STORAGE_TEST(a_deleted_topic_leaves_no_recovery_point),
        STORAGE_TEST(upkeep_ends_when_cancelled),
        cmocka_unit_test(ids_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
