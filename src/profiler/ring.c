/* ring.c: each record stands behind a word with its length; one that would cross the end starts over at the front. */
#include "profiler/ring.h"

#include "base/mem.h"

#include <sys/mman.h>

/* In place of a length: nothing more before the end of the memory. */
#define SKIP_TO_START UINT64_MAX

void ring_init(struct ring *ring, uint64_t word_count)
{
    ASSERT((word_count & (word_count - 1)) == 0);
    *ring = (struct ring){.word_count = word_count};
    ring->words = mmap(NULL, word_count * sizeof *ring->words, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    ASSERT(ring->words != MAP_FAILED); /* as any memory that is not there */
}

void ring_deinit(struct ring *ring)
{
    if (ring->words)
        munmap(ring->words, ring->word_count * sizeof *ring->words);
    *ring = (struct ring){0};
}

static uint64_t index_of(const struct ring *ring, uint64_t position)
{
    return position & (ring->word_count - 1);
}

uint64_t *ring_reserve(struct ring *ring, uint64_t words_max)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t free_words = ring->word_count - (head - atomic_load_explicit(&ring->tail, memory_order_acquire));
    uint64_t to_end = ring->word_count - index_of(ring, head);
    uint64_t needed = words_max + 1, skipped = to_end < needed ? to_end : 0;
    if (free_words < skipped + needed)
        return NULL;
    if (skipped > 0)
        ring->words[index_of(ring, head)] = SKIP_TO_START;
    ring->reserved = head + skipped;
    return &ring->words[index_of(ring, ring->reserved) + 1];
}

void ring_commit(struct ring *ring, uint64_t words)
{
    ring->words[index_of(ring, ring->reserved)] = words;
    atomic_store_explicit(&ring->head, ring->reserved + words + 1, memory_order_release);
}

const uint64_t *ring_next(struct ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&ring->head, memory_order_acquire))
        return NULL;
    if (ring->words[index_of(ring, tail)] == SKIP_TO_START) { /* a record stands behind it: both came in one step */
        tail += ring->word_count - index_of(ring, tail);
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return &ring->words[index_of(ring, tail) + 1];
}

void ring_release(struct ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + ring->words[index_of(ring, tail)] + 1, memory_order_release);
}
