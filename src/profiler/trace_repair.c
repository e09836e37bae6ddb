/* trace_repair.c: a state for each task and each lane, and what each record means in it. */
#include "profiler/trace_repair.h"

#include "base/mem.h"
#include "profiler/symbols.h"
#include "profiler/trace_stacks.h"
#include "profiler/trace_task_table.h"
#include "trace/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

/* Threads that work for tasks are given a task of their own, so that viewers show what they do. A record has 48 bits
 * for an id, so no other task has one like these. */
#define OWN_TASK_ID(lane_number) ((UINT64_C(1) << TRACE_ARGUMENT_BITS) + (lane_number))
/* libuv's pool gives its threads numbers; in a list of tasks they are one kind. */
#define POOL_THREAD_PREFIX "pool-"
#define POOL_TASK_NAME "pool worker"

#define UNKNOWN_TASK_NAME "task"
#define REASON_UNKNOWN "unknown"
#define REASON_NO_WORK "no work"

/* A thread that runs tasks (a reactor), or works for them. */
struct trace_lane {
    uint32_t thread_index;
    uint32_t number; /* as events have it */
    int32_t thread_id;
    bool is_busy, is_in_call;
    uint64_t call_end_ns;
    struct trace_task *task; /* that runs here, as far as is known */
    struct trace_task *own_task; /* NULL: a reactor's lane */
    uintptr_t work; /* the function that a thread has been given to do */
    UT_hash_handle hh;
};

struct trace_repair {
    struct trace_tables *tables;
    struct trace_stacks *stacks;
    trace_take_fn take;
    void *context;
    uint64_t now_ns; /* of the last event */
    struct trace_lane *lanes;
    uint32_t lane_count, in_call_count;
    struct trace_lane *note_lane; /* of the trace itself; NULL until it has something to say */
    struct trace_task_table *tasks;
    uint64_t request_count;
    struct trace_repair_counts counts;
};

/* One record, and where it comes from. */
struct step {
    struct trace_repair *repair;
    const struct trace_item *item;
    const struct trace_record *record;
    struct trace_lane *lane; /* NULL: a thread that has none */
};

/* --- what comes out --- */

static void emit(struct trace_repair *repair, struct trace_event event)
{
    if (event.type != TRACE_EVENT_SAMPLE)
        event.time_ns = repair->now_ns;
    repair->counts.event_count++;
    repair->take(&event, repair->context);
}

/* Something is not as the record says, or said by no record. */
static void count_repair(struct trace_repair *repair)
{
    repair->counts.repaired_count++;
}

/* Also a pointer in a record: texts live for ever. */
static uint32_t text_id(struct trace_repair *repair, uint64_t text)
{
    return text ? trace_string_of(repair->tables, (const char *)(uintptr_t)text) : 0;
}

/* --- stacks --- */

static uint32_t entry_of(const struct trace_lane *lane)
{
    return lane && lane->task ? lane->task->entry : 0;
}

/* Of one address, which is a return address unless the flag says otherwise. */
static uint32_t stack_of_place(struct step *step, uintptr_t place, bool is_exact)
{
    const struct trace_addresses addresses = {.pcs = &place, .depth = place != 0, .entry = entry_of(step->lane),
                                              .first_is_exact = is_exact};
    return trace_stacks_id(step->repair->stacks, &addresses);
}

static uint32_t stack_of_where(struct step *step)
{
    uint32_t where = step->record->where;
    return stack_of_place(step, where ? trace_text_start() + where : 0, false);
}

/* Of a record whose continuations are nothing but a stack, behind so many bytes. */
static uint32_t stack_of_record(struct step *step, size_t bytes_before)
{
    uint32_t offsets[TRACE_MORE_MAX * TRACE_PCS_PER_RECORD];
    uintptr_t pcs[TRACE_DEPTH_FULL];
    size_t bytes = trace_more(step->record) * sizeof *step->record - bytes_before;
    unsigned depth = 0;
    memcpy(offsets, (const char *)(step->record + 1) + bytes_before, bytes);
    if (step->record->where)
        pcs[depth++] = trace_text_start() + step->record->where;
    for (size_t i = 0; i < bytes / sizeof *offsets && offsets[i] && depth < TRACE_DEPTH_FULL; i++)
        pcs[depth++] = trace_text_start() + offsets[i];
    const struct trace_addresses addresses = {.pcs = pcs, .depth = depth, .entry = entry_of(step->lane)};
    return trace_stacks_id(step->repair->stacks, &addresses);
}

/* --- tasks --- */

static void name_task(struct trace_repair *repair, struct trace_task *task, const char *name, uintptr_t run)
{
    if (name[0] == '\0') /* viewers hide what has none */
        name = UNKNOWN_TASK_NAME;
    task->name = trace_string_of(repair->tables, name);
    task->entry = trace_stacks_entry(repair->stacks, name, run);
}

static void name_task_by_entry(struct step *step, struct trace_task *task)
{
    struct trace_task_entry entry;
    memcpy(&entry, step->record + 1, sizeof entry);
    entry.name[sizeof entry.name - 1] = '\0';
    name_task(step->repair, task, entry.name, entry.run ? trace_text_start() + entry.run : 0);
}

/* A task that has not been heard of until now has been all the time. */
static void tell_task(struct trace_repair *repair, struct trace_task *task, bool is_waiting)
{
    if (task->state != TRACE_TASK_UNTOLD)
        return;
    if (task->entry == 0)
        name_task(repair, task, UNKNOWN_TASK_NAME, 0);
    task->state = is_waiting ? TRACE_TASK_WAITING : TRACE_TASK_RUNNABLE;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_EXISTS, .lane = TRACE_NO_LANE, .task = task->id,
                                      .entry = task->entry, .name = task->name, .is_waiting = is_waiting});
}

static struct trace_task *task_of_record(struct step *step)
{
    return trace_task_table_get(step->repair->tasks, trace_argument(step->record));
}

/* --- lanes --- */

static struct trace_lane *add_lane(struct trace_repair *repair, const struct trace_thread *thread, bool is_worker)
{
    struct trace_lane *lane = MEM_NEW(struct trace_lane);
    lane->thread_index = thread->index;
    lane->number = repair->lane_count++;
    lane->thread_id = thread->id;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_LANE, .lane = lane->number, .thread_id = thread->id,
                                      .name = trace_string_of(repair->tables, thread->name), .is_worker = is_worker});
    if (is_worker) {
        bool is_pool = strncmp(thread->name, POOL_THREAD_PREFIX, strlen(POOL_THREAD_PREFIX)) == 0;
        lane->own_task = trace_task_table_get(repair->tasks, OWN_TASK_ID(lane->number));
        name_task(repair, lane->own_task, is_pool ? POOL_TASK_NAME : thread->name, 0);
    }
    return lane;
}

static void make_busy(struct trace_repair *repair, struct trace_lane *lane)
{
    if (lane->is_busy)
        return;
    lane->is_busy = true;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_LANE_START, .lane = lane->number});
}

static void make_idle(struct trace_repair *repair, struct trace_lane *lane)
{
    if (!lane->is_busy)
        return;
    lane->is_busy = false;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_LANE_STOP, .lane = lane->number});
}

static void end_call(struct trace_repair *repair, struct trace_lane *lane)
{
    if (!lane->is_in_call)
        return;
    lane->is_in_call = false;
    repair->in_call_count--;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_CALL_END, .lane = lane->number, .task = lane->task->id});
}

/* Calls that are over by then. */
static void end_calls(struct trace_repair *repair, uint64_t now_ns)
{
    while (repair->in_call_count > 0) {
        struct trace_lane *first = NULL;
        for (struct trace_lane *lane = repair->lanes; lane; lane = lane->hh.next)
            if (lane->is_in_call && (!first || lane->call_end_ns < first->call_end_ns))
                first = lane;
        if (first->call_end_ns > now_ns)
            return;
        repair->now_ns = first->call_end_ns;
        end_call(repair, first);
    }
}

/* --- what a lane does with its task --- */

static void start(struct trace_repair *repair, struct trace_lane *lane, struct trace_task *task)
{
    make_busy(repair, lane);
    task->state = TRACE_TASK_RUNNING;
    task->lane = lane;
    lane->task = task;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_START, .lane = lane->number, .task = task->id});
}

static void park(struct trace_repair *repair, struct trace_lane *lane, uint32_t reason, enum trace_wait wait,
                 uint32_t stack)
{
    struct trace_task *task = lane->task;
    task->state = TRACE_TASK_WAITING;
    task->lane = NULL;
    lane->task = NULL;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_PARK, .lane = lane->number, .task = task->id,
                                      .text = reason, .wait = (enum trace_event_wait)wait, .stack = stack});
}

static void yield(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    struct trace_task *task = lane->task;
    task->state = TRACE_TASK_RUNNABLE;
    task->lane = NULL;
    lane->task = NULL;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_YIELD, .lane = lane->number, .task = task->id,
                                      .stack = stack});
}

/* By a lane, or by none. */
static void unpark(struct trace_repair *repair, uint32_t lane_number, struct trace_task *task, uint32_t stack)
{
    task->state = TRACE_TASK_RUNNABLE;
    task->waker_stack = 0;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_UNPARK, .lane = lane_number, .task = task->id,
                                      .stack = stack});
}

/* What ran on the lane has left it without saying so. */
static void clear_lane(struct trace_repair *repair, struct trace_lane *lane)
{
    end_call(repair, lane);
    if (!lane->task)
        return;
    count_repair(repair);
    park(repair, lane, trace_string_of(repair->tables, REASON_UNKNOWN), TRACE_WAIT_OTHER, lane->task->entry);
}

/* Have the task run on this lane, whatever it and the lane did before. was_woken: by this lane, right now, and there. */
static void take_up(struct trace_repair *repair, struct trace_lane *lane, struct trace_task *task, bool was_woken,
                    uint32_t waker_stack)
{
    if (task->state == TRACE_TASK_RUNNING) {
        count_repair(repair);
        end_call(repair, task->lane);
        yield(repair, task->lane, task->entry);
    }
    clear_lane(repair, lane);
    tell_task(repair, task, was_woken);
    make_busy(repair, lane);
    if (task->state == TRACE_TASK_WAITING) {
        if (!was_woken)
            count_repair(repair);
        unpark(repair, lane->number, task, was_woken ? waker_stack : task->waker_stack);
    }
    start(repair, lane, task);
}

/* --- what a task says of itself --- */

/* Of the lane's task, whose request it belongs to. */
static void emit_said(struct trace_repair *repair, struct trace_lane *lane, enum trace_event_type type, uint32_t text,
                      uint32_t value, uint32_t stack)
{
    emit(repair, (struct trace_event){.type = type, .lane = lane->number, .task = lane->task->id,
                                      .request = lane->task->request, .text = text, .value = value, .stack = stack});
}

static void end_region(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    struct trace_task *task = lane->task;
    const struct trace_region *region = &task->regions[--task->region_count];
    emit(repair, (struct trace_event){.type = TRACE_EVENT_REGION_END, .lane = lane->number, .task = task->id,
                                      .request = region->request, .text = region->name, .stack = stack});
}

/* Those that belong to this request and are still open; 0: all. */
static void end_regions(struct trace_repair *repair, struct trace_lane *lane, uint64_t request)
{
    struct trace_task *task = lane->task;
    task->deep_count = 0;
    while (task->region_count > 0 && (request == 0 || task->regions[task->region_count - 1].request == request))
        end_region(repair, lane, task->entry);
}

static void end_request(struct trace_repair *repair, struct trace_lane *lane, uint32_t stack)
{
    end_regions(repair, lane, lane->task->request);
    emit_said(repair, lane, TRACE_EVENT_REQUEST_END, 0, 0, stack);
    lane->task->request = 0;
}

/* --- the steps: tasks --- */

/* The number of the lane that a thread's deed is shown on, which it may do without running a task. */
static uint32_t lane_of_deed(struct step *step)
{
    struct trace_lane *lane = step->lane;
    if (!lane || (lane->own_task && !lane->task))
        return TRACE_NO_LANE;
    make_busy(step->repair, lane);
    return lane->number;
}

static void on_create(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_task *task = task_of_record(step);
    if (!task || task->state != TRACE_TASK_UNTOLD) {
        count_repair(repair);
        return;
    }
    name_task_by_entry(step, task);
    task->state = TRACE_TASK_RUNNABLE;
    uint32_t lane = lane_of_deed(step);
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_CREATE, .lane = lane, .task = task->id,
                                      .entry = task->entry, .name = task->name, .stack = stack_of_where(step)});
}

static void on_start(struct step *step)
{
    struct trace_task *task = task_of_record(step);
    bool was_woken = trace_type(step->record) == TRACE_TASK_RESUME;
    if (task)
        take_up(step->repair, step->lane, task, was_woken, was_woken ? stack_of_where(step) : 0);
    else
        count_repair(step->repair);
}

static void on_park(struct step *step)
{
    struct trace_repair *repair = step->repair;
    uint32_t reason = text_id(repair, trace_argument(step->record));
    if (reason == 0)
        reason = trace_string_of(repair->tables, REASON_UNKNOWN);
    park(repair, step->lane, reason, trace_wait(step->record), stack_of_record(step, 0));
}

static void on_yield(struct step *step)
{
    yield(step->repair, step->lane, stack_of_record(step, 0));
}

/* UNPARK, and what the end of offloaded work is. */
static void wake(struct step *step, uint32_t stack)
{
    struct trace_repair *repair = step->repair;
    struct trace_task *task = task_of_record(step);
    if (task)
        tell_task(repair, task, true);
    if (task && task->state == TRACE_TASK_WAITING) {
        unpark(repair, lane_of_deed(step), task, stack);
        return;
    }
    /* If the clocks differ a little, it parks right after this: then it is known who woke it. */
    if (task)
        task->waker_stack = stack;
    count_repair(repair);
}

static void on_unpark(struct step *step)
{
    wake(step, stack_of_where(step));
}

static void on_end(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_lane *lane = step->lane;
    struct trace_task *task = task_of_record(step);
    if (!task) {
        count_repair(repair);
        return;
    }
    if (task->entry == 0)
        name_task_by_entry(step, task);
    if (lane->task != task) {
        count_repair(repair);
        take_up(repair, lane, task, false, 0);
    }
    if (task->request)
        end_request(repair, lane, task->entry);
    end_regions(repair, lane, 0);
    emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_END, .lane = lane->number, .task = task->id});
    lane->task = NULL;
    trace_task_table_end(repair->tasks, task);
}

/* --- the steps: threads --- */

static void on_poll_begin(struct step *step)
{
    clear_lane(step->repair, step->lane);
    make_idle(step->repair, step->lane);
}

static void on_poll_end(struct step *step)
{
    clear_lane(step->repair, step->lane);
    make_busy(step->repair, step->lane);
}

static void on_work_begin(struct step *step)
{
    struct trace_lane *lane = step->lane;
    if (!lane->own_task) {
        count_repair(step->repair);
        return;
    }
    lane->work = step->record->where ? trace_text_start() + step->record->where : 0;
    take_up(step->repair, lane, lane->own_task, true, 0);
}

static void on_work_end(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_lane *lane = step->lane;
    if (!lane->own_task) {
        count_repair(repair);
        return;
    }
    if (!lane->task)
        take_up(repair, lane, lane->own_task, true, 0);
    uint32_t stack = stack_of_place(step, lane->work, true);
    wake(step, stack);
    park(repair, lane, trace_string_of(repair->tables, REASON_NO_WORK), TRACE_WAIT_OTHER, lane->task->entry);
    make_idle(repair, lane);
}

static void on_call(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_lane *lane = step->lane;
    lane->is_in_call = true;
    lane->call_end_ns = repair->now_ns + step->item->call_ns;
    repair->in_call_count++;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_CALL_BEGIN, .lane = lane->number, .task = lane->task->id,
                                      .text = text_id(repair, trace_argument(step->record)),
                                      .stack = stack_of_record(step, sizeof(uint64_t))});
}

/* --- the steps: what tasks say of themselves --- */

static uint32_t number_text(struct trace_repair *repair, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    return trace_string_of(repair->tables, text);
}

static void on_request_begin(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_lane *lane = step->lane;
    uint32_t stack = stack_of_where(step);
    if (lane->task->request) {
        count_repair(repair);
        end_request(repair, lane, stack);
    }
    lane->task->request = ++repair->request_count;
    emit_said(repair, lane, TRACE_EVENT_REQUEST_BEGIN, text_id(repair, trace_argument(step->record)), 0, stack);

    struct trace_request_facts facts;
    memcpy(&facts, step->record + 1, sizeof facts);
    const struct {
        const char *key;
        uint32_t value;
    } logs[] = {
        {"client", text_id(repair, facts.client)},
        {"correlation_id", number_text(repair, facts.correlation_id)},
        {"size", number_text(repair, facts.size_bytes)},
    };
    for (size_t i = 0; i < ARRAY_COUNT(logs); i++)
        if (logs[i].value)
            emit_said(repair, lane, TRACE_EVENT_LOG, trace_string_of(repair->tables, logs[i].key), logs[i].value,
                      stack);
}

static void on_request_end(struct step *step)
{
    if (step->lane->task->request)
        end_request(step->repair, step->lane, stack_of_where(step));
    else
        count_repair(step->repair);
}

static void begin_region(struct step *step, uint32_t stack)
{
    uint32_t name = text_id(step->repair, trace_argument(step->record));
    if (trace_task_open_region(step->lane->task, name))
        emit_said(step->repair, step->lane, TRACE_EVENT_REGION_BEGIN, name, 0, stack);
    else
        count_repair(step->repair);
}

/* The innermost. Its begin may lie before the trace. */
static void leave_region(struct step *step, uint32_t stack)
{
    struct trace_task *task = step->lane->task;
    if (task->deep_count > 0)
        task->deep_count--;
    else if (task->region_count > 0)
        end_region(step->repair, step->lane, stack);
    else
        count_repair(step->repair);
}

static void on_region_begin(struct step *step)
{
    begin_region(step, stack_of_record(step, 0));
}

static void on_region_next(struct step *step)
{
    uint32_t stack = stack_of_record(step, 0);
    leave_region(step, stack);
    begin_region(step, stack);
}

static void on_region_end(struct step *step)
{
    leave_region(step, stack_of_record(step, 0));
}

static void log_value(struct step *step, uint32_t value)
{
    emit_said(step->repair, step->lane, TRACE_EVENT_LOG, text_id(step->repair, trace_argument(step->record)), value,
              stack_of_where(step));
}

static uint64_t first_continuation(const struct step *step)
{
    uint64_t value;
    memcpy(&value, step->record + 1, sizeof value);
    return value;
}

static void on_log_text(struct step *step)
{
    log_value(step, text_id(step->repair, first_continuation(step)));
}

static void on_log_number(struct step *step)
{
    log_value(step, number_text(step->repair, (int64_t)first_continuation(step)));
}

/* --- the steps: of the process --- */

static void on_heap(struct step *step)
{
    emit(step->repair, (struct trace_event){.type = TRACE_EVENT_HEAP, .lane = TRACE_NO_LANE,
                                            .bytes = trace_argument(step->record),
                                            .limit_bytes = first_continuation(step)});
}

static struct trace_lane *lane_of_thread_id(struct trace_repair *repair, int32_t thread_id)
{
    struct trace_lane *lane = repair->lanes;
    while (lane && lane->thread_id != thread_id)
        lane = lane->hh.next;
    return lane;
}

/* Written down by another thread, later. Of a task that has ended since, only the stack is told. */
static void on_sample(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_sample sample;
    memcpy(&sample, step->record + 1, sizeof sample);
    uintptr_t pcs[2 * TRACE_MORE_MAX];
    unsigned depth = 2 * (trace_more(step->record) - 1);
    memcpy(pcs, step->record + 2, depth * sizeof *pcs);
    if (depth > 0 && pcs[depth - 1] == 0)
        depth--;

    const struct trace_lane *lane = lane_of_thread_id(repair, sample.thread_id);
    const struct trace_task *task = trace_task_table_find(repair->tasks, trace_argument(step->record));
    if (trace_argument(step->record) == 0 && lane && lane->task && lane->task == lane->own_task)
        task = lane->own_task;
    if (task && task->state == TRACE_TASK_UNTOLD)
        task = NULL;
    const struct trace_addresses addresses = {.pcs = pcs, .depth = depth, .epoch = sample.epoch,
                                              .entry = task ? task->entry : 0, .first_is_exact = true};
    uint64_t sample_ns = step->item->sample_ns;
    emit(repair, (struct trace_event){.type = TRACE_EVENT_SAMPLE, .lane = lane ? lane->number : TRACE_NO_LANE,
                                      .time_ns = sample_ns < repair->now_ns ? sample_ns : repair->now_ns,
                                      .task = task ? task->id : 0, .thread_id = sample.thread_id,
                                      .stack = trace_stacks_id(repair->stacks, &addresses)});
}

/* --- all steps --- */

/* What a record needs to make sense, or else is left out. */
enum need {
    NEEDS_NOTHING,
    MAY_HAVE_LANE, /* it is shown there, but may come from any thread */
    NEEDS_LANE,
    NEEDS_TASK,    /* that runs on the lane */
};

static const struct {
    void (*take)(struct step *step);
    enum need need;
    uint8_t continuations; /* at least */
} steps[TRACE_TYPE_COUNT] = {
    [TRACE_TASK_CREATE] = {on_create, MAY_HAVE_LANE, 2},
    [TRACE_TASK_START] = {on_start, NEEDS_LANE, 0},
    [TRACE_TASK_RESUME] = {on_start, NEEDS_LANE, 0},
    [TRACE_TASK_PARK] = {on_park, NEEDS_TASK, 0},
    [TRACE_TASK_YIELD] = {on_yield, NEEDS_TASK, 0},
    [TRACE_TASK_END] = {on_end, NEEDS_LANE, 2},
    [TRACE_TASK_UNPARK] = {on_unpark, MAY_HAVE_LANE, 0},
    [TRACE_POLL_BEGIN] = {on_poll_begin, NEEDS_LANE, 0},
    [TRACE_POLL_END] = {on_poll_end, NEEDS_LANE, 0},
    [TRACE_WORK_BEGIN] = {on_work_begin, NEEDS_LANE, 0},
    [TRACE_WORK_END] = {on_work_end, NEEDS_LANE, 0},
    [TRACE_CALL] = {on_call, NEEDS_TASK, 1},
    [TRACE_REQUEST_BEGIN] = {on_request_begin, NEEDS_TASK, 1},
    [TRACE_REQUEST_END] = {on_request_end, NEEDS_TASK, 0},
    [TRACE_REGION_BEGIN] = {on_region_begin, NEEDS_TASK, 0},
    [TRACE_REGION_NEXT] = {on_region_next, NEEDS_TASK, 0},
    [TRACE_REGION_END] = {on_region_end, NEEDS_TASK, 0},
    [TRACE_LOG_TEXT] = {on_log_text, NEEDS_TASK, 1},
    [TRACE_LOG_NUMBER] = {on_log_number, NEEDS_TASK, 1},
    [TRACE_HEAP] = {on_heap, NEEDS_NOTHING, 1},
    [TRACE_SAMPLE] = {on_sample, NEEDS_NOTHING, 1},
};

/* A reactor has one as soon as it says anything, a worker from its work on. */
static struct trace_lane *lane_of_thread(struct trace_repair *repair, const struct trace_thread *thread,
                                         enum trace_type type)
{
    struct trace_lane *lane;
    HASH_FIND(hh, repair->lanes, &thread->index, sizeof thread->index, lane);
    if (lane)
        return lane;
    bool is_work = type == TRACE_WORK_BEGIN || type == TRACE_WORK_END || type == TRACE_CALL;
    bool is_reactor = thread->kind == TRACE_THREAD_REACTOR;
    if (!is_reactor && !(thread->kind == TRACE_THREAD_WORKER && is_work))
        return NULL;
    lane = add_lane(repair, thread, !is_reactor);
    HASH_ADD(hh, repair->lanes, thread_index, sizeof lane->thread_index, lane);
    if (type == TRACE_CALL && lane->own_task)
        take_up(repair, lane, lane->own_task, false, 0); /* it was at work when the trace began */
    return lane;
}

void trace_repair_add(struct trace_repair *repair, const struct trace_item *item)
{
    enum trace_type type = trace_type(item->record);
    if (type >= TRACE_TYPE_COUNT || !steps[type].take)
        return;
    ASSERT(trace_more(item->record) >= steps[type].continuations);
    end_calls(repair, item->time_ns);
    if (repair->now_ns < item->time_ns)
        repair->now_ns = item->time_ns;

    struct step step = {.repair = repair, .item = item, .record = item->record};
    if (steps[type].need != NEEDS_NOTHING)
        step.lane = lane_of_thread(repair, item->thread, type);
    if ((steps[type].need >= NEEDS_LANE && !step.lane) || (steps[type].need == NEEDS_TASK && !step.lane->task)) {
        count_repair(repair);
        return;
    }
    if (step.lane && step.lane->is_in_call) {
        count_repair(repair); /* it turned up late, so that it seems to last longer than it did */
        end_call(repair, step.lane);
    }
    steps[type].take(&step);
}

/* --- life --- */

struct trace_repair *trace_repair_create(struct symbols *symbols, struct trace_tables *tables, trace_take_fn take,
                                         void *context)
{
    struct trace_repair *repair = MEM_NEW(struct trace_repair);
    repair->tables = tables;
    repair->stacks = trace_stacks_create(symbols, tables);
    repair->tasks = trace_task_table_create();
    repair->take = take;
    repair->context = context;
    return repair;
}

void trace_repair_destroy(struct trace_repair *repair)
{
    if (!repair)
        return;
    while (repair->lanes) {
        struct trace_lane *lane = repair->lanes;
        HASH_DEL(repair->lanes, lane);
        mem_free(lane);
    }
    mem_free(repair->note_lane);
    trace_task_table_destroy(repair->tasks);
    trace_stacks_destroy(repair->stacks);
    mem_free(repair);
}

void trace_repair_add_living(struct trace_repair *repair, const struct trace_living *living)
{
    struct trace_task *task = trace_task_table_get(repair->tasks, living->task);
    name_task(repair, task, living->name, living->run);
    /* The others will say whether they ran or were runnable. */
    if (living->is_waiting)
        tell_task(repair, task, true);
}

void trace_repair_note(struct trace_repair *repair, const char *key, const char *text)
{
    struct trace_lane *lane = repair->note_lane;
    if (!lane) {
        struct trace_thread self = {.id = gettid(), .name = "takhin trace"};
        lane = repair->note_lane = add_lane(repair, &self, true);
    }
    take_up(repair, lane, lane->own_task, true, 0);
    emit_said(repair, lane, TRACE_EVENT_LOG, trace_string_of(repair->tables, key),
              trace_string_of(repair->tables, text), lane->task->entry);
    park(repair, lane, trace_string_of(repair->tables, REASON_NO_WORK), TRACE_WAIT_OTHER, lane->task->entry);
    make_idle(repair, lane);
}

struct trace_repair_counts trace_repair_counts(const struct trace_repair *repair)
{
    return repair->counts;
}
