/* collection.c: opens a window, or looks once or twice, and makes the profile or the text of what came of it. */
#include "profiler/collection.h"

#include "base/clock.h"
#include "base/mem.h"
#include "profiler/profile_build.h"
#include "profiler/profiler.h"
#include "profiler/rates.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <stdarg.h>
#include <stdio.h>

/* Objects that were loaded since the last look: stacks through them are walked and named. Samplers look for themselves
 * as long as a window is open. */
static void notice_loaded_objects(struct profiler *profiler)
{
    unwinder_refresh(profiler_unwinder(profiler));
    symbols_epoch(profiler_symbols(profiler));
}

static void clear_comments(struct collection *collection)
{
    for (unsigned i = 0; i < collection->comment_count; i++)
        mem_free(collection->comments[i]);
    collection->comment_count = 0;
}

void collection_comment(struct collection *collection, const char *format, ...)
{
    ASSERT(collection->comment_count < COLLECTION_COMMENTS_MAX);
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    collection->comments[collection->comment_count++] = mem_copy_string(text);
}

/* What there is at the beginning, to be taken from what there is at the end. */
static void take_before(struct collection *collection)
{
    collection->type->collect(collection);
    clear_comments(collection); /* the end has its own */
    collection->before = collection->stacks;
    collection->stacks = stack_table_create(collection->type->column_count);
}

int collection_open(struct profiler *profiler, const struct profile_type *type, const struct profile_query *query,
                    struct collection **opened)
{
    int rc = query->rate != 0 ? rates_check(type->rate, query->rate) : 0;
    if (rc < 0)
        return rc;
    struct collection *collection = MEM_NEW(struct collection);
    *collection = (struct collection){.profiler = profiler, .type = type, .query = *query, .period = 1};
    collection->stacks = stack_table_create(type->column_count);
    if (query->rate != 0)
        rates_push(profiler_rates(profiler), type->rate, query->rate);
    notice_loaded_objects(profiler);
    collection->time_ns = clock_wall_ns();
    collection->start_ns = clock_monotonic_ns();
    if (type->needs_window)
        rc = type->start(collection);
    else if (query->is_delta)
        take_before(collection);
    collection->is_window_open = type->needs_window && rc == 0;
    if (rc < 0) {
        collection_close(collection);
        return rc;
    }
    *opened = collection;
    return 0;
}

/* Bits of the columns that a delta leaves as they are at its end. */
static unsigned level_columns(const struct collection *collection)
{
    unsigned levels = 0;
    for (unsigned i = 0; i < collection->type->column_count; i++)
        if (collection->type->columns[i].is_level && !collection->query.keeps_go_wart)
            levels |= 1u << i;
    return levels;
}

static void subtract(struct collection *collection, const struct stack_table *before)
{
    stack_table_subtract(collection->stacks, before, level_columns(collection));
    if (!collection->query.keeps_go_wart)
        stack_table_raise_to_zero(collection->stacks);
}

/* The table at the cursor becomes what there is now, of which the profile gets the difference. */
static void subtract_since(struct collection *collection, struct stack_table **since)
{
    struct stack_table *before = *since;
    *since = collection->stacks;
    collection->stacks = stack_table_copy(*since);
    if (before)
        subtract(collection, before);
    stack_table_destroy(before);
}

/* collection->stacks becomes what is to be shown. */
static void collect(struct collection *collection)
{
    const struct profile_type *type = collection->type;
    if (type->needs_window || collection->before)
        collection->duration_ns = clock_monotonic_ns() - collection->start_ns;
    if (!type->needs_window) {
        notice_loaded_objects(collection->profiler);
        collection->time_ns = clock_wall_ns();
    }
    collection->is_window_open = false;
    type->collect(collection);
    if (collection->query.since)
        subtract_since(collection, collection->query.since);
    else if (collection->before)
        subtract(collection, collection->before);
}

struct profile *collection_profile(struct collection *collection)
{
    collect(collection);
    return profile_build(collection);
}

void collection_write_text(struct collection *collection, int debug, struct buf *text)
{
    const struct profile_type *type = collection->type;
    if (debug >= 2 && type->write_dump) {
        notice_loaded_objects(collection->profiler);
        type->write_dump(collection, text);
    } else {
        collection->is_text = true;
        collect(collection);
        type->write_text(collection, text);
    }
}

void collection_close(struct collection *collection)
{
    if (!collection)
        return;
    if (collection->is_window_open)
        collection->type->cancel(collection);
    if (collection->query.rate != 0)
        rates_pop(profiler_rates(collection->profiler), collection->type->rate, collection->query.rate);
    stack_table_destroy(collection->stacks);
    stack_table_destroy(collection->before);
    clear_comments(collection);
    mem_free(collection);
}
