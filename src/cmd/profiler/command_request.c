/* command_request.c: what a command line asks of the debug port, a request a type. */
#include "cmd/profiler/command.h"

#include "base/clock.h"
#include "cmd/profiler/content.h"

#include <inttypes.h>

static int64_t rate_of(const struct profiler_command *command, const struct collectible *type)
{
    switch (type->rate) {
    case RATE_SAMPLES: return command->sample_rate;
    case RATE_MEMORY: return command->mem_rate;
    case RATE_NONE: break;
    }
    return 0;
}

/* Beside others -duration is theirs alone: with -type all the heap is what is held now, not what came meanwhile. */
static bool is_of_this_moment(const struct profiler_command *command, const struct collectible *type)
{
    bool is_asked_for_a_time = command->duration_ns > 0 && command->type_count == 1;
    return type->time == TIME_SNAPSHOT && !is_asked_for_a_time && rate_of(command, type) == 0;
}

int64_t profiler_command_window_ns(const struct profiler_command *command, const struct collectible *type)
{
    if (command->last_ns > 0 || type->time == TIME_AGE || is_of_this_moment(command, type))
        return 0;
    return command->duration_ns > 0 ? command->duration_ns : type->window_ns;
}

int64_t profiler_command_asked_ns(const struct profiler_command *command, const struct collectible *type)
{
    return type->time == TIME_AGE ? command->duration_ns : profiler_command_window_ns(command, type);
}

/* "30", or "0.5". */
static void write_seconds(struct buf *text, int64_t duration_ns)
{
    int64_t whole = duration_ns / (int64_t)NS_PER_S, rest = duration_ns % (int64_t)NS_PER_S;
    buf_printf(text, "%" PRId64, whole);
    if (rest == 0)
        return;
    buf_printf(text, ".%09" PRId64, rest);
    while (text->data[text->size - 1] == '0')
        text->size--;
}

void profiler_command_write_request(const struct profiler_command *command, const struct collectible *type,
                                    struct buf *request)
{
    const char *separator = "?";
    int64_t asked_ns = profiler_command_asked_ns(command, type), rate = rate_of(command, type);
    buf_append_string(request, type->path);
    if (asked_ns > 0) {
        buf_append_string(request, "?seconds=");
        write_seconds(request, asked_ns);
        separator = "&";
    }
    if (command->last_ns > 0) {
        buf_append_string(request, "?last=");
        write_seconds(request, command->last_ns);
        buf_append_string(request, "s");
    }
    if (rate > 0)
        buf_printf(request, "%srate=%" PRId64, separator, rate);
    if (type->is_delta && asked_ns > 0) /* if we end it early: what came by then, in place of an error */
        buf_append_string(request, "&partial=1");
}

const char *profiler_command_hint(const struct profiler_command *command, const struct collectible *type)
{
    if (command->last_ns == 0 || type->content != &profiler_content_trace)
        return NULL;
    return "If its flight recorder is off, set profiler.trace_buffer: 16MiB in its takhin.yaml and send it a SIGHUP\n"
           "(kill -HUP PID); or trace what comes now, with -duration 5s in place of -last.";
}
