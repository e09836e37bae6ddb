/* cpu.c: the sampler's own thread finds threads, gives them timers, and hands what their rings hold to every reader. */
#include "profiler/cpu.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "profiler/cpu_profile.h"
#include "profiler/cpu_timer.h"
#include "profiler/stack_table.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

/* How often rings are emptied and threads looked for. A ring holds several times what comes meanwhile. */
#define POLL_NS (100 * NS_PER_MS)
/* What stands for samples that found no room in a ring, and for CPU time that no tick of the kernel met. */
#define LOST_FUNCTION "[lost samples]"
#define UNSAMPLED_FUNCTION "[between ticks]"
/* What a thread may be called, in bytes with the NUL (TASK_COMM_LEN), and how many names are told apart. */
#define THREAD_NAME_BYTES 16
#define THREAD_NAMES_MAX 1024

/* A thread's name, kept for ever: samples point at it. */
struct thread_name {
    UT_hash_handle hh;
    char text[THREAD_NAME_BYTES];
};

struct thread {
    pid_t id;
    struct cpu_timer *timer;
    const char *name;
    uint64_t seen_in_scan;
    UT_hash_handle hh;   /* in sampler->threads, while it lives */
    struct list link;    /* in sampler->ended, until its ring is empty */
};

struct cpu_reader {
    struct cpu_sampler *sampler;
    struct list link;
    struct stack_table *stacks;
    struct cpu_profile_facts facts;
    uint64_t start_ns;
};

struct cpu_sampler {
    struct unwinder *unwinder;
    struct symbols *symbols;

    /* Held from the first to the last step of starting and ending a reader; taken before `lock`. */
    pthread_mutex_t control;
    bool is_installed;
    pthread_t poller; /* exists while there are readers */

    /* Guards all below. */
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool is_stopping;
    struct list readers;
    uint64_t period_ns; /* in force */
    struct thread *threads;
    struct list ended;
    uint64_t scan_count; /* since sampling began */
    DIR *tasks;          /* /proc/self/task */
    struct thread_name *names;
    uint64_t lost_count;
    struct cpu_timer_table timers;
};

struct cpu_sampler *cpu_sampler_create(struct unwinder *unwinder, struct symbols *symbols)
{
    struct cpu_sampler *sampler = MEM_NEW(struct cpu_sampler);
    sampler->unwinder = unwinder;
    sampler->symbols = symbols;
    sampler->timers.unwinder = unwinder;
    pthread_mutex_init(&sampler->control, NULL);
    pthread_mutex_init(&sampler->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sampler->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    list_init(&sampler->readers);
    list_init(&sampler->ended);
    return sampler;
}

void cpu_sampler_destroy(struct cpu_sampler *sampler)
{
    if (!sampler)
        return;
    ASSERT(list_empty(&sampler->readers));
    if (sampler->is_installed)
        cpu_timer_uninstall(&sampler->timers);
    struct thread_name *name, *next;
    HASH_ITER(hh, sampler->names, name, next)
    {
        HASH_DEL(sampler->names, name);
        mem_free(name);
    }
    pthread_cond_destroy(&sampler->stop);
    pthread_mutex_destroy(&sampler->lock);
    pthread_mutex_destroy(&sampler->control);
    mem_free(sampler);
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

static const char *intern_name(struct cpu_sampler *sampler, const char *text)
{
    struct thread_name *name;
    HASH_FIND_STR(sampler->names, text, name);
    if (name)
        return name->text;
    if (HASH_COUNT(sampler->names) >= THREAD_NAMES_MAX)
        return "other";
    name = MEM_NEW(struct thread_name);
    strcpy(name->text, text);
    HASH_ADD_STR(sampler->names, text, name);
    return name->text;
}

/* Threads are often named after they were started, so this is read again whenever there are samples. A thread that has
 * ended keeps its last name. */
static void read_name(struct cpu_sampler *sampler, struct thread *thread)
{
    char path[64], text[THREAD_NAME_BYTES + 1];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)thread->id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, THREAD_NAME_BYTES);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return;
    text[length - 1] = '\0'; /* in place of the newline */
    thread->name = intern_name(sampler, text);
}

/* CPU time without a stack, for all readers. */
static void give_stackless(struct cpu_sampler *sampler, const struct thread *thread, const char *function,
                           uint64_t count, uint64_t ns)
{
    struct stack_key key = {.function = function, .thread = thread->name};
    LIST_EACH(link, &sampler->readers)
    {
        stack_table_add(LIST_ENTRY(link, struct cpu_reader, link)->stacks, &key, (int64_t)count, (int64_t)ns);
    }
}

static void give_lost(struct cpu_sampler *sampler, struct thread *thread)
{
    uint64_t lost = atomic_exchange(&thread->timer->lost_count, 0);
    uint64_t expirations = atomic_exchange(&thread->timer->lost_expirations, 0);
    uint64_t ns = atomic_exchange(&thread->timer->lost_ns, 0);
    if (lost == 0 && ns == 0)
        return;
    sampler->lost_count += lost;
    LIST_EACH(link, &sampler->readers)
    {
        LIST_ENTRY(link, struct cpu_reader, link)->facts.lost_count += lost;
    }
    give_stackless(sampler, thread, LOST_FUNCTION, expirations, ns);
}

static void give_sample(struct cpu_sampler *sampler, const struct stack_key *key, const struct cpu_sample *sample)
{
    LIST_EACH(link, &sampler->readers)
    {
        struct cpu_reader *reader = LIST_ENTRY(link, struct cpu_reader, link);
        reader->facts.sample_count++;
        reader->facts.truncated_count += sample->end == UNWIND_TRUNCATED;
        reader->facts.rootless_count += sample->end == UNWIND_LOST;
        stack_table_add(reader->stacks, key, (int64_t)sample->count, (int64_t)sample->ns);
    }
}

/* Empty a thread's ring into the readers' tables. */
static void drain(struct cpu_sampler *sampler, struct thread *thread, uint32_t epoch)
{
    const uint64_t *record = ring_next(&thread->timer->ring);
    if (record)
        read_name(sampler, thread);
    for (; record; record = ring_next(&thread->timer->ring)) {
        const struct cpu_sample *sample = (const struct cpu_sample *)record;
        struct stack_key key = {.epoch = epoch, .depth = sample->depth, .thread = thread->name, .pcs = sample->pcs};
        memcpy(key.labels, sample->labels, sizeof key.labels);
        give_sample(sampler, &key, sample);
        ring_release(&thread->timer->ring);
    }
    give_lost(sampler, thread);
}

static void drain_all(struct cpu_sampler *sampler)
{
    uint32_t epoch = symbols_epoch(sampler->symbols);
    struct thread *thread, *next_thread;
    HASH_ITER(hh, sampler->threads, thread, next_thread)
    {
        drain(sampler, thread, epoch);
    }
    LIST_EACH_SAFE(link, &sampler->ended)
    {
        struct thread *ended = LIST_ENTRY(link, struct thread, link);
        if (!cpu_timer_is_quiet(ended->timer))
            continue;
        drain(sampler, ended, epoch);
        cpu_timer_release(ended->timer);
        list_remove(&ended->link);
        mem_free(ended);
    }
}

/* Whenever a reader comes or goes: up to here all CPU time is the present readers', sampled or not, and from here all
 * timers start afresh. So no reader gets what was due before it came, nor misses what was due when it went. */
static void settle(struct cpu_sampler *sampler)
{
    drain_all(sampler);
    struct thread *thread, *next_thread;
    HASH_ITER(hh, sampler->threads, thread, next_thread)
    {
        uint64_t ns = cpu_timer_unsampled_ns(thread->timer);
        if (ns > 0)
            give_stackless(sampler, thread, UNSAMPLED_FUNCTION, ns / sampler->period_ns, ns);
    }
}

static int add_thread(struct cpu_sampler *sampler, pid_t id)
{
    struct cpu_timer *timer;
    bool is_new = sampler->scan_count > 1;
    int rc = cpu_timer_start(&sampler->timers, id, sampler->period_ns, is_new, &timer);
    if (rc < 0)
        return rc;
    struct thread *thread = MEM_NEW(struct thread);
    thread->id = id;
    thread->timer = timer;
    thread->name = "";
    thread->seen_in_scan = sampler->scan_count;
    read_name(sampler, thread);
    HASH_ADD_INT(sampler->threads, id, thread);
    return 0;
}

static void end_thread(struct cpu_sampler *sampler, struct thread *thread)
{
    cpu_timer_stop(thread->timer);
    HASH_DEL(sampler->threads, thread);
    list_append(&sampler->ended, &thread->link);
}

/* Timers for threads that are new, none for those that are gone. The last error of the kernel, if it refused a timer
 * for a thread that is there. */
static int scan_threads(struct cpu_sampler *sampler)
{
    int rc = 0;
    sampler->scan_count++;
    rewinddir(sampler->tasks);
    for (struct dirent *entry; (entry = readdir(sampler->tasks));) {
        pid_t id = (pid_t)atoi(entry->d_name); /* 0 for "." and ".." */
        struct thread *thread;
        HASH_FIND_INT(sampler->threads, &id, thread);
        if (thread) {
            thread->seen_in_scan = sampler->scan_count;
        } else if (id > 0) {
            int added = add_thread(sampler, id);
            rc = added < 0 ? added : rc;
        }
    }
    struct thread *thread, *next;
    HASH_ITER(hh, sampler->threads, thread, next)
    {
        if (thread->seen_in_scan != sampler->scan_count)
            end_thread(sampler, thread);
    }
    return rc;
}

static void *poll_threads(void *argument)
{
    struct cpu_sampler *sampler = argument;
    pthread_setname_np(pthread_self(), "takhin-profiler");
    pthread_mutex_lock(&sampler->lock);
    while (!sampler->is_stopping) {
        struct timespec deadline;
        clock_gettime(CLOCK_MONOTONIC, &deadline);
        uint64_t ns = (uint64_t)deadline.tv_nsec + POLL_NS;
        deadline.tv_sec += (time_t)(ns / NS_PER_S);
        deadline.tv_nsec = (long)(ns % NS_PER_S);
        if (pthread_cond_timedwait(&sampler->stop, &sampler->lock, &deadline) != ETIMEDOUT)
            continue;
        unwinder_refresh(sampler->unwinder);
        drain_all(sampler);
        (void)scan_threads(sampler); /* a thread without a timer is tried again next time */
    }
    pthread_mutex_unlock(&sampler->lock);
    return NULL;
}

/* All signals but ours go to the program's own threads. */
static int start_poller(struct cpu_sampler *sampler)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    sampler->is_stopping = false;
    int rc = -pthread_create(&sampler->poller, NULL, poll_threads, sampler);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static uint64_t handler_ns(const struct cpu_sampler *sampler)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < sampler->timers.slot_count; i++)
        sum += atomic_load(&atomic_load(&sampler->timers.slots[i])->handler_ns);
    return sum;
}

/* The fastest reader decides. */
static void restart_timers(struct cpu_sampler *sampler)
{
    int hz = CPU_HZ_MIN;
    LIST_EACH(link, &sampler->readers)
    {
        const struct cpu_reader *reader = LIST_ENTRY(link, struct cpu_reader, link);
        hz = reader->facts.hz > hz ? reader->facts.hz : hz;
    }
    sampler->period_ns = period_of(hz);
    LIST_EACH(link, &sampler->readers)
    {
        struct cpu_profile_facts *facts = &LIST_ENTRY(link, struct cpu_reader, link)->facts;
        if (facts->period_ns == 0)
            facts->period_ns = sampler->period_ns;
        facts->period_changed |= facts->period_ns != sampler->period_ns;
    }
    struct thread *thread, *next;
    HASH_ITER(hh, sampler->threads, thread, next)
    {
        cpu_timer_restart(thread->timer, sampler->period_ns);
    }
}

static void stop_timers(struct cpu_sampler *sampler)
{
    struct thread *thread, *next;
    HASH_ITER(hh, sampler->threads, thread, next)
    {
        end_thread(sampler, thread);
    }
    cpu_timer_wait_for_handlers();
    drain_all(sampler);
}

/* From nothing to sampling. Control and lock are held. */
static int start_sampling(struct cpu_sampler *sampler)
{
    int rc = sampler->is_installed ? 0 : cpu_timer_install(&sampler->timers);
    if (rc < 0)
        return rc;
    sampler->is_installed = true;
    sampler->tasks = opendir("/proc/self/task");
    if (!sampler->tasks)
        return -errno;
    sampler->scan_count = 0;
    unwinder_refresh(sampler->unwinder);
    rc = scan_threads(sampler);
    /* Threads may come and go meanwhile; without a single timer there is nothing to read. */
    if (sampler->threads)
        rc = start_poller(sampler);
    if (rc < 0 || !sampler->threads) {
        stop_timers(sampler);
        closedir(sampler->tasks);
        return rc < 0 ? rc : ERR_UNSUPPORTED;
    }
    return 0;
}

int cpu_reader_start(struct cpu_sampler *sampler, int hz, struct cpu_reader **started)
{
    if (hz < CPU_HZ_MIN || hz > CPU_HZ_MAX)
        return ERR_OUT_OF_RANGE;
    struct cpu_reader *reader = MEM_NEW(struct cpu_reader);
    reader->sampler = sampler;
    reader->facts.hz = hz;
    reader->stacks = stack_table_create();
    list_init(&reader->link);

    pthread_mutex_lock(&sampler->control);
    pthread_mutex_lock(&sampler->lock);
    bool is_first = list_empty(&sampler->readers);
    settle(sampler);
    list_append(&sampler->readers, &reader->link);
    restart_timers(sampler);
    reader->facts.start_wall_ns = clock_wall_ns();
    reader->facts.handler_ns = handler_ns(sampler);
    reader->start_ns = clock_monotonic_ns();
    int rc = is_first ? start_sampling(sampler) : 0;
    if (rc < 0)
        list_remove(&reader->link);
    pthread_mutex_unlock(&sampler->lock);
    pthread_mutex_unlock(&sampler->control);
    if (rc < 0) {
        stack_table_destroy(reader->stacks);
        mem_free(reader);
        return rc;
    }
    *started = reader;
    return 0;
}

static void stop_reader(struct cpu_reader *reader)
{
    struct cpu_sampler *sampler = reader->sampler;
    pthread_mutex_lock(&sampler->control);
    pthread_mutex_lock(&sampler->lock);
    bool is_last = sampler->readers.next == sampler->readers.previous;
    settle(sampler);
    if (is_last) {
        sampler->is_stopping = true;
        pthread_cond_signal(&sampler->stop);
        stop_timers(sampler);
        closedir(sampler->tasks);
    }
    reader->facts.duration_ns = clock_monotonic_ns() - reader->start_ns;
    reader->facts.handler_ns = handler_ns(sampler) - reader->facts.handler_ns;
    list_remove(&reader->link);
    if (!is_last)
        restart_timers(sampler);
    pthread_mutex_unlock(&sampler->lock);
    if (is_last)
        pthread_join(sampler->poller, NULL);
    pthread_mutex_unlock(&sampler->control);
}

void cpu_reader_cancel(struct cpu_reader *reader)
{
    stop_reader(reader);
    stack_table_destroy(reader->stacks);
    mem_free(reader);
}

struct profile *cpu_reader_finish(struct cpu_reader *reader)
{
    stop_reader(reader);
    struct profile *profile = cpu_profile_build(reader->sampler->symbols, reader->stacks, &reader->facts);
    stack_table_destroy(reader->stacks);
    mem_free(reader);
    return profile;
}

struct cpu_stats cpu_sampler_stats(const struct cpu_sampler *const_sampler)
{
    /* Only its lock changes. */
    struct cpu_sampler *sampler = (struct cpu_sampler *)const_sampler;
    struct cpu_stats stats = {0};
    pthread_mutex_lock(&sampler->lock);
    for (uint32_t i = 0; i < sampler->timers.slot_count; i++) {
        struct cpu_timer *timer = atomic_load(&sampler->timers.slots[i]);
        stats.sample_count += atomic_load(&timer->sample_count);
        stats.truncated_count += atomic_load(&timer->truncated_count);
        stats.rootless_count += atomic_load(&timer->rootless_count);
    }
    stats.lost_count = sampler->lost_count;
    stats.handler_ns = handler_ns(sampler);
    stats.thread_count = HASH_COUNT(sampler->threads);
    pthread_mutex_unlock(&sampler->lock);
    return stats;
}
