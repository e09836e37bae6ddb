/* signal.h: the one owner of SIGPROF, which two parts of the profiler use: timers that take samples of CPU time, and
 * requests to a thread to walk its own stack.
 *
 * The first user takes the signal, the last one gives it back as it was. Signals of others (setitimer, kill) are
 * ignored meanwhile. */
#ifndef PROFILER_SIGNAL_H
#define PROFILER_SIGNAL_H

#include "base/check.h"
#include "profiler/unwind.h"

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

enum signal_source {
    SIGNAL_TIMER,   /* a timer of ours has expired (SI_TIMER) */
    SIGNAL_REQUEST, /* sent with a value by rt_tgsigqueueinfo (SI_QUEUE) */
    SIGNAL_SOURCE_COUNT
};

/* Runs in the signal handler, on whichever thread the signal came to. Whose signal it is, and whether it still counts,
 * the value must tell: others may send such signals too, and one may come long after it was sent. */
typedef void signal_handle_fn(const siginfo_t *info, const ucontext_t *context, void *argument);

/* From now on signals of this source are handled. ERR_BUSY: somebody else handles them; or a negative errno. */
int signal_install(enum signal_source source, signal_handle_fn *handle, void *argument) MUST_USE;
/* Returns when no handler uses the argument any more. Nothing may send such a signal any longer. */
void signal_remove(enum signal_source source);

/* No handler runs on any thread just now. */
bool signal_is_quiet(void);
void signal_wait_until_quiet(void);

/* Walk the stack that the signal interrupted, or its pc alone where it is not on a stack that is known. As
 * unwind_walk; pcs has room for UNWIND_DEPTH_MAX. In the handler only. [signal] */
enum unwind_end signal_walk(struct unwinder *unwinder, const ucontext_t *context, uintptr_t *pcs, unsigned *depth);

#endif
