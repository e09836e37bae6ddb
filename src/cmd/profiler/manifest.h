/* manifest.h: manifest.json of -output-dir: which brokers, of which version, over which time, at which rates.
 *
 *     {"takhin_profiler": "0.4.0",                   its version
 *      "start": "2026-11-23T11:47:34.120Z",          when it began to collect
 *      "brokers": [{"name": "localhost:6060",        one for each that was asked
 *                   "server": "takhin/0.4.0",        its Server header; null: it has none
 *                   "version": "0.4.0",              out of that; null: it is no takhin
 *                   "config": {...}}],               what /debug/profiler/config answered, rates and all; null: nothing
 *      "files": [{"name": "cpu_20261123T114734Z.prof",   in this folder; null: it could not be written
 *                 "type": "cpu",
 *                 "brokers": ["localhost:6060"],     that were asked for it
 *                 "missing": [],                     those of them whose part is not in it
 *                 "start": "2026-11-23T11:47:34.130Z",   of what it holds; null: unknown
 *                 "duration_ns": 30000000000,        of what it holds; 0: it is of one moment
 *                 "size_bytes": 12345,
 *                 "cut_short": false,                by Ctrl-C
 *                 "request": "/debug/pprof/profile?seconds=30",
 *                 "problem": null}]}                 why it, or a part of it, is missing
 *
 * There is a line a broker and a line a file. manifest.json is of the latest run into the folder; that of a run before
 * is renamed to manifest_<UTC, when it was written>.json. */
#ifndef CMD_PROFILER_MANIFEST_H
#define CMD_PROFILER_MANIFEST_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manifest_broker {
    const char *name;    /* "localhost:6060" */
    const char *server;  /* "takhin/0.4.0"; "": it does not say */
    const char *config;  /* JSON that /debug/profiler/config answered, rates and all; NULL: it has none */
};

struct manifest_file {
    const char *name; /* in the folder; NULL: it failed */
    const char *type;
    const char **brokers, **missing;
    size_t broker_count, missing_count;
    int64_t start_ns;    /* since 1970; 0: unknown */
    int64_t duration_ns; /* 0: of one moment */
    uint64_t size_bytes;
    bool is_cut_short;   /* by an interrupt */
    const char *request; /* "/debug/pprof/block?seconds=30&rate=1" */
    const char *problem; /* why there is no such file, or a part of it is missing; NULL: all is well */
};

struct manifest {
    const char *version; /* of takhin-profiler */
    int64_t start_ns;    /* when it began, since 1970 */
    struct manifest_broker *brokers;
    size_t broker_count;
    struct manifest_file *files;
    size_t file_count;
};

/* Append the file's text. */
void manifest_write(const struct manifest *manifest, struct buf *text);

#endif
