/* profiler.h: the profiler as a whole, what a program embeds. */
#ifndef PROFILER_PROFILER_H
#define PROFILER_PROFILER_H

#include "base/check.h"
#include "profiler/options.h"

struct captures;
struct cpu_sampler;
struct profiler;
struct rates;
struct symbols;
struct trace_recorder;
struct unwinder;

/* Compile the unwind tables and get ready. Call it only when the profiler is enabled: without a profiler nothing is
 * hooked and nothing runs. */
int profiler_create(struct profiler **profiler, const struct profiler_options *options) MUST_USE;
void profiler_destroy(struct profiler *profiler);
/* Apply new rates; host, port and enabled are not its business. [any] */
void profiler_reconfigure(struct profiler *profiler, const struct profiler_options *options);
/* Let `change` see what is in force and set some of it, with nobody else's change in between. It returns false to leave
 * all as it is, and calls nothing of the profiler. [any] */
void profiler_change(struct profiler *profiler, bool (*change)(struct profiler_options *options, void *context),
                     void *context);
/* A copy of what is in force; the strings in it are not valid. [any] */
struct profiler_options profiler_options(const struct profiler *profiler);

/* When (since 1970) they were put in force. [any] */
int64_t profiler_configured_ns(const struct profiler *profiler);

struct unwinder *profiler_unwinder(struct profiler *profiler);
struct cpu_sampler *profiler_cpu(struct profiler *profiler);
struct symbols *profiler_symbols(struct profiler *profiler);
struct rates *profiler_rates(struct profiler *profiler);
struct trace_recorder *profiler_trace_recorder(struct profiler *profiler);
struct captures *profiler_captures(struct profiler *profiler);

#endif
