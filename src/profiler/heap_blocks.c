/* heap_blocks.c: small blocks are slots of a chunk, all of one size; larger ones are runs of chunks. */
#include "profiler/heap_blocks.h"

#include "base/list.h"
#include "profiler/heap_chunks.h"
#include "profiler/stack_records.h"

/* Sizes of slots: multiples of 16 up to 128, then eight to each doubling. */
#define SMALL_MAX ((size_t)8192)
#define CLASS_COUNT (8 + 6 * 8)

/* Behind the slots of a chunk, one for each: what is remembered, or (record NULL) the next free slot in `size`. */
#define NO_SLOT UINT32_MAX

/* By the lock of the chunks. */
static struct {
    struct list partial[CLASS_COUNT]; /* CHUNK_SLOTS with a free slot */
    uint64_t used_bytes, allocated_count;
} heap;

bool heap_blocks_reserve(size_t range_bytes, uintptr_t *base, size_t *size)
{
    if (!heap_chunks_reserve(range_bytes, base, size))
        return false;
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        list_init(&heap.partial[i]);
    return true;
}

/* --- slots; the lock is held --- */

static unsigned log2_of(size_t size) /* rounded down */
{
    return 63 - (unsigned)__builtin_clzl(size);
}

static size_t slot_bytes_for(size_t size)
{
    size_t unit = size <= 128 ? 16 : (size_t)1 << (log2_of(size - 1) - 3);
    return (size + unit - 1) & ~(unit - 1);
}

static unsigned class_of(size_t slot_bytes)
{
    if (slot_bytes <= 128)
        return (unsigned)(slot_bytes / 16 - 1);
    unsigned doubling = log2_of(slot_bytes - 1);
    return 8 + (doubling - 7) * 8 + (unsigned)((slot_bytes - 1 - ((size_t)1 << doubling)) >> (doubling - 3));
}

static struct heap_block *block_of(const struct heap_chunk *chunk, uint32_t slot)
{
    struct heap_block *end = (struct heap_block *)(chunk->memory + HEAP_CHUNK_BYTES);
    return end - chunk->slot_count + slot;
}

static struct heap_chunk *slots_create(size_t slot_bytes, unsigned class)
{
    struct heap_chunk *chunk = heap_run_take(1);
    if (!chunk)
        return NULL;
    chunk->state = CHUNK_SLOTS;
    chunk->slot_bytes = (uint32_t)slot_bytes;
    chunk->slot_count = (uint32_t)(HEAP_CHUNK_BYTES / (slot_bytes + sizeof(struct heap_block)));
    chunk->used = chunk->fresh = 0;
    chunk->first_free = NO_SLOT;
    chunk->class = class;
    list_prepend(&heap.partial[class], &chunk->link);
    return chunk;
}

static void *slot_take(size_t slot_bytes, const struct heap_block *block)
{
    unsigned class = class_of(slot_bytes);
    struct list *partial = &heap.partial[class];
    struct heap_chunk *chunk = list_empty(partial) ? slots_create(slot_bytes, class)
                                                   : LIST_ENTRY(partial->next, struct heap_chunk, link);
    if (!chunk)
        return NULL;
    uint32_t slot = chunk->first_free;
    if (slot == NO_SLOT) {
        slot = chunk->fresh++;
        heap_run_touch(chunk, slot * slot_bytes, slot_bytes);
        heap_run_touch(chunk, HEAP_CHUNK_BYTES - (chunk->slot_count - slot) * sizeof *block, sizeof *block);
    } else {
        chunk->first_free = (uint32_t)block_of(chunk, slot)->size;
    }
    if (++chunk->used == chunk->slot_count)
        list_remove(&chunk->link);
    *block_of(chunk, slot) = *block;
    return chunk->memory + (size_t)slot * slot_bytes;
}

static void slot_put(struct heap_chunk *chunk, uint32_t slot)
{
    *block_of(chunk, slot) = (struct heap_block){.size = chunk->first_free};
    chunk->first_free = slot;
    if (chunk->used-- == chunk->slot_count)
        list_prepend(&heap.partial[chunk->class], &chunk->link);
    if (chunk->used == 0) {
        list_remove(&chunk->link);
        heap_run_put(chunk);
    }
}

static void *large_take(const struct heap_block *block, bool *is_zero)
{
    struct heap_chunk *first = heap_run_take(block->size / HEAP_CHUNK_BYTES + 1);
    if (!first)
        return NULL;
    *is_zero = first->touched_bytes == 0;
    first->state = CHUNK_LARGE;
    first->block = *block;
    heap_run_touch(first, 0, block->size);
    return first->memory;
}

/* NULL: no block begins at this address. *slot is set for a slot. */
static struct heap_block *find_block(struct heap_chunk *chunk, const void *memory, uint32_t *slot)
{
    if (!chunk || (chunk->state != CHUNK_SLOTS && chunk->state != CHUNK_LARGE))
        return NULL;
    size_t offset = (size_t)((const char *)memory - chunk->memory);
    if (chunk->state == CHUNK_LARGE)
        return offset == 0 ? &chunk->block : NULL;
    if (offset % chunk->slot_bytes != 0)
        return NULL;
    *slot = (uint32_t)(offset / chunk->slot_bytes);
    if (*slot >= chunk->fresh)
        return NULL;
    struct heap_block *block = block_of(chunk, *slot);
    return block->record ? block : NULL;
}

/* --- blocks --- */

/* Nobody else adds to it, as the lock is held: so not atomically, which would take longer. */
static void add(_Atomic uint64_t *value, uint64_t more)
{
    uint64_t sum = atomic_load_explicit(value, memory_order_relaxed) + more;
    atomic_store_explicit(value, sum, memory_order_release);
}

static uint64_t weighed_bytes(const struct heap_block *block)
{
    return (uint64_t)(((unsigned __int128)block->size * block->weight + HEAP_WEIGHT_ONE / 2) >> HEAP_WEIGHT_BITS);
}

/* Slots of a power of two are aligned to it, as chunks are to 64 KiB. */
static size_t slot_bytes_aligned(size_t size, size_t alignment)
{
    if (alignment <= 16)
        return slot_bytes_for(size > 0 ? size : 1);
    size_t larger = size > alignment ? size : alignment;
    return (size_t)1 << (log2_of(larger - 1) + 1);
}

void *heap_blocks_allocate(const struct heap_block *block, size_t alignment, bool *is_zero)
{
    *is_zero = false;
    if (alignment > HEAP_CHUNK_BYTES)
        return NULL;
    bool is_small = block->size <= SMALL_MAX && alignment <= SMALL_MAX;
    heap_chunks_lock();
    void *memory = is_small ? slot_take(slot_bytes_aligned(block->size, alignment), block)
                            : large_take(block, is_zero);
    if (memory) {
        heap.allocated_count++;
        heap.used_bytes += block->size;
        add(&block->record->values[HEAP_ALLOCATED_WEIGHT], block->weight);
        add(&block->record->values[HEAP_ALLOCATED_BYTES], weighed_bytes(block));
    }
    heap_chunks_unlock();
    return memory;
}

bool heap_blocks_free(void *memory)
{
    struct list excess;
    uint32_t slot = 0;
    heap_chunks_lock();
    struct heap_chunk *chunk = heap_chunk_of(memory);
    const struct heap_block *block = find_block(chunk, memory, &slot);
    if (!block) {
        heap_chunks_unlock();
        return false;
    }
    heap.used_bytes -= block->size;
    add(&block->record->values[HEAP_FREED_WEIGHT], block->weight);
    add(&block->record->values[HEAP_FREED_BYTES], weighed_bytes(block));
    if (chunk->state == CHUNK_SLOTS)
        slot_put(chunk, slot);
    else
        heap_run_put(chunk);
    heap_chunks_take_excess(&excess, HEAP_DIRTY_MAX);
    heap_chunks_unlock();
    heap_chunks_give_back(&excess);
    return true;
}

size_t heap_blocks_size(const void *memory)
{
    uint32_t slot;
    heap_chunks_lock();
    const struct heap_block *block = find_block(heap_chunk_of(memory), memory, &slot);
    size_t size = block ? block->size : SIZE_MAX;
    heap_chunks_unlock();
    ASSERT(size != SIZE_MAX);
    return size;
}

void heap_blocks_trim(void)
{
    struct list excess;
    heap_chunks_lock();
    heap_chunks_take_excess(&excess, 0);
    heap_chunks_unlock();
    heap_chunks_give_back(&excess);
}

struct heap_blocks_stats heap_blocks_stats(void)
{
    heap_chunks_lock();
    struct heap_chunks_stats chunks = heap_chunks_stats();
    struct heap_blocks_stats stats = {
        .allocated_count = heap.allocated_count,
        .held_bytes = chunks.held_bytes,
        .free_bytes = chunks.free_bytes,
        .used_bytes = heap.used_bytes,
    };
    heap_chunks_unlock();
    return stats;
}
