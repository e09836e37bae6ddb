/* goroutine.c: the rows of goroutine, every task and thread as it is now, and of goroutineleak, the tasks among them
 * that have been parked for long. */
#include "profiler/type.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"
#include "profiler/collection.h"
#include "profiler/goroutine_dump.h"
#include "profiler/tasks.h"
#include "profiler/text.h"
#include "profiler/wait_frames.h"

#include <string.h>
#include <sys/stat.h>

/* Long enough that a long poll, an idle connection's timeout or a flush is none of them. */
#define PARKED_FOR_DEFAULT_NS (600 * NS_PER_S)

static struct task_totals goroutine_totals, leak_totals; /* of the process, for its metrics */

static uint64_t parked_for_ns(const struct collection *collection)
{
    return collection->query.parked_for_ns ? collection->query.parked_for_ns : PARKED_FOR_DEFAULT_NS;
}

/* What the label "waited" can say, in seconds: steps of 1, 2 and 5 that are whole seconds, minutes, hours and days, so
 * that a stack on which many wait is a few samples. */
static const int64_t waited_steps_s[] = {
    1,    2,     5,     10,    20,    30,    60,     120,    300,    600,     1200,    1800,
    3600, 7200,  18000, 36000, 72000, 86400, 172800, 432000, 864000, 1728000, 4320000, 8640000,
    17280000, 43200000, 86400000,
};

/* The largest step that the task has been parked for; 0: less than the first, or it is not parked. */
static int64_t waited_s(const struct task_record *record)
{
    if (record->is_running || !task_state_is_parked(record->key.labels[LABEL_REASON]))
        return 0;
    int64_t waited = 0;
    for (size_t i = 0; i < ARRAY_COUNT(waited_steps_s); i++)
        if (record->state_ns / NS_PER_S >= (uint64_t)waited_steps_s[i])
            waited = waited_steps_s[i];
    return waited;
}

/* Go's text has no such label; and in a delta a task that waits on would be one that came and one that went. */
static bool tells_waits(const struct collection *collection)
{
    return !collection->is_text && !collection->query.is_delta && !collection->query.since;
}

static void add_records(struct collection *collection, const struct task_dump *dump)
{
    bool has_waits = tells_waits(collection);
    for (size_t i = 0; i < dump->count; i++) {
        struct stack_key key = dump->records[i].key;
        key.number = has_waits ? waited_s(&dump->records[i]) : 0;
        stack_table_add(collection->stacks, &key, (const int64_t[]){1});
    }
}

static void collect(struct collection *collection)
{
    struct task_dump *dump = task_dump_create(collection->profiler);
    task_totals_add(&goroutine_totals, dump);
    add_records(collection, dump);
    collection_comment(collection, "tasks and threads: %zu, without a stack: %zu, truncated: %zu, not walked to the "
                       "root: %zu; taken in %.3f ms", dump->count, dump->silent_count, dump->truncated_count,
                       dump->rootless_count, (double)dump->took_ns / (double)NS_PER_MS);
    if (dump->left_out_count > 0)
        collection_comment(collection, "threads that are missing: %zu, more than are asked at once",
                           dump->left_out_count);
    if (dump->list_error < 0)
        collection_comment(collection, "threads that are missing: all that run no task, as they could not be listed: "
                           "%s", error_text(dump->list_error));
    task_dump_destroy(dump);
}

static void collect_parked(struct collection *collection)
{
    struct task_dump *dump = task_dump_create_parked(collection->profiler, parked_for_ns(collection));
    task_totals_add(&leak_totals, dump);
    add_records(collection, dump);
    collection_comment(collection, "tasks that have been parked for %.3f s or longer: %zu. Whether anything will still "
                       "wake them is not known", (double)parked_for_ns(collection) / (double)NS_PER_S, dump->count);
    task_dump_destroy(dump);
}

static void write_dump(struct collection *collection, struct buf *text)
{
    struct task_dump *dump = task_dump_create(collection->profiler);
    task_totals_add(&goroutine_totals, dump);
    goroutine_dump_write(collection, dump, "", text);
    task_dump_destroy(dump);
}

static void write_parked_dump(struct collection *collection, struct buf *text)
{
    struct task_dump *dump = task_dump_create_parked(collection->profiler, parked_for_ns(collection));
    task_totals_add(&leak_totals, dump);
    goroutine_dump_write(collection, dump, " (parked)", text);
    task_dump_destroy(dump);
}

/* A thread that runs a task is one with it in the profile, so that may have a few less. */
static uint64_t count(struct profiler *profiler)
{
    (void)profiler;
    probe_task_count_fn *task_count = atomic_load(&probe_task_count);
    struct stat threads;
    uint64_t thread_count = stat("/proc/self/task", &threads) == 0 ? (uint64_t)threads.st_nlink - 2 : 0;
    return (task_count ? task_count() : 0) + thread_count;
}

struct parked_count {
    uint64_t limit_ns; /* parked since then or before */
    uint64_t since_ns;
    const char *state;
    bool is_running;
    uint64_t count;
};

PROBE_RACY_LOOK static void look_at_park(const struct probe_task *task, void *context)
{
    struct parked_count *parked = context;
    parked->since_ns = task->since_ns;
    parked->state = task->state;
    parked->is_running = task->is_running;
}

static void count_park(void *context)
{
    struct parked_count *parked = context;
    parked->count += !parked->is_running && task_state_is_parked(parked->state) &&
                     parked->since_ns <= parked->limit_ns;
}

static uint64_t count_parked(struct profiler *profiler)
{
    (void)profiler;
    uint64_t now_ns = clock_monotonic_ns();
    probe_tasks_fn *visit = atomic_load(&probe_tasks);
    if (!visit || now_ns < PARKED_FOR_DEFAULT_NS)
        return 0;
    struct parked_count parked = {.limit_ns = now_ns - PARKED_FOR_DEFAULT_NS};
    visit(&(struct probe_visitor){.look = look_at_park, .take = count_park, .context = &parked});
    return parked.count;
}

static void stats(struct profiler *profiler, struct profile_stats *stats)
{
    (void)profiler;
    task_totals_stats(&goroutine_totals, stats);
}

static void leak_stats(struct profiler *profiler, struct profile_stats *stats)
{
    (void)profiler;
    task_totals_stats(&leak_totals, stats);
}

const struct profile_type profile_type_goroutine = {
    .name = "goroutine",
    .summary = "What every task is doing right now, and every thread that runs none: its stack, and in the label "
               "<code>reason</code> why it waits, in <code>waited</code> for how many seconds at least. Tasks are what "
               "goroutines are in Go. <code>debug=2</code> lists each one with its age, its name and who created it; "
               "threads have numbers from 1000000000000 up.",
    .columns = {{"goroutine", "count", false}},
    .column_count = 1,
    .period = {"goroutine", "count", false},
    .number = {"waited", "seconds"},
    .drop_frames = WAIT_FRAMES,
    .has_delta = true,
    .collect = collect,
    .write_text = text_write_counts,
    .write_dump = write_dump,
    .count = count,
    .stats = stats,
};

const struct profile_type profile_type_goroutineleak = {
    .name = "goroutineleak",
    .summary = "Tasks that have been parked for <code>seconds</code> or longer, 600 unless told otherwise: where to "
               "look for leaked ones. That nothing will ever wake a task cannot be proven here, so an idle connection "
               "is in it too.",
    .columns = {{"goroutineleak", "count", false}},
    .column_count = 1,
    .period = {"goroutineleak", "count", false},
    .number = {"waited", "seconds"},
    .drop_frames = WAIT_FRAMES,
    .seconds_is_age = true,
    .collect = collect_parked,
    .write_text = text_write_counts,
    .write_dump = write_parked_dump,
    .count = count_parked,
    .stats = leak_stats,
};
