/* analysis.h: what is shown of a profile or a trace, just collected or from a file: tables and words, JSON, folded
 * stacks, a flame graph. */
#ifndef CMD_PROFILER_ANALYSIS_H
#define CMD_PROFILER_ANALYSIS_H

#include "base/buf.h"
#include "base/check.h"
#include "pprof/filter.h"
#include "pprof/top.h"

#include <stdbool.h>

struct content_origin;
struct profile;
struct profiler_content;

/* What stands before each but the first of several messages of a run. */
#define PROFILER_NEXT_MESSAGE "\ntakhin-profiler: "

/* What the command line asks for. */
struct analysis_options {
    bool report;     /* -analyze: words and tables to standard output */
    bool json;       /* -json: the same as an object a line, in place of words */
    bool folded;     /* -folded: stacks to standard output, in place of either */
    bool flamegraph; /* -flamegraph: a page beside the file, and the command that shows one */
    struct filter_options filter;
    struct top_options top;
    const char *base;   /* file that a profile is compared with; NULL: none */
    bool is_comparison; /* -diff_base, not -base */
};

struct analysis {
    const struct analysis_options *options;
    struct profile *base; /* NULL: none */
};

/* Whether the options ask for something that a trace cannot give (filters, bases, flame graphs): names the first such
 * flag, with its dash; NULL: none. */
const char *analysis_needs_profile(const struct analysis_options *options);

/* Reads the base, if there is one. The options must outlive the analysis. On failure *message says which file, why, and
 * what to do, and there is nothing to deinit. */
int analysis_init(struct analysis *analysis, const struct analysis_options *options, struct buf *message) MUST_USE;
void analysis_deinit(struct analysis *analysis);

/* Shows what the options ask for of what content->read has read; path is the file's, the page goes beside it:
 * "cpu.prof" has "cpu.html", headed by the origin. is_quiet: only what was asked for by a flag. On failure *message
 * says why. */
int analysis_show(const struct analysis *analysis, const struct profiler_content *content, void *read_back,
                  const char *path, const struct content_origin *origin, bool is_quiet,
                  struct buf *message) MUST_USE;

/* takhin-profiler analyze FILE...: each one's analysis to standard output, of a profile or a trace as its content is.
 * *failed_count files could not be read; *message says what was wrong with each, a line or more. 0, or the first error;
 * ERR_CONFIG: no file was read, as the options are wrong. */
int analysis_of_files(const struct analysis_options *options, const char *const *paths, int count, bool is_quiet,
                      int *failed_count, struct buf *message) MUST_USE;

#endif
