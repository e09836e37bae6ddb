/* debug_trace_query.c: what a request for a trace says: `seconds` as Go's handler reads it, the rest is ours. */
#include "http/debug_port.h"

#include "base/clock.h"
#include "base/units.h"
#include "profiler/profiler.h"
#include "trace/format.h"

#include <math.h>
#include <stdlib.h>

/* What Go's trace lasts where the request does not say. */
#define SECONDS_DEFAULT 1

/* A number above 0; else 0. */
static double read_positive(struct bytes text)
{
    char *end = NULL;
    bool is_decimal = strspn((const char *)text.data, "0123456789.eE+-") == text.size;
    double number = is_decimal && text.size > 0 ? strtod((const char *)text.data, &end) : 0;
    return end && *end == '\0' && isfinite(number) && number > 0 ? number : 0;
}

static const char *read_seconds(struct arena *arena, struct bytes value, struct profiler *profiler,
                                struct trace_query *query)
{
    double limit = (double)profiler_options(profiler).max_duration_ns / (double)NS_PER_S;
    double seconds = read_positive(value);
    if (seconds == 0)
        seconds = fmin(SECONDS_DEFAULT, limit);
    const char *refusal = debug_query_check_seconds(arena, profiler, seconds);
    if (!refusal)
        query->duration_ns = (uint64_t)ceil(seconds * (double)NS_PER_S);
    return refusal;
}

/* A duration as the configuration has them, or a number of seconds. */
static const char *read_last(struct bytes value, struct trace_query *query)
{
    int64_t ns;
    bool has_unit = strlen((const char *)value.data) == value.size &&
                    units_parse_duration((const char *)value.data, &ns) == 0;
    double number_ns = has_unit ? (double)ns : ceil(read_positive(value) * (double)NS_PER_S);
    if (number_ns < 1 || number_ns >= (double)INT64_MAX)
        return "last must be a duration such as 10s, or a number of seconds";
    query->last_ns = has_unit ? (uint64_t)ns : (uint64_t)number_ns;
    return NULL;
}

static bool is_version(const struct trace_format *format)
{
    return format->name[0] >= '0' && format->name[0] <= '9';
}

/* "1.19, 1.22". */
static const char *list_names(struct arena *arena, bool versions)
{
    const char *list = "";
    for (unsigned i = 0; i < trace_format_count; i++)
        if (is_version(trace_formats[i]) == versions)
            list = arena_printf(arena, "%s%s%s", list, *list ? ", " : "", trace_formats[i]->name);
    return list;
}

/* Go's format comes in versions; the others are what they are. */
static const char *read_format(const struct http_request *request, struct trace_query *query)
{
    struct bytes format = http_request_value(request, "format"), version = http_request_value(request, "version");
    bool is_go = format.size == 0 || bytes_equal_string(format, "go");
    if (!is_go && version.size > 0)
        return "version is that of format=go";
    const struct trace_format *found = trace_format_find(is_go ? version : format);
    query->format = found;
    if (is_go && version.size == 0)
        query->format = &trace_format_1_19;
    else if (!found || is_version(found) != is_go)
        return arena_printf(request->arena, "%s must be one of %s%s", is_go ? "version" : "format",
                            is_go ? "" : "go, ", list_names(request->arena, is_go));
    return NULL;
}

static const char *read_stacks(struct bytes value, struct trace_query *query)
{
    query->full_stacks = value.size > 0;
    if (value.size > 0 && !bytes_equal_string(value, "full"))
        return "stacks must be full";
    if (value.size > 0 && query->last_ns > 0)
        return "stacks=full needs seconds: what last= asks for was recorded with the stacks that it has";
    return NULL;
}

/* An empty parameter counts as missing. */
const char *debug_trace_query_read(const struct http_request *request, struct profiler *profiler,
                                   struct trace_query *query)
{
    struct bytes seconds = http_request_value(request, "seconds"), last = http_request_value(request, "last");
    *query = (struct trace_query){.duration_ns = 0};
    if (seconds.size > 0 && last.size > 0)
        return "seconds and last params are incompatible";
    const char *refusal = last.size > 0 ? read_last(last, query)
                                        : read_seconds(request->arena, seconds, profiler, query);
    if (!refusal)
        refusal = read_format(request, query);
    if (!refusal)
        refusal = read_stacks(http_request_value(request, "stacks"), query);
    return refusal;
}
