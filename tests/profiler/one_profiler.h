/* one_profiler.h: the one profiler that a test program has, and what it says by the name of a type. */
#ifndef TESTS_PROFILER_ONE_PROFILER_H
#define TESTS_PROFILER_ONE_PROFILER_H

#include "base/buf.h"
#include "base/mem.h"
#include "collect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct profiler *profiler;

/* All but the CPU sampler is off. For a program or for each of its tests. */
static inline int create_profiler(void **state)
{
    (void)state;
    const struct profiler_options options = {
        .enabled = true,
        .cpu_hz = 100,
        .label_topics = true,
        .label_clients = true,
        .max_duration_ns = 3600 * (int64_t)NS_PER_S,
    };
    return profiler_create(&profiler, &options);
}

static inline int destroy_profiler(void **state)
{
    (void)state;
    profiler_destroy(profiler);
    return 0;
}

static inline struct collection *open_type(const char *name, const struct profile_query *query)
{
    struct collection *collection = NULL;
    const struct profile_type *type = profile_type_find(bytes_of_string(name));
    assert_non_null(type);
    assert_int_equal(collection_open(profiler, type, query, &collection), 0);
    return collection;
}

/* The text is the caller's, by mem_free. */
static inline char *take_text(const char *name, int debug, const struct profile_query *query)
{
    struct collection *collection = open_type(name, query);
    struct buf text;
    buf_init(&text);
    collection_write_text(collection, debug, &text);
    collection_close(collection);
    char *copy = mem_copy_bytes(buf_bytes(&text));
    buf_deinit(&text);
    return copy;
}

#endif
