/* test_filter.c: which samples are kept and what is refused; what pprof prints for them is test_golden.c's. */
#include "pprof/filter.h"

#include "base/error.h"
#include "example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One bit for each of the seven samples of the example that is kept. */
static uint32_t kept_of(const struct filter_options *options, const char *notes)
{
    struct profile *profile = example_cpu();
    struct buf problem;
    buf_init(&problem);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, options, &problem), 0);
    assert_int_equal(problem.size, 0);
    assert_string_equal(buf_string(&filter.notes), notes);
    assert_true(filter.total == 27980000000);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < profile->sample_count; i++)
        kept |= (uint32_t)filter_keeps(&filter, i) << i;
    filter_deinit(&filter);
    buf_deinit(&problem);
    profile_destroy(profile);
    return kept;
}

static void assert_refused(const struct filter_options *options, int code, const char *sentence)
{
    struct profile *profile = example_cpu();
    struct buf problem;
    buf_init(&problem);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, options, &problem), code);
    assert_string_equal(buf_string(&problem), sentence);
    buf_deinit(&problem);
    profile_destroy(profile);
}

static void without_options_all_are_kept(void **state)
{
    (void)state;
    assert_int_equal(kept_of(&(struct filter_options){0}, ""), 0x7f);
    struct filter_options empty = {"", "", "", "", ""};
    assert_int_equal(kept_of(&empty, ""), 0x7f);
}

static void focus_and_ignore_look_at_functions_files_and_mapped_files(void **state)
{
    (void)state;
    assert_int_equal(kept_of(&(struct filter_options){.focus = "memcpy"}, ""), 0x01);
    assert_int_equal(kept_of(&(struct filter_options){.focus = "libc"}, ""), 0x01);
    assert_int_equal(kept_of(&(struct filter_options){.focus = "v\\.h"}, ""), 0x08);
    assert_int_equal(kept_of(&(struct filter_options){.ignore = "storage_log"}, ""), 0x78);
    assert_int_equal(kept_of(&(struct filter_options){.focus = "crc32c|rare", .ignore = "rare"}, ""), 0x06);
}

static void tags_are_matched_with_their_key_or_without(void **state)
{
    (void)state;
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "Prod"}, ""), 0x0f);
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "^api:Produce$"}, ""), 0x0f);
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "api=^Produce$"}, ""), 0x0f);
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "api=nothing,Produce"}, ""), 0x0f);
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "nothing,Produce"},
                             "TagFocus expression matched no samples\n"), 0);
    assert_int_equal(kept_of(&(struct filter_options){.tag_ignore = "api=."}, ""), 0x70);
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "topic=."},
                             "TagFocus expression matched no samples\n"), 0);
}

static void numbers_are_matched_by_ranges_in_any_unit(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        uint32_t kept;
    } cases[] = {{"250ms", 0x06},      {"0s:", 0x06},        {":1s", 0x06},          {"249ms:251ms", 0x06},
                 {"latency=250000us", 0x06}, {"1:250ms", 0}, {"251ms:", 0}, {"api=250ms", 0}, {":100ms", 0},
                 {"+250ms:+300ms", 0x06}, {"250", 0}, {"250kb", 0}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char notes[200], *equals = strchr(cases[i].range, '=');
        snprintf(notes, sizeof(notes), "tagfocus:Interpreted '%s' as range, not regexp\n%s",
                 equals == NULL ? cases[i].range : equals + 1,
                 cases[i].kept == 0 ? "TagFocus expression matched no samples\n" : "");
        struct filter_options options = {.tag_focus = cases[i].range};
        if (strcmp(cases[i].range, "1:250ms") == 0) /* two different units: an expression after all */
            snprintf(notes, sizeof(notes), "TagFocus expression matched no samples\n");
        assert_int_equal(kept_of(&options, notes), cases[i].kept);
    }
}

static void a_range_beyond_all_numbers_is_an_expression(void **state)
{
    (void)state;
    assert_int_equal(kept_of(&(struct filter_options){.tag_focus = "99999999999999999999ms"},
                             "TagFocus expression matched no samples\n"), 0);
}

static void what_matches_nothing_is_noted(void **state)
{
    (void)state;
    struct filter_options options = {.focus = "x1", .ignore = "x2", .tag_ignore = "x4"};
    assert_int_equal(kept_of(&options, "Focus expression matched no samples\n"
                                       "Ignore expression matched no samples\n"
                                       "TagIgnore expression matched no samples\n"), 0);
}

static void bad_expressions_are_refused_by_name(void **state)
{
    (void)state;
#define SENTENCE(option, text) option ": not a regular expression that is understood here: " text
    assert_refused(&(struct filter_options){.focus = "a("}, ERR_MALFORMED, SENTENCE("focus", "a("));
    assert_refused(&(struct filter_options){.ignore = "["}, ERR_MALFORMED, SENTENCE("ignore", "["));
    assert_refused(&(struct filter_options){.tag_focus = "a,*"}, ERR_MALFORMED, SENTENCE("tagfocus", "a,*"));
    assert_refused(&(struct filter_options){.focus = "a", .tag_ignore = "k=("}, ERR_MALFORMED,
                   SENTENCE("tagignore", "k=("));
    struct filter_options too_many = {.tag_focus = "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6"};
    assert_refused(&too_many, ERR_MALFORMED, SENTENCE("tagfocus", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,"
                                                                  "1,2,3,4,5,6"));
}

static void sample_index_is_a_name_or_a_number(void **state)
{
    (void)state;
    static const struct {
        const char *sample_index;
        uint32_t index;
    } good[] = {{NULL, 1}, {"", 1}, {"0", 0}, {"1", 1}, {"samples", 0}, {"cpu", 1}, {"inuse_samples", 0}};
    struct profile *profile = example_cpu();
    struct buf problem;
    buf_init(&problem);
    uint32_t index;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_int_equal(filter_value_index(profile, good[i].sample_index, &index, &problem), 0);
        assert_int_equal(index, good[i].index);
    }
    profile->default_sample_type = profile_string(profile, "samples");
    assert_int_equal(filter_value_index(profile, NULL, &index, &problem), 0);
    assert_int_equal(index, 0);
    buf_deinit(&problem);
    profile_destroy(profile);
    assert_refused(&(struct filter_options){.sample_index = "heap"}, ERR_OUT_OF_RANGE,
                   "sample_index \"heap\" must be one of: [samples cpu]");
    assert_refused(&(struct filter_options){.sample_index = "2"}, ERR_OUT_OF_RANGE,
                   "sample_index 2 is outside the range [0..1]");
    assert_refused(&(struct filter_options){.sample_index = "-1"}, ERR_OUT_OF_RANGE,
                   "sample_index -1 is outside the range [0..1]");
}

static void a_drop_frames_that_is_too_costly_is_refused(void **state)
{
    (void)state;
    struct profile *profile = example_cpu();
    profile->drop_frames = profile_string(profile, "((((a{1000}){1000}){1000}){1000})");
    struct buf problem;
    buf_init(&problem);
    struct filter filter;
    assert_int_equal(filter_init(&filter, profile, &(struct filter_options){0}, &problem), ERR_MALFORMED);
    assert_non_null(strstr(buf_string(&problem), "drop_frames"));
    buf_deinit(&problem);
    profile_destroy(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_all_are_kept),
        cmocka_unit_test(focus_and_ignore_look_at_functions_files_and_mapped_files),
        cmocka_unit_test(tags_are_matched_with_their_key_or_without),
        cmocka_unit_test(numbers_are_matched_by_ranges_in_any_unit),
        cmocka_unit_test(a_range_beyond_all_numbers_is_an_expression),
        cmocka_unit_test(what_matches_nothing_is_noted),
        cmocka_unit_test(bad_expressions_are_refused_by_name),
        cmocka_unit_test(sample_index_is_a_name_or_a_number),
        cmocka_unit_test(a_drop_frames_that_is_too_costly_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
