/* debug_port.c: /debug/pprof/: its index, and what can be answered at once.
 *
 * Statuses, headers and texts are those of Go's net/http/pprof, which the tools that read from here were made for. */
#include "http/debug_port.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/ports.h"
#include "metrics/metrics.h"
#include "profiler/cpu.h"
#include "profiler/profiler.h"
#include "profiler/symbols.h"
#include "runtime/task.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "/debug/pprof/"

static void answer_index(struct http_exchange *exchange);
static void answer_cmdline(struct http_exchange *exchange);
static void answer_symbol(struct http_exchange *exchange);

/* The index lists those with a summary, so the rows below it stay in order of their names. */
static const struct http_route routes[] = {
    {PREFIX, HTTP_ALLOW_GET, answer_index, NULL},
    {PREFIX "cmdline", HTTP_ALLOW_GET, answer_cmdline, "The program and its arguments, with a NUL between them."},
    {PREFIX "profile", HTTP_ALLOW_GET, debug_answer_profile,
     "Where CPU time goes, in all threads, for the next 30 seconds or as many as <code>seconds</code> says (parts of "
     "one, too). <code>hz</code> sets how often each thread is looked at per second of its CPU time, 1 to 1000. "
     "Samples carry the labels api, topic and client_id. Several profiles may be taken at once. "
     "Open it with <code>go tool pprof</code> or <code>takhin-profiler -type cpu -analyze</code>."},
    {PREFIX "symbol", HTTP_ALLOW_GET | HTTP_ALLOW_POST, answer_symbol,
     "The functions at the addresses in the query or in a POST's body, such as <code>0x4a0000+0x4a0010</code>."},
};

static void answer_text(struct http_exchange *exchange, struct bytes body)
{
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = body,
    });
}

/* NULL for a route that the index does not list. */
static const char *listed_name(const struct http_route *route)
{
    return route->summary ? route->path + strlen(PREFIX) : NULL;
}

static void append_index(struct buf *page)
{
    buf_append_string(page, "<html>\n<head>\n<title>/debug/pprof/</title>\n"
                            "<style>\n.profile-name {\n\tdisplay: inline-block;\n\twidth: 6rem;\n}\n</style>\n"
                            "</head>\n<body>\n/debug/pprof/\n<br>\n"
                            "<p>Set debug=1 as a query parameter to export in legacy text format</p>\n<br>\n"
                            "Types of profiles available:\n<table>\n"
                            "<thead><td>Count</td><td>Profile</td></thead>\n");
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        const char *name = listed_name(&routes[i]);
        if (name) /* none of these keeps records, so each counts 0 */
            buf_printf(page, "<tr><td>0</td><td><a href='%s?debug=1'>%s</a></td></tr>\n", name, name);
    }
    buf_append_string(page, "</table>\n<p>\nProfile Descriptions:\n<ul>\n");
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        const char *name = listed_name(&routes[i]);
        if (name)
            buf_printf(page, "<li><div class=profile-name>%s:</div> %s</li>\n", name, routes[i].summary);
    }
    buf_append_string(page, "</ul>\n</p>\n</body>\n</html>\n");
}

static void answer_index(struct http_exchange *exchange)
{
    if (!bytes_equal_string(exchange->request->path, PREFIX)) {
        http_respond_error(exchange, 404, "Unknown profile");
        return;
    }
    struct buf page;
    buf_init(&page);
    append_index(&page);
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .body = buf_bytes(&page),
    });
    buf_deinit(&page);
}

/* The kernel keeps a NUL behind each argument; Go puts one between them only. */
static void answer_cmdline(struct http_exchange *exchange)
{
    struct buf arguments;
    buf_init(&arguments);
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = 0;
    do {
        arguments.size += (size_t)size;
        size = fd >= 0 ? read(fd, buf_reserve(&arguments, 4096), 4096) : 0;
    } while (size > 0);
    if (fd >= 0)
        close(fd);
    if (arguments.size > 0)
        arguments.size--;
    answer_text(exchange, buf_bytes(&arguments));
    buf_deinit(&arguments);
}

struct symbol_lookup {
    struct symbols *symbols;
    const char *addresses; /* "0x4a0000+0x4a0010" */
    struct buf names;
};

/* One address up to the end or the next "+"; 0 for what is not a number, which counts as an unknown address. */
static uintptr_t read_address(const char **text)
{
    char *end = NULL;
    size_t length = strcspn(*text, "+");
    uintptr_t address = **text >= '0' && **text <= '9' ? strtoull(*text, &end, 0) : 0;
    if (end != *text + length)
        address = 0;
    *text += length + ((*text)[length] == '+');
    return address;
}

static void look_up_work(void *argument)
{
    struct symbol_lookup *lookup = argument;
    /* pprof only asks whether the number is 0: whether there are symbols here at all. */
    buf_append_string(&lookup->names, "num_symbols: 1\n");
    symbols_acquire(lookup->symbols);
    for (const char *rest = lookup->addresses; *rest;) {
        struct symbol_frame frames[SYMBOL_INLINE_MAX];
        uintptr_t address = read_address(&rest);
        if (address != 0 && symbols_resolve(lookup->symbols, address, false, frames, ARRAY_COUNT(frames)) > 0)
            buf_printf(&lookup->names, "%#lx %s\n", (unsigned long)address, frames[0].function);
    }
    symbols_release(lookup->symbols);
}

/* Reading symbol tables takes time, so a thread of its own does it: the pool's may all hang in a disk just then. */
static void answer_symbol(struct http_exchange *exchange)
{
    const struct debug_port *debug = exchange->context;
    const struct http_request *request = exchange->request;
    struct bytes addresses = request->allowed_by == HTTP_ALLOW_POST ? request->body : request->query;
    struct symbol_lookup lookup = {
        .symbols = profiler_symbols(debug->profiler),
        .addresses = arena_copy_bytes(request->arena, addresses),
    };
    buf_init(&lookup.names);
    task_offload_to_thread(WAIT_OFFLOAD, "symbol", look_up_work, &lookup);
    answer_text(exchange, buf_bytes(&lookup.names));
    buf_deinit(&lookup.names);
}

/* What the profiler has done and what that has cost. */
static void collect_profiler(struct metrics_writer *writer, void *context)
{
    const struct debug_port *debug = context;
    struct cpu_stats stats = cpu_sampler_stats(profiler_cpu(debug->profiler));
    const struct {
        enum metric_type type;
        const char *name, *help;
        double value;
    } families[] = {
        {METRIC_COUNTER, "takhin_profiler_samples_total", "CPU samples taken.", (double)stats.sample_count},
        {METRIC_COUNTER, "takhin_profiler_lost_total", "CPU samples for which there was no room.",
         (double)stats.lost_count},
        {METRIC_COUNTER, "takhin_profiler_truncated_total", "CPU samples whose stack was too deep.",
         (double)stats.truncated_count},
        {METRIC_COUNTER, "takhin_profiler_rootless_total", "CPU samples whose walk ended before the stack's root.",
         (double)stats.rootless_count},
        {METRIC_COUNTER, "takhin_profiler_overhead_seconds_total", "CPU time spent taking samples.",
         (double)stats.handler_ns / 1e9},
        {METRIC_GAUGE, "takhin_profiler_timers", "Threads that are sampled now.", (double)stats.thread_count},
    };
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        metrics_write_family(writer, families[i].type, families[i].name, families[i].help);
        metrics_write_sample(writer, families[i].value, METRIC_NO_LABELS);
    }
}

static void debug_port_closed(void *context)
{
    struct debug_port *debug = context;
    if (debug->metrics)
        metrics_collector_remove(debug->metrics, debug);
    mem_free(debug);
}

static bool is_loopback(const char *host)
{
    struct in_addr address;
    bool is_ip4_loopback = inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
    return is_ip4_loopback || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

int http_debug_port_open(struct http_port **port, struct reactor *reactor, const struct profiler_options *options,
                         struct profiler *profiler, struct metrics *metrics)
{
    struct debug_port *debug = MEM_NEW(struct debug_port);
    debug->profiler = profiler;
    debug->metrics = metrics;
    if (metrics)
        metrics_collector_add(metrics, collect_profiler, debug);
    int rc = http_port_open(port, reactor, &(struct http_port_setup){
        .name = "profiler",
        .host = options->host,
        .port = options->port,
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .error_headers = "X-Go-Pprof: 1\r\n",
        .context = debug,
        .closed = debug_port_closed,
    });
    if (rc == 0 && !is_loopback(options->host))
        log_warning("other machines can reach the debug port: it has no password, and shows what the program does "
                    "host=%s port=%u", options->host, http_port_number(*port));
    return rc;
}
