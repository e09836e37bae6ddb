/* live_table.h: of heap profiles, what each function has that is live beside all that it allocated: who hardly gives
 * anything back is seen in one profile; in the difference of two, whose live memory grew, and how fast. [any] */
#ifndef PPROF_LIVE_TABLE_H
#define PPROF_LIVE_TABLE_H

#include "base/buf.h"
#include "base/json.h"
#include "pprof/filter.h"

/* More are counted, and not kept. */
#define LIVE_ROWS_MAX 100

enum live_column { LIVE_BYTES, LIVE_OBJECTS, ALLOCATED_BYTES, ALLOCATED_OBJECTS, LIVE_COLUMN_COUNT };

struct live_row {
    const char *function;
    int64_t values[LIVE_COLUMN_COUNT]; /* of the function itself, not of what it calls */
};

struct live_table {
    int64_t elapsed_ns;      /* between the two profiles of a difference; 0: unknown, or of one profile */
    bool is_of_window;       /* what was allocated came in a time, and what is live is not of that alone */
    bool is_growth;          /* live is how much more: Go subtracts what was live when the window began */
    int64_t totals[LIVE_COLUMN_COUNT]; /* of all that the filter keeps */
    struct live_row *rows;   /* most live bytes first, or most growth of them */
    uint32_t row_count;
    uint32_t function_count; /* how many rows there would be without the limit */
    struct arena arena;
};

/* The filter must outlive the table. Without rows if the profile lacks one of the four columns. */
void live_table_init(struct live_table *table, const struct filter *filter, int64_t elapsed_ns);
void live_table_deinit(struct live_table *table);

/* A value of which so much came in elapsed_ns, a minute. */
int64_t live_table_per_minute(int64_t value, int64_t elapsed_ns);

/* Append a headed table, at most row_limit rows; nothing if there are none. How much of what was allocated still lives
 * is not said of a window. */
void live_table_print(const struct live_table *table, uint32_t row_limit, struct buf *out);
/* An object: {"functions", "elapsed_ns", "rows": [{"function", "inuse_space", "inuse_objects", "alloc_space",
 * "alloc_objects"}]}: how many functions there are; elapsed_ns only if it is known. */
void live_table_write_json(const struct live_table *table, struct json_writer *json, const char *name);

#endif
