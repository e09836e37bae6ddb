/* flamegraph_tree.c: how stacks of locations become paths of a tree, and whose code each function is. */
#include "pprof/flamegraph_tree.h"

#include "base/error.h"

#include <string.h>

/* --- whose code --- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Objects by the start of their name, the first that fits; one with ".so" in its name is a library otherwise. */
static const struct {
    const char *start;
    enum flamegraph_kind kind;
} kinds_of_objects[] = {
    {"[", FLAMEGRAPH_SYSTEM}, /* [vdso], [kernel.kallsyms] */
    {"vmlinux", FLAMEGRAPH_SYSTEM},
    {"libc.", FLAMEGRAPH_LIBC},
    {"libc-", FLAMEGRAPH_LIBC},
    {"libm.", FLAMEGRAPH_LIBC},
    {"libpthread", FLAMEGRAPH_LIBC},
    {"ld-", FLAMEGRAPH_LIBC},
    {"ld.", FLAMEGRAPH_LIBC},
};

static enum flamegraph_kind kind_of_object(const char *object)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds_of_objects); i++) {
        if (starts_with(object, kinds_of_objects[i].start))
            return kinds_of_objects[i].kind;
    }
    return strstr(object, ".so") != NULL ? FLAMEGRAPH_LIBRARY : FLAMEGRAPH_PROGRAM;
}

/* What calls the kernel, in libraries without debugging information: with it, the folder of the file says so. */
static const char *const system_calls[] = {
    "accept", "accept4", "bind", "clone", "clone3", "close", "connect", "epoll_ctl", "epoll_pwait", "epoll_wait",
    "fallocate", "fdatasync", "fsync", "ftruncate", "futex", "listen", "madvise", "mmap", "mprotect", "munmap",
    "nanosleep", "open", "openat", "poll", "pread", "pread64", "preadv", "pwrite", "pwrite64", "pwritev", "read",
    "readv", "recv", "recvfrom", "recvmsg", "sched_yield", "select", "send", "sendfile", "sendfile64", "sendmsg",
    "sendto", "setsockopt", "shutdown", "socket", "stat", "syscall", "unlink", "write", "writev",
};

static bool is_system_call(const char *name, const char *file)
{
    if (strstr(file, "/sysdeps/unix/") != NULL)
        return true;
    if (starts_with(name, "__libc_"))
        name += strlen("__libc_");
    else if (starts_with(name, "__"))
        name += strlen("__");
    for (size_t i = 0; i < ARRAY_COUNT(system_calls); i++) {
        if (strcmp(name, system_calls[i]) == 0)
            return true;
    }
    return false;
}

/* object: the base name of its mapping's file; NULL: the location has no mapping. */
static enum flamegraph_kind kind_of(const char *name, const char *file, const char *object)
{
    if (object == NULL && (name[0] == '[' || name[0] == '<'))
        return FLAMEGRAPH_SPECIAL;
    enum flamegraph_kind kind = object == NULL ? FLAMEGRAPH_PROGRAM : kind_of_object(object);
    if (kind == FLAMEGRAPH_LIBC && is_system_call(name, file))
        return FLAMEGRAPH_SYSTEM;
    if (kind != FLAMEGRAPH_PROGRAM)
        return kind;
    if (starts_with(name, "syscall.") || starts_with(name, "internal/runtime/syscall."))
        return FLAMEGRAPH_SYSTEM;
    return starts_with(name, "runtime.") || starts_with(name, "runtime/") ? FLAMEGRAPH_LIBC : FLAMEGRAPH_PROGRAM;
}

/* --- frames --- */

/* Frames of a location, outermost first. */
struct location_frames {
    uint32_t start, count; /* in the addition's frames; count 0: nothing has asked for them yet */
};

/* A profile that is being added. */
struct addition {
    struct flamegraph_tree *tree;
    const struct profile *profile;
    const struct prune *prune;
    uint32_t *frames;
    uint32_t frame_count;
    struct location_frames *of_locations;
};

static uint32_t add_frame(struct flamegraph_tree *tree, struct flamegraph_frame frame)
{
    uint32_t place = pair_map_find_or_add(&tree->places, frame.file, frame.line, tree->places.count);
    uint32_t position = pair_map_find_or_add(&tree->known_frames, frame.name << 1 | frame.inlined, place,
                                             tree->frame_count);
    if (position < tree->frame_count)
        return position;
    if (tree->frame_count == tree->frame_capacity) {
        tree->frame_capacity *= 2;
        tree->frames = mem_realloc(tree->frames, (size_t)tree->frame_capacity * sizeof(*tree->frames));
    }
    tree->frames[tree->frame_count] = frame;
    return tree->frame_count++;
}

/* Of a line of a location; NULL: it has none. Code without a name is called after the file that it is mapped from. */
static uint32_t add_line(struct addition *addition, const struct profile_location *location,
                         const struct profile_line *line, bool inlined)
{
    const struct profile *profile = addition->profile;
    struct profile *names = addition->tree->names;
    const struct profile_function *function = line == NULL ? NULL : &profile->functions[line->function - 1];
    const char *object = NULL;
    if (location->mapping != 0)
        object = profile_base_name(profile_text(profile, profile->mappings[location->mapping - 1].file));
    const char *name = function == NULL ? "" : profile_text(profile, function->name);
    const char *file = function == NULL ? "" : profile_text(profile, function->file);
    char *nameless = NULL;
    if (*name == '\0')
        name = nameless = object == NULL || *object == '\0' ? mem_copy_string("<unknown>") : mem_printf("[%s]", object);
    struct flamegraph_frame frame = {
        .name = profile_string(names, name),
        .file = profile_string(names, file),
        .line = line == NULL || line->line < 0 || line->line > UINT32_MAX ? 0 : (uint32_t)line->line,
        .inlined = inlined,
        .kind = kind_of(name, file, object),
    };
    mem_free(nameless);
    return add_frame(addition->tree, frame);
}

static void add_location(struct addition *addition, uint32_t location_id)
{
    const struct profile *profile = addition->profile;
    const struct profile_location *location = &profile->locations[location_id - 1];
    struct location_frames *frames = &addition->of_locations[location_id - 1];
    *frames = (struct location_frames){.start = addition->frame_count};
    uint32_t first = prune_first_line(addition->prune, location_id);
    for (uint32_t i = location->line_count; i > first; i--) {
        const struct profile_line *line = &profile->lines[location->line_start + i - 1];
        addition->frames[addition->frame_count++] = add_line(addition, location, line, i < location->line_count);
    }
    if (location->line_count == 0)
        addition->frames[addition->frame_count++] = add_line(addition, location, NULL, false);
    frames->count = addition->frame_count - frames->start;
}

/* --- nodes --- */

static uint32_t add_node(struct flamegraph_tree *tree, uint32_t parent, uint32_t frame)
{
    uint32_t position = pair_map_find_or_add(&tree->known_nodes, parent, frame, tree->node_count);
    if (position < tree->node_count)
        return position;
    if (tree->node_count == tree->node_capacity) {
        tree->node_capacity *= 2;
        tree->nodes = mem_realloc(tree->nodes, (size_t)tree->node_capacity * sizeof(*tree->nodes));
    }
    tree->nodes[tree->node_count] = (struct flamegraph_node){parent, frame};
    return tree->node_count++;
}

static uint32_t add_stack(struct addition *addition, const struct profile_sample *sample)
{
    uint32_t node = FLAMEGRAPH_ROOT;
    for (uint32_t i = sample->location_count, first = prune_sample(addition->prune, sample); i > first; i--) {
        uint32_t location_id = addition->profile->sample_locations[sample->location_start + i - 1];
        const struct location_frames *frames = &addition->of_locations[location_id - 1];
        if (frames->count == 0)
            add_location(addition, location_id);
        for (uint32_t j = 0; j < frames->count && addition->tree->node_count <= FLAMEGRAPH_NODES_MAX; j++)
            node = add_node(addition->tree, node, addition->frames[frames->start + j]);
    }
    return node;
}

int flamegraph_tree_add(struct flamegraph_tree *tree, const struct filter *filter, uint32_t *sample_nodes)
{
    const struct profile *profile = filter->profile;
    struct addition addition = {.tree = tree, .profile = profile, .prune = &filter->prune};
    struct arena arena;
    arena_init(&arena);
    size_t frames_max = (size_t)profile->line_count + profile->location_count;
    addition.frames = arena_alloc_array(&arena, frames_max, sizeof(*addition.frames));
    addition.of_locations = arena_alloc_array(&arena, profile->location_count, sizeof(*addition.of_locations));
    for (uint32_t i = 0; i < profile->sample_count && tree->node_count <= FLAMEGRAPH_NODES_MAX; i++)
        sample_nodes[i] = filter_keeps(filter, i) ? add_stack(&addition, &profile->samples[i]) : FLAMEGRAPH_ROOT;
    arena_deinit(&arena);
    return tree->node_count <= FLAMEGRAPH_NODES_MAX ? 0 : ERR_TOO_LARGE;
}

/* --- the tree --- */

void flamegraph_tree_init(struct flamegraph_tree *tree)
{
    enum { FIRST_CAPACITY = 256 };
    *tree = (struct flamegraph_tree){
        .names = profile_create(),
        .frames = mem_alloc_array(FIRST_CAPACITY, sizeof(*tree->frames)),
        .frame_capacity = FIRST_CAPACITY,
        .nodes = mem_alloc_array(FIRST_CAPACITY, sizeof(*tree->nodes)),
        .node_capacity = FIRST_CAPACITY,
        .node_count = 1,
    };
}

void flamegraph_tree_deinit(struct flamegraph_tree *tree)
{
    profile_destroy(tree->names);
    mem_free(tree->frames);
    mem_free(tree->nodes);
    pair_map_deinit(&tree->places);
    pair_map_deinit(&tree->known_frames);
    pair_map_deinit(&tree->known_nodes);
}

const char *flamegraph_tree_name(const struct flamegraph_tree *tree, uint32_t node)
{
    ASSERT(node != FLAMEGRAPH_ROOT);
    return profile_text(tree->names, tree->frames[tree->nodes[node].frame].name);
}
