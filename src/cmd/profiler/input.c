/* input.c: a file mapped, or a pipe read to its end. */
#include "cmd/profiler/input.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_MAX ((size_t)1 << 30) /* a pipe may never end */
#define PIECE_SIZE ((size_t)1 << 20)

bool input_is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

static int read_all(int fd, struct buf *bytes)
{
    while (bytes->size <= PIPE_MAX) {
        ssize_t got = read(fd, buf_reserve(bytes, PIECE_SIZE), PIECE_SIZE);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        bytes->size += got > 0 ? (size_t)got : 0;
    }
    return ERR_TOO_LARGE;
}

static int take_content(struct input *input, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    bool is_whole = S_ISREG(status.st_mode) && status.st_size > 0 && lseek(fd, 0, SEEK_CUR) == 0;
    void *mapped = is_whole ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (mapped != MAP_FAILED) {
        input->mapped = mapped;
        input->bytes = bytes_of(mapped, (size_t)status.st_size);
        return 0;
    }
    buf_init(&input->own); /* files of /proc have no size either */
    int result = read_all(fd, &input->own);
    input->bytes = buf_bytes(&input->own);
    if (result != 0)
        buf_deinit(&input->own);
    return result;
}

static const char *reason(int code)
{
    switch (code) {
    case -ENOENT: return "there is no such file: check its name, and the folder";
    case -EISDIR: return "that is a folder: name the files in it";
    case -EACCES: return "you may not read it: become a user who may, or change its permissions";
    case ERR_TOO_LARGE: return "it is larger than 1 GiB: collect for a shorter time";
    default: return error_text(code);
    }
}

int input_open(struct input *input, const char *path, struct buf *problem)
{
    *input = (struct input){.mapped = NULL};
    int fd = input_is_standard(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 ? -errno : take_content(input, fd);
    if (fd > STDIN_FILENO)
        close(fd);
    if (result != 0)
        buf_append_string(problem, reason(result));
    return result;
}

void input_close(struct input *input)
{
    if (input->mapped != NULL)
        munmap(input->mapped, input->bytes.size);
    else
        buf_deinit(&input->own);
}
