/* trace_cursor.c: finds a thread's next record, and tells its time. */
#include "profiler/trace_cursor.h"

#include <string.h>

/* With the lock: to the thread's next chunk. False: there is none yet, or never will be. */
static bool enter_next_chunk(struct trace_recorder *recorder, struct trace_cursor *cursor)
{
    struct trace_slot *next;
    uint64_t sequence;
    if (cursor->slot) {
        if (cursor->is_window && cursor->sequence == cursor->last_sequence) {
            cursor->has_ended = true;
            return false;
        }
        next = cursor->slot->next;
        sequence = cursor->sequence + 1;
    } else {
        next = cursor->source->first;
        sequence = cursor->sequence;
    }
    if (cursor->source->next_sequence == sequence) {
        cursor->has_ended = cursor->source->has_ended;
        return false;
    }
    if (!trace_slot_is(next, cursor->source, sequence)) {
        cursor->is_lost = true;
        return false;
    }
    if (!cursor->is_window) {
        trace_slot_pin(next);
        if (cursor->slot)
            trace_slot_unpin(&recorder->chunks, cursor->slot);
    }
    cursor->slot = next;
    cursor->sequence = sequence;
    cursor->position = 0;
    return true;
}

static uint32_t used_records(const struct trace_recorder *recorder, const struct trace_cursor *cursor)
{
    const struct trace_chunk *chunk = trace_chunk_of(&recorder->chunks, cursor->slot);
    uint32_t used = atomic_load_explicit(&chunk->used, memory_order_acquire);
    return used < TRACE_CHUNK_RECORDS ? used : TRACE_CHUNK_RECORDS;
}

static bool has_records(const struct trace_recorder *recorder, const struct trace_cursor *cursor)
{
    return cursor->slot && cursor->position < used_records(recorder, cursor);
}

/* Whether the cursor has records to read, in its chunk or the next. */
static bool find_records(struct trace_recorder *recorder, struct trace_cursor *cursor)
{
    if (has_records(recorder, cursor))
        return true;
    pthread_mutex_lock(&recorder->lock);
    /* The chunk that its thread holds may get more; to any other nobody writes, so what is in there now is all. */
    bool found = has_records(recorder, cursor);
    while (!found && (!cursor->slot || cursor->source->held != cursor->slot) && enter_next_chunk(recorder, cursor))
        found = has_records(recorder, cursor);
    pthread_mutex_unlock(&recorder->lock);
    return found;
}

/* Take the time of the record at hand. Within a thread it is 32 bits that go on from the one before. */
static void follow_time(struct trace_cursor *cursor, const struct trace_chunk *chunk, const struct trace_record *record)
{
    uint64_t ticks = cursor->ticks;
    if (cursor->position == 0 && ticks < chunk->start_ticks)
        ticks = chunk->start_ticks;
    if (trace_type(record) == TRACE_CLOCK) {
        uint64_t absolute = trace_argument(record) << 32 | record->time;
        ticks = ticks < absolute ? absolute : ticks;
    } else {
        int32_t step = (int32_t)(record->time - (uint32_t)ticks);
        ticks += step > 0 ? (uint64_t)step : 0;
    }
    cursor->ticks = ticks;
}

/* When a call began: not before the thread's last record. */
static uint64_t call_begin(const struct trace_cursor *cursor, const struct trace_record *record,
                           uint64_t earliest_ticks)
{
    uint64_t took;
    memcpy(&took, record + 1, sizeof took);
    return took < cursor->ticks - earliest_ticks ? cursor->ticks - took : earliest_ticks;
}

/* What records of these types have at least. */
static const uint8_t continuations[TRACE_TYPE_COUNT] = {
    [TRACE_TASK_CREATE] = 2, [TRACE_TASK_END] = 2,    [TRACE_CALL] = 1, [TRACE_REQUEST_BEGIN] = 1,
    [TRACE_LOG] = 1,         [TRACE_HEAP] = 1,        [TRACE_SAMPLE] = 1,
};

/* Nothing that a thread of ours has written; the rest of it cannot be told either. */
static bool is_malformed(const struct trace_record *record, uint32_t records_left)
{
    enum trace_type type = trace_type(record);
    return type == 0 || type >= TRACE_TYPE_COUNT || trace_more(record) >= records_left ||
           trace_more(record) < continuations[type];
}

void trace_cursor_find(struct trace_cursor *cursor, struct trace_recorder *recorder, uint64_t start_ticks)
{
    cursor->head = NULL;
    while (!cursor->head && !cursor->has_ended && find_records(recorder, cursor)) {
        const struct trace_chunk *chunk = trace_chunk_of(&recorder->chunks, cursor->slot);
        const struct trace_record *record = &chunk->records[cursor->position];
        if (is_malformed(record, used_records(recorder, cursor) - cursor->position)) {
            cursor->has_ended = true;
            return;
        }
        follow_time(cursor, chunk, record);
        cursor->position += 1 + trace_more(record);
        if (trace_type(record) == TRACE_CLOCK)
            continue;
        uint64_t earliest_ticks = cursor->record_ticks > start_ticks ? cursor->record_ticks : start_ticks;
        cursor->record_ticks = cursor->ticks;
        if (cursor->ticks < start_ticks)
            continue;
        cursor->head = record;
        cursor->begin_ticks =
            trace_type(record) == TRACE_CALL ? call_begin(cursor, record, earliest_ticks) : cursor->ticks;
    }
    if (cursor->is_lost)
        cursor->begin_ticks = cursor->ticks;
}

void trace_cursor_begin(struct trace_cursor *cursor, uint32_t session)
{
    struct trace_slot *newest = cursor->source->newest;
    cursor->has_ended = cursor->source->has_ended;
    cursor->sequence = cursor->source->next_sequence;
    if (!newest || cursor->has_ended)
        return;
    trace_slot_pin(newest);
    cursor->slot = newest;
    cursor->sequence = newest->sequence;
    cursor->position = newest->session == session ? 0 : TRACE_CHUNK_RECORDS;
}

void trace_cursor_add(struct trace_cursor *cursor, struct trace_slot *slot)
{
    trace_slot_pin(slot);
    if (!cursor->first)
        cursor->first = slot;
    cursor->last_sequence = slot->sequence;
}

void trace_cursor_rewind(struct trace_cursor *cursor)
{
    *cursor = (struct trace_cursor){
        .source = cursor->source,
        .is_window = true,
        .slot = cursor->first,
        .first = cursor->first,
        .sequence = cursor->first ? cursor->first->sequence : 0,
        .last_sequence = cursor->last_sequence,
        .has_ended = !cursor->first,
    };
}

void trace_cursor_release(struct trace_cursor *cursor, struct trace_chunks *chunks)
{
    struct trace_slot *slot = cursor->is_window ? cursor->first : cursor->slot;
    uint64_t last_sequence = cursor->is_window ? cursor->last_sequence : cursor->sequence;
    for (bool is_last = !slot; !is_last;) {
        struct trace_slot *next = slot->next;
        is_last = slot->sequence == last_sequence;
        trace_slot_unpin(chunks, slot);
        slot = next;
    }
}
