/* heap_chunks.h: the range of addresses that sampled blocks live in, handed out in runs of chunks.
 *
 * A run is in use, or free and still warm ("dirty"), or free and given back to the system ("clean"). One lock for all
 * of it, also for what is made of the runs in use; whoever forks holds it, so that the child finds all in order. It is
 * held by whoever calls these functions, where nothing else is said. [any] */
#ifndef PROFILER_HEAP_CHUNKS_H
#define PROFILER_HEAP_CHUNKS_H

#include "base/check.h"
#include "base/list.h"
#include "profiler/heap_blocks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_CHUNK_BYTES ((size_t)64 << 10)

enum heap_chunk_state {
    CHUNK_INNER, /* of a run, but its first: means nothing. Or never used */
    CHUNK_SLOTS, /* cut into slots */
    CHUNK_LARGE, /* the first of a run that is one block */
    CHUNK_DIRTY, /* the first of a free run */
    CHUNK_CLEAN, /* the first, and the last, of a free run whose pages were given back, or never used */
};

struct heap_chunk {
    enum heap_chunk_state state; /* of a run that was taken: for its owner to set */
    uint32_t count;              /* of chunks in the run */
    struct list link;            /* of a run in use: its owner's */
    char *memory;                /* of a run that was taken: where it begins */
    uint64_t touched_bytes;      /* in whole pages: what may be resident */
    uint16_t touched_pages;      /* which ones, of a run of one chunk; a longer one is touched from the front only */
    struct heap_block block;     /* of CHUNK_LARGE */
    /* Of CHUNK_SLOTS. Slots from `fresh` on were never used; free ones before that are chained. */
    uint32_t slot_bytes, slot_count, used, fresh, first_free, class;
};

/* As heap_blocks_reserve. Without the lock. */
bool heap_chunks_reserve(size_t range_bytes, uintptr_t *base, size_t *size) MUST_USE;
void heap_chunks_lock(void);
void heap_chunks_unlock(void);

/* The chunk of an address in the range. NULL: it was never used. */
struct heap_chunk *heap_chunk_of(const void *memory);

/* A run of so many chunks or a few more; what was not touched in it is zeros. NULL: there is no room. */
struct heap_chunk *heap_run_take(size_t count) MUST_USE;
/* These bytes of it are about to be used: any of a single chunk, the first ones of a longer run. */
void heap_run_touch(struct heap_chunk *run, size_t start, size_t size);
void heap_run_put(struct heap_chunk *run);

/* Giving pages back takes a while. So: with the lock, move the coldest free runs to `excess`, until no more than
 * `warm_max_bytes` stay warm; then, without it, give those back. */
void heap_chunks_take_excess(struct list *excess, uint64_t warm_max_bytes);
void heap_chunks_give_back(struct list *excess);

/* What is resident, used or not, and what of it is in free runs. */
struct heap_chunks_stats {
    uint64_t held_bytes, free_bytes;
};
struct heap_chunks_stats heap_chunks_stats(void);

#endif
