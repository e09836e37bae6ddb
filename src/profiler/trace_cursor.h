/* trace_cursor.h: follows one thread from record to record and from chunk to chunk, pinning what it reads. */
#ifndef PROFILER_TRACE_CURSOR_H
#define PROFILER_TRACE_CURSOR_H

#include "profiler/trace_recorder_private.h"

/* Where a reader is in what one thread recorded. */
struct trace_cursor {
    struct trace_source *source;
    bool is_window;            /* it reads what is there, and nothing of that leaves; else it reads along */
    struct trace_slot *slot;   /* pinned; NULL: none yet */
    struct trace_slot *first;  /* of a window: pinned too, and all between first and last */
    uint64_t sequence;         /* of `slot`; if it is NULL: of the one that will come */
    uint64_t last_sequence;    /* of a window */
    uint32_t position;         /* in the chunk: of the record after the head */
    uint64_t ticks;            /* of the head, or of the last record if there is none */
    uint64_t record_ticks;     /* as `ticks`, but not of a TRACE_CLOCK: that stands before what ended a silence */
    /* The head, if it has one. */
    const struct trace_record *head;
    uint64_t begin_ticks;      /* when it happened: of a call, its beginning */
    bool is_lost;              /* instead of a head: what came here is gone */
    bool has_ended;            /* nothing more will come */
};

/* With the lock: begin with what the thread holds already, whose records are of this session or mean nothing. */
void trace_cursor_begin(struct trace_cursor *cursor, uint32_t session);
/* With the lock: another chunk of a window. They come in their order. */
void trace_cursor_add(struct trace_cursor *cursor, struct trace_slot *slot);
/* Of a window: to its first chunk. */
void trace_cursor_rewind(struct trace_cursor *cursor);
/* To the next record that does not lie before the start; head is NULL: there is none yet, or it is lost, or that was
 * the last. Takes the lock where a chunk ends. */
void trace_cursor_find(struct trace_cursor *cursor, struct trace_recorder *recorder, uint64_t start_ticks);
/* With the lock: unpin what it has. */
void trace_cursor_release(struct trace_cursor *cursor, struct trace_chunks *chunks);

#endif
