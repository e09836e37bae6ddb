/* analysis.h: from events to what an operator wants to know: where the time of requests went. */
#ifndef TRACE_ANALYSIS_H
#define TRACE_ANALYSIS_H

#include "base/buf.h"
#include "base/json.h"
#include "trace/event.h"

struct trace_analysis;
struct trace_tables;

struct trace_analysis *trace_analysis_create(const struct trace_tables *tables);
void trace_analysis_destroy(struct trace_analysis *analysis);
void trace_analysis_add(struct trace_analysis *analysis, const struct trace_event *event);

struct trace_analysis_counts {
    uint64_t event_count, request_count; /* requests that have ended */
    uint64_t span_ns;
};
struct trace_analysis_counts trace_analysis_counts(const struct trace_analysis *analysis);

/* After the last event. For people: first, in a sentence or two, what was worst, and why; then what
 * the trace spans; per api how many requests, how long they took, and how much of that they ran, were runnable, and
 * waited for a lock, for fsync, for the network, for data ...; the slowest five requests, each with its longest pieces,
 * where those were spent and who ended them; what held reactors for long; the lanes' load. */
void trace_analysis_write(struct trace_analysis *analysis, struct buf *text);

/* The same for scripts, as members of an object that the caller has opened. Times count from the trace's begin; a split
 * is an object of what the time went into, by name: {"running": 1200, "lock": 50000000}.
 *   span_ns, events, tasks, requests, open_requests, cpu_samples
 *   notes     [{key, value}]               what the trace says of itself
 *   findings  [sentence]                   what was worst, and why
 *   silence   {start_ns, duration_ns}      when no thread did anything; or null
 *   apis      [{api, count, mean_ns, p50_ns, p99_ns, max_ns, split_ns}]   what has ended; the split is of all together
 *   slowest   [{api, request, task, start_ns, duration_ns, finished, facts: [{key, value}], split_ns,
 *               pieces: [{duration_ns, activity, what, place, cause}]}]   what, place and cause are words
 *   held      [{reactor, start_ns, duration_ns, by, what}]                times that a task held its reactor
 *   lanes     [{name, thread, busy_ns, in_tasks_ns, longest_ns, starts}]
 * What is not known is null. */
void trace_analysis_write_json(struct trace_analysis *analysis, struct json_writer *json);

#endif
