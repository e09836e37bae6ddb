/* heap_chunks.c: free runs in lists: warm ones by when they were freed, clean ones by length, grown together. */
#include "profiler/heap_chunks.h"

#include <pthread.h>
#include <sys/mman.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define PAGE_BYTES ((size_t)4096)

/* Below this much a range is not worth having. */
#define RANGE_MIN ((size_t)16 << 20)

/* Pages become usable in steps: each is a system call, and all that is usable counts as data (ulimit -d). */
#define COMMIT_CHUNKS 64u

/* Free runs of chunks by the logarithm of their length. */
#define BIN_COUNT 24
/* How many runs a search looks at in a list where not all fit. */
#define SEARCH_MAX 16

static struct {
    pthread_mutex_t lock;
    uintptr_t base;
    struct heap_chunk *chunks; /* one for each chunk of the range */
    uint32_t chunk_count, committed, top; /* from `top` on none was ever used */
    struct list dirty;                    /* the last one freed first */
    struct list clean[BIN_COUNT];
    uint64_t touched_bytes, dirty_bytes;
} range = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* This thread forks, and has the lock. */
static _Thread_local bool is_forking;

void heap_chunks_lock(void)
{
    if (!is_forking)
        pthread_mutex_lock(&range.lock);
}

void heap_chunks_unlock(void)
{
    if (!is_forking)
        pthread_mutex_unlock(&range.lock);
}

static void before_fork(void)
{
    pthread_mutex_lock(&range.lock);
    is_forking = true;
}

static void after_fork(void)
{
    is_forking = false;
    pthread_mutex_unlock(&range.lock);
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
    size_t table_bytes = round_up(range_bytes / HEAP_CHUNK_BYTES * sizeof(struct heap_chunk), HEAP_CHUNK_BYTES);
    range.chunks = reserve(table_bytes + range_bytes + HEAP_CHUNK_BYTES);
    range.chunk_count = (uint32_t)(range_bytes / HEAP_CHUNK_BYTES);
    range.base = round_up((uintptr_t)range.chunks + table_bytes, HEAP_CHUNK_BYTES);
    return range.chunks != NULL;
}

bool heap_chunks_reserve(size_t range_bytes, uintptr_t *base, size_t *size)
{
    ASSERT(!range.chunks);
    while (range_bytes >= RANGE_MIN && !reserve_range(range_bytes))
        range_bytes /= 2;
    if (!range.chunks)
        return false;
    for (unsigned i = 0; i < BIN_COUNT; i++)
        list_init(&range.clean[i]);
    list_init(&range.dirty);
    look_for_pointers_in(range.base, range_bytes);
    pthread_atfork(before_fork, after_fork, after_fork);
    *base = range.base;
    *size = range_bytes;
    return true;
}

static uint32_t index_of(const struct heap_chunk *chunk)
{
    return (uint32_t)(chunk - range.chunks);
}

struct heap_chunk *heap_chunk_of(const void *memory)
{
    size_t index = ((uintptr_t)memory - range.base) / HEAP_CHUNK_BYTES;
    return index < range.top ? &range.chunks[index] : NULL;
}

/* --- runs of chunks; the lock is held --- */

static unsigned bin_of(uint32_t count)
{
    return 31 - (unsigned)__builtin_clz(count);
}

static void take_clean(struct heap_chunk *first)
{
    list_remove(&first->link);
    first[first->count - 1].state = CHUNK_INNER;
    first->state = CHUNK_INNER;
}

static void put_clean(struct heap_chunk *first, uint32_t count)
{
    struct heap_chunk *behind = first + count;
    if (index_of(behind) < range.top && behind->state == CHUNK_CLEAN) {
        count += behind->count;
        take_clean(behind);
    }
    if (first > range.chunks && first[-1].state == CHUNK_CLEAN) {
        struct heap_chunk *before = first - first[-1].count;
        count += before->count;
        take_clean(before);
        first = before;
    }
    first->state = first[count - 1].state = CHUNK_CLEAN;
    first->count = first[count - 1].count = count;
    list_prepend(&range.clean[bin_of(count)], &first->link);
}

static struct heap_chunk *find_clean(uint32_t count)
{
    unsigned bin = bin_of(count), looked = 0;
    LIST_EACH(link, &range.clean[bin]) { /* not all of these are long enough */
        struct heap_chunk *first = LIST_ENTRY(link, struct heap_chunk, link);
        if (first->count >= count)
            return first;
        if (++looked == SEARCH_MAX)
            break;
    }
    while (++bin < BIN_COUNT) {
        if (!list_empty(&range.clean[bin]))
            return LIST_ENTRY(range.clean[bin].next, struct heap_chunk, link);
    }
    return NULL;
}

/* Chunks that were never used. */
static struct heap_chunk *extend(uint32_t count)
{
    if (range.chunk_count - range.top < count)
        return NULL;
    if (range.committed - range.top < count) {
        uint32_t committed = range.top + count + COMMIT_CHUNKS;
        if (committed > range.chunk_count)
            committed = range.chunk_count;
        if (!make_usable((uintptr_t)&range.chunks[range.committed], (uintptr_t)&range.chunks[committed]) ||
            !make_usable(range.base + range.committed * HEAP_CHUNK_BYTES, range.base + committed * HEAP_CHUNK_BYTES))
            return NULL;
        range.committed = committed;
    }
    struct heap_chunk *first = &range.chunks[range.top];
    range.top += count;
    return first;
}

/* A warm run that is long enough and not much too long: what it is too long by is address space, not memory. */
static struct heap_chunk *find_dirty(uint32_t count)
{
    unsigned looked = 0;
    LIST_EACH(link, &range.dirty) {
        struct heap_chunk *first = LIST_ENTRY(link, struct heap_chunk, link);
        if (first->count >= count && first->count <= count + count / 8)
            return first;
        if (++looked == SEARCH_MAX)
            break;
    }
    return NULL;
}

struct heap_chunk *heap_run_take(size_t chunk_count)
{
    if (chunk_count > range.chunk_count)
        return NULL;
    uint32_t count = (uint32_t)chunk_count;
    struct heap_chunk *first = find_dirty(count);
    if (first) {
        list_remove(&first->link);
        range.dirty_bytes -= first->touched_bytes;
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
    first->memory = (char *)range.base + index_of(first) * HEAP_CHUNK_BYTES;
    first->touched_bytes = first->touched_pages = 0;
    list_init(&first->link);
    return first;
}

void heap_run_touch(struct heap_chunk *run, size_t start, size_t size)
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
        range.touched_bytes += touched_bytes - run->touched_bytes;
        run->touched_bytes = touched_bytes;
    }
}

void heap_run_put(struct heap_chunk *first)
{
    first->state = CHUNK_DIRTY;
    range.dirty_bytes += first->touched_bytes;
    list_prepend(&range.dirty, &first->link);
}

void heap_chunks_take_excess(struct list *excess, uint64_t warm_max_bytes)
{
    list_init(excess);
    while (range.dirty_bytes > warm_max_bytes) {
        struct heap_chunk *coldest = LIST_ENTRY(range.dirty.previous, struct heap_chunk, link);
        list_remove(&coldest->link);
        coldest->state = CHUNK_INNER;
        range.dirty_bytes -= coldest->touched_bytes;
        list_append(excess, &coldest->link);
    }
}

void heap_chunks_give_back(struct list *excess)
{
    if (list_empty(excess))
        return;
    LIST_EACH(link, excess) {
        const struct heap_chunk *first = LIST_ENTRY(link, struct heap_chunk, link);
        (void)madvise(first->memory, first->count * HEAP_CHUNK_BYTES, MADV_DONTNEED);
    }
    heap_chunks_lock();
    LIST_EACH_SAFE(link, excess) {
        struct heap_chunk *first = LIST_ENTRY(link, struct heap_chunk, link);
        list_remove(link);
        range.touched_bytes -= first->touched_bytes;
        put_clean(first, first->count);
    }
    heap_chunks_unlock();
}

struct heap_chunks_stats heap_chunks_stats(void)
{
    return (struct heap_chunks_stats){
        .held_bytes = range.touched_bytes + range.top * sizeof(struct heap_chunk),
        .free_bytes = range.dirty_bytes,
    };
}
