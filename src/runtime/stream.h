/* stream.h: TCP for tasks. A stream belongs to the reactor whose task opened it; only its tasks may touch it.
 *
 * Reads are always armed into the stream's buffer, so a peer that goes is noticed while the task does other things. */
#ifndef RUNTIME_STREAM_H
#define RUNTIME_STREAM_H

#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct listener;
struct stream;

/* Bind and listen. Host is an address or a name ("127.0.0.1", "::1", "0.0.0.0", "localhost"), of whose addresses the
 * first that works is taken, IPv4 before IPv6; port 0 picks a free one. Negative: libuv's code, UV_EADDRINUSE among
 * them. [task] */
int listener_open(struct listener **listener, const char *host, uint16_t port) MUST_USE;
/* The port it got. */
uint16_t listener_port(const struct listener *listener);
/* Wait for the next connection; *fd is a non-blocking socket that the caller owns, to be given to stream_open on any
 * reactor. Running out of descriptors waits and tries again. UV_ECANCELED when cancelled. [task] */
int listener_accept(struct listener *listener, int *fd) MUST_USE;
/* No task may be waiting in listener_accept. NULL is allowed. [task] */
void listener_close(struct listener *listener);

struct stream_options {
    size_t buffer_max; /* the largest `need` of stream_read, bytes; reading stops while that much is buffered */
};
/* Take over a connected socket, TCP_NODELAY on. On failure it is closed. [task] */
int stream_open(struct stream **stream, int fd, const struct stream_options *options) MUST_USE;
/* Connect to a host and port. [task] */
int stream_connect(struct stream **stream, const char *host, uint16_t port,
                   const struct stream_options *options) MUST_USE;
/* Parks until libuv has let go of it; no other task may be waiting on it then. What the kernel has taken is still sent.
 * NULL is allowed. */
void stream_close(struct stream *stream);
/* "127.0.0.1:49152"; valid while the stream is. */
const char *stream_peer(const struct stream *stream);

/* Wait until at least `need` bytes (>= 1) are buffered; *view is all that is buffered, valid until the next read or
 * consume, also while the task waits for other things and more arrives behind it. 0, UV_EOF (the peer closed first;
 * *view is what is left), UV_ETIMEDOUT, UV_ECANCELED, ERR_TOO_LARGE, or the socket's error. */
int stream_read(struct stream *stream, size_t need, uint64_t timeout_ms, struct bytes *view) MUST_USE;
/* Drop bytes from the front of what is buffered. */
void stream_consume(struct stream *stream, size_t size);
/* What is buffered now, without waiting. */
struct bytes stream_buffered(const struct stream *stream);

/* Wait until the peer has closed or failed, for one that only needs to know whether somebody still listens. What it
 * sends is kept for the next read; once the buffer is full, its end goes unseen.
 * 0: gone. UV_ETIMEDOUT: still there. UV_ECANCELED. */
int stream_wait_closed(struct stream *stream, uint64_t timeout_ms);

/* Write all the pieces, parking while the peer is slow. On return they are the caller's again. 0, or the error
 * after which the stream is only good for closing (UV_ETIMEDOUT: nothing moved for timeout_ms). */
int stream_write(struct stream *stream, const struct bytes *pieces, unsigned count, uint64_t timeout_ms) MUST_USE;
/* The same for a part of a file: sent from the page cache while the socket takes it, through one small buffer
 * otherwise. UV_EOF when the file is shorter. */
int stream_send_file(struct stream *stream, int fd, off_t offset, size_t size, uint64_t timeout_ms) MUST_USE;

#endif
