/* summary.h: what stands out in a profile, in words: each sentence has its figure, and says what to look at next. [any]
 *
 * All of it is computed from the samples that the filter keeps. What a profile does not show is not mentioned. */
#ifndef PPROF_SUMMARY_H
#define PPROF_SUMMARY_H

#include "base/buf.h"
#include "base/json.h"
#include "pprof/tables.h"

struct finding {
    const char *id;     /* for scripts: "top_function", "growth"; a constant */
    const char *text;   /* a sentence */
    const char *next;   /* what to look at, NULL: nothing in particular */
    int64_t value;      /* the figure of the sentence, in `unit` */
    const char *unit;
    double share;       /* of the whole, 1 is all of it; NAN: of nothing */
};

struct summary {
    enum profile_kind kind;
    struct finding *findings; /* in the order in which to read them */
    uint32_t finding_count;
    struct arena arena;
};

/* The tables must outlive it. */
void summary_init(struct summary *summary, const struct tables *tables);
void summary_deinit(struct summary *summary);

/* A line for each finding, and its next step behind it. */
void summary_print(const struct summary *summary, struct buf *out);
/* {"kind", "findings": [{"id", "text", "next", "value", "unit", "share"}]}; next is null where there is none, share
 * absent where it would be of nothing. */
void summary_write_json(const struct summary *summary, struct json_writer *json, const char *name);

#endif
