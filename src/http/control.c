/* control.c: reads and writes the profiler's settings by one table. */
#include "http/control.h"

#include "base/error.h"

#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>

/* The library reads by recursion, on a stack that may be a task's; no body that means anything has more of them. */
#define BRACKETS_MAX 8
/* Of a client's text that comes back in a message. */
#define SHOWN_MAX 60

struct setting {
    const char *section, *name; /* section NULL: at the top */
    bool is_flag;
    size_t offset, size; /* of the field in struct profiler_options */
    int64_t minimum, maximum;
};

#define FIELD(member) offsetof(struct profiler_options, member), sizeof(((struct profiler_options *)0)->member)

/* Those of a section stand together. */
static const struct setting settings[] = {
    {NULL, "hz", false, FIELD(cpu_hz), 1, PROFILER_CPU_HZ_MAX},
    {NULL, "mem_rate", false, FIELD(mem_rate), 0, PROFILER_MEM_RATE_MAX},
    {NULL, "block_rate", false, FIELD(block_rate), 0, PROFILER_BLOCK_RATE_MAX},
    {NULL, "mutex_fraction", false, FIELD(mutex_fraction), 0, PROFILER_MUTEX_FRACTION_MAX},
    {NULL, "trace_buffer", false, FIELD(trace_buffer), 0, PROFILER_TRACE_BUFFER_MAX},
    {NULL, "slow_request_ms", false, FIELD(slow_request_ms), 0, PROFILER_SLOW_REQUEST_MS_MAX},
    {"labels", "topic", true, FIELD(label_topics), 0, 1},
    {"labels", "client_id", true, FIELD(label_clients), 0, 1},
};

static int64_t load(const struct profiler_options *options, const struct setting *setting)
{
    const char *field = (const char *)options + setting->offset;
    switch (setting->size) {
    case sizeof(bool): return *(const bool *)field;
    case sizeof(int32_t): return *(const int32_t *)field;
    default: return *(const int64_t *)field;
    }
}

static void store(struct profiler_options *options, const struct setting *setting, int64_t value)
{
    char *field = (char *)options + setting->offset;
    switch (setting->size) {
    case sizeof(bool): *(bool *)field = value != 0; break;
    case sizeof(int32_t): *(int32_t *)field = (int32_t)value; break;
    default: *(int64_t *)field = value; break;
    }
}

static bool same_section(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_section(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++)
        if (settings[i].section && strcmp(settings[i].section, name) == 0)
            return true;
    return false;
}

static const struct setting *find(const char *section, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++)
        if (same_section(settings[i].section, section) && strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static void write_name(const char *section, const char *name, struct buf *text)
{
    buf_printf(text, "%s%s%.*s", section ? section : "", section ? "." : "", SHOWN_MAX, name);
}

static void write_value(const struct setting *setting, int64_t value, struct buf *text)
{
    if (setting->is_flag)
        buf_append_string(text, value ? "true" : "false");
    else
        buf_printf(text, "%" PRId64, value);
}

static int decode_value(const struct setting *setting, const json_t *value, struct profiler_options *options,
                        struct buf *problem)
{
    int64_t number = setting->is_flag ? json_is_true(value) : json_integer_value(value);
    bool fits_type = setting->is_flag ? json_is_boolean(value) : json_is_integer(value);
    if (fits_type && number >= setting->minimum && number <= setting->maximum) {
        store(options, setting, number);
        return 0;
    }
    write_name(setting->section, setting->name, problem);
    if (setting->is_flag)
        buf_append_string(problem, " must be true or false");
    else
        buf_printf(problem, " must be a whole number from %" PRId64 " to %" PRId64, setting->minimum,
                   setting->maximum);
    return ERR_MALFORMED;
}

static int decode_object(const char *section, json_t *object, struct profiler_options *options, struct buf *problem)
{
    const char *name;
    json_t *value;
    int rc = 0;
    if (!json_is_object(object)) {
        buf_printf(problem, "%s must be an object", section ? section : "the body");
        return ERR_MALFORMED;
    }
    json_object_foreach(object, name, value) {
        const struct setting *setting = find(section, name);
        if (setting) {
            rc = decode_value(setting, value, options, problem);
        } else if (!section && is_section(name)) {
            rc = decode_object(name, value, options, problem);
        } else {
            write_name(section, name, problem);
            buf_append_string(problem, ": there is no such setting");
            rc = ERR_MALFORMED;
        }
        if (rc < 0)
            break;
    }
    return rc;
}

static bool is_bounded(struct bytes json)
{
    unsigned brackets = 0;
    for (size_t i = 0; i < json.size && json.size <= CONTROL_BODY_MAX; i++)
        brackets += json.data[i] == '{' || json.data[i] == '[';
    return json.size <= CONTROL_BODY_MAX && brackets <= BRACKETS_MAX;
}

int control_decode(struct bytes json, struct profiler_options *options, struct buf *problem)
{
    if (!is_bounded(json)) {
        buf_append_string(problem, "the body is too large, or nested too deep");
        return ERR_MALFORMED;
    }
    json_error_t error;
    json_t *root = json_loadb(json.size ? (const char *)json.data : "", json.size, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        buf_printf(problem, "the body is not JSON: line %d: %s", error.line, error.text);
        return ERR_MALFORMED;
    }
    struct profiler_options changed = *options;
    int rc = decode_object(NULL, root, &changed, problem);
    json_decref(root);
    if (rc == 0)
        *options = changed;
    return rc;
}

void control_write(const struct profiler_options *options, struct buf *json)
{
    const char *section = NULL, *separator = "";
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        const struct setting *setting = &settings[i];
        if (!same_section(setting->section, section)) {
            buf_printf(json, "%s\"%s\":{", separator, setting->section);
            section = setting->section;
            separator = "";
        }
        buf_printf(json, "%s\"%s\":", separator, setting->name);
        write_value(setting, load(options, setting), json);
        separator = ",";
    }
    if (section)
        buf_append_byte(json, '}');
}

void control_write_changes(const struct profiler_options *before, const struct profiler_options *after,
                           struct buf *text)
{
    size_t start = text->size;
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        const struct setting *setting = &settings[i];
        int64_t old = load(before, setting), new = load(after, setting);
        if (old == new)
            continue;
        if (text->size > start)
            buf_append_string(text, ", ");
        write_name(setting->section, setting->name, text);
        buf_append_byte(text, ' ');
        write_value(setting, old, text);
        buf_append_string(text, " to ");
        write_value(setting, new, text);
    }
}
