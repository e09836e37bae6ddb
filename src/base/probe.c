/* probe.c: storage of what passes between the program and the profiler. */
#include "base/probe.h"

_Thread_local struct probe_execution probe_execution;
const struct probe_sink *_Atomic probe_sink;
probe_tasks_fn *_Atomic probe_tasks;
probe_task_count_fn *_Atomic probe_task_count;

void probe_labels(const char *labels[LABEL_KEY_COUNT])
{
    const struct label_set *set = probe_execution.labels;
    for (int i = 0; i < LABEL_TASK_COUNT; i++)
        labels[i] = set && label_key_is_on((enum label_key)i) ? set->value[i] : NULL;
    for (int i = LABEL_TASK_COUNT; i < LABEL_KEY_COUNT; i++)
        labels[i] = NULL;
}
