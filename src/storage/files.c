/* files.c: small files and folders, in one call each. */
#include "storage/files.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read_at(int fd, void *data, size_t size, off_t position, size_t *got)
{
    *got = 0;
    while (*got < size) {
        uint64_t begun = trace_call_begin();
        ssize_t count = UNINTERRUPTED(pread(fd, (char *)data + *got, size - *got, position + (off_t)*got));
        trace_call_end("pread", begun);
        if (count < 0)
            return -errno;
        if (count == 0)
            return 0;
        *got += (size_t)count;
    }
    return 0;
}

int file_write_at(int fd, const void *data, size_t size, off_t position)
{
    for (size_t done = 0; done < size;) {
        uint64_t begun = trace_call_begin();
        ssize_t count = UNINTERRUPTED(pwrite(fd, (const char *)data + done, size - done, position + (off_t)done));
        trace_call_end("pwrite", begun);
        if (count < 0)
            return -errno;
        done += (size_t)count;
    }
    return 0;
}

int file_sync(int fd)
{
    uint64_t begun = trace_call_begin();
    int rc = UNINTERRUPTED(fsync(fd)) != 0 ? -errno : 0;
    trace_call_end("fsync", begun);
    return rc;
}

int file_read_all(const char *path, size_t limit, char **content, size_t *size)
{
    int fd = UNINTERRUPTED(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return -errno;
    *content = NULL;
    struct stat status;
    int rc = UNINTERRUPTED(fstat(fd, &status)) != 0 ? -errno : 0;
    if (rc == 0 && (uint64_t)status.st_size > limit)
        rc = ERR_TOO_LARGE;
    if (rc == 0) {
        *content = mem_alloc((size_t)status.st_size + 1);
        rc = file_read_at(fd, *content, (size_t)status.st_size, 0, size);
    }
    if (rc != 0) {
        mem_free(*content);
        *content = NULL;
    }
    close(fd);
    return rc;
}

static int write_whole(const char *path, struct bytes content, enum file_durability durability)
{
    int fd = UNINTERRUPTED(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (fd < 0)
        return -errno;
    int rc = file_write_at(fd, content.data, content.size, 0);
    if (rc == 0 && durability == FILE_SYNC)
        rc = file_sync(fd);
    if (close(fd) != 0 && errno != EINTR && rc == 0) /* interrupted, it is closed all the same: close(2) */
        rc = -errno;
    return rc;
}

int file_replace(const char *path, struct bytes content, enum file_durability durability)
{
    char *temporary = mem_printf("%s.tmp", path);
    int rc = write_whole(temporary, content, durability);
    if (rc == 0 && UNINTERRUPTED(rename(temporary, path)) != 0)
        rc = -errno;
    if (rc != 0)
        (void)UNINTERRUPTED(unlink(temporary));
    mem_free(temporary);
    return rc;
}

int folder_sync(const char *path)
{
    int fd = UNINTERRUPTED(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return -errno;
    int rc = file_sync(fd);
    close(fd);
    return rc;
}

int folder_each(const char *path, void (*each)(const char *name, void *context), void *context)
{
    DIR *folder = opendir(path);
    if (!folder)
        return -errno;
    errno = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(entry->d_name, context);
    }
    int rc = -errno;
    closedir(folder);
    return rc;
}

static void unlink_in(const char *name, void *folder)
{
    char *path = mem_printf("%s/%s", (const char *)folder, name);
    (void)UNINTERRUPTED(unlink(path)); /* what stays makes rmdir fail, which is logged */
    mem_free(path);
}

void folder_remove(const char *path)
{
    int rc = folder_each(path, unlink_in, (void *)path);
    if (rc == 0 && UNINTERRUPTED(rmdir(path)) != 0)
        rc = -errno;
    if (rc != 0)
        log_warning("could not remove folder=%s error=%s", path, error_text(rc));
}
