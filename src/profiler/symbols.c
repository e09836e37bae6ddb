/* symbols.c: the objects of this process over time, the names in them, and profiles written with both. */
#include "profiler/symbols.h"

#include "base/mem.h"
#include "pprof/profile.h"
#include "profiler/modules.h"
#include "profiler/object.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <uthash.h>

/* A file's tables, shared by all the places where it was ever mapped. */
struct shared_object {
    struct object *object;
    char *path;
    char build_id[MODULE_BUILD_ID_MAX * 2 + 1];
    struct shared_object *next;
};

/* One object at one place, from the first epoch that saw it there to the last. */
struct placement {
    char *path;
    const char *base_name; /* within path */
    char build_id[MODULE_BUILD_ID_MAX * 2 + 1];
    uintptr_t bias, text_start, text_end;
    uint64_t text_file_offset;
    bool is_program;
    uint32_t first_epoch, last_epoch;
    struct object *object; /* under `reading`; NULL until somebody asks for a name in it */
};

/* A made-up name, kept so that a frame may point at it. */
struct synthetic {
    UT_hash_handle hh;
    char text[];
};

struct symbols {
    /* Held shortly. Guards what was mapped when; a placement never goes, and of it only the last epoch changes. */
    pthread_mutex_t lock;
    uint64_t generation; /* of the modules that the newest epoch saw */
    _Atomic uint32_t epoch; /* written under it, read at any time */
    struct placement **placements; /* the program's is the first */
    uint32_t placement_count, placement_capacity;

    /* Held while files are read; taken before `lock`. Guards what comes out of them. */
    pthread_mutex_t reading;
    unsigned holder_count;
    struct shared_object *objects;
    struct synthetic *synthetics;
};

/* Locations and mappings that a profile has already. */
struct location_key {
    const struct placement *placement;
    uintptr_t address;
};
struct location_entry {
    struct location_key key;
    uint32_t id;
    UT_hash_handle hh;
};
struct mapping_entry {
    const struct placement *placement;
    uint32_t id;
    UT_hash_handle hh;
};

struct symbol_writer {
    struct symbols *symbols;
    struct profile *profile;
    struct location_entry *locations;
    struct mapping_entry *mappings;
};

static bool overlap(const struct placement *placement, const struct module *module)
{
    return placement->text_start < module->text_end && module->text_start < placement->text_end;
}

static bool same_place(const struct placement *placement, const struct module *module)
{
    return placement->text_start == module->text_start && placement->bias == module->bias &&
           strcmp(placement->path, module->path) == 0 && strcmp(placement->build_id, module->build_id) == 0;
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
    placement->path = mem_copy_string(module->path);
    const char *slash = strrchr(placement->path, '/');
    placement->base_name = slash ? slash + 1 : placement->path;
    memcpy(placement->build_id, module->build_id, sizeof placement->build_id);
    placement->bias = module->bias;
    placement->text_start = module->text_start;
    placement->text_end = module->text_end;
    placement->text_file_offset = module->text_file_offset;
    placement->is_program = module->is_program;
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
    observe(symbols);
    return symbols;
}

void symbols_destroy(struct symbols *symbols)
{
    if (!symbols)
        return;
    ASSERT(symbols->holder_count == 0);
    for (uint32_t i = 0; i < symbols->placement_count; i++) {
        mem_free(symbols->placements[i]->path);
        mem_free(symbols->placements[i]);
    }
    mem_free(symbols->placements);
    pthread_mutex_destroy(&symbols->reading);
    pthread_mutex_destroy(&symbols->lock);
    mem_free(symbols);
}

void symbols_acquire(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->reading);
    symbols->holder_count++;
    pthread_mutex_unlock(&symbols->reading);
}

/* Nobody holds a name any more; `reading` is held. */
static void forget_files(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->lock);
    for (uint32_t i = 0; i < symbols->placement_count; i++)
        symbols->placements[i]->object = NULL;
    pthread_mutex_unlock(&symbols->lock);
    while (symbols->objects) {
        struct shared_object *shared = symbols->objects;
        symbols->objects = shared->next;
        object_close(shared->object);
        mem_free(shared->path);
        mem_free(shared);
    }
    struct synthetic *synthetic, *next;
    HASH_ITER(hh, symbols->synthetics, synthetic, next)
    {
        HASH_DEL(symbols->synthetics, synthetic);
        mem_free(synthetic);
    }
    /* Else glibc keeps what was freed, in an arena of its own for each thread that ever read a file. */
    malloc_trim(0);
}

void symbols_release(struct symbols *symbols)
{
    pthread_mutex_lock(&symbols->reading);
    ASSERT(symbols->holder_count > 0);
    if (--symbols->holder_count == 0)
        forget_files(symbols);
    pthread_mutex_unlock(&symbols->reading);
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
        if (address < placement->text_start || address >= placement->text_end)
            continue;
        if (placement->first_epoch > epoch)
            after = after && after->first_epoch < placement->first_epoch ? after : placement;
        else if (!before || placement->last_epoch > before->last_epoch)
            before = placement;
    }
    return before ? before : after;
}

static struct object *open_object(const struct placement *placement)
{
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso >= placement->text_start && vdso < placement->text_end)
        return object_open_memory((const void *)vdso, placement->text_end - vdso);
    /* The program's own file is reached even after it was replaced or removed. */
    return object_open(placement->is_program ? "/proc/self/exe" : placement->path, placement->build_id);
}

static struct object *object_of(struct symbols *symbols, struct placement *placement)
{
    if (placement->object)
        return placement->object;
    struct shared_object *shared = symbols->objects;
    while (shared && (strcmp(shared->path, placement->path) != 0 || strcmp(shared->build_id, placement->build_id) != 0))
        shared = shared->next;
    if (!shared) {
        shared = MEM_NEW(struct shared_object);
        shared->path = mem_copy_string(placement->path);
        memcpy(shared->build_id, placement->build_id, sizeof shared->build_id);
        shared->object = open_object(placement);
        shared->next = symbols->objects;
        symbols->objects = shared;
    }
    placement->object = shared->object;
    return placement->object;
}

/* All addresses of a nameless function get one name: that of its start. */
static const char *synthetic_name(struct symbols *symbols, const struct placement *placement, uint64_t function_start)
{
    char *text = mem_printf("[%s+%#lx]", placement->base_name, (unsigned long)function_start);
    struct synthetic *synthetic;
    HASH_FIND_STR(symbols->synthetics, text, synthetic);
    if (!synthetic) {
        synthetic = mem_alloc(sizeof *synthetic + strlen(text) + 1);
        strcpy(synthetic->text, text);
        HASH_ADD_STR(symbols->synthetics, text, synthetic);
    }
    mem_free(text);
    return synthetic->text;
}

/* Frames at a place in code (not a return address). `reading` is held; capacity is not 0. */
static unsigned resolve(struct symbols *symbols, struct placement *placement, uintptr_t address,
                        struct symbol_frame *frames, unsigned capacity)
{
    struct object *object = object_of(symbols, placement);
    uint64_t in_file = address - placement->bias;
    struct dwarf_frame found[SYMBOL_INLINE_MAX];
    unsigned count = object_find(object, in_file, found, SYMBOL_INLINE_MAX);
    count = count < capacity ? count : capacity;
    for (unsigned i = 0; i < count; i++)
        frames[i] = (struct symbol_frame){found[i].function, found[i].file, found[i].line, found[i].start_line};
    if (count > 0)
        return count;
    const char *name = synthetic_name(symbols, placement, object_function_start(object, in_file));
    frames[0] = (struct symbol_frame){.function = name, .file = ""};
    return 1;
}

unsigned symbols_resolve(struct symbols *symbols, uintptr_t address, bool is_return_address,
                         struct symbol_frame *frames, unsigned capacity)
{
    uintptr_t place = address - (is_return_address ? 1 : 0);
    pthread_mutex_lock(&symbols->lock);
    observe(symbols);
    struct placement *placement = placement_at(symbols, place, symbols->epoch);
    if (placement && placement->last_epoch != symbols->epoch)
        placement = NULL;
    pthread_mutex_unlock(&symbols->lock);
    if (!placement || capacity == 0)
        return 0;
    pthread_mutex_lock(&symbols->reading);
    ASSERT(symbols->holder_count > 0);
    unsigned count = resolve(symbols, placement, place, frames, capacity);
    pthread_mutex_unlock(&symbols->reading);
    return count;
}

/* The profile's mapping for a placement, added when its first location is. */
static uint32_t mapping_of(struct symbol_writer *writer, struct placement *placement)
{
    struct mapping_entry *entry;
    HASH_FIND_PTR(writer->mappings, &placement, entry);
    if (entry)
        return entry->id;
    bool has_lines = object_has_lines(object_of(writer->symbols, placement));
    struct profile_mapping mapping = {
        .start = placement->text_start,
        .limit = placement->text_end,
        .file_offset = placement->text_file_offset,
        .file = profile_string(writer->profile, placement->path),
        .build_id = profile_string(writer->profile, placement->build_id),
        .has_functions = true, /* every location gets a function, if a made-up one */
        .has_filenames = has_lines,
        .has_line_numbers = has_lines,
        .has_inline_frames = has_lines,
    };
    entry = MEM_NEW(struct mapping_entry);
    entry->placement = placement;
    entry->id = profile_add_mapping(writer->profile, &mapping);
    HASH_ADD_PTR(writer->mappings, placement, entry);
    return entry->id;
}

struct symbol_writer *symbol_writer_create(struct symbols *symbols, struct profile *profile)
{
    struct symbol_writer *writer = MEM_NEW(struct symbol_writer);
    writer->symbols = symbols;
    writer->profile = profile;
    symbols_acquire(symbols);
    pthread_mutex_lock(&symbols->lock);
    struct placement *program = symbols->placements[0];
    pthread_mutex_unlock(&symbols->lock);
    pthread_mutex_lock(&symbols->reading);
    mapping_of(writer, program);
    pthread_mutex_unlock(&symbols->reading);
    return writer;
}

void symbol_writer_destroy(struct symbol_writer *writer)
{
    if (!writer)
        return;
    struct location_entry *location, *next_location;
    HASH_ITER(hh, writer->locations, location, next_location)
    {
        HASH_DEL(writer->locations, location);
        mem_free(location);
    }
    struct mapping_entry *mapping, *next_mapping;
    HASH_ITER(hh, writer->mappings, mapping, next_mapping)
    {
        HASH_DEL(writer->mappings, mapping);
        mem_free(mapping);
    }
    symbols_release(writer->symbols);
    mem_free(writer);
}

static uint32_t add_location(struct symbol_writer *writer, struct placement *placement, uintptr_t address)
{
    struct symbol_frame frames[SYMBOL_INLINE_MAX] = {{.function = "[unknown]", .file = ""}};
    unsigned count = placement ? resolve(writer->symbols, placement, address, frames, SYMBOL_INLINE_MAX) : 1;
    struct profile_line lines[SYMBOL_INLINE_MAX];
    for (unsigned i = 0; i < count; i++)
        lines[i] = (struct profile_line){
            .function = profile_add_function(writer->profile, frames[i].function, frames[i].file, frames[i].start_line),
            .line = frames[i].line,
        };
    uint32_t mapping = placement ? mapping_of(writer, placement) : 0;
    return profile_add_location(writer->profile, mapping, address, lines, count);
}

static uint32_t location_of(struct symbol_writer *writer, uint32_t epoch, uintptr_t address)
{
    pthread_mutex_lock(&writer->symbols->lock);
    struct placement *placement = placement_at(writer->symbols, address, epoch);
    pthread_mutex_unlock(&writer->symbols->lock);
    struct location_key key;
    memset(&key, 0, sizeof key);
    key.placement = placement;
    key.address = address;
    struct location_entry *entry;
    HASH_FIND(hh, writer->locations, &key, sizeof key, entry);
    if (!entry) {
        entry = MEM_NEW(struct location_entry);
        entry->key = key;
        entry->id = add_location(writer, placement, address);
        HASH_ADD(hh, writer->locations, key, sizeof key, entry);
    }
    return entry->id;
}

void symbol_writer_stack(struct symbol_writer *writer, uint32_t epoch, const uintptr_t *pcs, unsigned depth,
                         bool leaf_is_return_address, uint32_t *locations)
{
    pthread_mutex_lock(&writer->symbols->reading);
    for (unsigned i = 0; i < depth; i++) {
        bool is_return_address = i > 0 || leaf_is_return_address;
        locations[i] = location_of(writer, epoch, pcs[i] - (is_return_address ? 1 : 0));
    }
    pthread_mutex_unlock(&writer->symbols->reading);
}

uint32_t symbol_writer_named(struct symbol_writer *writer, const char *function)
{
    struct profile_line line = {.function = profile_add_function(writer->profile, function, "", 0)};
    return profile_add_location(writer->profile, 0, 0, &line, 1);
}
