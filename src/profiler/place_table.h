/* place_table.h: places in code that were looked up once, with their texts: the memory of symbols.c. One thread at a
 * time. */
#ifndef PROFILER_PLACE_TABLE_H
#define PROFILER_PLACE_TABLE_H

#include "profiler/symbols.h"

#include <stddef.h>

struct place_table;

struct place_table *place_table_create(void);
/* NULL is allowed. */
void place_table_destroy(struct place_table *table);

/* NULL: not yet looked up. */
const struct symbol_place *place_table_find(const struct place_table *table, const struct symbol_object *object,
                                            uintptr_t address);
/* One that is not in it. Texts are copied; frames' are kept once each. At most SYMBOL_INLINE_MAX frames. */
const struct symbol_place *place_table_add(struct place_table *table, const struct symbol_place *place,
                                           const struct symbol_frame *frames);
uint32_t place_table_count(const struct place_table *table);
size_t place_table_bytes(const struct place_table *table);

#endif
