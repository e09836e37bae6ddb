/* analysis_findings.c: what was worst in a trace, and why: the slowest request, a reactor that was held, silence. */
#include "trace/analysis_facts.h"

#include "base/clock.h"
#include "trace/analysis_words.h"

#include <inttypes.h>

#define STALL_NS 10000000 /* a reactor that is held for so long is worth a sentence */

static bool is_same_time(const struct deed *deed, const struct stretch *stretch)
{
    return deed->lane == stretch->lane && deed->start_ns >= stretch->start_ns && deed->end_ns <= stretch->end_ns;
}

void findings_write_held(const struct trace_analysis *analysis, struct buf *text, const struct stretch *stretch)
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
        findings_write_held(analysis, text, longest);
        buf_append_string(text, ".\n");
    }
    if (other && (!longest || stretch_ns(other) > stretch_ns(longest))) {
        findings_write_held(analysis, text, other);
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

void findings_write(const struct trace_analysis *analysis, struct buf *text)
{
    if (analysis->slowest_count == 0)
        write_nothing_served(analysis, text);
    else
        write_slowest_finding(analysis, text);
    write_stall_findings(analysis, text, analysis->slowest_count > 0 ? main_piece(&analysis->slowest[0]) : NULL);
    write_silence(analysis, text);
}
