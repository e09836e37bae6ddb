/* wait_frames.h: the functions inside of the runtime's locks and waits (runtime/lock.h, task.h), down to the switch and
 * to the probes. They are the same below every wait and say nothing, so a viewer's leaf is what was called. */
#ifndef PROFILER_WAIT_FRAMES_H
#define PROFILER_WAIT_FRAMES_H

#include <stdbool.h>

/* As profile_type.drop_frames has it; here only names and bars. */
#define WAIT_FRAMES                                                                                                    \
    "park|task_park|task_park_until|task_park_uncancelable|task_park_from|tell_waited|tell_delayed|queue_wait"         \
    "|queue_wait_uncancelable|rwlock_lock|task_mutex_lock_contended|task_mutex_unlock_contended|wait_readable"

/* Whether this function is one of them. [any] */
bool wait_frames_have(const char *function);

#endif
