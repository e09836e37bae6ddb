/* buf.c: a growing byte buffer. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *buf)
{
    *buf = (struct buf){0};
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

uint8_t *buf_reserve(struct buf *buf, size_t more)
{
    ASSERT(more <= SIZE_MAX / 2 - buf->size);
    size_t needed = buf->size + more;
    if (needed > buf->capacity) {
        size_t capacity = buf->capacity ? buf->capacity : 64;
        while (capacity < needed)
            capacity *= 2;
        buf->data = mem_realloc(buf->data, capacity);
        buf->capacity = capacity;
    }
    return buf->data + buf->size;
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(buf_reserve(buf, size), data, size);
    buf->size += size;
}

void buf_append_bytes(struct buf *buf, struct bytes bytes)
{
    buf_append(buf, bytes.data, bytes.size);
}

void buf_append_string(struct buf *buf, const char *string)
{
    buf_append(buf, string, strlen(string));
}

void buf_append_byte(struct buf *buf, uint8_t byte)
{
    *buf_reserve(buf, 1) = byte;
    buf->size++;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf((char *)buf_reserve(buf, 64), 64, format, args);
    va_end(args);
    ASSERT(length >= 0);
    if (length >= 64)
        vsnprintf((char *)buf_reserve(buf, (size_t)length + 1), (size_t)length + 1, format, again);
    va_end(again);
    buf->size += (size_t)length;
}

void buf_consume(struct buf *buf, size_t size)
{
    ASSERT(size <= buf->size);
    if (size < buf->size && size > 0)
        memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
}

const char *buf_string(struct buf *buf)
{
    *buf_reserve(buf, 1) = 0;
    return (const char *)buf->data;
}

uint8_t *buf_take(struct buf *buf, size_t *size)
{
    uint8_t *data = buf->data;
    *size = buf->size;
    *buf = (struct buf){0};
    return data;
}
