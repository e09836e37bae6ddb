/* metrics_port.c: /metrics. */
#include "http/ports.h"

#include "metrics/metrics.h"

#include <string.h>

/* A reader that can read OpenMetrics names it; one that only names it to refuse it (q=0) is not known to exist. */
static enum metrics_format format_wanted(const struct http_request *request)
{
    static const char name[] = "application/openmetrics-text";
    struct bytes accept = http_request_header(request, "Accept");
    bool named = accept.size > 0 && memmem(accept.data, accept.size, name, sizeof name - 1);
    return named ? METRICS_OPENMETRICS : METRICS_TEXT;
}

static void answer_metrics(struct http_exchange *exchange)
{
    enum metrics_format format = format_wanted(exchange->request);
    struct buf text;
    buf_init(&text);
    metrics_expose(exchange->context, format, &text);
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = metrics_content_type(format),
        .headers = "Vary: Accept\r\n",
        .body = buf_bytes(&text),
    });
    buf_deinit(&text);
}

/* The root only; below it everything that has no row is unknown. */
static void answer_index(struct http_exchange *exchange)
{
    if (!bytes_equal_string(exchange->request->path, "/")) {
        http_respond_error(exchange, 404, "404 page not found");
        return;
    }
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .body = bytes_of_string("<html>\n<head>\n<title>takhin metrics</title>\n</head>\n<body>\n"
                                "<a href=\"metrics\">metrics</a>: what Prometheus reads\n</body>\n</html>\n"),
    });
}

static const struct http_route routes[] = {
    {"/", HTTP_ALLOW_GET, answer_index},
    {"/metrics", HTTP_ALLOW_GET, answer_metrics},
};

int http_metrics_port_open(struct http_port **port, struct reactor *reactor, const struct http_port_options *options,
                           struct metrics *metrics)
{
    return http_port_open(port, reactor, &(struct http_port_setup){
        .name = "metrics",
        .host = options->host,
        .port = options->port,
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .context = metrics,
    });
}
