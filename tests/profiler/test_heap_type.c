/* test_heap_type.c: heap and allocs as they are served: columns, labels, comments, deltas, and the text for people. */
#include "one_profiler.h"
#include "heap_totals.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RANGE_BYTES ((size_t)4 << 30)

static SITE void *plant(size_t size)
{
    void *volatile memory = malloc(size);
    return memory;
}

static struct profile *take(const char *name)
{
    return finish(open_type(name, &(struct profile_query){.trims_memory = true}));
}

static bool holds_plant(const struct profile *profile, const struct profile_sample *sample)
{
    for (uint32_t i = 0; i < sample->location_count; i++) {
        const struct profile_location *location =
            &profile->locations[profile->sample_locations[sample->location_start + i] - 1];
        const struct profile_line *line = &profile->lines[location->line_start];
        if (strcmp(profile_text(profile, profile->functions[line->function - 1].name), "plant") == 0)
            return true;
    }
    return false;
}

/* Of the samples that `plant` allocated, in one column; *label gets the label "bytes" of one of them. */
static int64_t planted(const struct profile *profile, uint32_t column, int64_t *label)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        if (!holds_plant(profile, sample))
            continue;
        sum += profile_sample_values(profile, sample)[column];
        for (uint32_t l = 0; l < sample->label_count; l++) {
            struct profile_label found = profile_label_at(profile, sample->label_start + l);
            if (strcmp(profile_text(profile, found.key), "bytes") == 0)
                *label = found.number;
        }
    }
    return sum;
}

static bool has_comment(const struct profile *profile, const char *part)
{
    for (uint32_t i = 0; i < profile->comment_count; i++)
        if (strstr(profile_text(profile, profile->comments[i]), part))
            return true;
    return false;
}

/* Before sampling is switched on for the first time. */
static void it_says_that_sampling_is_off(void **state)
{
    (void)state;
    struct profile *profile = take("heap");
    assert_true(has_comment(profile, "sampling is off"));
    assert_false(has_comment(profile, "since"));
    profile_destroy(profile);
}

static void heap_has_columns_labels_and_comments(void **state)
{
    (void)state;
    int64_t label = 0;
    heap_set_rate(1);
    void *first = plant(3000), *second = plant(3000);
    free(first);
    heap_set_rate(4096);
    struct profile *profile = take("heap");
    static const char *const columns[] = {"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"};
    assert_int_equal(profile->sample_type_count, ARRAY_COUNT(columns));
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++)
        assert_string_equal(profile_text(profile, profile->sample_types[i].type), columns[i]);
    assert_string_equal(profile_text(profile, profile->period_type.type), "space");
    assert_int_equal(profile->period, 4096);
    assert_int_equal(profile->default_sample_type, 0);
    assert_string_not_equal(profile_text(profile, profile->drop_frames), "");
    assert_int_equal(planted(profile, 0, &label), 2);
    assert_int_equal(planted(profile, 1, &label), 6000);
    assert_int_equal(planted(profile, 2, &label), 1);
    assert_int_equal(planted(profile, 3, &label), 3000);
    assert_int_equal(label, 3072);
    assert_true(has_comment(profile, "since: 20"));
    assert_true(has_comment(profile, "lost: 0"));
    assert_true(has_comment(profile, "4096 bytes on average"));
    profile_destroy(profile);
    free(second);
    heap_set_rate(0);
}

static void allocs_shows_what_was_allocated(void **state)
{
    (void)state;
    struct profile *profile = take("allocs");
    assert_string_equal(profile_text(profile, profile->default_sample_type), "alloc_space");
    profile_destroy(profile);
}

static void a_delta_has_what_was_allocated_meanwhile_and_is_held_now(void **state)
{
    (void)state;
    int64_t label;
    heap_set_rate(1);
    void *before = plant(7000);
    struct collection *collection = open_type("heap", &(struct profile_query){.is_delta = true});
    void *meanwhile = plant(500);
    free(plant(500));
    struct profile *profile = finish(collection);
    heap_set_rate(0);
    assert_int_equal(planted(profile, 0, &label), 2);
    assert_int_equal(planted(profile, 1, &label), 1000);
    assert_int_equal(planted(profile, 2, &label), 2);
    assert_int_equal(planted(profile, 3, &label), 7500);
    assert_true(profile->duration_ns > 0);
    profile_destroy(profile);
    free(before);
    free(meanwhile);
}

/* How many bytes are held, as `go tool pprof -top` says of the text; -1: it says nothing. */
static double total_of_text(const struct buf *text, const char *go)
{
    char path[] = "/tmp/takhin-heap-XXXXXX", line[512];
    double total = -1;
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text->data, text->size), text->size);
    close(file);
    char *command = mem_printf("GOFLAGS= %s tool pprof -top -unit=B -nodefraction=0 -sample_index=inuse_space "
                               "-symbolize=none %s 2>&1", go, path);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    while (fgets(line, sizeof line, output)) {
        const char *of = strstr(line, " of ");
        if (of && strstr(line, " total"))
            total = atof(of + 4);
    }
    pclose(output);
    mem_free(command);
    unlink(path);
    return total;
}

static void the_text_is_read_by_pprof(void **state)
{
    (void)state;
    static void *blocks[20000];
    static const char *const programs[] = {"/usr/local/go/bin/go", "/usr/lib/go-1.19/bin/go"};
    struct totals before = totals_now();
    struct buf text;
    heap_set_rate(8192);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        blocks[i] = plant(700);
    buf_init(&text);
    struct collection *collection = open_type("heap", &(struct profile_query){0});
    collection_write_text(collection, 1, &text);
    collection_close(collection);
    struct totals totals = totals_since(before);
    heap_set_rate(0);

    int64_t objects, bytes, allocs, alloc_bytes, rate;
    assert_int_equal(sscanf(buf_string(&text), "heap profile: %" SCNd64 ": %" SCNd64 " [%" SCNd64 ": %" SCNd64
                            "] @ heap/%" SCNd64, &objects, &bytes, &allocs, &alloc_bytes, &rate), 5);
    assert_int_equal(rate, 2 * 8192);
    assert_true(objects > 0 && bytes > 0 && allocs >= objects && alloc_bytes > bytes);
    assert_true(bytes < totals.inuse_bytes / 4); /* as sampled, not as estimated */
    assert_non_null(strstr(buf_string(&text), "plant+0x"));
#ifndef TAKHIN_TEST_SANITIZED /* else nobody knows what malloc holds */
    assert_non_null(strstr(buf_string(&text), "\n# runtime.MemStats\n# Alloc = "));
#endif
    assert_non_null(strstr(buf_string(&text), "\n# MaxRSS = "));
    for (size_t i = 0; i < ARRAY_COUNT(programs); i++) {
        if (access(programs[i], X_OK) != 0)
            continue;
        double total = total_of_text(&text, programs[i]);
        /* Records hold integers, so a little is rounded away; and there is what others hold. */
        assert_true(total > 0.98 * (double)totals.inuse_bytes && total < 1.05 * (double)totals.inuse_bytes);
    }
    buf_deinit(&text);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++)
        free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_that_sampling_is_off),
        cmocka_unit_test(heap_has_columns_labels_and_comments),
        cmocka_unit_test(allocs_shows_what_was_allocated),
        cmocka_unit_test(a_delta_has_what_was_allocated_meanwhile_and_is_held_now),
        cmocka_unit_test(the_text_is_read_by_pprof),
    };
    heap_test_prepare(1, RANGE_BYTES);
    return cmocka_run_group_tests(tests, create_profiler, destroy_profiler);
}
