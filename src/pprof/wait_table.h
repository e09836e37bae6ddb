/* wait_table.h: who waits for what, or who makes others wait; where requests spend their time (block, mutex, fgprof).
 * [any]
 *
 * A profile of block has the waiter's stack: who waits is its label api, or else the function that waits, and for what
 * is its label reason, or else the function of the lock or channel. One of mutex has the stack of whom they wait for:
 * who that is is the function that let go of the lock, and the label api tells for which requests it worked. Of fgprof,
 * where all is that tasks do or wait for, only requests are looked at: those with both labels. */
#ifndef PPROF_WAIT_TABLE_H
#define PPROF_WAIT_TABLE_H

#include "base/buf.h"
#include "base/json.h"
#include "pprof/filter.h"

/* More are counted, and not kept. */
#define WAIT_ROWS_MAX 100

enum wait_table_of { WAITERS, HOLDERS, REQUESTS };

struct wait_row {
    const char *who;
    const char *what; /* or for whom; NULL: unknown */
    bool is_api;      /* who is the text of that label, not a function */
    int64_t time, count;
};

struct wait_table {
    struct filter times;  /* by the column of the time that was waited */
    enum wait_table_of of;
    bool has_counts;      /* of waits; fgprof has those of its looks, which say nothing */
    struct wait_row *rows; /* longest first */
    uint32_t row_count;
    uint32_t pair_count;   /* how many rows there would be without the limit */
    struct arena arena;
};

/* The filter must outlive the table. Without rows if the profile has no such times. */
void wait_table_init(struct wait_table *table, const struct filter *filter);
void wait_table_deinit(struct wait_table *table);

/* Append a headed table, at most row_limit rows; nothing if there are none. */
void wait_table_print(const struct wait_table *table, uint32_t row_limit, struct buf *out);
/* An object: {"of": "waiters", "holders" or "requests", "unit", "pairs", "rows": [{"who", "what", "time", "share",
 * "count"}]}; pairs: how many there are; what is null where it is not known, count is absent of requests. */
void wait_table_write_json(const struct wait_table *table, struct json_writer *json, const char *name);

#endif
