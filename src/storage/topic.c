/* topic.c: the table of topics: finding, making and deleting them. */
#include "storage/storage_private.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/task.h"
#include "storage/files.h"
#include "storage/identity.h"
#include "storage/log_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define NAME_BYTES_MAX 249

bool storage_topic_name_valid(struct bytes name)
{
    if (name.size == 0 || name.size > NAME_BYTES_MAX || bytes_equal_string(name, ".") || bytes_equal_string(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                       c == '_' || c == '-';
        if (!allowed)
            return false;
    }
    return true;
}

struct topic_entry *topic_entry_create(const char *name, int32_t partition_count, const struct uuid *id)
{
    struct topic_entry *entry = MEM_NEW(struct topic_entry);
    entry->topic.references = 1;
    entry->topic.name = mem_copy_string(name);
    entry->topic.label = label_name_find(LABEL_TOPIC, bytes_of_string(name));
    entry->topic.id = *id;
    entry->topic.partition_count = partition_count;
    entry->topic.logs = mem_alloc_array((size_t)partition_count, sizeof entry->topic.logs[0]);
    return entry;
}

void storage_topic_release(struct storage_topic *topic)
{
    if (atomic_fetch_sub_explicit(&topic->references, 1, memory_order_acq_rel) != 1)
        return;
    for (int32_t i = 0; i < topic->partition_count; i++)
        log_destroy(topic->logs[i]);
    mem_free(topic->logs);
    mem_free(topic->name);
    mem_free(CONTAINER_OF(topic, struct topic_entry, topic));
}

void topic_table_add(struct storage *storage, struct topic_entry *entry)
{
    HASH_ADD_KEYPTR(by_name, storage->by_name, entry->topic.name, strlen(entry->topic.name), entry);
    HASH_ADD(by_id, storage->by_id, topic.id, sizeof entry->topic.id, entry);
}

void topic_table_remove(struct storage *storage, struct topic_entry *entry)
{
    HASH_DELETE(by_name, storage->by_name, entry);
    HASH_DELETE(by_id, storage->by_id, entry);
}

static struct storage_topic *hold(struct topic_entry *entry)
{
    if (!entry)
        return NULL;
    atomic_fetch_add_explicit(&entry->topic.references, 1, memory_order_relaxed);
    return &entry->topic;
}

struct storage_topic *storage_topic_find(struct storage *storage, struct bytes name)
{
    struct topic_entry *entry;
    task_rwlock_read_lock(&storage->table_lock);
    HASH_FIND(by_name, storage->by_name, name.data, name.size, entry);
    struct storage_topic *topic = hold(entry);
    task_rwlock_read_unlock(&storage->table_lock);
    return topic;
}

struct storage_topic *storage_topic_find_by_id(struct storage *storage, const struct uuid *id)
{
    struct topic_entry *entry;
    task_rwlock_read_lock(&storage->table_lock);
    HASH_FIND(by_id, storage->by_id, id, sizeof *id, entry);
    struct storage_topic *topic = hold(entry);
    task_rwlock_read_unlock(&storage->table_lock);
    return topic;
}

static int compare_names(const void *a, const void *b)
{
    const struct storage_topic *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

struct storage_topic **storage_topics_list(struct storage *storage, size_t *count)
{
    task_rwlock_read_lock(&storage->table_lock);
    struct storage_topic **topics = mem_alloc_array(HASH_CNT(by_name, storage->by_name), sizeof topics[0]);
    *count = 0;
    for (struct topic_entry *entry = storage->by_name; entry; entry = entry->by_name.next)
        topics[(*count)++] = hold(entry);
    task_rwlock_read_unlock(&storage->table_lock);
    qsort(topics, *count, sizeof topics[0], compare_names);
    return topics;
}

void storage_topics_release(struct storage_topic **topics, size_t count)
{
    for (size_t i = 0; i < count; i++)
        storage_topic_release(topics[i]);
    mem_free(topics);
}

struct creation {
    const struct storage *storage;
    struct storage_topic *topic;
    int result;
};

static int create_partition(const struct storage *storage, struct storage_topic *topic, int32_t partition)
{
    char *folder = mem_printf("%s/%s-%" PRId32, storage->data_dir, topic->name, partition);
    bool made = UNINTERRUPTED(mkdir(folder, 0755)) == 0;
    int rc = made ? identity_write_topic(folder, &topic->id) : -errno;
    struct log_recovery recovery = {.was_clean = true};
    if (rc == 0)
        rc = log_open(&topic->logs[partition], &storage->options, storage->data_dir, topic->name, partition, &recovery);
    if (rc == 0)
        rc = folder_sync(folder);
    if (rc != 0 && made)
        folder_remove(folder);
    mem_free(folder);
    return rc;
}

/* On the thread pool. */
static void run_creation(void *argument)
{
    struct creation *creation = argument;
    struct storage_topic *topic = creation->topic;
    int32_t made = 0;
    while (creation->result == 0 && made < topic->partition_count) {
        creation->result = create_partition(creation->storage, topic, made);
        made += creation->result == 0;
    }
    if (creation->result == 0)
        creation->result = folder_sync(creation->storage->data_dir);
    while (creation->result != 0 && made > 0) {
        char *folder = mem_printf("%s/%s-%" PRId32, creation->storage->data_dir, topic->name, --made);
        folder_remove(folder);
        mem_free(folder);
    }
}

/* Under change_lock: what is not in the table now cannot come into it. */
static int create_locked(struct storage *storage, struct topic_entry *entry)
{
    struct storage_topic *existing = storage_topic_find(storage, bytes_of_string(entry->topic.name));
    if (existing) {
        storage_topic_release(existing);
        return ERR_EXISTS;
    }
    struct creation creation = {.storage = storage, .topic = &entry->topic};
    int rc = task_offload(WAIT_FILE, run_creation, &creation);
    if (rc == 0)
        rc = creation.result;
    if (rc != 0)
        return rc;
    task_rwlock_write_lock(&storage->table_lock);
    topic_table_add(storage, entry);
    task_rwlock_write_unlock(&storage->table_lock);
    return 0;
}

int storage_topic_create(struct storage *storage, struct bytes name, int32_t partition_count,
                         struct storage_topic **topic)
{
    if (!storage_topic_name_valid(name) || partition_count < 1 || partition_count > PARTITIONS_MAX)
        return ERR_MALFORMED;
    struct uuid id = uuid_random();
    char *text = mem_copy_bytes(name);
    struct topic_entry *entry = topic_entry_create(text, partition_count, &id);
    mem_free(text);
    struct storage_topic *made = hold(entry); /* the caller's, beside the table's */
    task_mutex_lock(&storage->change_lock);
    int rc = create_locked(storage, entry);
    task_mutex_unlock(&storage->change_lock);
    if (rc == 0)
        log_info("topic created topic=%s partitions=%" PRId32, made->name, partition_count);
    else
        storage_topic_release(made);
    if (rc == 0 && topic)
        *topic = made;
    else
        storage_topic_release(made);
    return rc;
}

struct deletion {
    const struct storage *storage;
    struct storage_topic *topic;
    int result;
};

/* The name that says at the next start: nobody wants this any more. Kafka's, with the topic's id in hexadecimal. */
static char *deleted_folder(const struct deletion *deletion, int32_t partition)
{
    char id[2 * sizeof deletion->topic->id.bytes + 1];
    for (size_t i = 0; i < sizeof deletion->topic->id.bytes; i++)
        snprintf(id + 2 * i, 3, "%02x", deletion->topic->id.bytes[i]);
    return mem_printf("%s/%s-%" PRId32 ".%s-delete", deletion->storage->data_dir, deletion->topic->name, partition, id);
}

/* On the thread pool. From the last partition down, so that a crash halfway leaves a smaller topic without holes. */
static void run_deletion(void *argument)
{
    struct deletion *deletion = argument;
    for (int32_t i = deletion->topic->partition_count - 1; i >= 0; i--) {
        char *gone = deleted_folder(deletion, i);
        char *folder = mem_printf("%s/%s-%" PRId32, deletion->storage->data_dir, deletion->topic->name, i);
        if (UNINTERRUPTED(rename(folder, gone)) != 0) {
            deletion->result = -errno;
            log_error("could not rename folder=%s error=%s", folder, error_text(-errno));
        }
        mem_free(gone);
        mem_free(folder);
    }
    if (deletion->result == 0)
        deletion->result = folder_sync(deletion->storage->data_dir);
}

/* On the thread pool: the renamed folders go. */
static void run_removal(void *argument)
{
    const struct deletion *deletion = argument;
    for (int32_t i = 0; i < deletion->topic->partition_count; i++) {
        char *gone = deleted_folder(deletion, i);
        folder_remove(gone);
        mem_free(gone);
    }
}

/* Take it from everybody, then from the disk. Appends end before the folders are renamed under them. */
static int delete_locked(struct storage *storage, struct topic_entry *entry)
{
    struct storage_topic *topic = &entry->topic;
    task_rwlock_write_lock(&storage->table_lock);
    topic_table_remove(storage, entry);
    task_rwlock_write_unlock(&storage->table_lock);
    for (int32_t i = 0; i < topic->partition_count; i++)
        log_mark_deleted(topic->logs[i]);
    /* A later topic of that name must not find recovery points of this one. */
    storage_write_checkpoint(storage);
    struct deletion deletion = {.storage = storage, .topic = topic};
    int rc = task_offload(WAIT_FILE, run_deletion, &deletion);
    return rc != 0 ? rc : deletion.result;
}

int storage_topic_delete(struct storage *storage, struct bytes name)
{
    task_mutex_lock(&storage->change_lock);
    struct storage_topic *topic = storage_topic_find(storage, name);
    int rc = topic ? delete_locked(storage, CONTAINER_OF(topic, struct topic_entry, topic)) : ERR_NOT_FOUND;
    task_mutex_unlock(&storage->change_lock);
    if (rc == 0) {
        log_info("topic deleted topic=%s partitions=%" PRId32, topic->name, topic->partition_count);
        struct deletion deletion = {.storage = storage, .topic = topic};
        if (task_offload(WAIT_FILE, run_removal, &deletion) != 0)
            log_debug("deleted folders stay until the next start topic=%s", topic->name);
    }
    if (topic) {
        storage_topic_release(topic); /* the table's */
        storage_topic_release(topic);
    }
    return rc;
}
