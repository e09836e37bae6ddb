/* heap_type.c: the rows heap and allocs: one profile, for those who look at what is held and at what comes and goes. */
#include "profiler/collection.h"
#include "profiler/heap.h"
#include "profiler/heap_text.h"
#include "profiler/type.h"

#include <inttypes.h>
#include <time.h>

static void add_comments(struct collection *collection, int64_t rate)
{
    struct profile_stats stats;
    struct tm since;
    char text[32] = "";
    time_t seconds = (time_t)(heap_since_ns() / 1000000000);
    heap_stats(&stats);
    if (!heap_is_hooked())
        collection_comment(collection, "malloc is not hooked in this program, so nothing is sampled");
    else if (rate == 0)
        collection_comment(collection, "sampling is off: profiler.mem_rate is 0");
    else if (!heap_is_possible())
        collection_comment(collection, "nothing is sampled: the system gave no addresses for it (ulimit -v)");
    else
        collection_comment(collection, "engine: malloc hook, a sample for each %" PRId64 " bytes on average", rate);
    if (seconds == 0)
        return;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &since));
    collection_comment(collection, "since: %s; what was allocated before is not in it", text);
    collection_comment(collection, "samples: %" PRIu64 ", lost: %" PRIu64 ", truncated: %" PRIu64
                       ", not walked to the root: %" PRIu64,
                       stats.sample_count, stats.lost_count, stats.truncated_count, stats.rootless_count);
}

static void collect(struct collection *collection)
{
    if (collection->query.trims_memory)
        heap_trim();
    heap_collect(collection->stacks);
    int64_t rate = heap_rate();
    collection->period = rate > 0 ? rate : 1;
    add_comments(collection, rate);
}

static uint64_t count_records(struct profiler *profiler)
{
    (void)profiler;
    return heap_record_count();
}

static void stats(struct profiler *profiler, struct profile_stats *result)
{
    (void)profiler;
    heap_stats(result);
}

/* One profile, two rows; the figures of their sampler are on the first. */
#define COLUMN_COUNT 4
#define COLUMNS {{"alloc_objects", "count", false}, {"alloc_space", "bytes", false}, \
                 {"inuse_objects", "count", true}, {"inuse_space", "bytes", true}}

/* Of one object. Go gives it no unit: viewers know it by its name. */
#define OBJECT_BYTES {"bytes", NULL}

/* What stands between a caller and the allocator: libc's functions, ours in front of them, and those of base/mem.c that
 * half of all memory comes through. */
#define ALLOCATORS \
    "(__wrap_)?(malloc|calloc|realloc|reallocarray|posix_memalign|aligned_alloc|memalign|valloc|pvalloc)" \
    "(_due|_sampled)?" \
    "|mem_(alloc|alloc_array|realloc|copy_string|copy_bytes|printf)"

const struct profile_type profile_type_heap = {
    .name = "heap",
    .summary = "Who holds memory: a sample of the blocks that malloc gave out and that are not freed yet. "
               "<code>gc=1</code> gives free memory back to the system first.",
    .columns = COLUMNS,
    .column_count = COLUMN_COUNT,
    .period = {"space", "bytes", false},
    .number = OBJECT_BYTES,
    .drop_frames = ALLOCATORS,
    .has_delta = true,
    .rate = PROFILE_RATE_MEMORY,
    .collect = collect,
    .write_text = heap_text_write,
    .count = count_records,
    .stats = stats,
};

const struct profile_type profile_type_allocs = {
    .name = "allocs",
    .summary = "Who allocates: the same samples, of all blocks since sampling was switched on.",
    .columns = COLUMNS,
    .column_count = COLUMN_COUNT,
    .default_column = "alloc_space",
    .period = {"space", "bytes", false},
    .number = OBJECT_BYTES,
    .drop_frames = ALLOCATORS,
    .has_delta = true,
    .rate = PROFILE_RATE_MEMORY,
    .collect = collect,
    .write_text = heap_text_write,
    .count = count_records,
};
