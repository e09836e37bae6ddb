/* file_limit.h: a process that may open no more files, as one at its limit. */
#ifndef TESTS_PROFILER_FILE_LIMIT_H
#define TESTS_PROFILER_FILE_LIMIT_H

#include "base/check.h"

#include <sys/resource.h>

/* What is open stays open. *before is for allow_files. */
static inline void forbid_files(struct rlimit *before)
{
    ASSERT(getrlimit(RLIMIT_NOFILE, before) == 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before->rlim_max};
    ASSERT(setrlimit(RLIMIT_NOFILE, &none) == 0);
}

static inline void allow_files(const struct rlimit *before)
{
    ASSERT(setrlimit(RLIMIT_NOFILE, before) == 0);
}

#endif
