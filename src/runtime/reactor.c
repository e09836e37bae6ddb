/* reactor.c: the thread, its loop, its inbox and its run queue. */
#include "runtime/reactor.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/probe.h"
#include "base/trace.h"
#include "runtime/overflow.h"
#include "runtime/scheduler.h"

#include <signal.h>
#include <unistd.h>

/* Ready tasks that run before the loop looks at its sockets again. */
#define BATCH_MAX 64
#define IDLE_STACKS_DEFAULT 1000
/* For the handlers of SIGPROF and SIGSEGV; the unwinder in there needs a few KiB, the kernel's frame with AVX-512 and
 * AMX state up to 11. */
#define SIGNAL_STACK_BYTES ((size_t)64 * 1024)

/* The inbox of a reactor that takes no more messages. */
static struct reactor_message inbox_closed;
#define INBOX_CLOSED (&inbox_closed)

struct reactor *_Atomic reactor_registry;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reactor *registry_idle; /* ended and joined, by next_idle: the next reactor_start takes one */

_Thread_local struct reactor *reactor_of_thread;

struct reactor *reactor_self(void)
{
    return reactor_of_thread;
}

const char *reactor_name(const struct reactor *reactor)
{
    return reactor->name;
}

unsigned reactor_task_count(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->task_count, memory_order_relaxed);
}

uint64_t reactor_lag_ns(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->lag_ns, memory_order_relaxed);
}

uint64_t reactor_pass_count(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->pass_count, memory_order_relaxed);
}

/* Messages. */

int reactor_post(struct reactor *reactor, struct reactor_message *message)
{
    struct reactor_message *head = atomic_load_explicit(&reactor->inbox, memory_order_relaxed);
    do {
        if (head == INBOX_CLOSED)
            return ERR_CLOSED;
        message->next = head;
    } while (!atomic_compare_exchange_weak(&reactor->inbox, &head, message));

    /* Either this load sees the reactor fall asleep, or its look into the inbox after that sees the message. */
    if (atomic_load(&reactor->sleeping)) {
        pthread_mutex_lock(&reactor->bell_guard);
        if (reactor->bell_open)
            uv_async_send(&reactor->bell);
        pthread_mutex_unlock(&reactor->bell_guard);
    }
    return 0;
}

static void drain_inbox(struct reactor *reactor)
{
    if (!atomic_load_explicit(&reactor->inbox, memory_order_relaxed))
        return;
    struct reactor_message *newest = atomic_exchange(&reactor->inbox, NULL), *oldest = NULL;
    while (newest) {
        struct reactor_message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct reactor_message *next = oldest->next; /* run may free the message, or post it again */
        oldest->run(oldest);
        oldest = next;
    }
}

struct spawn_message {
    struct reactor_message message;
    struct reactor *reactor;
    void (*run)(void *argument);
    void *argument;
    struct task_creator creator;
    char name[TASK_NAME_SIZE];
};

static void on_spawn(struct reactor_message *message)
{
    struct spawn_message *spawn = CONTAINER_OF(message, struct spawn_message, message);
    task_start(spawn->reactor, spawn->name, spawn->run, spawn->argument, &spawn->creator);
    mem_free(spawn);
}

int reactor_spawn(struct reactor *reactor, const char *name, void (*run)(void *argument), void *argument)
{
    if (atomic_load(&reactor->stopping))
        return ERR_CLOSED;
    struct spawn_message *spawn = MEM_NEW(struct spawn_message);
    spawn->message.run = on_spawn;
    spawn->reactor = reactor;
    spawn->run = run;
    spawn->argument = argument;
    spawn->creator = (struct task_creator){probe_execution.task_id, (uintptr_t)__builtin_return_address(0)};
    copy_name(spawn->name, sizeof spawn->name, name);
    int rc = reactor_post(reactor, &spawn->message);
    if (rc != 0)
        mem_free(spawn);
    return rc;
}

/* Tasks. */

void reactor_enqueue(struct reactor *reactor, struct task *task)
{
    task->next = NULL;
    if (reactor->ready_last)
        reactor->ready_last->next = task;
    else
        reactor->ready_first = task;
    reactor->ready_last = task;
}

static void task_end(struct reactor *reactor, struct task *task)
{
    if (trace_is_on())
        task_trace_ended(task);
    task_set_reason(task, TASK_IDLE);
    list_remove(&task->live);
    atomic_fetch_sub_explicit(&reactor->task_count, 1, memory_order_relaxed);
    stack_release(&reactor->stacks, task);
}

void reactor_run_task(struct reactor *reactor, struct task *task)
{
    ASSERT(task_of_thread == NULL);
    task_set_reason(task, WAIT_NONE);
    task_of_thread = task;
    probe_execution.task_id = task->id;
    probe_execution.labels = &task->labels;
    probe_execution.stack_low = task->context.low;
    probe_execution.stack_high = task->context.high;
    context_enter(&task->context);
    probe_execution.stack_low = probe_execution.stack_high = 0;
    probe_execution.labels = NULL;
    probe_execution.task_id = 0;
    task_of_thread = NULL;
    if (task->ended)
        task_end(reactor, task);
}

static void run_ready(struct reactor *reactor)
{
    if (!reactor->ready_first)
        return;
    uint64_t oldest_ns = reactor->ready_first->since_ns;
    for (unsigned i = 0; i < BATCH_MAX && reactor->ready_first; i++) {
        struct task *task = reactor->ready_first;
        reactor->ready_first = task->next;
        if (!task->next)
            reactor->ready_last = NULL;
        /* What lies between two tasks of a batch is too little to read the clock for. */
        if (trace_is_on())
            task_trace_started(task, i > 0);
        reactor_run_task(reactor, task);
    }
    reactor->now_ns = clock_monotonic_ns();
    atomic_store_explicit(&reactor->lag_ns, reactor->now_ns - oldest_ns, memory_order_relaxed);
}

void *reactor_block_acquire(struct reactor *reactor)
{
    /* mem_realloc: a fresh block need not be zeroed. */
    return reactor->idle_block_count ? reactor->idle_block[--reactor->idle_block_count]
                                     : mem_realloc(NULL, BLOCK_SIZE_BYTES);
}

void reactor_block_release(struct reactor *reactor, void *block)
{
    if (reactor->idle_block_count < BLOCK_IDLE_MAX)
        reactor->idle_block[reactor->idle_block_count++] = block;
    else
        mem_free(block);
}

/* The loop. */

/* libuv runs the timers and what is pending, then this, then it polls: in the same pass. A task that a timer made
 * ready must not sleep through that poll. */
static void on_before_poll(uv_prepare_t *prepare)
{
    struct reactor *reactor = CONTAINER_OF(prepare, struct reactor, before_poll);
    if (!reactor->ready_first) {
        atomic_store(&reactor->sleeping, true);
        if (!atomic_load(&reactor->inbox)) {
            if (trace_is_on())
                trace_poll_begun();
            return;
        }
        atomic_store_explicit(&reactor->sleeping, false, memory_order_relaxed);
    }
    uv_stop(&reactor->loop);
}

void reactor_poll_ended(struct reactor *reactor)
{
    atomic_store_explicit(&reactor->sleeping, false, memory_order_relaxed);
    reactor->now_ns = clock_monotonic_ns();
    if (trace_is_on())
        trace_poll_ended();
}

static void on_bell(uv_async_t *bell)
{
    (void)bell; /* The inbox is drained at the start of the next pass. */
}

static void on_stop(struct reactor_message *message)
{
    struct reactor *reactor = CONTAINER_OF(message, struct reactor, stop_message);
    LIST_EACH(link, &reactor->live)
        task_cancel(LIST_ENTRY(link, struct task, live));
}

/* Nothing lives and nothing comes any more. */
static bool reactor_ended(struct reactor *reactor)
{
    struct reactor_message *empty = NULL;
    return atomic_load(&reactor->stopping) && list_empty(&reactor->live) &&
           atomic_compare_exchange_strong(&reactor->inbox, &empty, INBOX_CLOSED);
}

static void loop_run(struct reactor *reactor)
{
    for (;;) {
        atomic_fetch_add_explicit(&reactor->pass_count, 1, memory_order_relaxed);
        reactor->now_ns = clock_monotonic_ns();
        drain_inbox(reactor);
        run_ready(reactor);
        if (reactor_ended(reactor))
            return;
        uv_run(&reactor->loop, reactor->ready_first ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        reactor_callback_begins(reactor);
    }
}

static void loop_close(struct reactor *reactor)
{
    pthread_mutex_lock(&reactor->bell_guard);
    reactor->bell_open = false;
    pthread_mutex_unlock(&reactor->bell_guard);
    uv_close((uv_handle_t *)&reactor->bell, NULL);
    uv_close((uv_handle_t *)&reactor->before_poll, NULL);
    struct stack_slab *slabs = atomic_load_explicit(&reactor->stacks.slabs, memory_order_relaxed);
    for (struct stack_slab *slab = slabs; slab; slab = slab->next)
        for (unsigned i = 0; i < STACK_SLAB_COUNT; i++)
            if (slab->task[i]->timer_open) {
                slab->task[i]->timer_open = false;
                uv_close((uv_handle_t *)&slab->task[i]->timer, NULL);
            }
    uv_run(&reactor->loop, UV_RUN_NOWAIT);
    /* Fails if a task ended without closing its stream or listener. */
    ASSERT(uv_loop_close(&reactor->loop) == 0);
    while (reactor->idle_block_count)
        mem_free(reactor->idle_block[--reactor->idle_block_count]);
}

static void *thread_main(void *argument)
{
    struct reactor *reactor = argument;
    reactor_of_thread = reactor;
    trace_thread_is(TRACE_THREAD_REACTOR);
    atomic_store_explicit(&reactor->thread_id, gettid(), memory_order_relaxed);
    char name[16];
    copy_name(name, sizeof name, reactor->name);
    pthread_setname_np(pthread_self(), name);

    stack_t signal_stack = {.ss_sp = mem_realloc(NULL, SIGNAL_STACK_BYTES), .ss_size = SIGNAL_STACK_BYTES}, before;
    ASSERT(sigaltstack(&signal_stack, &before) == 0);
    loop_run(reactor);
    loop_close(reactor);
    ASSERT(sigaltstack(&before, NULL) == 0);
    mem_free(signal_stack.ss_sp);
    return NULL;
}

/* Start and end. */

static struct reactor *registry_take(void)
{
    pthread_mutex_lock(&registry_lock);
    struct reactor *reactor = registry_idle;
    if (reactor) {
        registry_idle = reactor->next_idle;
    } else {
        reactor = MEM_NEW(struct reactor);
        pthread_mutex_init(&reactor->bell_guard, NULL);
        reactor->next_registered = atomic_load(&reactor_registry);
        atomic_store(&reactor_registry, reactor);
    }
    pthread_mutex_unlock(&registry_lock);
    return reactor;
}

static void registry_give_back(struct reactor *reactor)
{
    reactor->name[0] = '\0';
    pthread_mutex_lock(&registry_lock);
    reactor->next_idle = registry_idle;
    registry_idle = reactor;
    pthread_mutex_unlock(&registry_lock);
}

static int loop_open(struct reactor *reactor)
{
    int rc = uv_loop_init(&reactor->loop);
    if (rc != 0)
        return rc;
    rc = uv_async_init(&reactor->loop, &reactor->bell, on_bell);
    if (rc != 0) {
        uv_loop_close(&reactor->loop);
        return rc;
    }
    reactor->bell_open = true;
    uv_prepare_init(&reactor->loop, &reactor->before_poll);
    uv_prepare_start(&reactor->before_poll, on_before_poll);
    return 0;
}

/* The thread must have this mask from its first instruction, so it is inherited. The main thread waits for the first
 * three; a write to a closed socket is an error code here, never a signal. The sampler's SIGPROF gets through. */
static int thread_start(struct reactor *reactor)
{
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int rc = -pthread_create(&reactor->thread, NULL, thread_main, reactor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int reactor_start(struct reactor **out, const struct reactor_options *options)
{
    overflow_handler_install();
    atomic_store(&probe_tasks, visit_tasks);
    atomic_store(&probe_task_count, visit_count);
    struct reactor *reactor = registry_take();
    copy_name(reactor->name, sizeof reactor->name, options->name);
    reactor->stacks.warm_max = options->idle_stacks_max ? options->idle_stacks_max : IDLE_STACKS_DEFAULT;
    reactor->stop_message.run = on_stop;
    list_init(&reactor->live);
    int rc = loop_open(reactor);
    if (rc != 0) {
        registry_give_back(reactor);
        return rc;
    }
    reactor->now_ns = clock_monotonic_ns();
    atomic_store(&reactor->stopping, false);
    atomic_store(&reactor->inbox, NULL);
    rc = thread_start(reactor);
    if (rc != 0) {
        atomic_store(&reactor->inbox, INBOX_CLOSED);
        loop_close(reactor);
        registry_give_back(reactor);
        return rc;
    }
    *out = reactor;
    return 0;
}

void reactor_stop(struct reactor *reactor)
{
    if (atomic_exchange(&reactor->stopping, true))
        return;
    /* Wakes it and cancels its tasks. Refused: it saw the flag when it had no task, and has ended by itself. */
    (void)!reactor_post(reactor, &reactor->stop_message);
}

void reactor_join(struct reactor *reactor)
{
    ASSERT(reactor_of_thread == NULL);
    pthread_join(reactor->thread, NULL);
    registry_give_back(reactor);
}
