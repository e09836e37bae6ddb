/* trace_task_table.c: a hash of the living, and a bit for each one that has ended: ids count up, so they are dense. */
#include "profiler/trace_task_table.h"

#include "base/mem.h"

#define IDS_PER_PAGE 4096

struct ended_page {
    uint64_t number; /* id / IDS_PER_PAGE */
    uint64_t bits[IDS_PER_PAGE / 64];
    UT_hash_handle hh;
};

struct trace_task_table {
    struct trace_task *tasks;
    struct ended_page *ended;
};

struct trace_task_table *trace_task_table_create(void)
{
    return MEM_NEW(struct trace_task_table);
}

static void free_task(struct trace_task_table *table, struct trace_task *task)
{
    HASH_DEL(table->tasks, task);
    mem_free(task->regions);
    mem_free(task);
}

void trace_task_table_destroy(struct trace_task_table *table)
{
    if (!table)
        return;
    while (table->tasks)
        free_task(table, table->tasks);
    while (table->ended) {
        struct ended_page *page = table->ended;
        HASH_DEL(table->ended, page);
        mem_free(page);
    }
    mem_free(table);
}

static struct ended_page *page_of(struct trace_task_table *table, uint64_t id)
{
    uint64_t number = id / IDS_PER_PAGE;
    struct ended_page *page;
    HASH_FIND(hh, table->ended, &number, sizeof number, page);
    return page;
}

static bool has_ended(struct trace_task_table *table, uint64_t id)
{
    const struct ended_page *page = page_of(table, id);
    return page && page->bits[id % IDS_PER_PAGE / 64] >> id % 64 & 1;
}

struct trace_task *trace_task_table_find(const struct trace_task_table *table, uint64_t id)
{
    struct trace_task *task;
    HASH_FIND(hh, table->tasks, &id, sizeof id, task);
    return task;
}

struct trace_task *trace_task_table_get(struct trace_task_table *table, uint64_t id)
{
    struct trace_task *task = trace_task_table_find(table, id);
    if (!task && !has_ended(table, id)) {
        task = MEM_NEW(struct trace_task);
        task->id = id;
        HASH_ADD(hh, table->tasks, id, sizeof task->id, task);
    }
    return task;
}

void trace_task_table_end(struct trace_task_table *table, struct trace_task *task)
{
    uint64_t id = task->id;
    struct ended_page *page = page_of(table, id);
    if (!page) {
        page = MEM_NEW(struct ended_page);
        page->number = id / IDS_PER_PAGE;
        HASH_ADD(hh, table->ended, number, sizeof page->number, page);
    }
    page->bits[id % IDS_PER_PAGE / 64] |= 1ull << id % 64;
    free_task(table, task);
}

bool trace_task_open_region(struct trace_task *task, uint32_t name)
{
    if (task->region_count == TRACE_REGION_DEPTH_MAX) {
        task->deep_count++;
        return false;
    }
    if (task->region_count == task->region_capacity) {
        task->region_capacity = task->region_capacity ? 2 * task->region_capacity : 4;
        task->regions = mem_realloc(task->regions, task->region_capacity * sizeof *task->regions);
    }
    task->regions[task->region_count++] = (struct trace_region){.request = task->request, .name = name};
    return true;
}
