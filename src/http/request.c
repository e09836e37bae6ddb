/* request.c: http_parser's events become a request; sizes are bounded here. */
#include "http/request.h"

#include "base/buf.h"

#include <http_parser.h>
#include <strings.h>

struct http_parser_state {
    struct http_parser parser;
    struct http_request request;
    struct http_refusal refusal;
    struct arena arena;
    struct buf body;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct bytes target;     /* of the request line */
    bool underway, complete;
    bool in_value;           /* the last piece of a header was one of its value */
    bool wants_continue;
    size_t head_size;
    char head[HTTP_HEAD_MAX]; /* target, names and values, back to back */
};

/* http_parser ends with an error when a callback returns non-zero. */
static int refuse(struct http_parser_state *state, unsigned status, const char *text)
{
    state->refusal = (struct http_refusal){status, text};
    return -1;
}

/* Pieces of one text arrive in order and are stored back to back, so that the view only has to grow. */
static int append_head(struct http_parser_state *state, struct bytes *text, const char *piece, size_t size)
{
    if (size > HTTP_HEAD_MAX - state->head_size)
        return refuse(state, 431, "the request's head is larger than 16 KiB");
    char *place = state->head + state->head_size;
    memcpy(place, piece, size);
    state->head_size += size;
    *text = bytes_of(text->data ? text->data : (const uint8_t *)place, text->size + size);
    return 0;
}

static int on_message_begin(struct http_parser *parser)
{
    struct http_parser_state *state = parser->data;
    arena_reset(&state->arena);
    buf_clear(&state->body);
    state->request = (struct http_request){.headers = state->headers, .arena = &state->arena};
    state->target = bytes_of(NULL, 0);
    state->head_size = 0;
    state->in_value = false;
    state->wants_continue = false;
    state->complete = false;
    state->underway = true;
    return 0;
}

static int on_url(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_parser_state *state = parser->data;
    return append_head(state, &state->target, piece, size);
}

static int on_header_field(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_parser_state *state = parser->data;
    if (state->in_value || state->request.header_count == 0) {
        if (state->request.header_count == HTTP_HEADERS_MAX)
            return refuse(state, 431, "the request has more than 64 headers");
        state->headers[state->request.header_count++] = (struct http_header){0};
        state->in_value = false;
    }
    /* The library lets it pass; RFC 9112 section 5.1 wants it refused. */
    if (memchr(piece, ' ', size))
        return refuse(state, 400, "a space in a header's name");
    return append_head(state, &state->headers[state->request.header_count - 1].name, piece, size);
}

static int on_header_value(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_parser_state *state = parser->data;
    state->in_value = true;
    return append_head(state, &state->headers[state->request.header_count - 1].value, piece, size);
}

static bool is_named(const struct http_header *header, const char *name)
{
    return header->name.size == strlen(name) && strncasecmp((const char *)header->name.data, name, header->name.size) == 0;
}

/* Path and query of the target, which may be absolute ("http://host/path", RFC 9112 section 3.2.2). */
static int split_target(struct http_parser_state *state)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    const char *target = (const char *)state->target.data;
    if (http_parser_parse_url(target, state->target.size, false, &url) != 0)
        return refuse(state, 400, "the request's target is malformed");
    state->request.path = bytes_of_string("/");
    if (url.field_set & (1 << UF_PATH))
        state->request.path = bytes_of(target + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
    if (url.field_set & (1 << UF_QUERY))
        state->request.query = bytes_of(target + url.field_data[UF_QUERY].off, url.field_data[UF_QUERY].len);
    return 0;
}

static int check_expectation(struct http_parser_state *state)
{
    struct bytes expect = http_request_header(&state->request, "Expect");
    if (expect.size == 0 || state->request.is_http_1_0)
        return 0;
    if (expect.size != strlen("100-continue") || strncasecmp((const char *)expect.data, "100-continue", expect.size) != 0)
        return refuse(state, 417, "the expectation is not known");
    state->wants_continue = true;
    return 0;
}

static int check_host(struct http_parser_state *state)
{
    unsigned host_count = 0;
    for (unsigned i = 0; i < state->request.header_count; i++)
        host_count += is_named(&state->headers[i], "Host");
    if (host_count > 1 || (host_count == 0 && !state->request.is_http_1_0))
        return refuse(state, 400, "exactly one Host header is required");
    return 0;
}

static int on_headers_complete(struct http_parser *parser)
{
    struct http_parser_state *state = parser->data;
    struct http_request *request = &state->request;
    if (parser->http_major != 1)
        return refuse(state, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (parser->method == HTTP_CONNECT)
        return refuse(state, 405, "this is not a proxy");
    request->method = http_method_str((enum http_method)parser->method);
    request->is_head = parser->method == HTTP_HEAD;
    request->allowed_by = parser->method == HTTP_GET || parser->method == HTTP_HEAD ? HTTP_ALLOW_GET
                          : parser->method == HTTP_POST                             ? HTTP_ALLOW_POST
                                                                                    : 0;
    request->is_http_1_0 = parser->http_minor == 0;
    request->keep_alive = http_should_keep_alive(parser);
    /* A wish to change the protocol may be ignored (RFC 9110 section 7.8). */
    parser->upgrade = 0;
    bool has_length = parser->flags & F_CONTENTLENGTH;
    if (has_length && parser->content_length > HTTP_BODY_MAX)
        return refuse(state, 413, "the request's body is larger than 1 MiB");
    int rc = split_target(state);
    if (rc == 0)
        rc = check_host(state);
    if (rc == 0)
        rc = check_expectation(state);
    if (!(parser->flags & F_CHUNKED) && !(has_length && parser->content_length > 0))
        state->wants_continue = false;
    return rc;
}

static int on_body(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_parser_state *state = parser->data;
    if (size > HTTP_BODY_MAX - state->body.size)
        return refuse(state, 413, "the request's body is larger than 1 MiB");
    buf_append(&state->body, piece, size);
    state->wants_continue = false;
    return 0;
}

static int on_message_complete(struct http_parser *parser)
{
    struct http_parser_state *state = parser->data;
    state->request.body = buf_bytes(&state->body);
    state->underway = false;
    state->complete = true;
    /* Stop here: what follows is the next request, whose turn comes once this one is answered. */
    http_parser_pause(parser, 1);
    return 0;
}

static const struct http_parser_settings settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct http_parser_state *http_parser_state_create(void)
{
    struct http_parser_state *state = MEM_NEW(struct http_parser_state);
    http_parser_init(&state->parser, HTTP_REQUEST);
    state->parser.data = state;
    arena_init(&state->arena);
    buf_init(&state->body);
    return state;
}

void http_parser_state_destroy(struct http_parser_state *state)
{
    if (!state)
        return;
    buf_deinit(&state->body);
    arena_deinit(&state->arena);
    mem_free(state);
}

enum http_progress http_parse(struct http_parser_state *state, struct bytes input, size_t *consumed)
{
    *consumed = 0;
    if (state->refusal.status != 0)
        return HTTP_REFUSED;
    if (state->complete) {
        http_parser_pause(&state->parser, 0);
        state->complete = false;
    }
    /* No bytes at all would tell the parser that the connection has ended. */
    if (input.size == 0)
        return HTTP_NEEDS_MORE;
    *consumed = http_parser_execute(&state->parser, &settings, (const char *)input.data, input.size);
    if (state->complete)
        return HTTP_COMPLETE;
    enum http_errno error = HTTP_PARSER_ERRNO(&state->parser);
    if (error == HPE_OK)
        return HTTP_NEEDS_MORE;
    if (state->refusal.status == 0)
        state->refusal = error == HPE_HEADER_OVERFLOW
                             ? (struct http_refusal){431, "the request's head is larger than 16 KiB"}
                             : (struct http_refusal){400, http_errno_description(error)};
    return HTTP_REFUSED;
}

const struct http_request *http_parsed_request(const struct http_parser_state *state)
{
    ASSERT(state->complete);
    return &state->request;
}

bool http_parse_underway(const struct http_parser_state *state)
{
    return state->underway;
}

bool http_parse_wants_continue(struct http_parser_state *state)
{
    bool wants = state->underway && state->wants_continue;
    if (wants)
        state->wants_continue = false;
    return wants;
}

struct http_refusal http_refusal(const struct http_parser_state *state)
{
    return state->refusal;
}

struct bytes http_request_header(const struct http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->header_count; i++)
        if (is_named(&request->headers[i], name))
            return request->headers[i].value;
    return bytes_of(NULL, 0);
}
