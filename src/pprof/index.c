/* index.c: open addressing, a step at a time. */
#include "pprof/index.h"

static void place(struct index *index, struct index_slot slot)
{
    uint32_t mask = index->capacity - 1, i = slot.hash & mask;
    while (index->slots[i].position_plus_one != 0)
        i = (i + 1) & mask;
    index->slots[i] = slot;
}

static void grow(struct index *index)
{
    ASSERT(index->capacity < INDEX_CAPACITY_MAX);
    struct index grown = {.capacity = index->capacity == 0 ? 64 : index->capacity * 2, .count = index->count};
    grown.slots = mem_alloc_array(grown.capacity, sizeof(*grown.slots));
    for (uint32_t i = 0; i < index->capacity; i++) {
        if (index->slots[i].position_plus_one != 0)
            place(&grown, index->slots[i]);
    }
    mem_free(index->slots);
    *index = grown;
}

void index_insert(struct index *index, uint32_t hash, uint32_t position)
{
    if (index->count >= index->capacity / 2)
        grow(index);
    place(index, (struct index_slot){hash, position + 1});
    index->count++;
}

void index_deinit(struct index *index)
{
    mem_free(index->slots);
    *index = (struct index){0};
}
