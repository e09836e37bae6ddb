/* bench_pprof_encode.c: 5,000 stacks of 25 frames: the hand-written encoder beside protobuf-c, and with gzip. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "median.h"
#include "pprof/encode.h"
#include "pprof/profile.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 15

static struct profile *build_profile(void)
{
    struct profile *profile = profile_create();
    profile_add_sample_type(profile, "samples", "count");
    profile_add_sample_type(profile, "cpu", "nanoseconds");
    static uint32_t locations[4000];
    uint32_t stack[25];
    for (uint32_t i = 0; i < ARRAY_COUNT(locations); i++) {
        char name[64];
        snprintf(name, sizeof(name), "module_%u_function_%u", i % 1500 % 17, i % 1500);
        struct profile_line line = {profile_add_function(profile, name, "src/module/file.c", i % 1500), i % 900 + 1};
        locations[i] = profile_add_location(profile, 0, 0x400000 + i * 37ull, &line, 1);
    }
    uint64_t random = 42;
    for (uint32_t i = 0; i < 5000; i++) {
        for (uint32_t j = 0; j < ARRAY_COUNT(stack); j++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            stack[j] = locations[(random >> 33) % ARRAY_COUNT(locations)];
        }
        int64_t values[] = {1 + (int64_t)(i % 9), (1 + (int64_t)(i % 9)) * 10000000};
        profile_add_sample(profile, stack, ARRAY_COUNT(stack), values, NULL, 0);
    }
    return profile;
}

/* The same content through the generated structs: what using the library costs. */
static void encode_with_library(const struct profile *profile, struct buf *out)
{
    struct arena arena;
    arena_init(&arena);
    Pprof__Profile whole = PPROF__PROFILE__INIT;

#define POINTERS(field, count_field, type, count) \
    Pprof__##type *field##_items = arena_alloc_array(&arena, (count), sizeof(*field##_items)); \
    whole.field = arena_alloc_array(&arena, (count), sizeof(*whole.field)); \
    whole.count_field = (count)
    POINTERS(sample_type, n_sample_type, ValueType, profile->sample_type_count);
    POINTERS(sample, n_sample, Sample, profile->sample_count);
    POINTERS(location, n_location, Location, profile->location_count);
    POINTERS(function, n_function, Function, profile->function_count);
#undef POINTERS
    uint64_t *ids = arena_alloc_array(&arena, profile->sample_location_count, sizeof(*ids));
    Pprof__Line *lines = arena_alloc_array(&arena, profile->line_count, sizeof(*lines));
    Pprof__Line **line_pointers = arena_alloc_array(&arena, profile->line_count, sizeof(Pprof__Line *));

    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        pprof__value_type__init(&sample_type_items[i]);
        sample_type_items[i].type = profile->sample_types[i].type;
        sample_type_items[i].unit = profile->sample_types[i].unit;
        whole.sample_type[i] = &sample_type_items[i];
    }
    for (uint32_t i = 0; i < profile->sample_location_count; i++)
        ids[i] = profile->sample_locations[i];
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        pprof__sample__init(&sample_items[i]);
        sample_items[i].n_location_id = sample->location_count;
        sample_items[i].location_id = ids + sample->location_start;
        sample_items[i].n_value = profile->sample_type_count;
        sample_items[i].value = profile_sample_values(profile, sample);
        whole.sample[i] = &sample_items[i];
    }
    for (uint32_t i = 0; i < profile->line_count; i++) {
        pprof__line__init(&lines[i]);
        lines[i].function_id = profile->lines[i].function;
        lines[i].line = profile->lines[i].line;
        line_pointers[i] = &lines[i];
    }
    for (uint32_t i = 0; i < profile->location_count; i++) {
        pprof__location__init(&location_items[i]);
        location_items[i].id = i + 1;
        location_items[i].address = profile->locations[i].address;
        location_items[i].n_line = profile->locations[i].line_count;
        location_items[i].line = line_pointers + profile->locations[i].line_start;
        whole.location[i] = &location_items[i];
    }
    for (uint32_t i = 0; i < profile->function_count; i++) {
        pprof__function__init(&function_items[i]);
        function_items[i].id = i + 1;
        function_items[i].name = profile->functions[i].name;
        function_items[i].system_name = profile->functions[i].system_name;
        function_items[i].filename = profile->functions[i].file;
        function_items[i].start_line = profile->functions[i].start_line;
        whole.function[i] = &function_items[i];
    }
    whole.n_string_table = profile->string_count;
    whole.string_table = arena_alloc_array(&arena, profile->string_count, sizeof(*whole.string_table));
    for (uint32_t i = 0; i < profile->string_count; i++) {
        whole.string_table[i].data = (uint8_t *)profile->strings[i].data;
        whole.string_table[i].len = profile->strings[i].size;
    }
    size_t size = pprof__profile__get_packed_size(&whole);
    pprof__profile__pack(&whole, buf_reserve(out, size));
    out->size += size;
    arena_deinit(&arena);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*encode)(const struct profile *profile, struct buf *out);
    } ways[] = {
        {"hand-written", profile_encode},
        {"protobuf-c build + pack", encode_with_library},
        {"hand-written + gzip", profile_encode_gzip},
    };
    double ms[ARRAY_COUNT(ways) + 1][ROUNDS];
    size_t sizes[ARRAY_COUNT(ways)];
    struct profile *profile = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_process_cpu_ns();
        profile_destroy(profile);
        profile = build_profile();
        ms[ARRAY_COUNT(ways)][round] = (double)(clock_process_cpu_ns() - start) / 1e6;
        for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
            struct buf out;
            buf_init(&out);
            start = clock_process_cpu_ns();
            ways[i].encode(profile, &out);
            ms[i][round] = (double)(clock_process_cpu_ns() - start) / 1e6;
            sizes[i] = out.size;
            buf_deinit(&out);
        }
    }
    printf("profile of %u stacks x 25 frames, %u locations, %u functions; CPU ms, median of %d interleaved rounds\n",
           profile->sample_count, profile->location_count, profile->function_count, ROUNDS);
    double medians[ARRAY_COUNT(ways)];
    for (size_t i = 0; i < ARRAY_COUNT(ways); i++) {
        medians[i] = median(ms[i], ROUNDS);
        printf("  %-24s %7.2f ms  %7zu bytes\n", ways[i].name, medians[i], sizes[i]);
    }
    printf("  %-24s %7.2f ms\n", "building the tables", median(ms[ARRAY_COUNT(ways)], ROUNDS));
    printf("  protobuf-c / hand-written = %.1f (goal: >= 3); encode + gzip goal: <= 12 ms\n", medians[1] / medians[0]);
    profile_destroy(profile);
    return 0;
}
