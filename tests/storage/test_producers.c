/* test_producers.c: the rules for batches of idempotent producers, and their snapshot file. */
#include "fixture.h"

#include "storage/producers.h"

static struct record_batch sent(int64_t id, int16_t epoch, int32_t sequence, int32_t records, int64_t offset)
{
    return (struct record_batch){.producer_id = id, .producer_epoch = epoch, .base_sequence = sequence,
                                 .record_count = records, .last_offset_delta = records - 1, .base_offset = offset};
}

/* What producers_check says: the old offset of a duplicate, -1 for a new batch, or the error. */
static int64_t verdict(const struct producers *producers, struct record_batch batch)
{
    int64_t offset = -1;
    int rc = producers_check(producers, &batch, &offset);
    return rc < 0 ? rc : rc == PRODUCERS_DUPLICATE ? offset : -1;
}

static void update(struct producers *producers, struct record_batch batch, int64_t now_ms)
{
    producers_update(producers, &batch, now_ms);
}

#define IS_NEW (-1)

static void sequences_must_follow_each_other(void **state)
{
    (void)state;
    struct producers *producers = producers_create();
    assert_int_equal(verdict(producers, sent(-1, -1, -1, 3, 0)), IS_NEW);
    assert_int_equal(verdict(producers, sent(7, 0, 0, 3, 0)), IS_NEW);
    assert_int_equal(verdict(producers, sent(7, 0, 42, 3, 0)), IS_NEW); /* one that is not known may start anywhere */
    update(producers, sent(7, 0, 0, 3, 100), 0);
    assert_int_equal(verdict(producers, sent(7, 0, 3, 1, 0)), IS_NEW);
    assert_int_equal(verdict(producers, sent(7, 0, 4, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(verdict(producers, sent(7, 0, 2, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(verdict(producers, sent(7, 0, 0, 3, 0)), 100);
    assert_int_equal(verdict(producers, sent(7, 0, 0, 2, 0)), ERR_SEQUENCE);
    producers_destroy(producers);
}

static void the_last_five_batches_are_recognised(void **state)
{
    (void)state;
    struct producers *producers = producers_create();
    for (int i = 0; i < 7; i++)
        update(producers, sent(7, 0, 10 * i, 10, 1000 + 10 * i), 0);
    assert_int_equal(verdict(producers, sent(7, 0, 10, 10, 0)), ERR_SEQUENCE);
    for (int i = 2; i < 7; i++)
        assert_int_equal(verdict(producers, sent(7, 0, 10 * i, 10, 0)), 1000 + 10 * i);
    assert_int_equal(verdict(producers, sent(7, 0, 70, 10, 0)), IS_NEW);
    producers_destroy(producers);
}

static void an_old_epoch_is_fenced_and_a_new_one_begins_at_zero(void **state)
{
    (void)state;
    struct producers *producers = producers_create();
    update(producers, sent(7, 3, 0, 5, 0), 0);
    assert_int_equal(verdict(producers, sent(7, 2, 5, 1, 0)), ERR_FENCED);
    assert_int_equal(verdict(producers, sent(7, 4, 5, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(verdict(producers, sent(7, 4, 0, 5, 0)), IS_NEW);
    update(producers, sent(7, 4, 0, 5, 5), 0);
    assert_int_equal(verdict(producers, sent(7, 4, 0, 5, 0)), 5);
    assert_int_equal(verdict(producers, sent(7, 3, 0, 5, 0)), ERR_FENCED);
    producers_destroy(producers);
}

static void sequences_begin_again_after_the_largest(void **state)
{
    (void)state;
    struct producers *producers = producers_create();
    update(producers, sent(7, 0, INT32_MAX - 1, 2, 0), 0); /* ends at INT32_MAX */
    assert_int_equal(verdict(producers, sent(7, 0, 0, 1, 0)), IS_NEW);
    producers_clear(producers);
    update(producers, sent(7, 0, INT32_MAX - 1, 5, 50), 0); /* ends at 2 */
    assert_int_equal(verdict(producers, sent(7, 0, 3, 1, 0)), IS_NEW);
    assert_int_equal(verdict(producers, sent(7, 0, INT32_MAX - 1, 5, 0)), 50);
    producers_destroy(producers);
}

static void silent_producers_are_forgotten(void **state)
{
    (void)state;
    struct producers *producers = producers_create();
    update(producers, sent(1, 0, 0, 1, 0), 0);
    update(producers, sent(2, 0, 0, 1, 1), PRODUCERS_EXPIRE_MS - 1);
    assert_int_equal(producers_count(producers), 2);
    update(producers, sent(2, 0, 1, 1, 2), PRODUCERS_EXPIRE_MS);
    assert_int_equal(producers_count(producers), 1);
    for (int i = 0; i < PRODUCERS_MAX + 100; i++)
        update(producers, sent(1000 + i, 0, 0, 1, 3 + i), PRODUCERS_EXPIRE_MS + 1);
    assert_int_equal(producers_count(producers), PRODUCERS_MAX);
    assert_int_equal(verdict(producers, sent(1000, 0, 7, 1, 0)), IS_NEW);
    assert_int_equal(verdict(producers, sent(1000 + PRODUCERS_MAX, 0, 7, 1, 0)), ERR_SEQUENCE);
    producers_destroy(producers);
}

/* Version 1, checksum, count 1; id 7, epoch 3, last sequence 9, last offset 109, delta 9, time 5, no transaction. */
static const uint8_t golden_snapshot[] = {
    0, 1, 170, 221, 213, 195, 0, 0, 0, 1,
    0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 109, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

static void the_snapshot_is_kafkas(void **state)
{
    struct fixture *fixture = *state;
    struct producers *producers = producers_create();
    char *path = mem_printf("%s/00000000000000000110.snapshot", fixture->folder);
    struct buf file;
    assert_int_equal(producers_save(producers, path), 0);
    assert_int_equal(file_bytes(path), -1); /* nobody: no file */
    assert_int_equal(producers_load(producers, path), 0);
    update(producers, sent(7, 3, 0, 10, 100), 5);
    assert_int_equal(producers_save(producers, path), 0);
    load_file(path, &file);
    assert_int_equal(file.size, sizeof golden_snapshot);
    assert_memory_equal(file.data, golden_snapshot, sizeof golden_snapshot);

    update(producers, sent(8, 0, 0, 1, 110), 5);
    assert_int_equal(producers_load(producers, path), 0);
    assert_int_equal(producers_count(producers), 1);
    assert_int_equal(verdict(producers, sent(7, 3, 0, 10, 0)), 100);
    assert_int_equal(verdict(producers, sent(7, 3, 10, 1, 0)), IS_NEW);
    buf_deinit(&file);
    mem_free(path);
    producers_destroy(producers);
}

/* A client that lost its answers sends up to five batches again, to a broker that was restarted meanwhile too. */
static void the_snapshot_remembers_all_five_batches(void **state)
{
    struct fixture *fixture = *state;
    struct producers *producers = producers_create();
    char *path = mem_printf("%s/00000000000000000110.snapshot", fixture->folder);
    for (int i = 0; i < 7; i++) {
        update(producers, sent(7, 3, 10 * i, 10, 1000 + 10 * i), 5);
        update(producers, sent(8, 0, i, 1, 2000 + i), 5);
    }
    assert_int_equal(producers_save(producers, path), 0);
    assert_int_equal(producers_load(producers, path), 0);
    assert_int_equal(producers_count(producers), 2);
    assert_int_equal(verdict(producers, sent(7, 3, 10, 10, 0)), ERR_SEQUENCE);
    for (int i = 2; i < 7; i++) {
        assert_int_equal(verdict(producers, sent(7, 3, 10 * i, 10, 0)), 1000 + 10 * i);
        assert_int_equal(verdict(producers, sent(8, 0, i, 1, 0)), 2000 + i);
    }
    assert_int_equal(verdict(producers, sent(7, 3, 70, 1, 0)), IS_NEW);
    mem_free(path);
    producers_destroy(producers);
}

static void a_damaged_snapshot_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct producers *producers = producers_create();
    char *path = mem_printf("%s/00000000000000000110.snapshot", fixture->folder);
    uint8_t copy[sizeof golden_snapshot];
    for (size_t size = 0; size < sizeof golden_snapshot; size++) {
        store_file(path, bytes_of(golden_snapshot, size));
        assert_int_equal(producers_load(producers, path), ERR_CORRUPT);
    }
    for (size_t i = 0; i < sizeof golden_snapshot; i++) {
        memcpy(copy, golden_snapshot, sizeof copy);
        copy[i] ^= 1;
        store_file(path, bytes_of(copy, sizeof copy));
        assert_int_equal(producers_load(producers, path), ERR_CORRUPT);
        assert_int_equal(producers_count(producers), 0);
    }
    mem_free(path);
    producers_destroy(producers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_must_follow_each_other),
        cmocka_unit_test(the_last_five_batches_are_recognised),
        cmocka_unit_test(an_old_epoch_is_fenced_and_a_new_one_begins_at_zero),
        cmocka_unit_test(sequences_begin_again_after_the_largest),
        cmocka_unit_test(silent_producers_are_forgotten),
        STORAGE_TEST(the_snapshot_is_kafkas),
        STORAGE_TEST(the_snapshot_remembers_all_five_batches),
        STORAGE_TEST(a_damaged_snapshot_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
