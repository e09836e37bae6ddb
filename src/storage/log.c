/* log.c: appending to a partition, reading from it and waiting for more. */
#include "storage/log.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "kafka/record_batch.h"
#include "runtime/task.h"
#include "storage/index.h"
#include "storage/log_private.h"

#include <errno.h>

const char *storage_log_name(const struct storage_log *log)
{
    return log->name;
}

int64_t storage_log_start_offset(const struct storage_log *log)
{
    return atomic_load_explicit(&log->start_offset, memory_order_acquire);
}

int64_t storage_log_end_offset(const struct storage_log *log)
{
    return atomic_load_explicit(&log->end_offset, memory_order_acquire);
}

int64_t storage_log_size_bytes(const struct storage_log *log)
{
    return atomic_load_explicit(&log->size_bytes, memory_order_relaxed);
}

int64_t log_recovery_point(const struct storage_log *log)
{
    return atomic_load_explicit(&log->recovery_point, memory_order_relaxed);
}

bool storage_log_failed(const struct storage_log *log)
{
    return atomic_load_explicit(&log->failed, memory_order_relaxed);
}

void log_fail(struct storage_log *log, const char *what, int error)
{
    if (!atomic_exchange(&log->failed, true))
        log_error("partition is read-only from now on, %s failed partition=%s error=%s", what, log->name,
                  error_text(error));
}

struct storage_segment *log_active_segment(const struct storage_log *log)
{
    return log->segments[log->segment_count - 1];
}

void log_add_segment(struct storage_log *log, struct storage_segment *segment)
{
    pthread_mutex_lock(&log->guard);
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = log->segment_capacity ? 2 * log->segment_capacity : 2;
        log->segments = mem_realloc(log->segments, log->segment_capacity * sizeof log->segments[0]);
    }
    log->segments[log->segment_count++] = segment;
    pthread_mutex_unlock(&log->guard);
}

/* Under the guard. */
static void wake_waiters(struct storage_log *log)
{
    LIST_EACH(link, &log->watches) {
        struct storage_waiter *waiter = LIST_ENTRY(link, struct storage_watch, link)->waiter;
        if (!atomic_exchange(&waiter->woken, true))
            task_unpark(waiter->task);
    }
}

/* What can be said of a batch without the log. */
static int check_batch(const struct storage_log *log, struct bytes bytes, size_t max_batch_bytes,
                       struct record_batch *batch)
{
    int rc = record_batch_parse(bytes, batch);
    if (rc != 0)
        return rc;
    if (batch->whole.size != bytes.size)
        return ERR_MALFORMED;
    if (bytes.size > max_batch_bytes || (int64_t)bytes.size > log->options->segment_bytes)
        return ERR_TOO_LARGE;
    rc = record_batch_check_crc(batch);
    if (rc != 0)
        return rc;
    rc = record_batch_check_produced(batch);
    if (rc == 0 && batch->producer_id >= 0 && batch->producer_epoch < 0)
        rc = ERR_MALFORMED;
    if (rc == 0 && batch->attributes & RECORD_BATCH_TRANSACTIONAL)
        rc = ERR_UNSUPPORTED;
    return rc;
}

/* Kafka's LogSegment.shouldRoll: size, age by the messages' own clock, full indexes, offsets out of reach. */
static bool must_roll(const struct storage_log *log, const struct record_batch *batch)
{
    const struct storage_segment *active = log_active_segment(log);
    const struct segment_state *state = &active->state;
    if (state->size_bytes == 0)
        return false;
    bool too_old = state->first_timestamp >= 0 && batch->max_timestamp >= 0 && /* so that no difference overflows */
                   batch->max_timestamp - state->first_timestamp > log->options->segment_age_ms;
    return state->size_bytes + (int64_t)batch->whole.size > log->options->segment_bytes || too_old ||
           (state->index_count + 1) * INDEX_ENTRY_BYTES > INDEX_FILE_BYTES_MAX ||
           (state->time_index_count + 2) * TIME_INDEX_ENTRY_BYTES > INDEX_FILE_BYTES_MAX ||
           log->end_offset + batch->last_offset_delta - active->base_offset > INT32_MAX;
}

int log_roll(struct storage_log *log)
{
    ASSERT(task_mutex_held(&log->append_lock));
    struct storage_segment *old = log_active_segment(log), *fresh;
    struct segment_state sealed;
    int64_t offset = log->end_offset;
    int rc = segment_seal(old, &sealed);
    if (rc != 0)
        return rc;
    /* A recovery that begins with the new segment finds here who had written before it. */
    char *snapshot = segment_path(log->path, offset, PRODUCERS_SNAPSHOT_SUFFIX);
    rc = producers_save(log->producers, snapshot);
    mem_free(snapshot);
    if (rc == 0)
        rc = segment_create(log->path, offset, &fresh);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&log->guard);
    old->state = sealed;
    pthread_mutex_unlock(&log->guard);
    log_add_segment(log, fresh);
    log_debug("segment rolled partition=%s offset=%lld", log->name, (long long)offset);
    return 0;
}

/* flush_messages: before the batch that was just written is acknowledged or seen. */
static int flush_if_due(struct storage_log *log, const struct record_batch *batch, int64_t end_offset)
{
    log->touched = true;
    log->unflushed_messages += batch->record_count;
    if (log->unflushed_since_ns == 0)
        log->unflushed_since_ns = clock_monotonic_ns();
    bool due = log->options->flush_messages > 0 && log->unflushed_messages >= log->options->flush_messages;
    if (!due)
        return 0;
    trace_region_begin("wait_acks"); /* within who appends: no producer is told before the disk has it */
    int rc = log_flush_held(log, end_offset);
    trace_region_end();
    return rc;
}

static void publish(struct storage_log *log, struct storage_segment *active, const struct segment_state *next)
{
    pthread_mutex_lock(&log->guard);
    log->size_bytes += next->size_bytes - active->state.size_bytes;
    active->state = *next;
    atomic_store_explicit(&log->end_offset, next->next_offset, memory_order_release);
    wake_waiters(log);
    pthread_mutex_unlock(&log->guard);
}

static int append_locked(struct storage_log *log, uint8_t *data, struct record_batch *batch, int64_t *base_offset)
{
    if (log->deleted)
        return ERR_CLOSED;
    if (storage_log_failed(log))
        return ERR_IO;
    int verdict = producers_check(log->producers, batch, base_offset);
    if (verdict != PRODUCERS_NEW)
        return verdict == PRODUCERS_DUPLICATE ? 0 : verdict;

    int rc = must_roll(log, batch) ? log_roll(log) : 0;
    struct storage_segment *active = log_active_segment(log);
    struct segment_state next;
    if (rc == 0) {
        batch->base_offset = log->end_offset;
        record_batch_assign(data, batch->base_offset, 0);
        rc = segment_append(active, batch, log->options->index_interval_bytes, &next);
    }
    if (rc != 0) {
        log_fail(log, "writing", rc);
        return ERR_IO;
    }
    rc = flush_if_due(log, batch, next.next_offset);
    if (rc == ERR_IO) {
        segment_undo_append(active);
        return rc;
    }
    if (batch->producer_id >= 0)
        producers_update(log->producers, batch, clock_wall_ms());
    publish(log, active, &next);
    *base_offset = batch->base_offset;
    return rc;
}

int storage_log_append(struct storage_log *log, uint8_t *batch, size_t size, size_t max_batch_bytes,
                       int64_t *base_offset)
{
    struct record_batch parsed;
    int rc = check_batch(log, bytes_of(batch, size), max_batch_bytes, &parsed);
    if (rc != 0)
        return rc;
    task_mutex_lock(&log->append_lock);
    rc = append_locked(log, batch, &parsed, base_offset);
    task_mutex_unlock(&log->append_lock);
    return rc;
}

/* A segment as it was at one moment, held. */
struct segment_view {
    struct storage_segment *segment;
    struct segment_state state;
    int64_t position; /* where the batch begins that was asked for; -1: to be searched */
};

/* The segment that holds the offset, or begins behind it. Under the guard. */
static struct storage_segment *segment_at(const struct storage_log *log, int64_t offset)
{
    size_t low = 0, high = log->segment_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return log->segments[low];
}

/* ERR_CLOSED, ERR_OUT_OF_RANGE, or ERR_NOT_FOUND at the log's end, where nothing is yet. */
static int acquire_view(struct storage_log *log, int64_t offset, struct segment_view *view)
{
    int rc = 0;
    pthread_mutex_lock(&log->guard);
    if (log->segment_count == 0) {
        rc = ERR_CLOSED;
    } else if (offset < log->start_offset || offset > log->end_offset) {
        rc = ERR_OUT_OF_RANGE;
    } else if (offset == log->end_offset) {
        rc = ERR_NOT_FOUND;
    } else {
        view->segment = segment_at(log, offset);
        view->state = view->segment->state;
        bool is_known = log->read_end.offset == offset && log->read_end.segment_base == view->segment->base_offset;
        view->position = is_known ? log->read_end.position : -1;
        segment_acquire(view->segment);
    }
    pthread_mutex_unlock(&log->guard);
    return rc;
}

static void note_read_end(struct storage_log *log, const struct segment_view *view)
{
    pthread_mutex_lock(&log->guard);
    log->read_end.segment_base = view->segment->base_offset;
    log->read_end.offset = view->state.next_offset;
    log->read_end.position = view->state.size_bytes;
    pthread_mutex_unlock(&log->guard);
}

/* From where to where the slice goes. 1: found; 0: the offset lies behind the segment's last batch. */
static int find_slice(const struct segment_view *view, int64_t offset, int64_t max_bytes, bool at_least_one,
                      int64_t *begin, int64_t *end)
{
    *begin = view->position;
    *end = view->state.size_bytes;
    if (view->position >= 0 && *end - *begin <= max_bytes)
        return 1;
    struct batch_scan scan;
    struct record_batch batch;
    int rc = segment_find(view->segment, &view->state, offset, &scan, &batch);
    if (rc != 1)
        return rc;
    *begin = scan.batch_position;
    if ((int64_t)batch.whole.size > max_bytes) {
        *end = at_least_one ? scan.position : *begin;
        return 1;
    }
    rc = segment_find_end(view->segment, &view->state, *begin, *begin + max_bytes, end);
    return rc < 0 ? rc : 1;
}

/* Cut the slice out of the segment: from the batch that holds `offset`, as much as fits. 1: done, the slice holds the
 * segment unless it stayed empty; 0: nothing from the offset on is in this segment. */
static int cut_slice(struct storage_log *log, const struct segment_view *view, int64_t offset, int64_t max_bytes,
                     bool at_least_one, struct storage_slice *slice)
{
    int64_t begin, end;
    int rc = find_slice(view, offset, max_bytes, at_least_one, &begin, &end);
    if (rc == 1 && end > begin) {
        segment_acquire(view->segment);
        slice->segment = view->segment;
        slice->fd = view->segment->fds[SEGMENT_LOG];
        slice->position = begin;
        slice->size = (size_t)(end - begin);
        if (end == view->state.size_bytes)
            note_read_end(log, view);
    }
    return rc;
}

int storage_log_read(struct storage_log *log, int64_t offset, size_t max_bytes, bool at_least_one,
                     struct storage_slice *slice)
{
    *slice = (struct storage_slice){.fd = -1};
    /* No segment is larger, and so positions cannot overflow. */
    int64_t limit = max_bytes < INT32_MAX ? (int64_t)max_bytes : INT32_MAX;
    int rc = 0;
    while (rc == 0) {
        struct segment_view view;
        rc = acquire_view(log, offset, &view);
        /* After the data, so that the high watermark is never behind what the slice shows. */
        slice->start_offset = storage_log_start_offset(log);
        slice->end_offset = storage_log_end_offset(log);
        if (rc != 0)
            break;
        rc = cut_slice(log, &view, offset, limit, at_least_one, slice);
        segment_release(view.segment);
        offset = view.state.next_offset; /* compaction may leave a gap at a segment's end: then on in the next one */
    }
    return rc == 1 || rc == ERR_NOT_FOUND ? 0 : rc;
}

void storage_slice_release(struct storage_slice *slice)
{
    if (slice->segment)
        segment_release(slice->segment);
    *slice = (struct storage_slice){.fd = -1};
}

void log_mark_deleted(struct storage_log *log)
{
    task_mutex_lock(&log->append_lock);
    log->deleted = true;
    pthread_mutex_lock(&log->guard);
    for (size_t i = 0; i < log->segment_count; i++)
        segment_release(log->segments[i]);
    log->segment_count = 0;
    wake_waiters(log);
    pthread_mutex_unlock(&log->guard);
    task_mutex_unlock(&log->append_lock);
}

void storage_waiter_init(struct storage_waiter *waiter)
{
    waiter->task = task_self();
    ASSERT(waiter->task != NULL);
    atomic_init(&waiter->woken, false);
}

int storage_waiter_wait(struct storage_waiter *waiter, uint64_t timeout_ms)
{
    uint64_t begin_ns = clock_monotonic_ns();
    while (!atomic_exchange(&waiter->woken, false)) {
        uint64_t rest_ms = TIMEOUT_NEVER;
        if (timeout_ms != TIMEOUT_NEVER) {
            uint64_t waited_ms = (clock_monotonic_ns() - begin_ns) / NS_PER_MS;
            rest_ms = waited_ms < timeout_ms ? timeout_ms - waited_ms : 0;
        }
        int rc = task_park(WAIT_DATA, rest_ms);
        if (rc != 0)
            return atomic_exchange(&waiter->woken, false) && rc == -ETIMEDOUT ? 0 : rc;
    }
    return 0;
}

void storage_log_watch(struct storage_log *log, struct storage_watch *watch, struct storage_waiter *waiter)
{
    watch->waiter = waiter;
    pthread_mutex_lock(&log->guard);
    list_append(&log->watches, &watch->link);
    pthread_mutex_unlock(&log->guard);
}

void storage_log_unwatch(struct storage_log *log, struct storage_watch *watch)
{
    pthread_mutex_lock(&log->guard);
    list_remove(&watch->link);
    pthread_mutex_unlock(&log->guard);
}
