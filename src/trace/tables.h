/* tables.h: the strings and stacks of a trace, each there once. Ids count from 1; 0 is "" and no stack. One thread. */
#ifndef TRACE_TABLES_H
#define TRACE_TABLES_H

#include "base/bytes.h"

#include <stdint.h>

struct trace_tables;

struct trace_frame {
    uint32_t function, file; /* strings */
    uint32_t line;
};

/* Deeper stacks lose frames: those next to the root's, which stays. */
#define TRACE_STACK_MAX 64
/* Longer strings are cut (viewers refuse more than 1024). */
#define TRACE_STRING_MAX 1000

struct trace_tables *trace_tables_create(void);
void trace_tables_destroy(struct trace_tables *tables);

uint32_t trace_string(struct trace_tables *tables, struct bytes text);
uint32_t trace_string_of(struct trace_tables *tables, const char *text);
/* Innermost frame first. */
uint32_t trace_stack(struct trace_tables *tables, const struct trace_frame *frames, unsigned depth);

uint32_t trace_string_count(const struct trace_tables *tables); /* the largest id */
uint32_t trace_stack_count(const struct trace_tables *tables);
/* Valid until the tables are destroyed; a NUL stands behind it. */
struct bytes trace_string_text(const struct trace_tables *tables, uint32_t id);
/* As long, for id > 0. */
const struct trace_frame *trace_stack_frames(const struct trace_tables *tables, uint32_t id, unsigned *depth);

#endif
