/* id_map.h: the ids of a profile's writer, and ours for them. Part of decode.c. [any] */
#ifndef PPROF_ID_MAP_H
#define PPROF_ID_MAP_H

#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_entry {
    uint64_t theirs;
    uint32_t ours;
};

/* All zero is an empty map. */
struct id_map {
    struct id_entry *entries; /* sorted by their id once id_map_finish has run */
    size_t count, capacity;
    uint32_t *dense;    /* ours by theirs, 0: none; NULL: their ids are too large for that */
    size_t dense_count; /* 0 then */
};

void id_map_deinit(struct id_map *map);
void id_map_add(struct id_map *map, uint64_t theirs, uint32_t ours);
/* After the last one, before the first is looked for. False if an id is 0 or there twice. */
bool id_map_finish(struct id_map *map) MUST_USE;

uint32_t id_map_search(const struct id_map *map, uint64_t theirs);

/* 0: nothing has this id. */
static inline uint32_t id_map_find(const struct id_map *map, uint64_t theirs)
{
    return theirs < map->dense_count ? map->dense[theirs] : id_map_search(map, theirs);
}

#endif
