/* trace_task_table.h: the tasks that the repair of a trace knows: what it has told of those that live, and which ids
 * are over. */
#ifndef PROFILER_TRACE_TASK_TABLE_H
#define PROFILER_TRACE_TASK_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

/* Regions within regions: no code of ours comes near it, so deeper ones have lost their ends, and are left out. */
#define TRACE_REGION_DEPTH_MAX 64

enum trace_task_state {
    TRACE_TASK_UNTOLD, /* no event has named it yet */
    TRACE_TASK_RUNNABLE,
    TRACE_TASK_RUNNING,
    TRACE_TASK_WAITING,
};

struct trace_region {
    uint64_t request;
    uint32_t name;
};

struct trace_lane;

struct trace_task {
    uint64_t id;
    enum trace_task_state state;
    struct trace_lane *lane;  /* where it runs */
    uint64_t told_ns;         /* when the first event named it */
    uint32_t name, entry;     /* entry 0: nobody has said what it is */
    uint32_t waker_stack;     /* of a wake that came while it was not waiting */
    uint32_t deep_count;      /* open regions that were left out */
    uint32_t region_count, region_capacity;
    struct trace_region *regions; /* that are open, the innermost last */
    uint64_t request;             /* that is open; 0: none */
    UT_hash_handle hh;
};

struct trace_task_table;

struct trace_task_table *trace_task_table_create(void);
/* NULL is allowed. */
void trace_task_table_destroy(struct trace_task_table *table);
/* The task of this id, if it is known and lives. It stays where it is until it ends. */
struct trace_task *trace_task_table_find(const struct trace_task_table *table, uint64_t id);
/* The same, a new one if need be; NULL: it has ended. */
struct trace_task *trace_task_table_get(struct trace_task_table *table, uint64_t id);
void trace_task_table_end(struct trace_task_table *table, struct trace_task *task);
/* False: it is too deep to be told. */
bool trace_task_open_region(struct trace_task *task, uint32_t name);

#endif
