/* frame_table.c: equal frames found by the ids of their texts. */
#include "pprof/frame_table.h"

#include "base/hash.h"

#include <inttypes.h>

/* What makes a node. Strings are interned, those of files after they were cleaned. */
struct node_key {
    int64_t line, start_line;
    uint32_t name, file, object;
    uint32_t padding; /* keys are compared as bytes */
};

struct known_node {
    struct node_key key;
    uint32_t node;
    UT_hash_handle hh;
};

/* Files whose paths were cleaned, by what they were and by what they became. */
struct clean_file {
    const char *path;
    uint32_t id;
    UT_hash_handle hh;
};

struct builder {
    struct frame_table *table;
    const struct profile *profile;
    struct arena *arena;
    bool by_line;
    struct known_node *known;
    struct clean_file *clean;  /* by path */
    struct clean_file **cleaned; /* by string */
    uint32_t frame_count;
};

/* As Go's path.Clean: no "." and no "..", no two slashes. path is changed in place and never gets longer. */
static void clean_path(char *path)
{
    bool is_rooted = *path == '/';
    char *out = path + is_rooted, *floor = out; /* what ".." must not take away begins before floor */
    for (const char *at = path + is_rooted; *at != '\0';) {
        size_t length = strcspn(at, "/");
        if (length == 2 && memcmp(at, "..", 2) == 0) {
            if (out > floor) {
                while (out > floor && *--out != '/')
                    ;
            } else if (!is_rooted) {
                if (out > path)
                    *out++ = '/';
                memmove(out, "..", 2);
                out += 2;
                floor = out;
            }
        } else if (length > 0 && !(length == 1 && *at == '.')) {
            if (out != path + is_rooted)
                *out++ = '/';
            memmove(out, at, length);
            out += length;
        }
        at += length;
        at += *at == '/';
    }
    if (out == path)
        *out++ = '.'; /* only of a path that was longer than nothing */
    *out = '\0';
}

/* pprof drops this prefix: where a build service ran, it stands for the root of the source. */
static const char *without_build_folder(const char *path)
{
    static const char *const folders[] = {"/proc/self/cwd/./", "/proc/self/cwd/"};
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return path + strlen(folders[i]);
    }
    return path;
}

static struct clean_file *cleaned_file(struct builder *builder, uint32_t string)
{
    if (builder->cleaned[string] != NULL)
        return builder->cleaned[string];
    struct bytes text = bytes_of_string(without_build_folder(profile_text(builder->profile, string)));
    char *path = arena_copy_bytes(builder->arena, text);
    if (*path != '\0')
        clean_path(path);
    struct clean_file *file;
    HASH_FIND_STR(builder->clean, path, file);
    if (file == NULL) {
        file = arena_alloc(builder->arena, sizeof(*file));
        file->path = path;
        file->id = HASH_COUNT(builder->clean) + 1;
        HASH_ADD_KEYPTR(hh, builder->clean, path, strlen(path), file);
    }
    builder->cleaned[string] = file;
    return file;
}

static uint32_t node_for(struct builder *builder, const struct node_key *key, const char *file)
{
    struct known_node *known;
    HASH_FIND(hh, builder->known, key, sizeof(*key), known);
    if (known != NULL)
        return known->node;
    known = arena_alloc(builder->arena, sizeof(*known));
    known->key = *key;
    known->node = builder->table->node_count++;
    HASH_ADD(hh, builder->known, key, sizeof(*key), known);
    builder->table->nodes[known->node] = (struct node){
        .name = profile_text(builder->profile, key->name), .file = file,
        .object = profile_text(builder->profile, key->object), .line = key->line, .start_line = key->start_line};
    return known->node;
}

static uint32_t node_of_line(struct builder *builder, const struct profile_line *line, uint32_t object)
{
    const struct profile_function *function = &builder->profile->functions[line->function - 1];
    struct node_key key = {.name = function->name};
    if (key.name == 0) {
        key.object = object;
        key.start_line = function->start_line;
    }
    const char *path = "";
    if (builder->by_line) {
        const struct clean_file *file = cleaned_file(builder, function->file);
        path = file->path;
        key.file = file->id;
        key.line = line->line;
    }
    return node_for(builder, &key, path);
}

static void add_frames(struct builder *builder, const struct prune *prune, uint32_t location_id)
{
    const struct profile *profile = builder->profile;
    const struct profile_location *location = &profile->locations[location_id - 1];
    uint32_t object = location->mapping == 0 ? 0 : profile->mappings[location->mapping - 1].file;
    struct frame *frames = builder->table->frames;
    if (location->line_count == 0) {
        struct node_key key = {.object = object};
        frames[builder->frame_count++] = (struct frame){.node = node_for(builder, &key, "")};
        return;
    }
    uint32_t first = prune_first_line(prune, location_id);
    for (uint32_t i = location->line_count; i > first; i--) {
        uint32_t node = node_of_line(builder, &profile->lines[location->line_start + i - 1], object);
        bool inlined = i < location->line_count;
        frames[builder->frame_count++] = (struct frame){.node = node, .inlined = inlined};
        builder->table->nodes[node].may_be_inlined |= inlined;
    }
}

void frame_table_init(struct frame_table *table, const struct profile *profile, const struct prune *prune,
                      bool by_line, struct arena *arena)
{
    size_t frames_max = (size_t)profile->line_count + profile->location_count;
    *table = (struct frame_table){
        .nodes = arena_alloc_array(arena, frames_max, sizeof(*table->nodes)),
        .frames = arena_alloc_array(arena, frames_max, sizeof(*table->frames)),
        .starts = arena_alloc_array(arena, (size_t)profile->location_count + 1, sizeof(*table->starts)),
    };
    struct builder builder = {.table = table, .profile = profile, .arena = arena, .by_line = by_line};
    if (by_line)
        builder.cleaned = arena_alloc_array(arena, profile->string_count, sizeof(struct clean_file *));
    for (uint32_t id = 1; id <= profile->location_count; id++) {
        table->starts[id - 1] = builder.frame_count;
        add_frames(&builder, prune, id);
    }
    table->starts[profile->location_count] = builder.frame_count;
    HASH_CLEAR(hh, builder.known);
    HASH_CLEAR(hh, builder.clean);
}

const char *frame_table_text(const struct node *node, struct arena *arena)
{
    const char *space = *node->name == '\0' ? "" : " ";
    if (node->line != 0)
        return arena_printf(arena, "%s%s%s:%" PRId64, node->name, space, node->file, node->line);
    if (*node->file != '\0')
        return arena_printf(arena, "%s%s%s", node->name, space, node->file);
    if (*node->name != '\0')
        return node->name;
    return *node->object == '\0' ? "<unknown>" : arena_printf(arena, "[%s]", profile_base_name(node->object));
}
