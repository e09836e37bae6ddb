/* unwind.h: walks a stack inside a signal handler.
 *
 * At start, and again when objects were loaded, the unwind tables (.eh_frame, DWARF 5 section 6.4) of every mapped
 * object are compiled into one sorted table of 8-byte rows. A walk then takes no lock, allocates nothing, and reads
 * only the table and the stack between the bounds it is given: by frame pointer inside our own text, by the table
 * elsewhere. */
#ifndef PROFILER_UNWIND_H
#define PROFILER_UNWIND_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unwinder;

#define UNWIND_DEPTH_MAX 128

/* Compile the tables. Not in a signal handler. */
struct unwinder *unwinder_create(void);
/* No walk may be under way. */
void unwinder_destroy(struct unwinder *unwinder);
/* Pick up what dlopen and dlclose changed; true if anything did. Walks may be under way on other threads: they
 * end on the old table, which is freed by a later call once no walk can still use it. Not in a signal handler. */
bool unwinder_refresh(struct unwinder *unwinder);

struct unwind_stats {
    uint32_t module_count, row_count, function_count;
    size_t table_bytes;
    uint64_t build_ns; /* of the last build */
};
/* [any] */
struct unwind_stats unwinder_stats(struct unwinder *unwinder);

/* Registers of the frame to start from, and the stack's bounds: nothing outside [stack_pointer, stack_high) is read. */
struct unwind_start {
    uintptr_t pc, stack_pointer, frame_pointer;
    uintptr_t stack_high;
    bool pc_is_return_address; /* a parked task: look up pc-1 already for the first frame */
    /* Where to go on when pc is in code without a rule (a context switch): a frame address within its own bounds
     * [switch_low, switch_high); 0: nowhere. */
    uintptr_t switch_frame, switch_low, switch_high;
};

enum unwind_end {
    UNWIND_ROOT,      /* the outermost frame: thread or task entry */
    UNWIND_TRUNCATED, /* more frames than there was room for */
    UNWIND_LOST,      /* no rule, or a rule that led out of the bounds */
};

/* Fill pcs[0..capacity) with the first frame's pc and then return addresses, innermost first; *depth says how many.
 * [signal] */
enum unwind_end unwind_walk(struct unwinder *unwinder, const struct unwind_start *start, uintptr_t *pcs,
                            unsigned capacity, unsigned *depth);

#endif
