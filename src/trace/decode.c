/* decode.c: lanes' records merged into one row by the tasks' sequence numbers, and told as events.
 *
 * Clocks of lanes may differ a little, so the order is not that of time alone. Where a task starts, is woken or leaves
 * a call, the record has the task's sequence number, and is taken when the task has come that far: Go's own reader has
 * the same rule. Among lanes whose next record may be taken, the one with the lowest time is; a time that lies before
 * what was taken already counts as that. */
#include "trace/decode.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "trace/go_v1_reader.h"
#include "trace/tables.h"

#include <inttypes.h>

#define NO_TASK 0

enum task_status { TASK_UNKNOWN, TASK_RUNNABLE, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

struct region {
    struct region *outer;
    uint32_t depth;        /* from 1 */
    uint64_t file_request; /* as the file says */
    uint32_t name;
    uint64_t request;      /* of the event */
    bool has_ended;        /* together with its request, before the file says so */
};

struct decoded_task {
    uint64_t id;
    uint64_t sequence;
    enum task_status status;
    uint64_t request;       /* that it serves; 0: none */
    uint32_t request_depth; /* of the regions around that */
    struct region *regions; /* innermost first */
};

struct decoded_lane {
    struct go_v1_cursor cursor;
    struct go_v1_record next; /* the lane's next record, which waits to be taken */
    bool is_waiting;          /* for its next record's task; else it is ready, or has no record left */
    bool is_busy, is_in_call;
    uint32_t task;            /* that runs; NO_TASK */
    struct go_v1_stack call;  /* of the call that was begun last */
};

struct decoder {
    struct go_v1_file file;
    struct trace_tables *tables;
    void (*take)(const struct trace_event *event, void *context);
    void *context;
    struct buf *message;
    struct decoded_lane *lanes; /* as the file's: [0] is no lane's */
    uint32_t *ready;            /* lanes whose next record may be taken: a heap, the earliest first */
    uint32_t ready_count, waiting_count;
    struct index_map task_indexes, request_ids;
    struct decoded_task *tasks; /* [0] is none */
    uint32_t task_count, task_capacity;
    struct index_map waiting;      /* who waits for a task to come to a number: (task, number) -> lane + 1 */
    uint64_t time_ns;           /* of the last event */
    uint64_t heap_goal;
    int error;
};

/* --- small things --- */

static uint64_t time_of(const struct decoder *decoder, uint64_t ticks)
{
    uint64_t since = ticks > decoder->file.start_ticks ? ticks - decoder->file.start_ticks : 0;
    unsigned __int128 ns = (unsigned __int128)since * NS_PER_S / decoder->file.frequency;
    return ns < INT64_MAX ? (uint64_t)ns : INT64_MAX;
}

static void refuse(struct decoder *decoder, const char *problem)
{
    if (decoder->error != 0)
        return;
    decoder->error = ERR_MALFORMED;
    buf_printf(decoder->message, "after %" PRIu64 " us: %s", decoder->time_ns / 1000, problem);
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

static uint32_t task_at(struct decoder *decoder, uint64_t id)
{
    uint32_t *index = index_map_at(&decoder->task_indexes, id);
    if (*index != 0)
        return *index;
    if (decoder->task_count == decoder->task_capacity) {
        decoder->task_capacity *= 2;
        decoder->tasks = mem_realloc(decoder->tasks, decoder->task_capacity * sizeof *decoder->tasks);
    }
    *index = decoder->task_count++;
    decoder->tasks[*index] = (struct decoded_task){.id = id};
    return *index;
}

/* --- whose record is next --- */

/* What a record needs a task to be, and at which number, before it may be taken. */
struct need {
    bool is_numbered;
    uint64_t task, sequence;
    enum task_status status;
};

static struct need need_of(const struct go_v1_record *record)
{
    switch (record->type) {
    case GO_V1_START:
    case GO_V1_START_LABEL: return (struct need){true, record->arguments[0], record->arguments[1], TASK_RUNNABLE};
    case GO_V1_UNBLOCK:
    case GO_V1_CALL_EXIT: return (struct need){true, record->arguments[0], record->arguments[1], TASK_WAITING};
    default: return (struct need){.is_numbered = false};
    }
}

static bool is_met(const struct need *need, const struct decoded_task *task)
{
    return !need->is_numbered ||
           (task->id == need->task && task->status == need->status && task->sequence == need->sequence);
}

static bool is_earlier(const struct decoder *decoder, uint32_t a, uint32_t b)
{
    uint64_t a_ticks = decoder->lanes[a].next.ticks, b_ticks = decoder->lanes[b].next.ticks;
    return a_ticks != b_ticks ? a_ticks < b_ticks : a < b;
}

static void push_ready(struct decoder *decoder, uint32_t lane)
{
    uint32_t at = decoder->ready_count++;
    for (; at > 0 && is_earlier(decoder, lane, decoder->ready[(at - 1) / 2]); at = (at - 1) / 2)
        decoder->ready[at] = decoder->ready[(at - 1) / 2];
    decoder->ready[at] = lane;
}

static uint32_t pop_ready(struct decoder *decoder)
{
    uint32_t *heap = decoder->ready, first = heap[0], last = heap[--decoder->ready_count], at = 0;
    for (uint32_t child; (child = 2 * at + 1) < decoder->ready_count; at = child) {
        if (child + 1 < decoder->ready_count && is_earlier(decoder, heap[child + 1], heap[child]))
            child++;
        if (!is_earlier(decoder, heap[child], last))
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

/* Tasks and numbers in one key: neither reaches 2^32 in a file that fits in memory. */
static uint64_t waiting_key(uint32_t task, uint64_t sequence)
{
    return (uint64_t)task << 32 | (uint32_t)sequence;
}

/* The lane's next record may be taken now, or waits for its task. */
static void enqueue(struct decoder *decoder, uint32_t lane)
{
    struct need need = need_of(&decoder->lanes[lane].next);
    if (decoder->lanes[lane].is_in_call || !need.is_numbered) {
        push_ready(decoder, lane);
        return;
    }
    uint32_t index = task_at(decoder, need.task);
    const struct decoded_task *task = &decoder->tasks[index];
    if (is_met(&need, task)) {
        push_ready(decoder, lane);
        return;
    }
    if (need.sequence < task->sequence || need.sequence > UINT32_MAX) {
        refuse(decoder, "a task starts or is woken that is past that");
        return;
    }
    uint32_t *waiting = index_map_at(&decoder->waiting, waiting_key(index, need.sequence));
    if (*waiting != 0)
        refuse(decoder, "a task starts or is woken twice");
    *waiting = lane + 1;
    decoder->lanes[lane].is_waiting = true;
    decoder->waiting_count++;
}

/* The lane has taken its record: on to the next. */
static void advance(struct decoder *decoder, uint32_t lane)
{
    if (decoder->error == 0 && go_v1_next(&decoder->lanes[lane].cursor, &decoder->lanes[lane].next))
        enqueue(decoder, lane);
}

/* The task has come to another state or number: whoever waited for that goes on. */
static void move_task(struct decoder *decoder, uint32_t index, enum task_status status, unsigned steps)
{
    struct decoded_task *task = &decoder->tasks[index];
    task->status = status;
    task->sequence += steps;
    uint32_t waiting = index_map_find(&decoder->waiting, waiting_key(index, task->sequence));
    if (waiting == 0 || !decoder->lanes[waiting - 1].is_waiting)
        return;
    struct need need = need_of(&decoder->lanes[waiting - 1].next);
    if (!is_met(&need, task))
        return; /* not yet; or it waited for that before, and for something else now */
    decoder->lanes[waiting - 1].is_waiting = false;
    decoder->waiting_count--;
    push_ready(decoder, waiting - 1);
}

/* --- tasks and lanes --- */

static void start_task(struct decoder *decoder, struct decoded_lane *lane, uint32_t task, unsigned steps)
{
    if (!lane->is_busy || lane->task != NO_TASK || decoder->tasks[task].status != TASK_RUNNABLE) {
        refuse(decoder, "a task starts where none can, or one that cannot");
        return;
    }
    lane->task = task;
    give(decoder, event_of(decoder, lane, TRACE_EVENT_TASK_START));
    move_task(decoder, task, TASK_RUNNING, steps);
}

static void wake_task(struct decoder *decoder, struct decoded_lane *lane, uint32_t task, uint64_t stack)
{
    if (decoder->tasks[task].status != TASK_WAITING) {
        refuse(decoder, "a task is woken that does not wait");
        return;
    }
    struct trace_event event = event_of(decoder, lane, TRACE_EVENT_TASK_UNPARK);
    event.task = decoder->tasks[task].id;
    event.stack = go_v1_stack_of(&decoder->file, stack)->stack;
    give(decoder, event);
    move_task(decoder, task, TASK_RUNNABLE, 1);
}

/* The running task leaves the lane. */
static void leave(struct decoder *decoder, struct decoded_lane *lane, struct trace_event event,
                  enum task_status status)
{
    if (lane->task == NO_TASK || !lane->is_busy) {
        refuse(decoder, "a task stops where none runs");
        return;
    }
    uint32_t task = lane->task;
    give(decoder, event);
    lane->task = NO_TASK;
    move_task(decoder, task, status, 0);
}

static void create_task(struct decoder *decoder, struct decoded_lane *lane, const struct go_v1_record *record)
{
    uint32_t task = task_at(decoder, record->arguments[0]);
    if (decoder->tasks[task].status != TASK_UNKNOWN || record->arguments[0] == 0) {
        refuse(decoder, "a task is created twice");
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
    move_task(decoder, task, event.is_waiting ? TASK_WAITING : TASK_RUNNABLE, event.is_waiting ? 2 : 1);
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
        refuse(decoder, "a lane starts or stops where it cannot");
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
        struct need need = need_of(&record);
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
    move_task(decoder, lane->task, TASK_RUNNING, 2);
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
        refuse(decoder, "a request begins twice");
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
        refuse(decoder, "a region ends that is not the innermost one");
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
    case GO_V1_START_LOCAL: start_task(decoder, lane, task_at(decoder, arguments[0]), 1); break;
    case GO_V1_UNBLOCK: wake_task(decoder, lane, task_at(decoder, arguments[0]), arguments[2]); break;
    case GO_V1_UNBLOCK_LOCAL: wake_task(decoder, lane, task_at(decoder, arguments[0]), arguments[1]); break;
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
    case GO_V1_CALL_EXIT_LOCAL: wake_task(decoder, lane, task_at(decoder, arguments[0]), 0); break;
    case GO_V1_WAITING:
    case GO_V1_IN_CALL: refuse(decoder, "a task waits that was not created just before"); break;
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
    uint32_t index = pop_ready(decoder);
    struct decoded_lane *lane = &decoder->lanes[index];
    struct go_v1_record record = lane->next;
    uint64_t time_ns = time_of(decoder, record.ticks);
    if (time_ns > decoder->time_ns)
        decoder->time_ns = time_ns;
    struct need need = need_of(&record);
    if (lane->is_in_call)
        end_call(decoder, lane);
    else if (need.is_numbered && !is_met(&need, &decoder->tasks[task_at(decoder, need.task)]))
        refuse(decoder, "a task starts or is woken twice");
    else
        take_record(decoder, lane, &record);
    advance(decoder, index);
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
        advance(decoder, i);
    }
    while (decoder->ready_count > 0 && decoder->error == 0)
        take_next(decoder);
    if (decoder->waiting_count > 0)
        refuse(decoder, "what follows does not fit together: something is missing");
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
