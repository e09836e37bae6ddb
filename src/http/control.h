/* control.h: the profiler's settings as JSON, as the debug port takes and shows them. Pure. */
#ifndef HTTP_CONTROL_H
#define HTTP_CONTROL_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"
#include "profiler/options.h"

/* A larger body is refused. */
#define CONTROL_BODY_MAX 4096

/* Read {"hz": 250, "labels": {"topic": false}}: settings that are not named stay as they are in *options. Beyond these,
 * two of a key, another type or a value out of range: ERR_MALFORMED with *problem saying which, one line; *options is
 * then as before. */
int control_decode(struct bytes json, struct profiler_options *options, struct buf *problem) MUST_USE;

/* Append "hz":100,...,"labels":{"topic":true,"client_id":true} without the braces around it. */
void control_write(const struct profiler_options *options, struct buf *json);
/* Append "hz 100 to 250, labels.topic true to false"; nothing if all are equal. */
void control_write_changes(const struct profiler_options *before, const struct profiler_options *after,
                           struct buf *text);

#endif
