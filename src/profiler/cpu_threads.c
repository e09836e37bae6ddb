/* cpu_threads.c: finds threads under /proc/self/task, keeps a timer for each, and empties their rings. */
#include "profiler/cpu_threads.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/trace.h"
#include "profiler/cpu_timer.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

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
    UT_hash_handle hh; /* in `alive` */
    struct list link;  /* in `ended`, until its ring is empty */
};

struct cpu_threads {
    struct symbols *symbols;
    cpu_take_fn take;
    void *context;
    bool is_installed;   /* SIGPROF is ours, from the first start on */
    DIR *tasks;          /* /proc/self/task, between start and stop */
    uint64_t scan_count;
    uint64_t whole_scan_ns; /* when the last scan was, if it gave each thread a timer; 0: there is none */
    uint64_t period_ns;
    struct thread *alive;
    struct list ended;
    struct thread_name *names;
    uint64_t lost_count;
    uint64_t refused_count; /* at most in one scan, since start */
    struct cpu_timer_table timers;
};

struct cpu_threads *cpu_threads_create(struct unwinder *unwinder, struct symbols *symbols, cpu_take_fn take,
                                       void *context)
{
    struct cpu_threads *threads = MEM_NEW(struct cpu_threads);
    threads->symbols = symbols;
    threads->take = take;
    threads->context = context;
    threads->timers.unwinder = unwinder;
    list_init(&threads->ended);
    return threads;
}

void cpu_threads_destroy(struct cpu_threads *threads)
{
    if (!threads)
        return;
    ASSERT(!threads->alive);
    if (threads->is_installed)
        cpu_timer_uninstall(&threads->timers);
    LIST_EACH_SAFE(link, &threads->ended)
    {
        mem_free(LIST_ENTRY(link, struct thread, link));
    }
    struct thread_name *name, *next;
    HASH_ITER(hh, threads->names, name, next)
    {
        HASH_DEL(threads->names, name);
        mem_free(name);
    }
    mem_free(threads);
}

static const char *intern_name(struct cpu_threads *threads, const char *text)
{
    struct thread_name *name;
    HASH_FIND_STR(threads->names, text, name);
    if (name)
        return name->text;
    if (HASH_COUNT(threads->names) >= THREAD_NAMES_MAX)
        return "other";
    name = MEM_NEW(struct thread_name);
    strcpy(name->text, text);
    HASH_ADD_STR(threads->names, text, name);
    return name->text;
}

/* Threads are often named after they were started, so this is read again whenever there is something to take. A thread
 * that has ended keeps its last name. */
static void read_name(struct cpu_threads *threads, struct thread *thread)
{
    char path[64], text[THREAD_NAME_BYTES];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)thread->id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return;
    text[length - 1] = '\0'; /* in place of the newline */
    thread->name = intern_name(threads, text);
}

static void take_sample(struct cpu_threads *threads, const struct thread *thread, uint32_t epoch,
                        const struct cpu_sample *sample)
{
    struct cpu_taken taken = {
        .key = {.epoch = epoch, .depth = sample->depth, .pcs = sample->pcs},
        .count = sample->count,
        .ns = sample->ns,
        .is_sample = true,
        .is_truncated = sample->end == UNWIND_TRUNCATED,
        .is_rootless = sample->end == UNWIND_LOST,
    };
    memcpy(taken.key.labels, sample->labels, sizeof sample->labels);
    taken.key.labels[LABEL_THREAD] = thread->name;
    threads->take(&taken, threads->context);
    if (trace_is_on()) {
        struct trace_sample facts = {.ticks = sample->ticks, .thread_id = thread->id, .epoch = epoch};
        trace_cpu_sample(&facts, sample->task_id, sample->pcs, sample->depth);
    }
}

static void take_lost(struct cpu_threads *threads, struct thread *thread)
{
    struct cpu_taken taken = {
        .key = {.function = LOST_FUNCTION, .labels[LABEL_THREAD] = thread->name},
        .count = atomic_exchange(&thread->timer->lost_expirations, 0),
        .ns = atomic_exchange(&thread->timer->lost_ns, 0),
        .lost_count = atomic_exchange(&thread->timer->lost_count, 0),
    };
    threads->lost_count += taken.lost_count;
    if (taken.lost_count > 0 || taken.ns > 0)
        threads->take(&taken, threads->context);
}

/* Of a timer that is quiet: as long as a handler may come, what is due may yet be sampled and be taken twice. */
static void take_unsampled(struct cpu_threads *threads, struct thread *thread)
{
    uint64_t ns = cpu_timer_unsampled_ns(thread->timer);
    if (ns == 0)
        return;
    read_name(threads, thread);
    struct cpu_taken taken = {
        .key = {.function = UNSAMPLED_FUNCTION, .labels[LABEL_THREAD] = thread->name},
        .count = ns / atomic_load(&thread->timer->period_ns),
        .ns = ns,
    };
    threads->take(&taken, threads->context);
}

static void drain(struct cpu_threads *threads, struct thread *thread, uint32_t epoch)
{
    const uint64_t *record = ring_next(&thread->timer->ring);
    if (record)
        read_name(threads, thread);
    for (; record; record = ring_next(&thread->timer->ring)) {
        take_sample(threads, thread, epoch, (const struct cpu_sample *)record);
        ring_release(&thread->timer->ring);
    }
    take_lost(threads, thread);
}

void cpu_threads_drain(struct cpu_threads *threads)
{
    uint32_t epoch = symbols_epoch(threads->symbols);
    struct thread *thread, *next_thread;
    HASH_ITER(hh, threads->alive, thread, next_thread)
    {
        drain(threads, thread, epoch);
    }
    LIST_EACH_SAFE(link, &threads->ended)
    {
        struct thread *ended = LIST_ENTRY(link, struct thread, link);
        if (!cpu_timer_is_quiet(ended->timer))
            continue;
        drain(threads, ended, epoch);
        take_unsampled(threads, ended);
        cpu_timer_release(ended->timer);
        list_remove(&ended->link);
        mem_free(ended);
    }
}

static int add_thread(struct cpu_threads *threads, pid_t id, uint64_t absent_ns)
{
    struct cpu_timer *timer;
    int rc = cpu_timer_start(&threads->timers, id, threads->period_ns, absent_ns, &timer);
    if (rc < 0)
        return rc;
    struct thread *thread = MEM_NEW(struct thread);
    thread->id = id;
    thread->timer = timer;
    thread->name = "";
    thread->seen_in_scan = threads->scan_count;
    read_name(threads, thread);
    HASH_ADD_INT(threads->alive, id, thread);
    return 0;
}

static void end_thread(struct cpu_threads *threads, struct thread *thread)
{
    cpu_timer_stop(thread->timer);
    HASH_DEL(threads->alive, thread);
    list_append(&threads->ended, &thread->link);
}

/* The last error, if the kernel refused a timer for a thread that is there. */
static int scan(struct cpu_threads *threads)
{
    int rc = 0;
    uint64_t refused_count = 0;
    uint64_t absent_ns = threads->whole_scan_ns;
    threads->whole_scan_ns = clock_monotonic_ns();
    threads->scan_count++;
    rewinddir(threads->tasks);
    for (struct dirent *entry; (entry = readdir(threads->tasks));) {
        pid_t id = (pid_t)atoi(entry->d_name); /* 0 for "." and ".." */
        struct thread *thread;
        HASH_FIND_INT(threads->alive, &id, thread);
        if (thread) {
            thread->seen_in_scan = threads->scan_count;
        } else if (id > 0) {
            int added = add_thread(threads, id, absent_ns);
            rc = added < 0 ? added : rc;
            refused_count += added == -EAGAIN; /* any other error: it has ended */
        }
    }
    if (refused_count > threads->refused_count)
        threads->refused_count = refused_count;
    if (refused_count > 0)
        threads->whole_scan_ns = 0; /* whom the next one finds need not be new */
    struct thread *thread, *next_thread;
    HASH_ITER(hh, threads->alive, thread, next_thread)
    {
        /* The kernel's list may skip a thread while others end. */
        if (thread->seen_in_scan != threads->scan_count && !cpu_timer_thread_lives(thread->timer))
            end_thread(threads, thread);
    }
    return rc;
}

void cpu_threads_scan(struct cpu_threads *threads)
{
    (void)scan(threads); /* a thread without a timer is tried again next time */
}

void cpu_threads_settle(struct cpu_threads *threads)
{
    if (threads->alive) /* else it is settled already */
        (void)scan(threads); /* what threads used that came since the last scan is taken along */
    struct thread *thread, *next_thread;
    HASH_ITER(hh, threads->alive, thread, next_thread)
    {
        end_thread(threads, thread);
    }
    do {
        cpu_timer_wait_for_handlers();
        cpu_threads_drain(threads);
    } while (!list_empty(&threads->ended)); /* a handler that came late, for a signal of long ago */
}

/* As scan. */
static int give_timers(struct cpu_threads *threads, uint64_t period_ns)
{
    threads->whole_scan_ns = 0; /* no thread is new: what it used so far is not for its first sample */
    threads->period_ns = period_ns;
    return scan(threads);
}

void cpu_threads_restart(struct cpu_threads *threads, uint64_t period_ns)
{
    ASSERT(!threads->alive);
    (void)give_timers(threads, period_ns);
}

int cpu_threads_start(struct cpu_threads *threads, uint64_t period_ns)
{
    int rc = threads->is_installed ? 0 : cpu_timer_install(&threads->timers);
    if (rc < 0)
        return rc;
    threads->is_installed = true;
    threads->tasks = opendir("/proc/self/task");
    if (!threads->tasks)
        return -errno;
    threads->refused_count = 0;
    rc = give_timers(threads, period_ns);
    if (threads->alive)
        return 0;
    cpu_threads_stop(threads);
    return rc < 0 ? rc : ERR_UNSUPPORTED;
}

void cpu_threads_stop(struct cpu_threads *threads)
{
    cpu_threads_settle(threads);
    closedir(threads->tasks);
}

struct cpu_thread_counts cpu_threads_count(const struct cpu_threads *threads)
{
    struct cpu_thread_counts counts = {
        .lost_count = threads->lost_count,
        .refused_count = threads->refused_count,
        .thread_count = HASH_COUNT(threads->alive),
    };
    for (uint32_t i = 0; i < threads->timers.slot_count; i++) {
        struct cpu_timer *timer = atomic_load(&threads->timers.slots[i]);
        counts.sample_count += atomic_load(&timer->sample_count);
        counts.truncated_count += atomic_load(&timer->truncated_count);
        counts.rootless_count += atomic_load(&timer->rootless_count);
        counts.handler_ns += atomic_load(&timer->handler_ns);
        counts.held_bytes += sizeof *timer + timer->ring.word_count * sizeof *timer->ring.words;
    }
    return counts;
}
