/* by_label.h: how much of a profile each value of a label has: CPU by api, waits by reason. Labels are those that are
 * texts; numbers have too many values for a table. [any] */
#ifndef PPROF_BY_LABEL_H
#define PPROF_BY_LABEL_H

#include "base/buf.h"
#include "pprof/filter.h"
#include "base/json.h"

struct by_label_row {
    const char *value;     /* NULL: samples without the label */
    int64_t sum;
    uint32_t sample_count;
};

struct by_label {
    const struct filter *filter;
    const char *key;
    struct by_label_row *rows; /* heaviest first */
    uint32_t row_count;        /* 0: no sample has the label */
    struct arena arena;
};

/* The filter must outlive the table. A sample with several values of one label counts in each of their rows. */
void by_label_init(struct by_label *table, const struct filter *filter, const char *key);
void by_label_deinit(struct by_label *table);

/* The keys of a profile's labels in the order of their first use, without FILTER_BASE_LABEL: how many there are. The
 * first `capacity` of them go to keys, and live as long as the profile. */
size_t by_label_keys(const struct profile *profile, const char **keys, size_t capacity);

struct by_label_pair {
    const char *first, *second;
    int64_t sum;
};

/* Which two values of two labels have most together: "Produce" and "mutex lock". False if there are not two pairs at
 * least, or none that counts for more than nothing. */
bool by_label_largest_pair(const struct filter *filter, const char *first_key, const char *second_key,
                           struct by_label_pair *largest);

/* Append "api:" and a line for each row, at most row_limit (0: all); nothing if there are none. */
void by_label_print(const struct by_label *table, uint32_t row_limit, struct buf *out);
/* The same as a member of an object: {"key", "rows": [{"value", "sum", "share", "samples"}]}. */
void by_label_write_json(const struct by_label *table, struct json *json, const char *name);

#endif
