/* fuzz_storage_recover.c: whatever is in a .log file, recovery leaves whole good batches and indexes that fit them. */
#include "base/check.h"
#include "base/crc32c.h"
#include "kafka/record_batch.h"
#include "storage/big_endian.h"
#include "storage/producers.h"
#include "storage/segment.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUT_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Random bytes never have the right checksum: give it to each batch that could be one. */
static void mend_checksums(uint8_t *bytes, size_t size)
{
    struct record_batch batch;
    for (size_t at = 0; record_batch_parse(bytes_of(bytes + at, size - at), &batch) == 0; at += batch.whole.size)
        big_endian_write_32(bytes + at + 17, (int32_t)crc32c(bytes_of(bytes + at + 21, batch.whole.size - 21)));
}

static void check_found(const struct storage_segment *segment)
{
    struct batch_scan walk, found;
    struct record_batch batch, other;
    int64_t end;
    batch_scan_init(&walk, segment->fds[SEGMENT_LOG], 0, segment->state.size_bytes);
    while (batch_scan_next(&walk, &batch) == 1) {
        ASSERT(segment_find(segment, &segment->state, batch.base_offset, &found, &other) == 1);
        ASSERT(found.batch_position == walk.batch_position);
        if (batch.max_timestamp >= 0) {
            ASSERT(segment_find_time(segment, &segment->state, batch.max_timestamp, &found, &other) == 1);
            ASSERT(other.max_timestamp >= batch.max_timestamp && found.batch_position <= walk.batch_position);
        }
        ASSERT(segment_find_end(segment, &segment->state, 0, walk.position, &end) == 0 && end == walk.position);
    }
    ASSERT(walk.position == segment->state.size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct storage_segment segment;
    static uint8_t bytes[INPUT_BYTES_MAX];
    static struct producers *producers;
    if (!producers) {
        producers = producers_create();
        for (int i = 0; i < SEGMENT_FILE_COUNT; i++)
            segment.fds[i] = memfd_create("segment", 0);
    }
    if (size < 1 || size > INPUT_BYTES_MAX)
        return 0;
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        mend_checksums(bytes, size - 1);
    ASSERT(ftruncate(segment.fds[SEGMENT_LOG], 0) == 0);
    ASSERT(pwrite(segment.fds[SEGMENT_LOG], bytes, size - 1, 0) == (ssize_t)(size - 1));

    int64_t cut;
    ASSERT(segment_recover(&segment, INT64_MAX, data[0] & 0xfe, producers, &cut) == 0);

    ASSERT(cut + segment.state.size_bytes == (int64_t)(size - 1));
    check_found(&segment);
    struct segment_state recovered = segment.state;
    int rc = segment_load(&segment, -1);
    /* Without any timestamp there is no entry in .timeindex, which a load does not believe. */
    ASSERT(rc == 0 || recovered.max_timestamp < 0);
    ASSERT(rc != 0 || segment.state.next_offset == recovered.next_offset);
    producers_clear(producers);
    return 0;
}
