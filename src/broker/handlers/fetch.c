/* fetch.c: Fetch: views of the log from given offsets on, at once or as soon as there is enough. */
#include "broker/handlers.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/trace.h"
#include "broker/topics.h"
#include "kafka/error.h"
#include "kafka/messages/fetch.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "storage/log.h"

#include <uv.h>

/* What a response carries at most, as with Kafka's fetch.max.bytes: a frame's size is an int32, and a client may ask
 * for as much. */
#define RESPONSE_BYTES_MAX (55u * 1024 * 1024)
/* How often a long poll looks whether its client is still there. */
#define GONE_CHECK_MS 1000

/* One partition that was asked for; `out` is filled anew at each try. */
struct partition_fetch {
    struct storage_topic *topic;
    struct storage_log *log; /* NULL: error_code says why */
    int16_t error_code;
    int64_t offset;
    size_t max_bytes;
    struct fetch_response_partition *out;
    struct storage_slice slice;
    struct storage_watch watch;
};

struct fetch {
    struct partition_fetch *partitions;
    size_t count;
    size_t max_bytes;
    bool failed; /* an error is answered at once */
};

static void release_slices(void *argument)
{
    struct fetch *fetch = argument;
    for (size_t i = 0; i < fetch->count; i++) {
        storage_slice_release(&fetch->partitions[i].slice);
        fetch->partitions[i].slice = (struct storage_slice){0};
    }
}

static size_t partition_count(const struct fetch_request *in)
{
    size_t count = 0;
    for (size_t i = 0; i < in->topics.count; i++)
        count += in->topics.items[i].partitions.count;
    return count;
}

static size_t positive(int32_t bytes)
{
    return bytes > 0 ? (size_t)bytes : 0;
}

/* Lay out the response, and beside it what each partition's part needs. */
static void prepare(struct request *request, const struct fetch_request *in, struct fetch_response *out,
                    struct fetch *fetch)
{
    const bool by_id = request->version >= 13;
    struct partition_fetch *next = fetch->partitions;

    out->responses.count = in->topics.count;
    out->responses.items = CODEC_NEW(request->arena, fetch_response_topic, in->topics.count);
    for (size_t i = 0; i < in->topics.count; i++) {
        const struct fetch_request_topic *topic_in = &in->topics.items[i];
        struct fetch_response_topic *topic_out = &out->responses.items[i];
        struct storage_topic *topic =
            by_id ? topic_by_id(request, topic_in->topic_id) : topic_by_name(request, topic_in->topic);

        topic_out->topic = topic_in->topic;
        topic_out->topic_id = topic_in->topic_id;
        topic_out->partitions.count = topic_in->partitions.count;
        topic_out->partitions.items =
            CODEC_NEW(request->arena, fetch_response_partition, topic_in->partitions.count);
        for (size_t j = 0; j < topic_in->partitions.count; j++, next++) {
            const struct fetch_request_partition *partition_in = &topic_in->partitions.items[j];
            next->out = &topic_out->partitions.items[j];
            next->out->partition_index = partition_in->partition;
            next->topic = topic;
            next->log = topic_log(topic, partition_in->partition);
            next->error_code = by_id && !topic ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            next->offset = partition_in->fetch_offset;
            next->max_bytes = positive(partition_in->partition_max_bytes);
        }
    }
}

static void read_partition(struct partition_fetch *partition, size_t max_bytes, bool at_least_one)
{
    struct fetch_response_partition *out = partition->out;
    struct storage_slice *slice = &partition->slice;
    int rc = 0;

    out->high_watermark = -1;
    out->error_code = partition->error_code;
    if (partition->log) {
        task_label(LABEL_TOPIC, label_name_use(partition->topic->label));
        rc = storage_log_read(partition->log, partition->offset, max_bytes, at_least_one, slice);
        out->error_code = topic_error(rc);
        if (rc == 0 || rc == ERR_OUT_OF_RANGE) {
            out->high_watermark = out->last_stable_offset = slice->end_offset;
            out->log_start_offset = slice->start_offset;
        }
    }
    /* Never null, which some clients do not expect. */
    out->records = (struct wire_records){.data = (const uint8_t *)"", .size = 0};
    if (rc == 0 && slice->size > 0)
        out->records = (struct wire_records){.size = slice->size, .source = slice};
}

/* One try: returns how many bytes of records there are. */
static size_t read_all(struct fetch *fetch)
{
    size_t total = 0;
    fetch->failed = false;
    for (size_t i = 0; i < fetch->count; i++) {
        struct partition_fetch *partition = &fetch->partitions[i];
        size_t left = fetch->max_bytes > total ? fetch->max_bytes - total : 0;
        /* The first batch comes whole whatever its size, or a client could never get past it (KIP-74). */
        read_partition(partition, left < partition->max_bytes ? left : partition->max_bytes, total == 0);
        total += partition->out->records.size;
        fetch->failed |= partition->out->error_code != KAFKA_NONE;
    }
    task_label(LABEL_TOPIC, NULL);
    return total;
}

/* Wait for an append to any of the logs; false when it is no use to wait any longer. */
static bool wait_for_data(struct request *request, struct storage_waiter *waiter, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= deadline_ns)
            return false;
        /* Rounded up: a wait that ends early would only be followed by another. */
        uint64_t left_ms = (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
        trace_region_next("wait_data");
        int rc = storage_waiter_wait(waiter, left_ms < GONE_CHECK_MS ? left_ms : GONE_CHECK_MS);
        trace_region_next("read");
        request->waited_ns += clock_monotonic_ns() - now_ns;
        if (rc != UV_ETIMEDOUT)
            return rc == 0;
        if (stream_wait_closed(request->stream, 0) == 0)
            return false;
    }
}

/* Until there is enough, an error, or the client's time is over. */
static void read_when_enough(struct request *request, const struct fetch_request *in, struct fetch *fetch)
{
    const size_t min_bytes = positive(in->min_bytes);
    const uint64_t deadline_ns = clock_monotonic_ns() + positive(in->max_wait_ms) * NS_PER_MS;
    struct storage_waiter waiter;

    if (read_all(fetch) >= min_bytes || fetch->failed || in->max_wait_ms <= 0)
        return;
    /* Now watch, and look again before the first wait, so that no append falls between. */
    storage_waiter_init(&waiter);
    for (size_t i = 0; i < fetch->count; i++)
        storage_log_watch(fetch->partitions[i].log, &fetch->partitions[i].watch, &waiter);
    do {
        release_slices(fetch);
    } while (read_all(fetch) < min_bytes && !fetch->failed && wait_for_data(request, &waiter, deadline_ns));
    for (size_t i = 0; i < fetch->count; i++)
        storage_log_unwatch(fetch->partitions[i].log, &fetch->partitions[i].watch);
}

void kafka_handler_fetch(struct request *request)
{
    const struct fetch_request *in = request->in;
    struct fetch_response *out = request->out;
    struct fetch *fetch = arena_alloc(request->arena, sizeof *fetch);

    trace_region_next("read");
    /* Sessions (KIP-227) are never granted, so a request that goes on with one is mistaken. */
    if (in->session_epoch > 0) {
        out->error_code = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        return;
    }
    fetch->count = partition_count(in);
    fetch->partitions = arena_alloc_array(request->arena, fetch->count, sizeof *fetch->partitions);
    fetch->max_bytes = positive(in->max_bytes) < RESPONSE_BYTES_MAX ? positive(in->max_bytes) : RESPONSE_BYTES_MAX;
    prepare(request, in, out, fetch);
    request_defer(request, release_slices, fetch);
    read_when_enough(request, in, fetch);
}
