/* decode.h: a trace file in Go's format of versions 1.11 to 1.21 (takhin's own, or a Go program's) -> events. */
#ifndef TRACE_DECODE_H
#define TRACE_DECODE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"
#include "trace/event.h"

struct trace_tables;

/* Give each event to take(event, context), in order; strings and stacks are in `tables`. What a wait's reason is called
 * is the stack's innermost frame where that is in brackets ("[fsync]"), and then no longer part of the stack; so is a
 * call's name. Events that were given before an error are good: what is cut or damaged can be read as far as it goes.
 * ERR_MALFORMED, ERR_TRUNCATED or ERR_UNSUPPORTED (another version) with a line for people in *message. */
int trace_decode(struct bytes file, struct trace_tables *tables,
                 void (*take)(const struct trace_event *event, void *context), void *context,
                 struct buf *message) MUST_USE;

#endif
