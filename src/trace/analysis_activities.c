/* analysis_activities.c: which activity a wait or a system call counts as, by its name. */
#include "trace/analysis_state.h"

static bool text_is(const struct trace_analysis *analysis, uint32_t text, const char *name)
{
    return bytes_equal_string(trace_string_text(analysis->tables, text), name);
}

static bool is_sync_to_disk(const struct trace_analysis *analysis, uint32_t text)
{
    return text_is(analysis, text, "fsync") || text_is(analysis, text, "fdatasync");
}

enum activity analysis_activity_of_wait(const struct trace_analysis *analysis, const struct trace_event *park)
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

enum activity analysis_activity_of_call(struct trace_analysis *analysis, uint32_t name)
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
