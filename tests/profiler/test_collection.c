/* test_collection.c: what a row collects becomes the profile, the delta or the text that was asked for. */
#include "profiler/collection.h"

#include "../pprof/go_tool.h"
#include "base/error.h"
#include "one_profiler.h"
#include "profiler/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define WALL_NS 1700000000000000000

/* What the rows below find: objects and bytes allocated so far, and bytes in use now, at three places in code. */
enum { PLACE_COUNT = 3 };
static int64_t found[PLACE_COUNT][3];
static unsigned collect_count, start_count, cancel_count;
static int start_result;

static NOINLINE void place_one(void) { collect_count++; }
static NOINLINE void place_two(void) { start_count++; }
static NOINLINE void place_three(void) { cancel_count++; }

static uintptr_t place_pc(unsigned place)
{
    static void (*const places[PLACE_COUNT])(void) = {place_one, place_two, place_three};
    return (uintptr_t)places[place] + 1;
}

static void add_place(struct stack_table *stacks, unsigned place)
{
    const uintptr_t pc = place_pc(place);
    const struct stack_key key = {
        .epoch = symbols_epoch(profiler_symbols(profiler)),
        .depth = 1,
        .is_parked = true,
        .number = 64,
        .labels = {"Produce", "orders"},
        .pcs = &pc,
    };
    stack_table_add(stacks, &key, found[place]);
}

static void collect_places(struct collection *collection)
{
    collect_count++;
    for (unsigned i = 0; i < PLACE_COUNT; i++)
        add_place(collection->stacks, i);
    collection->period = 512;
    collection_comment(collection, "collected %d places", PLACE_COUNT);
}

static int start_window(struct collection *collection)
{
    start_count++;
    collection->state = &start_count;
    return start_result;
}

static void cancel_window(struct collection *collection)
{
    assert_ptr_equal(collection->state, &start_count);
    cancel_count++;
}

/* Each place's values, for all to see what a text is made from. */
static void write_values(struct collection *collection, struct buf *text)
{
    buf_append_string(text, "values");
    size_t count;
    const struct stack_entry *entries = stack_table_sort(collection->stacks, &count);
    for (size_t i = 0; i < count; i++)
        if (!stack_entry_is_zero(&entries[i]))
            buf_printf(text, " %d/%d/%d", (int)entries[i].values[0], (int)entries[i].values[1],
                       (int)entries[i].values[2]);
}

static const struct profile_type snapshot_type = {
    .name = "places",
    .summary = "Places.",
    .columns = {{"alloc_objects", "count", false}, {"alloc_space", "bytes", false}, {"inuse_space", "bytes", true}},
    .column_count = 3,
    .default_column = "alloc_space",
    .period = {"space", "bytes", false},
    .number = {"bytes", NULL},
    .drop_frames = "malloc|free",
    .has_delta = true,
    .rate = PROFILE_RATE_MEMORY,
    .collect = collect_places,
    .write_text = write_values,
};

static const struct profile_type window_type = {
    .name = "window",
    .summary = "A window.",
    .columns = {{"samples", "count", false}, {"space", "bytes", false}, {"time", "nanoseconds", false}},
    .column_count = 3,
    .period = {"time", "nanoseconds", false},
    .number = {"waited", "seconds"},
    .needs_window = true,
    .start = start_window,
    .collect = collect_places,
    .cancel = cancel_window,
};

static int reset(void **state)
{
    (void)state;
    const int64_t values[PLACE_COUNT][3] = {{10, 1000, 100}, {20, 2000, 200}, {0, 0, 0}};
    memcpy(found, values, sizeof found);
    collect_count = start_count = cancel_count = 0;
    start_result = 0;
    clock_test_freeze(5 * NS_PER_S, WALL_NS);
    return 0;
}

static int thaw(void **state)
{
    (void)state;
    clock_test_real();
    return 0;
}

static void set_found(unsigned place, int64_t objects, int64_t bytes, int64_t in_use)
{
    found[place][0] = objects;
    found[place][1] = bytes;
    found[place][2] = in_use;
}

static struct collection *open_row(const struct profile_type *type, const struct profile_query *query)
{
    struct collection *collection = NULL;
    assert_int_equal(collection_open(profiler, type, query, &collection), 0);
    return collection;
}

static struct profile *take(const struct profile_query *query)
{
    return finish(open_row(&snapshot_type, query));
}

/* The value of a place in one column; 0: it is not there. */
static int64_t value_of(const struct profile *profile, unsigned place, unsigned column)
{
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        uint32_t location = profile->sample_locations[sample->location_start];
        if (profile->locations[location - 1].address == place_pc(place) - 1)
            return profile_sample_values(profile, sample)[column];
    }
    return 0;
}

static void assert_values(const struct profile *profile, unsigned place, int64_t objects, int64_t bytes, int64_t in_use)
{
    assert_int_equal(value_of(profile, place, 0), objects);
    assert_int_equal(value_of(profile, place, 1), bytes);
    assert_int_equal(value_of(profile, place, 2), in_use);
}

static void a_snapshot_has_what_there_is_and_no_duration(void **state)
{
    (void)state;
    struct profile *profile = take(&(struct profile_query){0});
    assert_values(profile, 0, 10, 1000, 100);
    assert_values(profile, 1, 20, 2000, 200);
    assert_int_equal(profile->time_ns, WALL_NS);
    assert_int_equal(profile->duration_ns, 0);
    assert_int_equal(collect_count, 1);
    profile_destroy(profile);
}

static void the_row_says_what_the_columns_and_the_period_are(void **state)
{
    (void)state;
    struct profile *profile = take(&(struct profile_query){0});
    assert_int_equal(profile->sample_type_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(profile_text(profile, profile->sample_types[i].type), snapshot_type.columns[i].type);
        assert_string_equal(profile_text(profile, profile->sample_types[i].unit), snapshot_type.columns[i].unit);
    }
    assert_string_equal(profile_text(profile, profile->default_sample_type), "alloc_space");
    assert_string_equal(profile_text(profile, profile->period_type.type), "space");
    assert_string_equal(profile_text(profile, profile->period_type.unit), "bytes");
    assert_int_equal(profile->period, 512);
    assert_string_equal(profile_text(profile, profile->drop_frames), "malloc|free");
    profile_destroy(profile);
}

static void comments_begin_with_the_version_and_are_those_of_the_end(void **state)
{
    (void)state;
    struct profile *profile = take(&(struct profile_query){.is_delta = true});
    assert_int_equal(profile->comment_count, 2);
    assert_string_equal(profile_text(profile, profile->comments[0]), "takhin " TAKHIN_VERSION);
    assert_string_equal(profile_text(profile, profile->comments[1]), "collected 3 places");
    profile_destroy(profile);
}

static void sizes_are_a_number_without_a_unit(void **state)
{
    (void)state;
    struct profile *profile = take(&(struct profile_query){0});
    const struct profile_sample *sample = &profile->samples[0];
    assert_int_equal(sample->label_count, 3);
    struct profile_label api = profile_label_at(profile, sample->label_start);
    assert_string_equal(profile_text(profile, api.key), "api");
    assert_string_equal(profile_text(profile, api.text), "Produce");
    struct profile_label bytes = profile_label_at(profile, sample->label_start + 2);
    assert_string_equal(profile_text(profile, bytes.key), "bytes");
    assert_int_equal(bytes.number, 64);
    assert_int_equal(bytes.text, 0);
    assert_int_equal(bytes.unit, 0);
    profile_destroy(profile);
}

static void a_number_has_the_unit_of_its_row(void **state)
{
    (void)state;
    struct profile *profile = finish(open_row(&window_type, &(struct profile_query){0}));
    struct profile_label waited = profile_label_at(profile, profile->samples[0].label_start + 2);
    assert_string_equal(profile_text(profile, waited.key), "waited");
    assert_int_equal(waited.number, 64);
    assert_string_equal(profile_text(profile, waited.unit), "seconds");
    profile_destroy(profile);
}

static void what_is_zero_in_all_columns_is_left_out(void **state)
{
    (void)state;
    set_found(1, 0, 0, 0);
    struct profile *profile = take(&(struct profile_query){0});
    assert_int_equal(profile->sample_count, 1);
    profile_destroy(profile);
}

static void a_delta_is_what_came_and_levels_are_those_of_the_end(void **state)
{
    (void)state;
    struct collection *collection = open_row(&snapshot_type, &(struct profile_query){.is_delta = true});
    set_found(0, 10, 1000, 60);  /* something was freed */
    set_found(1, 25, 2600, 0);   /* something came, all is freed */
    set_found(2, 1, 10, 10);     /* a new place */
    clock_test_advance(3 * NS_PER_S);
    struct profile *profile = finish(collection);
    assert_values(profile, 0, 0, 0, 60);
    assert_values(profile, 1, 5, 600, 0);
    assert_values(profile, 2, 1, 10, 10);
    assert_int_equal(collect_count, 2);
    profile_destroy(profile);
}

static void a_delta_tells_its_end_and_how_long_it_took(void **state)
{
    (void)state;
    struct collection *collection = open_row(&snapshot_type, &(struct profile_query){.is_delta = true});
    clock_test_advance(3 * NS_PER_S);
    struct profile *profile = finish(collection);
    assert_int_equal(profile->time_ns, WALL_NS + 3 * (int64_t)NS_PER_S);
    assert_int_equal(profile->duration_ns, 3 * NS_PER_S);
    profile_destroy(profile);
}

static void gos_wart_subtracts_from_levels_too(void **state)
{
    (void)state;
    const struct profile_query query = {.is_delta = true, .keeps_go_wart = true};
    struct collection *collection = open_row(&snapshot_type, &query);
    set_found(0, 10, 1000, 60);
    set_found(1, 25, 2600, 0);
    struct profile *profile = finish(collection);
    assert_values(profile, 0, 0, 0, -40);
    assert_values(profile, 1, 5, 600, -200);
    profile_destroy(profile);
}

static void a_delta_is_never_negative_otherwise(void **state)
{
    (void)state;
    struct collection *collection = open_row(&snapshot_type, &(struct profile_query){.is_delta = true});
    set_found(0, 4, 400, 50);
    struct profile *profile = finish(collection);
    assert_values(profile, 0, 0, 0, 50);
    profile_destroy(profile);
}

static void a_cursor_gives_what_was_not_seen_yet(void **state)
{
    (void)state;
    struct stack_table *seen = NULL;
    const struct profile_query query = {.since = &seen};
    struct profile *profile = take(&query);
    assert_values(profile, 0, 10, 1000, 100); /* all, the first time */
    profile_destroy(profile);

    set_found(0, 12, 1200, 90);
    profile = take(&query);
    assert_values(profile, 0, 2, 200, 90);
    assert_values(profile, 1, 0, 0, 200);
    profile_destroy(profile);

    set_found(1, 21, 2100, 0);
    profile = take(&query);
    assert_values(profile, 0, 0, 0, 90);
    assert_values(profile, 1, 1, 100, 0);
    profile_destroy(profile);
    stack_table_destroy(seen);
}

static void two_cursors_do_not_know_of_each_other(void **state)
{
    (void)state;
    struct stack_table *one = NULL, *other = NULL;
    profile_destroy(take(&(struct profile_query){.since = &one}));
    set_found(0, 12, 1200, 90);
    profile_destroy(take(&(struct profile_query){.since = &one}));
    struct profile *profile = take(&(struct profile_query){.since = &other});
    assert_values(profile, 0, 12, 1200, 90);
    profile_destroy(profile);
    stack_table_destroy(one);
    stack_table_destroy(other);
}

static void closing_uncollected_moves_no_cursor(void **state)
{
    (void)state;
    struct stack_table *seen = NULL;
    collection_close(open_row(&snapshot_type, &(struct profile_query){.since = &seen}));
    assert_null(seen);
    assert_int_equal(collect_count, 0);
    collection_close(open_row(&snapshot_type, &(struct profile_query){.is_delta = true}));
    assert_int_equal(collect_count, 1);
    collection_close(NULL);
}

static void a_window_is_started_and_then_collected_or_cancelled(void **state)
{
    (void)state;
    struct collection *collection = open_row(&window_type, &(struct profile_query){0});
    assert_int_equal(start_count, 1);
    clock_test_advance(2 * NS_PER_S);
    struct profile *profile = finish(collection);
    assert_int_equal(cancel_count, 0);
    assert_values(profile, 1, 20, 2000, 200);
    assert_int_equal(profile->time_ns, WALL_NS); /* as Go's CPU profile: when it began */
    assert_int_equal(profile->duration_ns, 2 * NS_PER_S);
    profile_destroy(profile);

    collection_close(open_row(&window_type, &(struct profile_query){0}));
    assert_int_equal(start_count, 2);
    assert_int_equal(collect_count, 1);
    assert_int_equal(cancel_count, 1);
}

static void a_window_that_does_not_start_is_an_error_and_nothing_to_close(void **state)
{
    (void)state;
    start_result = ERR_BUSY;
    struct collection *collection = NULL;
    assert_int_equal(collection_open(profiler, &window_type, &(struct profile_query){0}, &collection), ERR_BUSY);
    assert_null(collection);
    assert_int_equal(cancel_count, 0);
}

static void rates_beyond_the_limits_and_of_rows_without_one_are_refused(void **state)
{
    (void)state;
    const struct {
        const struct profile_type *type;
        int64_t rate;
    } cases[] = {
        {&snapshot_type, -1}, {&snapshot_type, PROFILER_MEM_RATE_MAX + 1}, {&window_type, 1}, {&window_type, -1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct collection *collection = NULL;
        const struct profile_query query = {.rate = cases[i].rate};
        assert_int_equal(collection_open(profiler, cases[i].type, &query, &collection), ERR_OUT_OF_RANGE);
        assert_null(collection);
    }
    assert_int_equal(start_count, 0);
}

static void a_text_is_of_the_same_stacks_as_the_profile(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text);
    struct collection *collection = open_row(&snapshot_type, &(struct profile_query){.is_delta = true});
    set_found(0, 13, 1300, 70);
    collection_write_text(collection, 2, &text);
    collection_close(collection);
    assert_string_equal(buf_string(&text), "values 0/0/200 3/300/70");
    buf_deinit(&text);
}

static void write_own_look(struct collection *collection, struct buf *text)
{
    buf_printf(text, "collected %zu", stack_table_count(collection->stacks));
}

static void a_dump_looks_for_itself_and_nothing_is_collected_for_it(void **state)
{
    (void)state;
    static const char *const expected[] = {"values 10/1000/200 10/1000/200", "collected 0", "collected 0"};
    struct profile_type type = snapshot_type;
    type.write_dump = write_own_look;
    for (int debug = 1; debug <= 3; debug++) {
        struct buf text;
        buf_init(&text);
        struct collection *collection = open_row(&type, &(struct profile_query){0});
        set_found(0, 10, 1000, 200);
        set_found(1, 10, 1000, 200);
        collection_write_text(collection, debug, &text);
        collection_close(collection);
        assert_string_equal(buf_string(&text), expected[debug - 1]);
        buf_deinit(&text);
    }
}

static void go_tool_pprof_reads_snapshots_and_their_difference(void **state)
{
    (void)state;
    struct profile *profile = take(&(struct profile_query){0});
    static const struct {
        const char *arguments, *expected;
    } reports[] = {
        {"tool pprof -top cpu.prof", "Type: alloc_space"},
        {"tool pprof -top -sample_index=inuse_space cpu.prof", "200B"},
        {"tool pprof -top -sample_index=alloc_objects cpu.prof", "place_two"},
        {"tool pprof -raw cpu.prof", "bytes:[64]"},
        {"tool pprof -tags cpu.prof", "orders"},
        {"tool pprof -comments cpu.prof", "takhin"},
        {"tool pprof -traces -base cpu.prof cpu.prof", "alloc_space"},
        {"tool pprof -top -diff_base cpu.prof cpu.prof", "alloc_space"},
    };
    unsigned tried = 0;
    for (size_t g = 0; g < ARRAY_COUNT(go_tools); g++) {
        if (!go_works(go_tools[g]))
            continue;
        tried++;
        for (size_t i = 0; i < ARRAY_COUNT(reports); i++) {
            struct go_output output = go_run(go_tools[g], reports[i].arguments, profile);
            assert_string_equal(buf_string(&output.err), "");
            assert_int_equal(output.status, 0);
            assert_non_null(strstr(buf_string(&output.out), reports[i].expected));
            go_output_deinit(&output);
        }
    }
    profile_destroy(profile);
    if (tried == 0)
        skip();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, thaw)
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_has_what_there_is_and_no_duration),
        TEST(the_row_says_what_the_columns_and_the_period_are),
        TEST(comments_begin_with_the_version_and_are_those_of_the_end),
        TEST(sizes_are_a_number_without_a_unit),
        TEST(a_number_has_the_unit_of_its_row),
        TEST(what_is_zero_in_all_columns_is_left_out),
        TEST(a_delta_is_what_came_and_levels_are_those_of_the_end),
        TEST(a_delta_tells_its_end_and_how_long_it_took),
        TEST(gos_wart_subtracts_from_levels_too),
        TEST(a_delta_is_never_negative_otherwise),
        TEST(a_cursor_gives_what_was_not_seen_yet),
        TEST(two_cursors_do_not_know_of_each_other),
        TEST(closing_uncollected_moves_no_cursor),
        TEST(a_window_is_started_and_then_collected_or_cancelled),
        TEST(a_window_that_does_not_start_is_an_error_and_nothing_to_close),
        TEST(rates_beyond_the_limits_and_of_rows_without_one_are_refused),
        TEST(a_text_is_of_the_same_stacks_as_the_profile),
        TEST(a_dump_looks_for_itself_and_nothing_is_collected_for_it),
        TEST(go_tool_pprof_reads_snapshots_and_their_difference),
    };
    return cmocka_run_group_tests(tests, create_profiler, destroy_profiler);
}
