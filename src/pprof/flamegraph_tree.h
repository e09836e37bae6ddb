/* flamegraph_tree.h: stacks of one or more profiles, merged from their roots: a node is a frame under its callers.
 *
 * Frames differ by what the page can tell of them: addresses do not matter, so that stacks of two builds of a program
 * meet. One thread at a time. */
#ifndef PPROF_FLAMEGRAPH_TREE_H
#define PPROF_FLAMEGRAPH_TREE_H

#include "pprof/filter.h"
#include "pprof/pair_map.h"
#include "pprof/profile.h"

/* Whose code a frame runs; the page has a colour for each. */
enum flamegraph_kind {
    FLAMEGRAPH_PROGRAM,
    FLAMEGRAPH_LIBRARY,
    FLAMEGRAPH_LIBC,    /* and what else comes with the language: ld.so, Go's runtime */
    FLAMEGRAPH_SYSTEM,  /* kernel, and the functions that call it */
    FLAMEGRAPH_SPECIAL, /* no code at all: "[lost samples]" */
};

struct flamegraph_frame {
    uint32_t name, file; /* strings of the tree's names */
    uint32_t line;       /* 0: unknown */
    bool inlined;        /* into the one before */
    enum flamegraph_kind kind;
};

/* Parents come before their children. */
struct flamegraph_node {
    uint32_t parent; /* position */
    uint32_t frame;  /* position */
};

#define FLAMEGRAPH_ROOT 0 /* the node above all stacks: it has no frame */

/* More than any browser draws, and what half a GiB of memory holds. */
#define FLAMEGRAPH_NODES_MAX (1u << 23)

struct flamegraph_tree {
    struct profile *names; /* nothing but strings */
    struct flamegraph_frame *frames;
    struct flamegraph_node *nodes;
    uint32_t frame_count, frame_capacity, node_count, node_capacity;
    /* What is there already: file and line; name with inlined and that place; parent and frame. */
    struct pair_map places, known_frames, known_nodes;
};

void flamegraph_tree_init(struct flamegraph_tree *tree);
void flamegraph_tree_deinit(struct flamegraph_tree *tree);

/* Merge all stacks that the filter keeps. sample_nodes, one for each sample, gets where its stack ends; one without
 * frames, and one that is not kept, ends at the root. ERR_TOO_LARGE: there would be more than FLAMEGRAPH_NODES_MAX. */
int flamegraph_tree_add(struct flamegraph_tree *tree, const struct filter *filter, uint32_t *sample_nodes) MUST_USE;

/* The name of a node's function; the root has none. */
const char *flamegraph_tree_name(const struct flamegraph_tree *tree, uint32_t node);

#endif
