/* trace.h: what the program does, written down as it does it.
 *
 * The functions below are probe points: runtime, storage and broker call them where something happens. While nobody
 * records, each is one load and a predicted branch. Else it writes a record of 16 bytes into a chunk of memory that
 * belongs to the thread alone: no lock, no locked instruction, no allocation; what costs most is to read the clock, so
 * events that belong together share one reading.
 *
 * Where something happened is the return address of the probe, so a record needs no table of places: names, files and
 * lines are found when the trace is formatted. Texts are passed as pointers and must live for ever: literals, or
 * interned labels.
 *
 * Who records (profiler/trace_recorder.h) installs a sink, which hands out the chunks. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- records --- */

/* Why a task is parked, as far as viewers tell reasons apart. */
enum trace_wait {
    TRACE_WAIT_OTHER,     /* counted in no profile of waits */
    TRACE_WAIT_SLEEP,
    TRACE_WAIT_NETWORK,   /* a socket */
    TRACE_WAIT_SYNC,      /* a lock */
    TRACE_WAIT_CONDITION, /* a condition, a group, or work on another thread */
    TRACE_WAIT_SELECT,    /* the first of several things, such as data in one of several logs */
};

/* In brackets: the argument; `more` continuations, where there are any. Where stacks are full (trace_depth), wakes and
 * regions have theirs behind `where` too. */
enum trace_type {
    TRACE_CLOCK = 1,      /* [ticks >> 32] after a silence that 32 bits do not span; time has the low half */
    TRACE_TASK_CREATE,    /* [task] where: it was spawned; 2: struct trace_task_entry */
    TRACE_TASK_START,     /* [task] runs on this thread from now on */
    TRACE_TASK_RESUME,    /* [task] was woken by this very thread, and runs. where: the callback that woke it */
    TRACE_TASK_PARK,      /* [reason text], with its trace_wait; stack in `where` and the continuations */
    TRACE_TASK_YIELD,     /* the same without a reason: it stays runnable */
    TRACE_TASK_END,       /* [task] 2: struct trace_task_entry */
    TRACE_TASK_UNPARK,    /* [task] may run again, if it is parked */
    TRACE_POLL_BEGIN,     /* the reactor has nothing to do, and waits */
    TRACE_POLL_END,
    TRACE_WORK_BEGIN,     /* [task that waits for it] where: the function; on a thread that works for a task */
    TRACE_WORK_END,       /* [task that waits for it] */
    TRACE_CALL,           /* [name text] a blocking call has returned; 1: how many ticks it took, as a uint64_t, and two
                             return addresses behind `where`; more of them in further ones */
    TRACE_REQUEST_BEGIN,  /* [name text] by the running task; 1: struct trace_request_facts */
    TRACE_REQUEST_END,
    TRACE_REGION_BEGIN,   /* [name text] a part of what the running task does; regions nest */
    TRACE_REGION_NEXT,    /* [name text] the innermost one ends, and this one begins */
    TRACE_REGION_END,     /* the innermost one ends */
    TRACE_LOG,            /* [key text] 1: the value text's pointer, as a uint64_t */
    TRACE_HEAP,           /* [bytes that are allocated] 1: bytes resident, as a uint64_t */
    TRACE_SAMPLE,         /* [task that ran, or 0] of CPU time; struct trace_sample, then pcs, two in a continuation */
    TRACE_TYPE_COUNT,
};

struct trace_record {
    uint32_t time;  /* low half of trace_ticks */
    uint32_t where; /* a return address, as bytes behind trace_text_start(); 0: unknown */
    uint64_t word;  /* argument in the low 48 bits; then more: 8, wait: 3, type: 5 */
};
_Static_assert(sizeof(struct trace_record) == 16, "two words");

#define TRACE_ARGUMENT_BITS 48
#define TRACE_MORE_MAX 255

static inline uint64_t trace_argument(const struct trace_record *record)
{
    return record->word & ((1ull << TRACE_ARGUMENT_BITS) - 1);
}
static inline unsigned trace_more(const struct trace_record *record)
{
    return record->word >> 48 & 0xff;
}
static inline enum trace_wait trace_wait(const struct trace_record *record)
{
    return (enum trace_wait)(record->word >> 56 & 7);
}
static inline enum trace_type trace_type(const struct trace_record *record)
{
    return (enum trace_type)(record->word >> 59);
}
static inline uint64_t trace_word(enum trace_type type, enum trace_wait wait, unsigned more, uint64_t argument)
{
    return (uint64_t)type << 59 | (uint64_t)wait << 56 | (uint64_t)more << 48 |
           (argument & ((1ull << TRACE_ARGUMENT_BITS) - 1));
}

/* Continuations. Of a stack: four return addresses each, like `where`, innermost first, filled up with 0. */
#define TRACE_PCS_PER_RECORD 4
struct trace_task_entry {
    uint32_t run; /* its function, like `where` */
    char name[28];
};
struct trace_request_facts {
    uint64_t client; /* the client id's text, or 0 */
    int32_t correlation_id;
    uint32_t size_bytes; /* of the request */
};
struct trace_sample {
    uint64_t ticks; /* when: the record's own time is that of writing it down */
    int32_t thread_id;
    uint32_t epoch; /* of its addresses, see profiler/symbols.h */
};

/* A run of records of one thread, in the order of time. Records are never changed once they count as used. */
struct trace_chunk {
    _Atomic uint32_t used; /* records; written by the thread, read by any */
    uint32_t capacity;
    uint64_t start_ticks; /* what the first record's time goes on from: written before it is used */
    struct trace_record records[];
};
_Static_assert(sizeof(struct trace_chunk) == sizeof(struct trace_record), "records follow each other");

/* --- who writes, and to whom --- */

enum trace_thread_kind {
    TRACE_THREAD_OTHER,
    TRACE_THREAD_REACTOR, /* runs tasks */
    TRACE_THREAD_WORKER,  /* works for tasks */
    TRACE_THREAD_BRIEF,   /* comes and goes: it leaves no records, as each such thread would take a chunk for a few */
};

/* What a thread writes with; its own alone. */
struct trace_writer {
    struct trace_chunk *chunk;
    uint32_t session; /* that the chunk is for */
    enum trace_thread_kind kind;
    uint64_t last_ticks; /* of the last record */
    void *thread;        /* the recorder's */
    uint32_t last_type;  /* enum trace_type, of the last record */
};
extern _Thread_local struct trace_writer trace_writer __attribute__((tls_model("local-exec")));

/* Constant, and lives for ever. Both are called on the thread that records, which may be a reactor, and record
 * nothing themselves. */
struct trace_sink {
    /* The writer's chunk is full, or of another session than trace_session, or it has none. Set both; the chunk is
     * empty and has room for TRACE_MORE_MAX + 2 records at least. Or NULL: this record is lost. */
    void (*next_chunk)(struct trace_writer *writer);
    /* A request was served, and that has taken trace_slow_request_ns at least. */
    void (*slow_request)(const char *name, uint64_t duration_ns);
};
extern const struct trace_sink *_Atomic trace_sink; /* set before trace_session is */

/* 0: nobody records. Else a number that no recording had before. */
extern _Atomic uint32_t trace_session;
/* From how long on a request is slow; UINT64_MAX: none is. */
extern _Atomic uint64_t trace_slow_request_ns;
/* Return addresses that a stack may have: TRACE_DEPTH_SHORT of those who park, or TRACE_DEPTH_FULL of every event. */
extern _Atomic uint32_t trace_depth;
#define TRACE_DEPTH_SHORT (1 + TRACE_PCS_PER_RECORD)
#define TRACE_DEPTH_FULL (1 + 15 * TRACE_PCS_PER_RECORD)

/* What addresses are counted from: the program's first byte in memory. */
uintptr_t trace_text_start(void);

/* The clock of all records: the CPU's counter where the kernel itself trusts it (constant, never stops, the current
 * clock source), else CLOCK_MONOTONIC in ns. Who formats has to find out how long a tick is. [any] [signal] */
uint64_t trace_ticks(void);
/* How long a tick is: to a millionth, and always the same, once the program has run for a second. [any] */
double trace_tick_ns(void);

static inline bool trace_is_on(void)
{
    return UNLIKELY(atomic_load_explicit(&trace_session, memory_order_relaxed) != 0);
}

/* --- probe points --- */

/* What the calling thread is; before it records. Its name is what the kernel calls it. */
void trace_thread_is(enum trace_thread_kind kind);

/* Of the runtime, on the thread of the reactor. Call them only while trace_is_on(). The task's name is copied. `frame`:
 * the frame address (__builtin_frame_address) whose callers are the stack; the running task's stack bounds hold. Those
 * that return something return the record's time in ticks, for sums that agree with the trace. */
uint64_t trace_task_created(uint64_t task, const char *name, void (*run)(void *argument), uintptr_t spawned_at);
/* From the run queue. at_once: at the time of the record before, as what this thread did since is nothing. */
uint64_t trace_task_started(uint64_t task, bool at_once);
/* Woken by this thread right now. where: the return address of who did. */
uint64_t trace_task_resumed(uint64_t task, uintptr_t where);
uint64_t trace_task_parked(const char *reason, enum trace_wait wait, const void *frame);
uint64_t trace_task_yielded(const void *frame);
void trace_task_ended(uint64_t task, const char *name, void (*run)(void *argument));
void trace_poll_begun(void); /* at the time of the record before, if that was a task's last */
void trace_poll_ended(void);
/* where: the return address of who wakes it; 0: not known. [any] */
uint64_t trace_task_unparked(uint64_t task, uintptr_t where);
/* On a thread that works for a task. */
void trace_work_begun(uint64_t task, void (*work)(void *argument));
uint64_t trace_work_ended(uint64_t task);

/* Around a system call that may block. One that takes less than 2 us leaves no record. The name is a literal. [any] */
void trace_call_done(const char *name, uint64_t begun_ticks);
static inline uint64_t trace_call_begin(void)
{
    return trace_is_on() ? trace_ticks() : 0;
}
static inline void trace_call_end(const char *name, uint64_t begun_ticks)
{
    if (UNLIKELY(begun_ticks != 0))
        trace_call_done(name, begun_ticks);
}

/* How long all calls of one name took that left a record of a reactor or a worker, since the program began. Writes up
 * to `max` of them in no order, each name once, and returns how many it wrote. [any] */
#define TRACE_CALL_NAMES_MAX 32
struct trace_call_total {
    const char *name;
    uint64_t ticks;
};
unsigned trace_call_totals(struct trace_call_total *totals, unsigned max);

/* Of whoever serves requests, in a task. A request begins and ends in the same task, one at a time; regions and logs
 * between belong to it, and regions that are still open end with it.
 *
 * What follows at once shares a time: a request begins with the task's start or with the end of the request before, its
 * first region begins with it, and it ends with the call that sent its response. So between another call and the end
 * some region must begin or end. */
void trace_record_request_begin(const char *name, const char *client, int32_t correlation_id, uint32_t size_bytes);
void trace_record_request_end(const char *name, uint64_t duration_ns);
void trace_record_region(enum trace_type type, const char *name);
void trace_record_log(const char *key, const char *text);

static inline void trace_request_begin(const char *name, const char *client, int32_t correlation_id,
                                       uint32_t size_bytes)
{
    if (trace_is_on())
        trace_record_request_begin(name, client, correlation_id, size_bytes);
}
/* duration_ns: without what the client itself asked to wait. */
static inline void trace_request_end(const char *name, uint64_t duration_ns)
{
    if (trace_is_on())
        trace_record_request_end(name, duration_ns);
}
static inline void trace_region_begin(const char *name)
{
    if (trace_is_on())
        trace_record_region(TRACE_REGION_BEGIN, name);
}
static inline void trace_region_next(const char *name)
{
    if (trace_is_on())
        trace_record_region(TRACE_REGION_NEXT, name);
}
static inline void trace_region_end(void)
{
    if (trace_is_on())
        trace_record_region(TRACE_REGION_END, NULL);
}
/* A fact about the request that is served. Takes the time of the record before. NULL: none. */
static inline void trace_log(const char *key, const char *text)
{
    if (trace_is_on() && text)
        trace_record_log(key, text);
}

/* Of the profiler's own threads. */
void trace_heap(uint64_t allocated_bytes, uint64_t resident_bytes);
/* pcs: as a stack_key has them, innermost first; what is deeper than fits is cut at the root. */
void trace_cpu_sample(const struct trace_sample *sample, uint64_t task, const uintptr_t *pcs, unsigned depth);

#endif
