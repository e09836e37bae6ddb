/* files.h: small files and folders, in one call each. All block; negative results are negated errno values. */
#ifndef STORAGE_FILES_H
#define STORAGE_FILES_H

#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* The result of a system call that is made again as long as a signal interrupts it. The profiler sends them to all
 * threads. On a local disk only reads and writes could tell, but on some file systems (FUSE's, CIFS) every call may:
 * golang.org/issue/38033, /issue/39237. */
#define UNINTERRUPTED(call) TEMP_FAILURE_RETRY(call)

/* All of the bytes at this place of the file, also across short reads and signals. *got is how many there were: less
 * than size at the file's end. */
int file_read_at(int fd, void *data, size_t size, off_t position, size_t *got) MUST_USE;
int file_write_at(int fd, const void *data, size_t size, off_t position) MUST_USE;

/* The whole of a small file with a NUL behind it; the caller frees it with mem_free. ERR_TOO_LARGE beyond limit. */
int file_read_all(const char *path, size_t limit, char **content, size_t *size) MUST_USE;
/* Replace a file in one step: written beside it as .tmp and renamed. FILE_SYNC: on the disk before it is renamed, so
 * that even a crash of the machine leaves the old content or the new. */
enum file_durability { FILE_CACHED, FILE_SYNC };
int file_replace(const char *path, struct bytes content, enum file_durability durability) MUST_USE;

/* Make what was written last: the file's content, or a folder's names. */
int file_sync(int fd) MUST_USE;
int folder_sync(const char *path) MUST_USE;
/* Remove a folder and the files in it; there are no folders in our folders. A failure is logged: what stays behind is
 * litter, not damage. */
void folder_remove(const char *path);
/* Call each(name, context) for each entry but . and .. */
int folder_each(const char *path, void (*each)(const char *name, void *context), void *context) MUST_USE;

#endif
