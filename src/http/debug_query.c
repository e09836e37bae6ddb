/* debug_query.c: what a request for a profile says, read as Go's handlers read it, and what only ours take. */
#include "http/debug_port.h"

#include "base/clock.h"
#include "base/units.h"
#include "profiler/profiler.h"
#include "profiler/rates.h"

#include <math.h>
#include <stdlib.h>

struct reading {
    struct arena *arena;
    const struct profile_type *type;
    struct debug_query *query;
    double seconds; /* of the window or delta; 0: none */
};

/* A whole number as Go's strconv.ParseInt reads it; what is too large for it becomes the largest, as there. */
static bool read_number(struct bytes text, int64_t *number)
{
    const char *start = (const char *)text.data;
    size_t sign = *start == '+' || *start == '-';
    *number = strtoll(start, NULL, 10);
    return text.size > sign && strspn(start + sign, "0123456789") == text.size - sign;
}

/* Whole seconds as Go reads them, or parts of one, which are ours; 0 for anything else, and for what no int64 holds. */
static double read_decimal(struct bytes text)
{
    char *end = NULL;
    size_t sign = *text.data == '+';
    bool is_decimal = strspn((const char *)text.data + sign, "0123456789.") == text.size - sign;
    double number = is_decimal ? strtod((const char *)text.data, &end) : 0;
    return end && *end == '\0' && number < (double)INT64_MAX ? number : 0;
}

/* Go's CPU profile takes its default for whatever is no duration; a delta refuses that. */
static const char *read_seconds(struct reading *reading, struct bytes value)
{
    const struct profile_type *type = reading->type;
    if (type->needs_window) {
        double seconds = read_decimal(value);
        if (seconds > 0)
            reading->seconds = seconds;
        return NULL;
    }
    int64_t seconds;
    if (!read_number(value, &seconds) || seconds <= 0 || seconds == INT64_MAX)
        return "invalid value for \"seconds\" - must be a positive integer";
    if (type->seconds_is_age) {
        bool fits = seconds < INT64_MAX / (int64_t)NS_PER_S;
        reading->query->profile.parked_for_ns = fits ? (uint64_t)seconds * NS_PER_S : INT64_MAX;
        return NULL;
    }
    if (!type->has_delta)
        return "\"seconds\" parameter is not supported for this profile type";
    reading->seconds = (double)seconds;
    reading->query->profile.is_delta = true;
    return NULL;
}

/* Any number but 0 selects the text, where the type has one. */
static const char *read_debug(struct reading *reading, struct bytes value)
{
    int64_t debug;
    bool is_text = read_number(value, &debug) && debug != 0;
    if (is_text && reading->query->profile.is_delta)
        return "seconds and debug params are incompatible";
    if (is_text && reading->type->write_text)
        reading->query->debug = debug >= 2 ? 2 : 1;
    return NULL;
}

static const char *read_rate_named(struct reading *reading, const char *name, struct bytes value)
{
    const struct profile_type *type = reading->type;
    int64_t rate;
    if (type->rate == PROFILE_RATE_NONE || (strcmp(name, "hz") == 0 && type->rate != PROFILE_RATE_HZ))
        return arena_printf(reading->arena, "\"%s\" parameter is not supported for this profile type", name);
    if (!read_number(value, &rate) || rates_check(type->rate, rate) < 0)
        return arena_printf(reading->arena, "%s must be a whole number from 1 to %lld", name,
                            (long long)rates_maximum(type->rate));
    /* It would be in force for no time at all. */
    if (!type->needs_window && !reading->query->profile.is_delta)
        return arena_printf(reading->arena, "\"%s\" parameter needs \"seconds\" for this profile type", name);
    reading->query->profile.rate = rate;
    return NULL;
}

static const char *read_rate(struct reading *reading, struct bytes value)
{
    return read_rate_named(reading, "rate", value);
}

static const char *read_hz(struct reading *reading, struct bytes value)
{
    return read_rate_named(reading, "hz", value);
}

static bool is_positive(struct bytes value)
{
    int64_t number;
    return value.size > 0 && read_number(value, &number) && number > 0;
}

static const char *read_gc(struct reading *reading, struct bytes value)
{
    reading->query->profile.trims_memory = is_positive(value);
    return NULL;
}

static const char *read_compat(struct reading *reading, struct bytes value)
{
    reading->query->profile.keeps_go_wart = bytes_equal_string(value, "go");
    return reading->query->profile.keeps_go_wart ? NULL : "compat must be go";
}

/* Whatever else is asked for gives what it has in any case. */
static const char *read_partial(struct reading *reading, struct bytes value)
{
    reading->query->takes_part = is_positive(value);
    return NULL;
}

/* In the order in which Go checks them; rate, hz, compat and partial are ours. An empty one counts as missing. */
static const struct {
    const char *name;
    const char *(*read)(struct reading *reading, struct bytes value);
} parameters[] = {
    {"seconds", read_seconds}, {"debug", read_debug},   {"rate", read_rate},       {"hz", read_hz},
    {"gc", read_gc},           {"compat", read_compat}, {"partial", read_partial},
};

const char *debug_query_check_seconds(struct arena *arena, struct profiler *profiler, double seconds)
{
    int64_t max_duration_ns = profiler_options(profiler).max_duration_ns;
    if (seconds * (double)NS_PER_S <= (double)max_duration_ns)
        return NULL;
    char limit[64];
    units_format_duration(max_duration_ns, limit, sizeof limit);
    return arena_printf(arena, "seconds is more than %s, the limit that profiler.max_duration sets", limit);
}

const char *debug_query_read(const struct http_request *request, const struct profile_type *type,
                             unsigned default_seconds, struct profiler *profiler, struct debug_query *query)
{
    struct reading reading = {.arena = request->arena, .type = type, .query = query};
    double limit = (double)profiler_options(profiler).max_duration_ns / (double)NS_PER_S;
    *query = (struct debug_query){.debug = 0};
    if (type->needs_window)
        reading.seconds = fmin(default_seconds, limit);
    for (size_t i = 0; i < ARRAY_COUNT(parameters); i++) {
        struct bytes value = http_request_value(request, parameters[i].name);
        const char *refusal = value.size > 0 ? parameters[i].read(&reading, value) : NULL;
        if (refusal)
            return refusal;
    }
    const char *refusal = debug_query_check_seconds(reading.arena, profiler, reading.seconds);
    if (!refusal)
        query->window_ms = (uint64_t)ceil(reading.seconds * 1000);
    return refusal;
}

void debug_query_read_unseen(const struct http_request *request, struct debug_query *query)
{
    *query = (struct debug_query){.profile.trims_memory = is_positive(http_request_value(request, "gc"))};
}
