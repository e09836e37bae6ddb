/* heap_hook.h: what stands in every malloc and free: is this allocation due for a sample, is this block a sampled one?
 *
 * Included by interpose/malloc.c; heap.h is for everybody else. [any] */
#ifndef PROFILER_HEAP_HOOK_H
#define PROFILER_HEAP_HOOK_H

#include "base/check.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read by every thread, written when a rate changes. Hidden, so that no table of addresses stands in between. */
struct heap_gate {
    alignas(64) _Atomic uint32_t generation; /* of the rate; 0: sampling is off */
    _Atomic uintptr_t range_base;            /* where sampled blocks are, once there can be any */
    _Atomic size_t range_size;
};
extern struct heap_gate heap_gate __attribute__((visibility("hidden")));

/* A thread's way to its next sample. Local-exec: our code is linked into programs only. */
struct heap_thread {
    uint64_t bytes_left; /* the allocation that holds the last one of these is due; 0 at first, so that one asks */
    uint32_t generation; /* of the rate that bytes_left was drawn with */
    bool is_sampling;    /* and what it allocates meanwhile is the sampler's own */
    int64_t rate;
    uint64_t random;
    uint32_t sample_count;
};
extern _Thread_local struct heap_thread heap_thread __attribute__((visibility("hidden"), tls_model("local-exec")));

/* Whether to ask heap_sample. The same straight way whether sampling is on or off (then the next sample is out of
 * reach): to tell one from the other would take a jump, which costs more than the subtraction. */
static inline bool heap_is_due(size_t size)
{
    uint32_t generation = atomic_load_explicit(&heap_gate.generation, memory_order_relaxed);
    if (UNLIKELY(heap_thread.generation != generation || size >= heap_thread.bytes_left))
        return true;
    heap_thread.bytes_left -= size;
    return false;
}

/* Whether a block is heap_release's to free. */
static inline bool heap_is_sampled(const void *memory)
{
    /* The size first: where it is known, the base is too. */
    size_t size = atomic_load_explicit(&heap_gate.range_size, memory_order_acquire);
    return (uintptr_t)memory - atomic_load_explicit(&heap_gate.range_base, memory_order_relaxed) < size;
}

/* A sampled block, of what heap_is_due found. NULL: it is the ordinary allocator's after all. alignment: a power of
 * two; 0: malloc's. frame: of the hook, whose caller is the one that allocates. */
void *heap_sample(size_t size, size_t alignment, bool is_zeroed, const void *frame);
/* Free a sampled block. What is not one, such as a block that was freed before, ends the process. errno stays. */
void heap_release(void *memory);
/* The size of a sampled block, as it was asked for. */
size_t heap_size(const void *memory);

/* Defined where the hook is linked in. */
extern const bool heap_hook_is_linked __attribute__((weak));

#endif
