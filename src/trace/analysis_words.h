/* analysis_words.h: the words that an analysis is written in: names, times, places, who did what, and why so long. */
#ifndef TRACE_ANALYSIS_WORDS_H
#define TRACE_ANALYSIS_WORDS_H

#include "trace/analysis_state.h"

const char *words_text(const struct trace_analysis *analysis, uint32_t id);
/* "running", "pwrite". */
const char *words_activity_name(const struct trace_analysis *analysis, enum activity activity);
double words_ms(uint64_t ns);
double words_seconds(uint64_t ns);

/* Names come from a file that anybody may have written: nothing that a terminal would act on. */
void words_write_name(struct buf *text, const char *name);
/* "0.021 ms", "50.3 ms", "8.00 s": three digits or so that matter. */
void words_write_duration(struct buf *text, uint64_t ns);
/* "Produce #412", or of a task that serves no request its name. */
void words_write_actor(const struct trace_analysis *analysis, struct buf *text, const struct actor *who);
/* "reactor-0", or where names are not known "lane 4 (thread 4711)". */
void words_write_lane(const struct trace_analysis *analysis, struct buf *text, uint32_t index);
/* "waiting for a lock (mutex lock)" */
void words_write_activity(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed);
/* ", region append, in storage_log_append storage/log.c:231"; of what ran: between which places, and which CPU samples
 * were taken there. */
void words_write_deed_place(const struct trace_analysis *analysis, struct buf *text, const struct deed *deed);
/* Of a wait: who ended it, and what he did meanwhile. Of being runnable: who ran. Behind `start`; nothing at all if
 * that is not known. */
void words_write_cause(const struct trace_analysis *analysis, struct buf *text, const struct piece *piece,
                       const char *start);

#endif
