/* connection.h: one connection's life: read a request, have it answered, again. For the files of this folder only. */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/port.h"

/* Serve the requests of a connected socket, which is closed on return. `refuse`: answer the first request with 503,
 * because there are too many connections, and close. *is_silent holds while it waits for a request to begin: who
 * cancels the task then breaks no promise (RFC 9112 section 9.5). [task] */
void http_connection_serve(int fd, const struct http_port_setup *setup, bool refuse, bool *is_silent);

/* Find the route of the exchange's request and have it answered; else 301, 404 or 405. [task] */
void http_route_dispatch(struct http_exchange *exchange, const struct http_port_setup *setup);

#endif
