/* ports.h: the three HTTP ports of the program. Each opens on the reactor that it is given, which serves all three and
 * nothing else, so that a broker whose loops hang can still be asked how it is. http/port.h has what to do with them
 * afterwards: http_port_number, http_port_close. None may be opened or closed on a reactor's thread. */
#ifndef HTTP_PORTS_H
#define HTTP_PORTS_H

#include "base/buf.h"
#include "base/check.h"
#include "http/options.h"
#include "http/port.h"
#include "profiler/options.h"

struct metrics;
struct profiler;
struct reactor;

/* /debug/pprof/: every kind of profile and the trace, as Go's net/http/pprof serves its own, each profile as a page
 * that draws it, and captures of what was slow; /debug/fgprof; and the profiler's settings at /debug/profiler/config.
 * Host and port are taken from the options; one that other machines reach is warned of in the log. While it is open,
 * `metrics` (NULL: none) also shows the profiler's own figures. The profiler and the metrics outlive the port. */
int http_debug_port_open(struct http_port **port, struct reactor *reactor, const struct profiler_options *options,
                         struct profiler *profiler, struct metrics *metrics) MUST_USE;

/* /metrics, in Prometheus' text format or as OpenMetrics where the reader asks for that. */
int http_metrics_port_open(struct http_port **port, struct reactor *reactor, const struct http_port_options *options,
                           struct metrics *metrics) MUST_USE;

/* How the broker is. Both run on the HTTP reactor between tasks: they read what is known and must not wait. */
struct http_health {
    /* Every loop of the broker still answers. */
    bool (*is_live)(void *context);
    /* Clients can be served. Appends a JSON object that says so, or what is still missing:
     * {"status":"ready"}, {"status":"recovering","partitions_done":3,"partitions_total":10}, {"status":"stopping"}. */
    bool (*is_ready)(void *context, struct buf *json);
    void *context; /* outlives the port */
};

/* /health/live (/livez), /health/ready (/readyz), and both in one at /health (/healthz). 200 or 503. */
int http_health_port_open(struct http_port **port, struct reactor *reactor, const struct http_port_options *options,
                          const struct http_health *health) MUST_USE;

#endif
