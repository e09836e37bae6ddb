/* trace_chunks.c: hands chunks round in a circle: free, held by a thread, history, free. */
#include "profiler/trace_chunks.h"

#include "base/check.h"

#include <sys/mman.h>

_Static_assert(TRACE_CHUNK_RECORDS > 2 * (TRACE_MORE_MAX + 2), "room for the longest record");
/* Where a process's memory is accounted strictly only what is writable counts, so the range becomes so in steps of
 * that many chunks. */
#define TOUCH_STEP 128
_Static_assert(TRACE_CHUNKS_MAX % TOUCH_STEP == 0, "whole steps");
/* Chunks that one step of shrinking lets go of. */
#define SHED_STEP 64

void trace_chunks_init(struct trace_chunks *chunks)
{
    list_init(&chunks->free);
    list_init(&chunks->history);
    if (chunks->memory)
        return;
    void *memory = mmap(NULL, TRACE_CHUNKS_MAX * TRACE_CHUNK_BYTES, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(memory != MAP_FAILED); /* as any memory that is not there */
    chunks->memory = memory;
}

struct trace_chunk *trace_chunk_of(const struct trace_chunks *chunks, const struct trace_slot *slot)
{
    return (struct trace_chunk *)(void *)(chunks->memory + (size_t)(slot - chunks->slots) * TRACE_CHUNK_BYTES);
}

/* Nobody has it any more. */
static void release(struct trace_chunks *chunks, struct trace_slot *slot)
{
    struct trace_source *source = slot->source;
    source->slot_count--;
    if (source->newest == slot)
        source->newest = NULL;
    slot->source = NULL;
    slot->next = NULL;
    slot->state = TRACE_SLOT_FREE;
    if (slot->is_warm)
        list_prepend(&chunks->free, &slot->link);
    else
        list_append(&chunks->free, &slot->link);
}

/* No thread holds it, and it is no history. */
static void leave(struct trace_chunks *chunks, struct trace_slot *slot)
{
    chunks->kept_count--;
    if (slot->pin_count == 0) {
        release(chunks, slot);
    } else {
        slot->state = TRACE_SLOT_PINNED;
        chunks->pinned_count++;
    }
}

static void forget_oldest(struct trace_chunks *chunks)
{
    struct trace_slot *slot = LIST_ENTRY(chunks->history.next, struct trace_slot, link);
    list_remove(&slot->link);
    if (chunks->complete_since_ticks < slot->end_ticks)
        chunks->complete_since_ticks = slot->end_ticks;
    leave(chunks, slot);
}

/* One that was never used; NULL: there is none, or no memory for it. */
static struct trace_slot *touch_another(struct trace_chunks *chunks)
{
    if (chunks->touched_count == TRACE_CHUNKS_MAX)
        return NULL;
    struct trace_slot *slot = &chunks->slots[chunks->touched_count];
    if (chunks->touched_count % TOUCH_STEP == 0 &&
        mprotect(trace_chunk_of(chunks, slot), TOUCH_STEP * TRACE_CHUNK_BYTES, PROT_READ | PROT_WRITE) != 0)
        return NULL;
    chunks->touched_count++;
    return slot;
}

static struct trace_slot *next_free(struct trace_chunks *chunks)
{
    if (list_empty(&chunks->free))
        return touch_another(chunks);
    struct trace_slot *slot = LIST_ENTRY(chunks->free.next, struct trace_slot, link);
    list_remove(&slot->link);
    return slot;
}

struct trace_chunk *trace_chunks_take(struct trace_chunks *chunks, struct trace_source *source, uint32_t session)
{
    if (chunks->kept_count >= chunks->limit && !list_empty(&chunks->history))
        forget_oldest(chunks);
    struct trace_slot *slot = next_free(chunks);
    for (; !slot && !list_empty(&chunks->history); slot = next_free(chunks))
        forget_oldest(chunks); /* the oldest may be pinned, but better no history than a record that is lost */
    if (!slot)
        return NULL;
    chunks->warm_count += !slot->is_warm;
    chunks->kept_count++;
    *slot = (struct trace_slot){
        .state = TRACE_SLOT_HELD,
        .is_warm = true,
        .session = session,
        .source = source,
        .sequence = source->next_sequence++,
    };
    source->slot_count++;
    if (source->newest)
        source->newest->next = slot;
    else
        source->first = slot;
    source->held = source->newest = slot;
    struct trace_chunk *chunk = trace_chunk_of(chunks, slot);
    chunk->capacity = TRACE_CHUNK_RECORDS;
    atomic_store_explicit(&chunk->used, 0, memory_order_relaxed);
    return chunk;
}

uint32_t trace_chunks_give_back(struct trace_chunks *chunks, struct trace_source *source, uint64_t end_ticks,
                                uint32_t session)
{
    struct trace_slot *slot = source->held;
    if (!slot)
        return 0;
    source->held = NULL;
    if (slot->session != session) {
        leave(chunks, slot);
        return 0;
    }
    slot->end_ticks = end_ticks;
    slot->state = TRACE_SLOT_HISTORY;
    list_append(&chunks->history, &slot->link);
    return atomic_load_explicit(&trace_chunk_of(chunks, slot)->used, memory_order_relaxed);
}

void trace_slot_pin(struct trace_slot *slot)
{
    slot->pin_count++;
}

void trace_slot_unpin(struct trace_chunks *chunks, struct trace_slot *slot)
{
    ASSERT(slot->pin_count > 0);
    if (--slot->pin_count > 0 || slot->state != TRACE_SLOT_PINNED)
        return;
    chunks->pinned_count--;
    release(chunks, slot);
}

static bool first_free_is_warm(const struct trace_chunks *chunks)
{
    return !list_empty(&chunks->free) && LIST_ENTRY(chunks->free.next, struct trace_slot, link)->is_warm;
}

bool trace_chunks_shed(struct trace_chunks *chunks, struct list *shed)
{
    list_init(shed);
    for (unsigned i = 0; i < SHED_STEP && chunks->kept_count > chunks->limit && !list_empty(&chunks->history); i++)
        forget_oldest(chunks);
    for (unsigned i = 0; i < SHED_STEP && chunks->warm_count > chunks->limit + chunks->pinned_count &&
                         first_free_is_warm(chunks); i++) {
        struct trace_slot *slot = next_free(chunks);
        slot->is_warm = false;
        chunks->warm_count--;
        list_append(shed, &slot->link);
    }
    return !list_empty(shed) || (chunks->kept_count > chunks->limit && !list_empty(&chunks->history));
}

void trace_chunks_cool(const struct trace_chunks *chunks, const struct list *shed)
{
    LIST_EACH(link, shed)
    {
        const struct trace_slot *slot = LIST_ENTRY(link, struct trace_slot, link);
        madvise(trace_chunk_of(chunks, slot), TRACE_CHUNK_BYTES, MADV_DONTNEED);
    }
}

void trace_chunks_put_back(struct trace_chunks *chunks, struct list *shed)
{
    LIST_EACH_SAFE(link, shed)
    {
        list_remove(link);
        list_append(&chunks->free, link);
    }
}
