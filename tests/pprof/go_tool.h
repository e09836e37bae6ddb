/* go_tool.h: runs the machine's own `go tool pprof` on a profile. */
#ifndef TESTS_PPROF_GO_TOOL_H
#define TESTS_PPROF_GO_TOOL_H

#include "base/buf.h"
#include "base/mem.h"
#include "pprof/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Debian's, a current one's usual place, and whatever PATH has. */
static const char *const go_tools[] = {"/usr/lib/go-1.19/bin/go", "/usr/local/go/bin/go", "go"};

struct go_output {
    int status; /* 0: it ran and succeeded */
    struct buf out, err;
};

static inline void go_output_deinit(struct go_output *output)
{
    buf_deinit(&output->out);
    buf_deinit(&output->err);
}

static inline void go_read_file(const char *path, struct buf *content)
{
    FILE *file = fopen(path, "r");
    buf_init(content);
    if (file == NULL)
        return;
    size_t got;
    do {
        got = fread(buf_reserve(content, 65536), 1, 65536, file);
        content->size += got;
    } while (got > 0);
    fclose(file);
}

/* Everything is in a folder of its own, which is gone afterwards; but the build cache is the user's if there is one: a
 * current Go builds its pprof the first time that it is asked for. */
static inline struct go_output go_run(const char *go, const char *arguments, const struct profile *profile)
{
    char folder[] = "/tmp/takhin-test-XXXXXX";
    struct go_output output = {.status = -1};
    if (mkdtemp(folder) == NULL)
        return output;
    if (profile != NULL) {
        struct buf bytes;
        buf_init(&bytes);
        profile_encode_gzip(profile, &bytes);
        char *path = mem_printf("%s/cpu.prof", folder);
        FILE *file = fopen(path, "w");
        if (file != NULL) {
            fwrite(bytes.data, 1, bytes.size, file);
            fclose(file);
        }
        mem_free(path);
        buf_deinit(&bytes);
    }
    char *command = mem_printf("cd %s && HOME=${HOME:-%s} PPROF_TMPDIR=%s GOFLAGS= %s %s >out 2>err",
                               folder, folder, folder, go, arguments);
    int status = system(command);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    mem_free(command);
    char *path = mem_printf("%s/out", folder);
    go_read_file(path, &output.out);
    mem_free(path);
    path = mem_printf("%s/err", folder);
    go_read_file(path, &output.err);
    mem_free(path);
    command = mem_printf("rm -rf %s", folder);
    if (system(command) != 0)
        output.status = -1;
    mem_free(command);
    return output;
}

/* What PATH has is most often one of the others. */
static inline bool go_works(const char *go)
{
    if (strchr(go, '/') == NULL && (access(go_tools[0], X_OK) == 0 || access(go_tools[1], X_OK) == 0))
        return false;
    struct go_output output = go_run(go, "version", NULL);
    go_output_deinit(&output);
    return output.status == 0;
}

#endif
