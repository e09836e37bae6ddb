/* check.h: assertions that stay on in release, and the attributes that headers use. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

/* The caller must look at the result. */
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#define NORETURN __attribute__((noreturn))
#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define UNUSED __attribute__((unused))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that embeds `member` at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* Print where, what and the process's end; then abort (a core with all threads). [any] */
NORETURN void check_failed(const char *file, int line, const char *expression);

/* A fact that only a bug can break. Input, disk, network and configuration are returned, never asserted. */
#define ASSERT(fact) ((fact) ? (void)0 : check_failed(__FILE__, __LINE__, #fact))

#endif
