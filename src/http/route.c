/* route.c: which row of a port's table answers a request. */
#include "http/connection.h"

#include "base/mem.h"

static bool is_subtree(const struct http_route *route)
{
    size_t length = strlen(route->path);
    return length > 0 && route->path[length - 1] == '/';
}

/* As in Go's mux, the longest path that fits wins: the exact one, or else the innermost subtree. */
static const struct http_route *find_route(const struct http_port_setup *setup, struct bytes path)
{
    const struct http_route *best = NULL;
    size_t best_length = 0;
    for (unsigned i = 0; i < setup->route_count; i++) {
        const struct http_route *route = &setup->routes[i];
        size_t length = strlen(route->path);
        bool fits = bytes_equal_string(path, route->path) ||
                    (is_subtree(route) && path.size > length && memcmp(path.data, route->path, length) == 0);
        if (fits && length > best_length) {
            best = route;
            best_length = length;
        }
    }
    return best;
}

/* "/debug/pprof" where only "/debug/pprof/" has a row. */
static const struct http_route *find_with_slash(const struct http_port_setup *setup, struct bytes path)
{
    for (unsigned i = 0; i < setup->route_count; i++) {
        const struct http_route *route = &setup->routes[i];
        if (is_subtree(route) && strlen(route->path) == path.size + 1 && memcmp(path.data, route->path, path.size) == 0)
            return route;
    }
    return NULL;
}

/* Only the table's own text is echoed, and of the query only what http_parser let through: no control characters. */
static void redirect(struct http_exchange *exchange, const char *path)
{
    struct arena *arena = exchange->request->arena;
    struct bytes query = exchange->request->query;
    const char *mark = query.size > 0 ? "?" : "";
    http_respond(exchange, &(struct http_response){
        .status = 301,
        .content_type = "text/html; charset=utf-8",
        .headers = arena_printf(arena, "Location: %s%s%.*s\r\n", path, mark, BYTES_ARGS(query)),
        .body = bytes_of_string(arena_printf(arena, "<a href=\"%s\">Moved Permanently</a>.\n\n", path)),
    });
}

static const char *allow_header(unsigned methods, struct arena *arena)
{
    static const struct {
        unsigned method;
        const char *text;
    } names[] = {{HTTP_ALLOW_GET, "GET, HEAD"}, {HTTP_ALLOW_POST, "POST"}, {HTTP_ALLOW_PUT, "PUT"}};
    const char *text = "";
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (methods & names[i].method)
            text = arena_printf(arena, "%s%s%s", text, *text ? ", " : "", names[i].text);
    return text;
}

static void refuse_method(struct http_exchange *exchange, const struct http_route *route)
{
    struct arena *arena = exchange->request->arena;
    const char *more = exchange->error_headers ? exchange->error_headers : "";
    http_respond(exchange, &(struct http_response){
        .status = 405,
        .content_type = "text/plain; charset=utf-8",
        .headers = arena_printf(arena, "Allow: %s\r\n%s", allow_header(route->methods, arena), more),
        .body = bytes_of_string("Method Not Allowed\n"),
    });
}

void http_route_dispatch(struct http_exchange *exchange, const struct http_port_setup *setup)
{
    const struct http_request *request = exchange->request;
    const struct http_route *route = find_route(setup, request->path);
    if (route && (route->methods & request->allowed_by)) {
        route->handle(exchange);
        return;
    }
    if (route) {
        refuse_method(exchange, route);
        return;
    }
    const struct http_route *below = find_with_slash(setup, request->path);
    if (below)
        redirect(exchange, below->path);
    else
        http_respond_error(exchange, 404, "404 page not found");
}
