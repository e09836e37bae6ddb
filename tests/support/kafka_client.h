/* kafka_client.h: a client of few requests over a plain blocking socket, for what must see a single request. */
#ifndef SUPPORT_KAFKA_CLIENT_H
#define SUPPORT_KAFKA_CLIENT_H

#include "base/buf.h"
#include "base/check.h"
#include "base/crc32c.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

UNUSED static int kafka_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    ASSERT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    ASSERT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    return fd;
}

UNUSED static void put_int(struct buf *buf, int64_t value, unsigned size)
{
    while (size-- > 0)
        buf_append_byte(buf, (uint8_t)(value >> 8 * size));
}

UNUSED static void put_string(struct buf *buf, const char *text)
{
    put_int(buf, (int64_t)strlen(text), 2);
    buf_append_string(buf, text);
}

/* A frame with header version 1; kafka_end fills in its size. */
UNUSED static void kafka_begin(struct buf *frame, int16_t api, int16_t version, int32_t correlation_id,
                               const char *client_id)
{
    buf_clear(frame);
    put_int(frame, 0, 4);
    put_int(frame, api, 2);
    put_int(frame, version, 2);
    put_int(frame, correlation_id, 4);
    put_string(frame, client_id);
}

UNUSED static void kafka_end(struct buf *frame)
{
    uint32_t size = htonl((uint32_t)(frame->size - 4));
    memcpy(frame->data, &size, sizeof size);
}

/* A batch of one record (KIP-98), uncompressed; the value is so short that its lengths take one byte each. */
UNUSED static void put_batch(struct buf *buf, const char *value)
{
    size_t size = strlen(value), start = buf->size;
    ASSERT(size < 57);
    put_int(buf, 0, 8);                          /* base offset */
    put_int(buf, 49 + 1 + 6 + (int64_t)size, 4); /* length behind this */
    put_int(buf, -1, 4);                         /* leader epoch */
    put_int(buf, 2, 1);                          /* magic */
    put_int(buf, 0, 4);                          /* CRC, of all that follows */
    put_int(buf, 0, 2);                          /* attributes */
    put_int(buf, 0, 4);                          /* last offset delta */
    put_int(buf, 1700000000000, 8);              /* first timestamp */
    put_int(buf, 1700000000000, 8);              /* largest */
    put_int(buf, -1, 8);                         /* producer */
    put_int(buf, -1, 2);
    put_int(buf, -1, 4);
    put_int(buf, 1, 4);                          /* records */
    put_int(buf, 2 * (6 + (int64_t)size), 1);    /* length of the record; these are zigzag */
    put_int(buf, 0, 3);                          /* attributes, timestamp delta, offset delta */
    put_int(buf, 1, 1);                          /* no key */
    put_int(buf, 2 * (int64_t)size, 1);
    buf_append_string(buf, value);
    put_int(buf, 0, 1);                          /* headers */
    uint32_t crc = htonl(crc32c(bytes_of(buf->data + start + 21, buf->size - start - 21)));
    memcpy(buf->data + start + 17, &crc, sizeof crc);
}

/* Produce version 7 of one record to a topic's first partition. */
UNUSED static void kafka_produce(struct buf *frame, int32_t correlation_id, const char *client_id, const char *topic,
                                 const char *value)
{
    kafka_begin(frame, 0, 7, correlation_id, client_id);
    put_int(frame, -1, 2);    /* no transaction */
    put_int(frame, -1, 2);    /* acks: all */
    put_int(frame, 30000, 4); /* timeout in ms */
    put_int(frame, 1, 4);     /* topics */
    put_string(frame, topic);
    put_int(frame, 1, 4);     /* partitions */
    put_int(frame, 0, 4);
    put_int(frame, 61 + 7 + (int64_t)strlen(value), 4);
    put_batch(frame, value);
    kafka_end(frame);
}

/* Metadata version 4 of one topic, which makes it. */
UNUSED static void kafka_metadata(struct buf *frame, int32_t correlation_id, const char *client_id, const char *topic)
{
    kafka_begin(frame, 3, 4, correlation_id, client_id);
    put_int(frame, 1, 4);
    put_string(frame, topic);
    put_int(frame, 1, 1); /* may be created */
    kafka_end(frame);
}

/* Fetch version 4 of a topic's first partition, from an offset on. */
UNUSED static void kafka_fetch(struct buf *frame, int32_t correlation_id, const char *client_id, const char *topic,
                               int64_t offset, int32_t wait_ms)
{
    kafka_begin(frame, 1, 4, correlation_id, client_id);
    put_int(frame, -1, 4);      /* a consumer */
    put_int(frame, wait_ms, 4);
    put_int(frame, 1, 4);       /* bytes at least */
    put_int(frame, 1 << 20, 4); /* and at most */
    put_int(frame, 0, 1);       /* isolation level */
    put_int(frame, 1, 4);       /* topics */
    put_string(frame, topic);
    put_int(frame, 1, 4);       /* partitions */
    put_int(frame, 0, 4);
    put_int(frame, offset, 8);
    put_int(frame, 1 << 20, 4);
    kafka_end(frame);
}

UNUSED static void kafka_send(int fd, const struct buf *frame)
{
    ASSERT(send(fd, frame->data, frame->size, MSG_NOSIGNAL) == (ssize_t)frame->size);
}

/* The response without its size; returns the correlation id. */
UNUSED static int32_t kafka_receive(int fd, struct buf *response)
{
    uint32_t size;
    ASSERT(recv(fd, &size, sizeof size, MSG_WAITALL) == sizeof size);
    size = ntohl(size);
    buf_clear(response);
    uint8_t *bytes = buf_reserve(response, size);
    ASSERT(recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size);
    response->size = size;
    ASSERT(size >= 4);
    return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]);
}

#endif
