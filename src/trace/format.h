/* format.h: the formats that a trace is written in: one row each. To add one, write its file with a
 * `const struct trace_format trace_format_<name>` and name it in formats.c. */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "trace/event.h"

struct trace_encoder;
struct trace_tables;

struct trace_format {
    const char *name;         /* "1.19", "1.22": of the query's version=; "chrome", "perfetto": of format= */
    const char *content_type;
    const char *file_name;    /* that the answer suggests */
    /* Strings and stacks in the tables may become more between calls, not others. They outlive the encoder. */
    struct trace_encoder *(*create)(const struct trace_tables *tables);
    /* Append to `out` what can be written already: at least what the last some 64 KiB of it had to wait for. */
    void (*event)(struct trace_encoder *encoder, const struct trace_event *event, struct buf *out);
    /* The trace ends at this time; what is still missing is appended. */
    void (*finish)(struct trace_encoder *encoder, uint64_t end_ns, struct buf *out);
    /* What finish would append now, about, in bytes: who caps a trace leaves room for it. */
    size_t (*pending_bytes)(const struct trace_encoder *encoder);
    void (*destroy)(struct trace_encoder *encoder);
};

extern const struct trace_format *const trace_formats[];
extern const unsigned trace_format_count;
/* What a request without a wish gets: opens in every go tool trace since 1.19. */
extern const struct trace_format trace_format_1_19;

/* NULL: there is none of this name. */
const struct trace_format *trace_format_find(struct bytes name);

#endif
