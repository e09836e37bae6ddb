/* flamegraph_page.h: flamegraph.html with its style and script, as cmake/embed_page.cmake puts them into the program.
 * The profile's data goes between the two parts. */
#ifndef PPROF_FLAMEGRAPH_PAGE_H
#define PPROF_FLAMEGRAPH_PAGE_H

#include "pprof/flamegraph.h"

extern const unsigned char flamegraph_page_before[], flamegraph_page_after[];
extern const unsigned flamegraph_page_before_size, flamegraph_page_after_size;

#endif
