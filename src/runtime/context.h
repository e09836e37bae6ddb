/* context.h: the one place where the stack changes: a reactor enters a task, the task leaves to its reactor.
 *
 * Only these two directions exist; a task never jumps to another task. */
#ifndef RUNTIME_CONTEXT_H
#define RUNTIME_CONTEXT_H

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define CONTEXT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CONTEXT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONTEXT_TSAN 1
#endif
#endif
#ifndef CONTEXT_ASAN
#define CONTEXT_ASAN 0
#endif
#ifndef CONTEXT_TSAN
#define CONTEXT_TSAN 0
#endif

struct context {
    void *other;          /* where the side that does not run now will go on */
    void *parked_frame;   /* frame address of who called context_leave last (who sets this); NULL before the first */
    uintptr_t low, high;  /* the stack, without its guard */
    void (*entry)(void *argument);
    void *argument;
    /* What the sanitizers must be told; unused without them. */
    void *task_fake_stack, *reactor_fake_stack;
    const void *reactor_stack_low;
    size_t reactor_stack_size;
    void *task_fiber, *reactor_fiber;
};

/* Once for each stack, which stays mapped for ever. */
void context_init(struct context *context, uintptr_t low, uintptr_t high);
/* The next context_enter calls entry(argument) at the top of the stack; it must end in context_finish. */
void context_prepare(struct context *context, void (*entry)(void *argument), void *argument);
/* Reactor to task; returns when the task leaves or finishes. */
void context_enter(struct context *context);
/* Task to reactor; returns when the reactor enters again. */
void context_leave(struct context *context);
/* Task to reactor, for good. */
NORETURN void context_finish(struct context *context);

#endif
