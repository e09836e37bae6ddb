/* capture_folder.h: the folder of saved traces: names, what is there, what has to go. For captures.c. All of it reads
 * or writes the disk. [any] */
#ifndef PROFILER_CAPTURE_FOLDER_H
#define PROFILER_CAPTURE_FOLDER_H

#include "base/check.h"
#include "profiler/captures.h"

#include <stdbool.h>

/* What a name ends with; and that of a file that is being written. */
#define CAPTURE_ENDING ".trace"
#define CAPTURE_PART_ENDING CAPTURE_ENDING ".tmp"
/* Captures alike that are told apart by a number: "...-1203ms-2.trace" for the second. */
#define CAPTURES_ALIKE_MAX 99

/* The name of the capture of a request that ended then; other characters than letters and digits are left out. number:
 * 1 to CAPTURES_ALIKE_MAX. */
void capture_name_write(char name[CAPTURE_NAME_BYTES], int64_t time_ns, const char *request, uint64_t duration_ns,
                        unsigned number);
/* Whether this is the name of a capture with this ending, and when its request ended, to the second. */
bool capture_name_read(const char *name, const char *ending, int64_t *time_ns);

/* As mkdir -p. */
int capture_folder_make(const char *folder) MUST_USE;
/* Begin a file under a name that none has, as a clock that was set back makes names come again: *path, which the caller
 * frees; until it is renamed to that, it is the part of it, *part_path. A descriptor, or a negative errno. */
int capture_folder_create(const char *folder, int64_t time_ns, const char *request, uint64_t duration_ns, char **path,
                          char **part_path) MUST_USE;
/* The files with such names, newest first; as captures_list. No folder: no files. */
int capture_folder_list(const char *folder, const char *ending, struct capture_file **files) MUST_USE;
/* Remove captures that ended before `oldest_ns`, and the oldest beyond so many bytes together; returns the bytes that
 * stay. Also parts of files that nobody has finished. */
uint64_t capture_folder_trim(const char *folder, int64_t now_ns, int64_t oldest_ns, uint64_t bytes_max);
/* See captures_read. */
int capture_folder_read(const char *folder, const char *name, struct buf *content) MUST_USE;

#endif
