/* analysis_text.c: what was gathered, for people: first what was worst and why, then the figures. */
#include "trace/analysis_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define API_ROWS 10
#define LANE_ROWS 8
#define COLUMNS_MAX 9       /* of a split; what takes least is summed up as "other" */
#define STALL_NS 10000000   /* a reactor that is held for so long is worth a sentence */
#define STRETCH_MIN_NS 1000000
#define PIECE_SHARE 20      /* a piece of less than one in so many parts of its request is not shown */
#define CAUSE_SHARE 4       /* the same of what somebody did meanwhile, in a wait */
#define FRAMES_SHOWN 2

static const char *const activity_names[ACTIVITY_CALL] = {
    [ACTIVITY_RUNNING] = "running", [ACTIVITY_RUNNABLE] = "runnable", [ACTIVITY_LOCK] = "lock",
    [ACTIVITY_FSYNC] = "fsync",     [ACTIVITY_QUEUE] = "queue",       [ACTIVITY_FILE] = "file work",
    [ACTIVITY_NETWORK] = "network", [ACTIVITY_DATA] = "data wait",    [ACTIVITY_SLEEP] = "sleep",
    [ACTIVITY_OTHER] = "other",
};

static const char *text_of(const struct trace_analysis *analysis, uint32_t id)
{
    return (const char *)trace_string_text(analysis->tables, id).data;
}

static const char *activity_name(const struct trace_analysis *analysis, enum activity activity)
{
    if (activity < ACTIVITY_CALL)
        return activity_names[activity];
    uint32_t name = analysis->call_names[activity - ACTIVITY_CALL];
    return name != 0 ? text_of(analysis, name) : "other calls";
}

/* Names come from a file that anybody may have written: nothing that a terminal would act on. */
static void write_name(struct buf *text, const char *name)
{
    for (; *name; name++)
        buf_append_byte(text, (uint8_t)*name >= 0x20 && *name != 0x7f ? (uint8_t)*name : '?');
}

static double ms_of(uint64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

static double seconds_of(uint64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* Three digits or so that matter. */
static void write_duration(struct buf *text, uint64_t ns)
{
    if (ns >= NS_PER_S)
        buf_printf(text, "%.2f s", seconds_of(ns));
    else
        buf_printf(text, "%.*f ms", ns >= 10 * NS_PER_MS ? 1 : ns >= NS_PER_MS ? 2 : 3, ms_of(ns));
}

/* --- places --- */

/* Where waiting and locking itself is written: every wait is there, so it says nothing of this one. */
static bool is_machinery(const struct trace_analysis *analysis, const struct trace_frame *frame)
{
    const char *file = text_of(analysis, frame->file);
    return strncmp(file, "src/runtime/", 12) == 0 || strncmp(file, "src/base/", 9) == 0;
}

static void write_frame(const struct trace_analysis *analysis, struct buf *text, const struct trace_frame *frame)
{
    const char *file = text_of(analysis, frame->file);
    write_name(text, text_of(analysis, frame->function));
    if (*file == '\0')
        return;
    buf_append_byte(text, ' ');
    write_name(text, strncmp(file, "src/", 4) == 0 ? file + 4 : file);
    if (frame->line > 0)
        buf_printf(text, ":%" PRIu32, frame->line);
}

/* "storage_log_append storage/log.c:231 < append_one broker/handlers/produce.c:54": innermost first, so many frames. */
static void write_place(const struct trace_analysis *analysis, struct buf *text, uint32_t stack, unsigned frames_shown)
{
    unsigned depth, at = 0;
    const struct trace_frame *frames = trace_stack_frames(analysis->tables, stack, &depth);
    while (at + 1 < depth && is_machinery(analysis, &frames[at]))
        at++;
    /* The last one is the task's entry, which its name says already; better than nothing. */
    if (at + 1 == depth && depth > 1)
        at = 0;
    for (unsigned shown = 0; shown < frames_shown && at + shown < depth; shown++) {
        if (shown > 0 && at + shown + 1 == depth)
            break;
        buf_append_string(text, shown > 0 ? " < " : "");
        write_frame(analysis, text, &frames[at + shown]);
    }
}

static void write_in_place(const struct trace_analysis *analysis, struct buf *text, const char *word, uint32_t stack,
                           unsigned frames_shown)
{
    if (stack == 0)
        return;
    buf_append_string(text, word);
    write_place(analysis, text, stack, frames_shown);
}

/* Where that was: of what ran, between which places. */
static void write_deed_place(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
{
    if (deed->region != 0) {
        buf_append_string(text, ", region ");
        write_name(text, text_of(analysis, deed->region));
    }
    if (deed->activity == ACTIVITY_RUNNABLE)
        return;
    if (deed->activity != ACTIVITY_RUNNING) {
        write_in_place(analysis, text, ", in ", deed->stack, FRAMES_SHOWN);
        return;
    }
    write_in_place(analysis, text, ", after ", deed->stack_before, 1);
    write_in_place(analysis, text, deed->stack_before != 0 ? " and before " : ", before ", deed->stack, 1);
}

/* --- who and what --- */

/* "Produce #412 (kafka connection)", "pool worker". */
static void write_actor(const struct trace_analysis *analysis, struct buf *text, const struct actor *who)
{
    if (who->task == 0) {
        buf_append_string(text, "no task");
        return;
    }
    const char *name = text_of(analysis, who->task_name);
    if (who->request == 0) {
        write_name(text, *name ? name : "a task");
        return;
    }
    write_name(text, text_of(analysis, who->api));
    buf_printf(text, " #%" PRIu64, who->request);
}

/* "waiting for a lock (mutex lock)" */
static void write_activity(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
{
    static const struct { const char *words; bool has_reason; } phrases[ACTIVITY_CALL] = {
        [ACTIVITY_RUNNING] = {"running", false},
        [ACTIVITY_RUNNABLE] = {"runnable, waiting for its reactor", false},
        [ACTIVITY_LOCK] = {"waiting for a lock", true},
        [ACTIVITY_FSYNC] = {"waiting for fsync", false},
        [ACTIVITY_QUEUE] = {"waiting for a thread of the pool", false},
        [ACTIVITY_FILE] = {"waiting for work on files", true},
        [ACTIVITY_NETWORK] = {"waiting for the network", true},
        [ACTIVITY_DATA] = {"waiting for data", false},
        [ACTIVITY_SLEEP] = {"asleep", false},
        [ACTIVITY_OTHER] = {"waiting", true},
    };
    bool is_call = deed->activity >= ACTIVITY_CALL || (deed->activity == ACTIVITY_FSYNC && deed->lane != TRACE_NO_LANE);
    const char *reason = text_of(analysis, deed->text);
    buf_append_string(text, is_call ? "in the system call " : phrases[deed->activity].words);
    if (is_call) {
        write_name(text, reason);
    } else if (phrases[deed->activity].has_reason && *reason) {
        buf_append_string(text, " (");
        write_name(text, reason);
        buf_append_byte(text, ')');
    }
}

/* CPU samples of that time: how many, and where most of them were. */
static void write_samples(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
{
    struct { uint32_t stack; unsigned count; } seen[16];
    unsigned seen_count = 0, total = 0, most = 0;
    for (size_t i = 0; i < analysis->sample_count; i++) {
        const struct sample *sample = &analysis->samples[i];
        if (sample->task != deed->who.task || sample->time_ns < deed->start_ns || sample->time_ns > deed->end_ns ||
            sample->stack == 0)
            continue;
        total++;
        unsigned at = 0;
        while (at < seen_count && seen[at].stack != sample->stack)
            at++;
        if (at == ARRAY_COUNT(seen))
            continue;
        seen[at].stack = sample->stack;
        seen[at].count = at == seen_count ? 1 : seen[at].count + 1;
        seen_count += at == seen_count;
        if (seen[at].count > seen[most].count)
            most = at;
    }
    if (total == 0)
        return;
    buf_printf(text, "; %u of %u CPU samples in ", seen[most].count, total);
    write_place(analysis, text, seen[most].stack, FRAMES_SHOWN);
}

/* Of a wait: who ended it, and what he did meanwhile. Of being runnable: who ran. */
static void write_cause(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece,
                        const char *start)
{
    const struct deed *behind = &piece->behind;
    bool has_behind = deed_ns(behind) >= deed_ns(&piece->deed) / CAUSE_SHARE && deed_ns(behind) > 0;
    bool is_runnable = piece->deed.activity == ACTIVITY_RUNNABLE;
    if (!has_behind && (is_runnable || !piece->has_waker || piece->waker.task == 0))
        return;
    buf_append_string(text, start);
    if (!is_runnable) {
        buf_append_string(text, piece->deed.activity == ACTIVITY_LOCK ? "let go by " : "ended by ");
        write_actor(analysis, text, &piece->waker);
        write_in_place(analysis, text, " in ", piece->waker_stack, 1);
    }
    if (!has_behind)
        return;
    bool is_waker = !is_runnable && behind->who.task == piece->waker.task;
    buf_append_string(text, is_runnable ? "" : is_waker ? ", which meanwhile was " : "; behind that, ");
    if (!is_waker) {
        write_actor(analysis, text, &behind->who);
        buf_append_string(text, is_runnable ? " had it for " : " was ");
    }
    if (is_runnable) {
        write_duration(text, deed_ns(behind));
        buf_append_string(text, ", ");
    }
    write_activity(analysis, text, behind);
    if (!is_runnable) {
        buf_append_string(text, " for ");
        write_duration(text, deed_ns(behind));
    }
    write_deed_place(analysis, text, behind);
    if (behind->activity == ACTIVITY_RUNNING)
        write_samples(analysis, text, behind);
}

/* --- lanes --- */

static void write_lane(const struct trace_analysis *analysis, struct buf *text, uint32_t index)
{
    const struct analyzed_lane *lane = &analysis->lanes[index];
    if (lane->name != 0)
        write_name(text, text_of(analysis, lane->name));
    else
        buf_printf(text, "lane %" PRIu32 " (thread %" PRId32 ")", index, lane->thread_id);
}

/* --- what was worst --- */

static bool is_same_time(const struct deed *deed, const struct stretch *stretch)
{
    return deed->lane == stretch->lane && deed->start_ns >= stretch->start_ns && deed->end_ns <= stretch->end_ns;
}

static void write_stall(const struct trace_analysis *analysis, struct buf *text, const struct stretch *stretch)
{
    const struct deed *deed = &stretch->longest;
    write_lane(analysis, text, stretch->lane);
    buf_append_string(text, " was held for ");
    write_duration(text, stretch->end_ns - stretch->start_ns);
    buf_printf(text, " at %.6f s", seconds_of(stretch->start_ns));
    if (deed_ns(deed) == 0) {
        buf_append_string(text, " by what it runs outside of tasks");
        return;
    }
    buf_append_string(text, " by ");
    write_actor(analysis, text, &deed->who);
    buf_append_string(text, ", ");
    write_duration(text, deed_ns(deed));
    buf_append_string(text, " of it ");
    write_activity(analysis, text, deed);
    write_deed_place(analysis, text, deed);
    write_samples(analysis, text, deed);
}

static void write_nothing_served(const struct trace_analysis *analysis, struct buf *text)
{
    buf_append_string(text, "No request is in this trace: ");
    if (analysis->event_count == 0)
        buf_append_string(text, "nothing at all is.\n");
    else
        buf_printf(text, "%" PRIu64 " events of %" PRIu32 " tasks are. What the reactors did stands below.\n",
                   analysis->event_count, analysis->task_count - 1);
    buf_append_string(text, "Put load on takhin while you collect, or collect for longer: takhin-profiler -type trace "
                            "-duration 30s\n");
}

/* What most of a request's time went into, but for waits for data. */
static enum activity main_activity(const struct request *request)
{
    enum activity most = ACTIVITY_RUNNING;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        if (i != ACTIVITY_DATA && request->split_ns[i] > request->split_ns[most])
            most = (enum activity)i;
    return most;
}

/* The longest piece of that; NULL: it came in pieces that are too short to be kept. */
static const struct piece *main_piece(const struct request *request)
{
    for (unsigned i = 0; i < PIECES_COUNT; i++)
        if (request->pieces[i].deed.activity == main_activity(request) && deed_ns(&request->pieces[i].deed) > 0)
            return &request->pieces[i];
    return NULL;
}

static void write_slowest_finding(const struct trace_analysis *analysis, struct buf *text)
{
    const struct request *request = &analysis->slowest[0];
    const struct piece *piece = main_piece(request);
    enum activity activity = main_activity(request);
    buf_append_string(text, "Slowest: ");
    write_actor(analysis, text, &request->who);
    buf_append_string(text, request->is_open ? " has taken " : " took ");
    write_duration(text, request_own_ns(request));
    buf_append_string(text, request->split_ns[ACTIVITY_DATA] > 0 ? " without its wait for data, " : ", ");
    write_duration(text, request->split_ns[activity]);
    buf_append_string(text, " of it ");
    if (!piece) {
        write_name(text, activity_name(analysis, activity));
        buf_append_string(text, ", in many pieces.\n");
        return;
    }
    write_activity(analysis, text, &piece->deed);
    if (deed_ns(&piece->deed) < request->split_ns[activity] / 100 * 98) {
        buf_append_string(text, ", ");
        write_duration(text, deed_ns(&piece->deed));
        buf_append_string(text, " at once");
    }
    write_deed_place(analysis, text, &piece->deed);
    if (activity == ACTIVITY_RUNNING)
        write_samples(analysis, text, &piece->deed);
    buf_append_string(text, ".\n");
    size_t before = text->size;
    write_cause(analysis, text, piece, activity == ACTIVITY_RUNNABLE ? "Its reactor: " : "That was ");
    buf_append_string(text, text->size > before ? ".\n" : "");
}

/* Of reactors, beside what made the slowest request slow: that may be the same. */
static void write_stall_findings(const struct trace_analysis *analysis, struct buf *text, const struct piece *slowest)
{
    const struct stretch *longest = NULL, *same = NULL;
    for (unsigned i = 0; i < analysis->stretch_count; i++) {
        const struct stretch *stretch = &analysis->stretches[i];
        if (stretch->end_ns - stretch->start_ns < STALL_NS)
            break;
        if (slowest && is_same_time(&slowest->deed, stretch))
            same = stretch;
        else if (!longest)
            longest = stretch;
    }
    if (same) {
        write_lane(analysis, text, same->lane);
        buf_append_string(text, " was held all that time: its other tasks waited.\n");
    }
    if (longest) {
        write_stall(analysis, text, longest);
        buf_append_string(text, ".\n");
    }
}

static void write_findings(const struct trace_analysis *analysis, struct buf *text)
{
    if (analysis->slowest_count == 0)
        write_nothing_served(analysis, text);
    else
        write_slowest_finding(analysis, text);
    write_stall_findings(analysis, text, analysis->slowest_count > 0 ? main_piece(&analysis->slowest[0]) : NULL);
}

static void write_span(const struct trace_analysis *analysis, struct buf *text)
{
    buf_printf(text, "\nTrace: %.3f s; events: %" PRIu64 "; tasks: %" PRIu32 "; requests: %" PRIu64,
               seconds_of(analysis->end_ns), analysis->event_count, analysis->task_count - 1,
               analysis->request_count);
    if (analysis->open_count > 0)
        buf_printf(text, ", and %" PRIu64 " not finished at its end", analysis->open_count);
    if (analysis->sample_count > 0)
        buf_printf(text, "; CPU samples: %zu", analysis->sample_count);
    for (unsigned i = 0; i < analysis->note_count; i++) {
        buf_append_string(text, i > 0 ? "; " : "\nIt says: ");
        write_name(text, text_of(analysis, analysis->notes[i].key));
        buf_append_byte(text, ' ');
        write_name(text, text_of(analysis, analysis->notes[i].value));
    }
    buf_append_byte(text, '\n');
}

/* --- the table of requests by name --- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static uint64_t total_ns(const struct api *api)
{
    uint64_t total = 0;
    for (size_t i = 0; i < api->count; i++)
        total += api->durations_ns[i];
    return total;
}

static int compare_apis(const void *a, const void *b)
{
    uint64_t left = total_ns(*(const struct api *const *)a), right = total_ns(*(const struct api *const *)b);
    return left > right ? -1 : left < right;
}

/* The nearest rank; durations are sorted. */
static uint64_t percentile(const struct api *api, unsigned percent)
{
    size_t rank = (api->count * percent + 99) / 100;
    return api->durations_ns[rank > 0 ? rank - 1 : 0];
}

/* Which activities have a column, in their own order; what has none is summed up as other. */
struct columns {
    enum activity activities[COLUMNS_MAX];
    unsigned count;
    bool has[ACTIVITY_COUNT];
};

static struct columns choose_columns(const uint64_t *split_ns)
{
    struct columns columns = {.count = 0};
    columns.has[ACTIVITY_RUNNING] = columns.has[ACTIVITY_RUNNABLE] = true;
    for (unsigned chosen = 2; chosen < COLUMNS_MAX - 1; chosen++) {
        unsigned most = ACTIVITY_OTHER;
        for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
            if (i != ACTIVITY_OTHER && !columns.has[i] && split_ns[i] > (most == ACTIVITY_OTHER ? 0 : split_ns[most]))
                most = i;
        columns.has[most] = true;
    }
    columns.has[ACTIVITY_OTHER] = false;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        if (columns.has[i])
            columns.activities[columns.count++] = (enum activity)i;
    uint64_t rest = 0;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        rest += columns.has[i] ? 0 : split_ns[i];
    if (rest > 0)
        columns.activities[columns.count++] = ACTIVITY_OTHER;
    return columns;
}

static uint64_t column_ns(const struct columns *columns, enum activity activity, const uint64_t *split_ns)
{
    if (activity != ACTIVITY_OTHER)
        return split_ns[activity];
    uint64_t rest = 0;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++)
        rest += columns->has[i] ? 0 : split_ns[i];
    return rest;
}

static void write_api_row(const struct trace_analysis *analysis, struct buf *text, const struct columns *columns,
                          struct api *api)
{
    struct bytes name = trace_string_text(analysis->tables, api->name);
    size_t start = text->size;
    qsort(api->durations_ns, api->count, sizeof *api->durations_ns, compare_u64);
    write_name(text, name.size > 0 ? (const char *)name.data : "(no name)");
    if (text->size > start + 20)
        text->size = start + 20;
    while (text->size < start + 20)
        buf_append_byte(text, ' ');
    buf_printf(text, "%8zu %9.3f %9.3f %9.3f %9.3f  ", api->count, ms_of(total_ns(api)) / (double)api->count,
               ms_of(percentile(api, 50)), ms_of(percentile(api, 99)), ms_of(api->durations_ns[api->count - 1]));
    for (unsigned i = 0; i < columns->count; i++)
        buf_printf(text, " %9.3f",
                   ms_of(column_ns(columns, columns->activities[i], api->split_ns)) / (double)api->count);
    buf_append_byte(text, '\n');
}

static void write_apis(const struct trace_analysis *analysis, struct buf *text)
{
    uint32_t count = analysis->api_count - 1;
    if (count == 0)
        return;
    struct api **apis = mem_alloc_array(count, sizeof(struct api *));
    uint64_t split_ns[ACTIVITY_COUNT] = {0};
    for (uint32_t i = 0; i < count; i++) {
        apis[i] = &analysis->apis[1 + i];
        for (unsigned j = 0; j < ACTIVITY_COUNT; j++)
            split_ns[j] += apis[i]->split_ns[j];
    }
    qsort(apis, count, sizeof *apis, compare_apis);
    struct columns columns = choose_columns(split_ns);
    buf_printf(text, "\n%-20s%8s %9s %9s %9s %9s  ", "Requests, in ms", "count", "mean", "p50", "p99", "max");
    for (unsigned i = 0; i < columns.count; i++) {
        size_t start = text->size;
        write_name(text, activity_name(analysis, columns.activities[i]));
        struct bytes name = bytes_of(text->data + start, text->size - start);
        char cell[16];
        snprintf(cell, sizeof cell, " %9.*s", name.size < 9 ? (int)name.size : 9, (const char *)name.data);
        text->size = start;
        buf_append_string(text, cell);
    }
    buf_append_byte(text, '\n');
    for (uint32_t i = 0; i < count && i < API_ROWS; i++)
        write_api_row(analysis, text, &columns, apis[i]);
    if (count > API_ROWS)
        buf_printf(text, "and %" PRIu32 " more that took less in all\n", count - API_ROWS);
    buf_append_string(text, "(on the right what a request's time went into, on average: it sums up to the mean)\n");
    mem_free(apis);
}

/* --- the slowest requests --- */

static void write_request_head(const struct trace_analysis *analysis, struct buf *text, const struct request *request,
                               unsigned rank)
{
    buf_printf(text, "%u. ", rank);
    write_actor(analysis, text, &request->who);
    buf_printf(text, " at %.6f s%s", seconds_of(request->start_ns), request->is_open ? ", not finished" : "");
    for (unsigned i = 0; i < request->log_count; i++) {
        buf_append_string(text, ", ");
        write_name(text, text_of(analysis, request->logs[i].key));
        buf_append_byte(text, ' ');
        write_name(text, text_of(analysis, request->logs[i].value));
    }
    buf_printf(text, "\n   %.3f ms =", ms_of(request->end_ns - request->start_ns));
    bool is_first = true;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++) {
        if (request->split_ns[i] == 0)
            continue;
        buf_printf(text, "%s ", is_first ? "" : " +");
        write_name(text, activity_name(analysis, (enum activity)i));
        buf_printf(text, " %.3f", ms_of(request->split_ns[i]));
        is_first = false;
    }
    buf_append_byte(text, '\n');
}

static void write_piece(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece)
{
    buf_append_string(text, "   - ");
    write_duration(text, deed_ns(&piece->deed));
    buf_append_byte(text, ' ');
    write_activity(analysis, text, &piece->deed);
    write_deed_place(analysis, text, &piece->deed);
    if (piece->deed.activity == ACTIVITY_RUNNING)
        write_samples(analysis, text, &piece->deed);
    buf_append_byte(text, '\n');
    size_t before = text->size;
    write_cause(analysis, text, piece, "       ");
    buf_append_string(text, text->size > before ? "\n" : "");
}

static void write_slowest(const struct trace_analysis *analysis, struct buf *text)
{
    if (analysis->slowest_count == 0)
        return;
    buf_append_string(text, "\nSlowest requests (waits for data, which clients ask for, do not count), their split in "
                            "ms and longest pieces\n");
    for (unsigned i = 0; i < analysis->slowest_count; i++) {
        const struct request *request = &analysis->slowest[i];
        write_request_head(analysis, text, request, i + 1);
        for (unsigned j = 0; j < PIECES_COUNT; j++) {
            uint64_t ns = deed_ns(&request->pieces[j].deed);
            if (ns > 0 && ns >= request_own_ns(request) / PIECE_SHARE)
                write_piece(analysis, text, &request->pieces[j]);
        }
    }
}

/* --- reactors --- */

static void write_stretches(const struct trace_analysis *analysis, struct buf *text)
{
    if (analysis->stretch_count == 0)
        return;
    buf_append_string(text, "\nLongest times that a task held its reactor\n");
    for (unsigned i = 0; i < analysis->stretch_count; i++) {
        const struct stretch *stretch = &analysis->stretches[i];
        if (i > 0 && stretch->end_ns - stretch->start_ns < STRETCH_MIN_NS)
            break;
        buf_printf(text, "%u. ", i + 1);
        write_stall(analysis, text, stretch);
        buf_append_byte(text, '\n');
    }
}

static void write_lanes(const struct trace_analysis *analysis, struct buf *text)
{
    double span_ns = (double)analysis->end_ns;
    unsigned shown = 0, left = 0;
    if (analysis->lane_count == 0 || span_ns == 0)
        return;
    buf_printf(text, "\n%-20s%8s %9s %9s %12s %9s\n", "Reactors, workers", "thread", "busy", "in tasks", "longest ms",
               "starts");
    for (uint32_t i = 0; i < analysis->lane_count; i++) {
        const struct analyzed_lane *lane = &analysis->lanes[i];
        if (!lane->exists || (lane->start_count == 0 && lane->busy_ns == 0))
            continue;
        if (shown == LANE_ROWS) {
            left++;
            continue;
        }
        shown++;
        size_t start = text->size;
        write_lane(analysis, text, i);
        while (text->size < start + 20)
            buf_append_byte(text, ' ');
        buf_printf(text, "%8" PRId32 " %8.1f%% %8.1f%% %12.3f %9" PRIu64 "\n", lane->thread_id,
                   100 * (double)lane->busy_ns / span_ns, 100 * (double)lane->running_ns / span_ns,
                   ms_of(lane->longest_ns), lane->start_count);
    }
    if (left > 0)
        buf_printf(text, "and %u more\n", left);
}

void trace_analysis_write(struct trace_analysis *analysis, struct buf *text)
{
    analysis_finish(analysis);
    write_findings(analysis, text);
    write_span(analysis, text);
    write_apis(analysis, text);
    write_slowest(analysis, text);
    write_stretches(analysis, text);
    write_lanes(analysis, text);
}
