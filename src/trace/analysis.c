/* analysis.c: each task's time, cut into what it did: summed up by request, and kept where it was long. */
#include "trace/analysis.h"

#include "base/mem.h"
#include "trace/analysis_state.h"

#include <stdlib.h>
#include <string.h>

struct trace_analysis *trace_analysis_create(const struct trace_tables *tables)
{
    struct trace_analysis *analysis = MEM_NEW(struct trace_analysis);
    analysis->tables = tables;
    analysis->task_count = analysis->api_count = 1;
    analysis->task_capacity = analysis->api_capacity = 16;
    analysis->tasks = mem_alloc_array(analysis->task_capacity, sizeof(struct analyzed_task *));
    analysis->apis = mem_alloc_array(analysis->api_capacity, sizeof(struct api));
    return analysis;
}

static void free_task(struct analyzed_task *task)
{
    if (!task)
        return;
    mem_free(task->request);
    mem_free(task->regions);
    mem_free(task->recent);
    mem_free(task);
}

void trace_analysis_destroy(struct trace_analysis *analysis)
{
    if (!analysis)
        return;
    for (uint32_t i = 0; i < analysis->task_count; i++)
        free_task(analysis->tasks[i]);
    for (uint32_t i = 0; i < analysis->api_count; i++)
        mem_free(analysis->apis[i].durations_ns);
    mem_free(analysis->tasks);
    mem_free(analysis->apis);
    mem_free(analysis->lanes);
    mem_free(analysis->samples);
    index_map_deinit(&analysis->task_indexes);
    index_map_deinit(&analysis->api_indexes);
    mem_free(analysis);
}

/* --- deeds --- */

static void begin_deed(struct analyzed_task *task, enum activity activity, const struct trace_event *event)
{
    bool runs = event->lane != TRACE_NO_LANE &&
                (activity == ACTIVITY_RUNNING || event->type == TRACE_EVENT_CALL_BEGIN);
    task->now = (struct deed){
        .who = task->who,
        .activity = activity,
        .text = event->text,
        .region = task->region_count > 0 ? task->regions[task->region_count - 1] : 0,
        .stack = event->stack,
        .stack_before = task->last_stack,
        .lane = runs ? event->lane : TRACE_NO_LANE,
        .start_ns = event->time_ns,
    };
    if (activity == ACTIVITY_RUNNING)
        task->now.text = task->now.stack = 0;
}

static void account(struct trace_analysis *analysis, struct analyzed_task *task, const struct piece *piece)
{
    const struct deed *deed = &piece->deed;
    if (deed_ns(deed) == 0)
        return;
    if (task->request) {
        task->request->split_ns[deed->activity] += deed_ns(deed);
        if (deed->activity != ACTIVITY_DATA)
            analysis_keep_piece(task->request, piece);
    }
    analysis_remember_piece(analysis, task, piece);
    if (deed->lane == TRACE_NO_LANE)
        return;
    struct stretch *stretch = &analysis->lanes[deed->lane].stretch;
    if (deed_ns(deed) > deed_ns(&stretch->longest))
        stretch->longest = *deed;
}

/* The deed that the event ends; `stack`: where it ended, if it ran. */
static struct piece ended_piece(struct analyzed_task *task, const struct trace_event *event)
{
    struct piece piece = {.deed = task->now};
    piece.deed.end_ns = event->time_ns;
    if (piece.deed.activity == ACTIVITY_RUNNING)
        piece.deed.stack = event->stack;
    if (event->stack != 0 && event->type != TRACE_EVENT_TASK_UNPARK)
        task->last_stack = event->stack;
    return piece;
}

static void end_deed(struct trace_analysis *analysis, struct analyzed_task *task, const struct trace_event *event)
{
    struct piece piece = ended_piece(task, event);
    account(analysis, task, &piece);
}

static void change_deed(struct trace_analysis *analysis, struct analyzed_task *task, enum activity activity,
                        const struct trace_event *event)
{
    end_deed(analysis, task, event);
    begin_deed(task, activity, event);
}

/* --- lanes --- */

static struct analyzed_lane *lane_at(struct trace_analysis *analysis, uint32_t index)
{
    if (index == TRACE_NO_LANE)
        return NULL;
    if (index >= analysis->lane_count) {
        analysis->lanes = mem_realloc(analysis->lanes, (index + 1) * sizeof *analysis->lanes);
        memset(analysis->lanes + analysis->lane_count, 0, (index + 1 - analysis->lane_count) * sizeof *analysis->lanes);
        analysis->lane_count = index + 1;
    }
    return &analysis->lanes[index];
}

bool analysis_lane_is_worker(const struct analyzed_lane *lane)
{
    return lane->is_worker || (lane->first_task != 0 && !lane->has_more_tasks && !lane->first_has_place);
}

static void keep_stretch(struct stretches *stretches, const struct stretch *stretch)
{
    unsigned at = stretches->count;
    while (at > 0 && stretch_ns(stretch) > stretch_ns(&stretches->all[at - 1]))
        at--;
    if (at == STRETCH_COUNT)
        return;
    if (stretches->count < STRETCH_COUNT)
        stretches->count++;
    memmove(&stretches->all[at + 1], &stretches->all[at], (stretches->count - 1 - at) * sizeof *stretch);
    stretches->all[at] = *stretch;
}

/* The lane goes on to something else: another task, or none, or it stops. */
static void turn_lane(struct trace_analysis *analysis, struct analyzed_lane *lane, uint64_t time_ns)
{
    struct stretch *stretch = &lane->stretch;
    uint64_t ns = time_ns - stretch->start_ns;
    stretch->end_ns = time_ns;
    if (lane->is_busy && ns > 0) {
        if (lane->running)
            lane->running_ns += ns;
        if (ns > lane->longest_ns)
            lane->longest_ns = ns;
        analysis_remember_stretch(lane, stretch);
        keep_stretch(&lane->stretches, stretch);
    }
    *stretch = (struct stretch){.lane = (uint32_t)(lane - analysis->lanes), .start_ns = time_ns};
}

static void take_lane(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    (void)task;
    struct analyzed_lane *lane = lane_at(analysis, event->lane);
    lane->exists = true;
    lane->name = event->name;
    lane->thread_id = event->thread_id;
    lane->is_worker = event->is_worker;
}

static void take_lane_start(struct trace_analysis *analysis, const struct trace_event *event,
                            struct analyzed_task *task)
{
    (void)task;
    struct analyzed_lane *lane = lane_at(analysis, event->lane);
    turn_lane(analysis, lane, event->time_ns);
    lane->is_busy = true;
    lane->busy_since_ns = event->time_ns;
}

static void stop_lane(struct trace_analysis *analysis, struct analyzed_lane *lane, uint64_t time_ns)
{
    turn_lane(analysis, lane, time_ns);
    if (lane->is_busy)
        lane->busy_ns += time_ns - lane->busy_since_ns;
    lane->is_busy = false;
}

static void take_lane_stop(struct trace_analysis *analysis, const struct trace_event *event,
                           struct analyzed_task *task)
{
    (void)task;
    stop_lane(analysis, lane_at(analysis, event->lane), event->time_ns);
}

/* --- tasks --- */

static bool entry_has_file(const struct trace_analysis *analysis, uint32_t entry)
{
    unsigned depth;
    return entry != 0 && trace_stack_frames(analysis->tables, entry, &depth)->file != 0;
}

static struct analyzed_task *find_task(const struct trace_analysis *analysis, uint64_t id)
{
    return analysis->tasks[index_map_find(&analysis->task_indexes, id)];
}

static void take_new_task(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    if (analysis->task_count == analysis->task_capacity) {
        analysis->task_capacity *= 2;
        analysis->tasks = mem_realloc(analysis->tasks, analysis->task_capacity * sizeof(struct analyzed_task *));
    }
    task = MEM_NEW(struct analyzed_task);
    task->who = (struct actor){.task = event->task, .task_name = event->name};
    task->has_place = entry_has_file(analysis, event->entry);
    begin_deed(task, event->is_waiting ? ACTIVITY_OTHER : ACTIVITY_RUNNABLE, event);
    *index_map_at(&analysis->task_indexes, event->task) = analysis->task_count;
    analysis->tasks[analysis->task_count++] = task;
}

static void take_start(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    struct analyzed_lane *lane = lane_at(analysis, event->lane);
    turn_lane(analysis, lane, event->time_ns);
    struct piece piece = ended_piece(task, event);
    if (deed_ns(&piece.deed) >= RECENT_MIN_NS)
        piece.behind = analysis_what_ran(lane, piece.deed.start_ns, event->time_ns);
    account(analysis, task, &piece);
    if (lane->first_task == 0) {
        lane->first_task = event->task;
        lane->first_has_place = task->has_place;
    }
    lane->has_more_tasks |= lane->first_task != event->task;
    lane->start_count++;
    lane->running = task;
    task->resumed_ns = event->time_ns;
    begin_deed(task, ACTIVITY_RUNNING, event);
    lane->stretch.longest.who = task->who;
}

static void leave_lane(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task,
                       enum activity next)
{
    struct analyzed_lane *lane = lane_at(analysis, event->lane);
    change_deed(analysis, task, next, event);
    turn_lane(analysis, lane, event->time_ns);
    lane->running = NULL;
}

static void take_park(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    leave_lane(analysis, event, task, analysis_activity_of_wait(analysis, event));
}

static void take_yield(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    leave_lane(analysis, event, task, ACTIVITY_RUNNABLE);
}

/* Work on another thread is waited for from two things: that a thread takes it up, and that it is done. */
static void split_off_queue(struct trace_analysis *analysis, struct analyzed_task *task,
                            const struct analyzed_task *worker, struct piece *piece)
{
    struct deed *deed = &piece->deed;
    bool is_offload = deed->activity == ACTIVITY_FSYNC || deed->activity == ACTIVITY_FILE;
    if (!is_offload || worker->resumed_ns <= deed->start_ns)
        return;
    struct piece queued = {.deed = *deed};
    queued.deed.activity = ACTIVITY_QUEUE;
    queued.deed.end_ns = deed->start_ns = worker->resumed_ns;
    account(analysis, task, &queued);
}

static void take_unpark(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    const struct analyzed_lane *lane = lane_at(analysis, event->lane);
    const struct analyzed_task *waker = lane ? lane->running : NULL;
    struct piece piece = ended_piece(task, event);
    piece.has_waker = true;
    piece.waker_stack = event->stack;
    if (waker) {
        piece.waker = waker->who;
        if (analysis_lane_is_worker(lane))
            split_off_queue(analysis, task, waker, &piece);
        if (deed_ns(&piece.deed) >= RECENT_MIN_NS)
            piece.behind = analysis_what_it_did(waker, piece.deed.start_ns, event->time_ns);
    }
    if (piece.deed.activity == ACTIVITY_LOCK && deed_ns(&piece.deed) >= RECENT_MIN_NS)
        analysis_find_amid(analysis, &piece);
    account(analysis, task, &piece);
    begin_deed(task, ACTIVITY_RUNNABLE, event);
}

static void take_call_begin(struct trace_analysis *analysis, const struct trace_event *event,
                            struct analyzed_task *task)
{
    change_deed(analysis, task, analysis_activity_of_call(analysis, event->text), event);
}

static void take_call_end(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    change_deed(analysis, task, ACTIVITY_RUNNING, event);
}

/* --- requests --- */

static void take_request_begin(struct trace_analysis *analysis, const struct trace_event *event,
                               struct analyzed_task *task)
{
    end_deed(analysis, task, event);
    task->who.request = event->request;
    task->who.api = event->text;
    task->request = MEM_NEW(struct request);
    task->request->who = task->who;
    task->request->start_ns = event->time_ns;
    lane_at(analysis, event->lane)->has_served = true;
    begin_deed(task, ACTIVITY_RUNNING, event);
}

static void take_request_end(struct trace_analysis *analysis, const struct trace_event *event,
                             struct analyzed_task *task)
{
    end_deed(analysis, task, event);
    if (task->request)
        analysis_end_request(analysis, task, event->time_ns, false);
    begin_deed(task, ACTIVITY_RUNNING, event);
}

static void take_region_begin(struct trace_analysis *analysis, const struct trace_event *event,
                              struct analyzed_task *task)
{
    end_deed(analysis, task, event);
    if (task->region_count == task->region_capacity) {
        task->region_capacity = task->region_capacity ? 2 * task->region_capacity : 4;
        task->regions = mem_realloc(task->regions, task->region_capacity * sizeof *task->regions);
    }
    task->regions[task->region_count++] = event->text;
    begin_deed(task, ACTIVITY_RUNNING, event);
}

static void take_region_end(struct trace_analysis *analysis, const struct trace_event *event,
                            struct analyzed_task *task)
{
    end_deed(analysis, task, event);
    if (task->region_count > 0)
        task->region_count--;
    begin_deed(task, ACTIVITY_RUNNING, event);
}

static void take_task_end(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    leave_lane(analysis, event, task, ACTIVITY_OTHER);
    if (task->request)
        analysis_end_request(analysis, task, event->time_ns, false);
    analysis->tasks[index_map_find(&analysis->task_indexes, event->task)] = NULL;
    free_task(task);
}

/* --- what is said, not done --- */

/* Formats that have no names of lanes have them as notes: "lane 4". */
static struct analyzed_lane *lane_of_note(struct trace_analysis *analysis, uint32_t key)
{
    const char *text = (const char *)trace_string_text(analysis->tables, key).data;
    char *end;
    if (strncmp(text, "lane ", 5) != 0)
        return NULL;
    unsigned long lane = strtoul(text + 5, &end, 10);
    return end > text + 5 && *end == '\0' && lane < analysis->lane_count ? &analysis->lanes[lane] : NULL;
}

static void take_note(struct trace_analysis *analysis, const struct trace_event *event)
{
    struct analyzed_lane *lane = lane_of_note(analysis, event->text);
    if (lane) {
        lane->name = event->value;
    } else if (analysis->note_count < NOTES_MAX) {
        analysis->notes[analysis->note_count].key = event->text;
        analysis->notes[analysis->note_count++].value = event->value;
    }
}

static void take_log(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    struct request *request = event->request != 0 && task ? task->request : NULL;
    if (request && request->log_count < LOGS_MAX) {
        request->logs[request->log_count].key = event->text;
        request->logs[request->log_count++].value = event->value;
    } else if (event->request == 0) {
        take_note(analysis, event);
    }
}

static void take_sample(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    (void)task;
    if (analysis->sample_count == analysis->sample_capacity) {
        analysis->sample_capacity = analysis->sample_capacity ? 2 * analysis->sample_capacity : 64;
        analysis->samples = mem_realloc(analysis->samples, analysis->sample_capacity * sizeof *analysis->samples);
    }
    analysis->samples[analysis->sample_count++] =
        (struct sample){.time_ns = event->time_ns, .task = event->task, .stack = event->stack};
}

static void take_heap(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    (void)task;
    analysis_hear_heap(&analysis->silence, event->time_ns);
}

/* --- */

static void (*const takers[TRACE_EVENT_TYPE_COUNT])(struct trace_analysis *analysis, const struct trace_event *event,
                                                    struct analyzed_task *task) = {
    [TRACE_EVENT_LANE] = take_lane,
    [TRACE_EVENT_LANE_START] = take_lane_start,
    [TRACE_EVENT_LANE_STOP] = take_lane_stop,
    [TRACE_EVENT_TASK_EXISTS] = take_new_task,
    [TRACE_EVENT_TASK_CREATE] = take_new_task,
    [TRACE_EVENT_TASK_START] = take_start,
    [TRACE_EVENT_TASK_PARK] = take_park,
    [TRACE_EVENT_TASK_YIELD] = take_yield,
    [TRACE_EVENT_TASK_END] = take_task_end,
    [TRACE_EVENT_TASK_UNPARK] = take_unpark,
    [TRACE_EVENT_CALL_BEGIN] = take_call_begin,
    [TRACE_EVENT_CALL_END] = take_call_end,
    [TRACE_EVENT_REQUEST_BEGIN] = take_request_begin,
    [TRACE_EVENT_REQUEST_END] = take_request_end,
    [TRACE_EVENT_REGION_BEGIN] = take_region_begin,
    [TRACE_EVENT_REGION_END] = take_region_end,
    [TRACE_EVENT_LOG] = take_log,
    [TRACE_EVENT_HEAP] = take_heap,
    [TRACE_EVENT_SAMPLE] = take_sample,
};

void trace_analysis_add(struct trace_analysis *analysis, const struct trace_event *event)
{
    ASSERT(!analysis->is_finished);
    if (event->type != TRACE_EVENT_SAMPLE) {
        analysis_hear(&analysis->silence, analysis->end_ns, event->time_ns);
        analysis->end_ns = event->time_ns;
    }
    analysis->event_count++;
    if (takers[event->type])
        takers[event->type](analysis, event, find_task(analysis, event->task));
}

struct trace_analysis_counts trace_analysis_counts(const struct trace_analysis *analysis)
{
    return (struct trace_analysis_counts){
        .event_count = analysis->event_count,
        .request_count = analysis->request_count,
        .span_ns = analysis->end_ns,
    };
}

void analysis_finish(struct trace_analysis *analysis)
{
    if (analysis->is_finished)
        return;
    analysis->is_finished = true;
    struct trace_event end = {.time_ns = analysis->end_ns, .lane = TRACE_NO_LANE};
    for (uint32_t i = 1; i < analysis->task_count; i++) {
        struct analyzed_task *task = analysis->tasks[i];
        if (!task)
            continue;
        end_deed(analysis, task, &end);
        if (task->request)
            analysis_end_request(analysis, task, analysis->end_ns, true);
    }
    for (uint32_t i = 0; i < analysis->lane_count; i++) {
        struct analyzed_lane *lane = &analysis->lanes[i];
        stop_lane(analysis, lane, analysis->end_ns);
        for (unsigned j = 0; j < lane->stretches.count && !analysis_lane_is_worker(lane); j++)
            keep_stretch(lane->has_served ? &analysis->stretches : &analysis->other_stretches,
                         &lane->stretches.all[j]);
    }
}
