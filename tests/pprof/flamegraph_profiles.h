/* flamegraph_profiles.h: profiles that have what a flame graph has to cope with. */
#ifndef TESTS_PPROF_FLAMEGRAPH_PROFILES_H
#define TESTS_PPROF_FLAMEGRAPH_PROFILES_H

#include "base/mem.h"
#include "pprof/profile.h"

#include <stdio.h>

#define EXAMPLE_DEPTH_MAX 64

/* Add a sample whose stack is named root first: "main;serve;write". Values as many as sample types. */
static inline void example_add(struct profile *profile, const char *stack, const int64_t *values, const char *key,
                               const char *value)
{
    uint32_t ids[EXAMPLE_DEPTH_MAX], depth = 0;
    char *names = mem_copy_string(stack), *rest = names, *name;
    while ((name = strsep(&rest, ";")) != NULL) {
        struct profile_line line = {profile_add_function(profile, name, "src/a.c", 1), 2};
        ASSERT(depth < EXAMPLE_DEPTH_MAX);
        ids[EXAMPLE_DEPTH_MAX - ++depth] = profile_add_location(profile, profile->mapping_count > 0, 0, &line, 1);
    }
    struct profile_label label = {.key = profile_string(profile, key), .text = profile_string(profile, value)};
    profile_add_sample(profile, ids + EXAMPLE_DEPTH_MAX - depth, depth, values, &label, *key != '\0');
    mem_free(names);
}

static inline struct profile *example_empty(void)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    return profile;
}

/* example_cpu some time later: less of memcpy, no tree_walk, more of connection_serve, and a function that is new. */
static inline struct profile *example_changed(void)
{
    struct profile *profile = example_empty();
    struct profile_mapping mapping = {.start = 0x400000, .limit = 0x800000,
                                      .file = profile_string(profile, "/usr/bin/takhin"), .has_functions = true};
    profile_add_mapping(profile, &mapping);
    profile->time_ns = 1750000600123456789;
    profile->duration_ns = 10000000000;
    static const struct {
        const char *stack;
        int64_t count;
    } samples[] = {
        {"main;connection_serve;kafka_handler_produce;storage_log_append;crc32c", 400},
        {"main;connection_serve;kafka_handler_produce", 100},
        {"main;connection_serve", 300},
        {"main;compress", 200},
    };
    for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
        int64_t values[] = {samples[i].count, samples[i].count * 10000000};
        example_add(profile, samples[i].stack, values, "api", "Produce");
    }
    return profile;
}

/* Names as somebody would choose them who wants to get out of their quotes. */
static inline struct profile *example_hostile(void)
{
    struct profile *profile = example_empty();
    static const char *const names[] = {
        "</script><script>document.title='broken'</script>", "<!--<script>", "\"quotes\\\"and\\backslashes\\",
        "<img src=x onerror=\"document.title='broken'\">", "\xff\xfe not utf-8", "new\nline\ttab\x01",
        "]]>;};alert(1)", "&lt;b&gt;", "\xe2\x80\xa8line separator", "@script@ @data@",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        uint32_t function = profile_add_function(profile, names[i], names[i], 1);
        struct profile_line line = {function, 1};
        uint32_t location = profile_add_location(profile, 0, 16 * i, &line, 1);
        struct profile_label label = {.key = profile_string(profile, i == 0 ? names[0] : "client_id"),
                                      .text = profile_string(profile, names[i])};
        int64_t values[] = {1, INT64_C(1000000) * (int64_t)(i + 1)};
        profile_add_sample(profile, &location, 1, values, &label, 1);
    }
    profile_add_comment(profile, names[0]);
    return profile;
}

/* Four sample types, of which not the last is shown first; a location without lines; a number as label. */
static inline struct profile *example_heap(void)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "alloc_objects", "count");
    profile_add_sample_type(profile, "alloc_space", "bytes");
    profile_add_sample_type(profile, "inuse_objects", "count");
    profile_add_sample_type(profile, "inuse_space", "bytes");
    profile->default_sample_type = profile_string(profile, "alloc_space");
    struct profile_mapping mapping = {.start = 0x7f0000000000, .limit = 0x7f0000100000,
                                      .file = profile_string(profile, "/lib/libuv.so.1")};
    uint32_t library = profile_add_mapping(profile, &mapping);
    struct profile_line line = {profile_add_function(profile, "main", "src/main.c", 10), 12};
    uint32_t stack[] = {profile_add_location(profile, library, 0x7f0000000010, NULL, 0),
                        profile_add_location(profile, 0, 16, &line, 1)};
    struct profile_label bytes = {.key = profile_string(profile, "bytes"), .number = 524288};
    profile_add_sample(profile, stack, 2, (int64_t[]){3, 1572864, 1, 524288}, &bytes, 1);
    profile_add_sample(profile, stack + 1, 1, (int64_t[]){1, 1024, 0, 0}, NULL, 0);
    return profile;
}

/* What subtracting one profile from another gives: some values are below zero. */
static inline struct profile *example_difference(void)
{
    struct profile *profile = example_empty();
    example_add(profile, "main;grown", (int64_t[]){30, 300000000}, "", "");
    example_add(profile, "main;shrunk", (int64_t[]){-10, -100000000}, "", "");
    return profile;
}

/* A busy server's: nearly all stacks differ, at depths of 8 to 47. */
static inline struct profile *example_server(uint32_t stack_count)
{
    struct profile *profile = example_empty();
    struct profile_mapping mapping = {.start = 0x400000, .limit = 0x4000000, .has_functions = true,
                                      .file = profile_string(profile, "/usr/bin/server")};
    profile_add_mapping(profile, &mapping);
    profile->time_ns = 1750000000123456789;
    profile->duration_ns = 30000000000;
    static const char *const apis[] = {"Fetch", "Produce", "Metadata", "ListOffsets"};
    uint64_t random = 7;
    for (uint32_t i = 0; i < stack_count; i++) {
        uint32_t ids[EXAMPLE_DEPTH_MAX], depth = 8 + i % 40, path = 0;
        for (uint32_t j = 0; j < depth; j++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            /* Mostly the one callee that is always called, sometimes one of eight. */
            path = path * 31 + (j == 0 || (random >> 40) % 8 > 0 ? 0 : (uint32_t)(random >> 50) % 8) + 1;
            char name[64], file[64];
            snprintf(name, sizeof(name), "module_%u_function_%u", path % 23, path % 3000);
            snprintf(file, sizeof(file), "src/module_%u.c", path % 23);
            struct profile_line line = {profile_add_function(profile, name, file, path % 900 + 1), path % 900 + 5};
            ids[EXAMPLE_DEPTH_MAX - 1 - j] = profile_add_location(profile, 1, 0x400000 + path % 3000 * 16, &line, 1);
        }
        struct profile_label labels[] = {
            {.key = profile_string(profile, "api"), .text = profile_string(profile, apis[random >> 62])},
            {.key = profile_string(profile, "thread"), .text = profile_string(profile, i % 3 ? "a" : "b")},
        };
        int64_t count = 1 + (int64_t)((random >> 50) % 5 == 0 ? (random >> 54) % 60 : 0);
        profile_add_sample(profile, ids + EXAMPLE_DEPTH_MAX - depth, depth, (int64_t[]){count, count * 10000000},
                           labels, 2);
    }
    return profile;
}

#endif
