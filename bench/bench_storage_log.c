/* bench_storage_log.c: what an append and a read of a partition cost, without network. */
#include "../tests/support/task_test.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "kafka/record_batch.h"
#include "storage/big_endian.h"
#include "storage/log.h"
#include "storage/storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOTAL_BYTES (256ll << 20)
#define READS 200000

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

static void measure_reads(struct storage_log *log, const char *what, bool at_end)
{
    int64_t end = storage_log_end_offset(log), offset = end - 1;
    uint64_t begin_ns = clock_monotonic_ns();
    for (int i = 0; i < READS; i++) {
        struct storage_slice slice;
        if (!at_end)
            offset = (offset * 6364136223846793005ll + 1442695040888963407ll) & INT64_MAX;
        ASSERT(storage_log_read(log, offset % end, 1 << 20, true, &slice) == 0 && slice.size > 0);
        storage_slice_release(&slice);
    }
    printf("  %-24s %6llu ns\n", what, (unsigned long long)((clock_monotonic_ns() - begin_ns) / READS));
}

static void measure_size(struct storage *storage, size_t size)
{
    char name[32];
    struct storage_topic *topic;
    snprintf(name, sizeof name, "batches-of-%zu", size);
    ASSERT(storage_topic_create(storage, bytes_of_string(name), 1, &topic) == 0);
    uint8_t *batch = make_batch(size);
    int64_t count = TOTAL_BYTES / (int64_t)size < 500000 ? TOTAL_BYTES / (int64_t)size : 500000, offset;
    uint64_t begin_ns = clock_monotonic_ns();
    for (int64_t i = 0; i < count; i++)
        ASSERT(storage_log_append(topic->logs[0], batch, size, size, &offset) == 0);
    uint64_t took_ns = clock_monotonic_ns() - begin_ns;
    printf("%s\n  %-24s %6llu ns  %5.0f MB/s\n", name, "append", (unsigned long long)(took_ns / (uint64_t)count),
           (double)count * (double)size / 1e6 / ((double)took_ns / 1e9));
    measure_reads(topic->logs[0], "read the last batch", true);
    measure_reads(topic->logs[0], "read 1 MiB anywhere", false);
    mem_free(batch);
    storage_topic_release(topic);
    ASSERT(storage_topic_delete(storage, bytes_of_string(name)) == 0);
}

static void run(void *storage)
{
    static const size_t sizes[] = {100, 1024, 16384, 1 << 20};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
        measure_size(storage, sizes[i]);
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
    ASSERT(storage_open(&storage, &options, NULL, NULL) == 0);
    task_test_run_with(run, storage);
    storage_close(storage);
    char *command = mem_printf("rm -r %s", folder);
    ASSERT(system(command) == 0);
    mem_free(command);
    return 0;
}
