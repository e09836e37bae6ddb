/* debug_index.c: the page at /debug/pprof/: Go's, and links that take each profile at once. */
#include "http/debug_port.h"

#include "base/mem.h"

#include <stdlib.h>

/* What the page lists. */
struct entry {
    const char *name, *summary;
    uint64_t count;
    const char *links; /* that save one at once; NULL: none */
};

static const struct entry extras[] = {
    {.name = "cmdline", .summary = "The program and its arguments, with a NUL between them."},
    {.name = "symbol",
     .summary = "The functions at the addresses in the query or in a POST's body, such as "
                "<code>0x4a0000+0x4a0010</code>."},
    {.name = "trace",
     .summary = "What tasks, reactors and requests did, and what they waited for: of the time that "
                "<code>seconds</code> says, 1 unless told otherwise, or, with <code>last=10s</code>, of the time "
                "before now. Open it with <code>go tool trace</code>; <code>format=chrome</code> and "
                "<code>format=perfetto</code> are for other viewers. What was slow may have been saved already: "
                "<a href='captures'>captures</a>.",
     .links = "<a href='trace?last=10s'>last 10 seconds</a> <a href='trace?seconds=5'>5 seconds</a>"},
};

static int by_name(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return strcmp(a->name, b->name);
}

/* A profile to be saved, of now and of the next seconds; and one to look at. */
static const char *write_links(const struct profile_type *type, struct arena *arena)
{
    const char *links = "";
    if (!type->needs_window)
        links = arena_printf(arena, "<a href='%s'>take</a> ", type->name);
    if (type->needs_window || type->has_delta)
        links = arena_printf(arena, "%s<a href='%s?seconds=5'>5 seconds</a> ", links, type->name);
    return arena_printf(arena, "%s<a href='ui?type=%s%s</a>", links, debug_spoken_name(type),
                        type->needs_window ? "&amp;seconds=10'>flame graph of 10 seconds" : "'>flame graph");
}

static struct entry *list_entries(struct profiler *profiler, struct arena *arena, size_t *count)
{
    *count = ARRAY_COUNT(extras) + profile_type_count;
    struct entry *entries = arena_alloc_array(arena, *count, sizeof *entries);
    memcpy(entries, extras, sizeof extras);
    for (unsigned i = 0; i < profile_type_count; i++) {
        const struct profile_type *type = profile_types[i];
        entries[ARRAY_COUNT(extras) + i] = (struct entry){
            .name = type->name,
            .summary = type->summary,
            .count = type->count ? type->count(profiler) : 0,
            .links = write_links(type, arena),
        };
    }
    qsort(entries, *count, sizeof *entries, by_name);
    return entries;
}

static void append_page(struct buf *page, const struct entry *entries, size_t count)
{
    buf_append_string(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<title>/debug/pprof/</title>\n"
                            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                            "<style>\n:root {\n\tcolor-scheme: light dark;\n"
                            "\tfont: 15px/1.5 system-ui, sans-serif;\n}\n"
                            "body {\n\tmax-width: 60rem;\n\tmargin: 1.5rem auto;\n\tpadding: 0 1rem;\n"
                            "\toverflow-wrap: break-word;\n}\n"
                            "td {\n\tpadding: 0 1rem 0 0;\n\tvertical-align: top;\n}\nul {\n\tpadding: 0;\n"
                            "\tlist-style: none;\n}\nli {\n\tmargin: 0.5rem 0;\n}\n"
                            ".profile-name {\n\tfont-weight: 600;\n}\n</style>\n"
                            "</head>\n<body>\n/debug/pprof/\n<br>\n"
                            "<p>Set debug=1 as a query parameter to export in legacy text format</p>\n<br>\n"
                            "Types of profiles available:\n<table>\n"
                            "<thead><td>Count</td><td>Profile</td></thead>\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(page, "<tr><td>%llu</td><td><a href='%s?debug=1'>%s</a></td>", (unsigned long long)entries[i].count,
                   entries[i].name, entries[i].name);
        if (entries[i].links)
            buf_printf(page, "<td>%s</td>", entries[i].links);
        buf_append_string(page, "</tr>\n");
    }
    buf_append_string(page, "</table>\n<a href=\"goroutine?debug=2\">full goroutine stack dump</a>\n<br>\n"
                            "<p>\nProfile Descriptions:\n<ul>\n");
    for (size_t i = 0; i < count; i++)
        buf_printf(page, "<li><div class=profile-name>%s: </div> %s</li>\n", entries[i].name, entries[i].summary);
    buf_append_string(page, "</ul>\n</p>\n"
                            "<p><code>go tool pprof</code> opens what the links behind a name save, and takes their "
                            "addresses too. A flame graph is the same, drawn in the browser, and takes the same "
                            "parameters. <code>seconds=5</code> asks what comes in five seconds, beside what is held at "
                            "their end; <code>rate</code> looks more closely meanwhile. How closely otherwise: "
                            "<a href='/debug/profiler/config'>/debug/profiler/config</a>.</p>\n"
                            "</body>\n</html>\n");
}

void debug_answer_index(struct http_exchange *exchange)
{
    const struct debug_port *debug = exchange->context;
    size_t count;
    const struct entry *entries = list_entries(debug->profiler, exchange->request->arena, &count);
    struct buf page;
    buf_init(&page);
    append_page(&page, entries, count);
    http_respond(exchange, &(struct http_response){
        .status = 200,
        .content_type = "text/html; charset=utf-8",
        .body = buf_bytes(&page),
    });
    buf_deinit(&page);
}
