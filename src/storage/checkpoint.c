/* checkpoint.c: Kafka's text files of one offset a partition. */
#include "storage/checkpoint.h"

#include "base/error.h"
#include "base/mem.h"
#include "storage/files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX (256u * 1024 * 1024)
/* The shortest line, "a 0 0\n": what a file of a size can hold at most. */
#define LINE_BYTES_MIN 6

static int compare_entries(const void *a, const void *b)
{
    const struct checkpoint_entry *left = a, *right = b;
    return strcmp(left->log_name, right->log_name);
}

static int parse_lines(char *text, size_t size, struct checkpoint *checkpoint)
{
    char *rest;
    const char *version = strtok_r(text, "\n", &rest);
    const char *count_line = strtok_r(NULL, "\n", &rest);
    char *end;
    if (!version || strcmp(version, "0") != 0 || !count_line)
        return ERR_CORRUPT;
    unsigned long count = strtoul(count_line, &end, 10);
    if (*end != '\0' || count > size / LINE_BYTES_MIN)
        return ERR_CORRUPT;
    checkpoint->entries = mem_alloc_array(count, sizeof checkpoint->entries[0]);
    for (const char *line; (line = strtok_r(NULL, "\n", &rest)) != NULL;) {
        char topic[250];
        int32_t partition;
        int64_t offset;
        if (checkpoint->count == count || sscanf(line, "%249s %" SCNd32 " %" SCNd64, topic, &partition, &offset) != 3)
            return ERR_CORRUPT;
        checkpoint->entries[checkpoint->count].log_name = mem_printf("%s-%" PRId32, topic, partition);
        checkpoint->entries[checkpoint->count++].offset = offset;
    }
    return checkpoint->count == count ? 0 : ERR_CORRUPT;
}

int checkpoint_read(const char *path, struct checkpoint *checkpoint)
{
    *checkpoint = (struct checkpoint){0};
    char *text;
    size_t size;
    int rc = file_read_all(path, FILE_BYTES_MAX, &text, &size);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return rc;
    rc = parse_lines(text, size, checkpoint);
    mem_free(text);
    if (rc != 0) {
        checkpoint_deinit(checkpoint);
        return rc;
    }
    qsort(checkpoint->entries, checkpoint->count, sizeof checkpoint->entries[0], compare_entries);
    return 0;
}

void checkpoint_deinit(struct checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->count; i++)
        mem_free(checkpoint->entries[i].log_name);
    mem_free(checkpoint->entries);
    *checkpoint = (struct checkpoint){0};
}

int64_t checkpoint_find(const struct checkpoint *checkpoint, const char *log_name, int64_t otherwise)
{
    const struct checkpoint_entry wanted = {.log_name = (char *)log_name};
    if (checkpoint->count == 0)
        return otherwise;
    const struct checkpoint_entry *found = bsearch(&wanted, checkpoint->entries, checkpoint->count,
                                                   sizeof checkpoint->entries[0], compare_entries);
    return found ? found->offset : otherwise;
}

void checkpoint_begin(struct buf *text, size_t count)
{
    buf_printf(text, "0\n%zu\n", count);
}

void checkpoint_add(struct buf *text, const char *topic, int32_t partition, int64_t offset)
{
    buf_printf(text, "%s %" PRId32 " %" PRId64 "\n", topic, partition, offset);
}
