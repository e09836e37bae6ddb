/* bench_storage_log.c: what an append and a read of a partition cost, without network. */
#include "../tests/support/task_test.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "kafka/record_batch.h"
#include "storage/big_endian.h"
#include "storage/log.h"
#include "storage/storage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOTAL_BYTES (256ll << 20)
#define COUNT_MAX 300000
#define SEEKS 20000

/* A batch of this size that says it is compressed: nobody looks inside. */
static uint8_t *make_batch(size_t size)
{
    uint8_t *batch = mem_alloc(size);
    big_endian_write_32(batch + 8, (int32_t)size - 12);
    batch[16] = 2;
    batch[22] = 4; /* zstd */
    big_endian_write_64(batch + 43, -1);
    memset(batch + 51, 0xff, 6);
    big_endian_write_32(batch + 57, 1);
    memset(batch + 61, 'x', size - 61);
    big_endian_write_32(batch + 17, (int32_t)crc32c(bytes_of(batch + 21, size - 21)));
    return batch;
}

static void print_figure(const char *what, uint64_t took_ns, int64_t count, double anchor_ns)
{
    double each_ns = (double)took_ns / (double)count;
    printf("  %-28s %8.0f ns  x%.2f\n", what, each_ns, each_ns / anchor_ns);
}

/* The anchor: the same bytes written to a file and nothing else. */
static double measure_pwrite(const char *folder, const uint8_t *batch, size_t size, int64_t count)
{
    char *path = mem_printf("%s/anchor", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    uint64_t begin_ns = clock_monotonic_ns();
    for (int64_t i = 0; i < count; i++)
        ASSERT(pwrite(fd, batch, size, i * (int64_t)size) == (ssize_t)size);
    double each_ns = (double)(clock_monotonic_ns() - begin_ns) / (double)count;
    close(fd);
    unlink(path);
    mem_free(path);
    return each_ns;
}

static void measure_appends(struct storage_log *log, uint8_t *batch, size_t size, int64_t count, double anchor_ns)
{
    int64_t offset;
    uint64_t begin_ns = clock_monotonic_ns();
    for (int64_t i = 0; i < count; i++)
        ASSERT(storage_log_append(log, batch, size, size, &offset) == 0);
    print_figure("append", clock_monotonic_ns() - begin_ns, count, anchor_ns);
}

/* A consumer that keeps up: each batch is read once it is there. */
static void measure_following(struct storage_log *log, uint8_t *batch, size_t size, double anchor_ns)
{
    uint64_t read_ns = 0;
    int64_t count = 1000, offset;
    for (int64_t i = 0; i < count; i++) {
        struct storage_slice slice;
        ASSERT(storage_log_append(log, batch, size, size, &offset) == 0);
        uint64_t begin_ns = clock_monotonic_ns();
        ASSERT(storage_log_read(log, offset, 1 << 20, true, &slice) == 0 && slice.size == size);
        storage_slice_release(&slice);
        read_ns += clock_monotonic_ns() - begin_ns;
    }
    print_figure("read, keeping up", read_ns, count, anchor_ns);
}

static void measure_seeking(struct storage_log *log, double anchor_ns)
{
    int64_t end = storage_log_end_offset(log), offset = 1;
    uint64_t begin_ns = clock_monotonic_ns();
    for (int i = 0; i < SEEKS; i++) {
        struct storage_slice slice;
        offset = (int64_t)((uint64_t)offset * 6364136223846793005u + 1442695040888963407u) & INT64_MAX;
        ASSERT(storage_log_read(log, offset % end, 1 << 20, true, &slice) == 0 && slice.size > 0);
        storage_slice_release(&slice);
    }
    print_figure("read 1 MiB from anywhere", clock_monotonic_ns() - begin_ns, SEEKS, anchor_ns);
}

struct bench {
    struct storage *storage;
    const char *folder;
};

static void measure_size(const struct bench *bench, size_t size)
{
    char name[32];
    struct storage_topic *topic;
    snprintf(name, sizeof name, "batches-of-%zu", size);
    ASSERT(storage_topic_create(bench->storage, bytes_of_string(name), 1, &topic) == 0);
    uint8_t *batch = make_batch(size);
    int64_t count = TOTAL_BYTES / (int64_t)size < COUNT_MAX ? TOTAL_BYTES / (int64_t)size : COUNT_MAX;
    double anchor_ns = measure_pwrite(bench->folder, batch, size, count);
    printf("%s\n  %-28s %8.0f ns\n", name, "anchor: pwrite alone", anchor_ns);
    measure_appends(topic->logs[0], batch, size, count, anchor_ns);
    measure_following(topic->logs[0], batch, size, anchor_ns);
    measure_seeking(topic->logs[0], anchor_ns);
    mem_free(batch);
    storage_topic_release(topic);
    ASSERT(storage_topic_delete(bench->storage, bytes_of_string(name)) == 0);
}

static void run(void *argument)
{
    static const size_t sizes[] = {100, 1024, 16384, 1 << 18};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        measure_size(argument, sizes[i]);
}

int main(void)
{
    char folder[] = "/tmp/takhin-bench-XXXXXX";
    ASSERT(mkdtemp(folder) != NULL);
    struct storage *storage;
    const struct storage_options options = {
        .data_dir = folder, .node_id = 1, .segment_bytes = 1 << 30, .segment_age_ms = INT64_MAX,
        .index_interval_bytes = 4096, .retention_ms = -1, .retention_bytes = -1, .retention_check_ms = 300000,
    };
    log_configure((struct log_options){.level = LOG_WARNING});
    ASSERT(storage_open(&storage, &options, NULL, NULL) == 0);
    struct bench bench = {.storage = storage, .folder = folder};
    task_test_run_with(run, &bench);
    storage_close(storage);
    char *command = mem_printf("rm -r %s", folder);
    ASSERT(system(command) == 0);
    mem_free(command);
    return 0;
}
