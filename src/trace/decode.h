/* decode.h: a trace file in the format "1.19" (takhin's own, or a Go program's) -> events. */
#ifndef TRACE_DECODE_H
#define TRACE_DECODE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"
#include "trace/event.h"

struct trace_tables;

/* Give each event to take(event, context), in order; strings and stacks are in `tables`. What a wait's reason is called
 * is the stack's innermost frame where that is in brackets ("[fsync]"), and then no longer part of the stack; so is a
 * call's name. ERR_MALFORMED, ERR_TRUNCATED or ERR_UNSUPPORTED (another version) with a line for people in *message. */
int trace_decode(struct bytes file, struct trace_tables *tables,
                 void (*take)(const struct trace_event *event, void *context), void *context,
                 struct buf *message) MUST_USE;

#endif
