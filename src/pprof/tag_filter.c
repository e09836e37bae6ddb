/* tag_filter.c: ranges of numbers with units, or expressions on texts. */
#include "pprof/tag_filter.h"

#include "base/error.h"
#include "pprof/measure.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* --- ranges --- */

struct quantity {
    int64_t number;
    char unit[32];
};

/* "-4kb" at *at, which moves behind it. */
static bool parse_quantity(const char **at, struct quantity *quantity)
{
    const char *digits = *at + (**at == '+' || **at == '-');
    if (!isdigit((unsigned char)*digits))
        return false;
    char *end;
    errno = 0;
    quantity->number = strtoll(*at, &end, 10);
    if (errno != 0)
        return false;
    size_t length = 0;
    while (isalpha((unsigned char)end[length]) && length < sizeof(quantity->unit) - 1) {
        quantity->unit[length] = end[length];
        length++;
    }
    quantity->unit[length] = '\0';
    *at = end + length;
    return true;
}

/* "4kb", "4kb:", ":4kb" or "4kb:1mb"; false: it is none of them. */
static bool parse_range(struct tag_filter *filter, const char *text, struct arena *arena)
{
    struct quantity first, second;
    const char *at = text;
    bool is_below = *at == ':';
    at += is_below;
    if (!parse_quantity(&at, &first))
        return false;
    struct measured low = measure_scale(first.number, first.unit, first.unit);
    filter->unit = arena_printf(arena, "%s", low.unit);
    filter->low = filter->high = low.value;
    filter->has_low = !is_below;
    filter->has_high = true;
    if (*at == '\0')
        return true;
    if (is_below || *at++ != ':')
        return false;
    filter->has_high = false;
    if (*at == '\0')
        return true;
    if (!parse_quantity(&at, &second) || *at != '\0')
        return false;
    struct measured high = measure_scale(second.number, second.unit, filter->unit);
    filter->has_high = true;
    filter->high = high.value;
    return strcmp(high.unit, filter->unit) == 0;
}

static bool is_number(const struct profile_label *label)
{
    return label->text == 0 && (label->number != 0 || label->unit != 0);
}

/* A key has one unit: the first that it comes with. */
static void find_units(struct tag_filter *filter, struct arena *arena)
{
    const struct profile *profile = filter->profile;
    filter->key_units = arena_alloc_array(arena, profile->string_count, sizeof(uint32_t));
    for (uint32_t i = 0; i < profile->sample_count; i++) {
        const struct profile_sample *sample = &profile->samples[i];
        for (uint32_t j = 0; j < sample->label_count; j++) {
            struct profile_label label = profile_label_at(profile, sample->label_start + j);
            if (is_number(&label) && filter->key_units[label.key] == 0)
                filter->key_units[label.key] = label.unit;
        }
    }
}

/* Without a unit of its own it is the key that says what is counted. */
static const char *unit_of_key(const struct tag_filter *filter, uint32_t key)
{
    if (filter->key_units[key] != 0)
        return profile_text(filter->profile, filter->key_units[key]);
    const char *name = profile_text(filter->profile, key);
    return strcmp(name, "alignment") == 0 || strcmp(name, "request") == 0 ? "bytes" : name;
}

static bool is_in_range(const struct tag_filter *filter, const struct profile_label *label)
{
    if (!is_number(label))
        return false;
    struct measured scaled = measure_scale(label->number, unit_of_key(filter, label->key), filter->unit);
    return strcmp(scaled.unit, filter->unit) == 0 && (!filter->has_low || scaled.value >= filter->low) &&
           (!filter->has_high || scaled.value <= filter->high);
}

/* --- expressions --- */

static int compile_patterns(struct tag_filter *filter, const char *expressions)
{
    char *copy = mem_copy_string(expressions), *rest = copy, *expression;
    int result = 0;
    while (result == 0 && (expression = strsep(&rest, ",")) != NULL) {
        result = filter->pattern_count == TAG_PATTERNS_MAX ? ERR_MALFORMED : 0;
        if (result == 0)
            result = pattern_compile(expression, false, &filter->patterns[filter->pattern_count]);
        if (result == 0)
            filter->pattern_count++;
    }
    mem_free(copy);
    return result;
}

static uint32_t match_patterns(const struct tag_filter *filter, const struct profile_label *label)
{
    struct bytes text = filter->profile->strings[label->text];
    char *with_key = NULL;
    if (!filter->has_key) {
        with_key = mem_printf("%s:%s", profile_text(filter->profile, label->key), (const char *)text.data);
        text = bytes_of_string(with_key);
    }
    uint32_t matching = 0;
    for (uint32_t i = 0; i < filter->pattern_count; i++)
        matching |= (uint32_t)pattern_matches(filter->patterns[i], text) << i;
    mem_free(with_key);
    return matching;
}

/* Which patterns match this label; asked of the expressions once for each key and text. */
static uint32_t verdict_on(struct tag_filter *filter, const struct profile_label *label)
{
    if (filter->verdicts.count >= filter->verdicts.capacity / 2)
        pair_map_grow(&filter->verdicts);
    struct pair_slot *slot = pair_map_slot(&filter->verdicts, label->key, label->text);
    if (slot->value_plus_one == 0) {
        *slot = (struct pair_slot){label->key, label->text, match_patterns(filter, label) + 1};
        filter->verdicts.count++;
    }
    return slot->value_plus_one - 1;
}

/* --- both --- */

/* No string is this one. */
#define NO_STRING UINT32_MAX

static uint32_t find_string(const struct profile *profile, struct bytes text)
{
    for (uint32_t i = 0; i < profile->string_count; i++) {
        if (bytes_equal(profile->strings[i], text))
            return i;
    }
    return NO_STRING;
}

int tag_filter_init(struct tag_filter *filter, const struct profile *profile, const char *expression,
                    struct arena *arena)
{
    *filter = (struct tag_filter){.profile = profile};
    const char *equals = strchr(expression, '=');
    if (equals != NULL) {
        filter->has_key = true;
        filter->key = find_string(profile, bytes_of(expression, (size_t)(equals - expression)));
        expression = equals + 1;
    }
    filter->is_range = parse_range(filter, expression, arena);
    if (!filter->is_range)
        return compile_patterns(filter, expression);
    find_units(filter, arena);
    return 0;
}

void tag_filter_deinit(struct tag_filter *filter)
{
    for (uint32_t i = 0; i < filter->pattern_count; i++)
        pattern_destroy(filter->patterns[i]);
    pair_map_deinit(&filter->verdicts);
}

bool tag_filter_matches(struct tag_filter *filter, const struct profile_sample *sample)
{
    uint32_t matching = 0;
    for (uint32_t i = 0; i < sample->label_count; i++) {
        struct profile_label label = profile_label_at(filter->profile, sample->label_start + i);
        if (filter->has_key && label.key != filter->key)
            continue;
        if (filter->is_range && is_in_range(filter, &label))
            return true;
        if (!filter->is_range && label.text != 0)
            matching |= verdict_on(filter, &label);
    }
    if (filter->is_range)
        return false;
    /* With a key any of the expressions will do, without one each must be met by some label. */
    return filter->has_key ? matching != 0 : matching == (uint32_t)((1ull << filter->pattern_count) - 1);
}
