/* capture.h: the stack of whoever calls, for samples that are taken where something happens: a block is allocated, a
 * wait is over, a lock is let go of, a thread is started. (The CPU sampler's come from a signal instead.)
 *
 * One unwinder serves the whole process, because malloc and the locks know of no profiler that they belong to. */
#ifndef PROFILER_CAPTURE_H
#define PROFILER_CAPTURE_H

#include "base/check.h"
#include "profiler/unwind.h"
#include "profiler/stack_table.h"

#include <stdbool.h>

struct capture {
    struct stack_key key; /* pcs points into this struct; the labels are the running task's, and the thread's name */
    bool is_truncated, is_rootless;
    uintptr_t pcs[UNWIND_DEPTH_MAX];
};

/* From now on stacks can be captured. The unwinder and the symbols (for the epoch) outlive capture_remove. */
struct symbols;
void capture_install(struct unwinder *unwinder, struct symbols *symbols);
/* From now on none can; returns when no capture is under way any more. */
void capture_remove(void);

/* The caller's stack from the function that calls this on, labels included (LABEL_REASON is the caller's to fill in).
 * Allocates nothing, takes no lock. False: nothing is installed, or this thread is in a capture already. Every true one
 * is followed by capture_done on the same thread, as soon as possible. Not in a signal handler. [any] */
bool capture_begin(struct capture *capture) MUST_USE;
/* The same from further out: from the caller of the function of ours whose frame this is, as that function's own
 * __builtin_frame_address(0) says. So a hook leaves itself out. */
bool capture_begin_from(struct capture *capture, const void *frame) MUST_USE;
void capture_done(void);

#endif
