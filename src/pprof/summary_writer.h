/* summary_writer.h: the sentences that summaries of several kinds have in common. Part of summary.c. [any] */
#ifndef PPROF_SUMMARY_WRITER_H
#define PPROF_SUMMARY_WRITER_H

#include "pprof/summary.h"

#define SUMMARY_FINDINGS_MAX 24

struct summary_writer {
    struct summary *summary;
    const struct tables *tables;
    const struct filter *filter; /* of the tables */
    const char *noun;            /* what is shared out: "CPU time" */
};

/* What a kind of profile is asked. */
struct summary_kind {
    const char *noun;
    void (*summarize)(struct summary_writer *writer);
};

/* By profile_kind. */
extern const struct summary_kind summary_kinds[PROFILE_KIND_COUNT];
/* What the difference of two profiles is asked, whatever its kind. */
void summary_of_difference(struct summary_writer *writer);

struct summary_text {
    char content[128];
};

/* A value in the filter's unit, and in another. */
struct summary_text summary_amount(const struct summary_writer *writer, int64_t value);
struct summary_text summary_measure(int64_t value, const char *unit);
struct summary_text summary_percent(int64_t value, int64_t total);

/* Add a finding. Its figure is one of the filter's unit; the caller sets another. */
PRINTF_LIKE(5, 6) struct finding *summary_add(struct summary_writer *writer, const char *id, int64_t value,
                                              double share, const char *format, ...);

/* The expression that matches this text and no other, as one word of the shell once it is between apostrophes. */
const char *summary_quote(struct summary_writer *writer, const char *text);
/* "-focus='^crc32$' -cum: who calls it". */
const char *summary_look_at_function(struct summary_writer *writer, const char *function, const char *what);

/* How much there is of it at a time, on average: 0.74 "processors busy". Only of a profile that has a duration. */
void summary_add_busy(struct summary_writer *writer, const char *what);
/* The function with the most in itself; verb: "uses". */
void summary_add_heaviest(struct summary_writer *writer, const char *verb);
/* The function nearest to the leaves that half of everything goes through, unless it was named already: it is the one
 * with the most in itself, or `named` (NULL: none). */
void summary_add_waist(struct summary_writer *writer, const char *named);
/* "by api: Produce 51.87%, Fetch 44.92%". */
void summary_add_label(struct summary_writer *writer, const char *key);
/* For whom: api, topic and client_id. */
void summary_add_labels(struct summary_writer *writer);

#endif
