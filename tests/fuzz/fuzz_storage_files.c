/* fuzz_storage_files.c: the small files of a data folder, with whatever in them. The first byte chooses which. */
#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/identity.h"
#include "storage/producers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/takhin-fuzz-XXXXXX";

static void remove_folder(void)
{
    folder_remove(folder);
}

static char *store(const char *name, struct bytes content)
{
    char *path = mem_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT(fd >= 0 && write(fd, content.data, content.size) == (ssize_t)content.size);
    close(fd);
    return path;
}

static void read_checkpoint(struct bytes content)
{
    struct checkpoint checkpoint;
    char *path = store("recovery-point-offset-checkpoint", content);
    if (checkpoint_read(path, &checkpoint) == 0) {
        for (size_t i = 0; i < checkpoint.count; i++)
            checkpoint_find(&checkpoint, checkpoint.entries[i].log_name, 0);
        checkpoint_deinit(&checkpoint);
    }
    mem_free(path);
}

static void read_snapshot(struct bytes content)
{
    struct producers *producers = producers_create();
    char *path = store("00000000000000000001.snapshot", content);
    if (producers_load(producers, path) == 0)
        ASSERT(producers_save(producers, path) == 0);
    producers_destroy(producers);
    mem_free(path);
}

static void read_identity(struct bytes content)
{
    char cluster_id[UUID_TEXT_BYTES];
    struct uuid topic_id;
    char *meta = store("meta.properties", content), *partition = store("partition.metadata", content);
    if (identity_open(folder, 1, cluster_id) == 0)
        ASSERT(cluster_id[0] != '\0' && strlen(cluster_id) < UUID_TEXT_BYTES);
    if (identity_read_topic(folder, &topic_id) == 0)
        ASSERT(identity_write_topic(folder, &topic_id) == 0);
    mem_free(meta);
    mem_free(partition);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct bytes) = {read_checkpoint, read_snapshot, read_identity};
    static bool ready;
    if (!ready) {
        ASSERT(mkdtemp(folder) != NULL);
        atexit(remove_folder);
        log_configure((struct log_options){.level = LOG_ERROR + 1});
        ready = true;
    }
    if (size > 0)
        readers[data[0] % ARRAY_COUNT(readers)](bytes_of(data + 1, size - 1));
    return 0;
}
