/* ring.h: a queue of records from one writer, a signal handler, to one reader.
 *
 * Records are runs of 8-byte words of any length, each in one piece. What does not fit is the writer's to count. */
#ifndef PROFILER_RING_H
#define PROFILER_RING_H

#include "base/check.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    uint64_t *words;
    uint64_t word_count; /* a power of two */
    uint64_t reserved;   /* the writer's: where the record starts that it is filling */
    _Atomic uint64_t head; /* moved by the writer; both only ever grow */
    _Atomic uint64_t tail; /* moved by the reader */
};

/* Memory that is resident from the start, so that the writer takes no page fault. word_count: a power of two. */
void ring_init(struct ring *ring, uint64_t word_count);
void ring_deinit(struct ring *ring);

/* Room for a record of at most this many words; NULL: full. [signal] */
uint64_t *ring_reserve(struct ring *ring, uint64_t words_max);
/* Hand the reserved record over, cut to the words that it needed. [signal] */
void ring_commit(struct ring *ring, uint64_t words);

/* The oldest record, NULL if none; valid until ring_release, which drops it. The reader's. */
const uint64_t *ring_next(struct ring *ring);
void ring_release(struct ring *ring);

#endif
