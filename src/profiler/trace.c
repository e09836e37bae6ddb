/* trace.c: a thread that carries records from the reader through repair and encoder to whoever takes the bytes. */
#include "profiler/trace.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "profiler/own_thread.h"
#include "profiler/profiler.h"
#include "profiler/rates.h"
#include "profiler/trace_living.h"
#include "profiler/trace_recorder.h"
#include "profiler/trace_repair.h"
#include "trace/format.h"
#include "trace/tables.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

/* Each has a thread, keeps chunks that are being read out of the recorder's circle, and holds up to TRACE_BYTES_MAX for
 * a client that reads slowly. Reserved ones come on top. */
#define COLLECTIONS_MAX 4
/* How often it looks for more. */
#define POLL_NS (20 * NS_PER_MS)
/* Bytes are handed over in pieces of at least this, or when there are no more for the moment. */
#define PIECE_BYTES ((size_t)64 << 10)
/* The cap and the clock are looked at after so many records; what they may add, and the last notes, must fit. */
#define CHECK_EVERY 64
#define CAP_MARGIN_BYTES ((size_t)64 << 10)

struct trace_collection {
    struct profiler *profiler;
    struct trace_query query;
    pthread_t thread;
    uint64_t deadline_ns; /* by own_thread_clock_ns; UINT64_MAX: none */
    atomic_bool is_abandoned; /* nobody wants the rest */

    /* Of the thread. */
    struct trace_tables *tables;
    struct trace_repair *repair;
    struct trace_encoder *encoder;
    struct buf out;         /* not handed over yet */
    size_t written_bytes;   /* handed over */
    uint64_t last_event_ns; /* since the start */
    struct buf lane_names;  /* strings' ids, by the lane's number */
    uint32_t noted_lane_count;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* of the thread: it is stopped */
    struct trace_reader *reader; /* NULL: all has been read */
    struct buf ready;
    bool has_ended;
};

/* Of the process, for its metrics. */
static struct {
    _Atomic unsigned open_count;
    _Atomic uint64_t event_count, repaired_count, trace_count, cut_count, byte_count;
} totals;

/* --- bytes --- */

static void hand_over(struct trace_collection *collection, bool is_last)
{
    if (collection->out.size == 0 && !is_last)
        return;
    collection->written_bytes += collection->out.size;
    atomic_fetch_add(&totals.byte_count, collection->out.size);
    pthread_mutex_lock(&collection->lock);
    buf_append_bytes(&collection->ready, buf_bytes(&collection->out));
    collection->has_ended = is_last;
    pthread_mutex_unlock(&collection->lock);
    buf_clear(&collection->out);
    if (collection->query.notify)
        collection->query.notify(collection->query.context);
}

static bool is_full(const struct trace_collection *collection)
{
    size_t pending_bytes = collection->query.format->pending_bytes(collection->encoder);
    return collection->written_bytes + collection->out.size + pending_bytes + CAP_MARGIN_BYTES > TRACE_BYTES_MAX;
}

static void take_event(const struct trace_event *event, void *context)
{
    struct trace_collection *collection = context;
    if (collection->last_event_ns < event->time_ns)
        collection->last_event_ns = event->time_ns;
    if (event->type == TRACE_EVENT_LANE)
        buf_append(&collection->lane_names, &event->name, sizeof event->name);
    collection->query.format->event(collection->encoder, event, &collection->out);
}

/* --- what the trace says of itself --- */

static void note(struct trace_collection *collection, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);

static void note(struct trace_collection *collection, const char *key, const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace_repair_note(collection->repair, key, text);
}

/* A moment on the trace's scale, as logs have it. */
static void note_time(struct trace_collection *collection, const char *key, uint64_t time_ns)
{
    uint64_t at_ns = trace_reader_start_ns(collection->reader) + time_ns;
    int64_t wall_ns = clock_wall_ns() - (int64_t)(own_thread_clock_ns() - at_ns);
    time_t seconds = (time_t)(wall_ns / (int64_t)NS_PER_S);
    struct tm parts;
    char text[32];
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    note(collection, key, "%s.%06dZ", text, (int)(wall_ns % (int64_t)NS_PER_S / 1000));
}

static void note_beginning(struct trace_collection *collection)
{
    struct rates *rates = profiler_rates(collection->profiler);
    note(collection, "program", "takhin %s", TAKHIN_VERSION);
    note(collection, "format", "%s", collection->query.format->name);
    note(collection, "rates", "cpu %" PRId64 " Hz, memory %" PRId64 " bytes, block %" PRId64 " ns, mutex 1 in %" PRId64,
         rates_in_force(rates, PROFILE_RATE_HZ), rates_in_force(rates, PROFILE_RATE_MEMORY),
         rates_in_force(rates, PROFILE_RATE_BLOCK), rates_in_force(rates, PROFILE_RATE_MUTEX));
    note_time(collection, "from", 0);
}

/* Go's viewers know lanes by their numbers only. */
static void note_lanes(struct trace_collection *collection)
{
    for (uint32_t name; collection->noted_lane_count * sizeof name < collection->lane_names.size;) {
        char key[24];
        snprintf(key, sizeof key, "lane %" PRIu32, collection->noted_lane_count);
        memcpy(&name, collection->lane_names.data + collection->noted_lane_count++ * sizeof name, sizeof name);
        note(collection, key, "%s", (const char *)trace_string_text(collection->tables, name).data);
    }
}

/* --- the thread --- */

/* Until it is stopped, or it is time to look again. */
static void wait_for_more(struct trace_collection *collection)
{
    uint64_t until_ns = own_thread_clock_ns() + POLL_NS;
    if (until_ns > collection->deadline_ns)
        until_ns = collection->deadline_ns;
    pthread_mutex_lock(&collection->lock);
    (void)own_thread_wait_until(&collection->wake, &collection->lock, until_ns);
    pthread_mutex_unlock(&collection->lock);
}

static void end_in_time(struct trace_collection *collection)
{
    if (own_thread_clock_ns() < collection->deadline_ns)
        return;
    collection->deadline_ns = UINT64_MAX;
    trace_reader_stop(collection->reader);
}

/* Until the end that was asked for, or the trace cannot go on; it then says why. */
static void carry(struct trace_collection *collection)
{
    struct trace_item item;
    for (uint64_t count = 1; !atomic_load_explicit(&collection->is_abandoned, memory_order_relaxed); count++) {
        double seconds = (double)trace_reader_now_ns(collection->reader) / (double)NS_PER_S;
        switch (trace_reader_next(collection->reader, &item)) {
        case TRACE_PROGRESS_ITEM:
            trace_repair_add(collection->repair, &item);
            note_lanes(collection);
            break;
        case TRACE_PROGRESS_WAIT:
            hand_over(collection, false);
            end_in_time(collection);
            wait_for_more(collection);
            break;
        case TRACE_PROGRESS_LOST:
            note(collection, "cut", "records were lost after %.1f s: too many came at once", seconds);
            atomic_fetch_add(&totals.cut_count, 1);
            return;
        case TRACE_PROGRESS_END:
            return;
        }
        if (collection->out.size >= PIECE_BYTES)
            hand_over(collection, false);
        if (count % CHECK_EVERY != 0)
            continue;
        end_in_time(collection);
        if (is_full(collection)) {
            note(collection, "cut", "trace cut at %zu MiB after %.1f s", TRACE_BYTES_MAX >> 20, seconds);
            atomic_fetch_add(&totals.cut_count, 1);
            return;
        }
    }
}

static void close_reader(struct trace_collection *collection)
{
    pthread_mutex_lock(&collection->lock);
    struct trace_reader *reader = collection->reader;
    collection->reader = NULL;
    pthread_mutex_unlock(&collection->lock);
    trace_reader_close(reader);
}

static void *collect(void *argument)
{
    struct trace_collection *collection = argument;
    const struct trace_format *format = collection->query.format;
    trace_thread_is(TRACE_THREAD_BRIEF);
    collection->tables = trace_tables_create();
    collection->encoder = format->create(collection->tables);
    collection->repair = trace_repair_create(profiler_symbols(collection->profiler), collection->tables, take_event,
                                             collection);
    trace_living_tell(profiler_trace_recorder(collection->profiler), collection->reader,
                      collection->query.last_ns > 0, &collection->is_abandoned, collection->repair);
    note_beginning(collection);
    carry(collection);
    uint64_t now_ns = trace_reader_now_ns(collection->reader);
    note_time(collection, "to", now_ns);
    close_reader(collection); /* it holds chunks */

    struct trace_repair_counts counts = trace_repair_counts(collection->repair);
    atomic_fetch_add(&totals.event_count, counts.event_count);
    atomic_fetch_add(&totals.repaired_count, counts.repaired_count);
    atomic_fetch_add(&totals.trace_count, 1);
    format->finish(collection->encoder, now_ns > collection->last_event_ns ? now_ns : collection->last_event_ns,
                   &collection->out);
    trace_repair_destroy(collection->repair);
    format->destroy(collection->encoder);
    trace_tables_destroy(collection->tables);
    buf_deinit(&collection->lane_names);
    hand_over(collection, true);
    return NULL;
}

/* --- the caller --- */

static void destroy(struct trace_collection *collection)
{
    trace_reader_close(collection->reader);
    pthread_cond_destroy(&collection->wake);
    pthread_mutex_destroy(&collection->lock);
    buf_deinit(&collection->out);
    buf_deinit(&collection->ready);
    if (!collection->query.is_reserved)
        atomic_fetch_sub(&totals.open_count, 1);
    mem_free(collection);
}

int trace_open(struct profiler *profiler, const struct trace_query *query, struct trace_collection **opened)
{
    ASSERT((query->duration_ns > 0) != (query->last_ns > 0));
    if (query->last_ns > 0 && profiler_options(profiler).trace_buffer == 0)
        return ERR_UNSUPPORTED;
    if (!query->is_reserved && atomic_fetch_add(&totals.open_count, 1) >= COLLECTIONS_MAX) {
        atomic_fetch_sub(&totals.open_count, 1);
        return ERR_BUSY;
    }
    struct trace_collection *collection = MEM_NEW(struct trace_collection);
    collection->profiler = profiler;
    collection->query = *query;
    buf_init(&collection->out);
    buf_init(&collection->ready);
    pthread_mutex_init(&collection->lock, NULL);
    own_thread_condition_init(&collection->wake);
    collection->reader = trace_reader_open(profiler_trace_recorder(profiler), query->last_ns,
                                           query->full_stacks && query->last_ns == 0);
    collection->deadline_ns = query->last_ns > 0 ? UINT64_MAX : own_thread_clock_ns() + query->duration_ns;
    int rc = own_thread_start(&collection->thread, collect, collection);
    if (rc < 0)
        destroy(collection);
    else
        *opened = collection;
    return rc;
}

bool trace_take(struct trace_collection *collection, struct buf *out)
{
    pthread_mutex_lock(&collection->lock);
    buf_append_bytes(out, buf_bytes(&collection->ready));
    buf_clear(&collection->ready);
    bool has_more = !collection->has_ended;
    pthread_mutex_unlock(&collection->lock);
    return has_more;
}

void trace_stop(struct trace_collection *collection)
{
    pthread_mutex_lock(&collection->lock);
    if (collection->reader)
        trace_reader_stop(collection->reader);
    pthread_cond_signal(&collection->wake);
    pthread_mutex_unlock(&collection->lock);
}

void trace_close(struct trace_collection *collection)
{
    if (!collection)
        return;
    atomic_store(&collection->is_abandoned, true);
    trace_stop(collection);
    pthread_join(collection->thread, NULL);
    destroy(collection);
}

struct trace_stats trace_stats(struct profiler *profiler)
{
    struct trace_recorder_stats recorder = trace_recorder_stats(profiler_trace_recorder(profiler));
    return (struct trace_stats){
        .record_count = recorder.record_count,
        .lost_count = recorder.lost_count,
        .held_bytes = recorder.held_bytes,
        .history_ns = recorder.history_ns,
        .event_count = atomic_load(&totals.event_count),
        .repaired_count = atomic_load(&totals.repaired_count),
        .trace_count = atomic_load(&totals.trace_count),
        .cut_count = atomic_load(&totals.cut_count),
        .byte_count = atomic_load(&totals.byte_count),
    };
}
