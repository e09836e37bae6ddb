/* formats.c: all formats that a trace is written in. */
#include "trace/format.h"

#include "base/check.h"

extern const struct trace_format trace_format_1_22, trace_format_chrome, trace_format_perfetto;

const struct trace_format *const trace_formats[] = {
    &trace_format_1_19,
    &trace_format_1_22,
    &trace_format_chrome,
    &trace_format_perfetto,
};
const unsigned trace_format_count = ARRAY_COUNT(trace_formats);

const struct trace_format *trace_format_find(struct bytes name)
{
    for (unsigned i = 0; i < trace_format_count; i++)
        if (bytes_equal_string(name, trace_formats[i]->name))
            return trace_formats[i];
    return NULL;
}
