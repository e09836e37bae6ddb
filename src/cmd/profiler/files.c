/* files.c: reads files that were collected before, and prints what they say. */
#include "cmd/profiler/files.h"

#include "base/error.h"
#include "cmd/profiler/content.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 30)
#define PIECE_SIZE ((size_t)1 << 20)

static int read_file(const char *path, struct buf *bytes, struct buf *problem)
{
    errno = 0;
    FILE *file = fopen(path, "rbe");
    size_t got = 1;
    while (file && got > 0 && bytes->size <= FILE_MAX) {
        got = fread(buf_reserve(bytes, PIECE_SIZE), 1, PIECE_SIZE, file);
        bytes->size += got;
    }
    int result = !file || ferror(file) ? -errno : bytes->size > FILE_MAX ? ERR_TOO_LARGE : 0;
    if (file)
        fclose(file);
    if (result != 0)
        buf_append_string(problem, result == ERR_TOO_LARGE ? "it is larger than 1 GiB" : strerror(-result));
    return result;
}

static bool begins_with(struct bytes bytes, const char *text)
{
    return bytes.size >= strlen(text) && memcmp(bytes.data, text, strlen(text)) == 0;
}

/* Profiles are protobuf, packed or not, which has no such beginning. */
static const struct profiler_content *content_of(struct bytes bytes)
{
    return begins_with(bytes, "go 1.") ? &profiler_content_trace : &profiler_content_profile;
}

static int analyze(struct bytes bytes, struct buf *problem)
{
    const struct profiler_content *content = content_of(bytes);
    void *read_back;
    int result = content->read(bytes, &read_back, problem);
    if (result == 0)
        result = content->print_analysis(read_back, problem);
    else if (result == ERR_UNSUPPORTED && content == &profiler_content_trace)
        buf_append_string(problem, ": ask takhin for the trace without version= or format=");
    else if (content == &profiler_content_profile)
        buf_append_string(problem, "; nor is it an execution trace in Go's format");
    if (result == 0 || read_back)
        content->destroy(read_back);
    return result;
}

static int analyze_file(const char *path, struct buf *message)
{
    struct buf bytes, problem;
    buf_init(&bytes);
    buf_init(&problem);
    int result = read_file(path, &bytes, &problem);
    if (result == 0)
        result = analyze(buf_bytes(&bytes), &problem);
    if (problem.size > 0)
        buf_printf(message, "%s%s: %s", message->size > 0 ? "\ntakhin-profiler: " : "", path, buf_string(&problem));
    buf_deinit(&problem);
    buf_deinit(&bytes);
    return result;
}

int profiler_files_analyze(const char *const *paths, int count, struct buf *message)
{
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (count > 1)
            printf("%s==> %s <==\n", i > 0 ? "\n" : "", paths[i]);
        int failed = analyze_file(paths[i], message);
        result = result == 0 ? failed : result;
    }
    return result;
}
