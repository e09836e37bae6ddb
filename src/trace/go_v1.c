/* go_v1.c: Go's trace format of versions 1.11 to 1.21, which go tool trace of all versions opens: header "go 1.19".
 *
 * A file is batches of records, each batch of one lane (Go's P); between them, at any place, stand definitions of
 * strings and stacks. Each record has the time since the record before it in its lane. There is no text for why a task
 * waits, so that stands on the stack, as an innermost frame "[fsync]". What readers accept is told in the functions
 * below, where it makes a difference; the format's own description is internal/trace/parser.go of Go 1.19. */
#include "trace/format.h"

#include "base/mem.h"
#include "trace/go.h"
#include "trace/go_v1_events.h"
#include "trace/tables.h"
#include "trace/varint.h"

#define BATCH_SIZE 4096
#define FLUSH_EVERY_NS 100000000

struct trace_encoder {
    struct go_names names;
    struct go_lanes lanes;
    struct task_map tasks;
    struct buf head;        /* what stands before all batches, until it is written */
    bool has_started;       /* see start() */
    bool has_full_batch;
    uint64_t shift;         /* ticks that are put in */
    uint64_t last_flush_ns;
};

/* All are taken with the next batch, so no run is ever full. */
static const struct go_dialect dialect = {
    .string_type = GO_V1_STRING, .stack_type = GO_V1_STACK | 3 << 6, .stack_has_size = true, .run_max = SIZE_MAX,
};

/* --- records --- */

static uint64_t ticks_of(const struct trace_encoder *encoder, const struct trace_event *event)
{
    return GO_START_TICKS + encoder->shift + event->time_ns;
}

/* Up to two arguments are counted in the type; more than that have their size in bytes before them. */
static void record(struct trace_encoder *encoder, uint32_t lane_number, uint64_t ticks, enum go_v1_event type,
                   unsigned argument_count, const uint64_t *arguments)
{
    struct go_lane *lane = go_lane(&encoder->lanes, lane_number);
    if (lane->bytes.size == 0) {
        uint8_t *start = buf_reserve(&lane->bytes, 1 + 2 * VARINT_MAX), *end = start;
        *end++ = GO_V1_BATCH | 1 << 6;
        end = varint_put(end, go_proc(lane_number));
        end = varint_put(end, ticks);
        lane->bytes.size += (size_t)(end - start);
        lane->ticks = ticks;
    }
    uint8_t *start = buf_reserve(&lane->bytes, 2 + 5 * VARINT_MAX), *end = start;
    *end++ = (uint8_t)(type | (argument_count < 3 ? argument_count : 3) << 6);
    uint8_t *size = end;
    if (argument_count >= 3)
        end++;
    end = varint_put(end, ticks - lane->ticks);
    for (unsigned i = 0; i < argument_count; i++)
        end = varint_put(end, arguments[i]);
    if (argument_count >= 3)
        *size = (uint8_t)(end - size - 1);
    lane->bytes.size += (size_t)(end - start);
    lane->ticks = ticks;
    encoder->has_full_batch |= lane->bytes.size >= BATCH_SIZE;
}

#define RECORD(encoder, lane, ticks, type, ...) \
    record(encoder, lane, ticks, type, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__})
#define RECORD_ALONE(encoder, lane, ticks, type) record(encoder, lane, ticks, type, 0, NULL)

static void write_out(struct buf *from, struct buf *out)
{
    buf_append_bytes(out, buf_bytes(from));
    buf_clear(from);
}

/* Definitions go ahead of the batches that need them. */
static void flush(struct trace_encoder *encoder, bool also_small, struct buf *out)
{
    write_out(&encoder->head, out);
    write_out(&encoder->names.strings, out);
    write_out(&encoder->names.stacks, out);
    for (uint32_t i = 0; i <= encoder->lanes.count; i++)
        if (also_small || encoder->lanes.all[i].bytes.size >= BATCH_SIZE)
            write_out(&encoder->lanes.all[i].bytes, out);
    encoder->has_full_batch = false;
}

/* --- events --- */

static uint64_t stack_of(struct trace_encoder *encoder, const struct trace_event *event)
{
    return go_stack(&encoder->names, 0, event->stack);
}

static void write_procs(struct trace_encoder *encoder, uint64_t ticks)
{
    RECORD(encoder, TRACE_NO_LANE, ticks, GO_V1_PROC_COUNT, encoder->lanes.count, 0);
}

/* What comes before the first Gomaxprocs is the state at the start; Go since 1.23 swallows that one, so there is a
 * second. Between lanes, order is by time alone, so no other event may have the same time as these. */
static void start(struct trace_encoder *encoder, uint64_t time_ns)
{
    encoder->has_started = true;
    write_procs(encoder, GO_START_TICKS + time_ns + 1);
    write_procs(encoder, GO_START_TICKS + time_ns + 2);
    encoder->shift = 3;
}

static void take_lane(struct trace_encoder *encoder, const struct trace_event *event)
{
    go_lanes_add(&encoder->lanes, event);
    if (encoder->has_started)
        write_procs(encoder, ticks_of(encoder, event));
}

static void take_lane_start(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_PROC_START,
           go_lane(&encoder->lanes, event->lane)->thread);
}

static void take_lane_stop(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD_ALONE(encoder, event->lane, ticks_of(encoder, event), GO_V1_PROC_STOP);
}

/* A task's sequence number tells readers where among other lanes' records this one belongs. Where the record that moved
 * the task last is in this very lane, that is clear, and there are shorter records without the number. (Not for the end
 * of a call: of that one, readers up to 1.26 forget whose it is.) */
static bool is_local(struct go_task *task, uint32_t lane)
{
    bool was_here = task->lane == lane;
    task->lane = lane;
    task->sequence++;
    return was_here;
}

static struct go_task *create(struct trace_encoder *encoder, const struct trace_event *event, uint32_t lane)
{
    RECORD(encoder, lane, ticks_of(encoder, event), GO_V1_CREATE, event->task,
           go_entry(&encoder->names, event->entry, event->name), stack_of(encoder, event));
    struct go_task *task = task_map_add(&encoder->tasks, event->task);
    task->lane = lane;
    return task;
}

static void take_exists(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_task *task = create(encoder, event, TRACE_NO_LANE);
    if (!event->is_waiting)
        return;
    RECORD(encoder, TRACE_NO_LANE, ticks_of(encoder, event), GO_V1_WAITING, event->task);
    task->sequence++; /* though it is not written */
}

static void take_create(struct trace_encoder *encoder, const struct trace_event *event)
{
    create(encoder, event, event->lane);
}

static void take_start(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_task *task = task_map_find(&encoder->tasks, event->task);
    task->status = GO_RUNNING;
    go_lane(&encoder->lanes, event->lane)->running = task;
    if (is_local(task, event->lane))
        RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_START_LOCAL, event->task);
    else
        RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_START, event->task, task->sequence);
}

static void take_park(struct trace_encoder *encoder, const struct trace_event *event)
{
    static const uint8_t types[] = {
        [TRACE_EVENT_WAIT_OTHER] = GO_V1_BLOCK,
        [TRACE_EVENT_WAIT_SLEEP] = GO_V1_SLEEP,
        [TRACE_EVENT_WAIT_NETWORK] = GO_V1_BLOCK_NETWORK,
        [TRACE_EVENT_WAIT_SYNC] = GO_V1_BLOCK_SYNC,
        [TRACE_EVENT_WAIT_CONDITION] = GO_V1_BLOCK_CONDITION,
        [TRACE_EVENT_WAIT_SELECT] = GO_V1_BLOCK_SELECT,
    };
    RECORD(encoder, event->lane, ticks_of(encoder, event), (enum go_v1_event)types[event->wait],
           go_stack(&encoder->names, event->text, event->stack));
    go_lane(&encoder->lanes, event->lane)->running = NULL;
}

static void take_yield(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_YIELD, stack_of(encoder, event));
    go_lane(&encoder->lanes, event->lane)->running = NULL;
}

static void take_end(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_lane *lane = go_lane(&encoder->lanes, event->lane);
    RECORD_ALONE(encoder, event->lane, ticks_of(encoder, event), GO_V1_END);
    task_map_remove(&encoder->tasks, lane->running);
    lane->running = NULL;
}

static void take_unpark(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_task *task = task_map_find(&encoder->tasks, event->task);
    uint64_t ticks = ticks_of(encoder, event), stack = stack_of(encoder, event);
    if (is_local(task, event->lane))
        RECORD(encoder, event->lane, ticks, GO_V1_UNBLOCK_LOCAL, event->task, stack);
    else
        RECORD(encoder, event->lane, ticks, GO_V1_UNBLOCK, event->task, task->sequence, stack);
}

/* A call has a duration only if the task leaves its P, and Go since 1.23 fails if that P does not stop then. */
static void take_call_begin(struct trace_encoder *encoder, const struct trace_event *event)
{
    uint64_t ticks = ticks_of(encoder, event);
    go_lane(&encoder->lanes, event->lane)->running->status = GO_IN_CALL;
    RECORD(encoder, event->lane, ticks, GO_V1_CALL, go_stack(&encoder->names, event->text, event->stack));
    RECORD_ALONE(encoder, event->lane, ticks, GO_V1_CALL_BLOCK);
    RECORD_ALONE(encoder, event->lane, ticks, GO_V1_PROC_STOP);
}

static void take_call_end(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_task *task = go_lane(&encoder->lanes, event->lane)->running;
    uint64_t ticks = ticks_of(encoder, event);
    task->status = GO_RUNNING;
    RECORD(encoder, event->lane, ticks, GO_V1_PROC_START, go_lane(&encoder->lanes, event->lane)->thread);
    RECORD(encoder, event->lane, ticks, GO_V1_CALL_EXIT, task->id, ++task->sequence, 0 /* at this very time */);
    RECORD(encoder, event->lane, ticks, GO_V1_START_LOCAL, task->id);
    task->sequence++;
}

static void take_request_begin(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_REQUEST_BEGIN, event->request, 0 /* no parent */,
           go_string(&encoder->names, GO_PLAIN, event->text), stack_of(encoder, event));
}

static void take_request_end(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_REQUEST_END, event->request, stack_of(encoder, event));
}

static void take_region(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_REGION, event->request,
           event->type == TRACE_EVENT_REGION_END, go_string(&encoder->names, GO_PLAIN, event->text),
           go_place(&encoder->names, event->stack));
}

static void take_log(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct buf *bytes = &go_lane(&encoder->lanes, event->lane)->bytes;
    struct bytes value = trace_string_text(encoder->names.tables, event->value);
    RECORD(encoder, event->lane, ticks_of(encoder, event), GO_V1_LOG, event->request,
           go_string(&encoder->names, GO_PLAIN, event->text), stack_of(encoder, event));
    varint_append(bytes, value.size);
    buf_append_bytes(bytes, value);
}

static void take_heap(struct trace_encoder *encoder, const struct trace_event *event)
{
    uint64_t ticks = ticks_of(encoder, event);
    RECORD(encoder, event->lane, ticks, GO_V1_HEAP_SIZE, event->bytes);
    RECORD(encoder, event->lane, ticks, GO_V1_HEAP_GOAL, event->limit_bytes);
}

/* Has its time in itself, which may be long ago, so it takes that of the record before. Readers sort samples. */
static void take_sample(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, TRACE_NO_LANE, go_lane(&encoder->lanes, TRACE_NO_LANE)->ticks, GO_V1_SAMPLE,
           ticks_of(encoder, event), go_proc(event->lane), event->task, stack_of(encoder, event));
}

static void (*const take[TRACE_EVENT_TYPE_COUNT])(struct trace_encoder *, const struct trace_event *) = {
    [TRACE_EVENT_LANE] = take_lane,
    [TRACE_EVENT_LANE_START] = take_lane_start,
    [TRACE_EVENT_LANE_STOP] = take_lane_stop,
    [TRACE_EVENT_TASK_EXISTS] = take_exists,
    [TRACE_EVENT_TASK_CREATE] = take_create,
    [TRACE_EVENT_TASK_START] = take_start,
    [TRACE_EVENT_TASK_PARK] = take_park,
    [TRACE_EVENT_TASK_YIELD] = take_yield,
    [TRACE_EVENT_TASK_END] = take_end,
    [TRACE_EVENT_TASK_UNPARK] = take_unpark,
    [TRACE_EVENT_CALL_BEGIN] = take_call_begin,
    [TRACE_EVENT_CALL_END] = take_call_end,
    [TRACE_EVENT_REQUEST_BEGIN] = take_request_begin,
    [TRACE_EVENT_REQUEST_END] = take_request_end,
    [TRACE_EVENT_REGION_BEGIN] = take_region,
    [TRACE_EVENT_REGION_END] = take_region,
    [TRACE_EVENT_LOG] = take_log,
    [TRACE_EVENT_HEAP] = take_heap,
    [TRACE_EVENT_SAMPLE] = take_sample,
};

/* --- the format --- */

static struct trace_encoder *v1_create(const struct trace_tables *tables)
{
    struct trace_encoder *encoder = MEM_NEW(struct trace_encoder);
    go_names_init(&encoder->names, tables, &dialect, encoder);
    go_lanes_init(&encoder->lanes);
    task_map_init(&encoder->tasks, sizeof(struct go_task));
    /* Definitions, and the frequency, count from the first batch on: an empty one makes them count at once. */
    buf_append(&encoder->head, "go 1.19 trace\0\0", GO_HEADER_SIZE);
    buf_append_byte(&encoder->head, GO_V1_BATCH | 1 << 6);
    varint_append(&encoder->head, GO_NONE);
    varint_append(&encoder->head, GO_START_TICKS);
    buf_append_byte(&encoder->head, GO_V1_FREQUENCY);
    varint_append(&encoder->head, GO_FREQUENCY);
    return encoder;
}

/* What may come before the trace has started: what there is already, and samples, whose time may be any. */
#define AT_START (1u << TRACE_EVENT_LANE | 1u << TRACE_EVENT_TASK_EXISTS | 1u << TRACE_EVENT_SAMPLE)

static void v1_event(struct trace_encoder *encoder, const struct trace_event *event, struct buf *out)
{
    if (!encoder->has_started && !(AT_START >> event->type & 1))
        start(encoder, event->time_ns);
    take[event->type](encoder, event);
    bool is_late = event->time_ns > encoder->last_flush_ns + FLUSH_EVERY_NS;
    if (encoder->has_full_batch || is_late)
        flush(encoder, is_late, out);
    if (is_late)
        encoder->last_flush_ns = event->time_ns;
}

/* The viewer of 1.19 fails where a task still runs at the end. */
static void stop_tasks(struct trace_encoder *encoder, uint64_t ticks)
{
    for (uint32_t i = 0; i < encoder->lanes.count; i++) {
        const struct go_task *task = go_lane(&encoder->lanes, i)->running;
        if (task && task->status == GO_RUNNING)
            RECORD(encoder, i, ticks, GO_V1_PREEMPT, 0);
    }
}

static void v1_finish(struct trace_encoder *encoder, uint64_t end_ns, struct buf *out)
{
    if (!encoder->has_started)
        start(encoder, 0);
    uint64_t ticks = GO_START_TICKS + encoder->shift + end_ns;
    stop_tasks(encoder, ticks);
    write_procs(encoder, ticks); /* so that it lasts until then */
    flush(encoder, true, out);
}

static size_t v1_pending_bytes(const struct trace_encoder *encoder)
{
    size_t size = encoder->head.size + encoder->names.strings.size + encoder->names.stacks.size;
    for (uint32_t i = 0; i <= encoder->lanes.count; i++)
        size += encoder->lanes.all[i].bytes.size + 64; /* with its end */
    return size;
}

static void v1_destroy(struct trace_encoder *encoder)
{
    if (!encoder)
        return;
    go_names_deinit(&encoder->names);
    go_lanes_deinit(&encoder->lanes);
    task_map_deinit(&encoder->tasks);
    buf_deinit(&encoder->head);
    mem_free(encoder);
}

const struct trace_format trace_format_1_19 = {
    .name = "1.19",
    .content_type = "application/octet-stream",
    .file_name = "trace",
    .create = v1_create,
    .event = v1_event,
    .finish = v1_finish,
    .pending_bytes = v1_pending_bytes,
    .destroy = v1_destroy,
};
