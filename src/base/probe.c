/* probe.c: storage of what each thread runs. */
#include "base/probe.h"

_Thread_local struct probe_execution probe_execution;
