/* content_trace.c: execution traces, as go tool trace reads them: where the time of requests went. */
#include "cmd/profiler/content.h"

#include "base/error.h"
#include "base/mem.h"
#include "cmd/profiler/command.h"
#include "cmd/profiler/page.h"
#include "pprof/measure.h"
#include "trace/analysis.h"
#include "trace/decode.h"
#include "trace/tables.h"

#include <inttypes.h>
#include <stdio.h>

struct trace_content {
    struct trace_tables *tables;
    struct trace_analysis *analysis;
    struct buf damage; /* why it could not be read to its end; empty: it could */
};

static void destroy_trace(void *read_back)
{
    struct trace_content *content = read_back;
    if (content == NULL)
        return;
    trace_analysis_destroy(content->analysis);
    trace_tables_destroy(content->tables);
    buf_deinit(&content->damage);
    mem_free(content);
}

static void take_event(const struct trace_event *event, void *context)
{
    struct trace_content *content = context;
    trace_analysis_add(content->analysis, event);
}

/* The last seconds of an incident do not come again: a trace that is damaged is kept, and read as far as it goes. */
static int read_trace(struct bytes body, void **read_back, struct buf *problem)
{
    struct trace_content *content = MEM_NEW(struct trace_content);
    buf_init(&content->damage);
    content->tables = trace_tables_create();
    content->analysis = trace_analysis_create(content->tables);
    int result = trace_decode(body, content->tables, take_event, content, &content->damage);
    *read_back = content;
    if (result == 0 || trace_analysis_counts(content->analysis).event_count > 0)
        return 0;
    buf_append_bytes(problem, buf_bytes(&content->damage));
    destroy_trace(content);
    *read_back = NULL;
    return result;
}

static void print_report(const struct profiler_command *command, void *read_back, size_t size)
{
    struct trace_content *content = read_back;
    struct trace_analysis_counts counts = trace_analysis_counts(content->analysis);
    char size_text[128], span[128];
    measure_format((int64_t)size, "bytes", MEASURE_BEST_UNIT, size_text, sizeof size_text);
    measure_format((int64_t)counts.span_ns, "nanoseconds", MEASURE_BEST_UNIT, span, sizeof span);
    printf("wrote %s: %s, %" PRIu64 " events and %" PRIu64 " request%s in %s\n", command->output, size_text,
           counts.event_count, counts.request_count, counts.request_count == 1 ? "" : "s", span);
    if (counts.request_count == 0)
        printf("No requests: %s\n", command->type->empty);
    printf("next:\n  go tool trace %s\n", command->output);
    if (!command->analyze)
        printf("  (or once more with -analyze, which needs no Go)\n");
}

static int print_analysis(void *read_back, struct buf *message)
{
    struct trace_content *content = read_back;
    struct buf text;
    buf_init(&text);
    trace_analysis_write(content->analysis, &text);
    page_print(buf_bytes(&text));
    buf_deinit(&text);
    if (content->damage.size > 0)
        buf_printf(message, "the trace can be read in part only: %s", buf_string(&content->damage));
    return 0;
}

const struct profiler_content profiler_content_trace = {
    .noun = "trace",
    .read = read_trace,
    .print_report = print_report,
    .print_analysis = print_analysis,
    .destroy = destroy_trace,
};
