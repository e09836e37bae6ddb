/* signal.c: takes SIGPROF, hands each signal to the part that it is for, gives SIGPROF back. */
#include "profiler/signal.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"
#include "profiler/stack_bounds.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#if !defined(__x86_64__)
#error "reading registers from a signal's context is written for x86-64 only"
#endif

/* There is one SIGPROF in a process, so its handlers are the process's too. */
struct signal_user {
    void *argument; /* written before handle */
    signal_handle_fn *_Atomic handle; /* NULL: nobody */
};
static struct signal_user users[SIGNAL_SOURCE_COUNT];
/* Handlers that run now, on all threads: while it is 0, no user's argument is in use. */
static _Atomic uint32_t handlers_running;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of installing and removing */
static unsigned user_count;
static struct sigaction previous_action;

static void on_sigprof(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    int saved_errno = errno;
    atomic_fetch_add(&handlers_running, 1);
    struct signal_user *user = info->si_code == SI_TIMER   ? &users[SIGNAL_TIMER]
                               : info->si_code == SI_QUEUE ? &users[SIGNAL_REQUEST]
                                                           : NULL;
    signal_handle_fn *handle = user ? atomic_load(&user->handle) : NULL;
    if (handle)
        handle(info, context, user->argument);
    atomic_fetch_sub(&handlers_running, 1);
    errno = saved_errno;
}

static int take_signal(void)
{
    struct sigaction action = {.sa_sigaction = on_sigprof, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGPROF, &action, &previous_action) == 0 ? 0 : -errno;
}

/* A signal that is still pending would end the process under the default action. Ignoring it first throws the pending
 * ones away, and nobody sends new ones. */
static void give_signal_back(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPROF, &ignore, NULL);
    sigaction(SIGPROF, &previous_action, NULL);
}

int signal_install(enum signal_source source, signal_handle_fn *handle, void *argument)
{
    struct signal_user *user = &users[source];
    pthread_mutex_lock(&lock);
    int rc = atomic_load(&user->handle) ? ERR_BUSY : 0;
    if (rc == 0 && user_count == 0)
        rc = take_signal();
    if (rc == 0) {
        user_count++;
        user->argument = argument;
        atomic_store(&user->handle, handle);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

void signal_remove(enum signal_source source)
{
    pthread_mutex_lock(&lock);
    ASSERT(atomic_load(&users[source].handle));
    if (--user_count == 0)
        give_signal_back();
    atomic_store(&users[source].handle, NULL);
    signal_wait_until_quiet();
    pthread_mutex_unlock(&lock);
}

bool signal_is_quiet(void)
{
    return atomic_load(&handlers_running) == 0;
}

void signal_wait_until_quiet(void)
{
    while (!signal_is_quiet())
        nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_US}, NULL);
}

enum unwind_end signal_walk(struct unwinder *unwinder, const ucontext_t *context, uintptr_t *pcs, unsigned *depth)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    struct unwind_start start = {
        .pc = (uintptr_t)registers[REG_RIP],
        .stack_pointer = (uintptr_t)registers[REG_RSP],
        .frame_pointer = (uintptr_t)registers[REG_RBP],
        .switch_frame = probe_execution.switch_frame,
    };
    start.stack_high = stack_bounds_high(start.stack_pointer);
    if (start.stack_high == 0)
        start.stack_high = start.stack_pointer; /* nothing to read: the pc alone */
    if (start.switch_frame) {
        start.switch_low = start.switch_frame;
        start.switch_high = stack_bounds_high(start.switch_frame);
        if (start.switch_high == 0)
            start.switch_frame = 0;
    }
    return unwind_walk(unwinder, &start, pcs, UNWIND_DEPTH_MAX, depth);
}
