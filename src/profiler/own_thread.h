/* own_thread.h: threads of the profiler's own, which wait for their next time or to be told something. */
#ifndef PROFILER_OWN_THREAD_H
#define PROFILER_OWN_THREAD_H

#include "base/check.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What they are all called. */
#define OWN_THREAD_NAME "takhin-profiler"

/* All signals but the profiler's go to the program's own threads. Negative errno. */
int own_thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument) MUST_USE;

/* Monotonic time of the kernel, which is what these conditions wait by: not a test's clock. */
uint64_t own_thread_clock_ns(void);
void own_thread_condition_init(pthread_cond_t *condition);
/* False: it is that time. */
bool own_thread_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until_ns);

#endif
