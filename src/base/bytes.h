/* bytes.h: a view of bytes that somebody else owns. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Owns nothing; data may be NULL when size is 0. A NULL data with size 0 is also how a nullable field says null. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){data, size};
}

/* The characters of a C string, without its NUL. */
static inline struct bytes bytes_of_string(const char *string)
{
    return (struct bytes){(const uint8_t *)string, strlen(string)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_string(struct bytes a, const char *string)
{
    return bytes_equal(a, bytes_of_string(string));
}

/* For printf("%.*s"): the two arguments. */
#define BYTES_ARGS(view) (int)(view).size, (const char *)(view).data

#endif
