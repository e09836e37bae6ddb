/* port.h: one listening HTTP port: accepts connections, finds the route of each request, and writes its answer.
 *
 * A port lives on one reactor; each of its connections is a task there, which calls the handlers. */
#ifndef HTTP_PORT_H
#define HTTP_PORT_H

#include "base/check.h"
#include "http/request.h"

#include <stdbool.h>
#include <stdint.h>

struct http_port;
struct reactor;
struct stream;

/* A request that is being answered. */
struct http_exchange {
    const struct http_request *request;
    void *context;         /* http_port_setup.context */
    struct stream *stream; /* for a handler that wants to know whether the client is still there */
    /* The port's own: */
    const char *error_headers;
    bool is_head, close, answered;
    bool is_chunked, is_underway; /* of an answer that was begun */
};

struct http_route {
    const char *path; /* "/metrics"; one that ends in "/" also takes everything below it that has no row of its own */
    unsigned methods; /* enum http_methods */
    /* Answers the request, once; it may park. Returning without an answer closes the connection. [task] */
    void (*handle)(struct http_exchange *exchange);
};

struct http_response {
    unsigned status;
    const char *content_type;
    const char *headers; /* more whole lines, each ended by CR LF; NULL: none */
    struct bytes body;
};

/* Write the answer, which also names the program and its version. Errors of the socket close the connection after the
 * handler, which need not care. [task] */
void http_respond(struct http_exchange *exchange, const struct http_response *response);
/* A line of text for people, with the port's error_headers. [task] */
void http_respond_error(struct http_exchange *exchange, unsigned status, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same piece by piece, for an answer whose size is not known when it begins: begin it with all of the response but
 * the body, write what comes, end it. It goes in chunks (to HTTP/1.0 it ends with the connection), so that a handler
 * that returns without the end leaves a client who knows that something is missing. Of a HEAD's answer only the head is
 * sent. 0, or the stream's code: the client takes no more. [task] */
int http_respond_begin(struct http_exchange *exchange, const struct http_response *response) MUST_USE;
int http_respond_write(struct http_exchange *exchange, struct bytes piece) MUST_USE;
void http_respond_end(struct http_exchange *exchange);

struct http_port_setup {
    const char *name;                /* of its tasks and in the log: "metrics" */
    const char *host;                /* copied */
    uint16_t port;                   /* 0: a free one */
    const struct http_route *routes; /* outlive the port */
    unsigned route_count;
    const char *error_headers;       /* in every answer of 400 and above: whole lines, a constant; NULL: none */
    void *context;
    void (*closed)(void *context);   /* called once, by http_port_close or a failed open; NULL: nothing to do */
    unsigned connections_max;        /* one more ends a silent one or is told 503; 0: HTTP_CONNECTIONS_MAX */
    uint64_t idle_timeout_ms;        /* between requests; 0: HTTP_IDLE_TIMEOUT_MS */
    uint64_t request_timeout_ms;     /* from the first byte of a request to its last; 0: HTTP_REQUEST_TIMEOUT_MS */
    uint64_t linger_ms;              /* who still sends after a refusal has so long to read it; 0: HTTP_LINGER_MS */
};
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_IDLE_TIMEOUT_MS 60000
#define HTTP_REQUEST_TIMEOUT_MS 10000
#define HTTP_LINGER_MS 500

/* Listen on this reactor. Blocks until that is done, so not on a reactor's thread. Negative: libuv's code, logged. */
int http_port_open(struct http_port **port, struct reactor *reactor, const struct http_port_setup *setup) MUST_USE;
/* Where it listens, also when the setup said 0. [any] */
uint16_t http_port_number(const struct http_port *port);
/* Stop listening, end its connections (answers under way are cut off) and free it; NULL is allowed. Blocks until all
 * is done, so not on a reactor's thread. The reactor may have been stopped, even joined, before. */
void http_port_close(struct http_port *port);

#endif
