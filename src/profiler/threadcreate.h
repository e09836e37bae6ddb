/* threadcreate.h: which stacks started threads, since the program began.
 *
 * interpose/thread.c stands in front of pthread_create. [any] */
#ifndef PROFILER_THREADCREATE_H
#define PROFILER_THREADCREATE_H

#include "base/check.h"

#include <stdbool.h>

struct stack_record;
struct stack_table;

/* The record of whoever called the function that has this frame, and that is about to start a thread. */
struct stack_record *threadcreate_look(const void *frame);
/* It was started. */
void threadcreate_add(struct stack_record *record);

/* Add threads, by stack. Those that were started while no stack could be had (the main one at least) are
 * "[before profiling]". */
void threadcreate_collect(struct stack_table *stacks);

/* Defined where the hook is linked in. */
extern const bool threadcreate_hook_is_linked __attribute__((weak));

#endif
