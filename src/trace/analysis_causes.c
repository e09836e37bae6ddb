/* analysis_causes.c: who did what while others waited: the last long deeds of each task, each lane, and of all. */
#include "trace/analysis_state.h"

#include "base/mem.h"

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

void analysis_remember_piece(struct trace_analysis *analysis, struct analyzed_task *task, const struct piece *piece)
{
    if (deed_ns(&piece->deed) < RECENT_MIN_NS)
        return;
    if (is_work(analysis, &piece->deed))
        analysis->work[analysis->work_next++ % WORK_COUNT] = piece->deed;
    if (!task->recent)
        task->recent = mem_alloc_array(RECENT_COUNT, sizeof *task->recent);
    task->recent[task->recent_next++ % RECENT_COUNT] = *piece;
}

struct deed analysis_what_it_did(const struct analyzed_task *task, uint64_t start_ns, uint64_t end_ns)
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

void analysis_find_amid(const struct trace_analysis *analysis, struct piece *piece)
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

void analysis_remember_stretch(struct analyzed_lane *lane, const struct stretch *stretch)
{
    if (stretch_ns(stretch) >= RECENT_MIN_NS)
        lane->recent[lane->recent_next++ % RECENT_COUNT] = *stretch;
}

struct deed analysis_what_ran(const struct analyzed_lane *lane, uint64_t start_ns, uint64_t end_ns)
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
