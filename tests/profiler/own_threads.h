/* own_threads.h: how many threads of the profiler's own there are, by their name. */
#ifndef TESTS_PROFILER_OWN_THREADS_H
#define TESTS_PROFILER_OWN_THREADS_H

#include "base/check.h"
#include "profiler/own_thread.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static inline unsigned own_thread_count(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/task");
    ASSERT(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        count += fgets(name, sizeof name, file) && strcmp(name, OWN_THREAD_NAME "\n") == 0;
        fclose(file);
    }
    closedir(folder);
    return count;
}

/* A thread that was joined is off the kernel's list a moment later. */
static inline void wait_for_own_threads(unsigned count)
{
    while (own_thread_count() != count)
        sched_yield();
}

#endif
