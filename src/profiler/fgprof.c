/* fgprof.c: the row of the wall-clock profile: where all tasks and threads spend their time, on and off the CPU.
 *
 * A thread of its own looks at everything again and again, and each look counts for the time since the one before. So
 * the totals are right whatever the rate is, and the rate gives way where looks are dear, as with many tasks. */
#include "profiler/type.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "profiler/collection.h"
#include "profiler/own_thread.h"
#include "profiler/tasks.h"
#include "profiler/wait_frames.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* As fgprof for Go: not a multiple of what programs like to do a hundred times a second. */
#define HZ_DEFAULT 99
/* After a look it rests for so many times the CPU time that the look has cost: a tenth of a processor at most. */
#define REST_FACTOR 9
/* What it costs a thread to answer: a signal, a walk, a wake; somewhat more than was measured. */
#define ANSWER_COST_NS (10 * NS_PER_US)
/* What does not answer by then is shown without a stack, rather than hold up the next look. */
#define ANSWER_TIMEOUT_NS (20 * NS_PER_MS)

struct wall_window {
    struct collection *collection;
    struct task_dump *dump; /* used anew for each look */
    uint64_t period_ns;
    uint64_t start_ns, last_ns; /* when it opened, and when the last look began */
    uint64_t look_count, cost_ns;
    uint64_t blind_count; /* looks that saw no threads, */
    int list_error;       /* and why the last of them did not */

    pthread_t ticker;
    pthread_mutex_t lock; /* of is_stopping */
    pthread_cond_t stop;
    bool is_stopping;
};

static struct task_totals totals; /* of the process, for its metrics */

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static bool is_own(const struct task_record *record, pid_t looking_thread_id)
{
    return record->id == 0 &&
           (record->thread_id == looking_thread_id || strcmp(record->name, OWN_THREAD_NAME) == 0);
}

/* Returns what it cost, in CPU time of this thread and of those that answered. */
static uint64_t look(struct wall_window *window)
{
    uint64_t start_ns = own_thread_clock_ns(), cpu_ns = thread_cpu_ns(), answer_count = 0;
    int64_t weight_ns = (int64_t)(start_ns - window->last_ns);
    task_dump_renew(window->dump, ANSWER_TIMEOUT_NS);
    pid_t self = (pid_t)syscall(SYS_gettid);
    for (size_t i = 0; i < window->dump->count; i++) {
        const struct task_record *record = &window->dump->records[i];
        if (!is_own(record, self))
            stack_table_add(window->collection->stacks, &record->key, (const int64_t[]){1, weight_ns});
        answer_count += record->is_running;
    }
    task_totals_add(&totals, window->dump);
    uint64_t cost_ns = thread_cpu_ns() - cpu_ns + answer_count * ANSWER_COST_NS;
    window->last_ns = start_ns;
    window->look_count++;
    if (window->dump->list_error < 0) {
        window->blind_count++;
        window->list_error = window->dump->list_error;
    }
    window->cost_ns += cost_ns;
    return cost_ns;
}

/* False: time to stop. */
static bool wait_until(struct wall_window *window, uint64_t until_ns)
{
    pthread_mutex_lock(&window->lock);
    while (!window->is_stopping && own_thread_wait_until(&window->stop, &window->lock, until_ns))
        continue;
    bool goes_on = !window->is_stopping;
    pthread_mutex_unlock(&window->lock);
    return goes_on;
}

static void *tick(void *argument)
{
    struct wall_window *window = argument;
    uint64_t next_ns = window->last_ns + window->period_ns;
    while (wait_until(window, next_ns)) {
        uint64_t cost_ns = look(window), rested_ns = own_thread_clock_ns() + cost_ns * REST_FACTOR;
        next_ns += window->period_ns;
        if (next_ns < rested_ns)
            next_ns = rested_ns;
    }
    return NULL;
}

static void window_destroy(struct wall_window *window)
{
    task_dump_destroy(window->dump);
    pthread_cond_destroy(&window->stop);
    pthread_mutex_destroy(&window->lock);
    mem_free(window);
}

static int start(struct collection *collection)
{
    int64_t hz = collection->query.rate ? collection->query.rate : HZ_DEFAULT;
    struct wall_window *window = MEM_NEW(struct wall_window);
    window->collection = collection;
    window->dump = task_dump_create_empty(collection->profiler);
    window->period_ns = NS_PER_S / (uint64_t)hz;
    window->start_ns = window->last_ns = own_thread_clock_ns();
    pthread_mutex_init(&window->lock, NULL);
    own_thread_condition_init(&window->stop);
    int rc = own_thread_start(&window->ticker, tick, window);
    if (rc < 0)
        window_destroy(window);
    else
        collection->state = window;
    return rc;
}

static void stop_ticker(struct wall_window *window)
{
    pthread_mutex_lock(&window->lock);
    window->is_stopping = true;
    pthread_cond_signal(&window->stop);
    pthread_mutex_unlock(&window->lock);
    pthread_join(window->ticker, NULL);
}

static void collect(struct collection *collection)
{
    struct wall_window *window = collection->state;
    stop_ticker(window);
    look(window); /* for what is left of the window */
    uint64_t duration_ns = collection->duration_ns = window->last_ns - window->start_ns;
    collection->period = (int64_t)(duration_ns / window->look_count);
    collection_comment(collection, "engine: looks at all tasks and threads, %d a second asked, %.3f ms apart on "
                       "average", (int)(NS_PER_S / window->period_ns), (double)collection->period / (double)NS_PER_MS);
    collection_comment(collection, "overhead: %.4f %% of a processor, %.3f ms a look",
                       100.0 * (double)window->cost_ns / (double)(duration_ns + 1),
                       (double)window->cost_ns / (double)window->look_count / (double)NS_PER_MS);
    if (window->blind_count > 0)
        collection_comment(collection, "threads that are missing: all that run no task, in %" PRIu64 " of %" PRIu64
                           " looks, as they could not be listed: %s", window->blind_count, window->look_count,
                           error_text(window->list_error));
    window_destroy(window);
}

static void cancel(struct collection *collection)
{
    stop_ticker(collection->state);
    window_destroy(collection->state);
}

static void stats(struct profiler *profiler, struct profile_stats *stats)
{
    (void)profiler;
    task_totals_stats(&totals, stats);
}

const struct profile_type profile_type_fgprof = {
    .name = "fgprof",
    .summary = "Where the time of tasks and threads goes, waiting and running alike: all of them are looked at, 99 "
               "times a second unless <code>rate</code> says otherwise, for <code>seconds</code>. The label "
               "<code>reason</code> says what they wait for. With many tasks it looks less often; totals stay right.",
    .columns = {{"samples", "count", false}, {"time", "nanoseconds", false}},
    .column_count = 2,
    .period = {"wallclock", "nanoseconds", false}, /* as github.com/felixge/fgprof has it */
    .drop_frames = WAIT_FRAMES,
    .needs_window = true,
    .rate = PROFILE_RATE_HZ,
    .start = start,
    .collect = collect,
    .cancel = cancel,
    .stats = stats,
};
