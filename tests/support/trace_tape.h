/* trace_tape.h: a sink of base/trace.h that keeps every record, for a test to look at afterwards. */
#ifndef SUPPORT_TRACE_TAPE_H
#define SUPPORT_TRACE_TAPE_H

#include "base/check.h"
#include "base/trace.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAPE_CHUNK_RECORDS 2047
#define TAPE_CHUNKS_MAX 256
#define TAPE_ITEMS_MAX (TAPE_CHUNKS_MAX * TAPE_CHUNK_RECORDS)

struct tape_item {
    uint64_t ticks;
    int thread_id;
    enum trace_thread_kind kind;
    const struct trace_record *record; /* its continuations follow it */
    size_t position;                   /* on the tape, of those with the same time */
};

/* Chunks stay allocated: a thread may hold one for as long as it lives. */
static struct {
    pthread_mutex_t lock;
    struct {
        struct trace_chunk *chunk;
        int thread_id;
        enum trace_thread_kind kind;
    } chunks[TAPE_CHUNKS_MAX];
    unsigned count, first; /* first: of this session */
    uint32_t session;
} tape = {.lock = PTHREAD_MUTEX_INITIALIZER};

UNUSED static void tape_next_chunk(struct trace_writer *writer)
{
    pthread_mutex_lock(&tape.lock);
    ASSERT(tape.count < TAPE_CHUNKS_MAX);
    struct trace_chunk *chunk = calloc(1 + TAPE_CHUNK_RECORDS, sizeof(struct trace_record));
    ASSERT(chunk != NULL);
    chunk->capacity = TAPE_CHUNK_RECORDS;
    tape.chunks[tape.count].chunk = writer->chunk = chunk;
    tape.chunks[tape.count].thread_id = gettid();
    tape.chunks[tape.count++].kind = writer->kind;
    writer->session = tape.session;
    pthread_mutex_unlock(&tape.lock);
}

UNUSED static void tape_ignore_slow(const char *name, uint64_t duration_ns)
{
    (void)name, (void)duration_ns;
}

UNUSED static void tape_start(void)
{
    static const struct trace_sink sink = {.next_chunk = tape_next_chunk, .slow_request = tape_ignore_slow};
    pthread_mutex_lock(&tape.lock);
    tape.first = tape.count;
    tape.session++;
    pthread_mutex_unlock(&tape.lock);
    atomic_store(&trace_sink, &sink);
    atomic_store(&trace_session, tape.session);
}

UNUSED static void tape_stop(void)
{
    atomic_store(&trace_session, 0);
}

UNUSED static int tape_compare(const void *a, const void *b)
{
    const struct tape_item *left = a, *right = b;
    if (left->ticks != right->ticks)
        return left->ticks < right->ticks ? -1 : 1;
    return left->position < right->position ? -1 : 1;
}

/* All records since tape_start in the order of time; of one thread in the order that it wrote them. Free it. */
UNUSED static struct tape_item *tape_items(size_t *count)
{
    struct tape_item *items = malloc(TAPE_ITEMS_MAX * sizeof *items);
    ASSERT(items != NULL);
    *count = 0;
    pthread_mutex_lock(&tape.lock);
    for (unsigned i = tape.first; i < tape.count; i++) {
        const struct trace_chunk *chunk = tape.chunks[i].chunk;
        uint32_t used = atomic_load_explicit(&chunk->used, memory_order_acquire);
        uint64_t ticks = chunk->start_ticks;
        for (uint32_t at = 0; at < used; at += 1 + trace_more(&chunk->records[at])) {
            const struct trace_record *record = &chunk->records[at];
            if (trace_type(record) == TRACE_CLOCK) {
                ticks = trace_argument(record) << 32 | record->time;
                continue;
            }
            ticks += (uint32_t)(record->time - (uint32_t)ticks);
            items[*count] = (struct tape_item){ticks, tape.chunks[i].thread_id, tape.chunks[i].kind, record, *count};
            ++*count;
        }
    }
    pthread_mutex_unlock(&tape.lock);
    qsort(items, *count, sizeof *items, tape_compare);
    return items;
}

UNUSED static const char *tape_text(const struct trace_record *record)
{
    return (const char *)(uintptr_t)trace_argument(record);
}

UNUSED static uint64_t tape_continuation(const struct trace_record *record)
{
    uint64_t value;
    memcpy(&value, record + 1, sizeof value);
    return value;
}

#endif
