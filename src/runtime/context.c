/* context.c: Boost.Context's fcontext, and what debuggers, sanitizers and the profiler must know of each switch. */
#include "runtime/context.h"

#include "base/probe.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

#if CONTEXT_ASAN
#include <sanitizer/common_interface_defs.h>
#define ASAN_START(save, low, size) __sanitizer_start_switch_fiber(save, low, size)
#define ASAN_FINISH(save, low, size) __sanitizer_finish_switch_fiber(save, low, size)
#else
#define ASAN_START(save, low, size) ((void)0)
#define ASAN_FINISH(save, low, size) ((void)0)
#endif

#if CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#define TSAN_SWITCH(fiber) __tsan_switch_to_fiber(fiber, 0)
#else
#define TSAN_SWITCH(fiber) ((void)0)
#endif

/* A function that never returns must not count itself on TSan's shadow stack: the fiber outlives thousands of tasks. */
#if defined(__clang__)
#define NEVER_RETURNS __attribute__((noinline, no_sanitize("thread")))
#else
#define NEVER_RETURNS __attribute__((noinline, no_sanitize_thread))
#endif

/* boost/context/detail/fcontext.hpp, as C sees it. */
struct transfer {
    void *from; /* where the side that jumped here will go on */
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t size, void (*entry)(struct transfer transfer));

static NEVER_RETURNS void context_start(struct transfer transfer)
{
    /* Ends every unwind by table here; below this frame there is only Boost's trampoline, which has none. */
#if defined(__x86_64__)
    __asm__(".cfi_undefined rip");
#elif defined(__aarch64__)
    __asm__(".cfi_undefined x30");
#endif
    /* And every walk by frame pointer: the trampoline leaves junk in this record, and nobody returns through it. */
    volatile uintptr_t *frame_record = __builtin_frame_address(0);
    frame_record[0] = frame_record[1] = 0;
    probe_execution.switch_frame = 0;

    struct context *context = transfer.data;
    context->other = transfer.from;
    ASAN_FINISH(NULL, &context->reactor_stack_low, &context->reactor_stack_size);
    context->entry(context->argument);
    context_finish(context);
}

void context_init(struct context *context, uintptr_t low, uintptr_t high)
{
    *context = (struct context){.low = low, .high = high};
#ifdef VALGRIND_STACK_REGISTER
    VALGRIND_STACK_REGISTER(low, high);
#endif
#if CONTEXT_TSAN
    /* With the stack and not with the task: creating a fiber costs far more than a task does. */
    context->task_fiber = __tsan_create_fiber(0);
#endif
}

void context_prepare(struct context *context, void (*entry)(void *argument), void *argument)
{
    context->entry = entry;
    context->argument = argument;
    context->parked_frame = NULL;
    context->task_fake_stack = NULL;
    context->other = make_fcontext((void *)context->high, context->high - context->low, context_start);
}

NOINLINE void context_enter(struct context *context)
{
#if CONTEXT_TSAN
    context->reactor_fiber = __tsan_get_current_fiber();
#endif
    ASAN_START(&context->reactor_fake_stack, (void *)context->low, context->high - context->low);
    TSAN_SWITCH(context->task_fiber);
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    context->other = jump_fcontext(context->other, context).from;
    probe_execution.switch_frame = 0;
    ASAN_FINISH(context->reactor_fake_stack, NULL, NULL);
}

NOINLINE void context_leave(struct context *context)
{
    ASAN_START(&context->task_fake_stack, context->reactor_stack_low, context->reactor_stack_size);
    TSAN_SWITCH(context->reactor_fiber);
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    context->other = jump_fcontext(context->other, NULL).from;
    probe_execution.switch_frame = 0;
    ASAN_FINISH(context->task_fake_stack, &context->reactor_stack_low, &context->reactor_stack_size);
}

NEVER_RETURNS void context_finish(struct context *context)
{
    ASAN_START(NULL, context->reactor_stack_low, context->reactor_stack_size);
    TSAN_SWITCH(context->reactor_fiber);
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    jump_fcontext(context->other, NULL);
    __builtin_unreachable();
}
