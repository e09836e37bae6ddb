/* analysis_words.c: the words that an analysis is written in. */
#include "trace/analysis_words.h"

#include "base/clock.h"

#include <inttypes.h>

#define CAUSE_SHARE 4 /* what took less than one in so many parts of a wait did not cause it */
#define FRAMES_SHOWN 2
#define SAMPLED_FUNCTIONS_MAX 16
#define SAMPLED_MIN_NS 50000000 /* in which samples of 100 Hz would be several */

static const char *const activity_names[ACTIVITY_CALL] = {
    [ACTIVITY_RUNNING] = "running", [ACTIVITY_RUNNABLE] = "runnable", [ACTIVITY_LOCK] = "lock",
    [ACTIVITY_FSYNC] = "fsync",     [ACTIVITY_QUEUE] = "queue",       [ACTIVITY_FILE] = "file work",
    [ACTIVITY_NETWORK] = "network", [ACTIVITY_DATA] = "data wait",    [ACTIVITY_SLEEP] = "sleep",
    [ACTIVITY_OTHER] = "other",
};

const char *words_text(const struct trace_analysis *analysis, uint32_t id)
{
    return (const char *)trace_string_text(analysis->tables, id).data;
}

const char *words_activity_name(const struct trace_analysis *analysis, enum activity activity)
{
    if (activity < ACTIVITY_CALL)
        return activity_names[activity];
    uint32_t name = analysis->call_names[activity - ACTIVITY_CALL];
    return name != 0 ? words_text(analysis, name) : "other calls";
}

void words_write_name(struct buf *text, const char *name)
{
    for (; *name; name++)
        buf_append_byte(text, (uint8_t)*name >= 0x20 && *name != 0x7f ? (uint8_t)*name : '?');
}

double words_ms(uint64_t ns)
{
    return (double)ns / (double)NS_PER_MS;
}

double words_seconds(uint64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

void words_write_duration(struct buf *text, uint64_t ns)
{
    if (ns >= NS_PER_S)
        buf_printf(text, "%.2f s", words_seconds(ns));
    else
        buf_printf(text, "%.*f ms", ns >= 10 * NS_PER_MS ? 1 : ns >= NS_PER_MS ? 2 : 3, words_ms(ns));
}

/* --- places --- */

/* Where waiting and locking itself is written: every wait is there, so it says nothing of this one. */
static bool is_machinery(const struct trace_analysis *analysis, const struct trace_frame *frame)
{
    const char *file = words_text(analysis, frame->file);
    return strncmp(file, "src/runtime/", 12) == 0 || strncmp(file, "src/base/", 9) == 0;
}

static void write_frame(const struct trace_analysis *analysis, struct buf *text, const struct trace_frame *frame)
{
    const char *file = words_text(analysis, frame->file);
    words_write_name(text, words_text(analysis, frame->function));
    if (*file == '\0')
        return;
    buf_append_byte(text, ' ');
    words_write_name(text, strncmp(file, "src/", 4) == 0 ? file + 4 : file);
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
    if (at + 1 == depth) /* only the task's entry is left, and that says less */
        at = 0;
    write_frame(analysis, text, &frames[at]);
    for (unsigned shown = 1; shown < frames_shown && at + shown + 1 < depth; shown++) {
        buf_append_string(text, " < ");
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

/* "; 4 of 5 CPU samples in busy_loop broker/busy.c:5": where most of those of that time were. */
static void write_samples(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
{
    struct { uint32_t function, stack; unsigned count; } seen[SAMPLED_FUNCTIONS_MAX];
    unsigned seen_count = 0, total = 0, most = 0, depth;
    bool has_before = false, has_after = false; /* so they were taken at that time, too */
    for (size_t i = 0; i < analysis->sample_count; i++) {
        const struct sample *sample = &analysis->samples[i];
        has_before |= sample->time_ns < deed->start_ns;
        has_after |= sample->time_ns > deed->end_ns;
        if (sample->task != deed->who.task || sample->time_ns < deed->start_ns || sample->time_ns > deed->end_ns ||
            sample->stack == 0)
            continue;
        total++;
        uint32_t function = trace_stack_frames(analysis->tables, sample->stack, &depth)->function;
        unsigned at = 0;
        while (at < seen_count && seen[at].function != function)
            at++;
        if (at == SAMPLED_FUNCTIONS_MAX)
            continue;
        if (at == seen_count) {
            seen[at].function = function;
            seen[at].stack = sample->stack;
            seen[at].count = 0;
            seen_count++;
        }
        seen[at].count++;
        if (seen[at].count > seen[most].count)
            most = at;
    }
    if (total == 0) {
        if (has_before && has_after && deed_ns(deed) >= SAMPLED_MIN_NS)
            buf_append_string(text, "; no CPU sample was taken in that time: it hardly got any CPU");
        return;
    }
    buf_printf(text, "; %u of %u CPU samples in ", seen[most].count, total);
    write_place(analysis, text, seen[most].stack, FRAMES_SHOWN);
}

void words_write_deed_place(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
{
    if (deed->region != 0) {
        buf_append_string(text, ", region ");
        words_write_name(text, words_text(analysis, deed->region));
    }
    if (deed->activity == ACTIVITY_RUNNABLE)
        return;
    if (deed->activity != ACTIVITY_RUNNING) {
        write_in_place(analysis, text, ", in ", deed->stack, FRAMES_SHOWN);
        return;
    }
    write_in_place(analysis, text, ", after ", deed->stack_before, 1);
    write_in_place(analysis, text, deed->stack_before != 0 ? " and before " : ", before ", deed->stack, 1);
    write_samples(analysis, text, deed);
}

/* --- who and what --- */

void words_write_actor(const struct trace_analysis *analysis, struct buf *text, const struct actor *who)
{
    if (who->task == 0) {
        buf_append_string(text, "no task");
        return;
    }
    const char *name = words_text(analysis, who->task_name);
    if (who->request == 0) {
        words_write_name(text, *name ? name : "a task");
        return;
    }
    words_write_name(text, words_text(analysis, who->api));
    buf_printf(text, " #%" PRIu64, who->request);
}

void words_write_activity(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
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
    const char *reason = words_text(analysis, deed->text);
    buf_append_string(text, is_call ? "in the system call " : phrases[deed->activity].words);
    if (is_call) {
        words_write_name(text, reason);
    } else if (phrases[deed->activity].has_reason && *reason) {
        buf_append_string(text, " (");
        words_write_name(text, reason);
        buf_append_byte(text, ')');
    }
}

/* "kafka connection had it for 50.0 ms, running, ..." */
static void write_occupant(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed)
{
    words_write_actor(analysis, text, &deed->who);
    buf_append_string(text, " had it for ");
    words_write_duration(text, deed_ns(deed));
    buf_append_string(text, ", ");
    words_write_activity(analysis, text, deed);
    words_write_deed_place(analysis, text, deed);
}

/* "let go by Produce #411 in storage_log_append storage/log.c:210" */
static void write_waker(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece)
{
    buf_append_string(text, piece->deed.activity == ACTIVITY_LOCK ? "let go by " : "ended by ");
    words_write_actor(analysis, text, &piece->waker);
    write_in_place(analysis, text, " in ", piece->waker_stack, 1);
}

/* ", which meanwhile was waiting for fsync for 50.0 ms, ..."; or somebody else was, for whom the waker waited. */
static void write_behind(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece)
{
    const struct deed *behind = &piece->behind;
    if (behind->who.task == piece->waker.task) {
        buf_append_string(text, ", which meanwhile was ");
    } else {
        buf_append_string(text, "; behind that, ");
        words_write_actor(analysis, text, &behind->who);
        buf_append_string(text, " was ");
    }
    words_write_activity(analysis, text, behind);
    buf_append_string(text, " for ");
    words_write_duration(text, deed_ns(behind));
    words_write_deed_place(analysis, text, behind);
}

/* "; meanwhile others were waiting for fsync for 505.6 ms in all, 10 times, ...": each had the lock for so long. */
static void write_amid(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece)
{
    buf_append_string(text, "; meanwhile others were ");
    words_write_activity(analysis, text, &piece->amid);
    buf_append_string(text, " for ");
    words_write_duration(text, piece->amid_ns);
    if (piece->amid_count > 1)
        buf_printf(text, " in all, %u times", piece->amid_count);
    words_write_deed_place(analysis, text, &piece->amid);
}

void words_write_cause(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece,
                       const char *start)
{
    bool has_behind = deed_ns(&piece->behind) > 0 && deed_ns(&piece->behind) >= deed_ns(&piece->deed) / CAUSE_SHARE;
    if (piece->deed.activity == ACTIVITY_RUNNABLE) {
        if (!has_behind)
            return;
        buf_append_string(text, start);
        write_occupant(analysis, text, &piece->behind);
    } else if (piece->has_waker && piece->waker.task != 0) {
        buf_append_string(text, start);
        write_waker(analysis, text, piece);
        bool has_answer = has_behind && piece->behind.activity != ACTIVITY_LOCK;
        if (piece->amid_count > 0 && !has_answer)
            write_amid(analysis, text, piece);
        else if (has_behind)
            write_behind(analysis, text, piece);
    }
}

void words_write_lane(const struct trace_analysis *analysis, struct buf *text, uint32_t index)
{
    const struct analyzed_lane *lane = &analysis->lanes[index];
    if (lane->name != 0)
        words_write_name(text, words_text(analysis, lane->name));
    else
        buf_printf(text, "lane %" PRIu32 " (thread %" PRId32 ")", index, lane->thread_id);
}
