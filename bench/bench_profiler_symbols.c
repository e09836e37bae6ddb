/* bench_profiler_symbols.c: 2,000 addresses to names, inlined frames and lines, beside addr2line on the same ones.
 *
 * Without an argument the addresses lie in this program; else in the shared object that is named. */
#include "base/clock.h"
#include "base/mem.h"
#include "profiler/modules.h"
#include "profiler/symbols.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_COUNT 2000

static uintptr_t addresses[ADDRESS_COUNT];

static const struct module *choose_module(const struct module_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (name ? strstr(list->modules[i].path, name) != NULL : list->modules[i].is_program)
            return &list->modules[i];
    return NULL;
}

static unsigned resolve_all(struct symbols *symbols)
{
    struct symbol_frame frames[SYMBOL_INLINE_MAX];
    unsigned frame_count = 0;
    for (unsigned i = 0; i < ADDRESS_COUNT; i++)
        frame_count += symbols_resolve(symbols, addresses[i], false, frames, SYMBOL_INLINE_MAX);
    return frame_count;
}

/* Two lines a frame: function, then file:line. How many lines; -1: there is no addr2line. */
static int run_addr2line(const struct module *module)
{
    char list[] = "/tmp/takhin-addresses-XXXXXX";
    int fd = mkstemp(list);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return -1;
    for (unsigned i = 0; i < ADDRESS_COUNT; i++)
        fprintf(file, "%#lx\n", (unsigned long)(addresses[i] - module->bias));
    fclose(file);
    char *command = mem_printf("addr2line -f -i -e '%s' < %s 2>/dev/null", module->path, list);
    FILE *pipe = popen(command, "r");
    char line[4096];
    int line_count = 0;
    while (pipe && fgets(line, sizeof line, pipe))
        line_count++;
    int status = pipe ? pclose(pipe) : -1;
    mem_free(command);
    unlink(list);
    return status == 0 ? line_count : -1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !dlopen(argv[1], RTLD_NOW)) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    struct module_list *list = module_list_create();
    const struct module *module = choose_module(list, argc > 1 ? argv[1] : NULL);
    if (!module)
        return 1;
    uintptr_t size = module->text_end - module->text_start;
    for (unsigned i = 0; i < ADDRESS_COUNT; i++)
        addresses[i] = module->text_start + (uintptr_t)((double)size * i / ADDRESS_COUNT);

    uint64_t start_ns = clock_monotonic_ns();
    struct symbols *symbols = symbols_create();
    symbols_acquire(symbols);
    unsigned frame_count = resolve_all(symbols);
    uint64_t cold_ns = clock_monotonic_ns() - start_ns;
    start_ns = clock_monotonic_ns();
    resolve_all(symbols);
    uint64_t warm_ns = clock_monotonic_ns() - start_ns;
    /* As the next profile finds them, all files being closed. */
    symbols_release(symbols);
    symbols_acquire(symbols);
    uint64_t file_count = symbols_stats(symbols).file_count;
    start_ns = clock_monotonic_ns();
    resolve_all(symbols);
    uint64_t kept_ns = clock_monotonic_ns() - start_ns;
    struct symbols_stats kept = symbols_stats(symbols);
    printf("%d addresses of %s (%zu KiB of text), %u frames: cold %.1f ms (goal: 150 ms), again %.2f us each\n",
           ADDRESS_COUNT, module->path, (size_t)size / 1024, frame_count, (double)cold_ns / (double)NS_PER_MS,
           (double)warm_ns / (double)NS_PER_US / ADDRESS_COUNT);

    printf("the next profile: %.2f us each, %llu files opened; %u places are kept in %zu KiB\n",
           (double)kept_ns / (double)NS_PER_US / ADDRESS_COUNT, (unsigned long long)(kept.file_count - file_count),
           kept.place_count, kept.held_bytes / 1024);
    start_ns = clock_monotonic_ns();
    int line_count = run_addr2line(module);
    uint64_t addr2line_ns = clock_monotonic_ns() - start_ns;
    if (line_count >= 0)
        printf("addr2line -f -i on the same: %d frames, %.1f ms: %.1f times as long\n", line_count / 2,
               (double)addr2line_ns / (double)NS_PER_MS, (double)addr2line_ns / (double)cold_ns);
    else
        printf("addr2line: not here, nothing to compare with\n");
    symbols_release(symbols);
    symbols_destroy(symbols);
    module_list_destroy(list);
    return 0;
}
