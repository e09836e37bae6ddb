/* collect.c: plan, open, ask, write as answers come; then say what failed, and show what there is. */
#include "cmd/profiler/collect.h"

#include "cmd/profiler/analysis.h"
#include "cmd/profiler/collect_file.h"
#include "cmd/profiler/collect_manifest.h"
#include "cmd/profiler/collect_plan.h"
#include "cmd/profiler/collect_problems.h"
#include "cmd/profiler/collect_report.h"
#include "cmd/profiler/content.h"

#include <stdio.h>

/* Where a file cannot be written, nobody is asked for it. */
static int open_files(struct collect_plan *plan, struct buf *message)
{
    const char *folder = plan->command->output_dir;
    int result = folder != NULL ? output_make_folder(folder, message) : 0;
    for (size_t i = 0; i < plan->file_count && result == 0; i++)
        result = collect_file_open(&plan->files[i], message);
    return result;
}

static void take_ended(struct fetch *fetch)
{
    struct collect_file *file = fetch->context;
    if (fetch->is_side_question || ++file->ended_count < file->part_count)
        return;
    collect_file_finish(file);
    if (file->is_written)
        collect_report_file(file);
    if (!collect_file_is_to_be_shown(file))
        collect_file_forget(file);
}

static void ask(struct collect_plan *plan, const volatile sig_atomic_t *interrupt_count)
{
    const struct profiler_command *command = plan->command;
    struct fetch_options options = {
        .timeout_ns = command->timeout_ns,
        .quiet = command->quiet,
        .interrupt_count = interrupt_count,
        .done = take_ended,
    };
    fetch_all(plan->fetches, plan->fetch_count, &options);
}

static void show_file(struct collect_file *file, const struct analysis *analysis, struct buf *message)
{
    const struct profiler_command *command = file->plan->command;
    const struct analysis_options *options = &command->analysis;
    const char *path = file->output.path;
    struct content_origin origin = {.type = file->type->name,
                                    .broker = file->part_count == 1 ? file->parts[0].target->name : NULL};
    bool has_heading = file->plan->file_count > 1 && !options->json && !options->folded;
    struct buf problem;
    buf_init(&problem);
    if (has_heading)
        printf("\n==> %s <==\n", path);
    file->result = analysis_show(analysis, file->type->content, file->read_back, path, &origin,
                                 command->quiet || has_heading, &problem);
    if (problem.size > 0)
        buf_printf(message, "%s%s: %s", message->size > 0 ? PROFILER_NEXT_MESSAGE : "", path, buf_string(&problem));
    buf_deinit(&problem);
}

/* In the order of the types, unless the user has had enough. */
static void show(struct collect_plan *plan, const struct analysis *analysis,
                 const volatile sig_atomic_t *interrupt_count, struct buf *message)
{
    sig_atomic_t interrupts_before = *interrupt_count;
    for (size_t i = 0; i < plan->file_count; i++) {
        struct collect_file *file = &plan->files[i];
        if (file->read_back != NULL && interrupts_before < 2 && *interrupt_count == interrupts_before)
            show_file(file, analysis, message);
        collect_file_forget(file);
    }
}

static int count_outcome(const struct collect_plan *plan, struct collect_outcome *outcome)
{
    int first_error = 0;
    for (size_t i = 0; i < plan->part_count; i++) {
        const struct fetch *part = &plan->fetches[i];
        const struct collect_file *file = part->context;
        int result = part->result != 0 ? part->result : file->result;
        first_error = first_error == 0 ? result : first_error;
        outcome->done_count += result == 0;
        outcome->failed_count += result != 0;
    }
    return first_error;
}

static int collect(struct collect_plan *plan, const struct analysis *analysis,
                   const volatile sig_atomic_t *interrupt_count, struct collect_outcome *outcome, struct buf *message)
{
    int manifest_result = 0;
    ask(plan, interrupt_count);
    collect_problems_write(plan, message);
    if (plan->command->output_dir != NULL)
        manifest_result = collect_manifest_write(plan, message);
    show(plan, analysis, interrupt_count, message);
    collect_report_next(plan);
    int result = count_outcome(plan, outcome);
    return result != 0 ? result : manifest_result;
}

int collect_run(const struct profiler_command *command, const volatile sig_atomic_t *interrupt_count,
                struct collect_outcome *outcome, struct buf *message)
{
    struct collect_plan plan;
    struct analysis analysis = {.base = NULL};
    *outcome = (struct collect_outcome){.done_count = 0};
    int result = collect_plan_init(&plan, command, message);
    if (plan.targets.warnings.size > 0 && !command->quiet)
        fprintf(stderr, "%s\n", buf_string(&plan.targets.warnings));
    if (result == 0)
        result = analysis_init(&analysis, &command->analysis, message);
    if (result == 0)
        result = open_files(&plan, message);
    if (result == 0)
        result = collect(&plan, &analysis, interrupt_count, outcome, message);
    analysis_deinit(&analysis);
    collect_plan_deinit(&plan);
    return result;
}
