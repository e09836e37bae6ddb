/* heap_blocks.c: chunks of the range: in use, free and warm ("dirty"), free and given back ("clean"). */
#include "profiler/heap_blocks.h"

#include "base/list.h"
#include "profiler/stack_records.h"

#include <pthread.h>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define CHUNK_BYTES ((size_t)64 << 10)
#define PAGE_BYTES ((size_t)4096)

/* Below this much a range is not worth having. */
#define RANGE_MIN ((size_t)16 << 20)

/* Pages become usable in steps: each is a system call, and all that is usable counts as data (ulimit -d). */
#define COMMIT_CHUNKS 64u

/* Sizes of slots: multiples of 16 up to 128, then eight to each doubling. */
#define SMALL_MAX ((size_t)8192)
#define CLASS_COUNT (8 + 6 * 8)

/* Free runs of chunks by the logarithm of their length. */
#define BIN_COUNT 24
/* How many runs a search looks at in a list where not all fit. */
#define SEARCH_MAX 16

enum chunk_state {
    CHUNK_INNER, /* of a run, but its first: means nothing. Or never used */
    CHUNK_SLOTS, /* cut into slots */
    CHUNK_LARGE, /* the first of a run that is one block */
    CHUNK_DIRTY, /* the first of a free run */
    CHUNK_CLEAN, /* the first, and the last, of a free run whose pages were given back, or never used */
};

struct chunk {
    enum chunk_state state;
    uint32_t count;         /* of chunks in the run */
    struct list link;       /* in `partial`, `dirty` or `clean` */
    uint64_t touched_bytes; /* in whole pages: what may be resident */
    uint16_t touched_pages; /* which ones, of a run of one chunk; a longer one is touched from the front only */
    struct heap_block block; /* of CHUNK_LARGE */
    /* Of CHUNK_SLOTS. Slots from `fresh` on were never used; free ones before that are chained. */
    uint32_t slot_bytes, slot_count, used, fresh, first_free, class;
};

/* Behind the slots of a chunk, one for each: what is remembered, or (record NULL) the next free slot in `size`. */
#define NO_SLOT UINT32_MAX

static struct {
    pthread_mutex_t lock;
    uintptr_t base;
    struct chunk *chunks; /* one for each chunk of the range */
    uint32_t chunk_count, committed, top; /* from `top` on none was ever used */
    struct list partial[CLASS_COUNT];     /* CHUNK_SLOTS with a free slot */
    struct list dirty;                    /* the last one freed first */
    struct list clean[BIN_COUNT];
    uint64_t touched_bytes, dirty_bytes, used_bytes, allocated_count;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* This thread forks, and has the lock. */
static _Thread_local bool is_forking;

static void lock(void)
{
    if (!is_forking)
        pthread_mutex_lock(&heap.lock);
}

static void unlock(void)
{
    if (!is_forking)
        pthread_mutex_unlock(&heap.lock);
}

static void before_fork(void)
{
    pthread_mutex_lock(&heap.lock);
    is_forking = true;
}

static void after_fork(void)
{
    is_forking = false;
    pthread_mutex_unlock(&heap.lock);
}

/* --- the range --- */

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static bool make_usable(uintptr_t start, uintptr_t end)
{
    start &= ~(PAGE_BYTES - 1);
    end = round_up(end, PAGE_BYTES);
    return mprotect((void *)start, end - start, PROT_READ | PROT_WRITE) == 0;
}

/* The leak checker of a build with sanitizers knows its own heap only. */
static void look_for_pointers_in(uintptr_t base, size_t size)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_register_root_region((void *)base, size);
#else
    (void)base, (void)size;
#endif
}

/* Addresses that nothing is mapped at yet; NULL: there are not so many. */
static void *reserve(size_t size)
{
    void *reserved = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return NULL;
    /* A huge page for each sample would be a lot of memory. */
    (void)madvise(reserved, size, MADV_NOHUGEPAGE);
    return reserved;
}

/* The table first, then the range, whose chunks are aligned to their size. */
static bool reserve_range(size_t range_bytes)
{
    size_t table_bytes = round_up(range_bytes / CHUNK_BYTES * sizeof(struct chunk), CHUNK_BYTES);
    heap.chunks = reserve(table_bytes + range_bytes + CHUNK_BYTES);
    heap.chunk_count = (uint32_t)(range_bytes / CHUNK_BYTES);
    heap.base = round_up((uintptr_t)heap.chunks + table_bytes, CHUNK_BYTES);
    return heap.chunks != NULL;
}

bool heap_blocks_reserve(size_t range_bytes, uintptr_t *base, size_t *size)
{
    ASSERT(!heap.chunks);
    while (range_bytes >= RANGE_MIN && !reserve_range(range_bytes))
        range_bytes /= 2;
    if (!heap.chunks)
        return false;
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        list_init(&heap.partial[i]);
    for (unsigned i = 0; i < BIN_COUNT; i++)
        list_init(&heap.clean[i]);
    list_init(&heap.dirty);
    look_for_pointers_in(heap.base, range_bytes);
    pthread_atfork(before_fork, after_fork, after_fork);
    *base = heap.base;
    *size = range_bytes;
    return true;
}

static uint32_t index_of(const struct chunk *chunk)
{
    return (uint32_t)(chunk - heap.chunks);
}

static char *memory_of(const struct chunk *chunk)
{
    return (char *)heap.base + index_of(chunk) * CHUNK_BYTES;
}

static struct chunk *chunk_of(const void *memory)
{
    return &heap.chunks[((uintptr_t)memory - heap.base) / CHUNK_BYTES];
}

/* --- runs of chunks; the lock is held --- */

static unsigned bin_of(uint32_t count)
{
    return 31 - (unsigned)__builtin_clz(count);
}

static void take_clean(struct chunk *first)
{
    list_remove(&first->link);
    first[first->count - 1].state = CHUNK_INNER;
    first->state = CHUNK_INNER;
}

static void put_clean(struct chunk *first, uint32_t count)
{
    struct chunk *behind = first + count;
    if (index_of(behind) < heap.top && behind->state == CHUNK_CLEAN) {
        count += behind->count;
        take_clean(behind);
    }
    if (first > heap.chunks && first[-1].state == CHUNK_CLEAN) {
        struct chunk *before = first - first[-1].count;
        count += before->count;
        take_clean(before);
        first = before;
    }
    first->state = first[count - 1].state = CHUNK_CLEAN;
    first->count = first[count - 1].count = count;
    list_prepend(&heap.clean[bin_of(count)], &first->link);
}

static struct chunk *find_clean(uint32_t count)
{
    unsigned bin = bin_of(count), looked = 0;
    LIST_EACH(link, &heap.clean[bin]) { /* not all of these are long enough */
        struct chunk *first = LIST_ENTRY(link, struct chunk, link);
        if (first->count >= count)
            return first;
        if (++looked == SEARCH_MAX)
            break;
    }
    while (++bin < BIN_COUNT) {
        if (!list_empty(&heap.clean[bin]))
            return LIST_ENTRY(heap.clean[bin].next, struct chunk, link);
    }
    return NULL;
}

/* Chunks that were never used. */
static struct chunk *extend(uint32_t count)
{
    if (heap.chunk_count - heap.top < count)
        return NULL;
    if (heap.committed - heap.top < count) {
        uint32_t committed = heap.top + count + COMMIT_CHUNKS;
        if (committed > heap.chunk_count)
            committed = heap.chunk_count;
        if (!make_usable((uintptr_t)&heap.chunks[heap.committed], (uintptr_t)&heap.chunks[committed]) ||
            !make_usable(heap.base + heap.committed * CHUNK_BYTES, heap.base + committed * CHUNK_BYTES))
            return NULL;
        heap.committed = committed;
    }
    struct chunk *first = &heap.chunks[heap.top];
    heap.top += count;
    return first;
}

/* A warm run that is long enough and not much too long: what it is too long by is address space, not memory. */
static struct chunk *find_dirty(uint32_t count)
{
    unsigned looked = 0;
    LIST_EACH(link, &heap.dirty) {
        struct chunk *first = LIST_ENTRY(link, struct chunk, link);
        if (first->count >= count && first->count <= count + count / 8)
            return first;
        if (++looked == SEARCH_MAX)
            break;
    }
    return NULL;
}

static struct chunk *run_take(uint32_t count)
{
    struct chunk *first = find_dirty(count);
    if (first) {
        list_remove(&first->link);
        heap.dirty_bytes -= first->touched_bytes;
        return first;
    }
    first = find_clean(count);
    if (first) {
        uint32_t all = first->count;
        take_clean(first);
        if (all > count)
            put_clean(first + count, all - count);
    } else {
        first = extend(count);
        if (!first)
            return NULL;
    }
    first->count = count;
    first->touched_bytes = first->touched_pages = 0;
    list_init(&first->link);
    return first;
}

/* These bytes of a run are about to be used. */
static void run_touch(struct chunk *run, size_t start, size_t size)
{
    if (size == 0)
        return;
    size_t end_page = (start + size - 1) / PAGE_BYTES + 1;
    uint64_t touched_bytes = end_page * PAGE_BYTES;
    if (run->count == 1) {
        unsigned pages = run->touched_pages | ((1u << end_page) - (1u << start / PAGE_BYTES));
        if (pages == run->touched_pages)
            return;
        run->touched_pages = (uint16_t)pages;
        touched_bytes = (unsigned)__builtin_popcount(pages) * PAGE_BYTES;
    }
    if (touched_bytes > run->touched_bytes) {
        heap.touched_bytes += touched_bytes - run->touched_bytes;
        run->touched_bytes = touched_bytes;
    }
}

static void run_put(struct chunk *first)
{
    first->state = CHUNK_DIRTY;
    heap.dirty_bytes += first->touched_bytes;
    list_prepend(&heap.dirty, &first->link);
}

/* Move the coldest free runs to `excess`, until no more than `max_bytes` stay warm. */
static void take_excess(struct list *excess, uint64_t max_bytes)
{
    list_init(excess);
    while (heap.dirty_bytes > max_bytes) {
        struct chunk *coldest = LIST_ENTRY(heap.dirty.previous, struct chunk, link);
        list_remove(&coldest->link);
        coldest->state = CHUNK_INNER;
        heap.dirty_bytes -= coldest->touched_bytes;
        list_append(excess, &coldest->link);
    }
}

/* Without the lock: giving pages back takes a while. Then lock, and the runs can be used again. */
static void give_back(struct list *excess)
{
    if (list_empty(excess))
        return;
    LIST_EACH(link, excess) {
        const struct chunk *first = LIST_ENTRY(link, struct chunk, link);
        (void)madvise(memory_of(first), first->count * CHUNK_BYTES, MADV_DONTNEED);
    }
    lock();
    LIST_EACH_SAFE(link, excess) {
        struct chunk *first = LIST_ENTRY(link, struct chunk, link);
        list_remove(link);
        heap.touched_bytes -= first->touched_bytes;
        put_clean(first, first->count);
    }
    unlock();
}

/* --- slots; the lock is held --- */

static unsigned log2_of(size_t size) /* rounded down */
{
    return 63 - (unsigned)__builtin_clzl(size);
}

static size_t slot_bytes_for(size_t size)
{
    return round_up(size, size <= 128 ? 16 : (size_t)1 << (log2_of(size - 1) - 3));
}

static unsigned class_of(size_t slot_bytes)
{
    if (slot_bytes <= 128)
        return (unsigned)(slot_bytes / 16 - 1);
    unsigned doubling = log2_of(slot_bytes - 1);
    return 8 + (doubling - 7) * 8 + (unsigned)((slot_bytes - 1 - ((size_t)1 << doubling)) >> (doubling - 3));
}

static struct heap_block *block_of(const struct chunk *chunk, uint32_t slot)
{
    struct heap_block *end = (struct heap_block *)(memory_of(chunk) + CHUNK_BYTES);
    return end - chunk->slot_count + slot;
}

static struct chunk *slots_create(size_t slot_bytes, unsigned class)
{
    struct chunk *chunk = run_take(1);
    if (!chunk)
        return NULL;
    chunk->state = CHUNK_SLOTS;
    chunk->slot_bytes = (uint32_t)slot_bytes;
    chunk->slot_count = (uint32_t)(CHUNK_BYTES / (slot_bytes + sizeof(struct heap_block)));
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
    struct chunk *chunk = list_empty(partial) ? slots_create(slot_bytes, class)
                                              : LIST_ENTRY(partial->next, struct chunk, link);
    if (!chunk)
        return NULL;
    uint32_t slot = chunk->first_free;
    if (slot == NO_SLOT) {
        slot = chunk->fresh++;
        run_touch(chunk, slot * slot_bytes, slot_bytes);
        run_touch(chunk, CHUNK_BYTES - (chunk->slot_count - slot) * sizeof *block, sizeof *block);
    } else {
        chunk->first_free = (uint32_t)block_of(chunk, slot)->size;
    }
    if (++chunk->used == chunk->slot_count)
        list_remove(&chunk->link);
    *block_of(chunk, slot) = *block;
    return memory_of(chunk) + (size_t)slot * slot_bytes;
}

static void slot_put(struct chunk *chunk, uint32_t slot)
{
    *block_of(chunk, slot) = (struct heap_block){.size = chunk->first_free};
    chunk->first_free = slot;
    if (chunk->used-- == chunk->slot_count)
        list_prepend(&heap.partial[chunk->class], &chunk->link);
    if (chunk->used == 0) {
        list_remove(&chunk->link);
        run_put(chunk);
    }
}

static void *large_take(const struct heap_block *block, bool *is_zero)
{
    struct chunk *first = run_take((uint32_t)(block->size / CHUNK_BYTES + 1));
    if (!first)
        return NULL;
    *is_zero = first->touched_bytes == 0;
    first->state = CHUNK_LARGE;
    first->block = *block;
    run_touch(first, 0, block->size);
    return memory_of(first);
}

/* NULL: no block begins at this address. *slot is set for a slot. */
static struct heap_block *find_block(const void *memory, uint32_t *slot)
{
    struct chunk *chunk = chunk_of(memory);
    if (index_of(chunk) >= heap.top)
        return NULL;
    size_t offset = (size_t)((const char *)memory - memory_of(chunk));
    if (chunk->state == CHUNK_LARGE)
        return offset == 0 ? &chunk->block : NULL;
    if (chunk->state != CHUNK_SLOTS || offset % chunk->slot_bytes != 0)
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
    if (alignment > CHUNK_BYTES || block->size > (size_t)heap.chunk_count * CHUNK_BYTES)
        return NULL;
    bool is_small = block->size <= SMALL_MAX && alignment <= SMALL_MAX;
    lock();
    void *memory = is_small ? slot_take(slot_bytes_aligned(block->size, alignment), block)
                            : large_take(block, is_zero);
    if (memory) {
        heap.allocated_count++;
        heap.used_bytes += block->size;
        add(&block->record->values[HEAP_ALLOCATED_WEIGHT], block->weight);
        add(&block->record->values[HEAP_ALLOCATED_BYTES], weighed_bytes(block));
    }
    unlock();
    return memory;
}

bool heap_blocks_free(void *memory)
{
    struct list excess;
    uint32_t slot = 0;
    lock();
    const struct heap_block *block = find_block(memory, &slot);
    if (!block) {
        unlock();
        return false;
    }
    heap.used_bytes -= block->size;
    add(&block->record->values[HEAP_FREED_WEIGHT], block->weight);
    add(&block->record->values[HEAP_FREED_BYTES], weighed_bytes(block));
    struct chunk *chunk = chunk_of(memory);
    if (chunk->state == CHUNK_SLOTS)
        slot_put(chunk, slot);
    else
        run_put(chunk);
    take_excess(&excess, HEAP_DIRTY_MAX);
    unlock();
    give_back(&excess);
    return true;
}

size_t heap_blocks_size(const void *memory)
{
    uint32_t slot;
    lock();
    const struct heap_block *block = find_block(memory, &slot);
    size_t size = block ? block->size : SIZE_MAX;
    unlock();
    ASSERT(size != SIZE_MAX);
    return size;
}

void heap_blocks_trim(void)
{
    if (!heap.chunks)
        return;
    struct list excess;
    lock();
    take_excess(&excess, 0);
    unlock();
    give_back(&excess);
}

struct heap_blocks_stats heap_blocks_stats(void)
{
    lock();
    struct heap_blocks_stats stats = {
        .allocated_count = heap.allocated_count,
        .held_bytes = heap.touched_bytes + heap.top * sizeof(struct chunk),
        .free_bytes = heap.dirty_bytes,
        .used_bytes = heap.used_bytes,
    };
    unlock();
    return stats;
}
