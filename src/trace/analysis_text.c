/* analysis_text.c: what was gathered, for people: first what was worst and why, then the figures. */
#include "trace/analysis_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "trace/analysis_table.h"
#include "trace/analysis_words.h"

#include <inttypes.h>
#include <stdlib.h>

#define LANE_ROWS 8
#define STALL_NS 10000000   /* a reactor that is held for so long is worth a sentence */
#define STRETCH_MIN_NS 1000000
#define PIECE_SHARE 20      /* a piece of less than one in so many parts of its request is not shown */

/* --- what was worst --- */

static bool is_same_time(const struct deed *deed, const struct stretch *stretch)
{
    return deed->lane == stretch->lane && deed->start_ns >= stretch->start_ns && deed->end_ns <= stretch->end_ns;
}

static void write_stall(const struct trace_analysis *analysis, struct buf *text, const struct stretch *stretch)
{
    const struct deed *deed = &stretch->longest;
    words_write_lane(analysis, text, stretch->lane);
    buf_append_string(text, " was held for ");
    words_write_duration(text, stretch_ns(stretch));
    buf_printf(text, " at %.6f s", words_seconds(stretch->start_ns));
    if (deed_ns(deed) == 0) {
        buf_append_string(text, " by what it runs outside of tasks");
        return;
    }
    buf_append_string(text, " by ");
    words_write_actor(analysis, text, &deed->who);
    buf_append_string(text, ", ");
    words_write_duration(text, deed_ns(deed));
    buf_append_string(text, " of it ");
    words_write_activity(analysis, text, deed);
    words_write_deed_place(analysis, text, deed);
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
    words_write_actor(analysis, text, &request->who);
    buf_append_string(text, request->is_open ? " has taken " : " took ");
    words_write_duration(text, request_own_ns(request));
    buf_append_string(text, request->split_ns[ACTIVITY_DATA] > 0 ? " without its wait for data, " : ", ");
    words_write_duration(text, request->split_ns[activity]);
    buf_append_string(text, " of it ");
    if (!piece) {
        words_write_name(text, words_activity_name(analysis, activity));
        buf_append_string(text, ", in many pieces.\n");
        return;
    }
    words_write_activity(analysis, text, &piece->deed);
    if (deed_ns(&piece->deed) < request->split_ns[activity] / 100 * 98) {
        buf_append_string(text, ", ");
        words_write_duration(text, deed_ns(&piece->deed));
        buf_append_string(text, " at once");
    }
    words_write_deed_place(analysis, text, &piece->deed);
    buf_append_string(text, ".\n");
    size_t before = text->size;
    words_write_cause(analysis, text, piece, activity == ACTIVITY_RUNNABLE ? "Its reactor: " : "That was ");
    buf_append_string(text, text->size > before ? ".\n" : "");
}

/* The longest that is worth a sentence, but for this one; NULL: there is none. */
static const struct stretch *longest_stall(const struct stretches *stretches, const struct stretch *but)
{
    for (unsigned i = 0; i < stretches->count; i++)
        if (&stretches->all[i] != but)
            return stretch_ns(&stretches->all[i]) >= STALL_NS ? &stretches->all[i] : NULL;
    return NULL;
}

/* Of reactors, beside what made the slowest request slow: that may be the same. One that serves requests matters more
 * than another, such as the debug port's, unless that has served none because it was held. */
static void write_stall_findings(const struct trace_analysis *analysis, struct buf *text, const struct piece *slowest)
{
    const struct stretch *same = NULL;
    for (unsigned i = 0; i < analysis->stretches.count && slowest && !same; i++)
        if (is_same_time(&slowest->deed, &analysis->stretches.all[i]))
            same = &analysis->stretches.all[i];
    const struct stretch *longest = longest_stall(&analysis->stretches, same);
    const struct stretch *other = longest_stall(&analysis->other_stretches, NULL);
    if (same && stretch_ns(same) >= STALL_NS) {
        words_write_lane(analysis, text, same->lane);
        buf_append_string(text, " was held all that time: its other tasks waited.\n");
    }
    if (longest) {
        write_stall(analysis, text, longest);
        buf_append_string(text, ".\n");
    }
    if (other && (!longest || stretch_ns(other) > stretch_ns(longest))) {
        write_stall(analysis, text, other);
        buf_append_string(text, ".\n");
    }
}

/* What was going on then took longer for that reason. */
static void write_silence(const struct trace_analysis *analysis, struct buf *text)
{
    const struct silence *silence = &analysis->silence;
    if (silence->end_ns == silence->start_ns)
        return;
    buf_append_string(text, "For ");
    words_write_duration(text, silence->end_ns - silence->start_ns);
    buf_printf(text, " from %.6f s on no thread did anything, not even what is due all the time: takhin was stopped, "
                     "or got no CPU.\n", words_seconds(silence->start_ns));
}

static void write_findings(const struct trace_analysis *analysis, struct buf *text)
{
    if (analysis->slowest_count == 0)
        write_nothing_served(analysis, text);
    else
        write_slowest_finding(analysis, text);
    write_stall_findings(analysis, text, analysis->slowest_count > 0 ? main_piece(&analysis->slowest[0]) : NULL);
    write_silence(analysis, text);
}

static void write_span(const struct trace_analysis *analysis, struct buf *text)
{
    buf_printf(text, "\nTrace: %.3f s; events: %" PRIu64 "; tasks: %" PRIu32 "; requests: %" PRIu64,
               words_seconds(analysis->end_ns), analysis->event_count, analysis->task_count - 1,
               analysis->request_count);
    if (analysis->open_count > 0)
        buf_printf(text, ", and %" PRIu64 " not finished at its end", analysis->open_count);
    if (analysis->sample_count > 0)
        buf_printf(text, "; CPU samples: %zu", analysis->sample_count);
    for (unsigned i = 0; i < analysis->note_count; i++) {
        buf_append_string(text, i > 0 ? "; " : "\nIt says: ");
        words_write_name(text, words_text(analysis, analysis->notes[i].key));
        buf_append_byte(text, ' ');
        words_write_name(text, words_text(analysis, analysis->notes[i].value));
    }
    buf_append_byte(text, '\n');
}

/* --- the slowest requests --- */

static void write_request_head(const struct trace_analysis *analysis, struct buf *text, const struct request *request,
                               unsigned rank)
{
    buf_printf(text, "%u. ", rank);
    words_write_actor(analysis, text, &request->who);
    buf_printf(text, " at %.6f s%s", words_seconds(request->start_ns), request->is_open ? ", not finished" : "");
    for (unsigned i = 0; i < request->log_count; i++) {
        buf_append_string(text, ", ");
        words_write_name(text, words_text(analysis, request->logs[i].key));
        buf_append_byte(text, ' ');
        words_write_name(text, words_text(analysis, request->logs[i].value));
    }
    buf_printf(text, "\n   %.3f ms =", words_ms(request->end_ns - request->start_ns));
    bool is_first = true;
    for (unsigned i = 0; i < ACTIVITY_COUNT; i++) {
        if (request->split_ns[i] == 0)
            continue;
        buf_printf(text, "%s ", is_first ? "" : " +");
        words_write_name(text, words_activity_name(analysis, (enum activity)i));
        buf_printf(text, " %.3f", words_ms(request->split_ns[i]));
        is_first = false;
    }
    buf_append_byte(text, '\n');
}

static void write_piece(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece)
{
    buf_append_string(text, "   - ");
    words_write_duration(text, deed_ns(&piece->deed));
    buf_append_byte(text, ' ');
    words_write_activity(analysis, text, &piece->deed);
    words_write_deed_place(analysis, text, &piece->deed);
    buf_append_byte(text, '\n');
    size_t before = text->size;
    words_write_cause(analysis, text, piece, "       ");
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
    const struct stretches *const lists[] = {&analysis->stretches, &analysis->other_stretches};
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
        for (unsigned j = 0; j < lists[i]->count && stretch_ns(&lists[i]->all[j]) >= STRETCH_MIN_NS; j++) {
            buf_printf(text, "%s%u. ", count == 0 ? "\nLongest times that a task held its reactor\n" : "", count + 1);
            write_stall(analysis, text, &lists[i]->all[j]);
            buf_append_byte(text, '\n');
            count++;
        }
}

static void write_lane(const struct trace_analysis *analysis, struct buf *text, uint32_t index)
{
    const struct analyzed_lane *lane = &analysis->lanes[index];
    double span_ns = (double)analysis->end_ns;
    size_t start = text->size;
    words_write_lane(analysis, text, index);
    while (text->size < start + 20)
        buf_append_byte(text, ' ');
    buf_printf(text, "%8" PRId32 " %8.1f%% %8.1f%% %12.3f %9" PRIu64 "\n", lane->thread_id,
               100 * (double)lane->busy_ns / span_ns, 100 * (double)lane->running_ns / span_ns,
               words_ms(lane->longest_ns), lane->start_count);
}

static int compare_lanes(const void *a, const void *b)
{
    const struct analyzed_lane *left = *(const struct analyzed_lane *const *)a;
    const struct analyzed_lane *right = *(const struct analyzed_lane *const *)b;
    if (left->busy_ns != right->busy_ns)
        return left->busy_ns > right->busy_ns ? -1 : 1;
    return left < right ? -1 : 1;
}

/* The busiest first. */
static void write_lanes(const struct trace_analysis *analysis, struct buf *text)
{
    uint32_t count = 0;
    if (analysis->lane_count == 0 || analysis->end_ns == 0)
        return;
    const struct analyzed_lane **lanes = mem_alloc_array(analysis->lane_count, sizeof(struct analyzed_lane *));
    for (uint32_t i = 0; i < analysis->lane_count; i++)
        if (analysis->lanes[i].exists && analysis->lanes[i].busy_ns > 0)
            lanes[count++] = &analysis->lanes[i];
    qsort(lanes, count, sizeof *lanes, compare_lanes);
    buf_printf(text, "\n%-20s%8s %9s %9s %12s %9s\n", "Reactors, workers", "thread", "busy", "in tasks", "longest ms",
               "starts");
    for (uint32_t i = 0; i < count && i < LANE_ROWS; i++)
        write_lane(analysis, text, (uint32_t)(lanes[i] - analysis->lanes));
    if (count > LANE_ROWS)
        buf_printf(text, "and %" PRIu32 " that were less busy\n", count - LANE_ROWS);
    mem_free(lanes);
}

void trace_analysis_write(struct trace_analysis *analysis, struct buf *text)
{
    analysis_finish(analysis);
    write_findings(analysis, text);
    write_span(analysis, text);
    analysis_table_write(analysis, text);
    write_slowest(analysis, text);
    write_stretches(analysis, text);
    write_lanes(analysis, text);
}
