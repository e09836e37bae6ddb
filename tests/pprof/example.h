/* example.h: profiles that several tests use. */
#ifndef TESTS_PPROF_EXAMPLE_H
#define TESTS_PPROF_EXAMPLE_H

#include "base/mem.h"
#include "pprof/profile.h"

#include <stdio.h>

/* A CPU profile with two mappings, inlined frames, recursion, labels of both kinds and values from 10 ms to 30 s. */
static inline struct profile *example_cpu(void)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    profile->period_type =
        (struct profile_value_type){profile_string(profile, "cpu"), profile_string(profile, "nanoseconds")};
    profile->period = 10000000;
    profile->time_ns = 1750000000123456789;
    profile->duration_ns = 30020000000;
    profile_add_comment(profile, "takhin example");
    profile_add_comment(profile, "# hidden in headers");
    struct profile_mapping mapping = {
        .start = 0x400000, .limit = 0x800000, .file = profile_string(profile, "/usr/bin/takhin"),
        .build_id = profile_string(profile, "0123456789abcdef"), .has_functions = true, .has_filenames = true,
        .has_line_numbers = true, .has_inline_frames = true};
    uint32_t program = profile_add_mapping(profile, &mapping);
    mapping = (struct profile_mapping){.start = 0x7f0000000000, .limit = 0x7f0000100000,
                                       .file = profile_string(profile, "/lib/libc.so.6"), .has_functions = true};
    uint32_t libc = profile_add_mapping(profile, &mapping);

    enum { MAIN, SERVE, PRODUCE, APPEND, CHECK, COPY, WALK, RARE, NAME_COUNT };
    static const char *const names[NAME_COUNT] = {"main", "connection_serve", "kafka_handler_produce",
                                                  "storage_log_append", "crc32c", "memcpy", "tree_walk", "rare"};
    uint32_t at[NAME_COUNT];
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        struct profile_line line = {profile_add_function(profile, names[i], i == COPY ? "" : "src/a.c", 10 * i + 1),
                                    i == COPY ? 0 : 10 * i + 5};
        at[i] = i == COPY ? profile_add_location(profile, libc, 0x7f0000001000, &line, 1)
                          : profile_add_location(profile, program, 0x400100 + i * 16, &line, 1);
    }
    /* crc32c inlined into storage_log_append, and at another address not inlined. */
    struct profile_line inlined[] = {{profile_add_function(profile, "crc32c", "src/a.c", 41), 44},
                                     {profile_add_function(profile, "storage_log_append", "src/a.c", 31), 37}};
    uint32_t append_with_check = profile_add_location(profile, program, 0x400900, inlined, 2);
    struct profile_line only_inlined[] = {{profile_add_function(profile, "get_varint", "src/v.h", 3), 4},
                                          {profile_add_function(profile, "kafka_handler_produce", "src/a.c", 21), 28}};
    uint32_t produce_with_varint = profile_add_location(profile, program, 0x400a00, only_inlined, 2);

    const struct profile_label api = {.key = profile_string(profile, "api"),
                                      .text = profile_string(profile, "Produce")};
    const struct profile_label latency = {.key = profile_string(profile, "latency"), .number = 250,
                                          .unit = profile_string(profile, "milliseconds")};
    const struct profile_label both[] = {api, latency};
    const struct {
        uint32_t stack[8], depth;
        int64_t count;
        const struct profile_label *labels;
        uint32_t label_count;
    } samples[] = {
        {{at[COPY], at[APPEND], at[PRODUCE], at[SERVE], at[MAIN]}, 5, 1234, &api, 1},
        {{at[CHECK], at[APPEND], at[PRODUCE], at[SERVE], at[MAIN]}, 5, 20, both, 2},
        {{append_with_check, at[PRODUCE], at[SERVE], at[MAIN]}, 4, 777, both, 2},
        {{produce_with_varint, at[SERVE], at[MAIN]}, 3, 333, &api, 1},
        {{at[WALK], at[WALK], at[WALK], at[MAIN]}, 4, 333, NULL, 0},
        {{at[SERVE], at[MAIN]}, 2, 100, NULL, 0},
        {{at[RARE], at[MAIN]}, 2, 1, NULL, 0},
    };
    for (uint32_t i = 0; i < ARRAY_COUNT(samples); i++) {
        int64_t values[] = {samples[i].count, samples[i].count * profile->period};
        profile_add_sample(profile, samples[i].stack, samples[i].depth, values, samples[i].labels,
                           samples[i].label_count);
    }
    return profile;
}

/* Many stacks from a fixed generator: the shape of a busy server's profile. */
static inline struct profile *example_large(uint32_t stack_count, uint32_t depth, uint32_t location_count,
                                            uint32_t function_count)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    struct profile_mapping mapping = {.start = 0x400000, .limit = 0x4000000,
                                      .file = profile_string(profile, "/usr/bin/takhin"), .has_functions = true};
    profile_add_mapping(profile, &mapping);
    profile->duration_ns = 1000000000;
    uint64_t random = 42;
    uint32_t *stack = mem_alloc_array(depth, sizeof(*stack));
    for (uint32_t i = 0; i < stack_count; i++) {
        for (uint32_t j = 0; j < depth; j++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            uint32_t n = (uint32_t)(random >> 33) % location_count;
            char name[64];
            snprintf(name, sizeof(name), "module_%u_function_%u", n % function_count % 17, n % function_count);
            struct profile_line line = {profile_add_function(profile, name, "src/module/file.c", n % function_count),
                                        n % 900 + 1};
            stack[j] = profile_add_location(profile, 1, 0x400000 + n * 37ull, &line, 1);
        }
        int64_t count = (int64_t)(random >> 60) + 1, values[] = {count, count * 10000000};
        profile_add_sample(profile, stack, depth, values, NULL, 0);
    }
    mem_free(stack);
    return profile;
}

#endif
