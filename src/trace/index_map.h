/* index_map.h: from what a trace names things by, one 64-bit number or two, to indexes. One thread. */
#ifndef TRACE_INDEX_MAP_H
#define TRACE_INDEX_MAP_H

#include <stdbool.h>
#include <stdint.h>

/* Starts zeroed; deinit frees it. */
struct index_map {
    struct index_map_slot {
        uint64_t first, second;
        uint32_t value; /* 0: free */
    } *slots;
    uint32_t slot_count, count;
};

/* 0: there is none. */
uint32_t index_map_find(const struct index_map *map, uint64_t key);
/* Where the key's index is, until the next one is asked for. 0: the key is new, and the caller gives it one from 1. */
uint32_t *index_map_at(struct index_map *map, uint64_t key);
/* Of a pair, which gets the next number where it is new: 1, 2, 3 ... A map is either of these or of keys. */
uint32_t index_map_number(struct index_map *map, uint64_t first, uint64_t second, bool *is_new);
/* Forget all; the next number is 1 again. */
void index_map_clear(struct index_map *map);
void index_map_deinit(struct index_map *map);

#endif
