/* stack_bounds.c: the task's bounds, which the runtime tells, and the thread's own, which are found out. */
#include "profiler/stack_bounds.h"

#include "base/probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Pages of a thread's own stack that one call may make sure of. */
#define PROBE_PAGES_MAX 512
#define PAGE_BYTES 4096u

extern void *__libc_stack_end; /* the loader's: where the main thread's stack began */

/* This thread's own stack; 0: not found out yet. It is known to be readable from own_low up. */
static _Thread_local volatile uintptr_t own_low, own_high;

/* A page that can be read: the kernel reads the signal set before it finds that -1 is no way to apply it. */
static bool is_readable(uintptr_t page)
{
    return syscall(SYS_rt_sigprocmask, -1, page, NULL, sizeof(uint64_t)) == -1 && errno != EFAULT;
}

/* Whether all between this address and the top of the thread's own stack can be read. Pages are asked for once, from
 * the top down; the answer holds as long as the thread lives. It says no for a stack pointer on any other stack below,
 * as a guard page lies between. */
static bool own_stack_reaches(uintptr_t address)
{
    for (unsigned i = 0; address < own_low; i++) {
        uintptr_t page = (own_low - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
        if (i == PROBE_PAGES_MAX || !is_readable(page))
            return false;
        own_low = page;
    }
    return true;
}

/* glibc puts a thread's control block, which is what pthread_self points at, at the top of its stack. */
static void find_own_stack(void)
{
    bool is_main_thread = syscall(SYS_gettid) == getpid();
    own_low = is_main_thread ? (uintptr_t)__libc_stack_end : (uintptr_t)pthread_self();
    own_high = own_low;
}

uintptr_t stack_bounds_high(uintptr_t address)
{
    uintptr_t low = probe_execution.stack_low, high = probe_execution.stack_high;
    if (address >= low && address < high)
        return high;
    int saved_errno = errno;
    if (own_high == 0)
        find_own_stack();
    high = address < own_high && own_stack_reaches(address) ? own_high : 0;
    errno = saved_errno;
    return high;
}
