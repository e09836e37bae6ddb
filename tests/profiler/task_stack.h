/* task_stack.h: a stack as tasks have them: memory of its own between guard pages, entered by a switch. */
#ifndef TESTS_PROFILER_TASK_STACK_H
#define TESTS_PROFILER_TASK_STACK_H

#include "base/check.h"
#include "base/probe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define TASK_STACK_BYTES ((size_t)256 * 1024)

/* Returns when the body does; it is told where its stack is, or is not. */
static NOINLINE void run_on_task_stack(void (*body)(void), bool tells_bounds)
{
    static ucontext_t thread_context, task_context;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *memory = mmap(NULL, TASK_STACK_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT(memory != MAP_FAILED);
    uint8_t *stack = memory + page;
    ASSERT(mprotect(stack, TASK_STACK_BYTES, PROT_READ | PROT_WRITE) == 0);
    getcontext(&task_context);
    task_context.uc_stack.ss_sp = stack;
    task_context.uc_stack.ss_size = TASK_STACK_BYTES;
    task_context.uc_link = &thread_context;
    makecontext(&task_context, body, 0);
    if (tells_bounds) {
        probe_execution.stack_low = (uintptr_t)stack;
        probe_execution.stack_high = (uintptr_t)stack + TASK_STACK_BYTES;
    }
    swapcontext(&thread_context, &task_context);
    probe_execution.stack_low = probe_execution.stack_high = 0;
    munmap(memory, TASK_STACK_BYTES + 2 * page);
}

#endif
