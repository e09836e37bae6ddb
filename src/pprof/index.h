/* index.h: a hash table of positions in an array; the keys stay in the array.
 *
 * Finding and adding are two steps, as a key is often not in the array yet when it is looked for. A position stays
 * where it is: nothing is ever taken out. [any] */
#ifndef PPROF_INDEX_H
#define PPROF_INDEX_H

#include "base/hash.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct index_slot {
    uint32_t hash; /* most keys that differ are told apart here, and a table that grows asks no key */
    uint32_t position_plus_one; /* 0: empty */
};

#define INDEX_CAPACITY_MAX ((uint32_t)1 << 31)
#define INDEX_ENTRIES_MAX (INDEX_CAPACITY_MAX / 2)

/* All zero is an empty index. */
struct index {
    struct index_slot *slots;
    uint32_t capacity; /* a power of two, at most half of it in use; or 0 */
    uint32_t count;
};

#define NOT_IN_INDEX UINT32_MAX

/* Is the entry at this position the one that the key describes? */
typedef bool (*index_equal_fn)(const void *array_owner, uint32_t position, const void *key);

/* The hash is of hash.h. Inline, as the comparison then is too. */
static ALWAYS_INLINE uint32_t index_find(const struct index *index, uint32_t hash, index_equal_fn equal,
                                         const void *array_owner, const void *key)
{
    if (index->capacity == 0)
        return NOT_IN_INDEX;
    uint32_t mask = index->capacity - 1;
    for (uint32_t i = hash & mask; index->slots[i].position_plus_one != 0; i = (i + 1) & mask) {
        const struct index_slot *slot = &index->slots[i];
        if (slot->hash == hash && equal(array_owner, slot->position_plus_one - 1, key))
            return slot->position_plus_one - 1;
    }
    return NOT_IN_INDEX;
}

/* What index_find has not found; at most INDEX_ENTRIES_MAX. */
void index_insert(struct index *index, uint32_t hash, uint32_t position);
void index_deinit(struct index *index);

#endif
