/* filter.c: one look at each location, then one at each sample. */
#include "pprof/filter.h"

#include "base/error.h"
#include "pprof/pattern.h"
#include "pprof/tag_filter.h"

#include <errno.h>
#include <stdlib.h>

static bool is_given(const char *option)
{
    return option != NULL && *option != '\0';
}

/* --- which value --- */

static uint32_t default_value_index(const struct profile *profile)
{
    for (uint32_t i = 0; i < profile->sample_type_count && profile->default_sample_type != 0; i++) {
        if (profile->sample_types[i].type == profile->default_sample_type)
            return i;
    }
    return profile->sample_type_count - 1;
}

static int refuse_index(const struct profile *profile, const char *sample_index, struct buf *problem)
{
    buf_printf(problem, "sample_index \"%s\" must be one of: [", sample_index);
    for (uint32_t i = 0; i < profile->sample_type_count; i++)
        buf_printf(problem, "%s%s", i == 0 ? "" : " ", profile_text(profile, profile->sample_types[i].type));
    buf_append_string(problem, "]");
    return ERR_OUT_OF_RANGE;
}

int filter_value_index(const struct profile *profile, const char *sample_index, uint32_t *index, struct buf *problem)
{
    ASSERT(profile->sample_type_count > 0);
    *index = default_value_index(profile);
    if (!is_given(sample_index))
        return 0;
    char *end;
    errno = 0;
    long long number = strtoll(sample_index, &end, 10);
    if (*end == '\0' && errno == 0) {
        if (number < 0 || number >= profile->sample_type_count) {
            buf_printf(problem, "sample_index %s is outside the range [0..%u]", sample_index,
                       profile->sample_type_count - 1);
            return ERR_OUT_OF_RANGE;
        }
        *index = (uint32_t)number;
        return 0;
    }
    const char *short_name = strncmp(sample_index, "inuse_", 6) == 0 ? sample_index + 6 : sample_index;
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        const char *type = profile_text(profile, profile->sample_types[i].type);
        if (strcmp(type, sample_index) == 0 || strcmp(type, short_name) == 0) {
            *index = i;
            return 0;
        }
    }
    return refuse_index(profile, sample_index, problem);
}

/* --- which stacks --- */

enum verdict { UNKNOWN, NO, YES };

struct name_matcher {
    const struct profile *profile;
    struct pattern *pattern; /* NULL: not asked for */
    uint8_t *verdicts;       /* by string */
};

static bool matches_string(struct name_matcher *matcher, uint32_t string)
{
    uint8_t *verdict = &matcher->verdicts[string];
    if (*verdict == UNKNOWN)
        *verdict = pattern_matches(matcher->pattern, matcher->profile->strings[string]) ? YES : NO;
    return *verdict == YES;
}

static bool matches_location(struct name_matcher *matcher, const struct prune *prune, uint32_t id)
{
    const struct profile *profile = matcher->profile;
    const struct profile_location *location = &profile->locations[id - 1];
    for (uint32_t i = prune_first_line(prune, id); i < location->line_count; i++) {
        const struct profile_function *function =
            &profile->functions[profile->lines[location->line_start + i].function - 1];
        if (matches_string(matcher, function->name) || matches_string(matcher, function->file))
            return true;
    }
    return location->mapping != 0 && matches_string(matcher, profile->mappings[location->mapping - 1].file);
}

/* By location: whether a stack with it is kept for it, or dropped for it. */
enum place { NEUTRAL, FOCUSED, IGNORED };

struct selector {
    struct filter *filter;
    struct name_matcher focus, ignore;
    uint8_t *places; /* NULL: neither is asked for */
    bool focus_matched, ignore_matched;
    struct tag_filter tag_focus, tag_ignore;
    bool has_tag_focus, has_tag_ignore;
    bool tag_focus_matched, tag_ignore_matched;
};

static void judge_locations(struct selector *selector)
{
    const struct profile *profile = selector->filter->profile;
    selector->places = arena_alloc_array(&selector->filter->arena, (size_t)profile->location_count + 1, 1);
    for (uint32_t id = 1; id <= profile->location_count; id++) {
        const struct prune *prune = &selector->filter->prune;
        if (selector->ignore.pattern != NULL && matches_location(&selector->ignore, prune, id)) {
            selector->places[id] = IGNORED;
            selector->ignore_matched = true;
        } else if (selector->focus.pattern == NULL || matches_location(&selector->focus, prune, id)) {
            selector->places[id] = FOCUSED;
            selector->focus_matched = true;
        }
    }
}

static bool keeps_stack(const struct selector *selector, const struct profile_sample *sample)
{
    if (selector->places == NULL)
        return true;
    bool is_focused = false;
    const uint32_t *ids = selector->filter->profile->sample_locations + sample->location_start;
    for (uint32_t i = prune_sample(&selector->filter->prune, sample); i < sample->location_count; i++) {
        enum place place = selector->places[ids[i]];
        if (place == IGNORED)
            return false;
        is_focused = is_focused || place == FOCUSED;
    }
    return is_focused;
}

static bool keeps_labels(struct selector *selector, const struct profile_sample *sample)
{
    bool is_focused = !selector->has_tag_focus || tag_filter_matches(&selector->tag_focus, sample);
    bool is_ignored = selector->has_tag_ignore && tag_filter_matches(&selector->tag_ignore, sample);
    selector->tag_focus_matched = selector->tag_focus_matched || is_focused;
    selector->tag_ignore_matched = selector->tag_ignore_matched || is_ignored;
    return is_focused && !is_ignored;
}

static void judge_samples(struct selector *selector)
{
    const struct profile *profile = selector->filter->profile;
    if (selector->places == NULL && !selector->has_tag_focus && !selector->has_tag_ignore)
        return;
    selector->filter->kept = arena_alloc_array(&selector->filter->arena, profile->sample_count, 1);
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        selector->filter->kept[i] = keeps_stack(selector, sample) && keeps_labels(selector, sample);
    }
}

/* --- options --- */

static int refuse(struct buf *problem, const char *option, const char *expression)
{
    buf_printf(problem, "%s: not a regular expression that is understood here: %s", option, expression);
    return ERR_MALFORMED;
}

/* As pprof's header has it: long ones are cut. */
static void note_active(struct filter *filter, const char *option, const char *value)
{
    if (filter->active.size == 0)
        buf_append_string(&filter->active, "Active filters:\n");
    char *line = mem_printf("%s=%s", option, value);
    bool is_long = strlen(line) > 80;
    buf_printf(&filter->active, "   %.80s%s\n", line, is_long ? "…" : "");
    mem_free(line);
}

static int add_name(struct selector *selector, struct name_matcher *matcher, const char *option,
                    const char *expression, struct buf *problem)
{
    if (!is_given(expression))
        return 0;
    struct filter *filter = selector->filter;
    matcher->profile = filter->profile;
    if (pattern_compile(expression, false, &matcher->pattern) != 0)
        return refuse(problem, option, expression);
    matcher->verdicts = arena_alloc_array(&filter->arena, filter->profile->string_count, 1);
    note_active(filter, option, expression);
    return 0;
}

static int add_tag(struct filter *filter, struct tag_filter *tag, bool *has_tag, const char *option,
                   const char *expression, struct buf *problem)
{
    if (!is_given(expression))
        return 0;
    *has_tag = true;
    if (tag_filter_init(tag, filter->profile, expression, &filter->arena) != 0)
        return refuse(problem, option, expression);
    note_active(filter, option, expression);
    if (tag->is_range) {
        const char *equals = strchr(expression, '=');
        buf_printf(&filter->notes, "%s:Interpreted '%s' as range, not regexp\n", option,
                   equals == NULL ? expression : equals + 1);
    }
    return 0;
}

static int add_options(struct selector *selector, const struct filter_options *options, struct buf *problem)
{
    int result = add_name(selector, &selector->focus, "focus", options->focus, problem);
    if (result == 0)
        result = add_name(selector, &selector->ignore, "ignore", options->ignore, problem);
    if (result == 0)
        result = add_tag(selector->filter, &selector->tag_focus, &selector->has_tag_focus, "tagfocus",
                         options->tag_focus, problem);
    if (result == 0)
        result = add_tag(selector->filter, &selector->tag_ignore, &selector->has_tag_ignore, "tagignore",
                         options->tag_ignore, problem);
    return result;
}

static void note_what_matched_nothing(const struct selector *selector)
{
    const struct {
        bool is_fine;
        const char *name;
    } checks[] = {
        {selector->focus.pattern == NULL || selector->focus_matched, "Focus"},
        {selector->ignore.pattern == NULL || selector->ignore_matched, "Ignore"},
        {!selector->has_tag_focus || selector->tag_focus_matched, "TagFocus"},
        {!selector->has_tag_ignore || selector->tag_ignore_matched, "TagIgnore"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(checks); i++) {
        if (!checks[i].is_fine)
            buf_printf(&selector->filter->notes, "%s expression matched no samples\n", checks[i].name);
    }
}

static int select_samples(struct filter *filter, const struct filter_options *options, struct buf *problem)
{
    struct selector selector = {.filter = filter};
    int result = add_options(&selector, options, problem);
    if (result == 0) {
        if (selector.focus.pattern != NULL || selector.ignore.pattern != NULL)
            judge_locations(&selector);
        judge_samples(&selector);
        note_what_matched_nothing(&selector);
    }
    pattern_destroy(selector.focus.pattern);
    pattern_destroy(selector.ignore.pattern);
    tag_filter_deinit(&selector.tag_focus);
    tag_filter_deinit(&selector.tag_ignore);
    return result;
}

/* --- the total --- */

static bool is_of_base(const struct profile *profile, const struct profile_sample *sample, uint32_t base_key)
{
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(profile, sample->label_start + i);
        if (label.key == base_key && strcmp(profile_text(profile, label.text), "true") == 0)
            return true;
    }
    return false;
}

static void add_up(struct filter *filter)
{
    const struct profile *profile = filter->profile;
    uint32_t base_key = profile_find_string(profile, FILTER_BASE_LABEL);
    uint64_t total = 0, of_base = 0; /* unsigned: sums of hostile values wrap, as in Go */
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        int64_t value = filter_value(filter, i);
        uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        total += magnitude;
        if (base_key != 0 && is_of_base(profile, &profile->samples[i], base_key)) {
            filter->has_base = true;
            of_base += magnitude;
        }
    }
    filter->total = (int64_t)((int64_t)of_base > 0 ? of_base : total);
}

static void count_column(struct filter *filter, uint32_t value_index)
{
    const struct profile_value_type *type = &filter->profile->sample_types[value_index];
    filter->value_index = value_index;
    filter->type = profile_text(filter->profile, type->type);
    filter->unit = profile_text(filter->profile, type->unit);
}

struct filter filter_by_column(const struct filter *filter, uint32_t value_index)
{
    struct filter other = *filter;
    count_column(&other, value_index);
    add_up(&other);
    return other;
}

uint32_t filter_find_column(const struct profile *profile, const char *type)
{
    for (uint32_t i = 0; i < profile->sample_type_count; i++) {
        if (strcmp(profile_text(profile, profile->sample_types[i].type), type) == 0)
            return i;
    }
    return FILTER_NO_COLUMN;
}

int filter_init(struct filter *filter, const struct profile *profile, const struct filter_options *options,
                struct buf *problem)
{
    *filter = (struct filter){.profile = profile};
    uint32_t value_index;
    int result = filter_value_index(profile, options->sample_index, &value_index, problem);
    if (result != 0)
        return result;
    count_column(filter, value_index);
    arena_init(&filter->arena);
    buf_init(&filter->active);
    buf_init(&filter->notes);
    result = prune_init(&filter->prune, profile, &filter->arena);
    if (result != 0)
        buf_append_string(problem, "the profile's drop_frames is not a regular expression that is understood here");
    else
        result = select_samples(filter, options, problem);
    if (result == 0)
        add_up(filter);
    else
        filter_deinit(filter);
    return result;
}

void filter_deinit(struct filter *filter)
{
    buf_deinit(&filter->active);
    buf_deinit(&filter->notes);
    arena_deinit(&filter->arena);
}
