/* id_map.h: a number for each pair of numbers that came by: 1, 2, 3 ... in the order of their coming. One thread. */
#ifndef TRACE_ID_MAP_H
#define TRACE_ID_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct id_map {
    struct id_map_slot {
        uint64_t first, second;
        uint32_t id; /* 0: free */
    } *slots;
    uint32_t count, slot_count;
};

void id_map_init(struct id_map *map);
void id_map_deinit(struct id_map *map);
/* Forget all; the next one is 1 again. */
void id_map_clear(struct id_map *map);
uint32_t id_map_get(struct id_map *map, uint64_t first, uint64_t second, bool *is_new);

#endif
