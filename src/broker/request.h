/* request.h: one request while it is served: what a handler is given, and what it leaves behind. */
#ifndef BROKER_REQUEST_H
#define BROKER_REQUEST_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct broker_context;
struct stream;

/* Belongs to the connection's task. */
struct request {
    struct broker_context *context;
    struct stream *stream;        /* for a handler that wants to know whether the client is still there */
    struct arena *arena;          /* given back once the response has left */
    int16_t version;
    const void *in;               /* the decoded request: struct <api>_request of kafka/messages.h */
    void *out;                    /* the response to fill, each field at its default: struct <api>_response */
    const char *advertised_host;  /* what this client is told to connect to */
    uint16_t advertised_port;
    bool no_response;             /* set by the handler: acks=0 */
    bool close;                   /* set by the handler: end the connection afterwards */
    uint64_t waited_ns;           /* added to by the handler: waiting that a client asked for (a long poll) */
    unsigned traced_topics;       /* see topics.c */
    struct request_cleanup *cleanups;
};

/* Run `run(argument)` once the response has left or the connection has failed; last deferred, first run. */
void request_defer(struct request *request, void (*run)(void *argument), void *argument);
/* Run what was deferred. */
void request_finish(struct request *request);

#endif
