/* index_map.c: open addressing, at most half full. */
#include "trace/index_map.h"

#include "base/mem.h"

#define FIRST_SLOTS 64

/* The slot that has the key, or the free one where it belongs. All bits of the key count (splitmix64's last steps). */
static uint32_t find_slot(const struct index_map *map, uint64_t key)
{
    uint64_t hash = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    uint32_t mask = map->slot_count - 1, slot = (uint32_t)(hash ^ hash >> 31) & mask;
    while (map->slots[slot].value != 0 && map->slots[slot].key != key)
        slot = (slot + 1) & mask;
    return slot;
}

static void grow(struct index_map *map)
{
    struct index_map larger = {.count = map->count, .slot_count = map->slot_count ? 2 * map->slot_count : FIRST_SLOTS};
    larger.slots = mem_alloc_array(larger.slot_count, sizeof *larger.slots);
    for (uint32_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].value != 0)
            larger.slots[find_slot(&larger, map->slots[i].key)] = map->slots[i];
    mem_free(map->slots);
    *map = larger;
}

uint32_t index_map_find(const struct index_map *map, uint64_t key)
{
    return map->slot_count == 0 ? 0 : map->slots[find_slot(map, key)].value;
}

uint32_t *index_map_at(struct index_map *map, uint64_t key)
{
    if (map->count >= map->slot_count / 2)
        grow(map);
    struct index_map_slot *slot = &map->slots[find_slot(map, key)];
    if (slot->value == 0) {
        slot->key = key;
        map->count++;
    }
    return &slot->value;
}

void index_map_deinit(struct index_map *map)
{
    mem_free(map->slots);
    *map = (struct index_map){.count = 0};
}
