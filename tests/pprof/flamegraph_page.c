/* flamegraph_page.c: writes pages into a folder, for a browser to open (flamegraph_page.py): of profiles that are made
 * up, and of files. Says on standard error how large a page of 50,000 stacks is and how long it took.
 *
 * usage: flamegraph_page FOLDER | flamegraph_page PROFILE PAGE [BASE] */
#include "pprof/flamegraph.h"

#include "base/clock.h"
#include "example.h"
#include "pprof/decode.h"
#include "flamegraph_profiles.h"

#include <stdlib.h>

static void save(const char *path, const struct buf *page)
{
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL && fwrite(page->data, 1, page->size, file) == page->size);
    ASSERT(fclose(file) == 0);
}

static void write_page(const char *path, struct profile *profile, struct profile *base)
{
    struct buf page;
    buf_init(&page);
    uint64_t begin_ns = clock_monotonic_ns();
    int result = profile_write_flamegraph(profile, base, NULL, &page);
    ASSERT(result == 0);
    fprintf(stderr, "%s: %u stacks, %zu bytes, %.1f ms\n", path, profile->sample_count, page.size,
            (double)(clock_monotonic_ns() - begin_ns) / 1e6);
    save(path, &page);
    buf_deinit(&page);
    profile_destroy(profile);
    profile_destroy(base);
}

static struct profile *load(const char *path)
{
    FILE *file = fopen(path, "r");
    ASSERT(file != NULL);
    struct buf encoded;
    buf_init(&encoded);
    size_t size;
    while ((size = fread(buf_reserve(&encoded, 65536), 1, 65536, file)) > 0)
        encoded.size += size;
    ASSERT(fclose(file) == 0);
    struct profile *profile;
    const char *problem;
    if (profile_decode(buf_bytes(&encoded), PROFILE_LIMITS_DEFAULT, &profile, &problem) != 0) {
        fprintf(stderr, "%s: %s\n", path, problem);
        exit(1);
    }
    buf_deinit(&encoded);
    return profile;
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        write_page(argv[2], load(argv[1]), argc > 3 ? load(argv[3]) : NULL);
        return 0;
    }
    const struct {
        const char *name;
        struct profile *profile, *base;
    } pages[] = {
        {"example", example_cpu(), NULL},       {"compare", example_changed(), example_cpu()},
        {"hostile", example_hostile(), NULL},   {"heap", example_heap(), NULL},
        {"difference", example_difference(), NULL}, {"empty", example_empty(), NULL},
        {"large", example_server(60000), NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(pages) && argc == 2; i++) {
        char *path = mem_printf("%s/%s.html", argv[1], pages[i].name);
        write_page(path, pages[i].profile, pages[i].base);
        mem_free(path);
    }
    return argc == 2 ? 0 : 2;
}
