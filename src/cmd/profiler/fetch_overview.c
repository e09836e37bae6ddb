/* fetch_overview.c: counts of what differs, names of what does not. */
#include "cmd/profiler/fetch_overview.h"

#include <string.h>

struct parts {
    const struct fetch *first, *other; /* other: the first one that is called something else, as a trace is */
    size_t other_count, target_count;
    bool has_titles; /* more than one */
};

static bool is_first_of_target(const struct fetch *fetches, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!fetches[i].is_side_question && fetches[i].target == fetches[index].target)
            return false;
    return true;
}

static void take(struct parts *parts, const struct fetch *fetch, bool is_first_of_its_target)
{
    if (parts->first == NULL)
        parts->first = fetch;
    if (strcmp(fetch->noun, parts->first->noun) != 0 && parts->other_count++ == 0)
        parts->other = fetch;
    parts->has_titles |= strcmp(fetch->title, parts->first->title) != 0;
    parts->target_count += is_first_of_its_target;
}

static void write_count(size_t count, const char *noun, struct buf *text)
{
    buf_printf(text, "%zu %s%s", count, noun, count > 1 ? "s" : "");
}

static void write_subject(const struct parts *parts, size_t count, struct buf *text)
{
    if (parts->has_titles)
        write_count(count - parts->other_count, parts->first->noun, text);
    else
        buf_append_string(text, parts->first->title);
    if (parts->other != NULL) {
        buf_append_string(text, " and ");
        write_count(parts->other_count, parts->other->noun, text);
    }
    if (parts->target_count == 1)
        buf_printf(text, " of %s", parts->first->target->name);
    else
        buf_printf(text, " of %s%zu brokers", parts->has_titles ? "" : "each of ", parts->target_count);
}

void fetch_overview_init(struct fetch_overview *overview, const struct fetch *fetches, size_t count)
{
    struct parts parts = {.first = NULL};
    *overview = (struct fetch_overview){.count = 0};
    buf_init(&overview->subject);
    for (size_t i = 0; i < count; i++) {
        const struct fetch *fetch = &fetches[i];
        if (fetch->is_side_question)
            continue;
        take(&parts, fetch, is_first_of_target(fetches, i));
        overview->longest_ns = fetch->duration_ns > overview->longest_ns ? fetch->duration_ns : overview->longest_ns;
        overview->count++;
    }
    if (overview->count > 0)
        write_subject(&parts, overview->count, &overview->subject);
}

void fetch_overview_deinit(struct fetch_overview *overview)
{
    buf_deinit(&overview->subject);
}
