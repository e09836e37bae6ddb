/* content_profile.c: profiles: read, merged, told in words and tables, drawn. */
#include "cmd/profiler/content.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/profiler/analysis.h"
#include "cmd/profiler/page.h"
#include "cmd/profiler/shell.h"
#include "pprof/by_label.h"
#include "pprof/decode.h"
#include "pprof/encode.h"
#include "pprof/filter.h"
#include "pprof/flamegraph.h"
#include "pprof/folded.h"
#include "pprof/measure.h"
#include "pprof/merge.h"
#include "pprof/report.h"
#include "pprof/simplify.h"
#include "pprof/tables.h"

#include <inttypes.h>
#include <stdio.h>

#define BROKER_LABEL "broker"
#define LENGTHS_ALIKE 1.2 /* a profile may be longer or shorter than its base by this without a word */

/* What the user has on his own machine, or asked for himself, may be larger than what anybody sends to a server; yet a
 * gzip bomb ends here, before the machine's memory does. */
static const struct profile_limits limits = {.plain_bytes = (size_t)1 << 30, .memory_bytes = (size_t)3 << 30};

/* Names stay as they came until something is shown of them: what is merged is written to a file. */
static int read_profile(struct bytes bytes, bool is_mapped, void **read_back, struct buf *problem)
{
    struct profile *profile;
    const char *text;
    int result = (is_mapped ? profile_decode_mapped : profile_decode)(bytes, limits, &profile, &text);
    *read_back = profile;
    if (result != 0)
        buf_append_string(problem, text);
    return result;
}

static void destroy_profile(void *read_back)
{
    profile_destroy(read_back);
}

static struct content_facts facts_of_profile(const void *read_back)
{
    const struct profile *profile = read_back;
    return (struct content_facts){.start_ns = profile->time_ns, .duration_ns = profile->duration_ns,
                                  .is_empty = profile->sample_count == 0};
}

/* Of all samples, in the column that is shown where nobody names another. */
static void describe_profile(const void *read_back, struct buf *text)
{
    const struct profile *profile = read_back;
    uint32_t column;
    int found = filter_value_index(profile, NULL, &column, NULL);
    ASSERT(found == 0);
    uint64_t total = 0; /* unsigned: whoever wrote it may have put anything there */
    for (uint32_t i = 0; i < profile->sample_count; i++)
        total += (uint64_t)profile_sample_values(profile, &profile->samples[i])[column];
    char total_text[128], duration[128];
    const struct profile_value_type *type = &profile->sample_types[column];
    measure_format((int64_t)total, profile_text(profile, type->unit), MEASURE_BEST_UNIT, total_text,
                   sizeof(total_text));
    buf_printf(text, "%s %s in %" PRIu32 " %s", profile_text(profile, type->type), total_text, profile->sample_count,
               profile->sample_count == 1 ? "stack" : "stacks");
    if (profile->duration_ns <= 0)
        return;
    measure_format(profile->duration_ns, "nanoseconds", MEASURE_BEST_UNIT, duration, sizeof(duration));
    buf_printf(text, ", of %s", duration);
}

static void advise_on_profile(const void *read_back, const char *path, struct buf *text)
{
    (void)read_back;
    static const char *const commands[] = {"  takhin-profiler analyze ", "  takhin-profiler analyze -flamegraph ",
                                           "  go tool pprof -http=:8080 "};
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        buf_append_string(text, commands[i]);
        shell_append_word(text, path);
        buf_append_byte(text, '\n');
    }
}

static int merge_profiles(const struct content_part *parts, size_t count, void **merged, struct buf *encoded,
                          struct buf *problem)
{
    struct merge_input *inputs = mem_alloc_array(count, sizeof(*inputs));
    for (size_t i = 0; i < count; i++)
        inputs[i] = (struct merge_input){.profile = parts[i].read_back, .label_key = BROKER_LABEL,
                                         .label_value = parts[i].broker};
    struct profile *profile;
    int result = profile_merge(inputs, count, &profile, problem);
    if (result == 0)
        profile_encode_gzip(profile, encoded);
    *merged = profile;
    mem_free(inputs);
    return result;
}

/* --- words, tables, stacks --- */

#define TOO_MANY_STACKS "has too many different stacks for that: keep fewer with -focus or -tagfocus"

static int write_folded(const struct profile *profile, const struct filter_options *options, struct buf *out,
                        struct buf *notes, struct buf *message)
{
    struct filter filter;
    int result = filter_init(&filter, profile, options, message);
    if (result != 0)
        return result;
    result = profile_write_folded(&filter, out);
    if (result != 0)
        buf_append_string(message, TOO_MANY_STACKS);
    buf_append_bytes(notes, buf_bytes(&filter.notes));
    filter_deinit(&filter);
    return result;
}

static int write_json(const struct profile *profile, const struct analysis *analysis,
                      const struct report_options *options, const char *path, struct buf *out, struct buf *notes,
                      struct buf *message)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_open_object(&json, NULL);
    json_write_string(&json, "file", path);
    json_write_string(&json, "content", "profile");
    if (analysis->base != NULL)
        json_write_string(&json, analysis->options->is_comparison ? "diff_base" : "base", analysis->options->base);
    int result = profile_write_report_json(profile, options, &json, notes, message);
    json_close_object(&json);
    buf_append_byte(out, '\n');
    return result;
}

static int write_analysis(const struct profile *profile, const struct analysis *analysis, int64_t elapsed_ns,
                          const char *path, struct buf *out, struct buf *notes, struct buf *message)
{
    const struct analysis_options *options = analysis->options;
    struct report_options report = {.filter = options->filter, .top = options->top,
                                    .is_difference = analysis->base != NULL, .elapsed_ns = elapsed_ns};
    if (options->folded)
        return write_folded(profile, &options->filter, out, notes, message);
    if (options->json)
        return write_json(profile, analysis, &report, path, out, notes, message);
    return profile_write_report(profile, &report, out, notes, message);
}

/* From the base's time to the profile's; 0: unknown. */
static int64_t elapsed_since_base(const struct profile *profile, const struct profile *base)
{
    bool is_known = base != NULL && base->time_ns > 0 && profile->time_ns > base->time_ns;
    return is_known ? profile->time_ns - base->time_ns : 0;
}

/* *difference: what is shown in place of the profile; NULL: the profile itself is, as there is no base. */
static int subtract_base(const struct profile *profile, const struct analysis *analysis, struct profile **difference,
                         struct buf *message)
{
    *difference = NULL;
    if (analysis->base == NULL)
        return 0;
    struct buf problem;
    buf_init(&problem);
    int result = profile_subtract(profile, analysis->base, analysis->options->is_comparison, difference, &problem);
    if (result != 0)
        buf_printf(message, "cannot be compared with %s: %s", analysis->options->base, buf_string(&problem));
    buf_deinit(&problem);
    return result;
}

/* Who compares 30 seconds with 10 sees growth where there is none. Heaps have no length: they add up from the start. */
static void note_lengths(const struct profile *profile, const struct profile *base, struct buf *notes)
{
    if (base == NULL || profile->duration_ns <= 0 || base->duration_ns <= 0)
        return;
    double ratio = (double)profile->duration_ns / (double)base->duration_ns;
    if (ratio > 1 / LENGTHS_ALIKE && ratio < LENGTHS_ALIKE)
        return;
    char length[64], base_length[64];
    measure_format(profile->duration_ns, "nanoseconds", MEASURE_BEST_UNIT, length, sizeof(length));
    measure_format(base->duration_ns, "nanoseconds", MEASURE_BEST_UNIT, base_length, sizeof(base_length));
    buf_printf(notes, "The profile is of %s and its base of %s: values differ for that alone\n", length, base_length);
}

static int print_analysis(void *read_back, const struct analysis *analysis, const char *path, struct buf *message)
{
    struct profile *profile = read_back, *difference;
    struct buf out, notes;
    buf_init(&out);
    buf_init(&notes);
    profile_simplify_names(profile);
    int result = subtract_base(profile, analysis, &difference, message);
    note_lengths(profile, analysis->base, &notes);
    if (result == 0)
        result = write_analysis(difference != NULL ? difference : profile, analysis,
                                elapsed_since_base(profile, analysis->base), path, &out, &notes, message);
    if (result == 0) {
        bool is_for_people = !analysis->options->json && !analysis->options->folded;
        fputs(buf_string(&notes), stderr);
        if (is_for_people)
            page_print(buf_bytes(&out));
        else
            fputs(buf_string(&out), stdout);
    }
    profile_destroy(difference);
    buf_deinit(&notes);
    buf_deinit(&out);
    return result;
}

/* --- the page --- */

#define TITLE_BROKERS 3 /* by name; others are counted */

/* Those that the profile was merged from; none if it is of one. */
static void write_brokers(const struct filter *filter, struct buf *names)
{
    struct by_label brokers;
    by_label_init(&brokers, filter, BROKER_LABEL);
    for (uint32_t i = 0; i < brokers.row_count && i < TITLE_BROKERS; i++) {
        if (brokers.rows[i].value != NULL)
            buf_printf(names, "%s%s", names->size == 0 ? "" : ", ", brokers.rows[i].value);
    }
    if (names->size > 0 && brokers.value_count > TITLE_BROKERS)
        buf_printf(names, " and %" PRIu32 " more", brokers.value_count - TITLE_BROKERS);
    by_label_deinit(&brokers);
}

/* What a profile is called by what is in it. Those of block and mutex have the same sample types; takhin's comments on
 * how they were taken are not the same. */
static const char *type_of(const struct filter *filter)
{
    static const struct {
        const char *beginning, *type;
    } comments[] = {{"engine: probes where tasks wait,", "block"},
                    {"engine: probes where locks are let go of,", "mutex"}};
    const struct profile *profile = filter->profile;
    for (uint32_t i = 0; i < profile->comment_count; i++) {
        const char *comment = profile_text(profile, profile->comments[i]);
        for (size_t j = 0; j < ARRAY_COUNT(comments); j++) {
            if (strncmp(comment, comments[j].beginning, strlen(comments[j].beginning)) == 0)
                return comments[j].type;
        }
    }
    enum profile_kind kind = profile_kind(profile);
    bool has_other_name = kind == PROFILE_KIND_CPU || kind == PROFILE_KIND_HEAP || kind == PROFILE_KIND_CONTENTION;
    return has_other_name ? profile_kind_name(kind) : filter->type;
}

/* "block profile of localhost:6060", or of the program where no broker is known. */
static void write_title(const struct filter *filter, const struct content_origin *origin, struct buf *title)
{
    const struct profile *profile = filter->profile;
    struct buf brokers;
    buf_init(&brokers);
    write_brokers(filter, &brokers);
    if (brokers.size == 0 && origin->broker != NULL)
        buf_append_string(&brokers, origin->broker);
    else if (brokers.size == 0 && profile->mapping_count > 0)
        buf_append_string(&brokers, profile_base_name(profile_text(profile, profile->mappings[0].file)));
    buf_printf(title, "%s profile", origin->type != NULL ? origin->type : type_of(filter));
    if (brokers.size > 0)
        buf_printf(title, " of %s", buf_string(&brokers));
    buf_deinit(&brokers);
}

/* base_filter: NULL if there is none. */
static int write_page(const struct filter *filter, const struct filter *base_filter,
                      const struct content_origin *origin, struct buf *page)
{
    struct buf title;
    buf_init(&title);
    write_title(filter, origin, &title);
    struct flamegraph_options options = {.title = buf_string(&title), .filter = filter, .base_filter = base_filter};
    int result = profile_write_flamegraph(filter->profile, base_filter == NULL ? NULL : base_filter->profile,
                                          &options, page);
    buf_deinit(&title);
    return result;
}

static int draw_filtered(const struct filter *filter, const struct analysis *analysis,
                         const struct content_origin *origin, struct buf *page, struct buf *message)
{
    struct filter base_filter;
    struct filter_options options = analysis->options->filter;
    bool has_base = analysis->base != NULL;
    options.sample_index = NULL; /* the base need not have that type */
    int result = has_base ? filter_init(&base_filter, analysis->base, &options, message) : 0;
    if (result != 0)
        return result;
    result = write_page(filter, has_base ? &base_filter : NULL, origin, page);
    if (result == ERR_TOO_LARGE)
        buf_append_string(message, TOO_MANY_STACKS);
    else if (result != 0)
        buf_printf(message, "has no sample type that %s has: they cannot be drawn together", analysis->options->base);
    if (has_base)
        filter_deinit(&base_filter);
    return result;
}

static int draw(void *read_back, const struct analysis *analysis, const struct content_origin *origin,
                struct buf *page, struct buf *message)
{
    struct filter filter;
    profile_simplify_names(read_back);
    int result = filter_init(&filter, read_back, &analysis->options->filter, message);
    if (result != 0)
        return result;
    result = draw_filtered(&filter, analysis, origin, page, message);
    filter_deinit(&filter);
    return result;
}

const struct profiler_content profiler_content_profile = {
    .noun = "profile",
    .read = read_profile,
    .facts = facts_of_profile,
    .describe = describe_profile,
    .advise = advise_on_profile,
    .merge = merge_profiles,
    .print_analysis = print_analysis,
    .draw = draw,
    .destroy = destroy_profile,
};
