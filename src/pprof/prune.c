/* prune.c: drop_frames and keep_frames, matched once a function name. */
#include "pprof/prune.h"

#include "pprof/pattern.h"

enum verdict { UNKNOWN, SHOWN, HIDDEN };

struct matcher {
    const struct profile *profile;
    struct pattern *drop, *keep; /* keep: NULL if everything may go */
    uint8_t *verdicts; /* by string */
};

/* How much of a name is matched: all but a C++ argument list. */
static size_t simple_length(const char *name)
{
    static const char *const part_of_name[] = {"(anonymous namespace)", "operator()"};
    for (const char *at = strpbrk(name, "(o"); at != NULL; at = strpbrk(at + 1, "(o")) {
        size_t skip = 0;
        for (size_t i = 0; i < ARRAY_COUNT(part_of_name); i++) {
            if (strncmp(at, part_of_name[i], strlen(part_of_name[i])) == 0)
                skip = strlen(part_of_name[i]);
        }
        if (skip > 0)
            at += skip - 1;
        else if (*at == '(')
            return (size_t)(at - name);
    }
    return strlen(name);
}

static bool matches(const struct pattern *pattern, const char *name)
{
    name += *name == '.'; /* some systems put a dot in front of a function's name */
    return pattern_matches(pattern, bytes_of(name, simple_length(name)));
}

static bool hides(struct matcher *matcher, uint32_t name)
{
    if (name == 0)
        return false;
    uint8_t *verdict = &matcher->verdicts[name];
    if (*verdict == UNKNOWN) {
        const char *text = profile_text(matcher->profile, name);
        bool hidden = matches(matcher->drop, text) && !(matcher->keep != NULL && matches(matcher->keep, text));
        *verdict = hidden ? HIDDEN : SHOWN;
    }
    return *verdict == HIDDEN;
}

/* Lines up to the outermost one that matches: it and what is inlined into it. */
static uint32_t count_hidden_lines(struct matcher *matcher, const struct profile_location *location)
{
    const struct profile *profile = matcher->profile;
    for (uint32_t i = location->line_count; i > 0; i--) {
        uint32_t function = profile->lines[location->line_start + i - 1].function;
        if (hides(matcher, profile->functions[function - 1].name))
            return i;
    }
    return 0;
}

int prune_init(struct prune *prune, const struct profile *profile, struct arena *arena)
{
    *prune = (struct prune){.profile = profile};
    if (profile->drop_frames == 0)
        return 0;
    struct matcher matcher = {.profile = profile};
    int result = pattern_compile(profile_text(profile, profile->drop_frames), true, &matcher.drop);
    if (result == 0 && profile->keep_frames != 0)
        result = pattern_compile(profile_text(profile, profile->keep_frames), true, &matcher.keep);
    if (result == 0) {
        matcher.verdicts = arena_alloc_array(arena, profile->string_count, sizeof(*matcher.verdicts));
        prune->hidden_lines = arena_alloc_array(arena, profile->location_count, sizeof(*prune->hidden_lines));
        for (uint32_t i = 0; i < profile->location_count; i++)
            prune->hidden_lines[i] = count_hidden_lines(&matcher, &profile->locations[i]);
    }
    pattern_destroy(matcher.keep);
    pattern_destroy(matcher.drop);
    return result;
}

uint32_t prune_sample(const struct prune *prune, const struct profile_sample *sample)
{
    if (prune->hidden_lines == NULL || sample->location_count == 0)
        return 0;
    const uint32_t *ids = prune->profile->sample_locations + sample->location_start;
    bool shown_before = false;
    for (uint32_t i = sample->location_count; i > 0; i--) {
        uint32_t hidden = prune->hidden_lines[ids[i - 1] - 1];
        if (hidden == 0)
            shown_before = true;
        else if (shown_before)
            return hidden == prune->profile->locations[ids[i - 1] - 1].line_count ? i : i - 1;
    }
    return 0;
}

uint32_t prune_first_line(const struct prune *prune, uint32_t location_id)
{
    if (prune->hidden_lines == NULL)
        return 0;
    uint32_t hidden = prune->hidden_lines[location_id - 1];
    return hidden == prune->profile->locations[location_id - 1].line_count ? 0 : hidden;
}
