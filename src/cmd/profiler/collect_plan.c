/* collect_plan.c: targets times types, as questions and as files. */
#include "cmd/profiler/collect_plan.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cmd/profiler/content.h"

#include <string.h>

#define SETTINGS_PATH "/debug/profiler/config"

/* Far above any real one. */
#define PROFILE_BYTES_MAX ((size_t)256 << 20)
#define TRACE_BYTES_MAX ((size_t)1 << 30)
#define SETTINGS_BYTES_MAX ((size_t)1 << 20)

/* "cpu.prof"; of one target among several "cpu_broker1_6060.prof"; in a folder "cpu_20261123T114734Z.prof", as there
 * will be more of them. */
static char *path_of(const struct collect_plan *plan, const struct collectible *type, const struct target *target)
{
    const struct profiler_command *command = plan->command;
    const char *name = command->output != NULL ? command->output : type->default_output;
    struct buf addition;
    buf_init(&addition);
    if (target != NULL)
        buf_printf(&addition, "_%s", target->file_part);
    if (command->output_dir != NULL) {
        char time[OUTPUT_TIME_SIZE];
        output_format_time(plan->start_ns, time);
        buf_printf(&addition, "_%s", time);
    }
    char *path = command->output_dir != NULL ? output_path_in(command->output_dir, name) : mem_copy_string(name);
    char *full = output_path_with(path, buf_string(&addition));
    mem_free(path);
    buf_deinit(&addition);
    return full;
}

/* The next file, with what these targets answer in it. */
static void add_file(struct collect_plan *plan, const struct collectible *type, const struct target *targets,
                     size_t count, bool is_apart)
{
    const struct profiler_command *command = plan->command;
    struct collect_file *file = &plan->files[plan->file_count++];
    file->plan = plan;
    file->type = type;
    file->path = path_of(plan, type, is_apart && command->output == NULL ? targets : NULL);
    file->parts = &plan->fetches[plan->part_count];
    file->part_count = count;
    file->is_merged = count > 1;
    file->output.fd = -1;
    buf_init(&file->request);
    buf_init(&file->problem);
    profiler_command_write_request(command, type, &file->request);
    for (size_t i = 0; i < count; i++) {
        plan->fetches[plan->part_count++] = (struct fetch){
            .target = &targets[i],
            .path = buf_string(&file->request),
            .title = type->title,
            .noun = type->content->noun,
            .hint = profiler_command_hint(command, type),
            .off_in = plan->targets.off_in,
            .duration_ns = profiler_command_window_ns(command, type),
            .body_limit = type->content == &profiler_content_trace ? TRACE_BYTES_MAX : PROFILE_BYTES_MAX,
            .context = file,
        };
    }
}

static void add_settings(struct collect_plan *plan)
{
    plan->fetch_count = plan->part_count;
    for (size_t i = 0; plan->command->output_dir != NULL && i < plan->targets.count; i++) {
        plan->fetches[plan->fetch_count++] = (struct fetch){
            .target = &plan->targets.targets[i],
            .path = SETTINGS_PATH,
            .title = "settings",
            .noun = "answer",
            .body_limit = SETTINGS_BYTES_MAX,
            .is_side_question = true,
        };
    }
}

int collect_plan_init(struct collect_plan *plan, const struct profiler_command *command, struct buf *message)
{
    *plan = (struct collect_plan){.command = command, .start_ns = clock_wall_ns()};
    int result = target_list_init(&plan->targets, command->remote, command->config_file, message);
    if (result != 0)
        return result;
    const struct target *targets = plan->targets.targets;
    size_t target_count = plan->targets.count;
    plan->files = mem_alloc_array(target_count * command->type_count, sizeof *plan->files);
    plan->fetches = mem_alloc_array(target_count * (command->type_count + 1), sizeof *plan->fetches);
    for (size_t i = 0; i < command->type_count; i++) {
        const struct collectible *type = command->types[i];
        bool is_apart = command->split || (target_count > 1 && type->content->merge == NULL);
        for (size_t j = 0; j < (is_apart ? target_count : 1); j++)
            add_file(plan, type, &targets[j], is_apart ? 1 : target_count, is_apart);
    }
    add_settings(plan);
    return 0;
}

void collect_plan_deinit(struct collect_plan *plan)
{
    for (size_t i = 0; i < plan->fetch_count; i++)
        fetch_deinit(&plan->fetches[i]);
    for (size_t i = 0; i < plan->file_count; i++) {
        struct collect_file *file = &plan->files[i];
        output_close(&file->output);
        file->type->content->destroy(file->read_back);
        buf_deinit(&file->request);
        buf_deinit(&file->problem);
        mem_free(file->path);
    }
    mem_free(plan->fetches);
    mem_free(plan->files);
    target_list_deinit(&plan->targets);
}
