/* fuzz_trace_decode.c: any bytes as a trace; whatever events come of them hold to the rules of trace/event.h, and have
 * an analysis, in words and as JSON. */
#include "base/mem.h"
#include "trace/analysis.h"
#include "trace/decode.h"
#include "trace/tables.h"

#include "../support/json_check.h"
#include "../trace/event_rules.h"

struct taken {
    struct trace_analysis *analysis;
    struct event_rules rules;
};

static void take(const struct trace_event *event, void *context)
{
    struct taken *taken = context;
    const char *broken = event_rules_check(&taken->rules, event);
    if (broken)
        check_failed(__FILE__, __LINE__, broken);
    trace_analysis_add(taken->analysis, event);
}

static void check_json(struct trace_analysis *analysis)
{
    struct buf text;
    struct json_writer json;
    buf_init(&text);
    json_writer_init(&json, &text);
    json_open_object(&json, NULL);
    trace_analysis_write_json(analysis, &json);
    json_close_object(&json);
    ASSERT(json_is_valid(buf_bytes(&text)));
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_tables *tables = trace_tables_create();
    struct taken taken = {.analysis = trace_analysis_create(tables)};
    struct buf message, text;
    buf_init(&message);
    buf_init(&text);
    event_rules_init(&taken.rules, tables);
    int result = trace_decode(bytes_of(data, size), tables, take, &taken, &message);
    ASSERT((result == 0) == (message.size == 0));
    trace_analysis_write(taken.analysis, &text);
    ASSERT(text.size > 0);
    check_json(taken.analysis);
    event_rules_deinit(&taken.rules);
    trace_analysis_destroy(taken.analysis);
    trace_tables_destroy(tables);
    buf_deinit(&text);
    buf_deinit(&message);
    return 0;
}
