/* task_map.h: what an encoder keeps of each task that lives, found by the task's id. One thread. */
#ifndef TRACE_TASK_MAP_H
#define TRACE_TASK_MAP_H

#include <stddef.h>
#include <stdint.h>

/* Each entry begins with its task's id, which is not 0, and stays where it is until it is removed. */
struct task_map {
    uint64_t **slots;
    uint32_t count, slot_count;
    size_t entry_size;
};

void task_map_init(struct task_map *map, size_t entry_size);
/* Frees the entries, too. */
void task_map_deinit(struct task_map *map);
/* Zeroed but for the id. There is none of this id yet. */
void *task_map_add(struct task_map *map, uint64_t task);
/* NULL: none. */
void *task_map_find(const struct task_map *map, uint64_t task);
/* Frees the entry. */
void task_map_remove(struct task_map *map, void *entry);

#endif
