/* output.c: mkstemp beside the target, write, rename. */
#include "cmd/profiler/output.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Above how often anybody collects within a second. */
#define NAMES_TRIED 10000

#define LINKS_MAX 40 /* as Linux has it: path_resolution(7) */

void output_format_time(int64_t wall_ns, char text[OUTPUT_TIME_SIZE])
{
    time_t seconds = (time_t)(wall_ns / (int64_t)NS_PER_S);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, OUTPUT_TIME_SIZE, "%Y%m%dT%H%M%SZ", &utc);
}

char *output_path_in(const char *folder, const char *name)
{
    size_t size = strlen(folder);
    return mem_printf("%s%s%s", folder, size > 0 && folder[size - 1] == '/' ? "" : "/", name);
}

char *output_path_with(const char *path, const char *addition)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const char *extension = dot != NULL && dot != name ? dot : path + strlen(path);
    return mem_printf("%.*s%s%s", (int)(extension - path), path, addition, extension);
}

static void append_reason(struct buf *message, const char *path, int code, const char *other)
{
    buf_printf(message, "cannot write %s: %s.\n", path, error_text(code));
    switch (code) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG: buf_printf(message, "Make room, or name %s, on another disk.", other); break;
    case -ENOENT:
    case -ENOTDIR: buf_printf(message, "Make its folder first, or name %s.", other); break;
    default: buf_printf(message, "Name %s.", other); break;
    }
}

static int fail(const struct output *output, int code, struct buf *message)
{
    append_reason(message, output->target, code, output->other);
    return code;
}

/* Permissions as open() would give them; mkstemp gives its owner only. */
static mode_t default_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* What a link leads to in the end, be it there or not, so that it is not the link that is replaced. The caller's. */
static char *follow_links(const char *path)
{
    char *at = mem_copy_string(path), text[PATH_MAX];
    ssize_t length;
    for (int i = 0; i < LINKS_MAX && (length = readlink(at, text, sizeof text)) > 0; i++) {
        const char *slash = *text != '/' ? strrchr(at, '/') : NULL;
        char *next = mem_printf("%.*s%.*s", slash != NULL ? (int)(slash + 1 - at) : 0, at, (int)length, text);
        mem_free(at);
        at = next;
    }
    return at;
}

bool output_is_standard(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
}

static int open_standard(struct output *output, struct buf *message)
{
    output->path = mem_copy_string("standard output");
    output->target = mem_copy_string(output->path);
    output->is_direct = true;
    if (isatty(STDOUT_FILENO)) {
        buf_printf(message, "standard output is a terminal, and these bytes are not for people.\n"
                   "Send it to a file or into a pipe, or name %s.", output->other);
        return ERR_UNSUPPORTED;
    }
    output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    return output->fd >= 0 ? 0 : fail(output, -errno, message);
}

int output_open(struct output *output, const char *path, enum output_rule rule, const char *other,
                struct buf *message)
{
    *output = (struct output){.fd = -1, .rule = rule, .other = other};
    if (rule == OUTPUT_REPLACES && output_is_standard(path))
        return open_standard(output, message);
    struct stat status;
    bool replaces = rule == OUTPUT_REPLACES;
    output->is_direct = replaces && stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    output->path = mem_copy_string(path);
    output->target = replaces && !output->is_direct ? follow_links(path) : mem_copy_string(path);
    if (output->is_direct) {
        output->fd = open(output->target, O_WRONLY | O_CLOEXEC);
        return output->fd >= 0 ? 0 : fail(output, -errno, message);
    }
    if (replaces && access(output->target, W_OK) != 0 && errno != ENOENT)
        return fail(output, -errno, message); /* rename would not ask */
    output->temporary = mem_printf("%s.partial-XXXXXX", output->target);
    output->fd = mkostemp(output->temporary, O_CLOEXEC);
    if (output->fd < 0) {
        int code = -errno;
        mem_free(output->temporary);
        output->temporary = NULL;
        return fail(output, code, message);
    }
    return 0;
}

static int write_all(int fd, struct bytes content)
{
    while (content.size > 0) {
        ssize_t written = write(fd, content.data, content.size);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0)
            content = bytes_of(content.data + written, content.size - (size_t)written);
    }
    return 0;
}

/* Unless something has that name. Where the file system cannot do both in one step, two programs at the same moment
 * could still meet. */
static int rename_to_free_name(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (access(to, F_OK) == 0)
        return -EEXIST;
    return rename(from, to) == 0 ? 0 : -errno;
}

/* To the path, or path-2, path-3 ...; *path becomes what it was. */
static int rename_beside(const char *from, char **path)
{
    int result = rename_to_free_name(from, *path);
    for (int number = 2; result == -EEXIST && number < NAMES_TRIED; number++) {
        char addition[16];
        snprintf(addition, sizeof addition, "-%d", number);
        char *other = output_path_with(*path, addition);
        result = rename_to_free_name(from, other);
        if (result == 0) {
            mem_free(*path);
            *path = other;
        } else {
            mem_free(other);
        }
    }
    return result;
}

static int move_old(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return 0;
    char addition[OUTPUT_TIME_SIZE + 1] = "_";
    output_format_time((int64_t)status.st_mtim.tv_sec * (int64_t)NS_PER_S, addition + 1);
    char *other = output_path_with(path, addition);
    int result = rename_beside(path, &other);
    mem_free(other);
    return result == -ENOENT ? 0 : result; /* somebody else has moved it just now */
}

static int appear(struct output *output)
{
    int result = -EEXIST;
    switch (output->rule) {
    case OUTPUT_REPLACES: return rename(output->temporary, output->target) == 0 ? 0 : -errno;
    case OUTPUT_GOES_BESIDE: return rename_beside(output->temporary, &output->path);
    case OUTPUT_MOVES_OLD:
        for (int i = 0; result == -EEXIST && i < NAMES_TRIED; i++) {
            result = move_old(output->target);
            if (result == 0)
                result = rename_to_free_name(output->temporary, output->target);
        }
        return result;
    }
    return result;
}

int output_commit(struct output *output, struct bytes content, struct buf *message)
{
    int result = write_all(output->fd, content);
    if (result == 0 && output->temporary != NULL && fchmod(output->fd, default_mode()) != 0)
        result = -errno;
    if (close(output->fd) != 0 && result == 0)
        result = -errno;
    output->fd = -1;
    if (result == 0 && output->temporary != NULL)
        result = appear(output);
    if (result != 0)
        return fail(output, result, message);
    mem_free(output->temporary);
    output->temporary = NULL;
    return 0;
}

void output_close(struct output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    if (output->temporary != NULL)
        unlink(output->temporary);
    mem_free(output->temporary);
    mem_free(output->target);
    mem_free(output->path);
    *output = (struct output){.fd = -1};
}

/* Each folder on the way, from the top. */
int output_make_folder(const char *path, struct buf *message)
{
    char *part = mem_copy_string(path);
    int result = 0;
    for (size_t end = 1; result == 0 && path[end - 1] != '\0'; end++) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        part[end] = '\0';
        result = mkdir(part, 0777) == 0 || errno == EEXIST ? 0 : -errno;
        part[end] = path[end];
    }
    struct stat status;
    if (stat(path, &status) == 0)
        result = S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
    if (result != 0)
        buf_printf(message, "cannot make the folder %s: %s.\nName another one with -output-dir.", path,
                   error_text(result));
    mem_free(part);
    return result;
}
