/* collect_problems.c: a broker that is down fails nine types for one reason. */
#include "cmd/profiler/collect_problems.h"

#include "base/mem.h"
#include "cmd/profiler/collect_file.h"

static struct bytes problem_of(const struct fetch *part)
{
    return buf_bytes(&part->problem);
}

static const struct collect_file *file_of(const struct fetch *part)
{
    return part->context;
}

static void begin_message(struct buf *message)
{
    if (message->size > 0)
        buf_append_string(message, PROFILER_NEXT_MESSAGE);
}

/* Parts that failed for the reason that one of them did for. */
struct group {
    struct bytes problem;
    const struct collect_plan *plan;
};

static bool is_in(const struct group *group, const struct fetch *part)
{
    return part->result != 0 && bytes_equal(problem_of(part), group->problem);
}

static bool has_type(const struct group *group, const struct collectible *type)
{
    for (size_t i = 0; i < group->plan->part_count; i++) {
        const struct fetch *part = &group->plan->fetches[i];
        if (is_in(group, part) && file_of(part)->type == type)
            return true;
    }
    return false;
}

/* "block, mutex: "; nothing if it is all of them. */
static void write_types(const struct group *group, struct buf *message)
{
    const struct profiler_command *command = group->plan->command;
    size_t count = 0;
    for (size_t i = 0; i < command->type_count; i++)
        count += has_type(group, command->types[i]);
    if (count == command->type_count)
        return;
    const char *separator = "";
    for (size_t i = 0; i < command->type_count; i++) {
        if (has_type(group, command->types[i])) {
            buf_printf(message, "%s%s", separator, command->types[i]->name);
            separator = ", ";
        }
    }
    buf_append_string(message, ": ");
}

/* Of merged files some are there all the same. */
static void write_what_lacks_it(const struct group *group, struct buf *message)
{
    const struct collect_file *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < group->plan->file_count; i++) {
        const struct collect_file *file = &group->plan->files[i];
        bool lacks_it = false;
        for (size_t j = 0; j < file->part_count; j++)
            lacks_it |= is_in(group, &file->parts[j]);
        if (!lacks_it || !file->is_written)
            continue;
        first = first == NULL ? file : first;
        count++;
    }
    if (count == 1)
        buf_printf(message, "\n%s is without it.", first->output.path);
    else if (count > 1)
        buf_printf(message, "\n%zu files are without it.", count);
}

static bool is_first(const struct group *group, const struct fetch *part)
{
    for (const struct fetch *earlier = group->plan->fetches; earlier < part; earlier++)
        if (is_in(group, earlier))
            return false;
    return true;
}

static void write_of_parts(const struct collect_plan *plan, struct buf *message)
{
    for (size_t i = 0; i < plan->part_count; i++) {
        const struct fetch *part = &plan->fetches[i];
        struct group group = {.problem = problem_of(part), .plan = plan};
        if (part->result == 0 || !is_first(&group, part))
            continue;
        begin_message(message);
        write_types(&group, message);
        buf_append_bytes(message, group.problem);
        write_what_lacks_it(&group, message);
    }
}

/* What came and could not be kept: a full disk says what to do once. */
static void write_of_files(const struct collect_plan *plan, struct buf *message)
{
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct collect_file *file = &plan->files[i];
        bool is_told = false;
        for (size_t j = 0; j < i; j++)
            is_told |= plan->files[j].result == file->result;
        if (file->result == 0 || is_told)
            continue;
        begin_message(message);
        buf_append_bytes(message, buf_bytes(&file->problem));
        for (size_t j = i + 1; j < plan->file_count; j++)
            if (plan->files[j].result == file->result)
                buf_printf(message, "\nThe same goes for %s.", plan->files[j].path);
    }
}

void collect_problems_write(const struct collect_plan *plan, struct buf *message)
{
    write_of_parts(plan, message);
    write_of_files(plan, message);
}

void collect_problems_write_of(const struct collect_file *file, struct buf *message)
{
    for (size_t i = 0; i < file->part_count; i++) {
        if (file->parts[i].result == 0)
            continue;
        if (message->size > 0)
            buf_append_byte(message, '\n');
        buf_append_bytes(message, problem_of(&file->parts[i]));
    }
    if (message->size > 0 && file->problem.size > 0)
        buf_append_byte(message, '\n');
    buf_append_bytes(message, buf_bytes(&file->problem));
}
