/* tables.c: two sets of byte runs, texts and arrays of frames, each found by its hash. */
#include "trace/tables.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

/* Runs of bytes in an arena, numbered from 1; open addressing, at most half full. */
struct run_set {
    struct bytes *runs; /* runs[id - 1] */
    uint64_t *hashes;
    uint32_t *slots; /* ids; 0: free */
    uint32_t count, slot_count;
};

struct trace_tables {
    struct run_set strings, stacks;
    struct arena arena;
};

static uint64_t hash_of(struct bytes run)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < run.size; i++)
        hash = (hash ^ run.data[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static uint32_t find_slot(const struct run_set *set, struct bytes run, uint64_t hash)
{
    uint32_t slot = (uint32_t)hash & (set->slot_count - 1);
    for (uint32_t id; (id = set->slots[slot]) != 0; slot = (slot + 1) & (set->slot_count - 1))
        if (set->hashes[id - 1] == hash && bytes_equal(set->runs[id - 1], run))
            break;
    return slot;
}

static void resize(struct run_set *set, uint32_t slot_count)
{
    mem_free(set->slots);
    set->slots = mem_alloc_array(slot_count, sizeof *set->slots);
    set->slot_count = slot_count;
    set->runs = mem_realloc(set->runs, slot_count / 2 * sizeof *set->runs);
    set->hashes = mem_realloc(set->hashes, slot_count / 2 * sizeof *set->hashes);
    for (uint32_t id = 1; id <= set->count; id++) {
        uint32_t slot = (uint32_t)set->hashes[id - 1] & (slot_count - 1);
        while (set->slots[slot] != 0)
            slot = (slot + 1) & (slot_count - 1);
        set->slots[slot] = id;
    }
}

static uint32_t intern(struct run_set *set, struct arena *arena, struct bytes run)
{
    uint64_t hash = hash_of(run);
    uint32_t slot = find_slot(set, run, hash);
    if (set->slots[slot] != 0)
        return set->slots[slot];
    if (set->count == set->slot_count / 2) {
        resize(set, 2 * set->slot_count);
        slot = find_slot(set, run, hash);
    }
    set->runs[set->count] = bytes_of(arena_copy_bytes(arena, run), run.size);
    set->hashes[set->count] = hash;
    return set->slots[slot] = ++set->count;
}

static void deinit(struct run_set *set)
{
    mem_free(set->runs);
    mem_free(set->hashes);
    mem_free(set->slots);
}

struct trace_tables *trace_tables_create(void)
{
    struct trace_tables *tables = MEM_NEW(struct trace_tables);
    arena_init(&tables->arena);
    resize(&tables->strings, 256);
    resize(&tables->stacks, 256);
    return tables;
}

void trace_tables_destroy(struct trace_tables *tables)
{
    if (!tables)
        return;
    deinit(&tables->strings);
    deinit(&tables->stacks);
    arena_deinit(&tables->arena);
    mem_free(tables);
}

uint32_t trace_string(struct trace_tables *tables, struct bytes text)
{
    if (text.size == 0)
        return 0;
    if (text.size > TRACE_STRING_MAX)
        text.size = TRACE_STRING_MAX;
    return intern(&tables->strings, &tables->arena, text);
}

uint32_t trace_string_of(struct trace_tables *tables, const char *text)
{
    return trace_string(tables, bytes_of_string(text));
}

uint32_t trace_stack(struct trace_tables *tables, const struct trace_frame *frames, unsigned depth)
{
    struct trace_frame cut[TRACE_STACK_MAX];
    if (depth == 0)
        return 0;
    if (depth > TRACE_STACK_MAX) {
        memcpy(cut, frames, (TRACE_STACK_MAX - 1) * sizeof *cut);
        cut[TRACE_STACK_MAX - 1] = frames[depth - 1];
        frames = cut;
        depth = TRACE_STACK_MAX;
    }
    return intern(&tables->stacks, &tables->arena, bytes_of(frames, depth * sizeof *frames));
}

uint32_t trace_string_count(const struct trace_tables *tables)
{
    return tables->strings.count;
}

uint32_t trace_stack_count(const struct trace_tables *tables)
{
    return tables->stacks.count;
}

struct bytes trace_string_text(const struct trace_tables *tables, uint32_t id)
{
    ASSERT(id <= tables->strings.count);
    return id == 0 ? bytes_of("", 0) : tables->strings.runs[id - 1];
}

const struct trace_frame *trace_stack_frames(const struct trace_tables *tables, uint32_t id, unsigned *depth)
{
    ASSERT(id > 0 && id <= tables->stacks.count);
    struct bytes run = tables->stacks.runs[id - 1];
    *depth = (unsigned)(run.size / sizeof(struct trace_frame));
    return (const struct trace_frame *)(const void *)run.data;
}
