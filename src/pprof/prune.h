/* prune.h: which frames of a profile its drop_frames and keep_frames hide from reports.
 *
 * A function whose simplified name matches drop_frames, and not keep_frames, disappears from a stack together with all
 * that it called, once a frame nearer to the root does not match. Both are matched against the whole name. [any] */
#ifndef PPROF_PRUNE_H
#define PPROF_PRUNE_H

#include "base/mem.h"
#include "pprof/profile.h"

struct prune {
    const struct profile *profile;
    /* For each location how many of its lines, innermost first, are hidden; NULL: the profile hides nothing. */
    uint32_t *hidden_lines;
};

/* Memory is the arena's. ERR_MALFORMED: an expression is not one, or none that pattern.h understands. */
int prune_init(struct prune *prune, const struct profile *profile, struct arena *arena) MUST_USE;

/* How many locations at the leaf end of this sample are hidden. */
uint32_t prune_sample(const struct prune *prune, const struct profile_sample *sample);

/* The first line of a location that a report shows. A location whose lines are all hidden by name still shows them in
 * stacks in which it is not dropped. */
uint32_t prune_first_line(const struct prune *prune, uint32_t location_id);

#endif
