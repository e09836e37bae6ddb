/* index_map.h: from the 64-bit ids that a trace names things by to indexes, which the caller chooses. One thread. */
#ifndef TRACE_INDEX_MAP_H
#define TRACE_INDEX_MAP_H

#include <stdint.h>

/* Starts zeroed; deinit frees it. */
struct index_map {
    struct index_map_slot {
        uint64_t key;
        uint32_t value; /* 0: free */
    } *slots;
    uint32_t slot_count, count;
};

/* 0: there is none. */
uint32_t index_map_find(const struct index_map *map, uint64_t key);
/* Where the key's index is, until the next index_map_at. 0: the key is new, and the caller gives it one from 1. */
uint32_t *index_map_at(struct index_map *map, uint64_t key);
void index_map_deinit(struct index_map *map);

#endif
