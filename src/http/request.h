/* request.h: bytes of a connection -> requests (RFC 9112), one after the other. Pure: no socket is touched here. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

/* Request line and headers together; a longer head is answered with 431. */
#define HTTP_HEAD_MAX (16u * 1024)
#define HTTP_HEADERS_MAX 64u
/* A larger body is answered with 413. The largest that anybody sends us is a list of addresses to be named. */
#define HTTP_BODY_MAX (1024u * 1024)

/* A set of methods, so that a route says in one value what it takes. */
enum http_methods {
    HTTP_ALLOW_GET = 1, /* and HEAD, which is answered like GET but without the body */
    HTTP_ALLOW_POST = 2,
    HTTP_ALLOW_PUT = 4,
};

struct http_header {
    struct bytes name, value;
};

/* All views are valid until the next request is begun. */
struct http_request {
    const char *method;        /* "GET"; "HEAD" stays "HEAD" */
    unsigned allowed_by;       /* the enum http_methods that lets it in; 0: a method that no route takes */
    bool is_head;
    struct bytes path;         /* without the query: "/debug/pprof/"; decoded, so of any bytes; a NUL behind them */
    struct bytes query;        /* as sent, without the "?" */
    const struct http_header *headers;
    unsigned header_count;
    struct bytes body;
    bool keep_alive;           /* the client wants to send more, and may */
    bool is_http_1_0;
    struct arena *arena;       /* for whatever lives as long as the request */
};

/* The first header of this name (any case); no data if there is none. */
struct bytes http_request_header(const struct http_request *request, const char *name);

/* The first value of this name in the query, decoded as Go's FormValue does: "+" is a space, a pair with a bad percent
 * sequence or with a ";" does not count. Missing: size 0. A NUL stands behind it. */
struct bytes http_request_value(const struct http_request *request, const char *name);

/* Undo percent-encoding; in a query "+" is a space, too. The bytes are the arena's, a NUL stands behind them. False:
 * there is a "%" without two hexadecimal digits behind it. */
bool http_percent_decode(struct arena *arena, struct bytes text, bool is_query, struct bytes *decoded) MUST_USE;

struct http_reader; /* holds the head, the body and the arena of one connection's current request */

struct http_reader *http_reader_create(void);
void http_reader_destroy(struct http_reader *reader);

enum http_progress {
    HTTP_NEEDS_MORE, /* everything was consumed */
    HTTP_COMPLETE,   /* the request stands in http_reader_request(); what was not consumed belongs to the next one */
    HTTP_REFUSED,    /* answer with http_reader_refusal() and close */
};

/* Take bytes; *consumed says how many. After HTTP_COMPLETE the next call begins the next request. */
enum http_progress http_reader_feed(struct http_reader *reader, struct bytes input, size_t *consumed);
const struct http_request *http_reader_request(const struct http_reader *reader);
/* A request has begun and is not complete. */
bool http_reader_underway(const struct http_reader *reader);
/* True once per request: the client waits for "100 Continue" before it sends the body. */
bool http_reader_wants_continue(struct http_reader *reader);

struct http_refusal {
    unsigned status;  /* 400, 405, 413, 417, 431, 505 */
    const char *text; /* one line for people */
};
struct http_refusal http_reader_refusal(const struct http_reader *reader);

#endif
