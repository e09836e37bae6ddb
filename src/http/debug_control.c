/* debug_control.c: /debug/profiler/config: how the profiler is set, shown and changed at once. */
#include "http/debug_port.h"

#include "base/log.h"
#include "http/control.h"
#include "profiler/profiler.h"
#include "profiler/rates.h"
#include "runtime/stream.h"

#include <inttypes.h>

/* What is configured; since when; and where requests that run now want more, what is in force. */
static void answer_settings(struct http_exchange *exchange, struct profiler *profiler)
{
    struct profiler_options configured = profiler_options(profiler), in_force = configured;
    in_force.cpu_hz = (int32_t)rates_in_force(profiler_rates(profiler), PROFILE_RATE_HZ);
    in_force.mem_rate = rates_in_force(profiler_rates(profiler), PROFILE_RATE_MEMORY);
    in_force.block_rate = rates_in_force(profiler_rates(profiler), PROFILE_RATE_BLOCK);
    in_force.mutex_fraction = rates_in_force(profiler_rates(profiler), PROFILE_RATE_MUTEX);
    struct buf json;
    buf_init(&json);
    buf_append_byte(&json, '{');
    control_write(&configured, &json);
    buf_append_string(&json, ",\"since\":\"");
    debug_append_time(&json, profiler_configured_ns(profiler));
    buf_append_string(&json, "\",\"overridden_by_requests\":\"");
    control_write_changes(&configured, &in_force, &json);
    buf_append_string(&json, "\"}\n");
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "application/json",
        .headers = "Cache-Control: no-store\r\n",
        .body = buf_bytes(&json),
    });
    buf_deinit(&json);
}

/* What a PUT asks for, and what came of it. */
struct change {
    struct bytes json;
    bool is_bad;
    struct buf text; /* what is wrong with it, or what it has changed */
};

static bool decode_change(struct profiler_options *options, void *context)
{
    struct change *change = context;
    struct profiler_options before = *options;
    change->is_bad = control_decode(change->json, options, &change->text) < 0;
    if (!change->is_bad)
        control_write_changes(&before, options, &change->text);
    return !change->is_bad;
}

static bool change_settings(struct http_exchange *exchange, struct profiler *profiler)
{
    struct change change = {.json = exchange->request->body};
    buf_init(&change.text);
    profiler_change(profiler, decode_change, &change);
    if (change.is_bad)
        http_respond_error(exchange, 400, "%s", buf_string(&change.text));
    else
        log_info("profiler was set over its port peer=%s changed=\"%s\"", stream_peer(exchange->stream),
                 change.text.size > 0 ? buf_string(&change.text) : "nothing");
    buf_deinit(&change.text);
    return !change.is_bad;
}

/* Browsers say in whose name they send a PUT. Another site's page has to ask before (CORS) and gets no yes here; this
 * also stops one whose name was bound to our address meanwhile. */
static bool is_from_web_page(const struct http_request *request)
{
    return http_request_header(request, "Origin").data != NULL;
}

void debug_answer_control(struct http_exchange *exchange)
{
    const struct debug_port *debug = exchange->context;
    bool is_put = exchange->request->allowed_by == HTTP_ALLOW_PUT;
    if (is_put && is_from_web_page(exchange->request))
        http_respond_error(exchange, 403, "a web page may not change this");
    else if (!is_put || change_settings(exchange, debug->profiler))
        answer_settings(exchange, debug->profiler);
}
