/* collect_manifest.c: the plan, and what came of it, as manifest.h has it. */
#include "cmd/profiler/collect_manifest.h"

#include "base/mem.h"
#include "cmd/profiler/collect_file.h"
#include "cmd/profiler/collect_problems.h"
#include "cmd/profiler/manifest.h"
#include "pprof/profile.h"

#include <jansson.h>
#include <stdlib.h>

/* What a broker says of itself, in a line, so that it cannot break the manifest; NULL: it is no JSON. */
static const char *read_settings(const struct fetch *fetch, struct arena *arena)
{
    json_t *settings = json_loadb((const char *)fetch->body.data, fetch->body.size, 0, NULL);
    char *text = settings != NULL ? json_dumps(settings, JSON_COMPACT) : NULL;
    const char *copy = text != NULL ? arena_copy_bytes(arena, bytes_of_string(text)) : NULL;
    free(text);
    json_decref(settings);
    return copy;
}

/* What of its answers is not about a file. */
static struct manifest_broker broker_of(const struct collect_plan *plan, const struct target *target,
                                        struct arena *arena)
{
    struct manifest_broker broker = {.name = target->name, .server = ""};
    for (size_t i = 0; i < plan->fetch_count; i++) {
        const struct fetch *fetch = &plan->fetches[i];
        if (fetch->target != target)
            continue;
        if (fetch->server[0] != '\0')
            broker.server = fetch->server;
        if (fetch->is_side_question && fetch->result == 0)
            broker.config = read_settings(fetch, arena);
    }
    return broker;
}

/* Names and problem are the arena's. */
static struct manifest_file file_of(const struct collect_file *file, struct arena *arena)
{
    struct manifest_file row = {
        .name = file->is_written ? profile_base_name(file->output.path) : NULL,
        .type = file->type->name,
        .brokers = arena_alloc_array(arena, file->part_count, sizeof(char *)),
        .missing = arena_alloc_array(arena, file->part_count, sizeof(char *)),
        .start_ns = file->start_ns,
        .duration_ns = file->duration_ns,
        .size_bytes = file->size_bytes,
        .is_cut_short = file->is_cut_short,
        .request = file->parts[0].path,
    };
    for (size_t i = 0; i < file->part_count; i++) {
        const struct fetch *part = &file->parts[i];
        row.brokers[row.broker_count++] = part->target->name;
        if (!collect_file_holds(file, part))
            row.missing[row.missing_count++] = part->target->name;
    }
    struct buf problem;
    buf_init(&problem);
    collect_problems_write_of(file, &problem);
    if (problem.size > 0)
        row.problem = arena_copy_bytes(arena, buf_bytes(&problem));
    buf_deinit(&problem);
    return row;
}

static int write_text(const struct collect_plan *plan, struct bytes text, struct buf *message)
{
    struct output output;
    struct buf problem;
    buf_init(&problem);
    char *path = output_path_in(plan->command->output_dir, "manifest.json");
    int result = output_open(&output, path, OUTPUT_MOVES_OLD, "another folder with -output-dir", &problem);
    if (result == 0)
        result = output_commit(&output, text, &problem);
    if (result != 0)
        buf_printf(message, "%s%s", message->size > 0 ? PROFILER_NEXT_MESSAGE : "", buf_string(&problem));
    output_close(&output);
    mem_free(path);
    buf_deinit(&problem);
    return result;
}

int collect_manifest_write(const struct collect_plan *plan, struct buf *message)
{
    struct arena arena;
    struct buf text;
    arena_init(&arena);
    buf_init(&text);
    struct manifest manifest = {
        .version = TAKHIN_VERSION,
        .start_ns = plan->start_ns,
        .brokers = arena_alloc_array(&arena, plan->targets.count, sizeof *manifest.brokers),
        .files = arena_alloc_array(&arena, plan->file_count, sizeof *manifest.files),
    };
    for (size_t i = 0; i < plan->targets.count; i++)
        manifest.brokers[manifest.broker_count++] = broker_of(plan, &plan->targets.targets[i], &arena);
    for (size_t i = 0; i < plan->file_count; i++)
        manifest.files[manifest.file_count++] = file_of(&plan->files[i], &arena);
    manifest_write(&manifest, &text);
    int result = write_text(plan, buf_bytes(&text), message);
    buf_deinit(&text);
    arena_deinit(&arena);
    return result;
}
