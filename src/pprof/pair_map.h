/* pair_map.h: a small hash table from two 32-bit numbers to a third, for loops that ask once a frame. [any] */
#ifndef PPROF_PAIR_MAP_H
#define PPROF_PAIR_MAP_H

#include "base/hash.h"
#include "base/mem.h"

#include <stdint.h>

struct pair_slot {
    uint32_t first, second;
    uint32_t value_plus_one; /* 0: empty */
};

/* All zero is an empty map. */
struct pair_map {
    struct pair_slot *slots;
    uint32_t capacity, count; /* capacity: a power of two, at most half of it in use */
};

static inline void pair_map_deinit(struct pair_map *map)
{
    mem_free(map->slots);
    *map = (struct pair_map){0};
}

static inline struct pair_slot *pair_map_slot(const struct pair_map *map, uint32_t first, uint32_t second)
{
    uint32_t hash = hash_finish(hash_mix(hash_begin(0), (uint64_t)first << 32 | second));
    uint32_t mask = map->capacity - 1, i = hash & mask;
    while (map->slots[i].value_plus_one != 0 && (map->slots[i].first != first || map->slots[i].second != second))
        i = (i + 1) & mask;
    return &map->slots[i];
}

static NOINLINE UNUSED void pair_map_grow(struct pair_map *map)
{
    struct pair_map grown = {.capacity = map->capacity == 0 ? 64 : map->capacity * 2, .count = map->count};
    ASSERT(grown.capacity != 0);
    grown.slots = mem_alloc_array(grown.capacity, sizeof(*grown.slots));
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value_plus_one != 0)
            *pair_map_slot(&grown, map->slots[i].first, map->slots[i].second) = map->slots[i];
    }
    mem_free(map->slots);
    *map = grown;
}

/* The value of the pair, or `fresh` if it has none: it has that one from now on. */
static inline uint32_t pair_map_find_or_add(struct pair_map *map, uint32_t first, uint32_t second, uint32_t fresh)
{
    if (map->count >= map->capacity / 2)
        pair_map_grow(map);
    struct pair_slot *slot = pair_map_slot(map, first, second);
    if (slot->value_plus_one == 0) {
        *slot = (struct pair_slot){first, second, fresh + 1};
        map->count++;
    }
    return slot->value_plus_one - 1;
}

#endif
