/* debug_port.c: the debug port: its routes, and who can reach it. */
#include "http/debug_port.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/ports.h"
#include "metrics/metrics.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

static const struct http_route routes[] = {
    {DEBUG_PREFIX, HTTP_ALLOW_GET, debug_answer_below_prefix},
    {DEBUG_PREFIX "cmdline", HTTP_ALLOW_GET, debug_answer_cmdline},
    {DEBUG_PREFIX "symbol", HTTP_ALLOW_GET | HTTP_ALLOW_POST, debug_answer_symbol},
    {DEBUG_PREFIX "trace", HTTP_ALLOW_GET, debug_answer_trace},
    {DEBUG_PREFIX "ui", HTTP_ALLOW_GET, debug_answer_ui},
    {DEBUG_CAPTURES, HTTP_ALLOW_GET, debug_answer_captures},
    {DEBUG_CAPTURES "/", HTTP_ALLOW_GET, debug_answer_captures},
    {"/debug/fgprof", HTTP_ALLOW_GET, debug_answer_fgprof},
    {"/debug/profiler/config", HTTP_ALLOW_GET | HTTP_ALLOW_PUT, debug_answer_control},
};

void debug_answer_text(struct http_exchange *exchange, struct bytes body)
{
    debug_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = body,
    });
}

void debug_append_time(struct buf *text, int64_t since_1970_ns)
{
    time_t seconds = (time_t)(since_1970_ns / (int64_t)NS_PER_S);
    struct tm utc;
    char time[32];
    gmtime_r(&seconds, &utc);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &utc);
    buf_append_string(text, time);
}

static void debug_port_closed(void *context)
{
    struct debug_port *debug = context;
    if (debug->metrics)
        metrics_collector_remove(debug->metrics, debug);
    debug_cursors_destroy(debug->cursors);
    mem_free(debug);
}

static bool is_loopback(const char *host)
{
    struct in_addr address;
    bool is_ip4_loopback = inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
    return is_ip4_loopback || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

int http_debug_port_open(struct http_port **port, struct reactor *reactor, const struct profiler_options *options,
                         struct profiler *profiler, struct metrics *metrics)
{
    struct debug_port *debug = MEM_NEW(struct debug_port);
    debug->profiler = profiler;
    debug->metrics = metrics;
    debug->cursors = debug_cursors_create();
    debug_limits_init(&debug->limits);
    if (metrics)
        metrics_collector_add(metrics, debug_write_metrics, debug);
    int rc = http_port_open(port, reactor, &(struct http_port_setup){
        .name = "profiler",
        .host = options->host,
        .port = options->port,
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .error_headers = "X-Go-Pprof: 1\r\n",
        .context = debug,
        .closed = debug_port_closed,
    });
    if (rc == 0 && !is_loopback(options->host))
        log_warning("other machines can reach the debug port: it has no password, and shows what the program does "
                    "host=%s port=%u", options->host, http_port_number(*port));
    return rc;
}
