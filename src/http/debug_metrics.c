/* debug_metrics.c: what the profiler has done, what that has cost, and how often it looks. */
#include "http/debug_port.h"

#include "base/clock.h"
#include "metrics/metrics.h"
#include "profiler/captures.h"
#include "profiler/contention.h"
#include "profiler/cpu.h"
#include "profiler/profiler.h"
#include "profiler/rates.h"

/* A figure of a struct of figures. */
struct family {
    enum metric_type type;
    const char *name, *help;
    size_t offset; /* of a uint64_t */
    double divisor;
};

/* One of each sampler, from the figures of its row. */
static const struct family families[] = {
    {METRIC_COUNTER, "takhin_profiler_samples_total", "Samples taken.",
     offsetof(struct profile_stats, sample_count), 1},
    {METRIC_COUNTER, "takhin_profiler_lost_total", "Samples that were due and for which there was no room.",
     offsetof(struct profile_stats, lost_count), 1},
    {METRIC_COUNTER, "takhin_profiler_truncated_total", "Samples whose stack was too deep.",
     offsetof(struct profile_stats, truncated_count), 1},
    {METRIC_COUNTER, "takhin_profiler_rootless_total", "Samples whose walk ended before the stack's root.",
     offsetof(struct profile_stats, rootless_count), 1},
    {METRIC_COUNTER, "takhin_profiler_overhead_seconds_total", "Time spent taking samples.",
     offsetof(struct profile_stats, overhead_ns), NS_PER_S},
    {METRIC_GAUGE, "takhin_profiler_held_bytes", "Memory that the sampler holds.",
     offsetof(struct profile_stats, held_bytes), 1},
};

static const struct family trace_families[] = {
    {METRIC_COUNTER, "takhin_profiler_trace_records_total", "Records that threads have written down for traces.",
     offsetof(struct trace_stats, record_count), 1},
    {METRIC_COUNTER, "takhin_profiler_trace_lost_total", "Records for which there was no room.",
     offsetof(struct trace_stats, lost_count), 1},
    {METRIC_GAUGE, "takhin_profiler_trace_held_bytes", "Memory that holds records.",
     offsetof(struct trace_stats, held_bytes), 1},
    {METRIC_GAUGE, "takhin_profiler_trace_history_seconds", "How far back the flight recorder reaches.",
     offsetof(struct trace_stats, history_ns), NS_PER_S},
    {METRIC_COUNTER, "takhin_profiler_traces_total", "Traces taken, captures among them.",
     offsetof(struct trace_stats, trace_count), 1},
    {METRIC_COUNTER, "takhin_profiler_traces_cut_total",
     "Traces that ended early: they had become too large, or a record was lost.",
     offsetof(struct trace_stats, cut_count), 1},
    {METRIC_COUNTER, "takhin_profiler_trace_events_total", "Events in these traces.",
     offsetof(struct trace_stats, event_count), 1},
    {METRIC_COUNTER, "takhin_profiler_trace_repaired_total",
     "Events that were put in, left out or moved in time, so that a trace does not contradict itself.",
     offsetof(struct trace_stats, repaired_count), 1},
    {METRIC_COUNTER, "takhin_profiler_trace_bytes_total", "Size of these traces.",
     offsetof(struct trace_stats, byte_count), 1},
};

static const struct family captures_families[] = {
    {METRIC_COUNTER, "takhin_profiler_captures_saved_total", "Traces saved of slow requests.",
     offsetof(struct captures_stats, saved_count), 1},
    {METRIC_COUNTER, "takhin_profiler_captures_skipped_total",
     "Slow requests that came too soon after another to be captured.",
     offsetof(struct captures_stats, skipped_count), 1},
    {METRIC_COUNTER, "takhin_profiler_captures_failed_total", "Captures that could not be saved.",
     offsetof(struct captures_stats, failed_count), 1},
    {METRIC_GAUGE, "takhin_profiler_captures_held_bytes", "Size of the saved traces.",
     offsetof(struct captures_stats, held_bytes), 1},
};

static double read_figure(const struct family *family, const void *stats)
{
    return (double)*(const uint64_t *)((const char *)stats + family->offset) / family->divisor;
}

static void write_families(struct metrics_writer *writer, const struct family *rows, size_t count, const void *stats)
{
    for (size_t i = 0; i < count; i++) {
        metrics_write_family(writer, rows[i].type, rows[i].name, rows[i].help);
        metrics_write_sample(writer, read_figure(&rows[i], stats), METRIC_NO_LABELS);
    }
}

static void write_stats(struct metrics_writer *writer, struct profiler *profiler)
{
    for (size_t f = 0; f < ARRAY_COUNT(families); f++) {
        metrics_write_family(writer, families[f].type, families[f].name, families[f].help);
        for (unsigned t = 0; t < profile_type_count; t++) {
            if (!profile_types[t]->stats)
                continue;
            struct profile_stats stats = {0};
            profile_types[t]->stats(profiler, &stats);
            metrics_write_sample(writer, read_figure(&families[f], &stats),
                                 METRIC_LABELS("type", profile_types[t]->name));
        }
    }
}

/* Sampled or not, so that the profiles can be held against them. */
static void write_contention(struct metrics_writer *writer)
{
    static const char *const kinds[CONTENTION_KIND_COUNT] = {
        [CONTENTION_BLOCK] = "block",
        [CONTENTION_MUTEX] = "mutex",
    };
    metrics_write_family(writer, METRIC_COUNTER, "takhin_profiler_contention_events_total",
                         "Waits of tasks (block), and delays by holders of locks (mutex), sampled or not.");
    for (enum contention_kind kind = 0; kind < CONTENTION_KIND_COUNT; kind++)
        metrics_write_sample(writer, (double)contention_total(kind).count, METRIC_LABELS("kind", kinds[kind]));
    metrics_write_family(writer, METRIC_COUNTER, "takhin_profiler_contention_seconds_total",
                         "Time of these waits and delays.");
    for (enum contention_kind kind = 0; kind < CONTENTION_KIND_COUNT; kind++)
        metrics_write_sample(writer, (double)contention_total(kind).ns / (double)NS_PER_S,
                             METRIC_LABELS("kind", kinds[kind]));
}

static void write_rates(struct metrics_writer *writer, struct profiler *profiler)
{
    static const struct {
        enum profile_rate rate;
        const char *key;
    } rates[] = {
        {PROFILE_RATE_HZ, "cpu_hz"},
        {PROFILE_RATE_MEMORY, "mem_rate"},
        {PROFILE_RATE_BLOCK, "block_rate"},
        {PROFILE_RATE_MUTEX, "mutex_fraction"},
    };
    metrics_write_family(writer, METRIC_GAUGE, "takhin_profiler_rate",
                         "The rate in force, by its key of the configuration: Hz, bytes, ns, one in so many.");
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++)
        metrics_write_sample(writer, (double)rates_in_force(profiler_rates(profiler), rates[i].rate),
                             METRIC_LABELS("key", rates[i].key));
}

void debug_write_metrics(struct metrics_writer *writer, void *context)
{
    const struct debug_port *debug = context;
    struct profiler *profiler = debug->profiler;
    write_stats(writer, profiler);
    write_contention(writer);
    write_rates(writer, profiler);
    const struct trace_stats trace = trace_stats(profiler);
    write_families(writer, trace_families, ARRAY_COUNT(trace_families), &trace);
    const struct captures_stats captures = captures_stats(profiler_captures(profiler));
    write_families(writer, captures_families, ARRAY_COUNT(captures_families), &captures);
    metrics_write_family(writer, METRIC_GAUGE, "takhin_profiler_timers", "Threads whose CPU time is sampled now.");
    metrics_write_sample(writer, (double)cpu_sampler_stats(profiler_cpu(profiler)).thread_count, METRIC_NO_LABELS);
}
