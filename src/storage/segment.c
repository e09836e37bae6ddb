/* segment.c: one stretch of a partition: its files, appending to them, loading and recovering them. */
#include "storage/segment.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/trace.h"
#include "storage/files.h"
#include "storage/index.h"
#include "storage/producers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 20
#define NAME_FORMAT "%0*" PRId64 "%s"

static const char *const suffixes[SEGMENT_FILE_COUNT] = {".log", ".index", ".timeindex"};

const char *segment_suffix(enum segment_file file)
{
    return suffixes[file];
}

int segment_parse_name(const char *name, const char *suffix, int64_t *base_offset)
{
    if (strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, suffix) != 0)
        return ERR_MALFORMED;
    errno = 0;
    *base_offset = strtoll(name, NULL, 10);
    return errno == 0 ? 0 : ERR_MALFORMED;
}

char *segment_path(const char *folder, int64_t base_offset, const char *suffix)
{
    return mem_printf("%s/" NAME_FORMAT, folder, NAME_DIGITS, base_offset, suffix);
}

static struct segment_state empty_state(int64_t base_offset)
{
    return (struct segment_state){.next_offset = base_offset, .first_timestamp = -1, .max_timestamp = -1,
                                  .max_timestamp_offset = base_offset, .indexed_timestamp = -1};
}

static void close_files(struct storage_segment *segment)
{
    for (int i = 0; i < SEGMENT_FILE_COUNT; i++) {
        if (segment->fds[i] >= 0)
            close(segment->fds[i]);
    }
}

static int open_files(const char *folder, int64_t base_offset, int flags, struct storage_segment **segment)
{
    struct storage_segment *made = MEM_NEW(struct storage_segment);
    *made = (struct storage_segment){
        .references = 1,
        .base_offset = base_offset,
        .fds = {-1, -1, -1},
        .state = empty_state(base_offset),
    };
    int rc = 0;
    for (int i = 0; rc == 0 && i < SEGMENT_FILE_COUNT; i++) {
        char *path = segment_path(folder, base_offset, suffixes[i]);
        made->fds[i] = UNINTERRUPTED(open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644));
        if (made->fds[i] < 0)
            rc = -errno;
        mem_free(path);
    }
    if (rc != 0) {
        close_files(made);
        mem_free(made);
        return rc;
    }
    *segment = made;
    return 0;
}

int segment_create(const char *folder, int64_t base_offset, struct storage_segment **segment)
{
    return open_files(folder, base_offset, O_TRUNC, segment);
}

int segment_open(const char *folder, int64_t base_offset, struct storage_segment **segment)
{
    return open_files(folder, base_offset, 0, segment);
}

void segment_acquire(struct storage_segment *segment)
{
    atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
}

void segment_release(struct storage_segment *segment)
{
    if (atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1)
        return;
    close_files(segment);
    mem_free(segment);
}

int segment_unlink(int folder_fd, int64_t base_offset)
{
    /* .log first: an index alone is removed at the next start, a log alone would be indexed anew and served. */
    static const char *const gone[] = {".log", ".index", ".timeindex", PRODUCERS_SNAPSHOT_SUFFIX};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(gone); i++) {
        char name[64];
        snprintf(name, sizeof name, NAME_FORMAT, NAME_DIGITS, base_offset, gone[i]);
        if (UNINTERRUPTED(unlinkat(folder_fd, name, 0)) != 0 && errno != ENOENT)
            rc = -errno;
    }
    return rc;
}

/* The index entries that a batch brings with it. */
struct due_entries {
    bool index, time_index;
    struct index_entry index_entry;
    struct time_index_entry time_index_entry;
};

/* What .timeindex learns now, as Kafka's maybeAppend: only a larger timestamp than it has. */
static void note_time_entry(int64_t base_offset, struct segment_state *state, struct due_entries *due)
{
    if (state->max_timestamp <= state->indexed_timestamp)
        return;
    due->time_index = true;
    due->time_index_entry.timestamp = state->indexed_timestamp = state->max_timestamp;
    due->time_index_entry.relative_offset = (int32_t)(state->max_timestamp_offset - base_offset);
    state->time_index_count++;
}

static void note_timestamp(struct segment_state *state, const struct record_batch *batch)
{
    if (batch->max_timestamp > state->max_timestamp) {
        state->max_timestamp = batch->max_timestamp;
        state->max_timestamp_offset = record_batch_last_offset(batch);
    }
}

/* Count a batch at the end of the segment. An entry is due in front of the first batch that begins more than the
 * interval behind the last entry's: where and what Kafka's LogSegment.append writes. */
static struct due_entries count_batch(int64_t base_offset, struct segment_state *state,
                                      const struct record_batch *batch, int64_t index_interval_bytes)
{
    struct due_entries due = {0};
    int64_t last_offset = record_batch_last_offset(batch);
    if (state->size_bytes == 0)
        state->first_timestamp = batch->max_timestamp;
    note_timestamp(state, batch);
    if (state->bytes_since_index > index_interval_bytes) {
        due.index = true;
        due.index_entry.relative_offset = (int32_t)(last_offset - base_offset);
        due.index_entry.position = (int32_t)state->size_bytes;
        state->index_count++;
        state->bytes_since_index = 0;
        note_time_entry(base_offset, state, &due);
    }
    state->size_bytes += (int64_t)batch->whole.size;
    state->bytes_since_index += (int64_t)batch->whole.size;
    state->next_offset = last_offset + 1;
    return due;
}

/* Put the entries that are due behind the ones that wait. */
static void keep_entries(struct storage_segment *segment, const struct segment_state *state,
                         const struct due_entries *due)
{
    uint32_t index_slot = state->index_count - state->index_written - 1;
    uint32_t time_index_slot = state->time_index_count - state->time_index_written - 1;
    if (due->index)
        index_entry_encode(&due->index_entry, segment->index_tail + index_slot * INDEX_ENTRY_BYTES);
    if (due->time_index)
        time_index_entry_encode(&due->time_index_entry,
                                segment->time_index_tail + time_index_slot * TIME_INDEX_ENTRY_BYTES);
}

/* Write the entries that wait, if there are so many. */
static int write_tail(int fd, const uint8_t *tail, uint32_t entry_bytes, uint32_t at_least, uint32_t count,
                      uint32_t *written)
{
    uint32_t waiting = count - *written;
    if (waiting < at_least)
        return 0;
    int rc = file_write_at(fd, tail, (size_t)waiting * entry_bytes, (off_t)*written * entry_bytes);
    if (rc == 0)
        *written = count;
    return rc;
}

static int write_entries(const struct storage_segment *segment, struct segment_state *state, uint32_t at_least)
{
    int rc = write_tail(segment->fds[SEGMENT_INDEX], segment->index_tail, INDEX_ENTRY_BYTES, at_least,
                        state->index_count, &state->index_written);
    if (rc == 0)
        rc = write_tail(segment->fds[SEGMENT_TIME_INDEX], segment->time_index_tail, TIME_INDEX_ENTRY_BYTES, at_least,
                        state->time_index_count, &state->time_index_written);
    return rc;
}

/* Let the files end where the state does. */
static int cut_files(const struct storage_segment *segment, const struct segment_state *state)
{
    const off_t sizes[SEGMENT_FILE_COUNT] = {
        [SEGMENT_LOG] = state->size_bytes,
        [SEGMENT_INDEX] = (off_t)state->index_written * INDEX_ENTRY_BYTES,
        [SEGMENT_TIME_INDEX] = (off_t)state->time_index_written * TIME_INDEX_ENTRY_BYTES,
    };
    int rc = 0;
    for (int i = 0; i < SEGMENT_FILE_COUNT; i++) {
        if (UNINTERRUPTED(ftruncate(segment->fds[i], sizes[i])) != 0)
            rc = -errno;
    }
    return rc;
}

int segment_append(struct storage_segment *segment, const struct record_batch *batch, int64_t index_interval_bytes,
                   struct segment_state *next)
{
    *next = segment->state;
    struct due_entries due = count_batch(segment->base_offset, next, batch, index_interval_bytes);
    int rc = file_write_at(segment->fds[SEGMENT_LOG], batch->whole.data, batch->whole.size, segment->state.size_bytes);
    keep_entries(segment, next, &due);
    if (rc == 0)
        rc = write_entries(segment, next, INDEX_TAIL_ENTRIES);
    if (rc != 0)
        segment_undo_append(segment);
    return rc;
}

void segment_undo_append(struct storage_segment *segment)
{
    /* Should even this fail: readers stop before it, and the next start recovers, since such an end is no clean one. */
    (void)cut_files(segment, &segment->state);
}

int segment_seal(struct storage_segment *segment, struct segment_state *next)
{
    *next = segment->state;
    struct due_entries due = {0};
    note_time_entry(segment->base_offset, next, &due);
    keep_entries(segment, next, &due);
    return write_entries(segment, next, 1);
}

int segment_sync(const struct storage_segment *segment, bool all_files)
{
    int count = all_files ? SEGMENT_FILE_COUNT : SEGMENT_LOG + 1;
    for (int i = 0; i < count; i++) {
        uint64_t begun = trace_call_begin();
        int rc = UNINTERRUPTED(fdatasync(segment->fds[i])) != 0 ? -errno : 0;
        trace_call_end("fdatasync", begun);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int64_t file_size(int fd)
{
    struct stat status;
    return UNINTERRUPTED(fstat(fd, &status)) == 0 ? status.st_size : -errno;
}

int segment_load(struct storage_segment *segment, int64_t next_offset)
{
    struct segment_state *state = &segment->state;
    int64_t sizes[SEGMENT_FILE_COUNT];
    *state = empty_state(segment->base_offset);
    for (int i = 0; i < SEGMENT_FILE_COUNT; i++) {
        sizes[i] = file_size(segment->fds[i]);
        if (sizes[i] < 0)
            return (int)sizes[i];
    }
    if (sizes[SEGMENT_LOG] > INT32_MAX || sizes[SEGMENT_INDEX] % INDEX_ENTRY_BYTES != 0 ||
        sizes[SEGMENT_TIME_INDEX] % TIME_INDEX_ENTRY_BYTES != 0)
        return ERR_CORRUPT;
    state->index_count = state->index_written = (uint32_t)(sizes[SEGMENT_INDEX] / INDEX_ENTRY_BYTES);
    state->time_index_count = state->time_index_written =
        (uint32_t)(sizes[SEGMENT_TIME_INDEX] / TIME_INDEX_ENTRY_BYTES);

    struct index_entry last;
    struct time_index_entry last_time;
    int rc = index_find_offset(segment->fds[SEGMENT_INDEX], state->index_count, INT64_MAX, &last);
    if (rc >= 0)
        rc = time_index_find(segment->fds[SEGMENT_TIME_INDEX], state->time_index_count, INT64_MAX, &last_time);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        state->max_timestamp = state->indexed_timestamp = last_time.timestamp;
        state->max_timestamp_offset = segment->base_offset + last_time.relative_offset;
    }
    /* Kafka makes its indexes large at first; where it died they end in zeros, which no entry is behind the first. */
    bool ends_in_zeros = (state->index_count > 0 && last.position == 0) ||
                         (state->time_index_count > 1 && last_time.relative_offset == 0);
    if (ends_in_zeros || last.position < 0 || last.position > sizes[SEGMENT_LOG] ||
        (sizes[SEGMENT_LOG] > 0 && rc == 0))
        return ERR_CORRUPT;
    state->bytes_since_index = sizes[SEGMENT_LOG] - last.position;

    struct batch_scan scan;
    struct record_batch batch;
    batch_scan_init(&scan, segment->fds[SEGMENT_LOG], 0, sizes[SEGMENT_LOG]);
    rc = batch_scan_next(&scan, &batch);
    if (rc == 1)
        state->first_timestamp = batch.max_timestamp;
    state->size_bytes = sizes[SEGMENT_LOG];
    if (next_offset >= 0) {
        state->next_offset = next_offset;
        return rc < 0 ? ERR_CORRUPT : 0;
    }
    batch_scan_init(&scan, segment->fds[SEGMENT_LOG], last.position, sizes[SEGMENT_LOG]);
    while ((rc = batch_scan_next(&scan, &batch)) == 1) {
        if (batch.base_offset < state->next_offset)
            return ERR_CORRUPT;
        state->next_offset = record_batch_last_offset(&batch) + 1;
        note_timestamp(state, &batch);
    }
    return rc < 0 ? ERR_CORRUPT : 0;
}

/* What the walk of a recovery has put together. */
struct rebuilt {
    struct segment_state state;
    struct buf index, time_index;
};

static void rebuild_entries(struct rebuilt *rebuilt, const struct due_entries *due)
{
    uint8_t bytes[TIME_INDEX_ENTRY_BYTES];
    if (due->index) {
        index_entry_encode(&due->index_entry, bytes);
        buf_append(&rebuilt->index, bytes, INDEX_ENTRY_BYTES);
    }
    if (due->time_index) {
        time_index_entry_encode(&due->time_index_entry, bytes);
        buf_append(&rebuilt->time_index, bytes, TIME_INDEX_ENTRY_BYTES);
    }
}

/* Walk the good batches from the start. 0: the walk ended, wherever; negative: the file cannot be read. */
static int walk_good_batches(const struct storage_segment *segment, int64_t file_bytes, int64_t offset_limit,
                             int64_t index_interval_bytes, struct producers *producers, struct rebuilt *rebuilt)
{
    struct batch_scan scan;
    struct record_batch batch;
    int64_t now_ms = clock_wall_ms();
    batch_scan_init(&scan, segment->fds[SEGMENT_LOG], 0, file_bytes < INT32_MAX ? file_bytes : INT32_MAX);
    int rc;
    while ((rc = batch_scan_next(&scan, &batch)) == 1) {
        int64_t last_offset = record_batch_last_offset(&batch);
        if (batch.base_offset < rebuilt->state.next_offset || last_offset >= offset_limit ||
            last_offset - segment->base_offset > INT32_MAX)
            return 0;
        rc = batch_scan_check_crc(&scan, &batch);
        if (rc != 0)
            break;
        struct due_entries due = count_batch(segment->base_offset, &rebuilt->state, &batch, index_interval_bytes);
        rebuild_entries(rebuilt, &due);
        producers_update(producers, &batch, now_ms);
    }
    bool is_bad_batch = rc == ERR_CORRUPT || rc == ERR_TRUNCATED || rc == ERR_MALFORMED || rc == ERR_UNSUPPORTED;
    return is_bad_batch ? 0 : rc;
}

int segment_recover(struct storage_segment *segment, int64_t offset_limit, int64_t index_interval_bytes,
                    struct producers *producers, int64_t *bytes_cut)
{
    int64_t file_bytes = file_size(segment->fds[SEGMENT_LOG]);
    if (file_bytes < 0)
        return (int)file_bytes;
    struct rebuilt rebuilt = {.state = empty_state(segment->base_offset)};
    buf_init(&rebuilt.index);
    buf_init(&rebuilt.time_index);
    int rc = walk_good_batches(segment, file_bytes, offset_limit, index_interval_bytes, producers, &rebuilt);
    if (rc == 0) {
        struct due_entries due = {0};
        note_time_entry(segment->base_offset, &rebuilt.state, &due);
        rebuild_entries(&rebuilt, &due);
        rebuilt.state.index_written = rebuilt.state.index_count;
        rebuilt.state.time_index_written = rebuilt.state.time_index_count;
        rc = cut_files(segment, &rebuilt.state);
    }
    if (rc == 0)
        rc = file_write_at(segment->fds[SEGMENT_INDEX], rebuilt.index.data, rebuilt.index.size, 0);
    if (rc == 0)
        rc = file_write_at(segment->fds[SEGMENT_TIME_INDEX], rebuilt.time_index.data, rebuilt.time_index.size, 0);
    if (rc == 0) {
        segment->state = rebuilt.state;
        *bytes_cut = file_bytes - rebuilt.state.size_bytes;
    }
    buf_deinit(&rebuilt.index);
    buf_deinit(&rebuilt.time_index);
    return rc;
}
