/* stack.c: maps, guards, colours, pools and trims the stacks of tasks. */
#include "runtime/stack.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/context.h"
#include "runtime/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Linux 6.13: a guard that is no mapping of its own. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* The tops of stacks are spread over so many cache lines; all at one page offset would share a few sets of the first
 * cache, which made a ring of 1000 tasks twice as slow. */
#define COLOUR_COUNT 32
#define COLOUR_BYTES 64

/* The mprotect form splits the mapping: two more mappings a stack, so that vm.max_map_count is the limit. */
static int guard_install(void *page)
{
    if (madvise(page, STACK_GUARD_BYTES, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(page, STACK_GUARD_BYTES, PROT_NONE) == 0 ? 0 : -errno;
}

NORETURN static void stacks_exhausted(const struct stack_pool *pool, int rc)
{
    log_error("no memory for another task's stack (see vm.max_map_count) tasks=%u error=%s",
              pool->slab_count * STACK_SLAB_COUNT, error_text(rc));
    abort();
}

static void slab_create(struct stack_pool *pool, struct reactor *reactor)
{
    size_t size = STACK_SLAB_COUNT * STACK_SIZE_BYTES;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
                        -1, 0);
    if (memory == MAP_FAILED)
        stacks_exhausted(pool, -errno);
    /* One touched page of a huge one would cost 2 MiB. Kernels without huge pages refuse the advice; so be it. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);

    struct stack_slab *slab = MEM_NEW(struct stack_slab);
    for (unsigned i = STACK_SLAB_COUNT; i-- > 0;) {
        char *low = memory + i * STACK_SIZE_BYTES;
        int rc = guard_install(low);
        if (rc != 0)
            stacks_exhausted(pool, rc);
        size_t task_size = (sizeof(struct task) + 63) / 64 * 64;
        char *top = low + STACK_SIZE_BYTES - task_size - i % COLOUR_COUNT * COLOUR_BYTES;
        struct task *task = (struct task *)top;
        task_init(task, reactor);
        context_init(&task->context, (uintptr_t)low + STACK_GUARD_BYTES, (uintptr_t)top);
        slab->task[i] = task;
        task->next = pool->cold;
        pool->cold = task;
    }
    slab->next = atomic_load_explicit(&pool->slabs, memory_order_relaxed);
    atomic_store_explicit(&pool->slabs, slab, memory_order_release);
    pool->slab_count++;
}

static struct task *pop(struct task **list)
{
    struct task *task = *list;
    *list = task->next;
    task->next = NULL;
    return task;
}

struct task *stack_acquire(struct stack_pool *pool, struct reactor *reactor)
{
    if (pool->warm) {
        pool->warm_count--;
        return pop(&pool->warm);
    }
    if (!pool->cold)
        slab_create(pool, reactor);
    return pop(&pool->cold);
}

void stack_release(struct stack_pool *pool, struct task *task)
{
    struct task **list = &pool->warm;
    if (pool->warm_count < pool->warm_max) {
        pool->warm_count++;
    } else {
        /* All but the page of the struct. MADV_FREE would be cheaper, but then the resident size tells a lie. */
        uintptr_t end = (uintptr_t)task & ~(STACK_GUARD_BYTES - 1);
        (void)madvise((void *)task->context.low, end - task->context.low, MADV_DONTNEED);
        list = &pool->cold;
    }
    task->next = *list;
    *list = task;
}
