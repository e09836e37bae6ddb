/* scheduler.h: the structs of reactor and task, shared by the files of this folder and by nobody else. */
#ifndef RUNTIME_SCHEDULER_H
#define RUNTIME_SCHEDULER_H

#include "base/list.h"
#include "runtime/context.h"
#include "runtime/reactor.h"
#include "runtime/stack.h"
#include "runtime/task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <uv.h>

#define TASK_NAME_SIZE 32
/* Read buffers of streams; see stream.c. */
#define BLOCK_SIZE_BYTES ((size_t)64 * 1024)
#define BLOCK_IDLE_MAX 8

/* Lives at the top of its own stack. */
struct task {
    /* Constant. */
    struct reactor *reactor;

    /* Any thread. */
    atomic_bool canceled;
    atomic_bool wake_posted; /* wake_message is in the reactor's inbox */
    struct reactor_message wake_message;

    /* The reactor's thread only. */
    struct context context;
    struct task *next;       /* in the run queue, or idle in the pool */
    struct list live;        /* in reactor->live */
    enum wait_reason reason; /* WAIT_NONE: runs, or is idle. WAIT_READY: in the run queue. Else parked */
    bool permit;
    bool timed_out;
    bool ended;
    bool timer_open;
    uint64_t since_ns; /* when it got this reason, by the reactor's clock */
    uv_timer_t timer;  /* opened by the first wait with a timeout, closed with the loop */
    uint64_t id;
    void (*run)(void *argument);
    void *argument;
    struct label_set labels;
    char name[TASK_NAME_SIZE];
};

/* Never freed: an ended one waits for the next reactor_start, so that a late task_unpark finds what it touches. */
struct reactor {
    /* Constant while it runs. */
    char *name;
    pthread_t thread;
    struct reactor *next_registered; /* see reactor_registry */
    struct reactor *next_idle;       /* while it has ended */

    /* Any thread. */
    _Atomic(struct reactor_message *) inbox; /* newest first; INBOX_CLOSED once the thread is about to end */
    atomic_bool sleeping;                    /* in (or about to enter) the poll: a message must ring */
    atomic_bool stopping;
    atomic_uint task_count;
    _Atomic uint64_t lag_ns, pass_count;
    _Atomic(struct task *) current; /* who runs; written by the reactor's thread only */
    pthread_mutex_t bell_guard;     /* bell and bell_open: nobody may ring what is closed */
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

/* All reactors that ever were, newest first; tools/gdb/takhin_tasks.py starts here. Guarded by a lock in reactor.c;
 * a debugger needs none. */
extern struct reactor *reactor_registry;

/* The reactor of this thread, NULL elsewhere: reactor_self() without the call. */
extern _Thread_local struct reactor *reactor_of_thread;

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
struct task *task_start(struct reactor *reactor, const char *name, void (*run)(void *argument), void *argument);
/* Give the permit through the run queue. [loop] [task] */
void task_wake(struct task *task);
/* Give the permit and run the task right here, on top of the libuv callback that this is the last statement of: the
 * bytes that were just read are still in the cache. What the caller held may be gone on return. [loop] */
void task_resume(struct task *task);

/* When a wait of timeout_ms that starts now is over; TIMEOUT_NEVER stays what it is. [task] */
uint64_t task_deadline(uint64_t timeout_ms);
/* As task_park, for waits that go on after a spurious wake. [task] */
int task_park_until(enum wait_reason reason, uint64_t deadline);

/* Put a task at the end of the run queue. [loop] [task] */
void reactor_enqueue(struct reactor *reactor, struct task *task);
/* Switch to a task until it parks or ends. [loop] */
void reactor_run_task(struct reactor *reactor, struct task *task);
/* BLOCK_SIZE_BYTES of memory with no particular content, the warmest first. [loop] [task] */
void *reactor_block_acquire(struct reactor *reactor);
void reactor_block_release(struct reactor *reactor, void *block);

#endif
