/* buf.h: bytes that grow at the end. One owner, one thread at a time. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"
#include "base/check.h"

struct buf {
    uint8_t *data;
    size_t size, capacity;
};

void buf_init(struct buf *buf);
void buf_deinit(struct buf *buf);
/* Forget the content, keep the memory. */
void buf_clear(struct buf *buf);
/* Room for `more` bytes behind the content; returns where they start. Does not change the size. */
uint8_t *buf_reserve(struct buf *buf, size_t more);
void buf_append(struct buf *buf, const void *data, size_t size);
void buf_append_bytes(struct buf *buf, struct bytes bytes);
void buf_append_string(struct buf *buf, const char *string);
void buf_append_byte(struct buf *buf, uint8_t byte);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Drop `size` bytes from the front; the rest moves down. */
void buf_consume(struct buf *buf, size_t size);
/* The content, ended by a NUL that does not count. Valid until the next change. */
const char *buf_string(struct buf *buf);
/* The memory becomes the caller's (mem_free); the buffer is empty again. */
uint8_t *buf_take(struct buf *buf, size_t *size);

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->data, buf->size);
}

#endif
