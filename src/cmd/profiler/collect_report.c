/* collect_report.c: a line or two a file, as it is written. */
#include "cmd/profiler/collect_report.h"

#include "cmd/profiler/collect_file.h"
#include "cmd/profiler/content.h"
#include "pprof/measure.h"

#include <inttypes.h>
#include <stdio.h>

/* Standard output, unless that is a script's, or the profile's itself. */
static FILE *stream_of(const struct profiler_command *command)
{
    bool has_profile = command->output != NULL && output_is_standard(command->output);
    return command->analysis.json || command->analysis.folded || has_profile ? stderr : stdout;
}

static size_t count_held(const struct collect_file *file)
{
    size_t count = 0;
    for (size_t i = 0; i < file->part_count; i++)
        count += collect_file_holds(file, &file->parts[i]);
    return count;
}

static void write_cut(const struct collect_file *file, struct buf *text)
{
    char held[64] = "less", asked[64];
    bool is_known = file->duration_ns > 0;
    if (is_known)
        measure_format(file->duration_ns, "nanoseconds", MEASURE_BEST_UNIT, held, sizeof held);
    measure_format(profiler_command_window_ns(file->plan->command, file->type), "nanoseconds", MEASURE_BEST_UNIT,
                   asked, sizeof asked);
    buf_printf(text, "interrupted: %s holds %s %s the %s\n", file->output.path, held, is_known ? "of" : "than", asked);
}

/* What describe said is the sum: the time of each, if they are about the same. */
static void write_brokers(const struct collect_file *file, struct buf *text)
{
    int64_t count = (int64_t)count_held(file), sum_ns = file->type->content->facts(file->read_back).duration_ns;
    char each[64];
    if (count < 2)
        return;
    if (sum_ns <= 0 || sum_ns < file->duration_ns * count / 10 * 9) {
        buf_printf(text, ", %" PRId64 " brokers together", count);
        return;
    }
    measure_format(sum_ns / count, "nanoseconds", MEASURE_BEST_UNIT, each, sizeof each);
    buf_printf(text, ": %" PRId64 " brokers, %s each", count, each);
}

/* Of a profile without samples its tools say nothing; of a trace, what did not end. What is shown already needs no
 * advice: that has better. */
static bool needs_advice(const struct collect_file *file)
{
    bool is_silent = file->is_empty && file->type->content == &profiler_content_profile;
    bool is_there = file->is_written && !file->output.is_direct;
    return is_there && !is_silent && !collect_file_is_to_be_shown(file);
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
    write_brokers(file, &text);
    buf_append_byte(&text, '\n');
    if (file->is_empty && type->empty != NULL)
        buf_printf(&text, "No %s: %s\n", type->content == &profiler_content_trace ? "requests" : "samples",
                   type->empty);
    if (file->is_cut_short)
        write_cut(file, &text);
    if (file->plan->file_count == 1 && needs_advice(file)) {
        buf_append_string(&text, "next:\n");
        type->content->advise(file->read_back, path, &text);
    }
    fwrite(text.data, 1, text.size, stream);
    fflush(stream); /* now: others may take long */
    buf_deinit(&text);
}

/* NULL: there is none. */
static const struct collect_file *first_of(const struct collect_plan *plan, const struct profiler_content *content)
{
    for (size_t i = 0; i < plan->file_count; i++)
        if (needs_advice(&plan->files[i]) && plan->files[i].type->content == content)
            return &plan->files[i];
    return NULL;
}

void collect_report_next(const struct collect_plan *plan)
{
    static const struct profiler_content *const contents[] = {&profiler_content_profile, &profiler_content_trace};
    if (plan->file_count == 1 || plan->command->quiet)
        return;
    struct buf text;
    buf_init(&text);
    for (size_t i = 0; i < ARRAY_COUNT(contents); i++) {
        const struct collect_file *file = first_of(plan, contents[i]);
        if (file != NULL)
            contents[i]->advise(file->read_back, file->output.path, &text);
    }
    if (text.size > 0)
        fprintf(stream_of(plan->command), "%snext:\n%s", plan->command->analysis.flamegraph ? "\n" : "",
                buf_string(&text));
    buf_deinit(&text);
}
