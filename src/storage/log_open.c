/* log_open.c: a partition's start and end: which segments there are, which to believe, which to recover. */
#include "storage/log_private.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The base offsets that the folder's file names say, ascending. */
struct found_files {
    int64_t *offsets;
    size_t count, capacity;
    const char *suffix;
};

static void note_file(const char *name, void *context)
{
    struct found_files *found = context;
    int64_t offset;
    if (segment_parse_name(name, found->suffix, &offset) != 0)
        return;
    if (found->count == found->capacity) {
        found->capacity = found->capacity ? 2 * found->capacity : 8;
        found->offsets = mem_realloc(found->offsets, found->capacity * sizeof found->offsets[0]);
    }
    found->offsets[found->count++] = offset;
}

static int compare_offsets(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static int find_files(const char *folder, const char *suffix, struct found_files *found)
{
    *found = (struct found_files){.suffix = suffix};
    int rc = folder_each(folder, note_file, found);
    if (found->count > 0)
        qsort(found->offsets, found->count, sizeof found->offsets[0], compare_offsets);
    return rc;
}

static bool is_segment_base(const struct storage_log *log, int64_t offset)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->base_offset == offset)
            return true;
    }
    return false;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

/* Files that belong to no segment, left by a deletion that was cut short or by the last proper end; and what we and
 * Kafka had not finished to write or to delete. */
static bool is_litter(const struct storage_log *log, const char *name)
{
    static const char *const beside_segments[] = {".index", ".timeindex", PRODUCERS_SNAPSHOT_SUFFIX};
    static const char *const unfinished[] = {".tmp", ".cleaned", ".deleted"};
    int64_t offset;
    for (size_t i = 0; i < ARRAY_COUNT(beside_segments); i++) {
        if (segment_parse_name(name, beside_segments[i], &offset) == 0)
            return !is_segment_base(log, offset);
    }
    for (size_t i = 0; i < ARRAY_COUNT(unfinished); i++) {
        if (ends_with(name, unfinished[i]))
            return true;
    }
    return false;
}

struct tidying {
    const struct storage_log *log;
    int result;
};

static void remove_litter(const char *name, void *context)
{
    struct tidying *tidying = context;
    if (!is_litter(tidying->log, name))
        return;
    char *path = mem_printf("%s/%s", tidying->log->path, name);
    if (UNINTERRUPTED(unlink(path)) != 0)
        tidying->result = -errno;
    mem_free(path);
}

static int tidy_folder(const struct storage_log *log)
{
    struct tidying tidying = {.log = log};
    int rc = folder_each(log->path, remove_litter, &tidying);
    return rc != 0 ? rc : tidying.result;
}

/* Who had written before this offset; an unreadable snapshot only costs the recognition of batches sent twice. */
static int load_producers(struct storage_log *log, int64_t offset)
{
    char *path = segment_path(log->path, offset, PRODUCERS_SNAPSHOT_SUFFIX);
    int rc = producers_load(log->producers, path);
    if (rc == ERR_CORRUPT) {
        log_warning("producer snapshot ignored file=%s error=%s", path, error_text(rc));
        rc = 0;
    }
    mem_free(path);
    return rc;
}

static bool file_exists(const struct storage_log *log, int64_t base_offset, enum segment_file file)
{
    char *path = segment_path(log->path, base_offset, segment_suffix(file));
    bool exists = UNINTERRUPTED(access(path, F_OK)) == 0;
    mem_free(path);
    return exists;
}

/* 0 when there is no such file. */
static int64_t log_file_bytes(const struct storage_log *log, int64_t base_offset)
{
    char *path = segment_path(log->path, base_offset, segment_suffix(SEGMENT_LOG));
    struct stat status = {0};
    (void)UNINTERRUPTED(stat(path, &status));
    mem_free(path);
    return status.st_size;
}

/* A segment was cut: what came after it would leave a hole. */
static int remove_segments_behind(struct storage_log *log, const struct found_files *found, size_t first,
                                  struct log_recovery *recovery)
{
    int folder_fd = UNINTERRUPTED(open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int rc = folder_fd < 0 ? -errno : 0;
    for (size_t i = first; rc == 0 && i < found->count; i++) {
        int64_t offset = found->offsets[i], bytes = log_file_bytes(log, offset);
        log_warning("segment removed, it follows a damaged one partition=%s offset=%" PRId64 " bytes=%" PRId64,
                    log->name, offset, bytes);
        recovery->bytes_cut += bytes;
        rc = segment_unlink(folder_fd, offset);
    }
    if (folder_fd >= 0)
        close(folder_fd);
    return rc;
}

/* Walk one segment; *cut tells that it ends earlier than its file did. next_offset as for segment_load. */
static int recover_segment(struct storage_log *log, struct storage_segment *segment, int64_t next_offset,
                           struct log_recovery *recovery, bool *cut)
{
    int64_t bytes_cut;
    int rc = segment_recover(segment, next_offset >= 0 ? next_offset : INT64_MAX, log->options->index_interval_bytes,
                             log->producers, &bytes_cut);
    if (rc != 0)
        return rc;
    recovery->segments_checked++;
    /* What was mended is not on the disk before the next flush, which would cost each partition three syncs here. */
    if (recovery->recovery_point > segment->base_offset)
        recovery->recovery_point = segment->base_offset;
    *cut = bytes_cut > 0;
    /* Compaction may have left less than the offsets up to the next segment. */
    if (!*cut && next_offset >= 0)
        segment->state.next_offset = next_offset;
    if (*cut) {
        log_warning("damaged end cut off partition=%s offset=%" PRId64 " bytes=%" PRId64, log->name,
                    segment->state.next_offset, bytes_cut);
        recovery->bytes_cut += bytes_cut;
    }
    return 0;
}

/* Open one segment, walking it if it is not to be believed. *walked: the producers are known up to where it begins (if
 * there is one before it), and afterwards up to its end, from the batches themselves. */
static int open_segment(struct storage_log *log, int64_t base_offset, int64_t next_offset, bool believe,
                        struct log_recovery *recovery, bool *walked, bool *cut)
{
    struct storage_segment *segment;
    bool producers_known = *walked;
    believe = believe && file_exists(log, base_offset, SEGMENT_INDEX) &&
              file_exists(log, base_offset, SEGMENT_TIME_INDEX); /* opening makes them */
    int rc = segment_open(log->path, base_offset, &segment);
    if (rc != 0)
        return rc;
    rc = believe ? segment_load(segment, next_offset) : ERR_CORRUPT;
    *walked = rc == ERR_CORRUPT;
    if (*walked) {
        rc = producers_known ? 0 : load_producers(log, base_offset);
        if (rc == 0)
            rc = recover_segment(log, segment, next_offset, recovery, cut);
    }
    if (rc != 0) {
        segment_release(segment);
        return rc;
    }
    log_add_segment(log, segment);
    log->size_bytes += segment->state.size_bytes;
    return 0;
}

/* Bring the segments into order one after the other. *walked: the producers at the end are known from the batches. */
static int open_segments(struct storage_log *log, const struct found_files *found, struct log_recovery *recovery,
                         bool *walked)
{
    int64_t on_disk = recovery->recovery_point; /* as it was: what is recovered lowers it */
    bool cut = false;
    for (size_t i = 0; i < found->count; i++) {
        bool is_last = i + 1 == found->count;
        int64_t next_offset = is_last ? -1 : found->offsets[i + 1];
        /* One that ends at the recovery point was the active one then, and only its .log was synced. */
        bool believe = recovery->was_clean || (!is_last && next_offset < on_disk);
        int rc = open_segment(log, found->offsets[i], next_offset, believe, recovery, walked, &cut);
        if (rc == 0 && cut)
            return remove_segments_behind(log, found, i + 1, recovery);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int open_found(struct storage_log *log, struct log_recovery *recovery)
{
    struct found_files found;
    bool walked = false;
    int rc = find_files(log->path, segment_suffix(SEGMENT_LOG), &found);
    if (rc == 0)
        rc = open_segments(log, &found, recovery, &walked);
    mem_free(found.offsets);
    if (rc != 0)
        return rc;
    if (log->segment_count == 0) {
        struct storage_segment *first;
        rc = segment_create(log->path, 0, &first);
        if (rc != 0)
            return rc;
        log_add_segment(log, first);
    }
    log->start_offset = log->segments[0]->base_offset;
    log->end_offset = log_active_segment(log)->state.next_offset;
    log->recovery_point = recovery->recovery_point < log->end_offset ? recovery->recovery_point : log->end_offset;
    rc = walked ? 0 : load_producers(log, log->end_offset);
    return rc != 0 ? rc : tidy_folder(log);
}

int log_open(struct storage_log **log, const struct storage_options *options, const char *folder,
             const char *topic_name, int32_t partition, struct log_recovery *recovery)
{
    struct storage_log *opened = MEM_NEW(struct storage_log);
    opened->options = options;
    opened->topic_name = mem_copy_string(topic_name);
    opened->partition = partition;
    opened->name = mem_printf("%s-%" PRId32, topic_name, partition);
    opened->path = mem_printf("%s/%s", folder, opened->name);
    opened->producers = producers_create();
    pthread_mutex_init(&opened->guard, NULL);
    list_init(&opened->watches);
    int rc = open_found(opened, recovery);
    if (rc != 0) {
        log_error("partition cannot be opened folder=%s error=%s", opened->path, error_text(rc));
        log_destroy(opened);
        return rc;
    }
    *log = opened;
    return 0;
}

static int save_producers(const struct storage_log *log)
{
    char *path = segment_path(log->path, log->end_offset, PRODUCERS_SNAPSHOT_SUFFIX);
    int rc = producers_save(log->producers, path);
    mem_free(path);
    return rc;
}

int log_shut(struct storage_log *log)
{
    if (storage_log_failed(log))
        return ERR_IO;
    int rc = save_producers(log);
    if (rc != 0 || (!log->touched && log->recovery_point == log->end_offset))
        return rc; /* thousands of idle partitions close without a thousand syncs */
    struct storage_segment *active = log_active_segment(log);
    struct segment_state sealed;
    rc = segment_seal(active, &sealed);
    if (rc != 0)
        return rc;
    active->state = sealed;
    return log_flush_last(log);
}

void log_destroy(struct storage_log *log)
{
    if (!log)
        return;
    ASSERT(list_empty(&log->watches));
    for (size_t i = 0; i < log->segment_count; i++)
        segment_release(log->segments[i]);
    mem_free(log->segments);
    producers_destroy(log->producers);
    pthread_mutex_destroy(&log->guard);
    mem_free(log->path);
    mem_free(log->name);
    mem_free(log->topic_name);
    mem_free(log);
}
