/* tracks.c: events -> slices that begin and end, and instants. */
#include "trace/tracks.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "trace/tables.h"

/* How many tasks are in which state is written at most this often. */
#define STATES_EVERY_NS 1000000

struct track_task {
    uint64_t id;
    struct track track;
    unsigned depth; /* requests and regions that are open: only then the track shows calls and waits */
    unsigned state; /* COUNTER_RUNNING, ... */
    bool is_away;   /* there is a slice for that it does not run */
    uint64_t flow;  /* of who woke it */
};

struct track_lane {
    struct track track;
    struct track_task *running;
};

/* --- tracks --- */

static struct bytes text_of(const struct tracks *tracks, uint32_t id)
{
    return trace_string_text(tracks->tables, id);
}

static void announce(struct tracks *tracks, struct track *track)
{
    if (!track->is_known)
        tracks->format->track(tracks->encoder, track);
    track->is_known = true;
}

static void begin(struct tracks *tracks, struct track *track, const struct track_mark *mark)
{
    announce(tracks, track);
    tracks->format->begin(tracks->encoder, track, mark);
    if (track->open == track->open_capacity) {
        track->open_capacity = 2 * track->open_capacity + 4;
        track->open_names = mem_realloc(track->open_names, track->open_capacity * sizeof *track->open_names);
    }
    track->open_names[track->open++] = mark->name;
}

static void end(struct tracks *tracks, struct track *track, uint64_t time_ns)
{
    track->open--;
    tracks->format->end(tracks->encoder, track, time_ns, track->open_names[track->open]);
}

static void end_all(struct tracks *tracks, struct track *track, uint64_t time_ns)
{
    while (track->open > 0)
        end(tracks, track, time_ns);
}

static void instant(struct tracks *tracks, struct track *track, const struct track_mark *mark)
{
    announce(tracks, track);
    tracks->format->instant(tracks->encoder, track, mark);
}

static void count(struct tracks *tracks, unsigned counter, uint64_t time_ns, uint64_t value)
{
    announce(tracks, &tracks->counters[counter]);
    tracks->format->count(tracks->encoder, &tracks->counters[counter], time_ns, value);
}

static void count_states(struct tracks *tracks, uint64_t time_ns)
{
    for (unsigned i = COUNTER_RUNNING; i <= COUNTER_WAITING; i++)
        count(tracks, i, time_ns, tracks->states[i]);
    tracks->states_written_ns = time_ns;
    tracks->states_changed = false;
}

static struct track_lane *lane_of(struct tracks *tracks, const struct trace_event *event)
{
    return &tracks->lanes[event->lane + 1]; /* TRACE_NO_LANE + 1 is 0 */
}

/* What runs where the event happens. */
static struct track_task *running(struct tracks *tracks, const struct trace_event *event)
{
    return lane_of(tracks, event)->running;
}

/* What an event begins, under the name of its text. */
static struct track_mark mark_of(const struct tracks *tracks, const struct trace_event *event)
{
    return (struct track_mark){
        .time_ns = event->time_ns, .name = text_of(tracks, event->text), .stack = event->stack};
}

/* --- events --- */

static void take_lane(struct tracks *tracks, const struct trace_event *event)
{
    while (tracks->lane_count <= event->lane) {
        tracks->lanes = mem_realloc(tracks->lanes, (tracks->lane_count + 2) * sizeof *tracks->lanes);
        tracks->lanes[++tracks->lane_count] = (struct track_lane){.track.kind = TRACK_LANE};
    }
    struct track *track = &lane_of(tracks, event)->track;
    track->number = event->lane;
    track->name = text_of(tracks, event->name);
    announce(tracks, track);
}

static void take_lane_start(struct tracks *tracks, const struct trace_event *event)
{
    begin(tracks, &lane_of(tracks, event)->track,
          &(struct track_mark){.time_ns = event->time_ns, .name = bytes_of_string("busy")});
}

static void take_end_of_slice(struct tracks *tracks, const struct trace_event *event)
{
    end(tracks, &lane_of(tracks, event)->track, event->time_ns);
}

static void set_state(struct tracks *tracks, struct track_task *task, unsigned state)
{
    tracks->states[task->state]--;
    tracks->states[state]++;
    tracks->states_changed = true;
    task->state = state;
}

static void take_create(struct tracks *tracks, const struct trace_event *event)
{
    struct track_task *task = task_map_add(&tracks->tasks, event->task);
    task->track = (struct track){.kind = TRACK_TASK, .number = event->task, .name = text_of(tracks, event->name)};
    task->state = event->is_waiting ? COUNTER_WAITING : COUNTER_RUNNABLE;
    tracks->states[task->state]++;
    tracks->states_changed = true;
}

/* What the task's track shows while the task does not run, if it is in the middle of something. */
static void set_away(struct tracks *tracks, struct track_task *task, const struct track_mark *mark)
{
    if (task->is_away)
        end(tracks, &task->track, mark->time_ns);
    task->is_away = task->depth > 0 && mark->name.size > 0;
    if (task->is_away)
        begin(tracks, &task->track, mark);
}

static void take_start(struct tracks *tracks, const struct trace_event *event)
{
    struct track_task *task = task_map_find(&tracks->tasks, event->task);
    struct track_mark mark = {.time_ns = event->time_ns, .name = task->track.name, .flow = task->flow};
    lane_of(tracks, event)->running = task;
    begin(tracks, &lane_of(tracks, event)->track, &mark);
    set_away(tracks, task, &(struct track_mark){.time_ns = event->time_ns});
    set_state(tracks, task, COUNTER_RUNNING);
    task->flow = 0;
}

static void leave_lane(struct tracks *tracks, const struct trace_event *event, const struct track_mark *away,
                       unsigned state)
{
    set_away(tracks, running(tracks, event), away);
    set_state(tracks, running(tracks, event), state);
    take_end_of_slice(tracks, event);
    lane_of(tracks, event)->running = NULL;
}

static void take_park(struct tracks *tracks, const struct trace_event *event)
{
    struct track_mark mark = mark_of(tracks, event);
    if (mark.name.size == 0)
        mark.name = bytes_of_string("wait");
    leave_lane(tracks, event, &mark, COUNTER_WAITING);
}

static struct track_mark runnable(const struct trace_event *event)
{
    return (struct track_mark){.time_ns = event->time_ns, .name = bytes_of_string("runnable"), .stack = event->stack};
}

static void take_yield(struct tracks *tracks, const struct trace_event *event)
{
    struct track_mark mark = runnable(event);
    leave_lane(tracks, event, &mark, COUNTER_RUNNABLE);
}

static void take_end(struct tracks *tracks, const struct trace_event *event)
{
    struct track_task *task = running(tracks, event);
    end_all(tracks, &task->track, event->time_ns);
    tracks->states[task->state]--;
    tracks->states_changed = true;
    take_end_of_slice(tracks, event);
    mem_free(task->track.open_names);
    task_map_remove(&tracks->tasks, task);
    lane_of(tracks, event)->running = NULL;
}

static void take_unpark(struct tracks *tracks, const struct trace_event *event)
{
    struct track_task *task = task_map_find(&tracks->tasks, event->task);
    struct track_mark mark = runnable(event);
    set_away(tracks, task, &mark);
    set_state(tracks, task, COUNTER_RUNNABLE);
    task->flow = ++tracks->last_flow;
    mark.name = bytes_of_string("wake");
    mark.value = task->track.name;
    mark.flow = task->flow;
    instant(tracks, &lane_of(tracks, event)->track, &mark);
}

static void take_call_begin(struct tracks *tracks, const struct trace_event *event)
{
    struct track_mark mark = mark_of(tracks, event);
    begin(tracks, &lane_of(tracks, event)->track, &mark);
    if (running(tracks, event)->depth > 0)
        begin(tracks, &running(tracks, event)->track, &mark);
}

static void take_call_end(struct tracks *tracks, const struct trace_event *event)
{
    take_end_of_slice(tracks, event);
    if (running(tracks, event)->depth > 0)
        end(tracks, &running(tracks, event)->track, event->time_ns);
}

static void take_part_begin(struct tracks *tracks, const struct trace_event *event)
{
    struct track_mark mark = mark_of(tracks, event);
    begin(tracks, &running(tracks, event)->track, &mark);
    running(tracks, event)->depth++;
}

/* It may have begun before the trace. */
static void take_part_end(struct tracks *tracks, const struct trace_event *event)
{
    struct track_task *task = running(tracks, event);
    if (task->depth == 0)
        return;
    end(tracks, &task->track, event->time_ns);
    task->depth--;
}

static void take_log(struct tracks *tracks, const struct trace_event *event)
{
    struct track_mark mark = mark_of(tracks, event);
    mark.value = text_of(tracks, event->value);
    instant(tracks, &running(tracks, event)->track, &mark);
}

static void take_heap(struct tracks *tracks, const struct trace_event *event)
{
    count(tracks, COUNTER_HEAP, event->time_ns, event->bytes);
    count(tracks, COUNTER_RESIDENT, event->time_ns, event->limit_bytes);
}

static void take_sample(struct tracks *tracks, const struct trace_event *event)
{
    struct track_mark mark = {
        .time_ns = event->time_ns, .name = bytes_of_string("CPU sample"), .stack = event->stack};
    instant(tracks, &lane_of(tracks, event)->track, &mark);
}

static void (*const take[TRACE_EVENT_TYPE_COUNT])(struct tracks *, const struct trace_event *) = {
    [TRACE_EVENT_LANE] = take_lane,
    [TRACE_EVENT_LANE_START] = take_lane_start,
    [TRACE_EVENT_LANE_STOP] = take_end_of_slice,
    [TRACE_EVENT_TASK_EXISTS] = take_create,
    [TRACE_EVENT_TASK_CREATE] = take_create,
    [TRACE_EVENT_TASK_START] = take_start,
    [TRACE_EVENT_TASK_PARK] = take_park,
    [TRACE_EVENT_TASK_YIELD] = take_yield,
    [TRACE_EVENT_TASK_END] = take_end,
    [TRACE_EVENT_TASK_UNPARK] = take_unpark,
    [TRACE_EVENT_CALL_BEGIN] = take_call_begin,
    [TRACE_EVENT_CALL_END] = take_call_end,
    [TRACE_EVENT_REQUEST_BEGIN] = take_part_begin,
    [TRACE_EVENT_REQUEST_END] = take_part_end,
    [TRACE_EVENT_REGION_BEGIN] = take_part_begin,
    [TRACE_EVENT_REGION_END] = take_part_end,
    [TRACE_EVENT_LOG] = take_log,
    [TRACE_EVENT_HEAP] = take_heap,
    [TRACE_EVENT_SAMPLE] = take_sample,
};

/* --- all of it --- */

void tracks_init(struct tracks *tracks, const struct track_format *format, struct trace_encoder *encoder,
                 const struct trace_tables *tables)
{
    static const char *const counter_names[COUNTER_COUNT] = {
        [COUNTER_RUNNING] = "tasks running", [COUNTER_RUNNABLE] = "tasks runnable", [COUNTER_WAITING] = "tasks waiting",
        [COUNTER_HEAP] = "heap bytes", [COUNTER_RESIDENT] = "resident bytes",
    };
    *tracks = (struct tracks){.format = format, .encoder = encoder, .tables = tables};
    tracks->lanes = MEM_NEW(struct track_lane);
    tracks->lanes[0].track = (struct track){
        .kind = TRACK_LANE, .number = TRACE_NO_LANE, .name = bytes_of_string("other threads")};
    task_map_init(&tracks->tasks, sizeof(struct track_task));
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        tracks->counters[i] = (struct track){
            .kind = TRACK_COUNTER, .number = i, .name = bytes_of_string(counter_names[i])};
}

/* NULL: none is there. */
static struct track_task *task_at(const struct tracks *tracks, uint32_t slot)
{
    return (struct track_task *)(void *)tracks->tasks.slots[slot];
}

void tracks_deinit(struct tracks *tracks)
{
    for (uint32_t i = 0; i <= tracks->lane_count; i++)
        mem_free(tracks->lanes[i].track.open_names);
    for (uint32_t i = 0; i < tracks->tasks.slot_count; i++)
        if (task_at(tracks, i))
            mem_free(task_at(tracks, i)->track.open_names);
    task_map_deinit(&tracks->tasks);
    mem_free(tracks->lanes);
}

void tracks_event(struct tracks *tracks, const struct trace_event *event)
{
    take[event->type](tracks, event);
    if (tracks->states_changed && event->type != TRACE_EVENT_SAMPLE &&
        event->time_ns - tracks->states_written_ns >= STATES_EVERY_NS)
        count_states(tracks, event->time_ns);
}

void tracks_finish(struct tracks *tracks, uint64_t end_ns)
{
    for (uint32_t i = 0; i <= tracks->lane_count; i++)
        end_all(tracks, &tracks->lanes[i].track, end_ns);
    for (uint32_t i = 0; i < tracks->tasks.slot_count; i++)
        if (task_at(tracks, i))
            end_all(tracks, &task_at(tracks, i)->track, end_ns);
    count_states(tracks, end_ns);
}

size_t tracks_open(const struct tracks *tracks)
{
    size_t open = 0;
    for (uint32_t i = 0; i <= tracks->lane_count; i++)
        open += tracks->lanes[i].track.open;
    for (uint32_t i = 0; i < tracks->tasks.slot_count; i++)
        if (task_at(tracks, i))
            open += task_at(tracks, i)->track.open;
    return open;
}

void tracks_place(const struct trace_tables *tables, uint32_t stack, struct buf *text)
{
    unsigned depth;
    const struct trace_frame *frame = trace_stack_frames(tables, stack, &depth);
    tracks_append_utf8(text, trace_string_text(tables, frame->function));
    if (frame->file == 0)
        return;
    buf_append_byte(text, ' ');
    tracks_append_utf8(text, trace_string_text(tables, frame->file));
    buf_printf(text, ":%u", frame->line);
}

void tracks_append_utf8(struct buf *out, struct bytes text)
{
    while (text.size > 0) {
        size_t size = utf8_character_size(text);
        if (size == 0)
            buf_append_string(out, "\xef\xbf\xbd");
        else
            buf_append(out, text.data, size);
        size += size == 0;
        text = bytes_of(text.data + size, text.size - size);
    }
}
