/* trace.c: fills in records, each with as few readings of the clock as it can do with. */
#include "base/trace.h"

#include "base/clock.h"
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined __x86_64__
#include <x86intrin.h>
#endif

/* A longer silence than this many ticks is told by a TRACE_CLOCK: else the next time could be taken for one soon after
 * the last. */
#define SILENCE_TICKS (1ull << 31)
/* A call that took less is no event. */
#define CALL_MIN_NS 2000

_Thread_local struct trace_writer trace_writer;
const struct trace_sink *_Atomic trace_sink;
_Atomic uint32_t trace_session;
_Atomic uint64_t trace_slow_request_ns = UINT64_MAX;
_Atomic uint32_t trace_depth = TRACE_DEPTH_SHORT;

extern const char __executable_start[]; /* the linker's */

uintptr_t trace_text_start(void)
{
    return (uintptr_t)__executable_start;
}

/* --- the clock --- */

static bool counter_is_trusted;
static uint64_t call_min_ticks;

/* Not clock_monotonic_ns, which tests may freeze. */
static NOINLINE uint64_t monotonic_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* The same as trace_ticks, without a call. */
static ALWAYS_INLINE uint64_t now(void)
{
#if defined __x86_64__
    if (LIKELY(counter_is_trusted))
        return __rdtsc();
#endif
    return monotonic_ns();
}

uint64_t trace_ticks(void)
{
    return now();
}

/* The same moment on both clocks: the closest of some tries, as the thread may lose its processor in between. */
struct moment {
    uint64_t ticks, ns;
};
static struct moment origin; /* the program's start */

static struct moment this_moment(void)
{
    struct moment closest = {0};
    for (uint64_t i = 0, distance = UINT64_MAX; i < 10; i++) {
        uint64_t before = now(), ns = monotonic_ns(), took = now() - before;
        if (took < distance) {
            distance = took;
            closest = (struct moment){before + took / 2, ns};
        }
    }
    return closest;
}

/* The kernel has checked the counters of all CPUs against each other and against other clocks, and goes on doing so. */
static bool kernel_trusts_counter(void)
{
#if !defined __x86_64__
    return false;
#endif
    char name[16] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, name, sizeof name - 1);
    close(fd);
    return size >= 3 && strncmp(name, "tsc\n", 4) == 0;
}

/* Before main, so that nobody asks whether it is done. What is short need only be known roughly. */
__attribute__((constructor)) static void choose_clock(void)
{
    counter_is_trusted = kernel_trusts_counter();
    origin = this_moment();
    struct moment later = this_moment();
    while (later.ns - origin.ns < 10 * NS_PER_US)
        later = this_moment();
    call_min_ticks = CALL_MIN_NS * (later.ticks - origin.ticks) / (later.ns - origin.ns);
}

/* Not looked at again once it is known well, or sums of ticks might shrink in seconds. */
double trace_tick_ns(void)
{
    static _Atomic double known;
    double tick_ns = counter_is_trusted ? atomic_load(&known) : 1;
    if (tick_ns != 0)
        return tick_ns;
    struct moment moment = this_moment();
    tick_ns = (double)(moment.ns - origin.ns) / (double)(moment.ticks - origin.ticks);
    if (moment.ns - origin.ns > NS_PER_S)
        atomic_store(&known, tick_ns);
    return tick_ns;
}

/* --- writing --- */

/* A chunk with room, and a clock that the record's 32 bits can go on from. False: there is none. */
static NOINLINE bool make_room(struct trace_writer *writer, unsigned count, uint64_t ticks)
{
    struct trace_chunk *chunk = writer->chunk;
    uint32_t session = atomic_load_explicit(&trace_session, memory_order_relaxed);
    if (session == 0 || writer->kind == TRACE_THREAD_BRIEF)
        return false;
    if (!chunk || writer->session != session ||
        atomic_load_explicit(&chunk->used, memory_order_relaxed) + count + 1 > chunk->capacity) {
        int error = errno; /* a probe may stand between a system call and who looks at its error */
        atomic_load(&trace_sink)->next_chunk(writer);
        errno = error;
        chunk = writer->chunk;
        if (!chunk) {
            writer->last_type = 0;
            return false;
        }
        chunk->start_ticks = writer->last_ticks = ticks;
    }
    if (ticks - writer->last_ticks >= SILENCE_TICKS) {
        uint32_t used = atomic_load_explicit(&chunk->used, memory_order_relaxed);
        chunk->records[used] = (struct trace_record){
            .time = (uint32_t)ticks,
            .word = trace_word(TRACE_CLOCK, TRACE_WAIT_OTHER, 0, ticks >> 32),
        };
        atomic_store_explicit(&chunk->used, used + 1, memory_order_release);
    }
    return true;
}

/* Room for `count` records in one piece, to be filled in and then committed; NULL: nobody records, or there is none. */
static inline struct trace_record *reserve(unsigned count, uint64_t ticks)
{
    struct trace_writer *writer = &trace_writer;
    struct trace_chunk *chunk = writer->chunk;
    if (UNLIKELY(!chunk || writer->session != atomic_load_explicit(&trace_session, memory_order_relaxed) ||
                 atomic_load_explicit(&chunk->used, memory_order_relaxed) + count + 1 > chunk->capacity ||
                 ticks - writer->last_ticks >= SILENCE_TICKS)) {
        if (!make_room(writer, count, ticks))
            return NULL;
        chunk = writer->chunk;
    }
    writer->last_ticks = ticks;
    return &chunk->records[atomic_load_explicit(&chunk->used, memory_order_relaxed)];
}

static inline void commit(enum trace_type type, unsigned count)
{
    struct trace_chunk *chunk = trace_writer.chunk;
    uint32_t used = atomic_load_explicit(&chunk->used, memory_order_relaxed);
    atomic_store_explicit(&chunk->used, used + count, memory_order_release);
    trace_writer.last_type = type;
    /* A chunk has been out of the cache for seconds: the line after the next is fetched while other work goes on. */
    __builtin_prefetch(&chunk->records[used + count + 8], 1);
}

static inline uint32_t offset_of(uintptr_t pc)
{
    uintptr_t offset = pc - (uintptr_t)__executable_start;
    return offset <= UINT32_MAX ? (uint32_t)offset : 0;
}

/* The time of this thread's last record, if that was one of these types: else now. */
#define AFTER(type) (1u << (type))
#define AFTER_ANY (~AFTER(0)) /* 0: the last one was lost */
static inline uint64_t ticks_of_last(uint32_t types)
{
    const struct trace_writer *writer = &trace_writer;
    return writer->session == atomic_load_explicit(&trace_session, memory_order_relaxed) &&
                   (types >> writer->last_type & 1) != 0
               ? writer->last_ticks
               : now();
}
_Static_assert(TRACE_TYPE_COUNT <= 32, "a bit each");

static ALWAYS_INLINE uint32_t stack_depth(void)
{
    return atomic_load_explicit(&trace_depth, memory_order_relaxed);
}

/* A walk over the running task's stack, from a frame outwards. */
struct walk {
    uintptr_t frame, low, high;
};

static ALWAYS_INLINE struct walk walk_from(const void *frame)
{
    return (struct walk){(uintptr_t)frame, probe_execution.stack_low, probe_execution.stack_high};
}

/* The next return address: all are our own code's, which has frame pointers. 0: there is none. */
static ALWAYS_INLINE uint32_t walk_next(struct walk *walk)
{
    uintptr_t at = walk->frame;
    if (at < walk->low || at >= walk->high || walk->high - at < 2 * sizeof at || at % sizeof at != 0)
        return 0;
    const uintptr_t *link = (const uintptr_t *)at;
    if (link[0] <= at)
        return 0;
    walk->frame = link[0];
    return offset_of(link[1]);
}

/* One with the stack of who called the function whose frame this is, written right where it is to stay. A number may
 * come before it: 1 for a number, 0 for none. `where` is for a thread that runs no task. */
static ALWAYS_INLINE void record_stack(enum trace_type type, enum trace_wait wait, uint64_t argument, uint32_t where,
                                       const void *frame, unsigned numbers, uint64_t number, unsigned depth_max,
                                       uint64_t ticks)
{
    unsigned before = numbers * (unsigned)(sizeof number / sizeof(uint32_t)), slot_max = before + depth_max - 1;
    struct trace_record *record = reserve(1 + (slot_max + TRACE_PCS_PER_RECORD - 1) / TRACE_PCS_PER_RECORD, ticks);
    if (!record)
        return;
    uint32_t *slots = (uint32_t *)(record + 1), innermost;
    unsigned count = before;
    struct walk walk = walk_from(frame);
    if (numbers)
        memcpy(slots, &number, sizeof number);
    innermost = walk_next(&walk);
    while (count < slot_max && (slots[count] = walk_next(&walk)) != 0)
        count++;
    unsigned more = (count + TRACE_PCS_PER_RECORD - 1) / TRACE_PCS_PER_RECORD;
    for (unsigned i = count; i < more * TRACE_PCS_PER_RECORD; i++)
        slots[i] = 0;
    *record = (struct trace_record){(uint32_t)ticks, innermost ? innermost : where,
                                    trace_word(type, wait, more, argument)};
    commit(type, 1 + more);
}

/* The same where all stacks are full, from `where` on: what is inside of that is left out. */
static NOINLINE void record_stack_from(enum trace_type type, uint64_t argument, uintptr_t where, const void *frame,
                                       uint64_t ticks)
{
    uint32_t first = offset_of(where), pc;
    struct walk walk = walk_from(frame), outside = walk;
    while ((pc = walk_next(&walk)) != 0 && pc != first)
        outside = walk;
    /* A thread that runs no task, or one that was called from elsewhere, has no more than that. */
    const void *begin = pc == first ? (const void *)outside.frame : NULL;
    record_stack(type, TRACE_WAIT_OTHER, argument, first, begin, 0, 0, TRACE_DEPTH_FULL, ticks);
}

/* One with `more` continuations from `data`. */
static ALWAYS_INLINE void record_at(enum trace_type type, uint64_t argument, uintptr_t where, const void *data,
                                    unsigned more, uint64_t ticks)
{
    struct trace_record *record = reserve(1 + more, ticks);
    if (!record)
        return;
    *record = (struct trace_record){(uint32_t)ticks, where ? offset_of(where) : 0,
                                    trace_word(type, TRACE_WAIT_OTHER, more, argument)};
    if (more > 0)
        memcpy(record + 1, data, more * sizeof *record);
    commit(type, 1 + more);
}

/* For records that have no continuation but a stack. */
#define RECORD_HERE(type, argument, ticks) \
    do { \
        if (UNLIKELY(stack_depth() > TRACE_DEPTH_SHORT)) \
            record_stack_from((type), (argument), (uintptr_t)__builtin_return_address(0), __builtin_frame_address(0), \
                              (ticks)); \
        else \
            record_at((type), (argument), (uintptr_t)__builtin_return_address(0), NULL, 0, (ticks)); \
    } while (0)

/* --- probe points --- */

void trace_thread_is(enum trace_thread_kind kind)
{
    trace_writer.kind = kind;
}

static struct trace_task_entry entry_of(const char *name, void (*run)(void *argument))
{
    struct trace_task_entry entry = {.run = offset_of((uintptr_t)run)};
    memcpy(entry.name, name, strnlen(name, sizeof entry.name - 1));
    return entry;
}
_Static_assert(sizeof(struct trace_task_entry) == 2 * sizeof(struct trace_record), "two continuations");

uint64_t trace_task_created(uint64_t task, const char *name, void (*run)(void *argument), uintptr_t spawned_at)
{
    struct trace_task_entry entry = entry_of(name, run);
    uint64_t ticks = now();
    record_at(TRACE_TASK_CREATE, task, spawned_at, &entry, 2, ticks);
    return ticks;
}

uint64_t trace_task_started(uint64_t task, bool at_once)
{
    uint64_t ticks = at_once ? ticks_of_last(AFTER_ANY) : now();
    record_at(TRACE_TASK_START, task, 0, NULL, 0, ticks);
    return ticks;
}

uint64_t trace_task_resumed(uint64_t task, uintptr_t where)
{
    uint64_t ticks = now();
    record_at(TRACE_TASK_RESUME, task, where, NULL, 0, ticks);
    return ticks;
}

uint64_t trace_task_parked(const char *reason, enum trace_wait wait, const void *frame)
{
    uint64_t ticks = now();
    record_stack(TRACE_TASK_PARK, wait, (uint64_t)(uintptr_t)reason, 0, frame, 0, 0, stack_depth(), ticks);
    return ticks;
}

uint64_t trace_task_yielded(const void *frame)
{
    uint64_t ticks = now();
    record_stack(TRACE_TASK_YIELD, TRACE_WAIT_OTHER, 0, 0, frame, 0, 0, stack_depth(), ticks);
    return ticks;
}

void trace_task_ended(uint64_t task, const char *name, void (*run)(void *argument))
{
    struct trace_task_entry entry = entry_of(name, run);
    record_at(TRACE_TASK_END, task, 0, &entry, 2, now());
}

void trace_poll_begun(void)
{
    uint64_t ticks = ticks_of_last(AFTER(TRACE_TASK_PARK) | AFTER(TRACE_TASK_YIELD) | AFTER(TRACE_TASK_END));
    record_at(TRACE_POLL_BEGIN, 0, 0, NULL, 0, ticks);
}

void trace_poll_ended(void)
{
    record_at(TRACE_POLL_END, 0, 0, NULL, 0, now());
}

uint64_t trace_task_unparked(uint64_t task, uintptr_t where)
{
    uint64_t ticks = now();
    if (UNLIKELY(stack_depth() > TRACE_DEPTH_SHORT))
        record_stack_from(TRACE_TASK_UNPARK, task, where, __builtin_frame_address(0), ticks);
    else
        record_at(TRACE_TASK_UNPARK, task, where, NULL, 0, ticks);
    return ticks;
}

void trace_work_begun(uint64_t task, void (*work)(void *argument))
{
    record_at(TRACE_WORK_BEGIN, task, (uintptr_t)work, NULL, 0, now());
}

uint64_t trace_work_ended(uint64_t task)
{
    uint64_t ticks = now();
    record_at(TRACE_WORK_END, task, 0, NULL, 0, ticks);
    return ticks;
}

/* One literal may lie at several addresses; who reads the totals adds those up. */
static struct {
    const char *_Atomic name;
    _Atomic uint64_t ticks;
} calls[TRACE_CALL_NAMES_MAX];

static void count_call(const char *name, uint64_t ticks)
{
    for (unsigned i = 0; i < TRACE_CALL_NAMES_MAX; i++) {
        const char *there = atomic_load_explicit(&calls[i].name, memory_order_relaxed);
        if (there == name || (!there && (atomic_compare_exchange_strong(&calls[i].name, &there, name) ||
                                         there == name))) {
            atomic_fetch_add_explicit(&calls[i].ticks, ticks, memory_order_relaxed);
            return;
        }
    }
}

unsigned trace_call_totals(struct trace_call_total *totals, unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TRACE_CALL_NAMES_MAX; i++) {
        const char *name = atomic_load_explicit(&calls[i].name, memory_order_relaxed);
        if (!name)
            break;
        unsigned at = 0;
        while (at < count && strcmp(totals[at].name, name) != 0)
            at++;
        if (at == max)
            break;
        if (at == count)
            totals[count++] = (struct trace_call_total){.name = name};
        totals[at].ticks += atomic_load_explicit(&calls[i].ticks, memory_order_relaxed);
    }
    return count;
}

#define CALL_DEPTH_SHORT 3 /* its place, and the callers that find room beside the duration */

void trace_call_done(const char *name, uint64_t begun_ticks)
{
    uint64_t ticks = now(), took = ticks - begun_ticks;
    if (took < call_min_ticks || !trace_is_on())
        return;
    uint32_t depth = stack_depth();
    record_stack(TRACE_CALL, TRACE_WAIT_OTHER, (uint64_t)(uintptr_t)name,
                 offset_of((uintptr_t)__builtin_return_address(0)), __builtin_frame_address(0), 1, took,
                 depth > TRACE_DEPTH_SHORT ? depth : CALL_DEPTH_SHORT, ticks);
    if (trace_writer.kind != TRACE_THREAD_OTHER)
        count_call(name, took);
}

void trace_record_request_begin(const char *name, const char *client, int32_t correlation_id, uint32_t size_bytes)
{
    struct trace_request_facts facts = {(uint64_t)(uintptr_t)client, correlation_id, size_bytes};
    uint64_t ticks = ticks_of_last(AFTER(TRACE_TASK_START) | AFTER(TRACE_TASK_RESUME) | AFTER(TRACE_REQUEST_END));
    record_at(TRACE_REQUEST_BEGIN, (uint64_t)(uintptr_t)name, (uintptr_t)__builtin_return_address(0), &facts, 1, ticks);
}
_Static_assert(sizeof(struct trace_request_facts) == sizeof(struct trace_record), "one continuation");

void trace_record_request_end(const char *name, uint64_t duration_ns)
{
    uint64_t ticks = ticks_of_last(AFTER(TRACE_CALL));
    record_at(TRACE_REQUEST_END, 0, (uintptr_t)__builtin_return_address(0), NULL, 0, ticks);
    if (UNLIKELY(duration_ns >= atomic_load_explicit(&trace_slow_request_ns, memory_order_relaxed)))
        atomic_load(&trace_sink)->slow_request(name, duration_ns);
}

void trace_record_region(enum trace_type type, const char *name)
{
    uint64_t ticks = ticks_of_last(AFTER(TRACE_REQUEST_BEGIN));
    RECORD_HERE(type, (uint64_t)(uintptr_t)name, ticks);
}

void trace_record_log(const char *key, const char *text)
{
    uint64_t value[2] = {(uint64_t)(uintptr_t)text, 0};
    record_at(TRACE_LOG, (uint64_t)(uintptr_t)key, (uintptr_t)__builtin_return_address(0), value, 1,
              ticks_of_last(AFTER_ANY));
}

void trace_heap(uint64_t allocated_bytes, uint64_t resident_bytes)
{
    uint64_t resident[2] = {resident_bytes, 0};
    record_at(TRACE_HEAP, allocated_bytes, 0, resident, 1, now());
}

void trace_cpu_sample(const struct trace_sample *sample, uint64_t task, const uintptr_t *pcs, unsigned depth)
{
    uint64_t data[2 * TRACE_MORE_MAX];
    _Static_assert(sizeof *sample == sizeof(struct trace_record), "one continuation");
    if (depth > 2 * (TRACE_MORE_MAX - 1))
        depth = 2 * (TRACE_MORE_MAX - 1);
    unsigned more = 1 + (depth + 1) / 2;
    memcpy(data, sample, sizeof *sample);
    memcpy(data + 2, pcs, depth * sizeof *pcs);
    if (depth % 2 != 0)
        data[2 + depth] = 0;
    record_at(TRACE_SAMPLE, task, 0, data, more, now());
}
