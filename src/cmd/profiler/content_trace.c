/* content_trace.c: execution traces, as go tool trace reads them: where the time of requests went. */
#include "cmd/profiler/content.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/profiler/analysis.h"
#include "cmd/profiler/page.h"
#include "cmd/profiler/shell.h"
#include "pprof/measure.h"
#include "trace/analysis.h"
#include "trace/decode.h"
#include "trace/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GO_TOOL "go tool trace"

struct trace_content {
    struct trace_tables *tables;
    struct trace_analysis *analysis;
    int64_t start_ns;  /* since 1970; 0: unknown */
    struct buf damage; /* why it could not be read to its end; empty: it could */
    bool is_foreign;   /* it is a trace, as far as its beginning says, in a format that is not read here */
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

/* takhin notes when it begins: "from" is "2026-11-23T11:47:34.123456Z". */
static void take_start(struct trace_content *content, const struct trace_event *event)
{
    struct bytes key = trace_string_text(content->tables, event->text);
    if (content->start_ns != 0 || !bytes_equal(key, bytes_of_string("from")))
        return;
    const char *time = (const char *)trace_string_text(content->tables, event->value).data;
    struct tm utc = {.tm_sec = 0};
    const char *fraction = strptime(time, "%Y-%m-%dT%H:%M:%S", &utc);
    double seconds = fraction != NULL ? strtod(fraction, NULL) : -1;
    if (seconds >= 0 && seconds < 1)
        content->start_ns = timegm(&utc) * (int64_t)NS_PER_S + (int64_t)(seconds * (double)NS_PER_S);
}

static void take_event(const struct trace_event *event, void *context)
{
    struct trace_content *content = context;
    if (event->type == TRACE_EVENT_LOG)
        take_start(content, event);
    trace_analysis_add(content->analysis, event);
}

/* The last seconds of an incident do not come again: a trace that is damaged is kept, and read as far as it goes; so is
 * one that others read. */
static int read_trace(struct bytes bytes, bool is_mapped, void **read_back, struct buf *problem)
{
    (void)is_mapped; /* a trace is not as large */
    struct trace_content *content = MEM_NEW(struct trace_content);
    buf_init(&content->damage);
    content->tables = trace_tables_create();
    content->analysis = trace_analysis_create(content->tables);
    int result = trace_decode(bytes, content->tables, take_event, content, &content->damage);
    *read_back = content;
    content->is_foreign = result == ERR_UNSUPPORTED;
    if (result == 0 || content->is_foreign || trace_analysis_counts(content->analysis).event_count > 0)
        return 0;
    buf_append_bytes(problem, buf_bytes(&content->damage));
    destroy_trace(content);
    *read_back = NULL;
    return result;
}

static struct content_facts facts_of_trace(const void *read_back)
{
    const struct trace_content *content = read_back;
    struct trace_analysis_counts counts = trace_analysis_counts(content->analysis);
    return (struct content_facts){.start_ns = content->start_ns, .duration_ns = (int64_t)counts.span_ns,
                                  .is_empty = counts.request_count == 0 && !content->is_foreign};
}

static void describe_trace(const void *read_back, struct buf *text)
{
    const struct trace_content *content = read_back;
    struct trace_analysis_counts counts = trace_analysis_counts(content->analysis);
    char span[128];
    if (content->is_foreign) {
        buf_append_string(text, "in a format that " GO_TOOL " reads; it is kept as it came");
        return;
    }
    measure_format((int64_t)counts.span_ns, "nanoseconds", MEASURE_BEST_UNIT, span, sizeof(span));
    buf_printf(text, "%" PRIu64 " events and %" PRIu64 " request%s in %s", counts.event_count, counts.request_count,
               counts.request_count == 1 ? "" : "s", span);
}

static void advise_on_trace(const void *read_back, const char *path, struct buf *text)
{
    const struct trace_content *content = read_back;
    static const char *const commands[] = {"  takhin-profiler analyze ", "  " GO_TOOL " "};
    bool is_foreign = content != NULL && content->is_foreign;
    for (size_t i = is_foreign; i < ARRAY_COUNT(commands); i++) {
        buf_append_string(text, commands[i]);
        shell_append_word(text, path);
        buf_append_byte(text, '\n');
    }
}

static void write_json(struct trace_content *content, const char *path, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_open_object(&json, NULL);
    json_write_string(&json, "file", path);
    json_write_string(&json, "content", "trace");
    json_write_string(&json, "damage", content->damage.size > 0 ? buf_string(&content->damage) : NULL);
    trace_analysis_write_json(content->analysis, &json);
    json_close_object(&json);
    buf_append_byte(out, '\n');
}

static int print_analysis(void *read_back, const struct analysis *analysis, const char *path, struct buf *message)
{
    struct trace_content *content = read_back;
    struct buf out;
    if (content->is_foreign) {
        buf_printf(message, "%s: look at it with " GO_TOOL " ", buf_string(&content->damage));
        shell_append_word(message, path);
        buf_append_string(message, ", or fetch it from takhin without version= and format=");
        return ERR_UNSUPPORTED;
    }
    buf_init(&out);
    if (analysis->options->json) {
        write_json(content, path, &out);
        fwrite(out.data, 1, out.size, stdout);
    } else {
        trace_analysis_write(content->analysis, &out);
        page_print(buf_bytes(&out));
    }
    buf_deinit(&out);
    if (content->damage.size > 0)
        buf_printf(message, "the trace can be read in part only: %s", buf_string(&content->damage));
    return 0;
}

const struct profiler_content profiler_content_trace = {
    .noun = "trace",
    .read = read_trace,
    .facts = facts_of_trace,
    .describe = describe_trace,
    .advise = advise_on_trace,
    .print_analysis = print_analysis,
    .destroy = destroy_trace,
};
