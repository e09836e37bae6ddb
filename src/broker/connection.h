/* connection.h: one Kafka client: frames in, responses out, in order. */
#ifndef BROKER_CONNECTION_H
#define BROKER_CONNECTION_H

#include "base/check.h"

struct broker_context;
struct reactor;

/* Serve the socket by a task of its own on that reactor, until either side ends it. The caller has counted it in
 * context->connection_count; it counts itself out. Negative: the reactor stops; the socket is closed and counted out
 * then, too. [any] */
int connection_spawn(struct reactor *reactor, struct broker_context *context, int fd) MUST_USE;

#endif
