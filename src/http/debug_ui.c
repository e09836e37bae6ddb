/* debug_ui.c: /debug/pprof/ui: a profile, taken as its own path takes it, as a page that draws it. */
#include "http/debug_port.h"

#include "base/mem.h"
#include "pprof/flamegraph.h"
#include "pprof/profile.h"

#include <unistd.h>

/* A window's length where the request does not say: somebody waits for it. */
#define WINDOW_SECONDS 10

const char *debug_spoken_name(const struct profile_type *type)
{
    return strcmp(type->name, "profile") == 0 ? "cpu" : type->name;
}

/* By the name that people have for it, or that of its path; without one, the CPU profile. */
static const struct profile_type *find_type(struct bytes name)
{
    bool is_cpu = name.size == 0 || bytes_equal_string(name, "cpu");
    return profile_type_find(is_cpu ? bytes_of_string("profile") : name);
}

static const char *list_types(struct arena *arena)
{
    const char *list = "";
    for (unsigned i = 0; i < profile_type_count; i++)
        list = arena_printf(arena, "%s%s%s", list, *list ? ", " : "", debug_spoken_name(profile_types[i]));
    return list;
}

/* "cpu profile of takhin on broker-3"; the page itself tells when that was, and for how long. */
static char *make_title(const struct collection *collection, const struct profile *profile)
{
    char host[256] = "";
    bool has_host = gethostname(host, sizeof host - 1) == 0 && host[0];
    return mem_printf("%s profile of %s%s%s", debug_spoken_name(collection->type),
                      profile_base_name(profile_text(profile, profile->mappings[0].file)), has_host ? " on " : "",
                      host);
}

static int write_page(struct collection *collection, const struct debug_query *query, struct buf *body)
{
    (void)query;
    struct profile *profile = collection_profile(collection);
    char *title = make_title(collection, profile);
    int rc = profile_write_flamegraph(profile, NULL, &(struct flamegraph_options){.title = title}, body);
    mem_free(title);
    profile_destroy(profile);
    return rc;
}

static struct http_response make_response(const struct http_exchange *exchange)
{
    return (struct http_response){
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .headers = arena_printf(exchange->request->arena,
                                "Content-Security-Policy: %s\r\nCache-Control: no-store\r\n",
                                flamegraph_content_security_policy),
    };
}

static void answer_page(struct http_exchange *exchange, const char *file_name, struct bytes body)
{
    (void)file_name;
    struct http_response response = make_response(exchange);
    response.body = body;
    debug_respond(exchange, &response);
}

/* What is seen until the page is whole. */
static int begin_page(struct http_exchange *exchange, const struct profile_type *type, const struct debug_query *query)
{
    struct http_response response = make_response(exchange);
    const char *waiting = arena_printf(exchange->request->arena, "<div id=\"waiting\" role=\"status\">Collecting the "
                                       "%s profile of %g seconds&hellip;<progress></progress></div>\n",
                                       debug_spoken_name(type), (double)query->window_ms / 1000);
    int rc = http_respond_begin(exchange, &response);
    if (rc == 0)
        rc = http_respond_write(exchange, flamegraph_page_start);
    if (rc == 0)
        rc = http_respond_write(exchange, bytes_of_string(waiting));
    return rc;
}

/* A page that has begun: its head has said 200 already. */
static void fail_page(struct http_exchange *exchange, const char *reason)
{
    const char *text = arena_printf(exchange->request->arena, "<p>%s</p>\n", reason);
    if (http_respond_write(exchange, bytes_of_string(text)) == 0)
        http_respond_end(exchange);
}

static void end_page(struct http_exchange *exchange, struct bytes body)
{
    const char *refusal = debug_refuse_size(exchange, body.size);
    size_t sent = flamegraph_page_start.size;
    if (refusal)
        fail_page(exchange, refusal);
    else if (debug_respond_write(exchange, bytes_of(body.data + sent, body.size - sent)) == 0)
        http_respond_end(exchange);
}

static const struct debug_form page_form = {
    .write = write_page, .answer = answer_page, .begin = begin_page, .end = end_page, .fail = fail_page,
};

/* Nobody waits for a page that is not sent, and nothing is collected for it. */
static void answer_page_head(struct http_exchange *exchange)
{
    struct http_response response = make_response(exchange);
    if (http_respond_begin(exchange, &response) == 0)
        http_respond_end(exchange);
}

void debug_answer_ui(struct http_exchange *exchange)
{
    struct debug_port *debug = exchange->context;
    const struct http_request *request = exchange->request;
    const struct profile_type *type = find_type(http_request_value(request, "type"));
    if (!type) {
        http_respond_error(exchange, 400, "type must be one of %s", list_types(request->arena));
        return;
    }
    struct debug_query query;
    const char *refusal = debug_query_read(request, type, WINDOW_SECONDS, debug->profiler, &query);
    if (!refusal && query.debug != 0)
        refusal = "\"debug\" parameter is not supported for a page";
    if (refusal) {
        http_respond_error(exchange, 400, "%s", refusal);
        return;
    }
    query.takes_part = true; /* Go's error is for Go's tools, which take no pages */
    if (exchange->is_head && query.window_ms > 0)
        answer_page_head(exchange);
    else
        debug_take_profile(exchange, type, &query, &page_form);
}
