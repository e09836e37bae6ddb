/* id_map.c: a table where ids are dense, a sorted list where they are not. */
#include "pprof/id_map.h"

#include "base/mem.h"

#include <stdlib.h>

void id_map_deinit(struct id_map *map)
{
    mem_free(map->entries);
    mem_free(map->dense);
}

void id_map_add(struct id_map *map, uint64_t theirs, uint32_t ours)
{
    if (map->count == map->capacity) {
        map->capacity = map->capacity == 0 ? 64 : map->capacity * 2;
        map->entries = mem_realloc(map->entries, map->capacity * sizeof(*map->entries));
    }
    map->entries[map->count++] = (struct id_entry){theirs, ours};
}

static int compare_entries(const void *left, const void *right)
{
    const struct id_entry *a = left, *b = right;
    return a->theirs < b->theirs ? -1 : a->theirs > b->theirs;
}

static bool is_ascending(const struct id_map *map)
{
    uint64_t previous = 0;
    for (size_t i = 0; i < map->count; i++) {
        if (map->entries[i].theirs <= previous)
            return false;
        previous = map->entries[i].theirs;
    }
    return true;
}

bool id_map_finish(struct id_map *map)
{
    if (map->count == 0)
        return true;
    if (!is_ascending(map))
        qsort(map->entries, map->count, sizeof(*map->entries), compare_entries);
    if (!is_ascending(map))
        return false;
    uint64_t largest = map->entries[map->count - 1].theirs;
    if (largest / 4 > map->count) /* most writers number from 1 without gaps */
        return true;
    map->dense_count = (size_t)largest + 1;
    map->dense = mem_alloc_array(map->dense_count, sizeof(*map->dense));
    for (size_t i = 0; i < map->count; i++)
        map->dense[map->entries[i].theirs] = map->entries[i].ours;
    return true;
}

uint32_t id_map_search(const struct id_map *map, uint64_t theirs)
{
    if (map->dense != NULL || map->count == 0)
        return 0;
    struct id_entry key = {.theirs = theirs};
    const struct id_entry *found = bsearch(&key, map->entries, map->count, sizeof(*map->entries), compare_entries);
    return found ? found->ours : 0;
}
