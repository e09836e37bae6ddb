/* cpu_profile.c: the row of the CPU profile: a window of a reader of the sampler. */
#include "profiler/type.h"

#include "base/clock.h"
#include "profiler/collection.h"
#include "profiler/cpu.h"
#include "profiler/profiler.h"

#include <inttypes.h>

static int start(struct collection *collection)
{
    int64_t hz = collection->query.rate;
    if (hz == 0)
        hz = profiler_options(collection->profiler).cpu_hz;
    struct cpu_reader *reader;
    int rc = cpu_reader_start(profiler_cpu(collection->profiler), (int)hz, collection->stacks, &reader);
    if (rc == 0)
        collection->state = reader;
    return rc;
}

static void comment(struct collection *collection, const struct cpu_window *window)
{
    collection_comment(collection, "engine: timer_create on each thread's CPU clock, hz asked: %d, period: %.3f ms%s",
                       window->hz, (double)collection->period / (double)NS_PER_MS,
                       window->period_changed ? " on average, changed by other readers" : "");
    collection_comment(collection, "samples: %" PRIu64 ", lost: %" PRIu64 ", truncated: %" PRIu64
                       ", not walked to the root: %" PRIu64,
                       window->sample_count, window->lost_count, window->truncated_count, window->rootless_count);
    collection_comment(collection, "CPU time: %.3f s here, %.3f s by the process's clock; threads that live for less "
                       "than 0.1 s may be missing",
                       (double)window->cpu_ns / (double)NS_PER_S, (double)window->process_ns / (double)NS_PER_S);
    if (window->refused_count > 0)
        collection_comment(collection, "threads that are missing: %" PRIu64 "; the kernel gave no timer (ulimit -i), "
                           "or there are more than the sampler takes", window->refused_count);
    collection_comment(collection, "overhead: %.4f %% of the CPU time, in signal handlers",
                       window->cpu_ns > 0 ? 100.0 * (double)window->handler_ns / (double)window->cpu_ns : 0.0);
}

static void collect(struct collection *collection)
{
    struct cpu_window window = cpu_reader_stop(collection->state);
    collection->time_ns = window.start_wall_ns;
    collection->duration_ns = window.duration_ns;
    bool is_average = window.period_changed && window.period_count > 0;
    collection->period = (int64_t)(is_average ? window.cpu_ns / window.period_count : window.period_ns);
    comment(collection, &window);
}

static void cancel(struct collection *collection)
{
    cpu_reader_stop(collection->state);
}

static void stats(struct profiler *profiler, struct profile_stats *stats)
{
    struct cpu_stats cpu = cpu_sampler_stats(profiler_cpu(profiler));
    *stats = (struct profile_stats){
        .sample_count = cpu.sample_count,
        .lost_count = cpu.lost_count,
        .truncated_count = cpu.truncated_count,
        .rootless_count = cpu.rootless_count,
        .overhead_ns = cpu.handler_ns,
        .held_bytes = cpu.held_bytes,
    };
}

const struct profile_type profile_type_profile = {
    .name = "profile",
    .summary = "Where CPU time goes: each thread is sampled on its own CPU clock for the time that "
               "<code>seconds</code> says, 30 unless told otherwise. <code>rate</code> is in samples a second of CPU "
               "time. Open it with <code>go tool pprof</code>.",
    .columns = {{"samples", "count", false}, {"cpu", "nanoseconds", false}},
    .column_count = 2,
    .period = {"cpu", "nanoseconds", false},
    .needs_window = true,
    .rate = PROFILE_RATE_HZ,
    .start = start,
    .collect = collect,
    .cancel = cancel,
    .stats = stats,
};
