/* collect_plan.h: what takhin-profiler is about to collect: which files, what each is made of, how they are called. */
#ifndef CMD_PROFILER_COLLECT_PLAN_H
#define CMD_PROFILER_COLLECT_PLAN_H

#include "base/buf.h"
#include "base/check.h"
#include "cmd/profiler/command.h"
#include "cmd/profiler/fetch.h"
#include "cmd/profiler/output.h"
#include "cmd/profiler/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One that will be written. */
struct collect_file {
    const struct collect_plan *plan; /* that it is of */
    const struct collectible *type;
    char *path;          /* as planned */
    struct buf request;  /* "/debug/pprof/block?seconds=30&rate=1" */
    struct fetch *parts; /* the plan's: one of each broker whose answer goes into it */
    size_t part_count;
    bool is_merged;      /* of several brokers, with a label that tells them apart; else there is one part */

    /* What came of it (collect_file.h). */
    struct output output;
    size_t ended_count; /* parts */
    int result;         /* of merging, writing and showing what came */
    struct buf problem; /* why that failed */
    bool is_written, is_cut_short, is_empty;
    int64_t start_ns, duration_ns; /* of what it holds, as struct content_facts has them */
    size_t size_bytes;
    void *read_back;    /* its content; NULL: there is none, or it is forgotten */
};

struct collect_plan {
    const struct profiler_command *command;
    int64_t start_ns; /* since 1970 */
    struct target_list targets;
    struct collect_file *files;
    size_t file_count;
    struct fetch *fetches; /* the files' parts; then, where there is an -output-dir, each target's settings */
    size_t part_count, fetch_count;
};

/* Each target for each type, and in what files that will be. 0, or ERR_CONFIG as target_list_init says. Deinit it in
 * either case; the command must outlive it. */
int collect_plan_init(struct collect_plan *plan, const struct profiler_command *command, struct buf *message) MUST_USE;
void collect_plan_deinit(struct collect_plan *plan);

#endif
