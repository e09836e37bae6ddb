/* reactor.h: one thread, one libuv loop, and the tasks that run there.
 *
 * A reactor is started by any thread and runs on a thread of its own until it is stopped and its last task has
 * ended. Its tasks never leave it, so what only they touch needs no lock. */
#ifndef RUNTIME_REACTOR_H
#define RUNTIME_REACTOR_H

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct reactor;

struct reactor_options {
    const char *name;         /* also the thread's name; 31 characters are kept, 15 reach the kernel */
    unsigned idle_stacks_max; /* stacks kept warm for reuse; 0: the default of 1000 */
};

/* Start a thread with a loop. Negative: libuv's code. [any] */
int reactor_start(struct reactor **reactor, const struct reactor_options *options) MUST_USE;
/* Ask all its tasks to end: each is cancelled, and new ones are refused. Returns at once. [any] */
void reactor_stop(struct reactor *reactor);
/* Wait for the thread to end after reactor_stop, then free. Not from a task. */
void reactor_join(struct reactor *reactor);

const char *reactor_name(const struct reactor *reactor);
/* The reactor whose thread this is; NULL on other threads. [any] */
struct reactor *reactor_self(void);
/* Tasks that live on it now, for a metric or a test. [any] */
unsigned reactor_task_count(const struct reactor *reactor);
/* How busy the loop is: nanoseconds from when the oldest task of the last batch became ready to the end of that batch,
 * which no task of the batch has waited longer than. [any] */
uint64_t reactor_lag_ns(const struct reactor *reactor);
/* A number that grows at each pass of the loop: if it stands still while tasks are ready, the loop hangs. [any] */
uint64_t reactor_pass_count(const struct reactor *reactor);

/* Start a task there. ERR_CLOSED after reactor_stop (run is then never called). [any] */
int reactor_spawn(struct reactor *reactor, const char *name, void (*run)(void *argument), void *argument) MUST_USE;

/* Run `run(message)` on the reactor's thread, between tasks; it must not park. The message is the caller's until
 * then, and must not be posted again before it ran. ERR_CLOSED once the reactor has stopped. [any] */
struct reactor_message {
    void (*run)(struct reactor_message *message);
    struct reactor_message *next; /* the reactor's */
};
int reactor_post(struct reactor *reactor, struct reactor_message *message) MUST_USE;

#endif
