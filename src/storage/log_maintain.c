/* log_maintain.c: what a partition needs now and then: deleting what is too old or too much, flushing what is due. */
#include "storage/log_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/task.h"
#include "storage/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

/* When the newest batch was written, by its timestamp; without one by the file's. */
static int64_t newest_ms(const struct storage_segment *segment)
{
    if (segment->state.max_timestamp >= 0)
        return segment->state.max_timestamp;
    struct stat status = {0};
    (void)fstat(segment->fds[SEGMENT_LOG], &status);
    return (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / (int64_t)NS_PER_MS;
}

/* How many segments, from the oldest on, are not to be kept: Kafka's rules. A segment goes by time when its newest
 * record is too old, by size when the others alone still reach the limit. An empty active one always stays. */
static size_t count_expired(const struct storage_log *log)
{
    const struct storage_options *options = log->options;
    int64_t now_ms = clock_wall_ms(), left_bytes = log->size_bytes;
    size_t count = 0;
    for (; count < log->segment_count; count++) {
        const struct storage_segment *segment = log->segments[count];
        int64_t size = segment->state.size_bytes;
        if (size == 0)
            break;
        bool too_old = options->retention_ms >= 0 && now_ms - newest_ms(segment) > options->retention_ms;
        bool too_much = options->retention_bytes >= 0 && left_bytes - size >= options->retention_bytes;
        if (!too_old && !too_much)
            break;
        left_bytes -= size;
    }
    return count;
}

/* Segments that nobody finds any more, to be removed on the thread pool. */
struct removal {
    struct storage_segment **segments;
    size_t count;
    int folder_fd; /* not its path: by then that may be the folder of a later topic of the same name */
    int result;
};

static void run_removal(void *argument)
{
    struct removal *removal = argument;
    /* The segment that now is the first must outlive a crash of the machine that the others do not: without any, the
     * log would begin at offset 0 again. */
    removal->result = file_sync(removal->folder_fd);
    for (size_t i = 0; i < removal->count; i++) {
        if (removal->result == 0)
            removal->result = segment_unlink(removal->folder_fd, removal->segments[i]->base_offset);
        segment_release(removal->segments[i]); /* the last release of a large file takes its time */
    }
}

/* Take the oldest segments out of the log, under append_lock. */
static void detach_oldest(struct storage_log *log, struct removal *removal)
{
    size_t count = removal->count;
    removal->segments = mem_alloc_array(count, sizeof removal->segments[0]);
    memcpy(removal->segments, log->segments, count * sizeof removal->segments[0]);
    pthread_mutex_lock(&log->guard);
    log->segment_count -= count;
    memmove(log->segments, log->segments + count, log->segment_count * sizeof log->segments[0]);
    for (size_t i = 0; i < count; i++)
        log->size_bytes -= removal->segments[i]->state.size_bytes;
    log->start_offset = log->segments[0]->base_offset;
    pthread_mutex_unlock(&log->guard);
}

/* Choose what has to go and take it out, under append_lock. removal->count is 0 if there is nothing. */
static int begin_removal(struct storage_log *log, struct removal *removal)
{
    removal->count = log->deleted ? 0 : count_expired(log);
    if (removal->count == 0)
        return 0;
    removal->folder_fd = UNINTERRUPTED(open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (removal->folder_fd < 0) {
        removal->count = 0;
        return -errno;
    }
    int rc = 0;
    /* The active segment is never removed: if even its records are too old, they are closed off first. */
    if (removal->count == log->segment_count) {
        rc = storage_log_failed(log) ? ERR_IO : log_roll(log);
        if (rc != 0)
            removal->count--;
    }
    detach_oldest(log, removal);
    return rc;
}

static void apply_retention(struct storage_log *log)
{
    struct removal removal = {.folder_fd = -1};
    task_mutex_lock(&log->append_lock);
    int rc = begin_removal(log, &removal);
    int64_t start_offset = log->start_offset;
    task_mutex_unlock(&log->append_lock);
    if (removal.count > 0) {
        log_info("old segments deleted partition=%s segments=%zu start_offset=%" PRId64, log->name, removal.count,
                 start_offset);
        if (task_offload(WAIT_FILE, run_removal, &removal) != 0)
            run_removal(&removal); /* the program ends: a moment more does not matter, leaving the files behind does */
        rc = removal.result != 0 ? removal.result : rc;
    }
    if (rc != 0)
        log_warning("could not delete all old segments partition=%s error=%s", log->name, error_text(rc));
    if (removal.folder_fd >= 0)
        close(removal.folder_fd);
    mem_free(removal.segments);
}

/* Due by age, or because a closed segment is not on the disk yet: recovery should not have to walk it. */
static bool flush_is_due(struct storage_log *log)
{
    task_mutex_lock(&log->append_lock);
    bool due = false;
    if (!log->deleted && !storage_log_failed(log)) {
        uint64_t age_ms = (clock_monotonic_ns() - log->unflushed_since_ns) / NS_PER_MS;
        due = log_active_segment(log)->base_offset > log->recovery_point ||
              (log->options->flush_ms > 0 && log->unflushed_since_ns != 0 &&
               age_ms >= (uint64_t)log->options->flush_ms);
    }
    task_mutex_unlock(&log->append_lock);
    return due;
}

void log_maintain(struct storage_log *log, bool with_retention)
{
    if (flush_is_due(log))
        storage_log_flush(log); /* a failure is logged and sticks to the log */
    if (with_retention)
        apply_retention(log);
}
