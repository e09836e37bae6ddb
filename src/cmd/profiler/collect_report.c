/* collect_report.c: a line or two a file, as it is written. */
#include "cmd/profiler/collect_report.h"

#include "cmd/profiler/content.h"
#include "pprof/measure.h"

#include <stdio.h>

static FILE *stream_of(const struct profiler_command *command)
{
    return command->analysis.json || command->analysis.folded ? stderr : stdout;
}

/* "12.3s of the 30s". */
static void write_share(const struct collect_file *file, int64_t asked_ns, struct buf *text)
{
    char held[64], asked[64];
    measure_format(file->duration_ns, "nanoseconds", MEASURE_BEST_UNIT, held, sizeof held);
    measure_format(asked_ns, "nanoseconds", MEASURE_BEST_UNIT, asked, sizeof asked);
    buf_printf(text, file->duration_ns > 0 ? "%s of the %s" : "%sless than the %s", file->duration_ns > 0 ? held : "",
               asked);
}

void collect_report_file(const struct collect_file *file)
{
    const struct profiler_command *command = file->plan->command;
    const struct collectible *type = file->type;
    FILE *stream = stream_of(command);
    const char *path = file->output.path;
    struct buf text;
    char size[64];
    if (command->quiet)
        return;
    buf_init(&text);
    measure_format((int64_t)file->size_bytes, "bytes", MEASURE_BEST_UNIT, size, sizeof size);
    buf_printf(&text, "wrote %s: %s, ", path, size);
    type->content->describe(file->read_back, &text);
    buf_append_byte(&text, '\n');
    if (type->content->facts(file->read_back).is_empty && type->empty != NULL)
        buf_printf(&text, "No %s: %s\n", type->content == &profiler_content_trace ? "requests" : "samples", type->empty);
    if (file->is_cut_short) {
        buf_printf(&text, "interrupted: %s holds ", path);
        write_share(file, profiler_command_window_ns(command, type), &text);
        buf_append_byte(&text, '\n');
    }
    if (file->plan->file_count == 1) {
        buf_append_string(&text, "next:\n");
        type->content->advise(path, &text);
    }
    fwrite(text.data, 1, text.size, stream);
    fflush(stream); /* now: others may take long */
    buf_deinit(&text);
}

void collect_report_next(const struct collect_plan *plan)
{
    FILE *stream = stream_of(plan->command);
    if (plan->file_count == 1 || plan->command->quiet)
        return;
    struct buf text;
    buf_init(&text);
    const struct profiler_content *told[] = {NULL, NULL};
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct collect_file *file = &plan->files[i];
        const struct profiler_content *content = file->type->content;
        if (!file->is_written || content == told[0] || content == told[1])
            continue;
        told[told[0] != NULL] = content;
        content->advise(file->output.path, &text);
    }
    if (text.size > 0)
        fprintf(stream, "next:\n%s", buf_string(&text));
    buf_deinit(&text);
}
