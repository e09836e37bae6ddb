/* identity.c: meta.properties and partition.metadata. */
#include "storage/identity.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX 65536u

/* The value behind "name=" (or "name: ") at the start of a line; empty when there is none. */
static struct bytes find_value(const char *text, const char *name)
{
    size_t name_size = strlen(name);
    for (const char *line = text; *line; line += *line == '\n') {
        size_t size = strcspn(line, "\n");
        if (size > name_size && strncmp(line, name, name_size) == 0)
            return bytes_of(line + name_size, size - name_size - (line[size - 1] == '\r'));
        line += size;
    }
    return (struct bytes){0};
}

static int check_meta(const char *path, const char *text, int32_t node_id, char cluster_id[UUID_TEXT_BYTES])
{
    struct bytes version = find_value(text, "version="), cluster = find_value(text, "cluster.id=");
    struct bytes node = find_value(text, "node.id=");
    if (!bytes_equal_string(version, "1") || cluster.size == 0 || cluster.size >= UUID_TEXT_BYTES || node.size == 0) {
        log_error("not a meta.properties of version 1 with cluster.id and node.id file=%s", path);
        return ERR_CORRUPT;
    }
    if (strtol((const char *)node.data, NULL, 10) != node_id) {
        log_error("the data folder belongs to another node file=%s node_id=%.*s own_node_id=%" PRId32, path,
                  BYTES_ARGS(node), node_id);
        return ERR_CONFIG;
    }
    memcpy(cluster_id, cluster.data, cluster.size);
    cluster_id[cluster.size] = '\0';
    return 0;
}

static int write_meta(const char *path, int32_t node_id, char cluster_id[UUID_TEXT_BYTES])
{
    char directory_id[UUID_TEXT_BYTES];
    struct uuid cluster = uuid_random(), directory = uuid_random();
    uuid_format(&cluster, cluster_id);
    uuid_format(&directory, directory_id);
    char *text = mem_printf("#\nversion=1\ncluster.id=%s\nnode.id=%" PRId32 "\ndirectory.id=%s\n", cluster_id, node_id,
                            directory_id);
    int rc = file_replace(path, bytes_of_string(text), FILE_SYNC);
    mem_free(text);
    return rc;
}

int identity_open(const char *data_dir, int32_t node_id, char cluster_id[UUID_TEXT_BYTES])
{
    char *path = mem_printf("%s/meta.properties", data_dir), *text;
    size_t size;
    int rc = file_read_all(path, FILE_BYTES_MAX, &text, &size);
    if (rc == 0) {
        rc = check_meta(path, text, node_id, cluster_id);
        mem_free(text);
    } else {
        if (rc == -ENOENT)
            rc = write_meta(path, node_id, cluster_id);
        if (rc != 0)
            log_error("cannot read or make the file=%s error=%s", path, error_text(rc));
    }
    mem_free(path);
    return rc;
}

int identity_read_topic(const char *partition_folder, struct uuid *topic_id)
{
    char *path = mem_printf("%s/partition.metadata", partition_folder), *text;
    size_t size;
    int rc = file_read_all(path, FILE_BYTES_MAX, &text, &size);
    mem_free(path);
    if (rc != 0)
        return rc == -ENOENT ? ERR_NOT_FOUND : rc;
    struct bytes version = find_value(text, "version: "), id = find_value(text, "topic_id: ");
    rc = bytes_equal_string(version, "0") && uuid_parse(id, topic_id) == 0 ? 0 : ERR_CORRUPT;
    mem_free(text);
    return rc;
}

int identity_write_topic(const char *partition_folder, const struct uuid *topic_id)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(topic_id, id);
    char *path = mem_printf("%s/partition.metadata", partition_folder);
    char *text = mem_printf("version: 0\ntopic_id: %s\n", id);
    int rc = file_replace(path, bytes_of_string(text), FILE_SYNC);
    mem_free(path);
    mem_free(text);
    if (rc != 0)
        return rc;
    /* Version 0, one epoch: epoch 0 from offset 0 on. */
    path = mem_printf("%s/leader-epoch-checkpoint", partition_folder);
    rc = file_replace(path, bytes_of_string("0\n1\n0 0\n"), FILE_SYNC);
    mem_free(path);
    return rc;
}
