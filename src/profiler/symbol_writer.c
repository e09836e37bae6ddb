/* symbol_writer.c: remembers what a profile has already, by pc and by place. */
#include "profiler/symbol_writer.h"

#include "base/mem.h"
#include "pprof/profile.h"
#include "profiler/symbols.h"

#include <string.h>
#include <uthash.h>

/* A pc of a stack; the location is that of its place, which pcs of several epochs may share. */
struct pc_key {
    uintptr_t address;
    uint64_t epoch;
};
struct pc_entry {
    struct pc_key key;
    uint32_t location;
    UT_hash_handle hh;
};

/* The location of a place, or the mapping of an object. */
struct id_entry {
    const void *of;
    uint32_t id;
    UT_hash_handle hh;
};

struct symbol_writer {
    struct symbols *symbols;
    struct profile *profile;
    struct pc_entry *pcs;
    struct id_entry *locations, *mappings;
    struct arena arena; /* of the entries */
};

static struct id_entry *find_id(struct id_entry *table, const void *of)
{
    struct id_entry *entry;
    HASH_FIND_PTR(table, &of, entry);
    return entry;
}

static uint32_t add_id(struct symbol_writer *writer, struct id_entry **table, const void *of, uint32_t id)
{
    struct id_entry *entry = arena_alloc(&writer->arena, sizeof *entry);
    entry->of = of;
    entry->id = id;
    HASH_ADD_PTR(*table, of, entry);
    return id;
}

static uint32_t mapping_of(struct symbol_writer *writer, const struct symbol_object *object)
{
    const struct id_entry *entry = find_id(writer->mappings, object);
    if (entry)
        return entry->id;
    struct profile_mapping mapping = {
        .start = object->text_start,
        .limit = object->text_end,
        .file_offset = object->text_file_offset,
        .file = profile_string(writer->profile, object->path),
        .build_id = profile_string(writer->profile, object->build_id),
        .has_functions = true, /* every location gets a function, if a made-up one */
        .has_filenames = object->has_lines,
        .has_line_numbers = object->has_lines,
        .has_inline_frames = object->has_lines,
    };
    return add_id(writer, &writer->mappings, object, profile_add_mapping(writer->profile, &mapping));
}

struct symbol_writer *symbol_writer_create(struct symbols *symbols, struct profile *profile)
{
    struct symbol_writer *writer = MEM_NEW(struct symbol_writer);
    writer->symbols = symbols;
    writer->profile = profile;
    arena_init(&writer->arena);
    symbols_acquire(symbols);
    mapping_of(writer, symbols_program(symbols));
    return writer;
}

void symbol_writer_destroy(struct symbol_writer *writer)
{
    if (!writer)
        return;
    HASH_CLEAR(hh, writer->pcs);
    HASH_CLEAR(hh, writer->locations);
    HASH_CLEAR(hh, writer->mappings);
    arena_deinit(&writer->arena);
    symbols_release(writer->symbols);
    mem_free(writer);
}

static uint32_t add_unknown(struct symbol_writer *writer, uintptr_t address)
{
    struct profile_line line = {.function = profile_add_function(writer->profile, "[unknown]", "", 0)};
    return profile_add_location(writer->profile, 0, address, &line, 1);
}

static uint32_t location_of_place(struct symbol_writer *writer, const struct symbol_place *place)
{
    const struct id_entry *entry = find_id(writer->locations, place);
    if (entry)
        return entry->id;
    struct profile_line lines[SYMBOL_INLINE_MAX];
    for (uint32_t i = 0; i < place->frame_count; i++) {
        const struct symbol_frame *frame = &place->frames[i];
        lines[i] = (struct profile_line){
            .function = profile_add_function(writer->profile, frame->function, frame->file, frame->start_line),
            .line = frame->line,
        };
    }
    uint32_t mapping = mapping_of(writer, place->object);
    return add_id(writer, &writer->locations, place,
                  profile_add_location(writer->profile, mapping, place->address, lines, place->frame_count));
}

static uint32_t location_of(struct symbol_writer *writer, uint32_t epoch, uintptr_t address)
{
    const struct pc_key key = {.address = address, .epoch = epoch};
    struct pc_entry *entry;
    HASH_FIND(hh, writer->pcs, &key, sizeof key, entry);
    if (!entry) {
        const struct symbol_place *place = symbols_place(writer->symbols, epoch, address);
        entry = arena_alloc(&writer->arena, sizeof *entry);
        entry->key = key;
        entry->location = place ? location_of_place(writer, place) : add_unknown(writer, address);
        HASH_ADD(hh, writer->pcs, key, sizeof key, entry);
    }
    return entry->location;
}

void symbol_writer_stack(struct symbol_writer *writer, uint32_t epoch, const uintptr_t *pcs, unsigned depth,
                         bool leaf_is_return_address, uint32_t *locations)
{
    for (unsigned i = 0; i < depth; i++) {
        bool is_return_address = i > 0 || leaf_is_return_address;
        locations[i] = location_of(writer, epoch, pcs[i] - (is_return_address ? 1 : 0));
    }
}

uint32_t symbol_writer_named(struct symbol_writer *writer, const char *function)
{
    struct profile_line line = {.function = profile_add_function(writer->profile, function, "", 0)};
    return profile_add_location(writer->profile, 0, 0, &line, 1);
}
