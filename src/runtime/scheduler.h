/* scheduler.h: the structs of reactor and task, shared by the files of this folder and by nobody else. */
#ifndef RUNTIME_SCHEDULER_H
#define RUNTIME_SCHEDULER_H

#include "base/list.h"
#include "base/trace.h"
#include "runtime/context.h"
#include "runtime/reactor.h"
#include "runtime/stack.h"
#include "runtime/task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <uv.h>

#define TASK_NAME_SIZE 32
#define REACTOR_NAME_SIZE 32
/* Read buffers of streams; see stream.c. */
#define BLOCK_SIZE_BYTES ((size_t)64 * 1024)
#define BLOCK_IDLE_MAX 8

/* In the low byte of task->state. */
#define TASK_IDLE WAIT_REASON_COUNT
#define OFFLOAD_QUEUED UINT64_MAX

/* Who started a task. */
struct task_creator {
    uint64_t id;  /* of the task that did; 0: none */
    uintptr_t pc; /* the return address of that call */
};

/* Another thread has written down in the trace that it wakes a task, or that it has done its work. */
struct task_wake {
    uint64_t ticks; /* 0: it has not, as it leaves no records */
    uintptr_t where;
    uint32_t session; /* of the recording (base/trace.h): the others hold in that one only */
};

/* Lives at the top of its own stack. */
struct task {
    /* Constant. */
    struct reactor *reactor;

    /* Written by the reactor's thread, read by any. A count of all changes, and in the low byte an enum wait_reason:
     * WAIT_NONE: runs. WAIT_READY: in the run queue. TASK_IDLE: no task lives here. Else parked. What else a look from
     * another thread reads of a task changes only while it runs or is idle, so whoever finds this unchanged after the
     * look has seen one state; see visit.c. */
    _Atomic uint64_t state;
    _Atomic uint64_t taken_up_ns; /* when a thread took up the offloaded work; OFFLOAD_QUEUED: none has yet */

    /* Any thread. */
    atomic_bool canceled;
    atomic_bool wake_posted; /* wake_message is in the reactor's inbox */
    struct reactor_message wake_message;
    struct task_wake wake_posted_at; /* of who set wake_posted, until wake_message is delivered */

    /* The reactor's thread only. */
    struct context context;
    struct task *next;       /* in the run queue, or idle in the pool */
    struct list live;        /* in reactor->live */
    bool permit;
    bool timed_out;
    bool ended;
    bool timer_open;
    uint64_t since_ns; /* when it got into this state, by the reactor's clock */
    uint64_t since_ticks; /* the same by the trace's clock, if since_session is that of the recording that is on */
    uint32_t since_session;
    bool work_ended; /* then, so it is parked, but has been able to run since */
    uv_timer_t timer;  /* opened by the first wait with a timeout, closed with the loop */
    _Atomic uint64_t id; /* written by the reactor's thread, read by who wakes it, perhaps too late */
    struct task_creator creator;
    void (*run)(void *argument);
    void *argument;
    struct label_set labels;
    char name[TASK_NAME_SIZE];
};

/* Never freed: an ended one waits for the next reactor_start, so that a late task_unpark finds what it touches. */
struct reactor {
    /* Constant while it runs. */
    char name[REACTOR_NAME_SIZE];
    pthread_t thread;
    struct reactor *next_registered; /* see reactor_registry */
    struct reactor *next_idle;       /* while it has ended */

    /* Any thread. */
    _Atomic(struct reactor_message *) inbox; /* newest first; INBOX_CLOSED once the thread is about to end */
    atomic_bool sleeping;                    /* in (or about to enter) the poll: a message must ring */
    atomic_bool stopping;
    atomic_uint task_count;
    _Atomic uint64_t lag_ns, pass_count;
    /* How long its tasks waited while a recording was on (wait_times.h); written by its own thread. */
    _Atomic uint64_t parked_ticks[WAIT_REASON_COUNT], runnable_ticks;
    atomic_int thread_id;       /* as gettid says */
    pthread_mutex_t bell_guard; /* bell and bell_open: nobody may ring what is closed */
    uv_async_t bell;
    bool bell_open;

    /* The reactor's thread only. */
    uv_loop_t loop;
    uv_prepare_t before_poll;
    uint64_t now_ns; /* read a few times a pass: good enough for since-times and the lag */
    struct task *ready_first, *ready_last;
    struct list live;
    struct stack_pool stacks;
    struct reactor_message stop_message;
    void *idle_block[BLOCK_IDLE_MAX];
    unsigned idle_block_count;
};

/* All reactors that ever were, newest first, by next_registered; tools/gdb/takhin_tasks.py starts here. */
extern struct reactor *_Atomic reactor_registry;

/* The reactor of this thread, NULL elsewhere: reactor_self() without the call. */
extern _Thread_local struct reactor *reactor_of_thread __attribute__((tls_model("local-exec")));

/* Each thread's stores and loads keep their order across this. ThreadSanitizer knows no fences, and the reads that need
 * it are hidden from it. */
static inline void memory_fence(void)
{
#if CONTEXT_TSAN
    atomic_signal_fence(memory_order_acq_rel);
#else
    atomic_thread_fence(memory_order_acq_rel);
#endif
}

static inline unsigned task_reason(const struct task *task)
{
    return (unsigned)(atomic_load_explicit(&task->state, memory_order_relaxed) & 0xff);
}

/* By the owning thread, so the count needs no locked instruction. What was written before belongs to the new state at
 * the latest, what is written after to no earlier one. */
static inline void task_set_reason(struct task *task, unsigned reason)
{
    task->since_ns = task->reactor->now_ns;
    uint64_t state = atomic_load_explicit(&task->state, memory_order_relaxed);
    atomic_store_explicit(&task->state, ((state >> 8) + 1) << 8 | reason, memory_order_release);
    memory_fence();
}

/* A name that fits; what is too much of it is cut. */
static inline void copy_name(char *to, size_t capacity, const char *from)
{
    size_t size = strnlen(from, capacity - 1);
    memcpy(to, from, size);
    to[size] = '\0';
}

/* Fill in a struct that never held a task. */
void task_init(struct task *task, struct reactor *reactor);
/* Start a task, whether or not the reactor stops; it is then born cancelled. [loop] [task] */
struct task *task_start(struct reactor *reactor, const char *name, void (*run)(void *argument), void *argument,
                        const struct task_creator *creator);
/* Give the permit through the run queue. [loop] [task] */
void task_wake(struct task *task);
/* As task_unpark; where: what the trace tells of who wakes it. [any] */
void task_unpark_from(struct task *task, uintptr_t where);
/* Give the permit and run the task right here, on top of the libuv callback that this is the last statement of: the
 * bytes that were just read are still in the cache. What the caller held may be gone on return. [loop] */
void task_resume(struct task *task);

/* When a wait of timeout_ms that starts now is over; TIMEOUT_NEVER stays what it is. [task] */
uint64_t task_deadline(uint64_t timeout_ms);
/* As task_park, for waits that go on after a spurious wake. [task] */
int task_park_until(enum wait_reason reason, uint64_t deadline);
/* As task_park_uncancelable, for a wait that began at start_ns, as the probe sink will be told; 0: it begins now. */
void task_park_from(enum wait_reason reason, uint64_t start_ns);

/* Put a task at the end of the run queue; its reason is the caller's to set. [loop] [task] */
void reactor_enqueue(struct reactor *reactor, struct task *task);
/* Switch to a task until it parks or ends; the trace knows already that it starts. [loop] */
void reactor_run_task(struct reactor *reactor, struct task *task);
/* In the poll, a callback begins: from here on messages are seen without the bell. [loop] */
void reactor_poll_ended(struct reactor *reactor);
static inline void reactor_callback_begins(struct reactor *reactor)
{
    if (atomic_load_explicit(&reactor->sleeping, memory_order_relaxed))
        reactor_poll_ended(reactor);
}
/* BLOCK_SIZE_BYTES of memory with no particular content, the warmest first. [loop] [task] */
void *reactor_block_acquire(struct reactor *reactor);
void reactor_block_release(struct reactor *reactor, void *block);

/* What a task's life leaves in the trace, one call for each change of its state, before the change; call them only
 * while trace_is_on(). [loop] [task] */
void task_trace_created(struct task *task);
void task_trace_started(struct task *task, bool at_once);
void task_trace_resumed(struct task *task, uintptr_t where);
void task_trace_left(struct task *task, enum wait_reason reason, const void *frame);
void task_trace_woken(struct task *task, uintptr_t where);
void task_trace_ended(const struct task *task);
/* The thread that worked for it wrote down then that it has ended; the task is about to be resumed. */
void task_trace_work_ended(struct task *task, struct task_wake end);
/* A wake by another thread is written down there, by who set wake_posted. Delivered to a parked task it is so once
 * more, if the first time was before the park or before the recording, or the other thread leaves no records. */
void task_trace_wake_posted(struct task *task, uintptr_t where); /* [any] */
void task_trace_wake_delivered(struct task *task, struct task_wake wake);

/* probe_tasks and probe_task_count of base/probe.h. [any] */
struct probe_visitor;
void visit_tasks(const struct probe_visitor *visitor);
uint64_t visit_count(void);

#endif
