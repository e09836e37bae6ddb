/* segment_find.c: finding batches in a segment by offset, time and position. */
#include "storage/segment.h"

#include "storage/index.h"

int segment_find(const struct storage_segment *segment, const struct segment_state *state, int64_t offset,
                 struct batch_scan *scan, struct record_batch *batch)
{
    struct index_entry entry;
    int64_t relative_offset = offset - segment->base_offset;
    int rc = index_find_offset(segment->fds[SEGMENT_INDEX], state->index_written, relative_offset, &entry);
    if (rc < 0)
        return rc;
    batch_scan_init(scan, segment->fds[SEGMENT_LOG], entry.position, state->size_bytes);
    do {
        rc = batch_scan_next(scan, batch);
    } while (rc == 1 && record_batch_last_offset(batch) < offset);
    return rc;
}

int segment_find_time(const struct storage_segment *segment, const struct segment_state *state, int64_t timestamp,
                      struct batch_scan *scan, struct record_batch *batch)
{
    struct time_index_entry time_entry;
    struct index_entry entry;
    /* The batches up to an entry that is smaller hold nothing larger; an equal one may not be the first. */
    int rc = time_index_find(segment->fds[SEGMENT_TIME_INDEX], state->time_index_written, timestamp - 1, &time_entry);
    if (rc >= 0)
        rc = index_find_offset(segment->fds[SEGMENT_INDEX], state->index_written, time_entry.relative_offset, &entry);
    if (rc < 0)
        return rc;
    batch_scan_init(scan, segment->fds[SEGMENT_LOG], entry.position, state->size_bytes);
    do {
        rc = batch_scan_next(scan, batch);
    } while (rc == 1 && batch->max_timestamp < timestamp);
    return rc;
}

int segment_find_end(const struct storage_segment *segment, const struct segment_state *state, int64_t position,
                     int64_t limit, int64_t *end)
{
    *end = position;
    if (limit >= state->size_bytes) {
        *end = state->size_bytes;
        return 0;
    }
    struct index_entry entry;
    int rc = index_find_position(segment->fds[SEGMENT_INDEX], state->index_written, limit, &entry);
    if (rc < 0)
        return rc;
    struct batch_scan scan;
    struct record_batch batch;
    if (entry.position > position)
        *end = entry.position;
    batch_scan_init(&scan, segment->fds[SEGMENT_LOG], *end, state->size_bytes);
    while ((rc = batch_scan_next(&scan, &batch)) == 1 && scan.position <= limit)
        *end = scan.position;
    return rc < 0 ? rc : 0;
}
