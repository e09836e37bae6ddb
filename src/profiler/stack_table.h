/* stack_table.h: equal stacks counted together, by hash: what every kind of profile is made of.
 *
 * An entry has one value for each column of its kind of profile (profiler/type.h). One thread at a time. */
#ifndef PROFILER_STACK_TABLE_H
#define PROFILER_STACK_TABLE_H

#include "base/label.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack_table;

/* Columns of a profile, at most. */
#define STACK_VALUES_MAX 4

/* What makes two samples equal. Texts are compared by address: they are interned. */
struct stack_key {
    uint32_t epoch; /* of symbols.h: what was mapped when it was taken */
    uint32_t depth;
    bool is_parked;       /* pcs[0] is a return address too: of a call that has not returned yet */
    const char *function; /* stands in for the stack where depth is 0, such as "[lost samples]"; else NULL */
    const char *labels[LABEL_KEY_COUNT];
    int64_t number;       /* of the label that profile_type.number names; 0: none */
    const uintptr_t *pcs;
};

/* By addresses of texts, and pcs: what is equal is one entry. [any], no lock and no allocation */
uint64_t stack_key_hash(const struct stack_key *key);
bool stack_key_equal(const struct stack_key *a, const struct stack_key *b);

struct stack_entry {
    struct stack_key key;
    int64_t values[STACK_VALUES_MAX];
};

/* Nothing is left of it, as after a subtraction. */
bool stack_entry_is_zero(const struct stack_entry *entry);

/* value_count: columns, at most STACK_VALUES_MAX. */
struct stack_table *stack_table_create(unsigned value_count);
/* NULL is allowed. */
void stack_table_destroy(struct stack_table *table);
/* Adds value_count values. The pcs are copied. */
void stack_table_add(struct stack_table *table, const struct stack_key *key, const int64_t *values);
/* The pcs stay in the other table, which outlives the copy and is not changed meanwhile. */
struct stack_table *stack_table_copy(const struct stack_table *table);
size_t stack_table_count(const struct stack_table *table);

/* Take the values of `before` from those of `table`, but for columns whose bit is set in `levels`: they say how much
 * there is, not how much there was in all, and stay. Entries without a value left stay as entries of zeros. */
void stack_table_subtract(struct stack_table *table, const struct stack_table *before, unsigned levels);

/* Negative values become 0. */
void stack_table_raise_to_zero(struct stack_table *table);

/* All entries, the largest in the last column first, in the same order for the same samples; valid until the next
 * change of the table. */
const struct stack_entry *stack_table_sort(struct stack_table *table, size_t *count);

#endif
