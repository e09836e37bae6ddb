/* storage_open.c: opening the data folder: its lock, its identity, and each partition in it. */
#include "storage/storage.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/identity.h"
#include "storage/log_private.h"
#include "storage/storage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_options(const struct storage_options *options)
{
    if (options->segment_bytes >= 1 && options->segment_bytes <= INT32_MAX && options->index_interval_bytes >= 0 &&
        options->retention_check_ms >= 1)
        return 0;
    log_error("storage options out of range segment_bytes=%" PRId64 " index_interval_bytes=%" PRId64
              " retention_check_ms=%" PRId64, options->segment_bytes, options->index_interval_bytes,
              options->retention_check_ms);
    return ERR_CONFIG;
}

/* As mkdir -p. */
static int make_folder(const char *path)
{
    char *copy = mem_copy_string(path);
    int rc = 0;
    for (char *end = copy; rc == 0 && end; ) {
        end = strchr(end + 1, '/');
        if (end)
            *end = '\0';
        if (UNINTERRUPTED(mkdir(copy, 0755)) != 0 && errno != EEXIST)
            rc = -errno;
        if (end)
            *end = '/';
    }
    mem_free(copy);
    return rc;
}

static int lock_folder(struct storage *storage)
{
    char *path = storage_path(storage, ".lock");
    storage->lock_fd = UNINTERRUPTED(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    int rc = storage->lock_fd < 0 ? -errno : 0;
    if (rc == 0 && UNINTERRUPTED(flock(storage->lock_fd, LOCK_EX | LOCK_NB)) != 0)
        rc = errno == EWOULDBLOCK ? ERR_BUSY : -errno;
    if (rc == ERR_BUSY)
        log_error("another process uses the data folder path=%s", storage->data_dir);
    else if (rc != 0)
        log_error("cannot lock the data folder file=%s error=%s", path, error_text(rc));
    mem_free(path);
    return rc;
}

/* Whether the last run ended properly. The mark is good for one start only. Kafka's goes as well: should the folder
 * return to a Kafka, it must not believe a mark from before our time. */
static int take_clean_marker(struct storage *storage, bool *was_clean)
{
    char *path = storage_path(storage, STORAGE_CLEAN_MARKER);
    int rc = UNINTERRUPTED(unlink(path)) == 0 ? 0 : -errno;
    mem_free(path);
    *was_clean = rc == 0;
    path = storage_path(storage, KAFKA_CLEAN_MARKER);
    if (UNINTERRUPTED(unlink(path)) != 0 && errno != ENOENT)
        rc = -errno;
    mem_free(path);
    if (rc == 0)
        rc = folder_sync(storage->data_dir);
    return rc == -ENOENT ? 0 : rc;
}

/* A partition folder by its name. */
struct found_partition {
    char *topic;
    int32_t partition;
};
struct found_partitions {
    const struct storage *storage;
    struct found_partition *items;
    size_t count, capacity;
};

/* "orders-0" -> "orders", 0. */
static bool parse_folder_name(const char *name, struct found_partition *found)
{
    const char *dash = strrchr(name, '-');
    if (!dash || dash[1] == '\0' || strspn(dash + 1, "0123456789") != strlen(dash + 1) || strlen(dash + 1) > 6)
        return false;
    long partition = strtol(dash + 1, NULL, 10);
    struct bytes topic = bytes_of(name, (size_t)(dash - name));
    if (partition >= PARTITIONS_MAX || !storage_topic_name_valid(topic))
        return false;
    found->partition = (int32_t)partition;
    found->topic = mem_copy_bytes(topic);
    return true;
}

static bool is_deleted(const char *name)
{
    size_t size = strlen(name), suffix_size = strlen("-delete");
    return size > suffix_size && strcmp(name + size - suffix_size, "-delete") == 0;
}

static void note_folder(const char *name, void *context)
{
    struct found_partitions *found = context;
    struct found_partition partition;
    struct stat status;
    char *path = storage_path(found->storage, name);
    bool is_folder = UNINTERRUPTED(stat(path, &status)) == 0 && S_ISDIR(status.st_mode);
    if (is_folder && is_deleted(name)) {
        folder_remove(path);
    } else if (is_folder && parse_folder_name(name, &partition)) {
        if (found->count == found->capacity) {
            found->capacity = found->capacity ? 2 * found->capacity : 16;
            found->items = mem_realloc(found->items, found->capacity * sizeof found->items[0]);
        }
        found->items[found->count++] = partition;
    }
    mem_free(path);
}

static int compare_partitions(const void *a, const void *b)
{
    const struct found_partition *left = a, *right = b;
    int order = strcmp(left->topic, right->topic);
    return order != 0 ? order : left->partition - right->partition;
}

/* What opening carries along. */
struct opening {
    struct storage *storage;
    struct checkpoint recovery_points;
    struct storage_progress *progress;
    struct storage_report *report;
};

/* The topic's id from its first partition; a folder that has none, as from an old Kafka, gets one. */
static int read_topic_id(const struct storage *storage, const char *topic, struct uuid *id)
{
    char *folder = mem_printf("%s/%s-0", storage->data_dir, topic);
    int rc = identity_read_topic(folder, id);
    if (rc == ERR_NOT_FOUND) {
        *id = uuid_random();
        rc = 0;
    } else if (rc != 0) {
        log_error("cannot read partition.metadata folder=%s error=%s", folder, error_text(rc));
    }
    mem_free(folder);
    return rc;
}

/* Each partition's folder names the topic; one that is missing between others was removed by hand. */
static int prepare_folder(const struct storage *storage, const struct storage_topic *topic, int32_t partition)
{
    char *folder = mem_printf("%s/%s-%" PRId32, storage->data_dir, topic->name, partition);
    struct uuid id;
    int rc = 0;
    if (UNINTERRUPTED(mkdir(folder, 0755)) == 0)
        log_warning("partition folder was missing, it begins empty folder=%s", folder);
    else if (errno != EEXIST)
        rc = -errno;
    if (rc == 0)
        rc = identity_read_topic(folder, &id);
    if (rc == ERR_NOT_FOUND)
        rc = identity_write_topic(folder, &topic->id);
    else if (rc == 0 && !uuid_equal(&id, &topic->id))
        rc = ERR_CORRUPT;
    if (rc != 0)
        log_error("partition folder does not fit its topic folder=%s error=%s", folder, error_text(rc));
    mem_free(folder);
    return rc;
}

static int open_partition(struct opening *opening, struct storage_topic *topic, int32_t partition)
{
    int rc = prepare_folder(opening->storage, topic, partition);
    if (rc != 0)
        return rc;
    char *name = mem_printf("%s-%" PRId32, topic->name, partition);
    struct log_recovery recovery = {
        .was_clean = opening->report->was_clean,
        .recovery_point = checkpoint_find(&opening->recovery_points, name, 0),
    };
    mem_free(name);
    rc = log_open(&topic->logs[partition], &opening->storage->options, opening->storage->data_dir, topic->name,
                  partition, &recovery);
    opening->report->partitions++;
    opening->report->segments_checked += recovery.segments_checked;
    opening->report->partitions_cut += recovery.bytes_cut > 0;
    opening->report->bytes_cut += recovery.bytes_cut;
    atomic_fetch_add(&opening->progress->partitions_done, 1);
    return rc;
}

static int open_topic(struct opening *opening, const char *name, int32_t partition_count)
{
    struct uuid id;
    int rc = read_topic_id(opening->storage, name, &id);
    if (rc != 0)
        return rc;
    struct topic_entry *entry = topic_entry_create(name, partition_count, &id);
    for (int32_t i = 0; rc == 0 && i < partition_count; i++)
        rc = open_partition(opening, &entry->topic, i);
    if (rc != 0) {
        storage_topic_release(&entry->topic);
        return rc;
    }
    topic_table_add(opening->storage, entry);
    opening->report->topics++;
    return 0;
}

static bool is_last_of_topic(const struct found_partitions *found, size_t i)
{
    return i + 1 == found->count || strcmp(found->items[i].topic, found->items[i + 1].topic) != 0;
}

static int open_topics(struct opening *opening)
{
    struct found_partitions found = {.storage = opening->storage};
    int rc = folder_each(opening->storage->data_dir, note_folder, &found);
    if (found.count > 0)
        qsort(found.items, found.count, sizeof found.items[0], compare_partitions);
    for (size_t i = 0; i < found.count; i++) {
        if (is_last_of_topic(&found, i))
            atomic_fetch_add(&opening->progress->partitions_total, (unsigned)found.items[i].partition + 1);
    }
    opening->report->was_clean |= found.count == 0; /* a new folder */
    for (size_t i = 0; rc == 0 && i < found.count; i++) {
        if (is_last_of_topic(&found, i))
            rc = open_topic(opening, found.items[i].topic, found.items[i].partition + 1);
    }
    for (size_t i = 0; i < found.count; i++)
        mem_free(found.items[i].topic);
    mem_free(found.items);
    return rc;
}

static int open_locked(struct opening *opening)
{
    struct storage *storage = opening->storage;
    int rc = identity_open(storage->data_dir, storage->options.node_id, storage->cluster_id);
    if (rc != 0)
        return rc;
    char *points = storage_path(storage, STORAGE_RECOVERY_POINTS);
    rc = take_clean_marker(storage, &opening->report->was_clean);
    if (rc == 0)
        rc = checkpoint_read(points, &opening->recovery_points);
    if (rc == ERR_CORRUPT) {
        log_warning("checkpoint ignored, everything is checked file=%s", points);
        rc = 0;
    }
    if (rc != 0)
        log_error("cannot read the data folder path=%s error=%s", storage->data_dir, error_text(rc));
    mem_free(points);
    return rc != 0 ? rc : open_topics(opening);
}

int storage_open(struct storage **storage, const struct storage_options *options, struct storage_progress *progress,
                 struct storage_report *report)
{
    struct storage_progress own_progress = {0};
    struct storage_report own_report;
    struct opening opening = {.progress = progress ? progress : &own_progress, .report = report ? report : &own_report};
    *opening.report = (struct storage_report){0};
    uint64_t begin_ns = clock_monotonic_ns();
    int rc = check_options(options);
    if (rc != 0)
        return rc;
    struct storage *opened = MEM_NEW(struct storage);
    opened->options = *options;
    opened->data_dir = mem_copy_string(options->data_dir);
    opened->options.data_dir = opened->data_dir;
    opened->lock_fd = -1;
    buf_init(&opened->checkpoint_written);
    opening.storage = opened;
    rc = make_folder(opened->data_dir);
    if (rc != 0)
        log_error("cannot make the data folder path=%s error=%s", opened->data_dir, error_text(rc));
    if (rc == 0)
        rc = lock_folder(opened);
    if (rc == 0)
        rc = open_locked(&opening);
    checkpoint_deinit(&opening.recovery_points);
    if (rc != 0) {
        storage_destroy(opened);
        return rc;
    }
    const struct storage_report *result = opening.report;
    log_info("storage open path=%s clean=%s topics=%u partitions=%u segments_checked=%u partitions_cut=%u "
             "bytes_cut=%" PRId64 " took_ms=%llu", opened->data_dir, result->was_clean ? "yes" : "no", result->topics,
             result->partitions, result->segments_checked, result->partitions_cut, result->bytes_cut,
             (unsigned long long)((clock_monotonic_ns() - begin_ns) / NS_PER_MS));
    *storage = opened;
    return 0;
}
