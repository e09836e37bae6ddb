/* trace_living.c: looks at the tasks that live, and undoes what the records say has happened since the beginning. */
#include "profiler/trace_living.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/probe.h"
#include "profiler/own_thread.h"
#include "profiler/tasks.h"

#include <string.h>
#include <uthash.h>

/* Of time before the beginning that is read in vain, rather than miss some that comes after. */
#define MARGIN_NS (10 * NS_PER_MS)

struct known_task {
    struct trace_living living;
    bool has_name;     /* it was seen alive, or told its name when it ended */
    bool is_mentioned; /* by a record, which has told what it did at the beginning: */
    bool was_created;  /* it began later */
    UT_hash_handle hh; /* by living.task */
};

struct knowledge {
    struct known_task *tasks;
    /* The task that is being looked at. */
    struct trace_living seen;
    const char *seen_state;
};

static struct known_task *task_of(struct knowledge *knowledge, uint64_t id)
{
    struct known_task *task;
    HASH_FIND(hh, knowledge->tasks, &id, sizeof id, task);
    if (!task) {
        task = MEM_NEW(struct known_task);
        task->living.task = id;
        HASH_ADD(hh, knowledge->tasks, living.task, sizeof task->living.task, task);
    }
    return task;
}

/* --- as they are now --- */

PROBE_RACY_LOOK static void look(const struct probe_task *task, void *context)
{
    struct knowledge *knowledge = context;
    struct trace_living *seen = &knowledge->seen;
    const volatile char *name = task->name;
    size_t size = 0;
    for (; size < sizeof seen->name - 1 && name[size] != '\0'; size++)
        seen->name[size] = name[size];
    seen->name[size] = '\0';
    seen->task = task->id;
    seen->run = task->run;
    knowledge->seen_state = task->state;
}

static void take(void *context)
{
    struct knowledge *knowledge = context;
    struct known_task *task = task_of(knowledge, knowledge->seen.task);
    task->living = knowledge->seen;
    task->living.is_waiting = task_state_is_parked(knowledge->seen_state);
    task->has_name = true;
}

/* --- as they were --- */

static void name_ended_task(struct known_task *task, const struct trace_record *record)
{
    struct trace_task_entry entry;
    memcpy(&entry, record + 1, sizeof entry);
    memcpy(task->living.name, entry.name, sizeof entry.name);
    task->living.name[sizeof entry.name - 1] = '\0';
    task->living.run = entry.run ? trace_text_start() + entry.run : 0;
    task->has_name = true;
}

/* What the first record about a task says of it: what can happen to it only while it waits, or while it does not. */
static void learn(struct knowledge *knowledge, const struct trace_record *record)
{
    bool is_waiting = false, was_created = false;
    switch (trace_type(record)) {
    case TRACE_TASK_CREATE:
        was_created = true;
        break;
    case TRACE_TASK_RESUME:
    case TRACE_TASK_UNPARK:
    case TRACE_WORK_BEGIN:
    case TRACE_WORK_END:
        is_waiting = true;
        break;
    case TRACE_TASK_START:
    case TRACE_TASK_END:
        break;
    default:
        return;
    }
    struct known_task *task = task_of(knowledge, trace_argument(record));
    if (!task->is_mentioned) {
        task->is_mentioned = true;
        task->was_created = was_created;
        task->living.is_waiting = is_waiting;
    }
    if (trace_type(record) == TRACE_TASK_END && !task->has_name)
        name_ended_task(task, record);
}

/* All that there is since that time, on the monotonic clock. */
static void learn_all(struct knowledge *knowledge, struct trace_reader *reader, uint64_t since_ns,
                      const atomic_bool *is_abandoned)
{
    struct trace_item item;
    while (!atomic_load_explicit(is_abandoned, memory_order_relaxed) &&
           trace_reader_next(reader, &item) == TRACE_PROGRESS_ITEM)
        if (trace_reader_start_ns(reader) + item.time_ns >= since_ns)
            learn(knowledge, item.record);
}

void trace_living_tell(struct trace_recorder *recorder, struct trace_reader *reader, bool is_window,
                       const atomic_bool *is_abandoned, struct trace_repair *repair)
{
    struct knowledge knowledge = {0};
    probe_tasks_fn *visit = atomic_load(&probe_tasks);
    if (visit)
        visit(&(struct probe_visitor){.look = look, .take = take, .context = &knowledge});

    uint64_t since_ns = trace_reader_start_ns(reader);
    if (is_window) {
        learn_all(&knowledge, reader, since_ns, is_abandoned);
        trace_reader_rewind(reader);
    } else {
        uint64_t last_ns = own_thread_clock_ns() - since_ns + MARGIN_NS;
        struct trace_reader *past = trace_reader_open(recorder, last_ns, false);
        learn_all(&knowledge, past, since_ns, is_abandoned);
        trace_reader_close(past);
    }

    struct known_task *task, *next;
    HASH_ITER(hh, knowledge.tasks, task, next)
    {
        if (task->has_name && !task->was_created)
            trace_repair_add_living(repair, &task->living);
        HASH_DEL(knowledge.tasks, task);
        mem_free(task);
    }
}
