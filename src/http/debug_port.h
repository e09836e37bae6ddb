/* debug_port.h: what the handlers of the debug port share. For the files of this folder only. */
#ifndef HTTP_DEBUG_PORT_H
#define HTTP_DEBUG_PORT_H

#include "http/port.h"

struct metrics;
struct profiler;

/* The context of the debug port's exchanges. */
struct debug_port {
    struct profiler *profiler;
    struct metrics *metrics; /* NULL: none */
};

/* /debug/pprof/profile: a CPU profile of the next seconds. */
void debug_answer_profile(struct http_exchange *exchange);

#endif
