/* storage.c: the data folder: opening it, keeping it in order, closing it. */
#include "storage/storage.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/task.h"
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
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Our own name, so that Kafka never takes our word for an end that was proper, nor we Kafka's. */
#define CLEAN_MARKER ".takhin_cleanshutdown"
#define RECOVERY_POINTS "recovery-point-offset-checkpoint"
/* Kafka's flush.offset.checkpoint.interval.ms: how often the checkpoint follows, at least. */
#define CHECKPOINT_INTERVAL_MS 60000

static char *path_in(const struct storage *storage, const char *name)
{
    return mem_printf("%s/%s", storage->data_dir, name);
}

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
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            rc = -errno;
        if (end)
            *end = '/';
    }
    mem_free(copy);
    return rc;
}

static int lock_folder(struct storage *storage)
{
    char *path = path_in(storage, ".lock");
    storage->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int rc = storage->lock_fd < 0 ? -errno : 0;
    if (rc == 0 && flock(storage->lock_fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK ? ERR_BUSY : -errno;
    if (rc == ERR_BUSY)
        log_error("another process uses the data folder path=%s", storage->data_dir);
    else if (rc != 0)
        log_error("cannot lock the data folder file=%s error=%s", path, error_text(rc));
    mem_free(path);
    return rc;
}

/* Whether the last run ended properly. The mark is good for one start only. */
static int take_clean_marker(struct storage *storage, bool *was_clean)
{
    char *path = path_in(storage, CLEAN_MARKER);
    int rc = unlink(path) == 0 ? 0 : -errno;
    mem_free(path);
    *was_clean = rc == 0;
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
    char *path = path_in(found->storage, name);
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
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
    if (mkdir(folder, 0755) == 0)
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

static int open_topics(struct opening *opening)
{
    struct found_partitions found = {.storage = opening->storage};
    int rc = folder_each(opening->storage->data_dir, note_folder, &found);
    if (found.count > 0)
        qsort(found.items, found.count, sizeof found.items[0], compare_partitions);
    atomic_store(&opening->progress->partitions_total, (unsigned)found.count);
    for (size_t i = 0; rc == 0 && i < found.count; i++) {
        const struct found_partition *item = &found.items[i];
        bool is_last = i + 1 == found.count || strcmp(item->topic, item[1].topic) != 0;
        if (is_last)
            rc = open_topic(opening, item->topic, item->partition + 1);
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
    char *points = path_in(storage, RECOVERY_POINTS);
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

static void destroy(struct storage *storage)
{
    struct topic_entry *entry, *next;
    HASH_ITER(by_name, storage->by_name, entry, next) {
        topic_table_remove(storage, entry);
        storage_topic_release(&entry->topic);
    }
    if (storage->lock_fd >= 0)
        close(storage->lock_fd);
    buf_deinit(&storage->checkpoint_written);
    mem_free(storage->data_dir);
    mem_free(storage);
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
        destroy(opened);
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

const char *storage_cluster_id(const struct storage *storage)
{
    return storage->cluster_id;
}

int64_t storage_new_producer_id(void)
{
    /* Random: 63 bits do not meet again, and no file has to remember the last one. */
    uint64_t random;
    ASSERT(getrandom(&random, sizeof random, 0) == (ssize_t)sizeof random);
    return (int64_t)(random >> 1);
}

/* The recovery points of all partitions, as the file has them. */
static void format_checkpoint(struct buf *text, struct storage_topic *const *topics, size_t count)
{
    size_t partitions = 0;
    for (size_t i = 0; i < count; i++)
        partitions += (size_t)topics[i]->partition_count;
    checkpoint_begin(text, partitions);
    for (size_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < topics[i]->partition_count; j++)
            checkpoint_add(text, topics[i]->name, j, log_recovery_point(topics[i]->logs[j]));
    }
}

/* On the thread pool or at the end. A checkpoint that is not written costs time at the next start, nothing else. */
static void write_checkpoint(void *argument)
{
    struct storage *storage = argument;
    char *path = path_in(storage, RECOVERY_POINTS);
    int rc = file_replace(path, buf_bytes(&storage->checkpoint_written));
    if (rc != 0)
        log_warning("could not write the checkpoint file=%s error=%s", path, error_text(rc));
    mem_free(path);
}

static void maintain(struct storage *storage, bool with_retention)
{
    size_t count;
    struct storage_topic **topics = storage_topics_list(storage, &count);
    for (size_t i = 0; i < count && !task_canceled(); i++) {
        for (int32_t j = 0; j < topics[i]->partition_count; j++)
            log_maintain(topics[i]->logs[j], with_retention);
        task_yield();
    }
    struct buf text;
    buf_init(&text);
    format_checkpoint(&text, topics, count);
    if (!bytes_equal(buf_bytes(&text), buf_bytes(&storage->checkpoint_written))) {
        buf_clear(&storage->checkpoint_written);
        buf_append_bytes(&storage->checkpoint_written, buf_bytes(&text));
        if (task_offload(write_checkpoint, storage) != 0)
            buf_clear(&storage->checkpoint_written);
    }
    buf_deinit(&text);
    storage_topics_release(topics, count);
}

void storage_maintain_once(struct storage *storage)
{
    maintain(storage, true);
}

void storage_maintain(void *argument)
{
    struct storage *storage = argument;
    const struct storage_options *options = &storage->options;
    int64_t tick_ms = CHECKPOINT_INTERVAL_MS;
    if (options->retention_check_ms < tick_ms)
        tick_ms = options->retention_check_ms;
    if (options->flush_ms > 0 && options->flush_ms < tick_ms)
        tick_ms = options->flush_ms;
    uint64_t checked_ns = clock_monotonic_ns();
    while (task_sleep_ms((uint64_t)tick_ms) == 0) {
        uint64_t now_ns = clock_monotonic_ns();
        bool retention_due = now_ns - checked_ns >= (uint64_t)options->retention_check_ms * NS_PER_MS;
        if (retention_due)
            checked_ns = now_ns;
        maintain(storage, retention_due);
    }
}

/* Everything is on the disk: say so, last of all. */
static int write_clean_marker(const struct storage *storage)
{
    char *path = path_in(storage, CLEAN_MARKER);
    int rc = file_replace(path, bytes_of_string("{\"version\":0}\n"));
    mem_free(path);
    return rc != 0 ? rc : folder_sync(storage->data_dir);
}

void storage_close(struct storage *storage)
{
    if (!storage)
        return;
    int rc = 0;
    size_t count = 0;
    struct storage_topic **topics = mem_alloc_array(HASH_CNT(by_name, storage->by_name), sizeof topics[0]);
    for (struct topic_entry *entry = storage->by_name; entry; entry = entry->by_name.next) {
        topics[count++] = &entry->topic;
        for (int32_t i = 0; i < entry->topic.partition_count; i++) {
            int log_rc = log_shut(entry->topic.logs[i]);
            rc = log_rc != 0 ? log_rc : rc;
        }
    }
    buf_clear(&storage->checkpoint_written);
    format_checkpoint(&storage->checkpoint_written, topics, count);
    write_checkpoint(storage);
    mem_free(topics);
    if (rc == 0)
        rc = write_clean_marker(storage);
    if (rc != 0)
        log_warning("storage not closed cleanly, the next start checks it path=%s error=%s", storage->data_dir,
                    error_text(rc));
    else
        log_info("storage closed path=%s", storage->data_dir);
    destroy(storage);
}
