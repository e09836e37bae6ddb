/* options.h: what the profiler is told by the configuration. */
#ifndef PROFILER_OPTIONS_H
#define PROFILER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct profiler_options {
    bool enabled;             /* off: nothing is hooked, no port, no thread, no timer */
    const char *host;         /* of the debug port */
    uint16_t port;            /* 0: a free one */
    int32_t cpu_hz;           /* samples per second of CPU time where a request names no rate, 1 to 1000 */
    int64_t max_duration_ns;  /* longest profile that one request may ask for */
};

#endif
