/* output.h: files that appear only when they are complete. */
#ifndef CMD_PROFILER_OUTPUT_H
#define CMD_PROFILER_OUTPUT_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>

/* What becomes of a file that has the name already. */
enum output_rule {
    OUTPUT_REPLACES,    /* the new one takes its place; through a link, its target's */
    OUTPUT_GOES_BESIDE, /* it stays, and the new one is called name-2.prof, or -3 ... */
    OUTPUT_MOVES_OLD,   /* it is renamed to name_<UTC, when it was last written>.json */
};

struct output {
    char *path;      /* as the caller has it; once written, what it came to be called */
    char *target;    /* the same with links followed */
    char *temporary; /* beside it; NULL once it has become the target, or where is_direct */
    int fd;          /* -1: closed */
    bool is_direct;  /* the target is no regular file: what is written cannot be read back there */
    enum output_rule rule;
    const char *other; /* what else to name, for messages: "another file with -output" */
};

/* Whether the path stands for standard output: "-", or "/dev/stdout". */
bool output_is_standard(const char *path);

/* See that the path can be written, before half a minute is spent on what goes there. Close it in any case.
 * A device or a pipe is written to directly; so is standard output, which a terminal must not be
 * (ERR_UNSUPPORTED). Errors are -errno with *message saying which path, why, and to name `other`, which must outlive
 * the output. */
int output_open(struct output *output, const char *path, enum output_rule rule, const char *other,
                struct buf *message) MUST_USE;
/* Write everything, then let it appear under its name. */
int output_commit(struct output *output, struct bytes content, struct buf *message) MUST_USE;
/* Without a commit before it, nothing is left behind. */
void output_close(struct output *output);

/* Make a folder, and those above it, unless they are there. Errors as above. */
int output_make_folder(const char *path, struct buf *message) MUST_USE;

/* "20261123T114734Z", for names. */
#define OUTPUT_TIME_SIZE 32
void output_format_time(int64_t wall_ns, char text[OUTPUT_TIME_SIZE]);
/* A name in a folder. The caller's (mem_free). */
char *output_path_in(const char *folder, const char *name);
/* A path with something between its name and its last extension: "a/cpu.prof" and "-2" give "a/cpu-2.prof". The
 * caller's (mem_free). */
char *output_path_with(const char *path, const char *addition);

#endif
