/* trace_repair.c: what each record means, as far as lanes and tasks are known. */
#include "profiler/trace_repair.h"

#include "base/mem.h"
#include "profiler/symbols.h"
#include "profiler/trace_repair_state.h"
#include "profiler/trace_stacks.h"
#include "trace/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One record, and where it comes from. */
struct step {
    struct trace_repair *repair;
    const struct trace_item *item;
    const struct trace_record *record;
    struct trace_lane *lane; /* NULL: a thread that has none */
};

/* --- what is in a record --- */

/* Also a pointer in a record: texts live for ever. */
static uint32_t text_id(struct trace_repair *repair, uint64_t text)
{
    return text ? trace_string_of(repair->tables, (const char *)(uintptr_t)text) : 0;
}

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

/* Of a record whose continuations are a stack, but for so many bytes before it. */
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

static void name_task_by_entry(struct step *step, struct trace_task *task)
{
    struct trace_task_entry entry;
    memcpy(&entry, step->record + 1, sizeof entry);
    entry.name[sizeof entry.name - 1] = '\0';
    repair_name_task(step->repair, task, entry.name, entry.run ? trace_text_start() + entry.run : 0);
}

static struct trace_task *task_of_record(struct step *step)
{
    return trace_task_table_get(step->repair->tasks, trace_argument(step->record));
}

/* --- the steps: tasks --- */

/* The number of the lane that a thread's deed is shown on, which it may do without running a task. */
static uint32_t lane_of_deed(struct step *step)
{
    struct trace_lane *lane = step->lane;
    if (!lane || (lane->own_task && !lane->task))
        return TRACE_NO_LANE;
    repair_start_lane(step->repair, lane);
    return lane->number;
}

static void on_create(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_task *task = task_of_record(step);
    if (!task || task->state != TRACE_TASK_UNTOLD) {
        repair_count(repair);
        return;
    }
    name_task_by_entry(step, task);
    repair_know_task(repair, task, false);
    uint32_t lane = lane_of_deed(step);
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_TASK_CREATE, .lane = lane, .task = task->id,
                                             .entry = task->entry, .name = task->name, .stack = stack_of_where(step)});
}

static void on_start(struct step *step)
{
    struct trace_task *task = task_of_record(step);
    bool was_woken = trace_type(step->record) == TRACE_TASK_RESUME;
    if (task)
        repair_take_up(step->repair, step->lane, task, was_woken, was_woken ? stack_of_where(step) : 0);
    else
        repair_count(step->repair);
}

static void on_park(struct step *step)
{
    struct trace_repair *repair = step->repair;
    uint32_t reason = text_id(repair, trace_argument(step->record));
    if (reason == 0)
        reason = trace_string_of(repair->tables, REASON_UNKNOWN);
    repair_park(repair, step->lane, reason, trace_wait(step->record), stack_of_record(step, 0));
}

static void on_yield(struct step *step)
{
    repair_yield(step->repair, step->lane, stack_of_record(step, 0));
}

/* UNPARK, and what the end of offloaded work is. */
static void wake(struct step *step, uint32_t stack)
{
    struct trace_repair *repair = step->repair;
    struct trace_task *task = task_of_record(step);
    if (task)
        repair_tell_task(repair, task, true);
    if (task && task->state == TRACE_TASK_WAITING) {
        repair_unpark(repair, lane_of_deed(step), task, stack);
        return;
    }
    /* If the clocks differ a little, it parks right after this: then it is known who woke it. */
    if (task)
        task->waker_stack = stack;
    repair_count(repair);
}

static void on_unpark(struct step *step)
{
    wake(step, stack_of_record(step, 0));
}

static void on_end(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_lane *lane = step->lane;
    struct trace_task *task = task_of_record(step);
    if (!task) {
        repair_count(repair);
        return;
    }
    if (task->entry == 0)
        name_task_by_entry(step, task);
    if (lane->task != task) {
        repair_count(repair);
        repair_take_up(repair, lane, task, false, 0);
    }
    repair_end_task(repair, lane);
}

/* --- the steps: threads --- */

static void on_poll_begin(struct step *step)
{
    repair_clear_lane(step->repair, step->lane);
    repair_stop_lane(step->repair, step->lane);
}

static void on_poll_end(struct step *step)
{
    repair_clear_lane(step->repair, step->lane);
    repair_start_lane(step->repair, step->lane);
}

static void on_work_begin(struct step *step)
{
    struct trace_lane *lane = step->lane;
    if (!lane->own_task) {
        repair_count(step->repair);
        return;
    }
    lane->work = step->record->where ? trace_text_start() + step->record->where : 0;
    repair_take_up(step->repair, lane, lane->own_task, true, 0);
}

static void on_work_end(struct step *step)
{
    struct trace_repair *repair = step->repair;
    struct trace_lane *lane = step->lane;
    if (!lane->own_task) {
        repair_count(repair);
        return;
    }
    if (!lane->task)
        repair_take_up(repair, lane, lane->own_task, true, 0);
    uint32_t stack = stack_of_place(step, lane->work, true);
    wake(step, stack);
    repair_park(repair, lane, trace_string_of(repair->tables, REASON_NO_WORK), TRACE_WAIT_OTHER, lane->task->entry);
    repair_stop_lane(repair, lane);
}

static void on_call(struct step *step)
{
    repair_begin_call(step->repair, step->lane, step->item->call_ns,
                      text_id(step->repair, trace_argument(step->record)), stack_of_record(step, sizeof(uint64_t)));
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
    repair_begin_request(repair, lane, text_id(repair, trace_argument(step->record)), stack);

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
            repair_say(repair, lane, TRACE_EVENT_LOG, trace_string_of(repair->tables, logs[i].key), logs[i].value,
                       stack);
}

static void on_request_end(struct step *step)
{
    if (step->lane->task->request)
        repair_end_request(step->repair, step->lane, stack_of_where(step));
    else
        repair_count(step->repair);
}

/* TRACE_REGION_NEXT is both. */
static void on_region(struct step *step)
{
    enum trace_type type = trace_type(step->record);
    uint32_t stack = stack_of_record(step, 0);
    if (type != TRACE_REGION_BEGIN)
        repair_end_region(step->repair, step->lane, stack);
    if (type != TRACE_REGION_END)
        repair_begin_region(step->repair, step->lane, text_id(step->repair, trace_argument(step->record)), stack);
}

static void log_value(struct step *step, uint32_t value)
{
    repair_say(step->repair, step->lane, TRACE_EVENT_LOG, text_id(step->repair, trace_argument(step->record)), value,
               stack_of_where(step));
}

static uint64_t first_continuation(const struct step *step)
{
    uint64_t value;
    memcpy(&value, step->record + 1, sizeof value);
    return value;
}

static void on_log(struct step *step)
{
    log_value(step, text_id(step->repair, first_continuation(step)));
}

/* --- the steps: of the process --- */

static void on_heap(struct step *step)
{
    repair_emit(step->repair, (struct trace_event){.type = TRACE_EVENT_HEAP, .lane = TRACE_NO_LANE,
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

/* Written down by another thread, later. Of a task that has ended since, only the stack is told; and of one that was
 * not known yet at the sample's time, as readers refuse it if it appears before it was created. */
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
    uint64_t time_ns = step->item->sample_ns < repair->now_ns ? step->item->sample_ns : repair->now_ns;
    if (task && (task->state == TRACE_TASK_UNTOLD || time_ns <= task->told_ns))
        task = NULL;
    const struct trace_addresses addresses = {.pcs = pcs, .depth = depth, .epoch = sample.epoch,
                                              .entry = task ? task->entry : 0, .first_is_exact = true};
    repair_emit(repair, (struct trace_event){.type = TRACE_EVENT_SAMPLE, .lane = lane ? lane->number : TRACE_NO_LANE,
                                             .time_ns = time_ns, .task = task ? task->id : 0,
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
    [TRACE_REGION_BEGIN] = {on_region, NEEDS_TASK, 0},
    [TRACE_REGION_NEXT] = {on_region, NEEDS_TASK, 0},
    [TRACE_REGION_END] = {on_region, NEEDS_TASK, 0},
    [TRACE_LOG] = {on_log, NEEDS_TASK, 1},
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
    lane = repair_add_lane(repair, thread, !is_reactor);
    HASH_ADD(hh, repair->lanes, thread_index, sizeof lane->thread_index, lane);
    if (type == TRACE_CALL && lane->own_task)
        repair_take_up(repair, lane, lane->own_task, false, 0); /* it was at work when the trace began */
    return lane;
}

void trace_repair_add(struct trace_repair *repair, const struct trace_item *item)
{
    enum trace_type type = trace_type(item->record);
    if (type >= TRACE_TYPE_COUNT || !steps[type].take)
        return;
    ASSERT(trace_more(item->record) >= steps[type].continuations);
    repair_end_calls(repair, item->time_ns);
    if (repair->now_ns < item->time_ns)
        repair->now_ns = item->time_ns;

    struct step step = {.repair = repair, .item = item, .record = item->record};
    if (steps[type].need != NEEDS_NOTHING)
        step.lane = lane_of_thread(repair, item->thread, type);
    if ((steps[type].need >= NEEDS_LANE && !step.lane) || (steps[type].need == NEEDS_TASK && !step.lane->task)) {
        repair_count(repair);
        return;
    }
    if (step.lane && step.lane->is_in_call) {
        repair_count(repair); /* it turned up late, so that it seems to last longer than it did */
        repair_end_call(repair, step.lane);
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
    repair_name_task(repair, task, living->name, living->run);
    /* The others will say whether they ran or were runnable. */
    if (living->is_waiting)
        repair_tell_task(repair, task, true);
}

void trace_repair_note(struct trace_repair *repair, const char *key, const char *text)
{
    struct trace_lane *lane = repair->note_lane;
    if (!lane) {
        struct trace_thread self = {.id = gettid(), .name = "takhin trace"};
        lane = repair->note_lane = repair_add_lane(repair, &self, true);
    }
    repair_take_up(repair, lane, lane->own_task, true, 0);
    repair_say(repair, lane, TRACE_EVENT_LOG, trace_string_of(repair->tables, key),
               trace_string_of(repair->tables, text), lane->task->entry);
    repair_park(repair, lane, trace_string_of(repair->tables, REASON_NO_WORK), TRACE_WAIT_OTHER, lane->task->entry);
    repair_stop_lane(repair, lane);
}

struct trace_repair_counts trace_repair_counts(const struct trace_repair *repair)
{
    return repair->counts;
}
