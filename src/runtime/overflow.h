/* overflow.h: a task that runs off its stack is named before the process dies. */
#ifndef RUNTIME_OVERFLOW_H
#define RUNTIME_OVERFLOW_H

/* Once for the process; later calls do nothing. The action for SIGSEGV that stands then gets every fault in turn, so a
 * core (or a sanitizer's report) comes as usual. [any] */
void overflow_handler_install(void);

#endif
