/* profile.h: a profile as data: what profile.proto holds, in plain arrays.
 *
 * Field meanings are those of github.com/google/pprof proto/profile.proto. Ids are positions in these arrays: a
 * function's id n is functions[n - 1], 0 means none, as in the format. Strings are indexes into the profile's table;
 * index 0 is "". One thread at a time. */
#ifndef PPROF_PROFILE_H
#define PPROF_PROFILE_H

#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile;

struct profile_value_type {
    uint32_t type, unit; /* strings: "cpu", "nanoseconds" */
};

struct profile_mapping {
    uint64_t start, limit, file_offset;
    uint32_t file, build_id; /* strings */
    bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct profile_function {
    uint32_t name, system_name, file; /* strings */
    int64_t start_line;
};

struct profile_line {
    uint32_t function; /* id */
    int64_t line;
};

/* Lines: innermost inlined function first. */
struct profile_location {
    uint64_t address;
    uint32_t mapping; /* id, 0: none */
    uint32_t line_start, line_count; /* into profile->lines */
};

struct profile_label {
    uint32_t key;    /* string */
    uint32_t text;   /* string; 0: the label is a number */
    int64_t number;
    uint32_t unit;   /* string, of the number; 0: none */
};

/* As they are kept, since nearly all are texts: read them with profile_label_at. */
#define PROFILE_LABEL_KEY_MAX INT32_MAX
struct profile_kept_label {
    uint32_t key : 31;
    uint32_t has_number : 1;
    uint32_t text; /* string; or, if it has a number, into profile->label_numbers */
};

struct profile_label_number {
    int64_t number;
    uint32_t unit, text;
};

/* Locations: leaf first. Samples with equal labels may share them. The values: profile_sample_values. */
struct profile_sample {
    uint32_t location_start, location_count; /* into profile->sample_locations */
    uint32_t label_start, label_count;       /* into profile->sample_labels */
};

/* Read it freely; change it with the functions below only, which keep the tables free of doubles. */
struct profile {
    struct profile_value_type *sample_types;
    struct profile_mapping *mappings;
    struct profile_function *functions;
    struct profile_line *lines;
    struct profile_location *locations;
    struct profile_sample *samples;
    uint32_t *sample_locations; /* ids */
    struct profile_kept_label *sample_labels;
    struct profile_label_number *label_numbers;
    int64_t *sample_values; /* of the first sample one for each sample type, of the second, ... */
    struct bytes *strings;
    uint32_t *comments; /* strings */
    uint32_t sample_type_count, mapping_count, function_count, line_count, location_count, sample_count;
    uint32_t sample_location_count, sample_label_count, label_number_count, sample_value_count;
    uint32_t string_count, comment_count;

    struct profile_value_type period_type;
    int64_t period;
    int64_t time_ns;     /* start, since 1970 */
    int64_t duration_ns; /* 0: a snapshot */
    uint32_t default_sample_type, drop_frames, keep_frames, doc_url; /* strings */

    struct profile_tables *tables; /* the private side: hash tables and capacities */
};

/* One for each sample type, of a sample of this profile. */
static inline int64_t *profile_sample_values(const struct profile *profile, const struct profile_sample *sample)
{
    return profile->sample_values + (size_t)(sample - profile->samples) * profile->sample_type_count;
}

/* A sample's are at its label_start and behind. */
static inline struct profile_label profile_label_at(const struct profile *profile, uint32_t position)
{
    struct profile_kept_label kept = profile->sample_labels[position];
    if (!kept.has_number)
        return (struct profile_label){.key = kept.key, .text = kept.text};
    const struct profile_label_number *number = &profile->label_numbers[kept.text];
    return (struct profile_label){kept.key, number->text, number->number, number->unit};
}

struct profile *profile_create(void);
void profile_destroy(struct profile *profile);

/* Index of an interned string. Names come from clients, threads and files and may be any bytes, but one that is no
 * UTF-8 makes strict readers of protocol buffers refuse the whole profile: "?" stands for each byte that is none. */
uint32_t profile_string(struct profile *profile, const char *text);
uint32_t profile_string_bytes(struct profile *profile, struct bytes text);
/* The index that a text has; 0 if the profile does not have it. */
uint32_t profile_find_string(const struct profile *profile, const char *text);
/* The text of an index: NUL-terminated, valid while the profile lives. */
const char *profile_text(const struct profile *profile, uint32_t string);
/* What of a path is behind its last slash; the path itself where that is nothing. */
const char *profile_base_name(const char *path);

/* Before the first sample. */
void profile_add_sample_type(struct profile *profile, const char *type, const char *unit);
uint32_t profile_add_mapping(struct profile *profile, const struct profile_mapping *mapping);
/* Equal ones (name, system name, file, start line) get the same id. */
uint32_t profile_add_function(struct profile *profile, const char *name, const char *file, int64_t start_line);
/* The same for a function whose system name is not its name, or whose strings are interned already. */
uint32_t profile_add_function_record(struct profile *profile, const struct profile_function *function);
uint32_t profile_add_location(struct profile *profile, uint32_t mapping, uint64_t address,
                              const struct profile_line *lines, uint32_t line_count);
/* Samples with equal locations and labels become one, their values added up. */
void profile_add_sample(struct profile *profile, const uint32_t *locations, uint32_t location_count,
                        const int64_t *values, const struct profile_label *labels, uint32_t label_count);
/* The same without looking for an equal one: for readers, who take what is there. */
void profile_append_sample(struct profile *profile, const uint32_t *locations, uint32_t location_count,
                           const int64_t *values, const struct profile_label *labels, uint32_t label_count);
void profile_add_comment(struct profile *profile, const char *text);

#endif
