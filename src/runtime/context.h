/* context.h: the one place where the stack changes: a reactor enters a task, the task leaves to its reactor.
 *
 * Only these two directions exist; a task never jumps to another task. */
#ifndef RUNTIME_CONTEXT_H
#define RUNTIME_CONTEXT_H

#include "base/check.h"
#include "base/probe.h"

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

#if CONTEXT_ASAN
#include <sanitizer/common_interface_defs.h>
#define CONTEXT_ASAN_START(save, low, size) __sanitizer_start_switch_fiber(save, low, size)
#define CONTEXT_ASAN_FINISH(save, low, size) __sanitizer_finish_switch_fiber(save, low, size)
#else
#define CONTEXT_ASAN_START(save, low, size) ((void)0)
#define CONTEXT_ASAN_FINISH(save, low, size) ((void)0)
#endif

#if CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#define CONTEXT_TSAN_SWITCH(fiber) __tsan_switch_to_fiber(fiber, 0)
#else
#define CONTEXT_TSAN_SWITCH(fiber) ((void)0)
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
/* Task to reactor, for good. */
NORETURN void context_finish(struct context *context);

/* boost/context/detail/fcontext.hpp, as C sees it. */
struct context_transfer {
    void *from; /* where the side that jumped here will go on */
    void *data;
};
struct context_transfer jump_fcontext(void *to, void *data);

/* The two switches are inlined, as after one the processor mispredicts each return: of two functions less, a wake and
 * wait takes a fifth less time. */

/* Reactor to task; returns when the task leaves or finishes. */
static ALWAYS_INLINE void context_enter(struct context *context)
{
#if CONTEXT_TSAN
    context->reactor_fiber = __tsan_get_current_fiber();
#endif
    CONTEXT_ASAN_START(&context->reactor_fake_stack, (void *)context->low, context->high - context->low);
    CONTEXT_TSAN_SWITCH(context->task_fiber);
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    context->other = jump_fcontext(context->other, context).from;
    probe_execution.switch_frame = 0;
    CONTEXT_ASAN_FINISH(context->reactor_fake_stack, NULL, NULL);
}

/* Task to reactor; returns when the reactor enters again. */
static ALWAYS_INLINE void context_leave(struct context *context)
{
    CONTEXT_ASAN_START(&context->task_fake_stack, context->reactor_stack_low, context->reactor_stack_size);
    CONTEXT_TSAN_SWITCH(context->reactor_fiber);
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    context->other = jump_fcontext(context->other, NULL).from;
    probe_execution.switch_frame = 0;
    CONTEXT_ASAN_FINISH(context->task_fake_stack, &context->reactor_stack_low, &context->reactor_stack_size);
}

#endif
