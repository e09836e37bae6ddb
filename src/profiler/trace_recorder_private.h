/* trace_recorder_private.h: the inside of the recorder, shared with its readers. */
#ifndef PROFILER_TRACE_RECORDER_PRIVATE_H
#define PROFILER_TRACE_RECORDER_PRIVATE_H

#include "profiler/trace_chunks.h"
#include "profiler/trace_clock.h"
#include "profiler/trace_recorder.h"

#include <pthread.h>
#include <stdatomic.h>

/* There is one, and it is never freed: a thread may come late. */
struct trace_recorder {
    /* Guards all below. Threads that record take it for each chunk, so it is held for microseconds. */
    pthread_mutex_t lock;
    bool exists; /* between create and destroy */
    uint32_t session, last_session; /* session: 0 while nobody records */
    uint64_t session_start_ticks;
    uint32_t buffer_chunks; /* of the flight recorder; 0: it is off */
    struct trace_chunks chunks;
    struct trace_clock clock;
    struct list sources; /* struct trace_source, by index */
    uint32_t source_count; /* that ever were */
    struct list readers;
    uint32_t full_stacks_count; /* readers that want them */
    uint64_t record_count, lost_count;

    /* The thread that counts memory; it starts when it is first needed. */
    pthread_cond_t wake;
    pthread_t ticker;
    bool has_ticker, ticker_is_ending;

    /* Held during the call of `slow`, so that who changes it knows that nobody is in there any more. */
    pthread_mutex_t watch_lock;
    uint64_t slow_ns;
    void (*slow)(void *context, const char *name, uint64_t duration_ns);
    void *slow_context;
};

/* What the recorder knows of a reader. */
struct trace_reader_link {
    struct list link;
    bool full_stacks;
    _Atomic uint64_t lost_ticks; /* a thread found no chunk then; 0: none has */
};

/* With the lock, which the second lets go of now and then. While a reader is there, there is a session. */
void trace_recorder_add_reader(struct trace_recorder *recorder, struct trace_reader_link *link);
void trace_recorder_remove_reader(struct trace_recorder *recorder, struct trace_reader_link *link);

#endif
