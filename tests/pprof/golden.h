/* golden.h: the profiles under tests/pprof/golden: of takhin, of a program in Go, of C++ as gperftools writes them. */
#ifndef TESTS_PPROF_GOLDEN_H
#define TESTS_PPROF_GOLDEN_H

#include "go_tool.h"
#include "pprof/decode.h"
#include "pprof/simplify.h"

#define GOLDEN_FOLDER TAKHIN_SOURCE_DIR "/tests/pprof/golden"

static inline struct profile *golden_read(const char *name)
{
    char *path = mem_printf("%s/%s", GOLDEN_FOLDER, name);
    struct buf content;
    go_read_file(path, &content);
    struct profile *profile;
    const char *problem;
    if (profile_decode(buf_bytes(&content), PROFILE_LIMITS_DEFAULT, &profile, &problem) != 0) {
        fprintf(stderr, "%s: %s\n", path, problem);
        abort();
    }
    buf_deinit(&content);
    mem_free(path);
    return profile;
}

#endif
