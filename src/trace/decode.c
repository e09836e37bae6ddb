/* decode.c: what records mean, told as events, in the order that decode_order.c finds. A time that lies before that of
 * what was taken already counts as that. */
#include "trace/decode.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "trace/decode_state.h"
#include "trace/tables.h"

/* --- small things --- */

static uint64_t time_of(const struct decoder *decoder, uint64_t ticks)
{
    uint64_t since = ticks > decoder->file.start_ticks ? ticks - decoder->file.start_ticks : 0;
    unsigned __int128 ns = (unsigned __int128)since * NS_PER_S / decoder->file.frequency;
    return ns < INT64_MAX ? (uint64_t)ns : INT64_MAX;
}

static uint32_t lane_index(const struct decoder *decoder, const struct decoded_lane *lane)
{
    return (uint32_t)(lane - decoder->lanes);
}

/* An event of this lane, now; to be filled in. */
static struct trace_event event_of(const struct decoder *decoder, const struct decoded_lane *lane,
                                   enum trace_event_type type)
{
    uint32_t index = lane_index(decoder, lane);
    return (struct trace_event){
        .type = type,
        .time_ns = decoder->time_ns,
        .lane = index == 0 || !lane->is_busy ? TRACE_NO_LANE : index - 1,
        .task = decoder->tasks[lane->task].id,
    };
}

static void give(struct decoder *decoder, struct trace_event event)
{
    decoder->take(&event, decoder->context);
}

/* --- tasks and lanes --- */

static void start_task(struct decoder *decoder, struct decoded_lane *lane, uint32_t task, unsigned steps)
{
    if (!lane->is_busy || lane->task != NO_TASK || decoder->tasks[task].status != TASK_RUNNABLE) {
        decode_refuse(decoder, "a task starts where none can, or one that cannot");
        return;
    }
    lane->task = task;
    give(decoder, event_of(decoder, lane, TRACE_EVENT_TASK_START));
    decode_move_task(decoder, task, TASK_RUNNING, steps);
}

static void wake_task(struct decoder *decoder, struct decoded_lane *lane, uint32_t task, uint64_t stack)
{
    if (decoder->tasks[task].status != TASK_WAITING) {
        decode_refuse(decoder, "a task is woken that does not wait");
        return;
    }
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_TASK_UNPARK);
    event.task = decoder->tasks[task].id;
    event.stack = go_v1_stack_of(&decoder->file, stack)->stack;
    give(decoder, event);
    decode_move_task(decoder, task, TASK_RUNNABLE, 1);
}

/* The running task leaves the lane. */
static void leave(struct decoder *decoder, struct decoded_lane *lane, struct trace_event event,
                  enum task_status status)
{
    if (lane->task == NO_TASK || !lane->is_busy) {
        decode_refuse(decoder, "a task stops where none runs");
        return;
    }
    uint32_t task = lane->task;
    give(decoder, event);
    lane->task = NO_TASK;
    decode_move_task(decoder, task, status, 0);
}

static void create_task(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    uint32_t task = decode_task_at(decoder, record->arguments[0]);
    if (decoder->tasks[task].status != TASK_UNKNOWN || record->arguments[0] == 0) {
        decode_refuse(decoder, "a task is created twice");
        return;
    }
    const struct go_v1_stack *entry = go_v1_stack_of(&decoder->file, record->arguments[1]);
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_TASK_CREATE);
    bool is_older = event.lane == TRACE_NO_LANE; /* who creates tasks does so on a lane */
    struct go_v1_cursor cursor = lane->cursor;
    struct go_v1_record next;
    if (is_older)
        event.type = TRACE_EVENT_TASK_EXISTS;
    if (is_older && go_v1_next(&cursor, &next) && (next.type == GO_V1_WAITING || next.type == GO_V1_IN_CALL) &&
        next.arguments[0] == record->arguments[0]) {
        event.is_waiting = true;
        lane->cursor = cursor;
    }
    event.task = record->arguments[0];
    event.entry = entry->entry;
    event.name = entry->name;
    event.stack = is_older ? 0 : go_v1_stack_of(&decoder->file, record->arguments[2])->stack;
    give(decoder, event);
    decode_move_task(decoder, task, event.is_waiting ? TASK_WAITING : TASK_RUNNABLE, event.is_waiting ? 2 : 1);
}

/* What Go calls the waits, and what they are here; an own name stands in the stack's brackets. */
static const struct wait {
    enum trace_event_wait wait;
    const char *text; /* NULL: no wait */
} waits[GO_V1_EVENT_COUNT] = {
    [GO_V1_STOP] = {TRACE_EVENT_WAIT_OTHER, "stopped"},
    [GO_V1_SLEEP] = {TRACE_EVENT_WAIT_SLEEP, "sleep"},
    [GO_V1_BLOCK] = {TRACE_EVENT_WAIT_OTHER, "blocked"},
    [GO_V1_BLOCK_SEND] = {TRACE_EVENT_WAIT_CONDITION, "chan send"},
    [GO_V1_BLOCK_RECEIVE] = {TRACE_EVENT_WAIT_CONDITION, "chan receive"},
    [GO_V1_BLOCK_SELECT] = {TRACE_EVENT_WAIT_SELECT, "select"},
    [GO_V1_BLOCK_SYNC] = {TRACE_EVENT_WAIT_SYNC, "lock"},
    [GO_V1_BLOCK_CONDITION] = {TRACE_EVENT_WAIT_CONDITION, "condition wait"},
    [GO_V1_BLOCK_NETWORK] = {TRACE_EVENT_WAIT_NETWORK, "IO wait"},
    [GO_V1_BLOCK_GC] = {TRACE_EVENT_WAIT_OTHER, "garbage collection"},
};

static void park_task(struct decoder *decoder, struct decoded_lane *lane, const struct wait *wait,
                      const struct go_v1_stack *stack)
{
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_TASK_PARK);
    event.wait = wait->wait;
    event.text = stack->text != 0 ? stack->text : trace_string_of(decoder->tables, wait->text);
    event.stack = stack->stack;
    leave(decoder, lane, event, TASK_WAITING);
}

static void switch_lane(struct decoder *decoder, struct decoded_lane *lane, bool is_busy)
{
    if (lane_index(decoder, lane) == 0 || lane->is_busy == is_busy || lane->task != NO_TASK) {
        decode_refuse(decoder, "a lane starts or stops where it cannot");
        return;
    }
    lane->is_busy = true; /* the event is the lane's in either case */
    give(decoder, event_of(decoder, lane, is_busy ? TRACE_EVENT_LANE_START : TRACE_EVENT_LANE_STOP));
    lane->is_busy = is_busy;
}

/* --- calls --- */

/* A call during which the lane waited with its task: the task leaves the lane, which stops; and comes back, and is
 * started, with nothing in between. Where that stands next, move the cursor to the start, and the call ends there. */
static bool folds(const struct decoder *decoder, struct decoded_lane *lane)
{
    static const uint8_t form[] = {GO_V1_CALL_BLOCK, GO_V1_PROC_STOP, GO_V1_PROC_START, GO_V1_CALL_EXIT, GO_V1_START};
    const struct decoded_task *task = &decoder->tasks[lane->task];
    struct go_v1_cursor cursor = lane->cursor, last = cursor;
    uint64_t sequence = task->sequence;
    for (size_t i = 0; i < ARRAY_COUNT(form); i++) {
        struct go_v1_record record;
        last = cursor;
        if (!go_v1_next(&cursor, &record))
            return false;
        bool is_local = record.type == GO_V1_START_LOCAL && record.arguments[0] == task->id;
        struct need need = decode_need_of(&record);
        if (record.type != form[i] && !(is_local && form[i] == GO_V1_START))
            return false;
        if (need.is_numbered && (need.task != task->id || need.sequence != sequence++))
            return false;
    }
    lane->cursor = last;
    return true;
}

static void begin_call(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    if (lane->task == NO_TASK)
        return; /* Go writes those of a task that has just left */
    lane->call = *go_v1_stack_of(&decoder->file, record->arguments[0]);
    if (lane->call.text == 0)
        lane->call.text = lane->call.name ? lane->call.name : trace_string_of(decoder->tables, "call");
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_CALL_BEGIN);
    event.text = lane->call.text;
    event.stack = lane->call.stack;
    give(decoder, event);
    lane->is_in_call = folds(decoder, lane);
    if (!lane->is_in_call) /* it took no time, or the task leaves the lane for it */
        give(decoder, event_of(decoder, lane, TRACE_EVENT_CALL_END));
}

static void end_call(struct decoder *decoder, struct decoded_lane *lane)
{
    give(decoder, event_of(decoder, lane, TRACE_EVENT_CALL_END));
    lane->is_in_call = false;
    decode_move_task(decoder, lane->task, TASK_RUNNING, 2);
}

/* --- what tasks say --- */

static void end_regions_of_request(struct decoder *decoder, struct decoded_lane *lane, struct decoded_task *task)
{
    for (struct region *region = task->regions; region && region->depth > task->request_depth;
         region = region->outer) {
        struct trace_event event = event_of(decoder, lane, TRACE_EVENT_REGION_END);
        event.request = region->request;
        event.text = region->name;
        give(decoder, event);
        region->has_ended = true;
    }
}

/* Go's tasks (our requests) may be several in a goroutine at once, and end in another; those that do are left out. */
static void begin_request(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    uint64_t id = record->arguments[0];
    if (lane->task == NO_TASK || id == 0)
        return;
    uint32_t *known = index_map_at(&decoder->request_ids, id);
    struct decoded_task *task = &decoder->tasks[lane->task];
    if (*known != 0) {
        decode_refuse(decoder, "a request begins twice");
        return;
    }
    *known = lane->task;
    if (task->request != 0)
        return;
    task->request = id;
    task->request_depth = task->regions ? task->regions->depth : 0;
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_REQUEST_BEGIN);
    event.request = id;
    event.text = index_map_find(&decoder->file.strings, record->arguments[2]);
    event.stack = go_v1_stack_of(&decoder->file, record->arguments[3])->stack;
    give(decoder, event);
}

static void end_request(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    struct decoded_task *task = &decoder->tasks[lane->task];
    if (lane->task == NO_TASK || task->request == 0 || task->request != record->arguments[0])
        return;
    end_regions_of_request(decoder, lane, task);
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_REQUEST_END);
    event.request = task->request;
    event.stack = go_v1_stack_of(&decoder->file, record->arguments[1])->stack;
    give(decoder, event);
    task->request = 0;
}

static void take_region(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    struct decoded_task *task = &decoder->tasks[lane->task];
    uint32_t name = index_map_find(&decoder->file.strings, record->arguments[2]);
    if (lane->task == NO_TASK)
        return;
    struct region *region = task->regions;
    bool begins = record->arguments[1] == 0;
    if (begins) {
        region = MEM_NEW(struct region);
        *region = (struct region){.outer = task->regions, .file_request = record->arguments[0], .name = name};
        region->depth = region->outer ? region->outer->depth + 1 : 1;
        region->request = region->file_request == task->request ? task->request : 0;
        task->regions = region;
    } else if (!region) {
        return; /* it began before the trace */
    } else if (region->file_request != record->arguments[0] || region->name != name) {
        decode_refuse(decoder, "a region ends that is not the innermost one");
        return;
    }
    struct trace_event event = event_of(decoder, lane, begins ? TRACE_EVENT_REGION_BEGIN : TRACE_EVENT_REGION_END);
    event.request = region->request;
    event.text = name;
    event.stack = go_v1_stack_of(&decoder->file, record->arguments[3])->stack;
    if (!region->has_ended)
        give(decoder, event);
    if (!begins) {
        task->regions = region->outer;
        mem_free(region);
    }
}

static void take_log(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    uint64_t request = decoder->tasks[lane->task].request;
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_LOG);
    event.request = record->arguments[0] == request ? request : 0;
    event.text = index_map_find(&decoder->file.strings, record->arguments[1]);
    event.value = trace_string(decoder->tables, record->text);
    event.stack = go_v1_stack_of(&decoder->file, record->arguments[2])->stack;
    give(decoder, event);
}

/* Go writes what is allocated and what it aims at one after the other; together they are one event. */
static void take_heap(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    struct go_v1_cursor cursor = lane->cursor;
    struct go_v1_record next;
    if (go_v1_next(&cursor, &next) && next.type == GO_V1_HEAP_GOAL && next.ticks == record->ticks) {
        decoder->heap_goal = next.arguments[0];
        lane->cursor = cursor;
    }
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_HEAP);
    event.task = 0;
    event.bytes = record->arguments[0];
    event.limit_bytes = decoder->heap_goal;
    give(decoder, event);
}

static void give_sample(struct decoder *decoder, const struct go_v1_record *record)
{
    uint64_t lane = record->arguments[1] + 1;
    bool has_lane = lane > 0 && lane < decoder->file.lane_count && decoder->file.lanes[lane].batch_count > 0;
    const struct decoded_task *task = &decoder->tasks[index_map_find(&decoder->task_indexes, record->arguments[2])];
    give(decoder, (struct trace_event){
                      .type = TRACE_EVENT_SAMPLE,
                      .time_ns = time_of(decoder, record->arguments[0]),
                      .lane = has_lane ? (uint32_t)lane - 1 : TRACE_NO_LANE,
                      .task = task->status != TASK_UNKNOWN ? task->id : 0,
                      .stack = go_v1_stack_of(&decoder->file, record->arguments[3])->stack,
                  });
}

/* They have a time of their own, and stand anywhere: also before what they are of. So they come after all else. */
static void give_samples(struct decoder *decoder)
{
    for (uint32_t i = 0; decoder->file.has_samples && i < decoder->file.lane_count; i++) {
        struct go_v1_cursor cursor = {.lane = &decoder->file.lanes[i]};
        for (struct go_v1_record record; go_v1_next(&cursor, &record);)
            if (record.type == GO_V1_SAMPLE)
                give_sample(decoder, &record);
    }
}

/* --- */

static void take_record(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    static const struct wait call_wait = {TRACE_EVENT_WAIT_OTHER, "call"};
    const uint64_t *arguments = record->arguments;
    if (waits[record->type].text) {
        park_task(decoder, lane, &waits[record->type], go_v1_stack_of(&decoder->file, arguments[0]));
        return;
    }
    struct trace_event event;
    switch (record->type) {
    case GO_V1_PROC_START: switch_lane(decoder, lane, true); break;
    case GO_V1_PROC_STOP: switch_lane(decoder, lane, false); break;
    case GO_V1_CREATE: create_task(decoder, lane, record); break;
    case GO_V1_START:
    case GO_V1_START_LABEL:
    case GO_V1_START_LOCAL: start_task(decoder, lane, decode_task_at(decoder, arguments[0]), 1); break;
    case GO_V1_UNBLOCK: wake_task(decoder, lane, decode_task_at(decoder, arguments[0]), arguments[2]); break;
    case GO_V1_UNBLOCK_LOCAL: wake_task(decoder, lane, decode_task_at(decoder, arguments[0]), arguments[1]); break;
    case GO_V1_YIELD:
    case GO_V1_PREEMPT:
        event = event_of(decoder, lane, TRACE_EVENT_TASK_YIELD);
        event.stack = go_v1_stack_of(&decoder->file, arguments[0])->stack;
        leave(decoder, lane, event, TASK_RUNNABLE);
        break;
    case GO_V1_END: leave(decoder, lane, event_of(decoder, lane, TRACE_EVENT_TASK_END), TASK_ENDED); break;
    case GO_V1_CALL: begin_call(decoder, lane, record); break;
    case GO_V1_CALL_BLOCK: park_task(decoder, lane, &call_wait, &lane->call); break;
    case GO_V1_CALL_EXIT:
    case GO_V1_CALL_EXIT_LOCAL: wake_task(decoder, lane, decode_task_at(decoder, arguments[0]), 0); break;
    case GO_V1_WAITING:
    case GO_V1_IN_CALL: decode_refuse(decoder, "a task waits that was not created just before"); break;
    case GO_V1_REQUEST_BEGIN: begin_request(decoder, lane, record); break;
    case GO_V1_REQUEST_END: end_request(decoder, lane, record); break;
    case GO_V1_REGION: take_region(decoder, lane, record); break;
    case GO_V1_LOG: take_log(decoder, lane, record); break;
    case GO_V1_HEAP_SIZE: take_heap(decoder, lane, record); break;
    case GO_V1_HEAP_GOAL: decoder->heap_goal = arguments[0]; break;
    default: break; /* of Go's garbage collector and timers; samples come at the end */
    }
}

static void take_next(struct decoder *decoder)
{
    uint32_t index = decode_pop_ready(decoder);
    struct decoded_lane *lane = &decoder->lanes[index];
    struct go_v1_record record = lane->next;
    uint64_t time_ns = time_of(decoder, record.ticks);
    if (time_ns > decoder->time_ns)
        decoder->time_ns = time_ns;
    struct need need = decode_need_of(&record);
    if (lane->is_in_call)
        end_call(decoder, lane);
    else if (need.is_numbered && !decode_is_met(&need, &decoder->tasks[decode_task_at(decoder, need.task)]))
        decode_refuse(decoder, "a task starts or is woken twice");
    else
        take_record(decoder, lane, &record);
    decode_advance(decoder, index);
}

static void give_lanes(struct decoder *decoder)
{
    for (uint32_t i = 1; i < decoder->file.lane_count; i++) {
        const struct go_v1_lane *lane = &decoder->file.lanes[i];
        if (lane->batch_count > 0)
            give(decoder, (struct trace_event){.type = TRACE_EVENT_LANE, .lane = i - 1, .thread_id = lane->thread_id});
    }
}

static void merge(struct decoder *decoder)
{
    give_lanes(decoder);
    for (uint32_t i = 0; i < decoder->file.lane_count; i++) {
        decoder->lanes[i].cursor.lane = &decoder->file.lanes[i];
        decode_advance(decoder, i);
    }
    while (decoder->ready_count > 0 && decoder->error == 0)
        take_next(decoder);
    if (decoder->waiting_count > 0)
        decode_refuse(decoder, "what follows does not fit together: something is missing");
    give_samples(decoder);
}

static void free_tasks(struct decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->task_count; i++)
        for (struct region *region = decoder->tasks[i].regions, *outer; region; region = outer) {
            outer = region->outer;
            mem_free(region);
        }
    mem_free(decoder->tasks);
}

int trace_decode(struct bytes file, struct trace_tables *tables,
                 void (*take)(const struct trace_event *event, void *context), void *context, struct buf *message)
{
    struct decoder decoder = {.tables = tables, .take = take, .context = context, .message = message};
    int result = go_v1_open(file, tables, &decoder.file, message);
    if (result == 0) {
        decoder.task_count = 1;
        decoder.task_capacity = 64;
        decoder.tasks = mem_alloc_array(decoder.task_capacity, sizeof *decoder.tasks);
        decoder.lanes = mem_alloc_array(decoder.file.lane_count, sizeof *decoder.lanes);
        decoder.ready = mem_alloc_array(decoder.file.lane_count, sizeof *decoder.ready);
        merge(&decoder);
        result = decoder.error;
        free_tasks(&decoder);
        mem_free(decoder.lanes);
        mem_free(decoder.ready);
        index_map_deinit(&decoder.task_indexes);
        index_map_deinit(&decoder.request_ids);
        index_map_deinit(&decoder.waiting);
    }
    go_v1_close(&decoder.file);
    return result;
}
