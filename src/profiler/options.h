/* options.h: what the profiler is told by the configuration, and over its own port. */
#ifndef PROFILER_OPTIONS_H
#define PROFILER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* The largest value of each; the smallest is 1, or 0 where that says off. The configuration, the control endpoint and
 * requests hold to the same. */
#define PROFILER_CPU_HZ_MAX 1000
#define PROFILER_MEM_RATE_MAX (1ll << 40)                 /* 1 TiB */
#define PROFILER_BLOCK_RATE_MAX (3600 * 1000000000ll)     /* an hour */
#define PROFILER_MUTEX_FRACTION_MAX 1000000000ll
#define PROFILER_TRACE_BUFFER_MAX (1ll << 30)             /* 1 GiB */
#define PROFILER_SLOW_REQUEST_MS_MAX (3600 * 1000ll)      /* an hour */
/* Of capture_bytes the smallest: one capture fits in any case. */
#define PROFILER_CAPTURE_BYTES_MIN (32ll << 20)

struct profiler_options {
    bool enabled;             /* off: nothing is sampled, no port, no thread, no timer */
    const char *host;         /* of the debug port */
    uint16_t port;            /* 0: a free one */
    int32_t cpu_hz;           /* samples per second of CPU time where a request names no rate, 1 to 1000 */
    int64_t mem_rate;         /* bytes allocated between two samples of the heap, on average; 1: all; 0: off */
    int64_t block_rate;       /* ns of waiting between two samples of block, on average; 1: all; 0: off */
    int64_t mutex_fraction;   /* one in so many delays is a sample of mutex; 1: all; 0: off */
    bool label_topics;        /* samples carry the label topic */
    bool label_clients;       /* samples carry the label client_id */
    int64_t max_duration_ns;  /* longest profile that one request may ask for */
    int64_t trace_buffer;     /* bytes of the flight recorder, up to PROFILER_TRACE_BUFFER_MAX; 0: off */
    int64_t slow_request_ms;  /* a request that took so long saves the trace around it; 0: none does */
    const char *capture_dir;  /* where to */
    int64_t capture_cooldown_ns;  /* at least, between two captures */
    int64_t capture_bytes;    /* that all captures may have together: the oldest go first */
    int64_t capture_age_ns;   /* older ones are removed */
};

#endif
