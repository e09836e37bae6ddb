/* threadcreate.c: counts threads by the stack that started them, and the profile of that. */
#include "profiler/threadcreate.h"

#include "profiler/capture.h"
#include "profiler/collection.h"
#include "profiler/stack_records.h"
#include "profiler/text.h"
#include "profiler/type.h"

#include <inttypes.h>

static struct stack_records records = STACK_RECORDS_INIT;
/* At first the thread that runs main. */
static struct stack_record before_profiling = {.key.function = "[before profiling]", .values[0] = 1};

struct stack_record *threadcreate_look(const void *frame)
{
    struct capture capture;
    if (!capture_begin_from(&capture, frame))
        return &before_profiling;
    struct stack_record *record = stack_records_find(&records, &capture.key);
    capture_done();
    return record;
}

void threadcreate_add(struct stack_record *record)
{
    atomic_fetch_add_explicit(&record->values[0], 1, memory_order_relaxed);
}

static void add_record(const struct stack_record *record, void *context)
{
    int64_t thread_count = (int64_t)atomic_load_explicit(&record->values[0], memory_order_relaxed);
    if (thread_count > 0) /* else it was looked at only: the thread could not be started */
        stack_table_add(context, &record->key, &thread_count);
}

void threadcreate_collect(struct stack_table *stacks)
{
    add_record(&before_profiling, stacks);
    stack_records_visit(&records, add_record, stacks);
}

static void collect(struct collection *collection)
{
    if (!&threadcreate_hook_is_linked)
        collection_comment(collection, "threads are not counted: the hook is not in this program");
    threadcreate_collect(collection->stacks);
}

static uint64_t count_records(struct profiler *profiler)
{
    (void)profiler;
    return 1 + stack_records_count(&records);
}

const struct profile_type profile_type_threadcreate = {
    .name = "threadcreate",
    .summary = "Stacks that started the threads of this process, since it began.",
    .columns = {{"threadcreate", "count", false}},
    .column_count = 1,
    .period = {"threadcreate", "count", false},
    .drop_frames = "pthread_create",
    .has_delta = true,
    .collect = collect,
    .write_text = text_write_counts,
    .count = count_records,
};
