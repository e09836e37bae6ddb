/* contention_type.c: the rows block and mutex: the two ends of each wait. */
#include "profiler/collection.h"
#include "profiler/contention.h"
#include "profiler/text.h"
#include "profiler/type.h"
#include "profiler/wait_frames.h"

#include <inttypes.h>
#include <time.h>

static void add_comments(struct collection *collection, enum contention_kind kind,
                         const struct contention_total *sampled)
{
    int64_t rate = contention_rate(kind);
    if (rate == 0)
        collection_comment(collection, "sampling is off: %s is 0",
                           kind == CONTENTION_BLOCK ? "profiler.block_rate" : "profiler.mutex_fraction");
    else if (kind == CONTENTION_BLOCK)
        collection_comment(collection, "engine: probes where tasks wait, a sample for each %" PRId64 " ns on average, "
                           "at most %d a second", rate, CONTENTION_EVENTS_MAX);
    else
        collection_comment(collection, "engine: probes where locks are let go of, one in %" PRId64
                           ", at most %d a second", rate, CONTENTION_EVENTS_MAX);
    time_t seconds = (time_t)(contention_since_ns(kind) / 1000000000);
    if (seconds == 0)
        return;
    struct tm since;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &since));
    struct contention_total exact = contention_total(kind);
    collection_comment(collection, "since: %s; what was before is not in it", text);
    collection_comment(collection, "since then exactly: %" PRIu64 " contentions, %.6f s; as sampled: %" PRIu64
                       ", %.6f s", exact.count, (double)exact.ns / 1e9, sampled->count, (double)sampled->ns / 1e9);
    struct profile_stats stats;
    contention_stats(kind, &stats);
    collection_comment(collection, "samples: %" PRIu64 ", lost: %" PRIu64 ", truncated: %" PRIu64
                       ", not walked to the root: %" PRIu64,
                       stats.sample_count, stats.lost_count, stats.truncated_count, stats.rootless_count);
}

static void collect(struct collection *collection, enum contention_kind kind)
{
    struct contention_total sampled = contention_collect(kind, collection->stacks);
    add_comments(collection, kind, &sampled);
}

static void write_head(struct buf *text, const struct stack_entry *entry)
{
    buf_printf(text, "%" PRId64 " %" PRId64, entry->values[1], entry->values[0]);
}

/* "Cycles" are nanoseconds. The period that readers multiply by is 1, as each value is what it stands for already. */
static void write_text(struct collection *collection, const char *head, struct buf *text)
{
    buf_append_string(text, head);
    struct text_writer *writer = text_writer_create(collection, text);
    text_write_entries(writer, write_head);
    text_writer_destroy(writer);
}

static void collect_block(struct collection *collection)
{
    collect(collection, CONTENTION_BLOCK);
}

static void write_block(struct collection *collection, struct buf *text)
{
    write_text(collection, "--- contention:\ncycles/second=1000000000\n", text);
}

static uint64_t count_block(struct profiler *profiler)
{
    (void)profiler;
    return contention_record_count(CONTENTION_BLOCK);
}

static void stats_block(struct profiler *profiler, struct profile_stats *stats)
{
    (void)profiler;
    contention_stats(CONTENTION_BLOCK, stats);
}

static void collect_mutex(struct collection *collection)
{
    collect(collection, CONTENTION_MUTEX);
}

static void write_mutex(struct collection *collection, struct buf *text)
{
    write_text(collection, "--- mutex:\ncycles/second=1000000000\nsampling period=1\n", text);
}

static uint64_t count_mutex(struct profiler *profiler)
{
    (void)profiler;
    return contention_record_count(CONTENTION_MUTEX);
}

static void stats_mutex(struct profiler *profiler, struct profile_stats *stats)
{
    (void)profiler;
    contention_stats(CONTENTION_MUTEX, stats);
}

#define COLUMNS                                                                                                        \
    {                                                                                                                  \
        {"contentions", "count", false}, {"delay", "nanoseconds", false},                                              \
    }

const struct profile_type profile_type_block = {
    .name = "block",
    .summary = "Where tasks wait for each other, and for how long: for locks and conditions, for data in a long poll, "
               "for disk work and for its queue. The stack is of the task that waited, the label <code>reason</code> "
               "says for what.",
    .columns = COLUMNS,
    .column_count = 2,
    .period = {"contentions", "count", false},
    .drop_frames = WAIT_FRAMES,
    .has_delta = true,
    .rate = PROFILE_RATE_BLOCK,
    .collect = collect_block,
    .write_text = write_block,
    .count = count_block,
    .stats = stats_block,
};

const struct profile_type profile_type_mutex = {
    .name = "mutex",
    .summary = "Who makes others wait: the stack that let go of a lock, and for how long others had waited for it, "
               "added up.",
    .columns = COLUMNS,
    .column_count = 2,
    .period = {"contentions", "count", false},
    .drop_frames = WAIT_FRAMES,
    .has_delta = true,
    .rate = PROFILE_RATE_MUTEX,
    .collect = collect_mutex,
    .write_text = write_mutex,
    .count = count_mutex,
    .stats = stats_mutex,
};
