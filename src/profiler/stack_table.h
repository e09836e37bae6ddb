/* stack_table.h: equal stacks counted together, by hash. One thread at a time. */
#ifndef PROFILER_STACK_TABLE_H
#define PROFILER_STACK_TABLE_H

#include "base/label.h"

#include <stddef.h>
#include <stdint.h>

struct stack_table;

/* What makes two samples equal. Texts are compared by address: they are interned. */
struct stack_key {
    uint32_t epoch; /* of symbols.h: what was mapped when it was taken */
    uint32_t depth;
    const char *function; /* stands in for the stack where depth is 0, such as "[lost samples]"; else NULL */
    const char *thread;
    const char *labels[LABEL_KEY_COUNT];
    const uintptr_t *pcs;
};

struct stack_entry {
    struct stack_key key;
    int64_t count, ns;
};

struct stack_table *stack_table_create(void);
void stack_table_destroy(struct stack_table *table);
/* The pcs are copied. */
void stack_table_add(struct stack_table *table, const struct stack_key *key, int64_t count, int64_t ns);
/* All entries, the heaviest first, in the same order for the same samples; valid while the table lives. The table
 * takes no more afterwards. */
const struct stack_entry *stack_table_finish(struct stack_table *table, size_t *count);

#endif
