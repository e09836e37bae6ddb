/* bench_pprof_analyse.c: profiles of 200 MB, and of 10 million samples: read, filtered, tabled and summarized; how
 * long, and with how much memory. Each run is in a process of its own, as only a process knows its peak. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pprof/decode.h"
#include "pprof/encode.h"
#include "pprof/report.h"
#include "pprof/simplify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOCATIONS 40000
#define FUNCTIONS 12000
#define DEPTH_MAX 30

struct shape {
    const char *name, *types[2], *unit; /* types: of samples; the unit is that of the second */
    uint32_t sample_count, depth_min, depth_max;
    uint32_t topic_count; /* 0: no labels */
    bool is_gzip;
};

static uint32_t below(uint64_t *random, uint32_t limit)
{
    *random = *random * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((*random >> 33) % limit);
}

static void add_locations(struct profile *profile, uint32_t *locations)
{
    struct profile_mapping mapping = {.start = 0x400000, .limit = 0x4000000,
                                      .file = profile_string(profile, "/usr/bin/takhin"), .has_functions = true};
    uint32_t program = profile_add_mapping(profile, &mapping);
    for (uint32_t i = 0; i < LOCATIONS; i++) {
        struct profile_line lines[2];
        for (uint32_t j = 0; j < 2; j++) {
            char name[64];
            uint32_t function = (i + j * 7919) % FUNCTIONS;
            snprintf(name, sizeof(name), "module_%u_function_%u", function % 97, function);
            lines[j] = (struct profile_line){profile_add_function(profile, name, "src/module/file.c", function),
                                             i % 900 + 1};
        }
        locations[i] = profile_add_location(profile, program, 0x400000 + i * 37ull, lines, i % 5 == 0 ? 2 : 1);
    }
}

static void add_samples(struct profile *profile, const uint32_t *locations, const struct shape *shape)
{
    static const char *const apis[] = {"Produce", "Fetch", "Metadata", "OffsetCommit"};
    struct profile_label labels[] = {{.key = profile_string(profile, "api")},
                                     {.key = profile_string(profile, "topic")}};
    uint64_t random = 42;
    for (uint32_t i = 0; i < shape->sample_count; i++) {
        uint32_t stack[DEPTH_MAX], depth = shape->depth_min + below(&random, shape->depth_max - shape->depth_min + 1);
        for (uint32_t j = 0; j < depth; j++)
            stack[j] = locations[below(&random, LOCATIONS)];
        char topic[24];
        if (shape->topic_count > 0) {
            snprintf(topic, sizeof(topic), "topic-%u", below(&random, shape->topic_count));
            labels[0].text = profile_string(profile, apis[below(&random, ARRAY_COUNT(apis))]);
            labels[1].text = profile_string(profile, topic);
        }
        int64_t count = 1 + below(&random, 20), values[] = {count, count * 10000000};
        profile_append_sample(profile, stack, depth, values, labels, shape->topic_count > 0 ? 2 : 0);
    }
}

static void write_profile(const char *path, const struct shape *shape)
{
    static uint32_t locations[LOCATIONS];
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, shape->types[0], "count");
    profile_add_sample_type(profile, shape->types[1], shape->unit);
    profile->duration_ns = 30000000000;
    add_locations(profile, locations);
    add_samples(profile, locations, shape);
    struct buf out;
    buf_init(&out);
    (shape->is_gzip ? profile_encode_gzip : profile_encode)(profile, &out);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t written = 0;
    while (written < out.size) {
        ssize_t step = write(fd, out.data + written, out.size - written);
        if (step <= 0) {
            perror(path);
            _exit(1);
        }
        written += (size_t)step;
    }
    _exit(0);
}

/* As takhin-profiler does. */
static struct bytes map_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    ASSERT(fd >= 0 && fstat(fd, &status) == 0);
    void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    ASSERT(mapped != MAP_FAILED);
    close(fd);
    return bytes_of(mapped, (size_t)status.st_size);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static void analyse(const char *path, const struct shape *shape)
{
    uint64_t start_ns = clock_monotonic_ns();
    struct bytes content = map_file(path);
    struct buf text, notes;
    buf_init(&text);
    buf_init(&notes);
    double file_mb = (double)content.size / 1e6;
    struct profile *profile;
    const char *problem;
    int result = profile_decode_mapped(content, PROFILE_LIMITS_DEFAULT, &profile, &problem);
    if (result != 0) {
        printf("  %-34s %6.1f MB: %s\n", shape->name, file_mb, problem);
        return;
    }
    double decoded_s = seconds_since(start_ns);
    munmap((void *)content.data, content.size);
    struct report_options options = {
        .filter = {.focus = "function_1", .ignore = "function_11111",
                   .tag_focus = shape->topic_count > 0 ? "api=Fetch|Produce" : NULL},
        .top = {.row_limit = 20, .by_line = true},
    };
    profile_simplify_names(profile);
    double simplified_s = seconds_since(start_ns);
    result = profile_write_report(profile, &options, &text, &notes, &notes);
    ASSERT(result == 0);
    double all_s = seconds_since(start_ns);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    struct buf plain; /* only now: it is as large again */
    buf_init(&plain);
    double peak_mb = (double)usage.ru_maxrss * 1024 / 1e6;
    profile_encode(profile, &plain);
    double plain_mb = (double)plain.size / 1e6;
    printf("  %-34s %6.1f MB (%6.1f plain) %9u samples: decode %.2f s, simplify %.2f, report %.2f; "
           "all %.2f s (%.2f of CPU); peak %.0f MB, %.2f times the plain size\n",
           shape->name, file_mb, plain_mb, profile->sample_count, decoded_s, simplified_s - decoded_s,
           all_s - simplified_s, all_s, cpu_s, peak_mb, peak_mb / plain_mb);
}

static void in_child(void (*work)(const char *path, const struct shape *shape), const char *path,
                     const struct shape *shape)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        work(path, shape);
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* bench_pprof_analyse [FOLDER]: the profiles stay in it, for other programs to be measured with. */
int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"200 MB", {"samples", "cpu"}, "nanoseconds", 2100000, 20, 30, 50, false},
        {"the same in gzip", {"samples", "cpu"}, "nanoseconds", 2100000, 20, 30, 50, true},
        {"10 million samples", {"samples", "cpu"}, "nanoseconds", 10000000, 2, 5, 0, false},
        {"6 million waits", {"contentions", "delay"}, "nanoseconds", 6000000, 2, 4, 50, false},
        {"4 million stacks", {"samples", "goroutine"}, "count", 4000000, 10, 10, 50, false},
        {"4 million topics", {"contentions", "delay"}, "nanoseconds", 4000000, 2, 5, 100000000, false},
    };
    char temporary[] = "/tmp/takhin-bench-XXXXXX";
    const char *folder = argc > 1 ? argv[1] : mkdtemp(temporary);
    if (folder == NULL)
        return 1;
    printf("goals: 200 MB in less than 3 s and with less than 3 times its size of memory\n");
    for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
        char *path = mem_printf("%s/%zu.prof", folder, i);
        in_child(write_profile, path, &shapes[i]);
        in_child(analyse, path, &shapes[i]);
        if (argc == 1)
            unlink(path);
        mem_free(path);
    }
    if (argc == 1)
        rmdir(folder);
    return 0;
}
