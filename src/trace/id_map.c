/* id_map.c: open addressing, at most half full. */
#include "trace/id_map.h"

#include "base/mem.h"

#include <string.h>

#define SLOTS_AT_FIRST 64

static struct id_map_slot *find(const struct id_map *map, uint64_t first, uint64_t second)
{
    uint64_t hash = (first * 0x9e3779b97f4a7c15u ^ second) * 0xff51afd7ed558ccdu;
    uint32_t index = (uint32_t)(hash >> 32) & (map->slot_count - 1);
    struct id_map_slot *slot = &map->slots[index];
    while (slot->id != 0 && (slot->first != first || slot->second != second)) {
        index = (index + 1) & (map->slot_count - 1);
        slot = &map->slots[index];
    }
    return slot;
}

static void grow(struct id_map *map)
{
    struct id_map old = *map;
    map->slot_count = 2 * old.slot_count;
    map->slots = mem_alloc_array(map->slot_count, sizeof *map->slots);
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i].id != 0)
            *find(map, old.slots[i].first, old.slots[i].second) = old.slots[i];
    mem_free(old.slots);
}

void id_map_init(struct id_map *map)
{
    *map = (struct id_map){.slot_count = SLOTS_AT_FIRST};
    map->slots = mem_alloc_array(SLOTS_AT_FIRST, sizeof *map->slots);
}

void id_map_deinit(struct id_map *map)
{
    mem_free(map->slots);
}

void id_map_clear(struct id_map *map)
{
    map->count = 0;
    memset(map->slots, 0, map->slot_count * sizeof *map->slots);
}

uint32_t id_map_get(struct id_map *map, uint64_t first, uint64_t second, bool *is_new)
{
    struct id_map_slot *slot = find(map, first, second);
    *is_new = slot->id == 0;
    if (!*is_new)
        return slot->id;
    if (++map->count > map->slot_count / 2) {
        grow(map);
        slot = find(map, first, second);
    }
    *slot = (struct id_map_slot){first, second, map->count};
    return map->count;
}
