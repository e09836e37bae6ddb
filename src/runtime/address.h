/* address.h: socket addresses from host and port, and back. */
#ifndef RUNTIME_ADDRESS_H
#define RUNTIME_ADDRESS_H

#include "base/check.h"

#include <netinet/in.h>
#include <stdint.h>

/* "[ffff:...]:65535" */
#define ADDRESS_TEXT_SIZE 64
/* More than a host is worth trying. */
#define ADDRESS_MAX 8

/* The addresses of a host, in the order to try them. A count, or libuv's code (UV_EAI_NONAME). A name is looked up
 * on the thread pool. [task] */
int address_resolve(const char *host, uint16_t port, struct sockaddr_storage addresses[ADDRESS_MAX]) MUST_USE;
/* Move those of IPv4 to the front; otherwise the order stays. */
void address_put_ip4_first(struct sockaddr_storage *addresses, int count);
/* "127.0.0.1:9092" or "[::1]:9092". */
void address_format(const struct sockaddr_storage *address, char text[ADDRESS_TEXT_SIZE]);

#endif
