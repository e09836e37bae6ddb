/* by_label.h: how much of a profile each value of a label has: CPU by api, waits by reason. Labels are those that are
 * texts; numbers have too many values for a table. [any] */
#ifndef PPROF_BY_LABEL_H
#define PPROF_BY_LABEL_H

#include "base/buf.h"
#include "base/json.h"
#include "pprof/filter.h"

/* More are counted, and not kept: a label may have as many values as there are samples. */
#define BY_LABEL_ROWS_MAX 100

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
    uint32_t value_count;      /* how many rows there would be without the limit */
    struct arena arena;
};

/* The filter must outlive the table. A sample with several values of one label counts in each of their rows. */
void by_label_init(struct by_label *table, const struct filter *filter, const char *key);
void by_label_deinit(struct by_label *table);

/* The keys of a profile's labels, without FILTER_BASE_LABEL: how many there are. The first `capacity` of them go to
 * keys, and live as long as the profile: first those that say for whom and why, as takhin names them (api, topic,
 * client_id, reason, thread, broker), then the others in the order of their first use. */
size_t by_label_keys(const struct profile *profile, const char **keys, size_t capacity);

/* Append "api:" and a line for each row, at most row_limit; nothing if there are none. */
void by_label_print(const struct by_label *table, uint32_t row_limit, struct buf *out);
/* An object: {"key", "values", "rows": [{"value", "sum", "share", "samples"}]}; values: how many there are. */
void by_label_write_json(const struct by_label *table, struct json_writer *json, const char *name);

#endif
