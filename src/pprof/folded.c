/* folded.c: stacks merged by function name, a sorted line each. */
#include "pprof/folded.h"

#include "base/error.h"
#include "pprof/flamegraph_tree.h"

#include <inttypes.h>
#include <stdlib.h>

/* Samples whose stacks read the same: lines and files make no difference here. */
struct folded_line {
    const char *stack;
    int64_t value;
};

static void append_name(struct buf *text, const char *name)
{
    for (; *name != '\0'; name++) {
        unsigned char character = (unsigned char)*name;
        buf_append_byte(text, character == ';' ? ':' : character < ' ' || character == 0x7f ? ' ' : character);
    }
}

/* The stack that ends at a node; path has room for as many nodes as the tree has. */
static const char *fold(const struct flamegraph_tree *tree, uint32_t node, uint32_t *path, struct buf *text,
                        struct arena *arena)
{
    uint32_t depth = 0;
    for (; node != FLAMEGRAPH_ROOT; node = tree->nodes[node].parent)
        path[depth++] = node;
    buf_clear(text);
    while (depth > 0) {
        append_name(text, flamegraph_tree_name(tree, path[--depth]));
        if (depth > 0)
            buf_append_byte(text, ';');
    }
    return arena_copy_bytes(arena, buf_bytes(text));
}

static int by_stack(const void *left, const void *right)
{
    return strcmp(((const struct folded_line *)left)->stack, ((const struct folded_line *)right)->stack);
}

/* Sums wrap, as elsewhere: a hostile profile must not be undefined behaviour. */
static int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* The stacks that have a value, in no order yet: how many. ERR_TOO_LARGE. */
static int64_t fold_all(const struct flamegraph_tree *tree, const int64_t *values, struct folded_line *lines,
                        struct arena *arena)
{
    uint32_t *path = arena_alloc_array(arena, tree->node_count, sizeof(*path));
    size_t used_before = arena->used_bytes;
    int64_t line_count = 0;
    struct buf text;
    buf_init(&text);
    for (uint32_t node = FLAMEGRAPH_ROOT + 1; node < tree->node_count && line_count >= 0; node++) {
        if (values[node] == 0)
            continue;
        lines[line_count++] = (struct folded_line){fold(tree, node, path, &text, arena), values[node]};
        if (arena->used_bytes - used_before > FOLDED_MAX)
            line_count = ERR_TOO_LARGE;
    }
    buf_deinit(&text);
    return line_count;
}

static void write_lines(struct folded_line *lines, size_t line_count, struct buf *out)
{
    qsort(lines, line_count, sizeof(*lines), by_stack);
    for (size_t i = 0; i < line_count;) {
        const char *stack = lines[i].stack;
        int64_t sum = 0;
        for (; i < line_count && strcmp(lines[i].stack, stack) == 0; i++)
            sum = add(sum, lines[i].value);
        if (sum != 0)
            buf_printf(out, "%s %" PRId64 "\n", stack, sum);
    }
}

static int write_tree(const struct flamegraph_tree *tree, const struct filter *filter, const uint32_t *sample_nodes,
                      struct arena *arena, struct buf *out)
{
    int64_t *values = arena_alloc_array(arena, tree->node_count, sizeof(*values));
    struct folded_line *lines = arena_alloc_array(arena, tree->node_count, sizeof(*lines));
    for (uint32_t i = 0; i < filter->profile->sample_count; i++) {
        if (filter_keeps(filter, i))
            values[sample_nodes[i]] = add(values[sample_nodes[i]], filter_value(filter, i));
    }
    int64_t line_count = fold_all(tree, values, lines, arena);
    if (line_count < 0)
        return (int)line_count;
    write_lines(lines, (size_t)line_count, out);
    return 0;
}

int profile_write_folded(const struct filter *filter, struct buf *out)
{
    struct flamegraph_tree tree;
    struct arena arena;
    flamegraph_tree_init(&tree);
    arena_init(&arena);
    uint32_t *sample_nodes = arena_alloc_array(&arena, filter->profile->sample_count, sizeof(*sample_nodes));
    int result = flamegraph_tree_add(&tree, filter, sample_nodes);
    if (result == 0)
        result = write_tree(&tree, filter, sample_nodes, &arena, out);
    arena_deinit(&arena);
    flamegraph_tree_deinit(&tree);
    return result;
}
