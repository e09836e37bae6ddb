/* health_port.c: whether the broker lives and whether clients can use it. */
#include "http/ports.h"

#include "base/mem.h"

static void answer(struct http_exchange *exchange, bool is_good, struct buf *json)
{
    buf_append_byte(json, '\n');
    http_respond(exchange, &(struct http_response){
        .status = is_good ? 200 : 503,
        .content_type = "application/json",
        .headers = "Cache-Control: no-store\r\n",
        .body = buf_bytes(json),
    });
    buf_deinit(json);
}

static void answer_live(struct http_exchange *exchange)
{
    const struct http_health *health = exchange->context;
    struct buf json;
    buf_init(&json);
    bool is_live = health->is_live(health->context);
    buf_append_string(&json, is_live ? "{\"status\":\"live\"}" : "{\"status\":\"stalled\"}");
    answer(exchange, is_live, &json);
}

static void answer_ready(struct http_exchange *exchange)
{
    const struct http_health *health = exchange->context;
    struct buf json;
    buf_init(&json);
    bool is_ready = health->is_ready(health->context, &json);
    answer(exchange, is_ready, &json);
}

static void answer_summary(struct http_exchange *exchange)
{
    const struct http_health *health = exchange->context;
    struct buf json;
    buf_init(&json);
    bool is_live = health->is_live(health->context);
    buf_printf(&json, "{\"live\":%s,\"ready\":", is_live ? "true" : "false");
    bool is_ready = health->is_ready(health->context, &json);
    buf_append_byte(&json, '}');
    answer(exchange, is_live && is_ready, &json);
}

static const struct http_route routes[] = {
    {"/health/live", HTTP_ALLOW_GET, answer_live},
    {"/livez", HTTP_ALLOW_GET, answer_live},
    {"/health/ready", HTTP_ALLOW_GET, answer_ready},
    {"/readyz", HTTP_ALLOW_GET, answer_ready},
    {"/health", HTTP_ALLOW_GET, answer_summary},
    {"/healthz", HTTP_ALLOW_GET, answer_summary},
};

int http_health_port_open(struct http_port **port, struct reactor *reactor, const struct http_port_options *options,
                          const struct http_health *health)
{
    struct http_health *copy = MEM_NEW(struct http_health);
    *copy = *health;
    return http_port_open(port, reactor, &(struct http_port_setup){
        .name = "health",
        .host = options->host,
        .port = options->port,
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .context = copy,
        .closed = mem_free,
    });
}
