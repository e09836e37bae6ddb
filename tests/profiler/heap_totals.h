/* heap_totals.h: what the heap profile says of the allocations that a test makes, and of no others. */
#ifndef TEST_HEAP_TOTALS_H
#define TEST_HEAP_TOTALS_H

#include "base/check.h"
#include "installed_capture.h"
#include "profiler/heap.h"
#include "profiler/stack_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Sizes that cannot be had are part of these tests, in builds with sanitizers too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* A function whose allocations are counted, those of what it calls included. */
#define SITE NOINLINE __attribute__((section("heap_sites")))

extern const char __start_heap_sites[], __stop_heap_sites[];

struct totals {
    int64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
    int64_t stack_count;
};

static inline bool is_of_a_site(const struct stack_key *key)
{
    for (uint32_t i = 0; i < key->depth; i++)
        if (key->pcs[i] >= (uintptr_t)__start_heap_sites && key->pcs[i] < (uintptr_t)__stop_heap_sites)
            return true;
    return false;
}

static inline void add_entry(struct totals *totals, const struct stack_entry *entry)
{
    totals->alloc_objects += entry->values[0];
    totals->alloc_bytes += entry->values[1];
    totals->inuse_objects += entry->values[2];
    totals->inuse_bytes += entry->values[3];
    totals->stack_count++;
}

/* Since the process began. */
static inline struct totals totals_now(void)
{
    size_t count;
    struct totals totals = {0};
    struct stack_table *stacks = stack_table_create(4);
    heap_collect(stacks);
    const struct stack_entry *entries = stack_table_sort(stacks, &count);
    for (size_t i = 0; i < count; i++)
        if (is_of_a_site(&entries[i].key))
            add_entry(&totals, &entries[i]);
    stack_table_destroy(stacks);
    return totals;
}

static inline struct totals totals_since(struct totals before)
{
    struct totals now = totals_now();
    now.alloc_objects -= before.alloc_objects;
    now.alloc_bytes -= before.alloc_bytes;
    now.inuse_objects -= before.inuse_objects;
    now.inuse_bytes -= before.inuse_bytes;
    return now;
}

#define assert_totals(totals, objects, bytes, objects_in_use, bytes_in_use)                                            \
    do {                                                                                                               \
        assert_int_equal((totals).alloc_objects, objects);                                                             \
        assert_int_equal((totals).alloc_bytes, bytes);                                                                 \
        assert_int_equal((totals).inuse_objects, objects_in_use);                                                      \
        assert_int_equal((totals).inuse_bytes, bytes_in_use);                                                          \
    } while (0)

static inline int stop_sampling_and_capture(void **state)
{
    heap_set_rate(0);
    return tear_down_capture(state);
}

#endif
