/* trace_reader.c: merges what threads recorded by time.
 *
 * Each thread's records are in order already. A heap holds the next record of each thread that has one; the others are
 * looked at again, with the recorder's lock, when nothing in the heap is old enough to be given out. */
#include "profiler/trace_recorder.h"

#include "base/clock.h"
#include "base/mem.h"
#include "profiler/own_thread.h"
#include "profiler/trace_cursor.h"
#include "profiler/trace_recorder_private.h"

#include <string.h>

/* While it reads along: what is younger may still be overtaken by what another thread is just writing down, and a call
 * that lasts longer seems to have begun later than it did. So it waits longer where there is room for what comes. */
#define LAG_NS (500 * NS_PER_MS)
#define LAG_PRESSED_NS (50 * NS_PER_MS)
/* How often it looks for what has come, at most: else where much is recorded it would look again for each record. */
#define LOOK_EVERY_NS (10 * NS_PER_MS)

struct trace_reader {
    struct trace_reader_link link;
    struct trace_recorder *recorder;
    bool is_window; /* it reads what is there, and all of that is pinned; else it reads along */
    uint64_t start_ticks, start_ns;
    _Atomic uint64_t stop_ticks; /* UINT64_MAX: not stopped */

    struct trace_cursor **cursors; /* by thread, in the order in which they came */
    uint32_t cursor_count, cursor_capacity;
    uint32_t source_count; /* threads that were looked at */

    struct trace_cursor **heap; /* those with a head, and those that are lost: the oldest in front */
    uint32_t heap_count;
    struct trace_cursor *given; /* heap[0], whose head was given out */
    uint64_t looked_ns;     /* when it last looked for what has come */
    uint64_t horizon_ticks; /* what is younger is not given out yet */
    bool is_last_round;     /* the horizon is the end */
    uint64_t now_ns;
    struct trace_clock_line line; /* where the last ticks were converted */
    enum trace_progress end;      /* TRACE_PROGRESS_ITEM: not at the end */
};

/* --- time --- */

static uint64_t absolute_ns(struct trace_reader *reader, uint64_t ticks)
{
    if (UNLIKELY(ticks < reader->line.start.ticks || ticks >= reader->line.end.ticks)) {
        pthread_mutex_lock(&reader->recorder->lock);
        reader->line = trace_clock_line_at(&reader->recorder->clock, ticks);
        pthread_mutex_unlock(&reader->recorder->lock);
    }
    return trace_clock_ns(&reader->line, ticks);
}

static uint64_t time_ns_of(struct trace_reader *reader, uint64_t ticks)
{
    uint64_t ns = absolute_ns(reader, ticks);
    return ns > reader->start_ns ? ns - reader->start_ns : 0;
}

/* Readings of one clock differ by a little between processors, and time never goes back. */
static uint64_t move_on(struct trace_reader *reader, uint64_t ticks)
{
    uint64_t ns = time_ns_of(reader, ticks);
    if (reader->now_ns < ns)
        reader->now_ns = ns;
    return reader->now_ns;
}

uint64_t trace_reader_start_ns(const struct trace_reader *reader)
{
    return reader->start_ns;
}

uint64_t trace_reader_now_ns(const struct trace_reader *reader)
{
    return reader->now_ns;
}

/* --- all threads --- */

static bool is_before(const struct trace_cursor *a, const struct trace_cursor *b)
{
    return a->begin_ticks != b->begin_ticks ? a->begin_ticks < b->begin_ticks
                                            : a->source->facts.index < b->source->facts.index;
}

static void sift_up(struct trace_reader *reader, uint32_t at)
{
    struct trace_cursor *moved = reader->heap[at];
    for (uint32_t parent; at > 0 && is_before(moved, reader->heap[parent = (at - 1) / 2]); at = parent)
        reader->heap[at] = reader->heap[parent];
    reader->heap[at] = moved;
}

static void sift_down(struct trace_reader *reader, uint32_t at)
{
    struct trace_cursor *moved = reader->heap[at];
    for (uint32_t child; (child = 2 * at + 1) < reader->heap_count; at = child) {
        if (child + 1 < reader->heap_count && is_before(reader->heap[child + 1], reader->heap[child]))
            child++;
        if (!is_before(reader->heap[child], moved))
            break;
        reader->heap[at] = reader->heap[child];
    }
    reader->heap[at] = moved;
}

/* The oldest one has something else in front now, or nothing. */
static void renew_oldest(struct trace_reader *reader)
{
    struct trace_cursor *oldest = reader->heap[0];
    trace_cursor_find(oldest, reader->recorder, reader->start_ticks);
    if (!oldest->head && !oldest->is_lost)
        reader->heap[0] = reader->heap[--reader->heap_count];
    if (reader->heap_count > 0)
        sift_down(reader, 0);
}

static void fill_heap(struct trace_reader *reader)
{
    for (uint32_t i = 0; i < reader->cursor_count; i++) {
        struct trace_cursor *cursor = reader->cursors[i];
        if (cursor->head || cursor->is_lost || cursor->has_ended)
            continue;
        trace_cursor_find(cursor, reader->recorder, reader->start_ticks);
        if (!cursor->head && !cursor->is_lost)
            continue;
        reader->heap[reader->heap_count] = cursor;
        sift_up(reader, reader->heap_count++);
    }
}

/* Room for so many cursors; without the lock. */
static void reserve_cursors(struct trace_reader *reader, uint32_t count)
{
    if (count <= reader->cursor_capacity)
        return;
    count += count / 2;
    reader->cursors = mem_realloc(reader->cursors, count * sizeof(struct trace_cursor *));
    reader->heap = mem_realloc(reader->heap, count * sizeof(struct trace_cursor *));
    while (reader->cursor_capacity < count)
        reader->cursors[reader->cursor_capacity++] = MEM_NEW(struct trace_cursor);
}

/* With the lock: cursors for threads that are new, as far as there is room. */
static void meet_sources(struct trace_reader *reader)
{
    struct list *link = &reader->recorder->sources;
    while (link->previous != &reader->recorder->sources &&
           LIST_ENTRY(link->previous, struct trace_source, link)->facts.index >= reader->source_count)
        link = link->previous;
    for (; link != &reader->recorder->sources && reader->cursor_count < reader->cursor_capacity; link = link->next) {
        struct trace_source *source = LIST_ENTRY(link, struct trace_source, link);
        struct trace_cursor *cursor = reader->cursors[reader->cursor_count++];
        *cursor = (struct trace_cursor){.source = source, .is_window = reader->is_window};
        reader->source_count = source->facts.index + 1;
    }
}

/* How much of what may be there is waiting for the reader. */
static bool is_pressed(const struct trace_reader *reader)
{
    uint64_t unread = 0;
    for (uint32_t i = 0; i < reader->cursor_count; i++)
        unread += reader->cursors[i]->source->next_sequence - reader->cursors[i]->sequence;
    return unread > reader->recorder->chunks.limit / 2;
}

/* What has come since the last time, and how much of it may be given out. */
static void look(struct trace_reader *reader)
{
    struct trace_recorder *recorder = reader->recorder;
    uint64_t stop_ticks = atomic_load(&reader->stop_ticks);
    pthread_mutex_lock(&recorder->lock);
    uint32_t new_count = reader->is_window ? 0 : recorder->source_count - reader->source_count;
    pthread_mutex_unlock(&recorder->lock);
    reserve_cursors(reader, reader->cursor_count + new_count);

    pthread_mutex_lock(&recorder->lock);
    trace_clock_read(&recorder->clock);
    reader->looked_ns = recorder->clock.newest.ns;
    if (new_count > 0)
        meet_sources(reader);
    if (stop_ticks != UINT64_MAX) {
        reader->horizon_ticks = stop_ticks;
        reader->is_last_round = true;
    } else {
        uint64_t lag_ns = is_pressed(reader) ? LAG_PRESSED_NS : LAG_NS;
        uint64_t ticks = trace_clock_ticks_at(&recorder->clock, recorder->clock.newest.ns - lag_ns);
        reader->horizon_ticks = reader->horizon_ticks < ticks ? ticks : reader->horizon_ticks;
    }
    pthread_mutex_unlock(&recorder->lock);
    fill_heap(reader);
}

static bool may_look(const struct trace_reader *reader)
{
    return atomic_load(&reader->stop_ticks) != UINT64_MAX || own_thread_clock_ns() >= reader->looked_ns + LOOK_EVERY_NS;
}

static void give(struct trace_reader *reader, const struct trace_cursor *cursor, struct trace_item *item)
{
    *item = (struct trace_item){
        .time_ns = move_on(reader, cursor->begin_ticks),
        .thread = &cursor->source->facts,
        .record = cursor->head,
    };
    if (trace_type(cursor->head) == TRACE_CALL) {
        uint64_t end_ns = time_ns_of(reader, cursor->ticks);
        item->call_ns = end_ns > item->time_ns ? end_ns - item->time_ns : 0;
    } else if (trace_type(cursor->head) == TRACE_SAMPLE) {
        struct trace_sample sample;
        memcpy(&sample, cursor->head + 1, sizeof sample);
        item->sample_ns = time_ns_of(reader, sample.ticks);
    }
}

/* TRACE_PROGRESS_WAIT: nothing is old enough. */
static enum trace_progress give_oldest(struct trace_reader *reader, struct trace_item *item)
{
    uint64_t lost_ticks = atomic_load(&reader->link.lost_ticks);
    while (reader->heap_count > 0 && reader->heap[0]->begin_ticks <= reader->horizon_ticks) {
        struct trace_cursor *oldest = reader->heap[0];
        if (oldest->is_lost || (lost_ticks != 0 && oldest->begin_ticks >= lost_ticks)) {
            move_on(reader, oldest->begin_ticks);
            return TRACE_PROGRESS_LOST;
        }
        if (oldest->ticks <= atomic_load_explicit(&reader->stop_ticks, memory_order_relaxed)) {
            give(reader, oldest, item);
            reader->given = oldest;
            return TRACE_PROGRESS_ITEM;
        }
        oldest->has_ended = true; /* a call that lasts beyond the end */
        renew_oldest(reader);
    }
    if (lost_ticks != 0 && lost_ticks <= reader->horizon_ticks) {
        move_on(reader, lost_ticks);
        return TRACE_PROGRESS_LOST;
    }
    if (!reader->is_last_round)
        return TRACE_PROGRESS_WAIT;
    move_on(reader, reader->horizon_ticks);
    return TRACE_PROGRESS_END;
}

enum trace_progress trace_reader_next(struct trace_reader *reader, struct trace_item *item)
{
    if (reader->end != TRACE_PROGRESS_ITEM)
        return reader->end;
    if (reader->given)
        renew_oldest(reader);
    reader->given = NULL;
    enum trace_progress progress = give_oldest(reader, item);
    if (progress == TRACE_PROGRESS_WAIT && may_look(reader)) {
        look(reader);
        progress = give_oldest(reader, item);
    }
    if (progress == TRACE_PROGRESS_END || progress == TRACE_PROGRESS_LOST)
        reader->end = progress;
    return progress;
}

/* --- from the beginning to the end --- */

/* With the lock: from now on. */
static void begin_now(struct trace_reader *reader)
{
    reader->start_ticks = reader->recorder->clock.newest.ticks;
    for (uint32_t i = 0; i < reader->cursor_count; i++)
        trace_cursor_begin(reader->cursors[i], reader->recorder->session);
}

static struct trace_cursor *cursor_of(const struct trace_reader *reader, const struct trace_source *source)
{
    uint32_t low = 0, high = reader->cursor_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (reader->cursors[middle]->source->facts.index < source->facts.index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reader->cursor_count && reader->cursors[low]->source == source ? reader->cursors[low] : NULL;
}

/* They come in their order, and of one thread without a gap, even if its clock went back a little. */
static void add_to_window(struct trace_reader *reader, struct trace_slot *slot)
{
    struct trace_cursor *cursor = cursor_of(reader, slot->source);
    if (!cursor || slot->session != reader->recorder->session)
        return; /* a thread that began this very moment; what was recorded before it was switched off */
    if (cursor->first || slot->state == TRACE_SLOT_HELD || slot->end_ticks >= reader->start_ticks)
        trace_cursor_add(cursor, slot);
}

/* With the lock: what is there of the time from start to now. */
static void take_window(struct trace_reader *reader, uint64_t last_ns)
{
    struct trace_recorder *recorder = reader->recorder;
    struct trace_clock_pair now = recorder->clock.newest;
    uint64_t start_ticks = trace_clock_ticks_at(&recorder->clock, now.ns > last_ns ? now.ns - last_ns : 0);
    uint64_t complete_ticks = recorder->chunks.complete_since_ticks;
    reader->start_ticks = start_ticks > complete_ticks ? start_ticks : complete_ticks;
    atomic_store(&reader->stop_ticks, now.ticks);
    LIST_EACH(link, &recorder->chunks.history)
    {
        add_to_window(reader, LIST_ENTRY(link, struct trace_slot, link));
    }
    LIST_EACH(link, &recorder->sources)
    {
        struct trace_slot *held = LIST_ENTRY(link, struct trace_source, link)->held;
        if (held)
            add_to_window(reader, held);
    }
}

void trace_reader_rewind(struct trace_reader *reader)
{
    ASSERT(reader->is_window);
    for (uint32_t i = 0; i < reader->cursor_count; i++)
        trace_cursor_rewind(reader->cursors[i]);
    reader->heap_count = 0;
    reader->given = NULL;
    reader->horizon_ticks = 0;
    reader->is_last_round = false;
    reader->now_ns = 0;
    reader->end = TRACE_PROGRESS_ITEM;
}

static uint32_t list_length(const struct list *head)
{
    uint32_t length = 0;
    LIST_EACH(link, head)
    {
        length++;
    }
    return length;
}

struct trace_reader *trace_reader_open(struct trace_recorder *recorder, uint64_t last_ns, bool full_stacks)
{
    struct trace_reader *reader = MEM_NEW(struct trace_reader);
    reader->recorder = recorder;
    reader->link.full_stacks = full_stacks;
    reader->is_window = last_ns > 0;
    reader->stop_ticks = UINT64_MAX;
    reader->end = TRACE_PROGRESS_ITEM;
    pthread_mutex_lock(&recorder->lock);
    trace_recorder_add_reader(recorder, &reader->link);
    uint32_t source_count = list_length(&recorder->sources);
    pthread_mutex_unlock(&recorder->lock);
    reserve_cursors(reader, source_count + 16);

    pthread_mutex_lock(&recorder->lock);
    trace_clock_read(&recorder->clock);
    meet_sources(reader);
    atomic_store(&reader->link.lost_ticks, 0); /* that was before the start */
    if (reader->is_window)
        take_window(reader, last_ns);
    else
        begin_now(reader);
    reader->line = trace_clock_line_at(&recorder->clock, reader->start_ticks);
    pthread_mutex_unlock(&recorder->lock);
    reader->start_ns = trace_clock_ns(&reader->line, reader->start_ticks);
    if (reader->is_window)
        trace_reader_rewind(reader);
    return reader;
}

void trace_reader_close(struct trace_reader *reader)
{
    if (!reader)
        return;
    struct trace_recorder *recorder = reader->recorder;
    pthread_mutex_lock(&recorder->lock);
    for (uint32_t i = 0; i < reader->cursor_count; i++)
        trace_cursor_release(reader->cursors[i], &recorder->chunks);
    trace_recorder_remove_reader(recorder, &reader->link);
    pthread_mutex_unlock(&recorder->lock);
    for (uint32_t i = 0; i < reader->cursor_capacity; i++)
        mem_free(reader->cursors[i]);
    mem_free(reader->cursors);
    mem_free(reader->heap);
    mem_free(reader);
}

void trace_reader_stop(struct trace_reader *reader)
{
    uint64_t never = UINT64_MAX;
    atomic_compare_exchange_strong(&reader->stop_ticks, &never, trace_ticks());
}
