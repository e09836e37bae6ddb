/* cpu_timer.c: CPU-clock timers by thread, and the signal handler that walks a stack into the thread's ring. */
#include "profiler/cpu_timer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/probe.h"
#include "profiler/unwind.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "reading registers from a signal's context is written for x86-64 only"
#endif

/* 64 KiB a thread: 60 of the deepest samples, or the half of a second at the highest rate of usual ones. */
#define RING_WORDS 8192
#define SAMPLE_WORDS_MAX (sizeof(struct cpu_sample) / sizeof(uint64_t) + UNWIND_DEPTH_MAX)
/* The handler's cost is measured on one sample of so many; not on a thread's first, which is the dearest. */
#define MEASURE_EVERY 16
/* Pages of a thread's own stack that one sample may make sure of. */
#define PROBE_PAGES_MAX 512
#define PAGE_BYTES 4096u

_Static_assert(sizeof(struct cpu_sample) % sizeof(uint64_t) == 0, "a sample is whole words");
_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "a pc is one word");

extern void *__libc_stack_end; /* the loader's: where the main thread's stack began */

/* There is one SIGPROF in a process. The handler finds its table here; NULL: nothing to do. */
static struct cpu_timer_table *_Atomic installed;
static struct sigaction previous_action;
/* Handlers that run now, on all threads: while it is 0, no slot is being written to. */
static _Atomic uint32_t handlers_running;

/* A page that can be read: the kernel reads the signal set before it finds that -1 is no way to apply it. */
static bool is_readable(uintptr_t page)
{
    return syscall(SYS_rt_sigprocmask, -1, page, NULL, sizeof(uint64_t)) == -1 && errno != EFAULT;
}

/* Whether all between this address and the top of the thread's own stack can be read. Pages are asked for once, from
 * the top down; the answer holds as long as the thread lives. It says no for a stack pointer on any other stack below,
 * as a guard page lies between. */
static bool own_stack_reaches(struct cpu_timer *timer, uintptr_t address)
{
    for (unsigned i = 0; address < timer->own_stack_low; i++) {
        uintptr_t page = (timer->own_stack_low - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
        if (i == PROBE_PAGES_MAX || !is_readable(page))
            return false;
        timer->own_stack_low = page;
    }
    return true;
}

/* glibc puts a thread's control block, which is what pthread_self points at, at the top of its stack. */
static uintptr_t own_stack_high(const struct cpu_timer *timer)
{
    return timer->is_main_thread ? (uintptr_t)__libc_stack_end : (uintptr_t)pthread_self();
}

/* The end of the stack that holds this address: the task's or the thread's own. 0: neither, as on an alternate one. */
static uintptr_t stack_high_of(struct cpu_timer *timer, uintptr_t address)
{
    uintptr_t low = probe_execution.stack_low, high = probe_execution.stack_high;
    if (address >= low && address < high)
        return high;
    high = own_stack_high(timer);
    if (timer->own_stack_low == 0)
        timer->own_stack_low = high;
    return address < high && own_stack_reaches(timer, address) ? high : 0;
}

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
    const greg_t *registers = context->uc_mcontext.gregs;
    struct unwind_start start = {
        .pc = (uintptr_t)registers[REG_RIP],
        .stack_pointer = (uintptr_t)registers[REG_RSP],
        .frame_pointer = (uintptr_t)registers[REG_RBP],
        .switch_frame = probe_execution.switch_frame,
    };
    start.stack_high = stack_high_of(timer, start.stack_pointer);
    if (start.stack_high == 0)
        start.stack_high = start.stack_pointer; /* nothing to read: the pc alone */
    if (start.switch_frame) {
        start.switch_low = start.switch_frame;
        start.switch_high = stack_high_of(timer, start.switch_frame);
        if (start.switch_high == 0)
            start.switch_frame = 0;
    }
    unsigned depth;
    sample->end = unwind_walk(table->unwinder, &start, sample->pcs, UNWIND_DEPTH_MAX, &depth);
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

static void on_sigprof(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    int saved_errno = errno;
    atomic_fetch_add(&handlers_running, 1);
    struct cpu_timer_table *table = atomic_load(&installed);
    struct cpu_timer *timer = table && info->si_code == SI_TIMER ? timer_of(table, info) : NULL;
    if (timer) {
        bool is_measured = ++timer->taken % MEASURE_EVERY == 0;
        uint64_t start_ns = is_measured ? thread_cpu_ns() : 0;
        take_sample(table, timer, info->si_overrun, context);
        if (is_measured)
            bump(&timer->handler_ns, (thread_cpu_ns() - start_ns) * MEASURE_EVERY);
    }
    atomic_fetch_sub(&handlers_running, 1);
    errno = saved_errno;
}

int cpu_timer_install(struct cpu_timer_table *table)
{
    struct cpu_timer_table *none = NULL;
    if (!atomic_compare_exchange_strong(&installed, &none, table))
        return ERR_BUSY;
    struct sigaction action = {.sa_sigaction = on_sigprof, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, &previous_action) == 0)
        return 0;
    int rc = -errno;
    atomic_store(&installed, NULL);
    return rc;
}

void cpu_timer_wait_for_handlers(void)
{
    while (atomic_load(&handlers_running) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_US}, NULL);
}

void cpu_timer_uninstall(struct cpu_timer_table *table)
{
    ASSERT(atomic_load(&installed) == table);
    /* A signal that is still pending would end the process under the default action. Ignoring it first throws the
     * pending ones away, and as no timer runs, no new one comes. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPROF, &ignore, NULL);
    sigaction(SIGPROF, &previous_action, NULL);
    atomic_store(&installed, NULL);
    cpu_timer_wait_for_handlers();
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
    timer->is_main_thread = thread_id == getpid();
    timer->own_stack_low = 0;
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

uint64_t cpu_timer_unsampled_ns(const struct cpu_timer *timer)
{
    uint64_t now_ns = read_cpu_clock(timer->thread_id), first_expires_ns = timer->armed_at_ns + timer->first_ns;
    if (now_ns < first_expires_ns)
        return 0;
    uint64_t period_ns = atomic_load(&timer->period_ns), expired_ns = atomic_load(&timer->expired_ns);
    uint64_t due_ns = ((now_ns - first_expires_ns) / period_ns + 1) * period_ns;
    return due_ns > expired_ns ? due_ns - expired_ns : 0;
}

void cpu_timer_restart(struct cpu_timer *timer, uint64_t period_ns)
{
    /* A thread that ended meanwhile has nothing more to sample. */
    (void)arm(timer, period_ns - random_below(period_ns), period_ns);
}

void cpu_timer_stop(struct cpu_timer *timer)
{
    ASSERT(timer->state == CPU_TIMER_RUNNING);
    timer_delete(timer->timer);
    atomic_store(&timer->generation, 0);
    timer->state = CPU_TIMER_STOPPED;
    /* CPU time that no sample came to carry: the thread ended, or hardly ran on. */
    uint64_t carried_ns = atomic_exchange(&timer->carried_ns, 0);
    if (carried_ns > 0)
        count_lost(timer, carried_ns / atomic_load(&timer->period_ns), carried_ns);
}

bool cpu_timer_is_quiet(const struct cpu_timer *timer)
{
    return timer->state == CPU_TIMER_STOPPED && atomic_load(&handlers_running) == 0;
}

void cpu_timer_release(struct cpu_timer *timer)
{
    ASSERT(timer->state == CPU_TIMER_STOPPED);
    ring_deinit(&timer->ring);
    timer->state = CPU_TIMER_FREE;
}
