/* analysis_table.h: requests by name: how many, how long they took, and what that time went into, on average. */
#ifndef TRACE_ANALYSIS_TABLE_H
#define TRACE_ANALYSIS_TABLE_H

#include "trace/analysis_facts.h"

void analysis_table_write(const struct trace_analysis *analysis, const struct facts *facts, struct buf *text);

#endif
