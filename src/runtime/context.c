/* context.c: where a task's stack begins and ends, for Boost.Context's fcontext, debuggers, sanitizers and profiler. */
#include "runtime/context.h"

#include "base/probe.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

/* A function that never returns must not count itself on TSan's shadow stack: the fiber outlives thousands of tasks. */
#if defined(__clang__)
#define NEVER_RETURNS __attribute__((noinline, no_sanitize("thread")))
#else
#define NEVER_RETURNS __attribute__((noinline, no_sanitize_thread))
#endif

/* boost/context/detail/fcontext.hpp, as C sees it. */
void *make_fcontext(void *stack_top, size_t size, void (*entry)(struct context_transfer transfer));

static NEVER_RETURNS void context_start(struct context_transfer transfer)
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
    CONTEXT_ASAN_FINISH(NULL, &context->reactor_stack_low, &context->reactor_stack_size);
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

NEVER_RETURNS void context_finish(struct context *context)
{
    CONTEXT_ASAN_START(NULL, context->reactor_stack_low, context->reactor_stack_size);
    CONTEXT_TSAN_SWITCH(context->reactor_fiber);
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    jump_fcontext(context->other, NULL);
    __builtin_unreachable();
}
