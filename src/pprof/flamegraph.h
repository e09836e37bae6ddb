/* flamegraph.h: a profile as one HTML file that draws it: nothing else is needed to look at it, no network either.
 *
 * The page holds the samples with all their values and labels, so that switching the sample type, filtering by label,
 * searching and zooming happen in the browser. What the profile's drop_frames hides is left out (prune.h).
 *
 * The page states its own Content-Security-Policy, `default-src 'none'` and the hashes of its one style and one script:
 * names in profiles come from clients, and even one that got out of its quotes could neither run nor load anything.
 * Whoever serves it needs no such header, or may repeat flamegraph_content_security_policy. [any] */
#ifndef PPROF_FLAMEGRAPH_H
#define PPROF_FLAMEGRAPH_H

#include "base/buf.h"
#include "pprof/filter.h"
#include "pprof/profile.h"

struct flamegraph_options {
    const char *title; /* what the page is headed with; NULL: "cpu profile of takhin" */
    /* Which samples are drawn, of the profile and of the base, and which of the profile's values is shown first.
     * NULL: all, by the profile's default. */
    const struct filter *filter, *base_filter;
};

/* Append the page to *out. base, unless NULL, is what the profile is compared with: its sample types are found by name
 * and unit. options may be NULL: all of them NULL.
 * ERR_MALFORMED: drop_frames or keep_frames of one of them is no regular expression; ERR_NOT_FOUND: the base has none
 * of the profile's sample types; ERR_TOO_LARGE: there are more stacks than a page can hold (flamegraph_tree.h); *out
 * is as before. */
int profile_write_flamegraph(const struct profile *profile, const struct profile *base,
                             const struct flamegraph_options *options, struct buf *out) MUST_USE;

/* What every page begins with. Whoever serves one may send this while the profile is still being taken, then an
 * element with the id "waiting", which the page removes when it is whole, and at last the rest. Lives for ever. */
extern const struct bytes flamegraph_page_start;

/* The value of the header of that name that a server may send with each such page. Lives for ever. */
extern const char flamegraph_content_security_policy[];

#endif
