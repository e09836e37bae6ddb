/* cpu.c: readers of the CPU sampler, and the sampler's own thread that serves them. */
#include "profiler/cpu.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "profiler/cpu_threads.h"
#include "profiler/own_thread.h"
#include "profiler/stack_table.h"
#include "profiler/unwind.h"

#include <pthread.h>
#include <time.h>

/* How often rings are emptied and threads looked for. A ring holds several times what comes meanwhile. */
#define POLL_NS (100 * NS_PER_MS)

struct cpu_reader {
    struct cpu_sampler *sampler;
    struct list link;
    struct stack_table *stacks;
    struct cpu_window window;
    uint64_t start_ns;
};

struct cpu_sampler {
    struct unwinder *unwinder;
    struct symbols *symbols;

    /* Held from the first to the last step of starting and ending a reader; taken before `lock`. */
    pthread_mutex_t control;
    pthread_t poller; /* exists while there are readers */

    /* Guards all below. */
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool is_stopping;
    struct list readers;
    uint64_t period_ns; /* in force */
    struct cpu_threads *threads;
};

/* Every reader gets everything. */
static void take(const struct cpu_taken *taken, void *argument)
{
    struct cpu_sampler *sampler = argument;
    LIST_EACH(link, &sampler->readers)
    {
        struct cpu_reader *reader = LIST_ENTRY(link, struct cpu_reader, link);
        reader->window.sample_count += taken->is_sample;
        reader->window.truncated_count += taken->is_truncated;
        reader->window.rootless_count += taken->is_rootless;
        reader->window.lost_count += taken->lost_count;
        reader->window.period_count += taken->count;
        reader->window.cpu_ns += taken->ns;
        stack_table_add(reader->stacks, &taken->key, (int64_t[]){(int64_t)taken->count, (int64_t)taken->ns});
    }
}

struct cpu_sampler *cpu_sampler_create(struct unwinder *unwinder, struct symbols *symbols)
{
    struct cpu_sampler *sampler = MEM_NEW(struct cpu_sampler);
    sampler->unwinder = unwinder;
    sampler->symbols = symbols;
    pthread_mutex_init(&sampler->control, NULL);
    pthread_mutex_init(&sampler->lock, NULL);
    own_thread_condition_init(&sampler->stop);
    list_init(&sampler->readers);
    sampler->threads = cpu_threads_create(unwinder, symbols, take, sampler);
    return sampler;
}

void cpu_sampler_destroy(struct cpu_sampler *sampler)
{
    if (!sampler)
        return;
    ASSERT(list_empty(&sampler->readers));
    cpu_threads_destroy(sampler->threads);
    pthread_cond_destroy(&sampler->stop);
    pthread_mutex_destroy(&sampler->lock);
    pthread_mutex_destroy(&sampler->control);
    mem_free(sampler);
}

static void *poll_threads(void *argument)
{
    struct cpu_sampler *sampler = argument;
    pthread_mutex_lock(&sampler->lock);
    for (;;) {
        uint64_t until_ns = own_thread_clock_ns() + POLL_NS;
        while (!sampler->is_stopping && own_thread_wait_until(&sampler->stop, &sampler->lock, until_ns))
            continue;
        if (sampler->is_stopping)
            break;
        unwinder_refresh(sampler->unwinder);
        cpu_threads_drain(sampler->threads);
        cpu_threads_scan(sampler->threads);
    }
    pthread_mutex_unlock(&sampler->lock);
    return NULL;
}

static int start_poller(struct cpu_sampler *sampler)
{
    sampler->is_stopping = false;
    return own_thread_start(&sampler->poller, poll_threads, sampler);
}

/* CPU timers expire on the kernel's tick, so a shorter period than the tick is never seen. The coarse clock moves once
 * a tick. */
static uint64_t period_of(int hz)
{
    struct timespec tick = {0};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    uint64_t period_ns = NS_PER_S / (uint64_t)hz;
    return period_ns > (uint64_t)tick.tv_nsec ? period_ns : (uint64_t)tick.tv_nsec;
}

/* What the fastest of the readers asks for, but for one that is leaving. */
static uint64_t fastest_period(const struct cpu_sampler *sampler, const struct cpu_reader *leaving)
{
    int hz = CPU_HZ_MIN;
    LIST_EACH(link, &sampler->readers)
    {
        const struct cpu_reader *reader = LIST_ENTRY(link, struct cpu_reader, link);
        if (reader != leaving && reader->window.hz > hz)
            hz = reader->window.hz;
    }
    return period_of(hz);
}

/* Before a reader joins or leaves: what was used up to here is the present readers'. Time that is due for a sample and
 * has none yet is theirs only if the timers end or begin anew; else it passes from reader to reader, in and
 * out alike. */
static void close_books(struct cpu_sampler *sampler, bool timers_end)
{
    if (timers_end)
        cpu_threads_settle(sampler->threads);
    else
        cpu_threads_drain(sampler->threads);
}

/* After a reader joined or left; each is told which period it has, or that it changed. */
static void apply_period(struct cpu_sampler *sampler, uint64_t period_ns, bool timers_restart)
{
    if (timers_restart)
        cpu_threads_restart(sampler->threads, period_ns);
    sampler->period_ns = period_ns;
    LIST_EACH(link, &sampler->readers)
    {
        struct cpu_window *window = &LIST_ENTRY(link, struct cpu_reader, link)->window;
        if (window->period_ns == 0)
            window->period_ns = period_ns;
        window->period_changed |= window->period_ns != period_ns;
    }
}

/* For the first reader. Both locks are held. */
static int start_sampling(struct cpu_sampler *sampler)
{
    unwinder_refresh(sampler->unwinder);
    int rc = cpu_threads_start(sampler->threads, sampler->period_ns);
    if (rc < 0)
        return rc;
    rc = start_poller(sampler);
    if (rc < 0)
        cpu_threads_stop(sampler->threads);
    return rc;
}

/* Both locks are held. */
static int add_reader(struct cpu_sampler *sampler, struct cpu_reader *reader)
{
    bool is_first = list_empty(&sampler->readers);
    uint64_t period_ns = period_of(reader->window.hz);
    bool timers_restart = !is_first && period_ns < sampler->period_ns;
    if (!is_first) {
        period_ns = timers_restart ? period_ns : sampler->period_ns;
        close_books(sampler, timers_restart);
    }
    list_append(&sampler->readers, &reader->link);
    apply_period(sampler, period_ns, timers_restart);
    reader->window.start_wall_ns = clock_wall_ns();
    reader->window.handler_ns = cpu_threads_count(sampler->threads).handler_ns;
    reader->window.process_ns = clock_process_cpu_ns();
    reader->start_ns = clock_monotonic_ns();
    int rc = is_first ? start_sampling(sampler) : 0;
    if (rc < 0)
        list_remove(&reader->link);
    return rc;
}

int cpu_reader_start(struct cpu_sampler *sampler, int hz, struct stack_table *stacks, struct cpu_reader **started)
{
    if (hz < CPU_HZ_MIN || hz > CPU_HZ_MAX)
        return ERR_OUT_OF_RANGE;
    struct cpu_reader *reader = MEM_NEW(struct cpu_reader);
    reader->sampler = sampler;
    reader->window.hz = hz;
    reader->stacks = stacks;

    pthread_mutex_lock(&sampler->control);
    pthread_mutex_lock(&sampler->lock);
    int rc = add_reader(sampler, reader);
    pthread_mutex_unlock(&sampler->lock);
    pthread_mutex_unlock(&sampler->control);
    if (rc < 0) {
        mem_free(reader);
        return rc;
    }
    *started = reader;
    return 0;
}

/* Both locks are held. True: it was the last one, and the poller is about to end. */
static bool remove_reader(struct cpu_sampler *sampler, struct cpu_reader *reader)
{
    bool is_last = sampler->readers.next == sampler->readers.previous;
    uint64_t period_ns = fastest_period(sampler, reader);
    bool timers_restart = !is_last && period_ns != sampler->period_ns;
    close_books(sampler, is_last || timers_restart);
    if (is_last) {
        cpu_threads_stop(sampler->threads);
        sampler->is_stopping = true;
        pthread_cond_signal(&sampler->stop);
    }
    reader->window.duration_ns = clock_monotonic_ns() - reader->start_ns;
    struct cpu_thread_counts counts = cpu_threads_count(sampler->threads);
    reader->window.handler_ns = counts.handler_ns - reader->window.handler_ns;
    reader->window.refused_count = counts.refused_count;
    reader->window.process_ns = clock_process_cpu_ns() - reader->window.process_ns;
    list_remove(&reader->link);
    if (!is_last)
        apply_period(sampler, period_ns, timers_restart);
    return is_last;
}

struct cpu_window cpu_reader_stop(struct cpu_reader *reader)
{
    struct cpu_sampler *sampler = reader->sampler;
    pthread_mutex_lock(&sampler->control);
    pthread_mutex_lock(&sampler->lock);
    bool was_last = remove_reader(sampler, reader);
    pthread_mutex_unlock(&sampler->lock);
    if (was_last)
        pthread_join(sampler->poller, NULL);
    pthread_mutex_unlock(&sampler->control);
    struct cpu_window window = reader->window;
    mem_free(reader);
    return window;
}

struct cpu_stats cpu_sampler_stats(const struct cpu_sampler *sampler)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&sampler->lock; /* only the lock changes */
    pthread_mutex_lock(lock);
    struct cpu_thread_counts counts = cpu_threads_count(sampler->threads);
    pthread_mutex_unlock(lock);
    return (struct cpu_stats){
        .sample_count = counts.sample_count,
        .lost_count = counts.lost_count,
        .truncated_count = counts.truncated_count,
        .rootless_count = counts.rootless_count,
        .handler_ns = counts.handler_ns,
        .thread_count = counts.thread_count,
        .held_bytes = counts.held_bytes,
    };
}
