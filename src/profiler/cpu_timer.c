/* cpu_timer.c: CPU-clock timers by thread, and what their signals do: walk a stack into the thread's ring. */
#include "profiler/cpu_timer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/probe.h"
#include "base/trace.h"
#include "profiler/signal.h"
#include "profiler/unwind.h"

#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/syscall.h>

/* 64 KiB a thread: 60 of the deepest samples, or the half of a second at the highest rate of usual ones. */
#define RING_WORDS 8192
#define SAMPLE_WORDS_MAX (sizeof(struct cpu_sample) / sizeof(uint64_t) + UNWIND_DEPTH_MAX)
/* The handler's cost is measured on one sample of so many; not on a thread's first, which is the dearest. */
#define MEASURE_EVERY 16

_Static_assert(sizeof(struct cpu_sample) % sizeof(uint64_t) == 0, "a sample is whole words");
_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "a pc is one word");

static void bump(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void count_lost(struct cpu_timer *timer, uint64_t count, uint64_t ns)
{
    bump(&timer->lost_count, 1);
    bump(&timer->lost_expirations, count);
    bump(&timer->lost_ns, ns);
}

static void walk(struct cpu_timer_table *table, struct cpu_timer *timer, const ucontext_t *context,
                 struct cpu_sample *sample)
{
    unsigned depth;
    sample->end = signal_walk(table->unwinder, context, sample->pcs, &depth);
    sample->depth = depth;
    if (sample->end == UNWIND_TRUNCATED)
        bump(&timer->truncated_count, 1);
    else if (sample->end == UNWIND_LOST)
        bump(&timer->rootless_count, 1);
}

static void take_sample(struct cpu_timer_table *table, struct cpu_timer *timer, int overruns, const ucontext_t *context)
{
    uint64_t period_ns = atomic_load_explicit(&timer->period_ns, memory_order_relaxed);
    uint64_t expired_ns = ((uint64_t)overruns + 1) * period_ns;
    uint64_t ns = expired_ns + atomic_exchange(&timer->carried_ns, 0);
    uint64_t count = ns / period_ns;
    bump(&timer->expired_ns, expired_ns);
    struct cpu_sample *sample = (struct cpu_sample *)ring_reserve(&timer->ring, SAMPLE_WORDS_MAX);
    if (!sample) {
        count_lost(timer, count, ns);
        return;
    }
    sample->count = count;
    sample->ns = ns;
    sample->ticks = trace_ticks();
    sample->task_id = probe_execution.task_id;
    probe_labels(sample->labels);
    walk(table, timer, context, sample);
    bump(&timer->sample_count, 1);
    ring_commit(&timer->ring, sizeof *sample / sizeof(uint64_t) + sample->depth);
}

/* The slot and the generation travel in the signal's value. */
static struct cpu_timer *timer_of(struct cpu_timer_table *table, const siginfo_t *info)
{
    uintptr_t value = (uintptr_t)info->si_value.sival_ptr;
    uint32_t index = (uint32_t)value, generation = (uint32_t)(value >> 32);
    struct cpu_timer *timer = index < CPU_TIMER_MAX ? atomic_load(&table->slots[index]) : NULL;
    return timer && generation != 0 && atomic_load(&timer->generation) == generation ? timer : NULL;
}

/* The thread's own CPU clock: on a busy machine wall time would count those that ran in between. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void on_timer(const siginfo_t *info, const ucontext_t *context, void *argument)
{
    struct cpu_timer_table *table = argument;
    struct cpu_timer *timer = timer_of(table, info);
    if (!timer)
        return;
    bool is_measured = ++timer->taken % MEASURE_EVERY == 0;
    uint64_t start_ns = is_measured ? thread_cpu_ns() : 0;
    take_sample(table, timer, info->si_overrun, context);
    if (is_measured)
        bump(&timer->handler_ns, (thread_cpu_ns() - start_ns) * MEASURE_EVERY);
}

int cpu_timer_install(struct cpu_timer_table *table)
{
    return signal_install(SIGNAL_TIMER, on_timer, table);
}

void cpu_timer_wait_for_handlers(void)
{
    signal_wait_until_quiet();
}

void cpu_timer_uninstall(struct cpu_timer_table *table)
{
    signal_remove(SIGNAL_TIMER);
    for (uint32_t i = 0; i < table->slot_count; i++) {
        struct cpu_timer *slot = atomic_load(&table->slots[i]);
        ASSERT(slot->state != CPU_TIMER_RUNNING);
        ring_deinit(&slot->ring);
        mem_free(slot);
    }
    table->slot_count = 0;
}

/* Linux's name of the CPU clock of any thread of this process (CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED, as
 * pthread_getcpuclockid makes it from its own thread id). */
static clockid_t cpu_clock_of(pid_t thread_id)
{
    return (clockid_t)((~(unsigned)thread_id << 3) | 6);
}

static uint64_t random_below(uint64_t limit)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random = clock_monotonic_ns();
    return random % limit;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* 0: the thread is gone. */
static uint64_t read_cpu_clock(pid_t thread_id)
{
    struct timespec used;
    if (clock_gettime(cpu_clock_of(thread_id), &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static int arm(struct cpu_timer *timer, uint64_t first_ns, uint64_t period_ns)
{
    timer->armed_at_ns = read_cpu_clock(timer->thread_id);
    timer->first_ns = first_ns;
    atomic_store(&timer->expired_ns, 0);
    atomic_store(&timer->period_ns, period_ns);
    struct itimerspec spec = {.it_value = timespec_of(first_ns), .it_interval = timespec_of(period_ns)};
    return timer_settime(timer->timer, 0, &spec, NULL) == 0 ? 0 : -errno;
}

static struct cpu_timer *free_slot(struct cpu_timer_table *table)
{
    for (uint32_t i = 0; i < table->slot_count; i++) {
        struct cpu_timer *timer = atomic_load(&table->slots[i]);
        if (timer->state == CPU_TIMER_FREE)
            return timer;
    }
    if (table->slot_count == CPU_TIMER_MAX)
        return NULL;
    struct cpu_timer *timer = MEM_NEW(struct cpu_timer);
    timer->index = table->slot_count++;
    atomic_store(&table->slots[timer->index], timer);
    return timer;
}

static int create_timer(struct cpu_timer *timer, uint32_t generation)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event._sigev_un._tid = timer->thread_id;
    event.sigev_value.sival_ptr = (void *)((uintptr_t)generation << 32 | timer->index);
    return timer_create(cpu_clock_of(timer->thread_id), &event, &timer->timer) == 0 ? 0 : -errno;
}

int cpu_timer_start(struct cpu_timer_table *table, pid_t thread_id, uint64_t period_ns, uint64_t absent_ns,
                    struct cpu_timer **started)
{
    struct cpu_timer *timer = free_slot(table);
    if (!timer)
        return -EAGAIN;
    timer->thread_id = thread_id;
    if (++table->generation == 0)
        table->generation = 1;
    int rc = create_timer(timer, table->generation);
    if (rc < 0)
        return rc;
    /* The thread's clock is cut into periods that begin at a random offset before its start. */
    uint64_t used_ns = read_cpu_clock(thread_id);
    bool is_new = absent_ns > 0 && used_ns <= clock_monotonic_ns() - absent_ns;
    uint64_t position = random_below(period_ns) + (is_new ? used_ns : 0);
    atomic_store(&timer->carried_ns, position / period_ns * period_ns);
    ring_init(&timer->ring, RING_WORDS);
    timer->state = CPU_TIMER_RUNNING;
    atomic_store(&timer->generation, table->generation);
    rc = arm(timer, period_ns - position % period_ns, period_ns);
    if (rc < 0) { /* it never expired, so no handler knows the slot */
        cpu_timer_stop(timer);
        cpu_timer_release(timer);
        return rc;
    }
    *started = timer;
    return 0;
}

bool cpu_timer_thread_lives(const struct cpu_timer *timer)
{
    return clock_getres(cpu_clock_of(timer->thread_id), NULL) == 0;
}

void cpu_timer_stop(struct cpu_timer *timer)
{
    ASSERT(timer->state == CPU_TIMER_RUNNING);
    timer_delete(timer->timer);
    atomic_store(&timer->generation, 0);
    timer->state = CPU_TIMER_STOPPED;
}

bool cpu_timer_is_quiet(const struct cpu_timer *timer)
{
    return timer->state == CPU_TIMER_STOPPED && signal_is_quiet();
}

uint64_t cpu_timer_unsampled_ns(const struct cpu_timer *timer)
{
    ASSERT(timer->state == CPU_TIMER_STOPPED);
    uint64_t now_ns = read_cpu_clock(timer->thread_id), first_expires_ns = timer->armed_at_ns + timer->first_ns;
    uint64_t carried_ns = atomic_load(&timer->carried_ns);
    if (now_ns < first_expires_ns)
        return carried_ns;
    uint64_t period_ns = atomic_load(&timer->period_ns), expired_ns = atomic_load(&timer->expired_ns);
    uint64_t due_ns = ((now_ns - first_expires_ns) / period_ns + 1) * period_ns;
    return carried_ns + (due_ns > expired_ns ? due_ns - expired_ns : 0);
}

void cpu_timer_release(struct cpu_timer *timer)
{
    ASSERT(timer->state == CPU_TIMER_STOPPED);
    ring_deinit(&timer->ring);
    timer->state = CPU_TIMER_FREE;
}
