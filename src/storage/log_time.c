/* log_time.c: from a time to an offset. */
#include "storage/log.h"

#include "base/error.h"
#include "base/mem.h"
#include "kafka/record_batch.h"
#include "storage/files.h"
#include "storage/log_private.h"

/* The segment with the largest timestamp of all; the earliest of several. Under the guard. */
static struct storage_segment *newest_segment(const struct storage_log *log)
{
    struct storage_segment *newest = NULL;
    int64_t timestamp = -1;
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->state.max_timestamp > timestamp) {
            newest = log->segments[i];
            timestamp = newest->state.max_timestamp;
        }
    }
    return newest;
}

/* The first segment that has something from that time on. Under the guard. */
static struct storage_segment *segment_since(const struct storage_log *log, int64_t time_ms)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->state.max_timestamp >= time_ms)
            return log->segments[i];
    }
    return NULL;
}

/* The first record of the batch with such a timestamp; of a compressed batch, which stays packed, the first of all. */
static int find_record(const struct batch_scan *scan, struct record_batch *batch, int64_t time_ms, int64_t *offset,
                       int64_t *timestamp)
{
    *offset = batch->base_offset;
    *timestamp = batch->max_timestamp;
    if (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME)
        return 0;
    if (batch->base_timestamp >= time_ms) {
        *timestamp = batch->base_timestamp;
        return 0;
    }
    size_t got;
    uint8_t *data = mem_alloc(batch->whole.size);
    int rc = file_read_at(scan->fd, data, batch->whole.size, scan->batch_position, &got);
    if (rc == 0 && got < batch->whole.size)
        rc = ERR_CORRUPT;
    batch->whole.data = data;
    struct bytes rest = rc == 0 ? record_batch_records(batch) : (struct bytes){0};
    struct record record;
    while (rest.size > 0 && record_next(&rest, &record) == 0) {
        int64_t record_ms;
        /* Both are the client's to choose. */
        if (__builtin_add_overflow(batch->base_timestamp, record.timestamp_delta, &record_ms) || record_ms < time_ms)
            continue;
        *offset = batch->base_offset + record.offset_delta;
        *timestamp = record_ms;
        break;
    }
    batch->whole.data = NULL;
    mem_free(data);
    return rc;
}

int storage_log_offset_for_time(struct storage_log *log, int64_t time_ms, int64_t *offset, int64_t *timestamp)
{
    *timestamp = -1;
    if (time_ms == STORAGE_TIME_LATEST || time_ms == STORAGE_TIME_EARLIEST) {
        *offset = time_ms == STORAGE_TIME_LATEST ? storage_log_end_offset(log) : storage_log_start_offset(log);
        return 0;
    }
    if (time_ms < 0 && time_ms != STORAGE_TIME_MAX)
        return ERR_NOT_FOUND;

    struct segment_state state;
    pthread_mutex_lock(&log->guard);
    bool closed = log->segment_count == 0;
    struct storage_segment *segment = time_ms == STORAGE_TIME_MAX ? newest_segment(log) : segment_since(log, time_ms);
    if (segment) {
        state = segment->state;
        segment_acquire(segment);
    }
    pthread_mutex_unlock(&log->guard);
    if (!segment)
        return closed ? ERR_CLOSED : ERR_NOT_FOUND;

    struct batch_scan scan;
    struct record_batch batch;
    if (time_ms == STORAGE_TIME_MAX)
        time_ms = state.max_timestamp;
    int rc = segment_find_time(segment, &state, time_ms, &scan, &batch);
    if (rc == 1)
        rc = find_record(&scan, &batch, time_ms, offset, timestamp);
    else if (rc == 0)
        rc = ERR_NOT_FOUND;
    segment_release(segment);
    return rc;
}
