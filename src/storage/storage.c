/* storage.c: keeping the data folder in order while it is open, and closing it. */
#include "storage/storage.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/task.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/log_private.h"
#include "storage/storage_private.h"

#include <sys/random.h>
#include <unistd.h>

/* Kafka's flush.offset.checkpoint.interval.ms: how often the checkpoint follows, at least. */
#define CHECKPOINT_INTERVAL_MS 60000

char *storage_path(const struct storage *storage, const char *name)
{
    return mem_printf("%s/%s", storage->data_dir, name);
}

void storage_destroy(struct storage *storage)
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

/* On the thread pool, for who holds change_lock, or at the end. A checkpoint that is not written costs time at the next
 * start, nothing else. */
static void run_write_checkpoint(void *argument)
{
    struct storage *storage = argument;
    char *path = storage_path(storage, STORAGE_RECOVERY_POINTS);
    int rc = file_replace(path, buf_bytes(&storage->checkpoint_written), FILE_SYNC);
    if (rc != 0) {
        log_warning("could not write the checkpoint file=%s error=%s", path, error_text(rc));
        buf_clear(&storage->checkpoint_written); /* so that the next round tries again */
    }
    mem_free(path);
}

void storage_write_checkpoint(struct storage *storage)
{
    ASSERT(task_mutex_held(&storage->change_lock));
    size_t count;
    struct storage_topic **topics = storage_topics_list(storage, &count);
    struct buf text;
    buf_init(&text);
    format_checkpoint(&text, topics, count);
    if (!bytes_equal(buf_bytes(&text), buf_bytes(&storage->checkpoint_written))) {
        buf_clear(&storage->checkpoint_written);
        buf_append_bytes(&storage->checkpoint_written, buf_bytes(&text));
        if (task_offload(WAIT_FILE, run_write_checkpoint, storage) != 0)
            buf_clear(&storage->checkpoint_written);
    }
    buf_deinit(&text);
    storage_topics_release(topics, count);
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
    storage_topics_release(topics, count);
    task_mutex_lock(&storage->change_lock);
    storage_write_checkpoint(storage);
    task_mutex_unlock(&storage->change_lock);
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
    char *path = storage_path(storage, STORAGE_CLEAN_MARKER);
    int rc = file_replace(path, bytes_of_string("{\"version\":0}\n"), FILE_SYNC);
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
    run_write_checkpoint(storage);
    mem_free(topics);
    if (rc == 0)
        rc = write_clean_marker(storage);
    if (rc != 0)
        log_warning("storage not closed cleanly, the next start checks it path=%s error=%s", storage->data_dir,
                    error_text(rc));
    else
        log_info("storage closed path=%s", storage->data_dir);
    storage_destroy(storage);
}
