/* heap_blocks.h: an allocator whose blocks all lie in one range of addresses: the home of sampled allocations.
 *
 * Small blocks are slots of 64 KiB chunks, one size in each; a larger one has chunks of its own, of which only the
 * pages that it needs are ever touched. What is free is used again while it is warm, and given back to the system
 * beyond HEAP_DIRTY_MAX. One lock, held for some hundred ns, and by whoever forks, so that the child finds all in
 * order. [any] */
#ifndef PROFILER_HEAP_BLOCKS_H
#define PROFILER_HEAP_BLOCKS_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack_record;

/* How many allocations of its size a sampled one stands for, in units of 1/HEAP_WEIGHT_ONE. An integer, so that what is
 * freed takes away exactly what it brought. */
#define HEAP_WEIGHT_BITS 16
#define HEAP_WEIGHT_ONE ((uint64_t)1 << HEAP_WEIGHT_BITS)

/* Values of a record, kept by heap_blocks_allocate and _free. A reader takes what was freed first, so it never finds
 * more of that than was allocated. */
enum { HEAP_FREED_WEIGHT, HEAP_FREED_BYTES, HEAP_ALLOCATED_WEIGHT, HEAP_ALLOCATED_BYTES };

/* Free memory that stays resident, at most. */
#define HEAP_DIRTY_MAX ((uint64_t)16 << 20)

/* What is remembered of a block. */
struct heap_block {
    struct stack_record *record; /* never NULL */
    size_t size;                 /* as it was asked for */
    uint64_t weight;
};

/* Reserve the range: this much, or less where there is not so much address space. A power of two. False: there is none.
 * Once. */
bool heap_blocks_reserve(size_t range_bytes, uintptr_t *base, size_t *size) MUST_USE;

/* `alignment`: a power of two; 0: as malloc's. *is_zero: the memory is. NULL: there is no room. */
void *heap_blocks_allocate(const struct heap_block *block, size_t alignment, bool *is_zero) MUST_USE;
/* False: there is no block at this address. */
bool heap_blocks_free(void *memory) MUST_USE;
/* The size of a block, by whoever may free it. */
size_t heap_blocks_size(const void *memory);

/* Give all free pages back to the system. */
void heap_blocks_trim(void);
struct heap_blocks_stats {
    uint64_t allocated_count; /* blocks, since the beginning */
    uint64_t held_bytes; /* resident, used or not */
    uint64_t free_bytes; /* of them not in use */
    uint64_t used_bytes; /* of them in blocks, as they were asked for */
};
struct heap_blocks_stats heap_blocks_stats(void);

#endif
