/* trace_recorder.c: hands chunks to threads that record, and switches recording on and off. */
#include "profiler/trace_recorder.h"

#include "base/clock.h"
#include "base/mem.h"
#include "profiler/own_thread.h"
#include "profiler/trace_recorder_private.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often memory is counted and the clocks are read. glibc locks each of its arenas in turn to count, for longer the
 * more free blocks there are, so it is done less often than every COUNT_COST_FACTOR times what it took. */
#define TICK_NS (100 * NS_PER_MS)
#define COUNT_COST_FACTOR 200

static struct trace_recorder the_recorder = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .watch_lock = PTHREAD_MUTEX_INITIALIZER,
};
static pthread_key_t thread_end; /* tells when a thread that recorded ends */

/* --- on the threads that record --- */

static void give_back(struct trace_recorder *recorder, struct trace_source *source)
{
    recorder->record_count +=
        trace_chunks_give_back(&recorder->chunks, source, trace_writer.last_ticks, recorder->session);
}

static void end_thread(void *argument)
{
    struct trace_recorder *recorder = &the_recorder;
    struct trace_source *source = argument;
    pthread_mutex_lock(&recorder->lock);
    give_back(recorder, source);
    source->has_ended = true;
    pthread_mutex_unlock(&recorder->lock);
    /* Should it record once more, as another of its destructors may, it is a new thread. */
    trace_writer.chunk = NULL;
    trace_writer.thread = NULL;
    trace_writer.session = 0;
}

static struct trace_source *register_thread(struct trace_recorder *recorder, enum trace_thread_kind kind)
{
    struct trace_source *source = MEM_NEW(struct trace_source);
    source->facts.kind = kind;
    source->facts.id = (int32_t)syscall(SYS_gettid);
    prctl(PR_GET_NAME, source->facts.name);
    pthread_setspecific(thread_end, source);
    pthread_mutex_lock(&recorder->lock);
    source->facts.index = recorder->source_count++;
    list_append(&recorder->sources, &source->link);
    pthread_mutex_unlock(&recorder->lock);
    return source;
}

/* Nobody can make a whole of what was before and what comes. */
static void note_loss(struct trace_recorder *recorder)
{
    uint64_t now_ticks = trace_ticks();
    recorder->lost_count++;
    recorder->chunks.complete_since_ticks = now_ticks;
    LIST_EACH(link, &recorder->readers)
    {
        struct trace_reader_link *reader = LIST_ENTRY(link, struct trace_reader_link, link);
        if (atomic_load(&reader->lost_ticks) == 0)
            atomic_store(&reader->lost_ticks, now_ticks);
    }
}

static void next_chunk(struct trace_writer *writer)
{
    struct trace_recorder *recorder = &the_recorder;
    if (!writer->thread)
        writer->thread = register_thread(recorder, writer->kind);
    struct trace_source *source = writer->thread;
    pthread_mutex_lock(&recorder->lock);
    give_back(recorder, source);
    writer->session = recorder->session;
    writer->chunk = recorder->session ? trace_chunks_take(&recorder->chunks, source, recorder->session) : NULL;
    if (recorder->session && !writer->chunk)
        note_loss(recorder);
    pthread_mutex_unlock(&recorder->lock);
}

static void slow_request(const char *name, uint64_t duration_ns)
{
    struct trace_recorder *recorder = &the_recorder;
    pthread_mutex_lock(&recorder->watch_lock);
    if (recorder->slow && duration_ns >= recorder->slow_ns)
        recorder->slow(recorder->slow_context, name, duration_ns);
    pthread_mutex_unlock(&recorder->watch_lock);
}

static const struct trace_sink sink = {.next_chunk = next_chunk, .slow_request = slow_request};

/* --- memory that is not needed any more --- */

/* With the lock, which it lets go of for most of the time: threads that record get on. */
static void shrink(struct trace_recorder *recorder)
{
    struct list shed;
    while (trace_chunks_shed(&recorder->chunks, &shed)) {
        pthread_mutex_unlock(&recorder->lock);
        trace_chunks_cool(&recorder->chunks, &shed);
        pthread_mutex_lock(&recorder->lock);
        trace_chunks_put_back(&recorder->chunks, &shed);
    }
}

/* --- the recorder's own thread --- */

static uint64_t resident_bytes(void)
{
    char text[64] = "";
    unsigned long size, resident = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0 || sscanf(text, "%lu %lu", &size, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Returns when to do it again. */
static uint64_t record_memory(void)
{
    uint64_t start_ns = own_thread_clock_ns();
    struct mallinfo2 info = mallinfo2();
    uint64_t end_ns = own_thread_clock_ns();
    trace_heap(info.uordblks + info.hblkhd, resident_bytes());
    return end_ns + (end_ns - start_ns) * COUNT_COST_FACTOR;
}

/* What readers do not refer to any more, as there are none. To be freed without the lock. */
static void take_ended_sources(struct trace_recorder *recorder, struct list *ended)
{
    list_init(ended);
    if (!list_empty(&recorder->readers))
        return;
    LIST_EACH_SAFE(link, &recorder->sources)
    {
        struct trace_source *source = LIST_ENTRY(link, struct trace_source, link);
        if (source->has_ended && source->slot_count == 0) {
            list_remove(link);
            list_append(ended, link);
        }
    }
}

static void free_sources(struct list *ended)
{
    LIST_EACH_SAFE(link, ended)
    {
        mem_free(LIST_ENTRY(link, struct trace_source, link));
    }
}

static void *tick(void *argument)
{
    struct trace_recorder *recorder = argument;
    uint64_t count_ns = 0;
    pthread_mutex_lock(&recorder->lock);
    while (!recorder->ticker_is_ending) {
        if (recorder->session == 0) {
            pthread_cond_wait(&recorder->wake, &recorder->lock);
            continue;
        }
        uint64_t now_ns = own_thread_clock_ns();
        struct list ended;
        trace_clock_read(&recorder->clock);
        shrink(recorder); /* what readers have let go of as they read along */
        take_ended_sources(recorder, &ended);
        pthread_mutex_unlock(&recorder->lock);
        free_sources(&ended);
        if (now_ns >= count_ns)
            count_ns = record_memory();
        pthread_mutex_lock(&recorder->lock);
        while (!recorder->ticker_is_ending &&
               own_thread_wait_until(&recorder->wake, &recorder->lock, now_ns + TICK_NS))
            continue;
    }
    pthread_mutex_unlock(&recorder->lock);
    return NULL;
}

/* Without it traces have no memory's track, and times go by one line. */
static void start_ticker(struct trace_recorder *recorder)
{
    if (recorder->has_ticker) {
        pthread_cond_signal(&recorder->wake);
        return;
    }
    recorder->has_ticker = own_thread_start(&recorder->ticker, tick, recorder) == 0;
    if (recorder->has_ticker)
        pthread_setname_np(recorder->ticker, "flight recorder"); /* it is there as long as the profiler is on */
}

/* --- on and off --- */

static void switch_on(struct trace_recorder *recorder)
{
    recorder->session = ++recorder->last_session;
    trace_clock_read(&recorder->clock);
    recorder->chunks.complete_since_ticks = trace_ticks();
    atomic_store(&trace_session, recorder->session);
    start_ticker(recorder);
}

static void switch_off(struct trace_recorder *recorder)
{
    atomic_store(&trace_session, 0);
    recorder->session = 0;
}

/* After what is wanted has changed; to be followed by shrink. */
static void apply(struct trace_recorder *recorder)
{
    uint32_t limit = recorder->buffer_chunks;
    if (!list_empty(&recorder->readers) && limit < TRACE_BUFFER_MIN / TRACE_CHUNK_BYTES)
        limit = TRACE_BUFFER_MIN / TRACE_CHUNK_BYTES;
    recorder->chunks.limit = limit;
    if (limit > 0 && recorder->session == 0)
        switch_on(recorder);
    else if (limit == 0 && recorder->session != 0)
        switch_off(recorder);
    atomic_store(&trace_depth, recorder->full_stacks_count > 0 ? TRACE_DEPTH_FULL : TRACE_DEPTH_SHORT);
}

void trace_recorder_add_reader(struct trace_recorder *recorder, struct trace_reader_link *link)
{
    list_append(&recorder->readers, &link->link);
    recorder->full_stacks_count += link->full_stacks;
    apply(recorder);
}

void trace_recorder_remove_reader(struct trace_recorder *recorder, struct trace_reader_link *link)
{
    list_remove(&link->link);
    recorder->full_stacks_count -= link->full_stacks;
    apply(recorder);
    shrink(recorder);
}

static void create_key(void)
{
    int rc = pthread_key_create(&thread_end, end_thread);
    ASSERT(rc == 0);
}

struct trace_recorder *trace_recorder_create(void)
{
    static pthread_once_t key_once = PTHREAD_ONCE_INIT;
    pthread_once(&key_once, create_key);
    struct trace_recorder *recorder = &the_recorder;
    pthread_mutex_lock(&recorder->lock);
    ASSERT(!recorder->exists);
    recorder->exists = true;
    if (!recorder->chunks.memory) {
        list_init(&recorder->readers);
        list_init(&recorder->sources);
        own_thread_condition_init(&recorder->wake);
        trace_chunks_init(&recorder->chunks);
        trace_clock_read(&recorder->clock);
    }
    pthread_mutex_unlock(&recorder->lock);
    atomic_store(&trace_sink, &sink);
    return recorder;
}

void trace_recorder_destroy(struct trace_recorder *recorder)
{
    if (!recorder)
        return;
    ASSERT(list_empty(&recorder->readers));
    trace_recorder_watch(recorder, UINT64_MAX, NULL, NULL);
    trace_recorder_configure(recorder, 0);
    pthread_mutex_lock(&recorder->lock);
    bool had_ticker = recorder->has_ticker;
    recorder->ticker_is_ending = true;
    pthread_cond_signal(&recorder->wake);
    pthread_mutex_unlock(&recorder->lock);
    if (had_ticker)
        pthread_join(recorder->ticker, NULL);
    struct list ended;
    pthread_mutex_lock(&recorder->lock);
    take_ended_sources(recorder, &ended);
    recorder->has_ticker = recorder->ticker_is_ending = false;
    recorder->exists = false;
    pthread_mutex_unlock(&recorder->lock);
    free_sources(&ended);
}

void trace_recorder_configure(struct trace_recorder *recorder, uint64_t buffer_bytes)
{
    ASSERT(buffer_bytes <= TRACE_BUFFER_MAX);
    pthread_mutex_lock(&recorder->lock);
    recorder->buffer_chunks = (uint32_t)((buffer_bytes + TRACE_CHUNK_BYTES - 1) / TRACE_CHUNK_BYTES);
    apply(recorder);
    shrink(recorder);
    pthread_mutex_unlock(&recorder->lock);
}

void trace_recorder_watch(struct trace_recorder *recorder, uint64_t slow_ns,
                          void (*slow)(void *context, const char *name, uint64_t duration_ns), void *context)
{
    pthread_mutex_lock(&recorder->watch_lock);
    recorder->slow_ns = slow_ns;
    recorder->slow = slow;
    recorder->slow_context = context;
    atomic_store(&trace_slow_request_ns, slow_ns);
    pthread_mutex_unlock(&recorder->watch_lock);
}

struct trace_recorder_stats trace_recorder_stats(struct trace_recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    struct trace_recorder_stats stats = {
        .record_count = recorder->record_count,
        .lost_count = recorder->lost_count,
        .held_bytes = recorder->chunks.warm_count * TRACE_CHUNK_BYTES,
    };
    if (recorder->buffer_chunks > 0) {
        trace_clock_read(&recorder->clock);
        uint64_t since_ticks = recorder->chunks.complete_since_ticks;
        struct trace_clock_line line = trace_clock_line_at(&recorder->clock, since_ticks);
        uint64_t since_ns = trace_clock_ns(&line, since_ticks), now_ns = recorder->clock.newest.ns;
        stats.history_ns = now_ns > since_ns ? now_ns - since_ns : 0;
    }
    pthread_mutex_unlock(&recorder->lock);
    return stats;
}
