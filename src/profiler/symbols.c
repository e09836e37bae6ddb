/* symbols.c: the objects of this process over time, and the places in them that were looked up. */
#include "profiler/symbols.h"

#include "base/mem.h"
#include "profiler/heap.h"
#include "profiler/modules.h"
#include "profiler/object.h"
#include "profiler/place_table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

/* A file's tables, shared by all the places where it was ever mapped. */
struct shared_object {
    struct object *object;
    char *path;
    char build_id[MODULE_BUILD_ID_MAX * 2 + 1];
    struct shared_object *next;
};

/* One object at one place, from the first epoch that saw it there to the last. */
struct placement {
    struct symbol_object public;
    struct module module; /* a copy whose path is its own */
    uint32_t first_epoch, last_epoch;
    struct object *object; /* under `reading`; NULL until somebody asks for a name in it */
    bool is_known;         /* what its file has, so that public is complete */
};

struct symbols {
    /* Held shortly. A placement never goes, and of it only the last epoch changes, and once what is known of it. */
    pthread_mutex_t lock;
    uint64_t generation; /* of the modules that the newest epoch saw */
    _Atomic uint32_t epoch; /* changed under the lock */
    struct placement **placements; /* the program's is the first */
    uint32_t placement_count, placement_capacity;
    struct place_table *places;
    unsigned holder_count;

    /* Held while files are read; taken before `lock`. Guards what comes out of them. */
    pthread_mutex_t reading;
    struct shared_object *objects;
    uint64_t file_count;
};

static bool overlap(const struct placement *placement, const struct module *module)
{
    return placement->module.text_start < module->text_end && module->text_start < placement->module.text_end;
}

static bool same_place(const struct placement *placement, const struct module *module)
{
    const struct module *placed = &placement->module;
    return placed->text_start == module->text_start && placed->bias == module->bias &&
           strcmp(placed->path, module->path) == 0 && strcmp(placed->build_id, module->build_id) == 0;
}

/* The placement of this module if it may be continued: nothing else has been there since. */
static struct placement *find_placement(struct symbols *symbols, const struct module *module)
{
    struct placement *latest = NULL;
    for (uint32_t i = 0; i < symbols->placement_count; i++) {
        struct placement *placement = symbols->placements[i];
        if (overlap(placement, module) && (!latest || placement->last_epoch >= latest->last_epoch))
            latest = placement;
    }
    return latest && same_place(latest, module) ? latest : NULL;
}

static struct placement *add_placement(struct symbols *symbols, const struct module *module)
{
    if (symbols->placement_count == symbols->placement_capacity) {
        symbols->placement_capacity = symbols->placement_capacity ? symbols->placement_capacity * 2 : 32;
        symbols->placements = mem_realloc(symbols->placements,
                                          symbols->placement_capacity * sizeof *symbols->placements);
    }
    struct placement *placement = MEM_NEW(struct placement);
    placement->module = *module;
    placement->module.path = mem_copy_string(module->path);
    const char *path = placement->module.path, *slash = strrchr(path, '/');
    placement->public = (struct symbol_object){
        .path = path,
        .build_id = placement->module.build_id,
        .base_name = slash ? slash + 1 : path,
        .text_start = module->text_start,
        .text_end = module->text_end,
        .text_file_offset = module->text_file_offset,
    };
    placement->first_epoch = symbols->epoch;
    symbols->placements[symbols->placement_count++] = placement;
    return placement;
}

/* The lock is held. */
static void observe(struct symbols *symbols)
{
    if (symbols->placement_count > 0 && module_generation() == symbols->generation)
        return;
    struct module_list *list = module_list_create();
    symbols->generation = list->generation;
    symbols->epoch++;
    for (unsigned pass = 0; pass < 2; pass++) /* the program first: the first mapping of a profile names it */
        for (unsigned i = 0; i < list->count; i++) {
            const struct module *module = &list->modules[i];
            if (module->is_program != (pass == 0))
                continue;
            struct placement *placement = find_placement(symbols, module);
            if (!placement)
                placement = add_placement(symbols, module);
            placement->last_epoch = symbols->epoch;
        }
    module_list_destroy(list);
}

struct symbols *symbols_create(void)
{
    struct symbols *symbols = MEM_NEW(struct symbols);
    pthread_mutex_init(&symbols->lock, NULL);
    pthread_mutex_init(&symbols->reading, NULL);
    symbols->places = place_table_create();
    observe(symbols);
    return symbols;
}

void symbols_destroy(struct symbols *symbols)
{
    if (!symbols)
        return;
    ASSERT(symbols->holder_count == 0);
    for (uint32_t i = 0; i < symbols->placement_count; i++) {
        mem_free(symbols->placements[i]->module.path);
        mem_free(symbols->placements[i]);
    }
    mem_free(symbols->placements);
    place_table_destroy(symbols->places);
    pthread_mutex_destroy(&symbols->reading);
    pthread_mutex_destroy(&symbols->lock);
    mem_free(symbols);
}

void symbols_acquire(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->lock);
    symbols->holder_count++;
    pthread_mutex_unlock(&symbols->lock);
}

static void close_objects(struct shared_object *objects)
{
    if (!objects)
        return;
    while (objects) {
        struct shared_object *shared = objects;
        objects = shared->next;
        object_close(shared->object);
        mem_free(shared->path);
        mem_free(shared);
    }
    /* Else the allocator keeps what was freed, in an arena for each thread that ever read a file. */
    heap_trim();
}

/* After the last holder has gone, if none has come since. Only holders read, so there is nobody to wait for. */
static void forget(struct symbols *symbols)
{
    struct shared_object *objects = NULL;
    pthread_mutex_lock(&symbols->reading);
    pthread_mutex_lock(&symbols->lock);
    if (symbols->holder_count == 0) {
        for (uint32_t i = 0; i < symbols->placement_count; i++)
            symbols->placements[i]->object = NULL;
        objects = symbols->objects;
        symbols->objects = NULL;
        if (place_table_count(symbols->places) > SYMBOL_PLACES_KEPT) {
            place_table_destroy(symbols->places);
            symbols->places = place_table_create();
        }
    }
    pthread_mutex_unlock(&symbols->lock);
    pthread_mutex_unlock(&symbols->reading);
    close_objects(objects);
}

void symbols_release(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->lock);
    ASSERT(symbols->holder_count > 0);
    bool was_last = --symbols->holder_count == 0;
    pthread_mutex_unlock(&symbols->lock);
    if (was_last)
        forget(symbols);
}

uint32_t symbols_epoch(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->lock);
    observe(symbols);
    uint32_t epoch = symbols->epoch;
    pthread_mutex_unlock(&symbols->lock);
    return epoch;
}

uint32_t symbols_epoch_seen(const struct symbols *symbols)
{
    return atomic_load_explicit(&symbols->epoch, memory_order_relaxed);
}

/* Who had this address in that epoch. If nobody: who had it last before, or else first after. A stack may have been
 * walked just before an object went, or just after one came. The lock is held. */
static struct placement *placement_at(const struct symbols *symbols, uintptr_t address, uint32_t epoch)
{
    struct placement *before = NULL, *after = NULL;
    for (uint32_t i = 0; i < symbols->placement_count; i++) {
        struct placement *placement = symbols->placements[i];
        if (address < placement->public.text_start || address >= placement->public.text_end)
            continue;
        if (placement->first_epoch > epoch)
            after = after && after->first_epoch < placement->first_epoch ? after : placement;
        else if (!before || placement->last_epoch > before->last_epoch)
            before = placement;
    }
    return before ? before : after;
}

static struct object *open_object(const struct module *module)
{
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso >= module->text_start && vdso < module->text_end)
        return object_open_memory((const void *)vdso, module->text_end - vdso);
    /* The program's own file is reached even after it was replaced or removed. */
    return object_open(module->is_program ? "/proc/self/exe" : module->path, module->build_id);
}

static struct shared_object *find_shared(struct symbols *symbols, const struct module *module)
{
    struct shared_object *shared = symbols->objects;
    while (shared && (strcmp(shared->path, module->path) != 0 || strcmp(shared->build_id, module->build_id) != 0))
        shared = shared->next;
    return shared;
}

/* `reading` is held. */
static struct object *object_of(struct symbols *symbols, struct placement *placement)
{
    if (placement->object)
        return placement->object;
    const struct module *module = &placement->module;
    struct shared_object *shared = find_shared(symbols, module);
    if (!shared) {
        shared = MEM_NEW(struct shared_object);
        shared->path = mem_copy_string(module->path);
        memcpy(shared->build_id, module->build_id, sizeof shared->build_id);
        shared->object = open_object(module);
        shared->next = symbols->objects;
        symbols->objects = shared;
        symbols->file_count++;
    }
    placement->object = shared->object;
    pthread_mutex_lock(&symbols->lock);
    if (!placement->is_known)
        placement->public.has_lines = object_has_lines(placement->object);
    placement->is_known = true;
    pthread_mutex_unlock(&symbols->lock);
    return placement->object;
}

/* What the object's file says of an address in it. `reading` is held. */
static const struct symbol_place *read_place(struct symbols *symbols, struct placement *placement, uintptr_t address)
{
    struct object *object = object_of(symbols, placement);
    uint64_t bias = placement->module.bias, in_file = address - bias;
    struct symbol_place place = {.object = &placement->public, .address = address,
                                 .entry = object_entry(object, in_file) + bias};
    struct dwarf_frame found[SYMBOL_INLINE_MAX];
    struct symbol_frame frames[SYMBOL_INLINE_MAX];
    char made_up[128]; /* all addresses of a nameless function get one name: that of its start */
    place.frame_count = object_find(object, in_file, found, SYMBOL_INLINE_MAX);
    for (uint32_t i = 0; i < place.frame_count; i++)
        frames[i] = (struct symbol_frame){found[i].function, found[i].file, found[i].line, found[i].start_line};
    if (place.frame_count == 0) {
        snprintf(made_up, sizeof made_up, "[%.80s+%#lx]", placement->public.base_name,
                 (unsigned long)object_function_start(object, in_file));
        frames[0] = (struct symbol_frame){.function = made_up, .file = ""};
        place.frame_count = 1;
    }
    pthread_mutex_lock(&symbols->lock);
    const struct symbol_place *added = place_table_add(symbols->places, &place, frames);
    pthread_mutex_unlock(&symbols->lock);
    return added;
}

static const struct symbol_place *find_place(struct symbols *symbols, struct placement *placement, uintptr_t address)
{
    pthread_mutex_lock(&symbols->lock);
    ASSERT(symbols->holder_count > 0);
    const struct symbol_place *place = place_table_find(symbols->places, &placement->public, address);
    pthread_mutex_unlock(&symbols->lock);
    return place;
}

/* Whoever finds what he looks for does not wait for those who read files. */
static const struct symbol_place *place_of(struct symbols *symbols, struct placement *placement, uintptr_t address)
{
    const struct symbol_place *place = find_place(symbols, placement, address);
    if (place)
        return place;
    pthread_mutex_lock(&symbols->reading);
    place = find_place(symbols, placement, address); /* somebody else may have read it meanwhile */
    if (!place)
        place = read_place(symbols, placement, address);
    pthread_mutex_unlock(&symbols->reading);
    return place;
}

const struct symbol_place *symbols_place(struct symbols *symbols, uint32_t epoch, uintptr_t address)
{
    pthread_mutex_lock(&symbols->lock);
    struct placement *placement = placement_at(symbols, address, epoch);
    pthread_mutex_unlock(&symbols->lock);
    return placement ? place_of(symbols, placement, address) : NULL;
}

const struct symbol_object *symbols_program(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->lock);
    struct placement *program = symbols->placements[0];
    bool is_known = program->is_known;
    pthread_mutex_unlock(&symbols->lock);
    if (!is_known) {
        pthread_mutex_lock(&symbols->reading);
        object_of(symbols, program);
        pthread_mutex_unlock(&symbols->reading);
    }
    return &program->public;
}

unsigned symbols_resolve(struct symbols *symbols, uintptr_t address, bool is_return_address,
                         struct symbol_frame *frames, unsigned capacity)
{
    uintptr_t at = address - (is_return_address ? 1 : 0);
    pthread_mutex_lock(&symbols->lock);
    observe(symbols);
    struct placement *placement = placement_at(symbols, at, symbols->epoch);
    if (placement && placement->last_epoch != symbols->epoch)
        placement = NULL;
    pthread_mutex_unlock(&symbols->lock);
    if (!placement)
        return 0;
    const struct symbol_place *place = place_of(symbols, placement, at);
    unsigned count = place->frame_count < capacity ? place->frame_count : capacity;
    memcpy(frames, place->frames, count * sizeof *frames);
    return count;
}

struct symbols_stats symbols_stats(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->reading);
    pthread_mutex_lock(&symbols->lock);
    struct symbols_stats stats = {
        .file_count = symbols->file_count,
        .place_count = place_table_count(symbols->places),
        .held_bytes = place_table_bytes(symbols->places),
    };
    pthread_mutex_unlock(&symbols->lock);
    pthread_mutex_unlock(&symbols->reading);
    return stats;
}
