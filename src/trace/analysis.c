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

/* --- what time goes into --- */

static bool text_is(const struct trace_analysis *analysis, uint32_t text, const char *name)
{
    return bytes_equal_string(trace_string_text(analysis->tables, text), name);
}

static bool is_sync_to_disk(const struct trace_analysis *analysis, uint32_t text)
{
    return text_is(analysis, text, "fsync") || text_is(analysis, text, "fdatasync");
}

static enum activity activity_of_wait(const struct trace_analysis *analysis, const struct trace_event *park)
{
    static const struct { const char *reason; enum activity activity; } by_reason[] = {
        {"offload queue", ACTIVITY_QUEUE}, {"offload", ACTIVITY_FILE}, {"file work", ACTIVITY_FILE},
    };
    static const enum activity by_kind[] = {
        [TRACE_EVENT_WAIT_OTHER] = ACTIVITY_OTHER,     [TRACE_EVENT_WAIT_SLEEP] = ACTIVITY_SLEEP,
        [TRACE_EVENT_WAIT_NETWORK] = ACTIVITY_NETWORK, [TRACE_EVENT_WAIT_SYNC] = ACTIVITY_LOCK,
        [TRACE_EVENT_WAIT_CONDITION] = ACTIVITY_OTHER, [TRACE_EVENT_WAIT_SELECT] = ACTIVITY_DATA,
    };
    if (is_sync_to_disk(analysis, park->text))
        return ACTIVITY_FSYNC;
    for (size_t i = 0; i < ARRAY_COUNT(by_reason); i++)
        if (text_is(analysis, park->text, by_reason[i].reason))
            return by_reason[i].activity;
    return by_kind[park->wait];
}

static enum activity activity_of_call(struct trace_analysis *analysis, uint32_t name)
{
    if (is_sync_to_disk(analysis, name))
        return ACTIVITY_FSYNC;
    unsigned last = ARRAY_COUNT(analysis->call_names) - 1, i = 0;
    while (i < last && analysis->call_names[i] != 0 && analysis->call_names[i] != name)
        i++;
    if (i < last)
        analysis->call_names[i] = name;
    return (enum activity)(ACTIVITY_CALL + i);
}

/* --- who did what meanwhile --- */

static uint64_t overlap_ns(uint64_t a_start, uint64_t a_end, uint64_t b_start, uint64_t b_end)
{
    uint64_t start = a_start > b_start ? a_start : b_start, end = a_end < b_end ? a_end : b_end;
    return end > start ? end - start : 0;
}

/* It takes as long as it takes, whoever waits for it. What a worker does is what somebody waits for, once more. */
static bool is_work(const struct trace_analysis *analysis, const struct deed *deed)
{
    if (deed->lane != TRACE_NO_LANE)
        return !analysis_lane_is_worker(&analysis->lanes[deed->lane]);
    return deed->activity == ACTIVITY_FSYNC || deed->activity == ACTIVITY_FILE || deed->activity == ACTIVITY_QUEUE;
}

static void remember_piece(struct trace_analysis *analysis, struct analyzed_task *task, const struct piece *piece)
{
    if (deed_ns(&piece->deed) < RECENT_MIN_NS)
        return;
    if (is_work(analysis, &piece->deed))
        analysis->work[analysis->work_next++ % WORK_COUNT] = piece->deed;
    if (!task->recent)
        task->recent = mem_alloc_array(RECENT_COUNT, sizeof *task->recent);
    task->recent[task->recent_next++ % RECENT_COUNT] = *piece;
}

/* What took most of that time of the task's. If that was a wait for somebody else's lock: what he did. */
static struct deed what_it_did(const struct analyzed_task *task, uint64_t start_ns, uint64_t end_ns)
{
    struct deed most = task->now;
    most.end_ns = end_ns;
    uint64_t most_ns = overlap_ns(most.start_ns, end_ns, start_ns, end_ns);
    for (unsigned i = 0; task->recent && i < RECENT_COUNT; i++) {
        const struct piece *piece = &task->recent[i];
        uint64_t ns = overlap_ns(piece->deed.start_ns, piece->deed.end_ns, start_ns, end_ns);
        if (ns <= most_ns)
            continue;
        most_ns = ns;
        uint64_t cause_ns = overlap_ns(piece->behind.start_ns, piece->behind.end_ns, start_ns, end_ns);
        bool has_cause = piece->deed.activity == ACTIVITY_LOCK && cause_ns > ns / 2;
        most = has_cause ? piece->behind : piece->deed;
    }
    return most;
}

/* What others did of one kind while this waited for a lock, if that was most of the time: they may have had the lock in
 * turn. */
static void find_amid(const struct trace_analysis *analysis, struct piece *piece)
{
    const struct deed *wait = &piece->deed;
    uint64_t ns[ACTIVITY_COUNT] = {0}, from_ns[ACTIVITY_COUNT];
    unsigned count[ACTIVITY_COUNT] = {0};
    const struct deed *last[ACTIVITY_COUNT];
    for (unsigned i = 1; i <= WORK_COUNT && i <= analysis->work_next; i++) { /* the last that has ended first */
        const struct deed *deed = &analysis->work[(analysis->work_next - i) % WORK_COUNT];
        enum activity kind = deed->activity;
        uint64_t end_ns = count[kind] > 0 ? from_ns[kind] : wait->end_ns;
        uint64_t part_ns = overlap_ns(wait->start_ns, end_ns, deed->start_ns, deed->end_ns);
        if (part_ns == 0 || deed->who.task == wait->who.task)
            continue;
        if (count[kind]++ == 0)
            last[kind] = deed;
        from_ns[kind] = deed->start_ns;
        ns[kind] += part_ns;
        if (ns[kind] > piece->amid_ns) {
            piece->amid = *last[kind];
            piece->amid_ns = ns[kind];
            piece->amid_count = count[kind];
        }
    }
    if (piece->amid_ns < deed_ns(wait) / 2)
        piece->amid_count = 0;
}

static void remember_stretch(struct analyzed_lane *lane, const struct stretch *stretch)
{
    if (stretch_ns(stretch) >= RECENT_MIN_NS)
        lane->recent[lane->recent_next++ % RECENT_COUNT] = *stretch;
}

/* What the lane ran for most of that time. */
static struct deed what_ran(const struct analyzed_lane *lane, uint64_t start_ns, uint64_t end_ns)
{
    struct deed most = {.start_ns = 0};
    uint64_t most_ns = 0;
    for (unsigned i = 0; i < RECENT_COUNT; i++) {
        const struct stretch *stretch = &lane->recent[i];
        uint64_t ns = overlap_ns(stretch->start_ns, stretch->end_ns, start_ns, end_ns);
        if (ns <= most_ns)
            continue;
        most_ns = ns;
        most = stretch->longest;
        most.start_ns = stretch->start_ns;
        most.end_ns = stretch->end_ns;
    }
    return most;
}

/* --- deeds --- */

static void keep_piece(struct request *request, const struct piece *piece)
{
    unsigned at = PIECES_COUNT;
    while (at > 0 && deed_ns(&piece->deed) > deed_ns(&request->pieces[at - 1].deed))
        at--;
    if (at == PIECES_COUNT)
        return;
    memmove(&request->pieces[at + 1], &request->pieces[at], (PIECES_COUNT - 1 - at) * sizeof *piece);
    request->pieces[at] = *piece;
}

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
            keep_piece(task->request, piece);
    }
    remember_piece(analysis, task, piece);
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
        remember_stretch(lane, stretch);
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
        piece.behind = what_ran(lane, piece.deed.start_ns, event->time_ns);
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
    leave_lane(analysis, event, task, activity_of_wait(analysis, event));
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
            piece.behind = what_it_did(waker, piece.deed.start_ns, event->time_ns);
    }
    if (piece.deed.activity == ACTIVITY_LOCK && deed_ns(&piece.deed) >= RECENT_MIN_NS)
        find_amid(analysis, &piece);
    account(analysis, task, &piece);
    begin_deed(task, ACTIVITY_RUNNABLE, event);
}

static void take_call_begin(struct trace_analysis *analysis, const struct trace_event *event,
                            struct analyzed_task *task)
{
    change_deed(analysis, task, activity_of_call(analysis, event->text), event);
}

static void take_call_end(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    change_deed(analysis, task, ACTIVITY_RUNNING, event);
}

/* --- requests --- */

static struct api *api_at(struct trace_analysis *analysis, uint32_t name)
{
    uint32_t *index = index_map_at(&analysis->api_indexes, name);
    if (*index == 0) {
        if (analysis->api_count == analysis->api_capacity) {
            analysis->api_capacity *= 2;
            analysis->apis = mem_realloc(analysis->apis, analysis->api_capacity * sizeof *analysis->apis);
        }
        *index = analysis->api_count++;
        analysis->apis[*index] = (struct api){.name = name};
    }
    return &analysis->apis[*index];
}

static void count_request(struct api *api, const struct request *request)
{
    if (api->count == api->capacity) {
        api->capacity = api->capacity ? 2 * api->capacity : 4;
        api->durations_ns = mem_realloc(api->durations_ns, api->capacity * sizeof *api->durations_ns);
    }
    uint64_t duration_ns = request->end_ns - request->start_ns;
    api->durations_ns[api->count++] = duration_ns;
    api->total_ns += duration_ns;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        api->split_ns[i] += request->split_ns[i];
}

static void keep_slowest(struct trace_analysis *analysis, const struct request *request)
{
    unsigned at = analysis->slowest_count;
    while (at > 0 && request_own_ns(request) > request_own_ns(&analysis->slowest[at - 1]))
        at--;
    if (at == SLOWEST_COUNT)
        return;
    if (analysis->slowest_count < SLOWEST_COUNT)
        analysis->slowest_count++;
    memmove(&analysis->slowest[at + 1], &analysis->slowest[at],
            (analysis->slowest_count - 1 - at) * sizeof *request);
    analysis->slowest[at] = *request;
}

static void end_request(struct trace_analysis *analysis, struct analyzed_task *task, uint64_t time_ns, bool is_open)
{
    struct request *request = task->request;
    request->end_ns = time_ns;
    request->is_open = is_open;
    if (is_open) {
        analysis->open_count++;
    } else {
        analysis->request_count++;
        count_request(api_at(analysis, request->who.api), request);
    }
    keep_slowest(analysis, request);
    mem_free(request);
    task->request = NULL;
    task->who.request = task->who.api = 0;
}

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
        end_request(analysis, task, event->time_ns, false);
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
        end_request(analysis, task, event->time_ns, false);
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

/* --- silence --- */

#define SILENCE_MIN_NS 20000000

/* Before the heap's size is due, nobody may have anything to do. */
static void hear(struct silence *silence, uint64_t last_ns, uint64_t now_ns)
{
    uint64_t start_ns = last_ns > silence->heap_due_ns ? last_ns : silence->heap_due_ns;
    if (silence->heap_due_ns == 0 || now_ns <= start_ns ||
        now_ns - start_ns <= silence->gap_end_ns - silence->gap_start_ns)
        return;
    silence->gap_start_ns = start_ns;
    silence->gap_end_ns = now_ns;
}

/* The times between two are a multiple of some period, mostly the one before. Where one is late, and nothing else
 * happened meanwhile, no thread could run. */
static void take_heap(struct trace_analysis *analysis, const struct trace_event *event, struct analyzed_task *task)
{
    (void)task;
    struct silence *silence = &analysis->silence;
    uint64_t since_ns = event->time_ns - silence->heap_ns, gap_ns = silence->gap_end_ns - silence->gap_start_ns;
    bool is_late = silence->heap_every_ns != 0 && since_ns % silence->heap_every_ns >= SILENCE_MIN_NS;
    if (is_late && gap_ns >= SILENCE_MIN_NS && gap_ns > silence->end_ns - silence->start_ns) {
        silence->start_ns = silence->gap_start_ns;
        silence->end_ns = silence->gap_end_ns;
    }
    if (silence->heap_ns != 0 && since_ns > 0 && (silence->heap_every_ns == 0 || since_ns < silence->heap_every_ns))
        silence->heap_every_ns = since_ns;
    silence->heap_due_ns = silence->heap_every_ns == 0 ? 0
                                                       : event->time_ns + (is_late ? silence->heap_every_ns : since_ns);
    silence->heap_ns = event->time_ns;
    silence->gap_start_ns = silence->gap_end_ns = 0;
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
        hear(&analysis->silence, analysis->end_ns, event->time_ns);
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
            end_request(analysis, task, analysis->end_ns, true);
    }
    for (uint32_t i = 0; i < analysis->lane_count; i++) {
        struct analyzed_lane *lane = &analysis->lanes[i];
        stop_lane(analysis, lane, analysis->end_ns);
        for (unsigned j = 0; j < lane->stretches.count && !analysis_lane_is_worker(lane); j++)
            keep_stretch(lane->has_served ? &analysis->stretches : &analysis->other_stretches,
                         &lane->stretches.all[j]);
    }
}
