/* malloc.c: stands in front of glibc's allocator, for this program and all its libraries.
 *
 * What is not sampled goes on to glibc by a jump: the file is compiled so that the way there needs no frame. A build
 * with sanitizers has their allocator, which nothing can stand in front of; there the linker puts these functions in
 * front of our own calls (--wrap), and libraries are not seen. */
#include "profiler/heap_hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef TAKHIN_WRAP_MALLOC
#define HOOK(name) __wrap_##name
#define REAL(name) __real_##name
size_t __real_malloc_usable_size(void *memory);
#else
#define HOOK(name) name
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *memory, size_t size);
void *REAL(memalign)(size_t alignment, size_t size);
void REAL(free)(void *memory);

void *HOOK(malloc)(size_t size);
void *HOOK(calloc)(size_t count, size_t size);
void *HOOK(realloc)(void *memory, size_t size);
void *HOOK(reallocarray)(void *memory, size_t count, size_t size);
void HOOK(free)(void *memory);
int HOOK(posix_memalign)(void **memory, size_t alignment, size_t size);
void *HOOK(aligned_alloc)(size_t alignment, size_t size);
void *HOOK(memalign)(size_t alignment, size_t size);
void *HOOK(valloc)(size_t size);
void *HOOK(pvalloc)(size_t size);
size_t HOOK(malloc_usable_size)(void *memory);

const bool heap_hook_is_linked = true;

/* Of the function that has it. What comes here by a jump has the caller of malloc for its own. */
#define FRAME __builtin_frame_address(0)

/* --- malloc, calloc, free --- */

static NOINLINE void *malloc_due(size_t size)
{
    void *memory = heap_sample(size, 0, false, FRAME);
    return memory ? memory : REAL(malloc)(size);
}

void *HOOK(malloc)(size_t size)
{
    return UNLIKELY(heap_is_due(size)) ? malloc_due(size) : REAL(malloc)(size);
}

static NOINLINE void *calloc_due(size_t count, size_t size)
{
    void *memory = heap_sample(count * size, 0, true, FRAME);
    return memory ? memory : REAL(calloc)(count, size);
}

void *HOOK(calloc)(size_t count, size_t size)
{
    size_t total;
    bool overflows = __builtin_mul_overflow(count, size, &total); /* then the other one says no */
    return !overflows && UNLIKELY(heap_is_due(total)) ? calloc_due(count, size) : REAL(calloc)(count, size);
}

void HOOK(free)(void *memory)
{
    if (UNLIKELY(heap_is_sampled(memory)))
        heap_release(memory);
    else
        REAL(free)(memory);
}

/* --- how large a block is --- */

#ifndef TAKHIN_WRAP_MALLOC
static size_t __libc_malloc_usable_size(void *memory)
{
    static _Atomic(void *) next; /* glibc has no other name for its own */
    void *function = atomic_load_explicit(&next, memory_order_acquire);
    if (!function) {
        function = dlsym(RTLD_NEXT, "malloc_usable_size");
        ASSERT(function);
        atomic_store_explicit(&next, function, memory_order_release);
    }
    size_t (*usable_size)(void *);
    memcpy(&usable_size, &function, sizeof usable_size);
    return usable_size(memory);
}

/* Before anything is sampled: realloc may be called by the loader, which is not to be asked for names then. */
static __attribute__((constructor)) void find_usable_size(void)
{
    (void)__libc_malloc_usable_size(NULL);
}
#endif

size_t HOOK(malloc_usable_size)(void *memory)
{
    return heap_is_sampled(memory) ? heap_size(memory) : REAL(malloc_usable_size)(memory);
}

/* --- realloc: in the profile, a free and an allocation --- */

static void move(void *to, const void *from, size_t held, size_t size)
{
    memcpy(to, from, held < size ? held : size);
}

/* A block that is not sampled and may have to become one. No more is copied than it holds: what it grows by may be
 * much, and never used. */
static NOINLINE void *realloc_due(void *memory, size_t size)
{
    void *sampled = heap_sample(size, 0, false, FRAME);
    if (!sampled)
        return REAL(realloc)(memory, size);
    if (memory) {
        move(sampled, memory, REAL(malloc_usable_size)(memory), size);
        REAL(free)(memory);
    }
    return sampled;
}

static NOINLINE void *realloc_sampled(void *memory, size_t size)
{
    void *moved = NULL;
    if (size > 0) {
        if (heap_is_due(size))
            moved = heap_sample(size, 0, false, FRAME);
        if (!moved)
            moved = REAL(malloc)(size);
        if (!moved)
            return NULL;
        move(moved, memory, heap_size(memory), size);
    }
    heap_release(memory);
    return moved;
}

void *HOOK(realloc)(void *memory, size_t size)
{
    if (UNLIKELY(heap_is_sampled(memory)))
        return realloc_sampled(memory, size);
    /* Of size 0 it is a free, as glibc's. */
    return (size > 0 || !memory) && heap_is_due(size) ? realloc_due(memory, size) : REAL(realloc)(memory, size);
}

void *HOOK(reallocarray)(void *memory, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return HOOK(realloc)(memory, total);
}

/* --- aligned --- */

static size_t power_of_two_from(size_t alignment)
{
    size_t power = 1;
    while (power < alignment)
        power <<= 1;
    return power;
}

static NOINLINE void *memalign_due(size_t alignment, size_t size)
{
    void *memory = alignment <= SIZE_MAX / 2 ? heap_sample(size, power_of_two_from(alignment), false, FRAME) : NULL;
    return memory ? memory : REAL(memalign)(alignment, size);
}

void *HOOK(memalign)(size_t alignment, size_t size)
{
    return UNLIKELY(heap_is_due(size)) ? memalign_due(alignment, size) : REAL(memalign)(alignment, size);
}

void *HOOK(aligned_alloc)(size_t alignment, size_t size)
{
    return UNLIKELY(heap_is_due(size)) ? memalign_due(alignment, size) : REAL(memalign)(alignment, size);
}

void *HOOK(valloc)(size_t size)
{
    return HOOK(memalign)((size_t)getpagesize(), size);
}

void *HOOK(pvalloc)(size_t size)
{
    size_t page = (size_t)getpagesize(), rounded;
    if (__builtin_add_overflow(size, page - 1, &rounded)) {
        errno = ENOMEM;
        return NULL;
    }
    return HOOK(memalign)(page, rounded & ~(page - 1));
}

int HOOK(posix_memalign)(void **memory, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    int saved_errno = errno;
    void *allocated = heap_is_due(size) ? heap_sample(size, alignment, false, FRAME) : NULL;
    if (!allocated)
        allocated = REAL(memalign)(alignment, size);
    errno = saved_errno;
    if (!allocated)
        return ENOMEM;
    *memory = allocated;
    return 0;
}
