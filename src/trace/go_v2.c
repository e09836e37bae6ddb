/* go_v2.c: Go's trace format since version 1.22: header "go 1.22".
 *
 * A file is generations, each complete in itself, so what is cut off costs one of them. A generation is batches of
 * records, each of one thread (Go's M); a record has the time since the one before it in its batch, and its task and
 * its lane are what the thread runs. Then come batches of samples, stacks, strings, and the clock's frequency.
 *
 * In each generation a lane or task is said to be in some state before it is mentioned first, and its sequence numbers
 * start again. A state that differs from what it was in the generation before makes readers stop, and so does a task
 * that is new in a state after the first one; order.go of Go's internal/trace tells all rules. */
#include "trace/format.h"

#include "base/mem.h"
#include "trace/go.h"
#include "trace/tables.h"
#include "trace/varint.h"

#define BATCH_SIZE 16384
#define BATCH_MAX 65536 /* readers refuse larger ones */
#define FLUSH_EVERY_NS 100000000
#define GENERATION_NS 1000000000
#define GENERATION_SIZE ((size_t)4 << 20)

enum v2_type {
    V2_BATCH = 1,   /* generation, thread, ticks, size */
    V2_STACKS = 2,  /* the first byte of a batch; its records are V2_STACK */
    V2_STACK = 3,
    V2_STRINGS = 4,
    V2_STRING = 5,
    V2_CPU_SAMPLES = 6,
    V2_CPU_SAMPLE = 7, /* ticks, thread, lane, task, stack */
    V2_FREQUENCY = 8,
    V2_PROCS_CHANGE = 9, /* how many Ps, stack */
    V2_PROC_START = 10,  /* lane, lane's sequence */
    V2_PROC_STOP = 11,
    V2_PROC_STATUS = 13, /* lane, status */
    V2_GO_CREATE = 14,   /* task, stack of its entry, stack */
    V2_GO_START = 16,    /* task, sequence */
    V2_GO_DESTROY = 17,
    V2_GO_STOP = 19,     /* reason, stack */
    V2_GO_BLOCK = 20,    /* reason, stack */
    V2_GO_UNBLOCK = 21,  /* task, sequence, stack */
    V2_GO_SYSCALL_BEGIN = 22, /* lane's sequence, stack */
    V2_GO_SYSCALL_END = 23,
    V2_GO_STATUS = 25,   /* task, thread, status */
    V2_HEAP_ALLOC = 37,  /* bytes */
    V2_HEAP_GOAL = 38,   /* bytes */
    V2_TASK_BEGIN = 40,  /* request, parent, name, stack */
    V2_TASK_END = 41,    /* request, stack */
    V2_REGION_BEGIN = 42, /* request, name, stack */
    V2_REGION_END = 43,
    V2_LOG = 44,         /* request, key, value, stack */
};

enum { PROC_RUNNING = 1, PROC_IDLE = 2, PROC_IN_CALL = 3 };

struct trace_encoder {
    struct go_names names;
    struct go_lanes lanes;
    struct task_map tasks;
    struct buf samples, definitions; /* a run of samples; batches that this generation ends with */
    uint64_t generation, generation_start_ns;
    size_t generation_size; /* of its batches that are written */
    uint64_t time_ns, last_flush_ns;
    struct trace_event heap; /* of no lane, until one is busy */
    bool has_heap, has_new_procs, has_header, has_full_batch;
};

/* --- batches --- */

static void put_batch(struct trace_encoder *encoder, uint64_t thread, uint64_t ticks, struct bytes kind,
                      struct buf *content, struct buf *out)
{
    if (content->size == 0)
        return;
    size_t before = out->size;
    buf_append_byte(out, V2_BATCH);
    varint_append(out, encoder->generation);
    varint_append(out, thread);
    varint_append(out, ticks);
    varint_append(out, kind.size + content->size);
    buf_append_bytes(out, kind);
    buf_append_bytes(out, buf_bytes(content));
    buf_clear(content);
    encoder->generation_size += out->size - before;
}

/* Of what has no thread and no order. The smallest time of a batch is taken for the trace's start. */
static void put_run(struct trace_encoder *encoder, enum v2_type kind, struct buf *run, struct buf *out)
{
    uint8_t first = (uint8_t)kind;
    put_batch(encoder, GO_NONE, GO_START_TICKS + encoder->generation_start_ns, bytes_of(&first, 1), run, out);
}

static void take_names(struct go_names *names, struct buf *run)
{
    struct trace_encoder *encoder = names->owner;
    put_run(encoder, run == &names->strings ? V2_STRINGS : V2_STACKS, run, &encoder->definitions);
}

static const struct go_dialect dialect = {
    .string_type = V2_STRING, .stack_type = V2_STACK, .run_max = BATCH_SIZE, .take_run = take_names,
};

static void flush(struct trace_encoder *encoder, bool also_small, struct buf *out)
{
    for (uint32_t i = 0; i <= encoder->lanes.count; i++) {
        struct go_lane *lane = &encoder->lanes.all[i];
        if (also_small || lane->bytes.size >= BATCH_SIZE)
            put_batch(encoder, lane->thread, lane->batch_ticks, bytes_of(NULL, 0), &lane->bytes, out);
    }
    encoder->has_full_batch = false;
    if (also_small)
        encoder->last_flush_ns = encoder->time_ns;
}

/* --- records --- */

static void record(struct trace_encoder *encoder, struct go_lane *lane, enum v2_type type, unsigned argument_count,
                   const uint64_t *arguments)
{
    uint64_t ticks = GO_START_TICKS + encoder->time_ns;
    if (lane->bytes.size == 0)
        lane->batch_ticks = lane->ticks = ticks;
    uint8_t *start = buf_reserve(&lane->bytes, 1 + 5 * VARINT_MAX), *end = start;
    *end++ = (uint8_t)type;
    end = varint_put(end, ticks - lane->ticks);
    for (unsigned i = 0; i < argument_count; i++)
        end = varint_put(end, arguments[i]);
    lane->bytes.size += (size_t)(end - start);
    lane->ticks = ticks;
    encoder->has_full_batch |= lane->bytes.size >= BATCH_SIZE;
}

#define RECORD(encoder, lane, type, ...) \
    record(encoder, lane, type, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__})
#define RECORD_ALONE(encoder, lane, type) record(encoder, lane, type, 0, NULL)

static struct go_lane *lane_of(struct trace_encoder *encoder, const struct trace_event *event)
{
    return go_lane(&encoder->lanes, event->lane);
}

static uint64_t stack_of(struct trace_encoder *encoder, const struct trace_event *event)
{
    return go_stack(&encoder->names, 0, event->stack);
}

/* --- what a generation has to say before it mentions something --- */

static void mention_task(struct trace_encoder *encoder, struct go_lane *lane, struct go_task *task)
{
    if (task->generation == encoder->generation)
        return;
    bool on_thread = task->status == GO_RUNNING || task->status == GO_IN_CALL;
    RECORD(encoder, lane, V2_GO_STATUS, task->id, on_thread ? lane->thread : GO_NONE, task->status);
    task->generation = encoder->generation;
    task->sequence = 0;
}

static void mention_lane(struct trace_encoder *encoder, struct go_lane *lane)
{
    if (lane->generation == encoder->generation)
        return;
    bool in_call = lane->running && lane->running->status == GO_IN_CALL;
    RECORD(encoder, lane, V2_PROC_STATUS, (uint64_t)(lane - encoder->lanes.all) - 1,
           !lane->is_busy ? PROC_IDLE : in_call ? PROC_IN_CALL : PROC_RUNNING);
    lane->generation = encoder->generation;
    lane->sequence = 0;
    if (lane->running)
        mention_task(encoder, lane, lane->running);
}

static void end_generation(struct trace_encoder *encoder, struct buf *out)
{
    struct buf frequency;
    buf_init(&frequency);
    varint_append(&frequency, GO_FREQUENCY);
    flush(encoder, true, out);
    put_run(encoder, V2_CPU_SAMPLES, &encoder->samples, &encoder->definitions);
    take_names(&encoder->names, &encoder->names.stacks);
    take_names(&encoder->names, &encoder->names.strings);
    /* Last, as a generation without it is not complete. */
    put_run(encoder, V2_FREQUENCY, &frequency, &encoder->definitions);
    buf_append_bytes(out, buf_bytes(&encoder->definitions));
    buf_clear(&encoder->definitions);
    buf_deinit(&frequency);
}

static void begin_generation(struct trace_encoder *encoder)
{
    encoder->generation++;
    encoder->generation_start_ns = encoder->time_ns;
    encoder->generation_size = 0;
    go_names_forget(&encoder->names);
    for (uint32_t i = 1; i <= encoder->lanes.count; i++)
        if (encoder->lanes.all[i].is_busy)
            mention_lane(encoder, &encoder->lanes.all[i]);
}

/* --- events --- */

static void take_lane(struct trace_encoder *encoder, const struct trace_event *event)
{
    go_lanes_add(&encoder->lanes, event);
    encoder->has_new_procs = true;
}

static void write_heap(struct trace_encoder *encoder, struct go_lane *lane, const struct trace_event *event)
{
    RECORD(encoder, lane, V2_HEAP_ALLOC, event->bytes);
    RECORD(encoder, lane, V2_HEAP_GOAL, event->limit_bytes);
    encoder->has_heap = false;
}

static void take_lane_start(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_lane *lane = lane_of(encoder, event);
    mention_lane(encoder, lane);
    RECORD(encoder, lane, V2_PROC_START, event->lane, ++lane->sequence);
    lane->is_busy = true;
    if (encoder->has_heap)
        write_heap(encoder, lane, &encoder->heap);
}

static void take_lane_stop(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD_ALONE(encoder, lane_of(encoder, event), V2_PROC_STOP);
    lane_of(encoder, event)->is_busy = false;
}

static struct go_task *add_task(struct trace_encoder *encoder, const struct trace_event *event, enum go_status status)
{
    struct go_task *task = task_map_add(&encoder->tasks, event->task);
    task->status = status;
    task->entry = event->entry;
    task->name = event->name;
    return task;
}

/* After the first generation, tasks can only be created, on a lane that is busy. Where there is none, that waits until
 * the task starts, and it is not mentioned before. */
static void take_exists(struct trace_encoder *encoder, const struct trace_event *event)
{
    if (encoder->generation > 1) {
        add_task(encoder, event, GO_UNBORN);
        return;
    }
    struct go_task *task = add_task(encoder, event, event->is_waiting ? GO_WAITING : GO_RUNNABLE);
    mention_task(encoder, go_lane(&encoder->lanes, TRACE_NO_LANE), task);
}

static void create(struct trace_encoder *encoder, struct go_lane *lane, struct go_task *task, uint64_t stack)
{
    RECORD(encoder, lane, V2_GO_CREATE, task->id, go_entry(&encoder->names, task->entry, task->name), stack);
    task->status = GO_RUNNABLE;
    task->generation = encoder->generation;
    task->sequence = 0;
}

static void take_create(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_lane *lane = lane_of(encoder, event);
    if (lane->is_busy)
        create(encoder, lane, add_task(encoder, event, GO_UNBORN), stack_of(encoder, event));
    else
        take_exists(encoder, event);
}

static void take_start(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_lane *lane = lane_of(encoder, event);
    struct go_task *task = task_map_find(&encoder->tasks, event->task);
    if (task->status == GO_UNBORN)
        create(encoder, lane, task, 0);
    mention_task(encoder, lane, task);
    RECORD(encoder, lane, V2_GO_START, task->id, ++task->sequence);
    task->status = GO_RUNNING;
    lane->running = task;
    if (encoder->has_new_procs) { /* only a task can say so */
        RECORD(encoder, lane, V2_PROCS_CHANGE, encoder->lanes.count, 0);
        encoder->has_new_procs = false;
    }
}

static void leave_lane(struct trace_encoder *encoder, const struct trace_event *event, enum go_status status)
{
    struct go_lane *lane = lane_of(encoder, event);
    lane->running->status = status;
    lane->running = NULL;
}

static void take_park(struct trace_encoder *encoder, const struct trace_event *event)
{
    static const uint8_t forms[] = {
        [TRACE_EVENT_WAIT_OTHER] = GO_PLAIN,     [TRACE_EVENT_WAIT_SLEEP] = GO_SLEEP,
        [TRACE_EVENT_WAIT_NETWORK] = GO_NETWORK, [TRACE_EVENT_WAIT_SYNC] = GO_SYNC,
        [TRACE_EVENT_WAIT_CONDITION] = GO_SYNC,  [TRACE_EVENT_WAIT_SELECT] = GO_SELECT,
    };
    /* Waits for the network are only counted as such if that is the whole reason. */
    uint32_t text = event->wait == TRACE_EVENT_WAIT_NETWORK ? 0 : event->text;
    RECORD(encoder, lane_of(encoder, event), V2_GO_BLOCK,
           go_string(&encoder->names, (enum go_form)forms[event->wait], text),
           go_stack(&encoder->names, event->text, event->stack));
    leave_lane(encoder, event, GO_WAITING);
}

static void take_yield(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, lane_of(encoder, event), V2_GO_STOP, go_string(&encoder->names, GO_YIELD, 0),
           stack_of(encoder, event));
    leave_lane(encoder, event, GO_RUNNABLE);
}

static void take_end(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_lane *lane = lane_of(encoder, event);
    RECORD_ALONE(encoder, lane, V2_GO_DESTROY);
    task_map_remove(&encoder->tasks, lane->running);
    lane->running = NULL;
}

static void take_unpark(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_task *task = task_map_find(&encoder->tasks, event->task);
    if (task->status == GO_UNBORN)
        return;
    mention_task(encoder, lane_of(encoder, event), task);
    RECORD(encoder, lane_of(encoder, event), V2_GO_UNBLOCK, task->id, ++task->sequence, stack_of(encoder, event));
    task->status = GO_RUNNABLE;
}

static void take_call_begin(struct trace_encoder *encoder, const struct trace_event *event)
{
    struct go_lane *lane = lane_of(encoder, event);
    RECORD(encoder, lane, V2_GO_SYSCALL_BEGIN, ++lane->sequence,
           go_stack(&encoder->names, event->text, event->stack));
    lane->running->status = GO_IN_CALL;
}

static void take_call_end(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD_ALONE(encoder, lane_of(encoder, event), V2_GO_SYSCALL_END);
    lane_of(encoder, event)->running->status = GO_RUNNING;
}

static void take_request_begin(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, lane_of(encoder, event), V2_TASK_BEGIN, event->request, 0 /* no parent */,
           go_string(&encoder->names, GO_PLAIN, event->text), stack_of(encoder, event));
}

static void take_request_end(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, lane_of(encoder, event), V2_TASK_END, event->request, stack_of(encoder, event));
}

static void take_region(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, lane_of(encoder, event),
           event->type == TRACE_EVENT_REGION_BEGIN ? V2_REGION_BEGIN : V2_REGION_END, event->request,
           go_string(&encoder->names, GO_PLAIN, event->text), go_place(&encoder->names, event->stack));
}

static void take_log(struct trace_encoder *encoder, const struct trace_event *event)
{
    RECORD(encoder, lane_of(encoder, event), V2_LOG, event->request,
           go_string(&encoder->names, GO_PLAIN, event->text), go_string(&encoder->names, GO_PLAIN, event->value),
           stack_of(encoder, event));
}

/* Only a busy lane can say it. */
static void take_heap(struct trace_encoder *encoder, const struct trace_event *event)
{
    encoder->heap = *event;
    encoder->has_heap = true;
    for (uint32_t i = 1; i <= encoder->lanes.count && encoder->has_heap; i++)
        if (encoder->lanes.all[i].is_busy)
            write_heap(encoder, &encoder->lanes.all[i], event);
}

/* Each has its own time, and readers sort them. */
static void take_sample(struct trace_encoder *encoder, const struct trace_event *event)
{
    uint8_t *start = buf_reserve(&encoder->samples, 1 + 5 * VARINT_MAX), *end = start;
    *end++ = V2_CPU_SAMPLE;
    end = varint_put(end, GO_START_TICKS + event->time_ns);
    end = varint_put(end, lane_of(encoder, event)->thread);
    end = varint_put(end, go_proc(event->lane));
    end = varint_put(end, event->task);
    end = varint_put(end, stack_of(encoder, event));
    encoder->samples.size += (size_t)(end - start);
    if (encoder->samples.size >= BATCH_SIZE)
        put_run(encoder, V2_CPU_SAMPLES, &encoder->samples, &encoder->definitions);
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

static struct trace_encoder *v2_create(const struct trace_tables *tables)
{
    struct trace_encoder *encoder = MEM_NEW(struct trace_encoder);
    go_names_init(&encoder->names, tables, &dialect, encoder);
    go_lanes_init(&encoder->lanes);
    task_map_init(&encoder->tasks, sizeof(struct go_task));
    encoder->generation = 1;
    return encoder;
}

static void write_header(struct trace_encoder *encoder, struct buf *out)
{
    if (!encoder->has_header)
        buf_append(out, "go 1.22 trace\0\0", GO_HEADER_SIZE);
    encoder->has_header = true;
}

static void v2_event(struct trace_encoder *encoder, const struct trace_event *event, struct buf *out)
{
    write_header(encoder, out);
    if (event->type != TRACE_EVENT_SAMPLE) /* whose time may lie back */
        encoder->time_ns = event->time_ns;
    if (encoder->time_ns - encoder->generation_start_ns >= GENERATION_NS ||
        encoder->generation_size >= GENERATION_SIZE) {
        end_generation(encoder, out);
        begin_generation(encoder);
    }
    take[event->type](encoder, event);
    bool is_late = encoder->time_ns - encoder->last_flush_ns >= FLUSH_EVERY_NS;
    if (encoder->has_full_batch || is_late)
        flush(encoder, is_late, out);
}

static void v2_finish(struct trace_encoder *encoder, uint64_t end_ns, struct buf *out)
{
    (void)end_ns; /* no record of this version says it */
    write_header(encoder, out);
    end_generation(encoder, out);
}

static size_t v2_pending_bytes(const struct trace_encoder *encoder)
{
    size_t size = encoder->samples.size + encoder->definitions.size + encoder->names.strings.size +
                  encoder->names.stacks.size;
    for (uint32_t i = 0; i <= encoder->lanes.count; i++)
        size += encoder->lanes.all[i].bytes.size + 1 + 4 * VARINT_MAX;
    return size + 256; /* the other batches' beginnings, and the frequency */
}

static void v2_destroy(struct trace_encoder *encoder)
{
    if (!encoder)
        return;
    go_names_deinit(&encoder->names);
    go_lanes_deinit(&encoder->lanes);
    task_map_deinit(&encoder->tasks);
    buf_deinit(&encoder->samples);
    buf_deinit(&encoder->definitions);
    mem_free(encoder);
}

const struct trace_format trace_format_1_22 = {
    .name = "1.22",
    .content_type = "application/octet-stream",
    .file_name = "trace",
    .create = v2_create,
    .event = v2_event,
    .finish = v2_finish,
    .pending_bytes = v2_pending_bytes,
    .destroy = v2_destroy,
};
