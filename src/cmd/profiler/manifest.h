/* manifest.h: manifest.json of -output-dir: which broker, of which version, over which time, at which rates. */
#ifndef CMD_PROFILER_MANIFEST_H
#define CMD_PROFILER_MANIFEST_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct manifest_broker {
    const char *name;    /* "localhost:6060" */
    const char *server;  /* "takhin/0.4.0"; "": it does not say */
    struct bytes config; /* JSON that /debug/profiler/config answered, rates and all; empty: it has none */
};

struct manifest_file {
    const char *name;         /* in the folder; NULL: it failed */
    const char *type;
    const char *const *brokers;
    size_t broker_count;
    int64_t start_ns;         /* since 1970; 0: unknown */
    int64_t duration_ns;      /* 0: of one moment */
    uint64_t size_bytes;
    bool is_cut_short;        /* by an interrupt */
    const char *request;      /* "/debug/pprof/block?seconds=30&rate=1" */
    const char *problem;      /* why there is no such file, or a part of it is missing; NULL: all is well */
};

struct manifest {
    const char *version;      /* of takhin-profiler */
    int64_t start_ns;         /* when it began, since 1970 */
    const struct manifest_broker *brokers;
    size_t broker_count;
    const struct manifest_file *files;
    size_t file_count;
};

/* Append the file's text. */
void manifest_write(const struct manifest *manifest, struct buf *text);

#endif
