/* content.h: what takhin-profiler collects, as it is read back and told: profiles, and execution traces. */
#ifndef CMD_PROFILER_CONTENT_H
#define CMD_PROFILER_CONTENT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct analysis;

/* For reports and the manifest. */
struct content_facts {
    int64_t start_ns;    /* since 1970; 0: unknown */
    int64_t duration_ns; /* 0: of one moment, or unknown */
    bool is_empty;       /* no sample, or no request */
};

/* One of several that become one. */
struct content_part {
    void *read_back;
    const char *broker; /* where it comes from: the value of the label "broker" */
};

/* What a page is headed with. */
struct content_origin {
    const char *type;   /* as it was collected: "block"; NULL: what is read says it, as far as it can */
    const char *broker; /* NULL: unknown, or several */
};

struct profiler_content {
    const char *noun; /* "profile" */
    /* Read bytes; *read_back is for the others, and destroy. is_mapped: they are a file's, whose pages may be let go.
     * Negative: it is none; *problem says why. */
    int (*read)(struct bytes bytes, bool is_mapped, void **read_back, struct buf *problem) MUST_USE;
    struct content_facts (*facts)(const void *read_back);
    /* Append what it is in half a line: "cpu 12.34s in 321 stacks, of 30s". */
    void (*describe)(const void *read_back, struct buf *text);
    /* Append what to do with the file next: lines that begin with two spaces. read_back: NULL if it is gone. */
    void (*advise)(const void *read_back, const char *path, struct buf *text);
    /* Several as one, each sample labelled with its broker; *encoded gets the bytes of the file. The parts stay the
     * caller's. NULL: what is of this kind stays apart. */
    int (*merge)(const struct content_part *parts, size_t count, void **merged, struct buf *encoded,
                 struct buf *problem) MUST_USE;
    /* To standard output: words and tables, JSON or folded stacks, as the options say. */
    int (*print_analysis)(void *read_back, const struct analysis *analysis, const char *path,
                          struct buf *message) MUST_USE;
    /* Append a page that draws it, for the browser. NULL: what is of this kind is not drawn. */
    int (*draw)(void *read_back, const struct analysis *analysis, const struct content_origin *origin,
                struct buf *page, struct buf *message) MUST_USE;
    void (*destroy)(void *read_back); /* NULL is none */
};

extern const struct profiler_content profiler_content_profile, profiler_content_trace;

/* By how it begins: a trace in Go's format, else it can only be a profile. */
const struct profiler_content *profiler_content_of(struct bytes bytes);

/* What bytes are that content->read refuses, and what to do about it, in a sentence that lives for ever; NULL: nothing
 * is known of them. */
const char *profiler_content_hint(struct bytes bytes);

#endif
