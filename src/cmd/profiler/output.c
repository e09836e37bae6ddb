/* output.c: mkstemp beside the target, write, rename. */
#include "cmd/profiler/output.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to do about it, beside naming another file. */
static const char *remedy(int code)
{
    switch (code) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG: return "Make room, or name a file on another disk with -output.";
    case -ENOENT:
    case -ENOTDIR: return "Make its folder first, or name another file with -output.";
    default: return "Name another file with -output.";
    }
}

static int fail(const struct output *output, int code, struct buf *message)
{
    buf_printf(message, "cannot write %s: %s.\n%s", output->target, error_text(code), remedy(code));
    return code;
}

/* Permissions as open() would give them; mkstemp gives its owner only. */
static mode_t default_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

int output_open(struct output *output, const char *path, struct buf *message)
{
    char *resolved = realpath(path, NULL); /* NULL where there is no such file yet */
    *output = (struct output){.fd = -1, .target = mem_copy_string(resolved != NULL ? resolved : path)};
    free(resolved);
    struct stat status;
    if (stat(output->target, &status) == 0 && !S_ISREG(status.st_mode)) {
        output->fd = open(output->target, O_WRONLY | O_CLOEXEC);
        return output->fd >= 0 ? 0 : fail(output, -errno, message);
    }
    if (access(output->target, F_OK) == 0 && access(output->target, W_OK) != 0)
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

int output_commit(struct output *output, struct bytes content, struct buf *message)
{
    int result = write_all(output->fd, content);
    if (result == 0 && output->temporary != NULL && fchmod(output->fd, default_mode()) != 0)
        result = -errno;
    if (close(output->fd) != 0 && result == 0)
        result = -errno;
    output->fd = -1;
    if (result == 0 && output->temporary != NULL && rename(output->temporary, output->target) != 0)
        result = -errno;
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
    *output = (struct output){.fd = -1};
}
