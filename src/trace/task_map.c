/* task_map.c: open addressing, at most half full; what follows a removed entry moves up, so no slot is ever a grave. */
#include "trace/task_map.h"

#include "base/check.h"
#include "base/mem.h"

#define SLOTS_AT_FIRST 64

static uint32_t home_of(const struct task_map *map, uint64_t task)
{
    return (uint32_t)(task * 0x9e3779b97f4a7c15u >> 32) & (map->slot_count - 1);
}

/* The task's slot, or the free one where it would be. */
static uint32_t find_slot(const struct task_map *map, uint64_t task)
{
    uint32_t slot = home_of(map, task);
    while (map->slots[slot] != NULL && *map->slots[slot] != task)
        slot = (slot + 1) & (map->slot_count - 1);
    return slot;
}

static void grow(struct task_map *map)
{
    struct task_map old = *map;
    map->slot_count = 2 * old.slot_count;
    map->slots = mem_alloc_array(map->slot_count, sizeof *map->slots);
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i] != NULL)
            map->slots[find_slot(map, *old.slots[i])] = old.slots[i];
    mem_free(old.slots);
}

void task_map_init(struct task_map *map, size_t entry_size)
{
    *map = (struct task_map){.slot_count = SLOTS_AT_FIRST, .entry_size = entry_size};
    map->slots = mem_alloc_array(SLOTS_AT_FIRST, sizeof *map->slots);
}

void task_map_deinit(struct task_map *map)
{
    for (uint32_t i = 0; i < map->slot_count; i++)
        mem_free(map->slots[i]);
    mem_free(map->slots);
}

void *task_map_add(struct task_map *map, uint64_t task)
{
    if (++map->count > map->slot_count / 2)
        grow(map);
    uint32_t slot = find_slot(map, task);
    ASSERT(task != 0 && map->slots[slot] == NULL);
    uint64_t *entry = mem_alloc(map->entry_size);
    *entry = task;
    return map->slots[slot] = entry;
}

void *task_map_find(const struct task_map *map, uint64_t task)
{
    return map->slots[find_slot(map, task)];
}

void task_map_remove(struct task_map *map, void *entry)
{
    uint32_t mask = map->slot_count - 1, hole = find_slot(map, *(uint64_t *)entry);
    ASSERT(map->slots[hole] == entry);
    for (uint32_t slot = (hole + 1) & mask; map->slots[slot] != NULL; slot = (slot + 1) & mask) {
        /* It may move into the hole if that is not before its home. */
        uint32_t home = home_of(map, *map->slots[slot]);
        if (((slot - home) & mask) < ((slot - hole) & mask))
            continue;
        map->slots[hole] = map->slots[slot];
        hole = slot;
    }
    map->slots[hole] = NULL;
    map->count--;
    mem_free(entry);
}
