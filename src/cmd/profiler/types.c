/* types.c: the table of what takhin-profiler collects. */
#include "cmd/profiler/types.h"

#include "base/check.h"
#include "base/clock.h"
#include "cmd/profiler/content.h"
#include "profiler/options.h"

#include <string.h>

#define WINDOW_NS (30 * (int64_t)NS_PER_S)
#define TRACE_WINDOW_NS (5 * (int64_t)NS_PER_S) /* a busy takhin writes megabytes in that */

#define PROFILE(type) .name = type, .title = type " profile", .content = &profiler_content_profile, \
                      .default_output = type ".prof"
#define LIVE .time = TIME_WINDOW, .window_ns = WINDOW_NS, .has_fractions = true
#define DELTA .time = TIME_WINDOW, .window_ns = WINDOW_NS, .is_delta = true
#define SNAPSHOT .time = TIME_SNAPSHOT, .window_ns = WINDOW_NS, .is_delta = true
#define RATE(flag, max) .rate = flag, .rate_max = max
#define VALUES(...) .sample_types = {__VA_ARGS__}
#define HEAP_VALUES VALUES("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")
#define DELAY_VALUES VALUES("contentions", "delay")

#define NO_HEAP_SAMPLES "Is profiler.mem_rate 0, or the profiler on since just now?"

const struct collectible collectibles[] = {
    {PROFILE("cpu"), .path = "/debug/pprof/profile", .in_all = true, LIVE, VALUES("samples", "cpu"),
     .meaning = "where CPU time goes",
     .empty = "takhin used no CPU in that time. Put load on it while you collect."},
    {PROFILE("heap"), .path = "/debug/pprof/heap", .in_all = true, SNAPSHOT, RATE(RATE_MEMORY, PROFILER_MEM_RATE_MAX),
     HEAP_VALUES, .meaning = "who holds memory now, and who allocated how much", .empty = NO_HEAP_SAMPLES},
    {PROFILE("allocs"), .path = "/debug/pprof/allocs", .in_all = true, SNAPSHOT,
     RATE(RATE_MEMORY, PROFILER_MEM_RATE_MAX),
     HEAP_VALUES, .meaning = "the same, shown by what was allocated in all", .empty = NO_HEAP_SAMPLES},
    {PROFILE("goroutine"), .path = "/debug/pprof/goroutine", .in_all = true, SNAPSHOT, VALUES("goroutine"),
     .meaning = "the stacks of all tasks and threads"},
    {PROFILE("block"), .path = "/debug/pprof/block", .in_all = true, DELTA,
     RATE(RATE_SAMPLES, PROFILER_BLOCK_RATE_MAX),
     DELAY_VALUES, .meaning = "where tasks wait, and for how long",
     .empty = "No task waited in that time. Put load on takhin while you collect."},
    {PROFILE("mutex"), .path = "/debug/pprof/mutex", .in_all = true, DELTA,
     RATE(RATE_SAMPLES, PROFILER_MUTEX_FRACTION_MAX),
     DELAY_VALUES, .meaning = "which holders of locks make others wait",
     .empty = "Nobody waited for a lock in that time. Put load on takhin while you collect."},
    {.name = "trace", .title = "trace", .content = &profiler_content_trace, .path = "/debug/pprof/trace",
     .default_output = "trace.out", .in_all = true, .time = TIME_WINDOW, .window_ns = TRACE_WINDOW_NS,
     .has_fractions = true, .meaning = "what every task, reactor and request did, and when",
     .empty = "No request ended in that time. Put load on takhin while you collect, or collect for longer."},
    {PROFILE("threadcreate"), .path = "/debug/pprof/threadcreate", .in_all = true, SNAPSHOT,
     VALUES("threadcreate"), .meaning = "what started threads"},
    {PROFILE("fgprof"), .path = "/debug/fgprof", .in_all = true, LIVE, VALUES("samples", "time"),
     .meaning = "where the time of tasks goes, running and waiting"},
    {PROFILE("goroutineleak"), .path = "/debug/pprof/goroutineleak", .time = TIME_AGE, VALUES("goroutineleak"),
     .meaning = "tasks that have been parked for long", .empty = "No task has been parked for so long."},
};

const size_t collectible_count = ARRAY_COUNT(collectibles);

_Static_assert(ARRAY_COUNT(collectibles) <= COLLECTIBLES_MAX, "COLLECTIBLES_MAX counts all");

const struct collectible *collectible_find(const char *name)
{
    for (size_t i = 0; i < collectible_count; i++) {
        if (strcmp(collectibles[i].name, name) == 0)
            return &collectibles[i];
    }
    return NULL;
}
