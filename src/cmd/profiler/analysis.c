/* analysis.c: files and bases read, and shown as the command line says. */
#include "cmd/profiler/analysis.h"

#include "base/error.h"
#include "base/mem.h"
#include "cmd/profiler/content.h"
#include "cmd/profiler/input.h"
#include "cmd/profiler/output.h"
#include "cmd/profiler/shell.h"
#include "pprof/simplify.h"

#include <stdio.h>
#include <string.h>

/* --- options --- */

const char *analysis_needs_profile(const struct analysis_options *options)
{
    const struct {
        bool is_given;
        const char *flag;
    } flags[] = {
        {options->filter.focus != NULL, "-focus"},
        {options->filter.ignore != NULL, "-ignore"},
        {options->filter.tag_focus != NULL, "-tagfocus"},
        {options->filter.tag_ignore != NULL, "-tagignore"},
        {options->filter.sample_index != NULL, "-sample_index"},
        {options->base != NULL, options->is_comparison ? "-diff_base" : "-base"},
        {options->folded, "-folded"},
        {options->flamegraph, "-flamegraph"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
        if (flags[i].is_given)
            return flags[i].flag;
    return NULL;
}

/* --- files --- */

/* What is wrong with the file, and what to do about it. */
static int read_content(const struct input *input, const struct profiler_content **content, void **read_back,
                        struct buf *message)
{
    *content = profiler_content_of(input->bytes);
    int result = (*content)->read(input->bytes, input->mapped != NULL, read_back, message);
    const char *hint = result == 0 ? NULL : profiler_content_hint(input->bytes);
    if (hint != NULL)
        buf_printf(message, "; %s", hint);
    return result;
}

static int read_base(struct analysis *analysis, struct buf *message)
{
    const struct profiler_content *content;
    struct input input;
    void *read_back = NULL;
    int result = input_open(&input, analysis->options->base, message);
    if (result != 0)
        return result;
    result = read_content(&input, &content, &read_back, message);
    input_close(&input);
    if (result == 0 && content != &profiler_content_profile) {
        buf_append_string(message, "that is a trace: only profiles can be compared");
        content->destroy(read_back);
        result = ERR_UNSUPPORTED;
    }
    if (result != 0)
        return result;
    analysis->base = read_back;
    profile_simplify_names(analysis->base);
    return 0;
}

int analysis_init(struct analysis *analysis, const struct analysis_options *options, struct buf *message)
{
    *analysis = (struct analysis){.options = options};
    if (options->base == NULL)
        return 0;
    struct buf problem;
    buf_init(&problem);
    int result = read_base(analysis, &problem);
    if (result != 0)
        buf_printf(message, "%s: %s", options->base, buf_string(&problem));
    buf_deinit(&problem);
    return result;
}

void analysis_deinit(struct analysis *analysis)
{
    profile_destroy(analysis->base);
    analysis->base = NULL;
}

/* --- the page --- */

/* "cpu.prof" has "cpu.html"; what is called otherwise keeps its name, and gets an end. */
static char *page_path(const char *path)
{
    static const char end[] = ".prof";
    if (input_is_standard(path))
        return mem_copy_string("stdin.html");
    size_t size = strlen(path), end_size = sizeof(end) - 1;
    if (size > end_size && strcmp(path + size - end_size, end) == 0)
        size -= end_size;
    return mem_printf("%.*s.html", (int)size, path);
}

static void tell_of_page(const struct analysis_options *options, const char *path, const char *page)
{
    struct buf command;
    /* Standard output is the scripts' then. */
    FILE *stream = options->json || options->folded ? stderr : stdout;
    fprintf(stream, "flame graph: %s\n", page);
    if (input_is_standard(path))
        return;
    buf_init(&command);
    buf_append_string(&command, "go tool pprof -http=:8080 ");
    if (options->base != NULL) {
        buf_append_string(&command, options->is_comparison ? "-diff_base " : "-base ");
        shell_append_word(&command, options->base);
        buf_append_byte(&command, ' ');
    }
    shell_append_word(&command, path);
    fprintf(stream, "  or: %s\n      then open http://localhost:8080/ui/flamegraph\n", buf_string(&command));
    buf_deinit(&command);
}

static int write_page(const char *path, struct bytes page, struct buf *message)
{
    struct output output;
    int result = output_open(&output, path, OUTPUT_REPLACES, "a copy of the profile in another folder", message);
    if (result == 0)
        result = output_commit(&output, page, message);
    output_close(&output);
    return result;
}

static int draw(const struct analysis *analysis, const struct profiler_content *content, void *read_back,
                const char *path, const struct content_origin *origin, struct buf *message)
{
    struct buf page;
    buf_init(&page);
    char *name = page_path(path);
    int result = content->draw(read_back, analysis, origin, &page, message);
    if (result == 0)
        result = write_page(name, buf_bytes(&page), message);
    if (result == 0)
        tell_of_page(analysis->options, path, name);
    mem_free(name);
    buf_deinit(&page);
    return result;
}

/* --- what is shown --- */

static int show(const struct analysis *analysis, const struct profiler_content *content, void *read_back,
                const char *path, const struct content_origin *origin, struct buf *message)
{
    const struct analysis_options *options = analysis->options;
    int result = 0;
    if (options->report || options->json || options->folded)
        result = content->print_analysis(read_back, analysis, path, message);
    if (result == 0 && options->flamegraph && content->draw != NULL)
        result = draw(analysis, content, read_back, path, origin, message);
    return result;
}

int analysis_show(const struct analysis *analysis, const struct profiler_content *content, void *read_back,
                  const char *path, const struct content_origin *origin, bool is_quiet, struct buf *message)
{
    const struct analysis_options *options = analysis->options;
    if (!is_quiet && !options->json && !options->folded && (options->report || options->flamegraph))
        putchar('\n');
    return show(analysis, content, read_back, path, origin, message);
}

/* head: what comes before what is shown. */
static int analyze(const struct analysis *analysis, const char *path, const char *head, struct buf *problem)
{
    const struct profiler_content *content;
    struct input input;
    void *read_back = NULL;
    int result = input_open(&input, path, problem);
    if (result != 0)
        return result;
    result = read_content(&input, &content, &read_back, problem);
    input_close(&input);
    const char *flag = analysis_needs_profile(analysis->options);
    if (result == 0 && flag != NULL && content != &profiler_content_profile) {
        buf_printf(problem, "that is a trace, which %s can do nothing with: leave it out", flag);
        result = ERR_UNSUPPORTED;
    }
    if (result == 0) {
        fputs(head, stdout);
        result = show(analysis, content, read_back, path, &(struct content_origin){0}, problem);
    }
    if (read_back != NULL)
        content->destroy(read_back);
    return result;
}

int analysis_of_files(const struct analysis_options *options, const char *const *paths, int count, bool is_quiet,
                      int *failed_count, struct buf *message)
{
    struct analysis analysis;
    *failed_count = 0;
    int result = analysis_init(&analysis, options, message);
    if (result != 0) {
        *failed_count = count;
        return result;
    }
    bool has_heads = count > 1 && !is_quiet && !options->json && !options->folded, is_first = true;
    for (int i = 0; i < count; i++) {
        struct buf problem, head;
        buf_init(&problem);
        buf_init(&head);
        if (has_heads)
            buf_printf(&head, "%s==> %s <==\n", is_first ? "" : "\n", paths[i]);
        int failed = analyze(&analysis, paths[i], buf_string(&head), &problem);
        if (problem.size > 0)
            buf_printf(message, "%s%s: %s", message->size > 0 ? PROFILER_NEXT_MESSAGE : "", paths[i],
                       buf_string(&problem));
        *failed_count += failed != 0;
        is_first = is_first && failed != 0;
        result = result == 0 ? failed : result;
        buf_deinit(&head);
        buf_deinit(&problem);
    }
    analysis_deinit(&analysis);
    return result;
}
