/* place_table.c: places and texts in an arena, places found by open addressing. */
#include "profiler/place_table.h"

#include "base/mem.h"

#include <string.h>
#include <uthash.h>

/* Many places have the same file and function. */
struct text {
    UT_hash_handle hh;
    char characters[];
};

struct place_table {
    const struct symbol_place **slots; /* by hash, at most half of them full */
    uint32_t slot_count, place_count;
    struct text *texts;
    struct arena arena;
};

struct place_table *place_table_create(void)
{
    struct place_table *table = MEM_NEW(struct place_table);
    arena_init(&table->arena);
    table->slot_count = 256;
    table->slots = mem_alloc_array(table->slot_count, sizeof *table->slots);
    return table;
}

void place_table_destroy(struct place_table *table)
{
    if (!table)
        return;
    HASH_CLEAR(hh, table->texts);
    arena_deinit(&table->arena);
    mem_free(table->slots);
    mem_free(table);
}

/* Where this place is, or would be. */
static uint32_t slot_of(const struct place_table *table, const struct symbol_object *object, uintptr_t address)
{
    uint64_t hash = ((uint64_t)address ^ (uintptr_t)object) * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio */
    uint32_t mask = table->slot_count - 1, slot = (uint32_t)(hash >> 32) & mask;
    while (table->slots[slot] && (table->slots[slot]->address != address || table->slots[slot]->object != object))
        slot = (slot + 1) & mask;
    return slot;
}

const struct symbol_place *place_table_find(const struct place_table *table, const struct symbol_object *object,
                                            uintptr_t address)
{
    return table->slots[slot_of(table, object, address)];
}

static void grow(struct place_table *table)
{
    const struct symbol_place **slots = table->slots;
    uint32_t slot_count = table->slot_count;
    table->slot_count *= 2;
    table->slots = mem_alloc_array(table->slot_count, sizeof *table->slots);
    for (uint32_t i = 0; i < slot_count; i++)
        if (slots[i])
            table->slots[slot_of(table, slots[i]->object, slots[i]->address)] = slots[i];
    mem_free(slots);
}

static const char *intern(struct place_table *table, const char *characters)
{
    struct text *text;
    HASH_FIND_STR(table->texts, characters, text);
    if (!text) {
        size_t size = strlen(characters) + 1;
        text = arena_alloc(&table->arena, sizeof *text + size);
        memcpy(text->characters, characters, size);
        HASH_ADD_STR(table->texts, characters, text);
    }
    return text->characters;
}

const struct symbol_place *place_table_add(struct place_table *table, const struct symbol_place *place,
                                           const struct symbol_frame *frames)
{
    if (table->place_count == table->slot_count / 2)
        grow(table);
    struct symbol_place *added = arena_alloc(&table->arena, sizeof *added + place->frame_count * sizeof *frames);
    *added = *place;
    for (uint32_t i = 0; i < place->frame_count; i++) {
        added->frames[i] = frames[i];
        added->frames[i].function = intern(table, frames[i].function);
        added->frames[i].file = intern(table, frames[i].file);
    }
    table->slots[slot_of(table, place->object, place->address)] = added;
    table->place_count++;
    return added;
}

uint32_t place_table_count(const struct place_table *table)
{
    return table->place_count;
}

size_t place_table_bytes(const struct place_table *table)
{
    return table->arena.used_bytes + table->slot_count * sizeof *table->slots + HASH_OVERHEAD(hh, table->texts);
}
