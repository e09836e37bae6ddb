/* heap_text.h: the heap profile for people, in Go's shape. */
#ifndef PROFILER_HEAP_TEXT_H
#define PROFILER_HEAP_TEXT_H

#include "base/buf.h"

struct collection;

/* A profile_type's write_text. */
void heap_text_write(struct collection *collection, struct buf *text);

#endif
