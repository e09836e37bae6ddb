/* weights.h: what the nodes of a profile weigh, alone and with all that they call: the samples are added up once for
 * the summary and the table. [any] */
#ifndef PPROF_WEIGHTS_H
#define PPROF_WEIGHTS_H

#include "pprof/filter.h"
#include "pprof/frame_table.h"

struct weights {
    const struct filter *filter;
    struct frame_table table;
    int64_t *flat, *cum; /* by node of the table */
    int64_t flat_sum;
    bool by_line;
    struct arena arena;
};

/* Of the samples that the filter keeps; it must outlive them. by_line: as frame_table.h says. */
void weights_init(struct weights *weights, const struct filter *filter, bool by_line);
void weights_deinit(struct weights *weights);

#endif
