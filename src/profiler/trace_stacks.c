/* trace_stacks.c: a table of the stacks that were asked for, by their addresses. */
#include "profiler/trace_stacks.h"

#include "base/mem.h"
#include "base/trace.h"
#include "profiler/symbols.h"
#include "profiler/wait_frames.h"
#include "trace/tables.h"

#include <string.h>
#include <uthash.h>

/* A task's stack from here outwards is the same for all of them. */
#define OUTSIDE_OF_TASKS "task_main"
/* Inline functions in here are not where something happened, but how it is told. */
#define PROBE_POINTS "base/trace.h"

/* Of addresses: a CPU sample in a record has room for no more. */
#define DEPTH_MAX (2 * TRACE_MORE_MAX)

/* Before the addresses: what else makes stacks differ. */
#define KEY_HEAD 2

struct known_stack {
    uint32_t id;
    UT_hash_handle hh;
    uintptr_t key[];
};

struct trace_stacks {
    struct symbols *symbols;
    struct trace_tables *tables;
    struct known_stack *known;
    struct arena arena; /* of them */
    uint32_t first_epoch;
};

struct trace_stacks *trace_stacks_create(struct symbols *symbols, struct trace_tables *tables)
{
    struct trace_stacks *stacks = MEM_NEW(struct trace_stacks);
    stacks->symbols = symbols;
    stacks->tables = tables;
    stacks->first_epoch = symbols_epoch(symbols);
    arena_init(&stacks->arena);
    symbols_acquire(symbols);
    return stacks;
}

void trace_stacks_destroy(struct trace_stacks *stacks)
{
    if (!stacks)
        return;
    HASH_CLEAR(hh, stacks->known);
    arena_deinit(&stacks->arena);
    symbols_release(stacks->symbols);
    mem_free(stacks);
}

uint32_t trace_stacks_entry(struct trace_stacks *stacks, const char *name, uintptr_t run)
{
    struct trace_frame frame = {.function = trace_string_of(stacks->tables, name)};
    const struct symbol_place *place = run ? symbols_place(stacks->symbols, stacks->first_epoch, run) : NULL;
    if (place) {
        const struct symbol_frame *function = &place->frames[place->frame_count - 1];
        frame.file = trace_string_of(stacks->tables, function->file);
        frame.line = function->start_line;
    }
    return trace_stack(stacks->tables, &frame, 1);
}

static bool says_nothing(const struct symbol_frame *frame)
{
    size_t size = strlen(frame->file), suffix = strlen(PROBE_POINTS);
    return wait_frames_have(frame->function) ||
           (size >= suffix && strcmp(frame->file + size - suffix, PROBE_POINTS) == 0);
}

/* The frames at one address, as many as fit. False: the task's own frames end here. */
static bool add_frames(struct trace_stacks *stacks, uint32_t epoch, uintptr_t address, struct trace_frame *frames,
                       unsigned *count, unsigned capacity)
{
    const struct symbol_place *place = symbols_place(stacks->symbols, epoch, address);
    if (!place) {
        if (*count < capacity)
            frames[(*count)++] = (struct trace_frame){.function = trace_string_of(stacks->tables, "[unknown]")};
        return true;
    }
    for (uint32_t i = 0; i < place->frame_count; i++) {
        const struct symbol_frame *frame = &place->frames[i];
        if (strcmp(frame->function, OUTSIDE_OF_TASKS) == 0)
            return false;
        if (!says_nothing(frame) && *count < capacity)
            frames[(*count)++] = (struct trace_frame){
                .function = trace_string_of(stacks->tables, frame->function),
                .file = trace_string_of(stacks->tables, frame->file),
                .line = frame->line,
            };
    }
    return true;
}

static uint32_t resolve(struct trace_stacks *stacks, const struct trace_addresses *addresses)
{
    /* One for the entry. A stack of no task that is deeper loses its outermost. */
    struct trace_frame frames[TRACE_STACK_MAX];
    unsigned count = 0;
    uint32_t epoch = addresses->epoch ? addresses->epoch : stacks->first_epoch;
    for (uint32_t i = 0; i < addresses->depth; i++) {
        bool is_exact = i == 0 && addresses->first_is_exact;
        if (!add_frames(stacks, epoch, addresses->pcs[i] - (is_exact ? 0 : 1), frames, &count, TRACE_STACK_MAX - 1))
            break;
    }
    if (addresses->entry) {
        unsigned depth;
        frames[count++] = *trace_stack_frames(stacks->tables, addresses->entry, &depth);
    }
    return trace_stack(stacks->tables, frames, count);
}

uint32_t trace_stacks_id(struct trace_stacks *stacks, const struct trace_addresses *addresses)
{
    if (addresses->depth == 0)
        return addresses->entry;
    ASSERT(addresses->depth <= DEPTH_MAX);
    uintptr_t key[KEY_HEAD + DEPTH_MAX];
    size_t key_size = (KEY_HEAD + addresses->depth) * sizeof *key;
    key[0] = (uintptr_t)addresses->epoch << 1 | addresses->first_is_exact;
    key[1] = addresses->entry;
    memcpy(key + KEY_HEAD, addresses->pcs, addresses->depth * sizeof *key);

    struct known_stack *known;
    HASH_FIND(hh, stacks->known, key, key_size, known);
    if (!known) {
        known = arena_alloc(&stacks->arena, sizeof *known + key_size);
        memcpy(known->key, key, key_size);
        known->id = resolve(stacks, addresses);
        HASH_ADD_KEYPTR(hh, stacks->known, known->key, key_size, known);
    }
    return known->id;
}
