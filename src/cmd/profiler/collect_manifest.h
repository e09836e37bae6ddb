/* collect_manifest.h: manifest.json of what a run of takhin-profiler has left in -output-dir. */
#ifndef CMD_PROFILER_COLLECT_MANIFEST_H
#define CMD_PROFILER_COLLECT_MANIFEST_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/collect_plan.h"

/* Once all have ended, well or not. Errors as output_commit. */
int collect_manifest_write(const struct collect_plan *plan, struct buf *message) MUST_USE;

#endif
