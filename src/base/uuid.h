/* uuid.h: the 16-byte ids of topics, clusters and folders, and Kafka's way to write them. [any] */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16]; /* all zero: none */
};

/* base64url without padding (RFC 4648 section 5), and the NUL. */
#define UUID_TEXT_BYTES 23

/* A random one (RFC 9562, version 4) whose text does not begin with '-', as Kafka's tools need it. */
struct uuid uuid_random(void);
void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_BYTES]);
/* ERR_MALFORMED unless it is exactly the 22 characters. */
int uuid_parse(struct bytes text, struct uuid *uuid) MUST_USE;
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
