/* collect_file.c: answers are read back before they are kept, so that what is written can be read. */
#include "cmd/profiler/collect_file.h"

#include "base/mem.h"
#include "cmd/profiler/content.h"

int collect_file_open(struct collect_file *file, struct buf *message)
{
    const struct profiler_command *command = file->plan->command;
    bool has_folder = command->output_dir != NULL;
    const char *other = has_folder                 ? "another folder with -output-dir"
                        : command->type_count > 1 ? "a folder with -output-dir"
                                                  : "another file with -output";
    return output_open(&file->output, file->path, has_folder ? OUTPUT_GOES_BESIDE : OUTPUT_REPLACES, other, message);
}

bool collect_file_is_to_be_shown(const struct collect_file *file)
{
    const struct analysis_options *options = &file->plan->command->analysis;
    return options->report || (options->flamegraph && file->type->content->draw != NULL);
}

bool collect_file_holds(const struct collect_file *file, const struct fetch *part)
{
    return file->is_written && part->result == 0;
}

/* As what it should be; or why it is not, and what came instead. */
static void read_part(struct fetch *part, const struct profiler_content *content, void **read_back)
{
    struct buf why;
    buf_init(&why);
    part->result = content->read(buf_bytes(&part->body), false, read_back, &why);
    if (part->result != 0) {
        buf_printf(&part->problem, "what %s sent is no %s: %s.\nIt begins with ", part->target->name, content->noun,
                   buf_string(&why));
        fetch_describe(buf_bytes(&part->body), &part->problem);
        buf_append_string(&part->problem, ". Is that the debug port of a takhin?");
    }
    buf_deinit(&why);
}

/* The file is of the time that its parts span: they were asked at once. The time in a difference of two moments is that
 * of the second one, as in Go's. */
static void note_facts(struct collect_file *file, const struct fetch *part, const void *read_back)
{
    struct content_facts facts = file->type->content->facts(read_back);
    if (file->type->is_delta)
        facts.start_ns -= facts.duration_ns;
    if (facts.start_ns > 0 && (file->start_ns == 0 || facts.start_ns < file->start_ns))
        file->start_ns = facts.start_ns;
    if (facts.duration_ns > file->duration_ns)
        file->duration_ns = facts.duration_ns;
    file->is_cut_short |= part->is_cut_short;
}

static int merge(struct collect_file *file, const struct content_part *parts, size_t count, struct buf *encoded)
{
    struct buf why;
    buf_init(&why);
    int result = file->type->content->merge(parts, count, &file->read_back, encoded, &why);
    if (result != 0)
        buf_printf(&file->problem, "the brokers' %ss cannot become one: %s.\nWith -split, each has a file of its own.",
                   file->type->title, buf_string(&why));
    buf_deinit(&why);
    return result;
}

/* The bytes of the file, in *encoded. */
static int make_one(struct collect_file *file, struct content_part *parts, size_t count, struct buf *encoded)
{
    if (file->is_merged)
        return merge(file, parts, count, encoded);
    file->read_back = parts[0].read_back;
    parts[0].read_back = NULL;
    *encoded = file->parts[0].body; /* moved */
    buf_init(&file->parts[0].body);
    return 0;
}

void collect_file_forget(struct collect_file *file)
{
    file->type->content->destroy(file->read_back);
    file->read_back = NULL;
}

void collect_file_finish(struct collect_file *file)
{
    const struct profiler_content *content = file->type->content;
    struct content_part *parts = mem_alloc_array(file->part_count, sizeof *parts);
    size_t count = 0;
    struct buf encoded;
    buf_init(&encoded);
    for (size_t i = 0; i < file->part_count; i++) {
        struct fetch *part = &file->parts[i];
        void *read_back = NULL;
        if (part->result == 0)
            read_part(part, content, &read_back);
        if (part->result != 0)
            continue;
        note_facts(file, part, read_back);
        parts[count++] = (struct content_part){.read_back = read_back, .broker = part->target->name};
    }
    if (count > 0) {
        file->result = make_one(file, parts, count, &encoded);
        if (file->result == 0)
            file->result = output_commit(&file->output, buf_bytes(&encoded), &file->problem);
        file->is_written = file->result == 0;
        file->is_empty = file->is_written && content->facts(file->read_back).is_empty;
        file->size_bytes = file->is_written ? encoded.size : 0;
    }
    for (size_t i = 0; i < count; i++)
        content->destroy(parts[i].read_back);
    for (size_t i = 0; i < file->part_count; i++)
        buf_deinit(&file->parts[i].body);
    if (!file->is_written)
        collect_file_forget(file);
    mem_free(parts);
    buf_deinit(&encoded);
}
