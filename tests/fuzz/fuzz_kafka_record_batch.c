/* fuzz_kafka_record_batch.c: any bytes as record batches, walked to the last record as a broker and a tool would. */
#include "base/check.h"
#include "base/mem.h"
#include "kafka/record_batch.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct bytes view, struct bytes whole)
{
    return !view.data || (view.data >= whole.data && view.data + view.size <= whole.data + whole.size);
}

static int32_t walk_records(const struct record_batch *batch)
{
    struct bytes rest = record_batch_records(batch);
    struct record record;
    int32_t count = 0;
    while (record_next(&rest, &record) == 0) {
        ASSERT(inside(record.key, batch->whole) && inside(record.value, batch->whole));
        ASSERT(inside(record.headers, batch->whole));
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = (uint8_t *)mem_copy_bytes(bytes_of(data, size));
    struct bytes rest = bytes_of(copy, size);
    struct record_batch batch;
    while (record_batch_parse(rest, &batch) == 0) {
        ASSERT(inside(batch.whole, rest) && batch.whole.size >= RECORD_BATCH_HEADER_BYTES);
        ASSERT(record_batch_last_offset(&batch) >= batch.base_offset);
        int crc = record_batch_check_crc(&batch);
        int32_t count = walk_records(&batch);
        if (record_batch_check_produced(&batch) == 0 && (batch.attributes & RECORD_BATCH_CODEC_MASK) == 0)
            ASSERT(count == batch.record_count);

        record_batch_assign(copy + (batch.whole.data - copy), 42, 7);
        struct record_batch assigned;
        if (record_batch_parse(batch.whole, &assigned) == 0)
            ASSERT(assigned.base_offset == 42 && record_batch_check_crc(&assigned) == crc);
        rest = bytes_of(rest.data + batch.whole.size, rest.size - batch.whole.size);
    }
    mem_free(copy);
    return 0;
}
