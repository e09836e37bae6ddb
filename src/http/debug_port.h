/* debug_port.h: what the handlers of the debug port share. For the files of this folder only. */
#ifndef HTTP_DEBUG_PORT_H
#define HTTP_DEBUG_PORT_H

#include "base/buf.h"
#include "base/check.h"
#include "base/list.h"
#include "http/port.h"
#include "profiler/collection.h"
#include "profiler/trace.h"

struct debug_cursors;
struct metrics_writer;
struct profiler;

#define DEBUG_PREFIX "/debug/pprof/"
#define DEBUG_CAPTURES DEBUG_PREFIX "captures"

/* What is under way; of the port's reactor, which all its tasks run on. */
struct debug_limits {
    unsigned worker_count;
    struct list turns;   /* of those who wait to work, the first to come first */
    size_t unsent_bytes; /* of large answers that are being sent */
};

/* The context of the debug port's exchanges. */
struct debug_port {
    struct profiler *profiler;
    struct debug_cursors *cursors;
    struct debug_limits limits;
    struct metrics *metrics; /* NULL: none */
};

/* The index at the prefix itself, and below it every kind of profile by its name. [task] */
void debug_answer_below_prefix(struct http_exchange *exchange);
/* /debug/fgprof, where its own package serves it: the wall-clock profile. [task] */
void debug_answer_fgprof(struct http_exchange *exchange);
/* debug_ui.c: /debug/pprof/ui: a profile as a page that draws it. */
void debug_answer_ui(struct http_exchange *exchange);
/* The name that people have for it: "cpu" is served as "profile". */
const char *debug_spoken_name(const struct profile_type *type);
/* debug_trace.c */
void debug_answer_trace(struct http_exchange *exchange);
/* debug_captures.c: the list of them, and each by its name. */
void debug_answer_captures(struct http_exchange *exchange);
/* debug_index.c */
void debug_answer_index(struct http_exchange *exchange);
/* debug_symbol.c */
void debug_answer_cmdline(struct http_exchange *exchange);
void debug_answer_symbol(struct http_exchange *exchange);
/* debug_control.c: GET and PUT /debug/profiler/config. */
void debug_answer_control(struct http_exchange *exchange);

void debug_answer_text(struct http_exchange *exchange, struct bytes body);
/* As RFC 3339 has it, to the second. */
void debug_append_time(struct buf *text, int64_t since_1970_ns);

/* debug_limits.c: what all clients may cost together. */
void debug_limits_init(struct debug_limits *limits);
/* Run it on a thread of its own (the pool's may all hang in a disk just when a profile is wanted) once fewer than some
 * others are at work; parks until it is done. UV_ECANCELED: the port closes, and it did not run. [task] */
int debug_work(struct debug_port *debug, const char *thread_name, void (*work)(void *argument),
               void *argument) MUST_USE;
/* NULL, or why an answer of this size cannot be sent beside what slow readers hold already: of the request's arena. */
const char *debug_refuse_size(struct http_exchange *exchange, size_t size) MUST_USE;
/* http_respond for bodies that may be large: 503 instead of what debug_refuse_size refuses. [task] */
void debug_respond(struct http_exchange *exchange, const struct http_response *response);
/* http_respond_write for answers that may be large: others have less room meanwhile. [task] */
int debug_respond_write(struct http_exchange *exchange, struct bytes piece) MUST_USE;

/* debug_query.c: what a request for a profile says. */
struct debug_query {
    struct profile_query profile;
    int debug;          /* 1 or 2: text; 0: the profile */
    uint64_t window_ms; /* of a window or a delta; 0: none */
    bool takes_part;    /* of a delta: a client that has said all before its end wants what came so far (partial=1) */
};
/* default_seconds: of a window where the request does not say; less if profiler.max_duration is.
 * NULL, or why the request is a bad one (400): a text of the request's arena. [task] */
const char *debug_query_read(const struct http_request *request, const struct profile_type *type,
                             unsigned default_seconds, struct profiler *profiler,
                             struct debug_query *query) MUST_USE;
/* The same of a duration alone: NULL, or that it is longer than profiler.max_duration. */
const char *debug_query_check_seconds(struct arena *arena, struct profiler *profiler, double seconds) MUST_USE;
/* The same for what a scraper has not seen yet: godeltaprof's handlers take gc and nothing else. */
void debug_query_read_unseen(const struct http_request *request, struct debug_query *query);

/* How a profile is shown: as itself, as text for people, as a page. */
struct debug_form {
    /* On a thread of its own: append what is made of the collection. 0, or negative: that cannot be. */
    int (*write)(struct collection *collection, const struct debug_query *query, struct buf *body);
    /* file_name: under which a profile is saved. [task] */
    void (*answer)(struct http_exchange *exchange, const char *file_name, struct bytes body);
    /* Where somebody looks on while time passes: before that the answer begins, and then it is ended with the body, or
     * with why there is none, in place of `answer` and of an error. All NULL: nobody does. begin: 0, or negative: the
     * client takes no more. [task] */
    int (*begin)(struct http_exchange *exchange, const struct profile_type *type, const struct debug_query *query);
    void (*end)(struct http_exchange *exchange, struct bytes body);
    void (*fail)(struct http_exchange *exchange, const char *reason);
};
/* debug_profile.c: collect what the query asks for, and answer the exchange with that. [task] */
void debug_take_profile(struct http_exchange *exchange, const struct profile_type *type,
                        const struct debug_query *query, const struct debug_form *form);

/* debug_trace_query.c: what a request for a trace says; all but whom to notify. NULL, or why it is a bad one (400): a
 * constant, or a text of the request's arena. */
const char *debug_trace_query_read(const struct http_request *request, struct profiler *profiler,
                                   struct trace_query *query) MUST_USE;

/* debug_cursors.c: what each scraper has seen of a profile that only grows, so that it gets what is new. */
struct debug_cursors *debug_cursors_create(void);
void debug_cursors_destroy(struct debug_cursors *cursors);
/* Where the table stands that this scraper (an address) saw last; of a scraper that has not been here before, or not
 * for long, NULL stands there. It is the caller's alone until the release. [task] */
struct stack_table **debug_cursors_acquire(struct debug_cursors *cursors, const struct profile_type *type,
                                           struct bytes scraper);
void debug_cursors_release(struct debug_cursors *cursors);

/* debug_metrics.c: what the profiler has done and what that has cost; the context is a debug_port. */
void debug_write_metrics(struct metrics_writer *writer, void *context);

#endif
