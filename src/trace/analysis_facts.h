/* analysis_facts.h: what is told of a trace, picked out of what was gathered and put in order: for the writers of text
 * and JSON. */
#ifndef TRACE_ANALYSIS_FACTS_H
#define TRACE_ANALYSIS_FACTS_H

#include "trace/analysis_state.h"

#include "base/buf.h"

struct facts {
    struct buf findings; /* what was worst and why: sentences, those of one matter in a line */
    const struct api **apis; /* what took most time in all first; their durations are sorted */
    uint32_t api_count;
    const struct stretch *held[2 * STRETCH_COUNT]; /* long times of reactors with one task, those of requests first */
    unsigned held_count;
    const struct analyzed_lane **lanes; /* that did anything, the busiest first */
    uint32_t lane_count;
};

/* Ends the analysis; pointers are into it. */
void facts_init(struct facts *facts, struct trace_analysis *analysis);
void facts_deinit(struct facts *facts);

/* The nearest rank of an api's durations. */
uint64_t facts_percentile_ns(const struct api *api, unsigned percent);
/* Whether a piece is long enough to say something of its request. */
bool facts_piece_matters(const struct request *request, const struct piece *piece);

/* --- analysis_findings.c --- */
void findings_write(const struct trace_analysis *analysis, struct buf *text);
/* "reactor-0 was held for 50.0 ms at 0.000001 s by ...", without an end. */
void findings_write_held(const struct trace_analysis *analysis, struct buf *text, const struct stretch *stretch);

#endif
