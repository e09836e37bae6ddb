/* thread_name.h: the name of the running thread, as a label's text. */
#ifndef PROFILER_THREAD_NAME_H
#define PROFILER_THREAD_NAME_H

/* The kernel's name for this thread, as it was some ms ago at most; interned, like other labels. "other" once there
 * are LABEL_VALUES_MAX names; NULL if samples carry no label thread. Allocates nothing, takes no lock: it may be called
 * inside malloc. [any] */
const char *thread_name_label(void);

#endif
