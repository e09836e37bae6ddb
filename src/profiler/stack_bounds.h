/* stack_bounds.h: where a stack ends, for whoever is about to walk one of the calling thread's. [signal] */
#ifndef PROFILER_STACK_BOUNDS_H
#define PROFILER_STACK_BOUNDS_H

#include <stdint.h>

/* The end of the stack that holds this address: that of the task that runs here, or the thread's own, of which all from
 * the address up can be read. 0: neither, as on an alternate one. The first calls on a thread ask the kernel about a
 * few pages. */
uintptr_t stack_bounds_high(uintptr_t address);

#endif
