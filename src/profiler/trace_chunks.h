/* trace_chunks.h: the memory that threads record into, and who has which part of it: threads, history and readers.
 *
 * A chunk is a thread's alone until that very thread gives it back, full or because it ends or because a session is
 * over; then it is history, and the oldest of that is handed out again once there is as much as there may be. A reader
 * pins what it reads: a pinned chunk leaves history like any other, but not its reader, so it counts for nothing
 * meanwhile and another takes its place.
 *
 * The range of addresses is reserved once and stays for ever, so a thread that is just storing what nobody wants any
 * more harms nobody. Everything here is done with the recorder's lock, but for what says otherwise, and takes some
 * microseconds at most: a thread that records may wait for it. */
#ifndef PROFILER_TRACE_CHUNKS_H
#define PROFILER_TRACE_CHUNKS_H

#include "base/list.h"
#include "profiler/trace_recorder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_CHUNK_BYTES ((size_t)32 << 10)
#define TRACE_CHUNK_RECORDS ((TRACE_CHUNK_BYTES - sizeof(struct trace_chunk)) / sizeof(struct trace_record))
/* Beyond the largest history: what threads hold, and what leaves history while it is read. */
#define TRACE_CHUNKS_MAX (TRACE_BUFFER_MAX / TRACE_CHUNK_BYTES + 4096)

struct trace_recorder;

/* A thread that records. Lives until it has ended, no chunk of it is left, and no reader is open. */
struct trace_source {
    struct trace_thread facts;
    struct list link; /* by index */
    bool has_ended;
    struct trace_slot *held;   /* NULL: none */
    struct trace_slot *newest; /* held, or the last one it gave back, unless that is gone already */
    struct trace_slot *first;  /* that it took when `newest` was NULL */
    uint64_t next_sequence;    /* of its next chunk */
    uint32_t slot_count;
};

enum trace_slot_state {
    TRACE_SLOT_FREE,
    TRACE_SLOT_HELD,    /* by its thread */
    TRACE_SLOT_HISTORY,
    TRACE_SLOT_PINNED,  /* no history any more, but still read */
};

/* What is known of a chunk. */
struct trace_slot {
    enum trace_slot_state state;
    bool is_warm; /* its memory may be resident */
    uint32_t session;
    uint32_t pin_count;
    struct trace_source *source; /* NULL: free */
    uint64_t sequence;           /* of its thread's chunks, from 0 */
    uint64_t end_ticks;          /* of its last record, once it was given back */
    struct trace_slot *next;     /* its thread's next one: valid if source and sequence say so */
    struct list link;            /* in `free`, `history` or what is shed */
};

struct trace_chunks {
    char *memory;
    struct list free, history; /* free: warm ones first. history: as they were given back */
    uint32_t touched_count;    /* slots from here on were never used */
    uint32_t limit;            /* of those held and in history, unless more threads record */
    uint32_t kept_count;       /* held, or in history */
    uint32_t warm_count, pinned_count; /* pinned: by state */
    uint64_t complete_since_ticks;     /* nothing that came later is missing */
    struct trace_slot slots[TRACE_CHUNKS_MAX];
};

void trace_chunks_init(struct trace_chunks *chunks);
struct trace_chunk *trace_chunk_of(const struct trace_chunks *chunks, const struct trace_slot *slot);

/* An empty chunk for a thread that holds none; NULL: all are taken. */
struct trace_chunk *trace_chunks_take(struct trace_chunks *chunks, struct trace_source *source, uint32_t session);
/* What the thread holds; history if it is of this session, else free. Returns how many records are in it. */
uint32_t trace_chunks_give_back(struct trace_chunks *chunks, struct trace_source *source, uint64_t end_ticks,
                                uint32_t session);

void trace_slot_pin(struct trace_slot *slot);
void trace_slot_unpin(struct trace_chunks *chunks, struct trace_slot *slot);
/* Whether the slot, which somebody noted down, still is that chunk. */
static inline bool trace_slot_is(const struct trace_slot *slot, const struct trace_source *source, uint64_t sequence)
{
    return slot && slot->source == source && slot->sequence == sequence;
}

/* Shrinking to the limit goes in steps. Forget some of what is beyond it, but not what threads hold, as they may be
 * storing; and take off some of what is free, whose memory is then given back to the system without the lock, as that
 * takes long. False: nothing more is beyond the limit. */
bool trace_chunks_shed(struct trace_chunks *chunks, struct list *shed);
void trace_chunks_cool(const struct trace_chunks *chunks, const struct list *shed);
void trace_chunks_put_back(struct trace_chunks *chunks, struct list *shed);

#endif
