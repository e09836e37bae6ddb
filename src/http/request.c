/* request.c: http_parser's events become a request; sizes are bounded here. */
#include "http/request.h"

#include "base/buf.h"

#include <http_parser.h>
#include <strings.h>

struct http_reader {
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
static int refuse(struct http_reader *reader, unsigned status, const char *text)
{
    reader->refusal = (struct http_refusal){status, text};
    return -1;
}

/* Pieces of one text arrive in order and are stored back to back, so that the view only has to grow. */
static int append_head(struct http_reader *reader, struct bytes *text, const char *piece, size_t size)
{
    if (size > HTTP_HEAD_MAX - reader->head_size)
        return refuse(reader, 431, "the request's head is larger than 16 KiB");
    char *place = reader->head + reader->head_size;
    memcpy(place, piece, size);
    reader->head_size += size;
    *text = bytes_of(text->data ? text->data : (const uint8_t *)place, text->size + size);
    return 0;
}

static int on_message_begin(struct http_parser *parser)
{
    struct http_reader *reader = parser->data;
    arena_reset(&reader->arena);
    buf_clear(&reader->body);
    reader->request = (struct http_request){.headers = reader->headers, .arena = &reader->arena};
    reader->target = bytes_of(NULL, 0);
    reader->head_size = 0;
    reader->in_value = false;
    reader->wants_continue = false;
    reader->complete = false;
    reader->underway = true;
    return 0;
}

static int on_url(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_reader *reader = parser->data;
    return append_head(reader, &reader->target, piece, size);
}

static int on_header_field(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_reader *reader = parser->data;
    if (reader->in_value || reader->request.header_count == 0) {
        if (reader->request.header_count == HTTP_HEADERS_MAX)
            return refuse(reader, 431, "the request has more than 64 headers");
        reader->headers[reader->request.header_count++] = (struct http_header){0};
        reader->in_value = false;
    }
    /* The library lets it pass; RFC 9112 section 5.1 wants it refused. */
    if (memchr(piece, ' ', size))
        return refuse(reader, 400, "a space in a header's name");
    return append_head(reader, &reader->headers[reader->request.header_count - 1].name, piece, size);
}

static int on_header_value(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_reader *reader = parser->data;
    reader->in_value = true;
    return append_head(reader, &reader->headers[reader->request.header_count - 1].value, piece, size);
}

static unsigned allowed_by(unsigned method)
{
    switch (method) {
    case HTTP_GET:
    case HTTP_HEAD: return HTTP_ALLOW_GET;
    case HTTP_POST: return HTTP_ALLOW_POST;
    case HTTP_PUT: return HTTP_ALLOW_PUT;
    default: return 0;
    }
}

static bool equal_ignoring_case(struct bytes text, const char *expected)
{
    return text.size == strlen(expected) && strncasecmp((const char *)text.data, expected, text.size) == 0;
}

/* Path and query of the target, which may be absolute ("http://host/path", RFC 9112 section 3.2.2). */
static int split_target(struct http_reader *reader)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    const char *target = (const char *)reader->target.data;
    if (http_parser_parse_url(target, reader->target.size, false, &url) != 0)
        return refuse(reader, 400, "the request's target is malformed");
    struct bytes path = bytes_of_string("/");
    if (url.field_set & (1 << UF_PATH))
        path = bytes_of(target + url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
    if (!http_percent_decode(&reader->arena, path, false, &reader->request.path))
        return refuse(reader, 400, "the request's path has a percent sign without two hexadecimal digits");
    if (url.field_set & (1 << UF_QUERY))
        reader->request.query = bytes_of(target + url.field_data[UF_QUERY].off, url.field_data[UF_QUERY].len);
    return 0;
}

static int check_expectation(struct http_reader *reader)
{
    struct bytes expect = http_request_header(&reader->request, "Expect");
    if (expect.size == 0 || reader->request.is_http_1_0)
        return 0;
    if (!equal_ignoring_case(expect, "100-continue"))
        return refuse(reader, 417, "the expectation is not known");
    reader->wants_continue = true;
    return 0;
}

static int check_host(struct http_reader *reader)
{
    unsigned host_count = 0;
    for (unsigned i = 0; i < reader->request.header_count; i++)
        host_count += equal_ignoring_case(reader->headers[i].name, "Host");
    if (host_count > 1 || (host_count == 0 && !reader->request.is_http_1_0))
        return refuse(reader, 400, "exactly one Host header is required");
    return 0;
}

static int on_headers_complete(struct http_parser *parser)
{
    struct http_reader *reader = parser->data;
    struct http_request *request = &reader->request;
    if (parser->http_major != 1)
        return refuse(reader, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (parser->method == HTTP_CONNECT)
        return refuse(reader, 405, "this is not a proxy");
    request->method = http_method_str((enum http_method)parser->method);
    request->is_head = parser->method == HTTP_HEAD;
    request->allowed_by = allowed_by(parser->method);
    request->is_http_1_0 = parser->http_minor == 0;
    request->keep_alive = http_should_keep_alive(parser);
    /* A wish to change the protocol may be ignored (RFC 9110 section 7.8). */
    parser->upgrade = 0;
    bool has_length = parser->flags & F_CONTENTLENGTH;
    if (has_length && parser->content_length > HTTP_BODY_MAX)
        return refuse(reader, 413, "the request's body is larger than 1 MiB");
    int rc = split_target(reader);
    if (rc == 0)
        rc = check_host(reader);
    if (rc == 0)
        rc = check_expectation(reader);
    if (!(parser->flags & F_CHUNKED) && !(has_length && parser->content_length > 0))
        reader->wants_continue = false;
    return rc;
}

static int on_body(struct http_parser *parser, const char *piece, size_t size)
{
    struct http_reader *reader = parser->data;
    if (size > HTTP_BODY_MAX - reader->body.size)
        return refuse(reader, 413, "the request's body is larger than 1 MiB");
    buf_append(&reader->body, piece, size);
    reader->wants_continue = false;
    return 0;
}

static int on_message_complete(struct http_parser *parser)
{
    struct http_reader *reader = parser->data;
    reader->request.body = buf_bytes(&reader->body);
    reader->underway = false;
    reader->complete = true;
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

struct http_reader *http_reader_create(void)
{
    struct http_reader *reader = MEM_NEW(struct http_reader);
    http_parser_init(&reader->parser, HTTP_REQUEST);
    reader->parser.data = reader;
    arena_init(&reader->arena);
    buf_init(&reader->body);
    return reader;
}

void http_reader_destroy(struct http_reader *reader)
{
    if (!reader)
        return;
    buf_deinit(&reader->body);
    arena_deinit(&reader->arena);
    mem_free(reader);
}

enum http_progress http_reader_feed(struct http_reader *reader, struct bytes input, size_t *consumed)
{
    *consumed = 0;
    if (reader->refusal.status != 0)
        return HTTP_REFUSED;
    if (reader->complete) {
        http_parser_pause(&reader->parser, 0);
        reader->complete = false;
    }
    /* No bytes at all would tell the parser that the connection has ended. */
    if (input.size == 0)
        return HTTP_NEEDS_MORE;
    *consumed = http_parser_execute(&reader->parser, &settings, (const char *)input.data, input.size);
    if (reader->complete)
        return HTTP_COMPLETE;
    enum http_errno error = HTTP_PARSER_ERRNO(&reader->parser);
    if (error == HPE_OK)
        return HTTP_NEEDS_MORE;
    if (reader->refusal.status == 0)
        reader->refusal = error == HPE_HEADER_OVERFLOW
                             ? (struct http_refusal){431, "the request's head is larger than 16 KiB"}
                             : (struct http_refusal){400, http_errno_description(error)};
    return HTTP_REFUSED;
}

const struct http_request *http_reader_request(const struct http_reader *reader)
{
    ASSERT(reader->complete);
    return &reader->request;
}

bool http_reader_underway(const struct http_reader *reader)
{
    return reader->underway;
}

bool http_reader_wants_continue(struct http_reader *reader)
{
    bool wants = reader->underway && reader->wants_continue;
    if (wants)
        reader->wants_continue = false;
    return wants;
}

struct http_refusal http_reader_refusal(const struct http_reader *reader)
{
    return reader->refusal;
}

struct bytes http_request_header(const struct http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->header_count; i++)
        if (equal_ignoring_case(request->headers[i].name, name))
            return request->headers[i].value;
    return bytes_of(NULL, 0);
}
