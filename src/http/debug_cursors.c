/* debug_cursors.c: what each scraper has seen of a profile that only grows. */
#include "http/debug_port.h"

#include "base/list.h"
#include "base/mem.h"
#include "runtime/lock.h"

#include <stdio.h>

/* Scrapers of one type; the one that has not been here for longest makes room. */
#define CURSORS_PER_TYPE 8
#define SCRAPER_MAX 64

struct cursor {
    struct list link;
    const struct profile_type *type;
    char scraper[SCRAPER_MAX];
    struct stack_table *seen;
};

struct debug_cursors {
    struct task_mutex lock; /* from acquire to release: one answer at a time, each is short */
    struct list recent;     /* all of them, the last one used first */
};

struct debug_cursors *debug_cursors_create(void)
{
    struct debug_cursors *cursors = MEM_NEW(struct debug_cursors);
    list_init(&cursors->recent);
    return cursors;
}

static void cursor_destroy(struct cursor *cursor)
{
    list_remove(&cursor->link);
    stack_table_destroy(cursor->seen);
    mem_free(cursor);
}

void debug_cursors_destroy(struct debug_cursors *cursors)
{
    LIST_EACH_SAFE(link, &cursors->recent)
        cursor_destroy(LIST_ENTRY(link, struct cursor, link));
    mem_free(cursors);
}

static struct cursor *find(struct debug_cursors *cursors, const struct profile_type *type, struct bytes scraper)
{
    unsigned count = 0;
    LIST_EACH_SAFE(link, &cursors->recent) {
        struct cursor *cursor = LIST_ENTRY(link, struct cursor, link);
        if (cursor->type != type)
            continue;
        if (bytes_equal_string(scraper, cursor->scraper))
            return cursor;
        if (++count == CURSORS_PER_TYPE)
            cursor_destroy(cursor);
    }
    return NULL;
}

struct stack_table **debug_cursors_acquire(struct debug_cursors *cursors, const struct profile_type *type,
                                           struct bytes scraper)
{
    if (scraper.size >= SCRAPER_MAX)
        scraper.size = SCRAPER_MAX - 1;
    task_mutex_lock(&cursors->lock);
    struct cursor *cursor = find(cursors, type, scraper);
    if (!cursor) {
        cursor = MEM_NEW(struct cursor);
        cursor->type = type;
        snprintf(cursor->scraper, sizeof cursor->scraper, "%.*s", BYTES_ARGS(scraper));
        list_init(&cursor->link);
    }
    list_remove(&cursor->link);
    list_prepend(&cursors->recent, &cursor->link);
    return &cursor->seen;
}

void debug_cursors_release(struct debug_cursors *cursors)
{
    task_mutex_unlock(&cursors->lock);
}
