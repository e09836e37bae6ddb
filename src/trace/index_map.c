/* index_map.c: open addressing, at most half full. */
#include "trace/index_map.h"

#include "base/mem.h"

#include <string.h>

#define FIRST_SLOTS 64

/* The slot that has the key, or the free one where it belongs. All bits of the key count (splitmix64's last steps). */
static uint32_t find_slot(const struct index_map *map, uint64_t first, uint64_t second)
{
    uint64_t hash = first * 0x9e3779b97f4a7c15u ^ second;
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    uint32_t mask = map->slot_count - 1, slot = (uint32_t)(hash ^ hash >> 31) & mask;
    while (map->slots[slot].value != 0 && (map->slots[slot].first != first || map->slots[slot].second != second))
        slot = (slot + 1) & mask;
    return slot;
}

static void grow(struct index_map *map)
{
    struct index_map larger = {.count = map->count, .slot_count = map->slot_count ? 2 * map->slot_count : FIRST_SLOTS};
    larger.slots = mem_alloc_array(larger.slot_count, sizeof *larger.slots);
    for (uint32_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].value != 0)
            larger.slots[find_slot(&larger, map->slots[i].first, map->slots[i].second)] = map->slots[i];
    mem_free(map->slots);
    *map = larger;
}

static uint32_t *value_at(struct index_map *map, uint64_t first, uint64_t second)
{
    if (map->count >= map->slot_count / 2)
        grow(map);
    struct index_map_slot *slot = &map->slots[find_slot(map, first, second)];
    if (slot->value == 0) {
        slot->first = first;
        slot->second = second;
        map->count++;
    }
    return &slot->value;
}

uint32_t index_map_find(const struct index_map *map, uint64_t key)
{
    return map->slot_count == 0 ? 0 : map->slots[find_slot(map, key, 0)].value;
}

uint32_t *index_map_at(struct index_map *map, uint64_t key)
{
    return value_at(map, key, 0);
}

uint32_t index_map_number(struct index_map *map, uint64_t first, uint64_t second, bool *is_new)
{
    uint32_t *value = value_at(map, first, second);
    *is_new = *value == 0;
    if (*is_new)
        *value = map->count;
    return *value;
}

void index_map_clear(struct index_map *map)
{
    if (map->slot_count > 0)
        memset(map->slots, 0, map->slot_count * sizeof *map->slots);
    map->count = 0;
}

void index_map_deinit(struct index_map *map)
{
    mem_free(map->slots);
    *map = (struct index_map){.count = 0};
}
