/* trace_stacks.h: from addresses to the stacks of a trace: each different one gets its names once.
 *
 * A task's stack ends with its entry: a frame that has the task's name, with the file and line of its function. What
 * lies further out is the runtime's, and is left out; so are the functions that do nothing but park and wake. */
#ifndef PROFILER_TRACE_STACKS_H
#define PROFILER_TRACE_STACKS_H

#include <stdbool.h>
#include <stdint.h>

struct symbols;
struct trace_stacks;
struct trace_tables;

/* Holds the symbols while it lives; they and the tables outlive it. One thread at a time. */
struct trace_stacks *trace_stacks_create(struct symbols *symbols, struct trace_tables *tables);
/* NULL is allowed. */
void trace_stacks_destroy(struct trace_stacks *stacks);

/* The stack that is a task's entry alone. run: its function; 0: not known. */
uint32_t trace_stacks_entry(struct trace_stacks *stacks, const char *name, uintptr_t run);

struct trace_addresses {
    const uintptr_t *pcs; /* innermost first: return addresses, but for the first where first_is_exact */
    uint32_t depth;
    uint32_t epoch;       /* of symbols.h; 0: all of them are the program's own */
    uint32_t entry;       /* where the stack ends, as above; 0: of no task */
    bool first_is_exact;
};

/* 0: nothing is left of it. */
uint32_t trace_stacks_id(struct trace_stacks *stacks, const struct trace_addresses *addresses);

#endif
