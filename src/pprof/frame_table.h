/* frame_table.h: the frames of a profile's locations, and the nodes that they are instances of. Part of
 * weights.c and live_table.c.
 *
 * A node is a row of a report: a function by its name, or with by_line a line of a file in it; code without a name is
 * a node of the mapped file that it is in. */
#ifndef PPROF_FRAME_TABLE_H
#define PPROF_FRAME_TABLE_H

#include "base/mem.h"
#include "pprof/profile.h"
#include "pprof/prune.h"

struct node {
    const char *name, *file, *object; /* function, its file if by_line, the mapped file if there is no name; or "" */
    int64_t line, start_line;
    bool may_be_inlined; /* in some location it is */
};

/* One shown line of a location. A location's frames are in a row, outermost first. */
struct frame {
    uint32_t node : 31;
    uint32_t inlined : 1; /* into the one before */
};

struct frame_table {
    struct node *nodes;
    struct frame *frames;
    uint32_t *starts; /* by location; one more at the end */
    uint32_t node_count;
};

/* Memory is the arena's; texts are the profile's or the arena's. */
void frame_table_init(struct frame_table *table, const struct profile *profile, const struct prune *prune,
                      bool by_line, struct arena *arena);

/* A node as it is printed. The profile's text, or memory of the arena. */
const char *frame_table_text(const struct node *node, struct arena *arena);

#endif
