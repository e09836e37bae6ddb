/* tasks.c: asks the threads for what runs, looks at parked tasks from outside, and brings the two together.
 *
 * Threads come first. A task that one of them answers for ran at that moment, whatever it does by the time that it is
 * looked at: the other way round a short run would hardly ever be seen, and a wall-clock profile would call a busy
 * reactor idle. */
#include "profiler/tasks.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/probe.h"
#include "profiler/profiler.h"
#include "profiler/symbols.h"
#include "profiler/thread_stacks.h"
#include "profiler/type.h"
#include "profiler/unwind.h"

#include <stdlib.h>
#include <string.h>

/* Looks at tasks that were seen to run, though no thread had answered for them. */
#define LOOKS_MAX 3

/* What stands where a stack should be. */
#define FUNCTION_MOVING "[moving]"
#define FUNCTION_NOT_STARTED "[not started]"

/* Of a reactor's name, with the NUL. */
#define THREAD_TEXT_BYTES 32

#define STATE_RUNNING "running"
#define STATE_SYSTEM_CALL "syscall"
#define STATE_SILENT "not answering"
#define STATE_RUNNABLE "runnable" /* the runtime's word, probe.h */

struct record_list {
    struct task_record *items;
    size_t count, capacity;
};

struct task_dump_memory {
    struct profiler *profiler;
    struct record_list tasks;
    struct record_list threads; /* those that run no task, or are silent; thread_id 0: it is there as its task */
    struct record_list runners; /* those that answered for a task, whose id theirs is; thread_id as above */
    size_t *running;            /* which of the tasks run and have no stack yet */
    size_t running_count, running_capacity;
    struct arena pcs;
    uint32_t epoch;
    uint64_t start_ns, now_ns; /* when the dump began, and the last look at tasks */
    char thread_name[THREAD_TEXT_BYTES]; /* of the last task: the next is likely on the same thread */
    const char *thread_label;
};

/* One task, from the moment that it is looked at until it is taken. */
struct sight {
    struct task_dump *dump;
    bool only_parked; /* for at least parked_for_ns; else all is wanted */
    uint64_t parked_for_ns;
    bool is_again;    /* only those in dump->memory->running are wanted */
    struct task_record record;
    char thread[THREAD_TEXT_BYTES]; /* a copy: a reactor that ends gives its name up */
    bool has_begun;
    enum unwind_end end;
    uintptr_t pcs[UNWIND_DEPTH_MAX];
};

#define NOT_RUNNING SIZE_MAX

/* Where the task is in `running`. */
PROBE_RACY_LOOK static size_t find_running(const struct task_dump_memory *memory, uint64_t id)
{
    for (size_t i = 0; i < memory->running_count; i++)
        if (memory->tasks.items[memory->running[i]].id == id)
            return i;
    return NOT_RUNNING;
}

/* --- the look from outside --- */

/* From the frame of the function that parked the task, which holds its caller's rbp and pc. */
PROBE_RACY_LOOK static void walk_parked(struct sight *sight, const struct probe_task *task)
{
    uintptr_t frame = task->frame, low = task->stack_low, high = task->stack_high;
    sight->record.key.depth = 0;
    sight->has_begun = frame != 0;
    if (frame < low || frame >= high || high - frame < 2 * sizeof frame || frame % sizeof frame != 0)
        return;
    const volatile uintptr_t *link = (const volatile uintptr_t *)frame;
    struct unwind_start start = {
        .frame_pointer = link[0],
        .pc = link[1],
        .stack_pointer = frame + 2 * sizeof frame,
        .stack_high = high,
        .pc_is_return_address = true,
    };
    struct unwinder *unwinder = profiler_unwinder(sight->dump->memory->profiler);
    sight->end = unwind_walk(unwinder, &start, sight->pcs, UNWIND_DEPTH_MAX, &sight->record.key.depth);
}

PROBE_RACY_LOOK static void copy_name(char *to, size_t capacity, const volatile char *from)
{
    size_t size = 0;
    for (; size < capacity - 1 && from[size] != '\0'; size++)
        to[size] = from[size];
    to[size] = '\0';
}

PROBE_RACY_LOOK static void look(const struct probe_task *task, void *context)
{
    struct sight *sight = context;
    struct task_record *record = &sight->record;
    uint64_t now_ns = sight->dump->memory->now_ns;
    record->id = task->id;
    record->is_running = task->is_running;
    record->state_ns = task->since_ns < now_ns ? now_ns - task->since_ns : 0;
    if ((sight->only_parked && (record->is_running || record->state_ns < sight->parked_for_ns)) ||
        (sight->is_again && find_running(sight->dump->memory, record->id) == NOT_RUNNING))
        return; /* it will not be taken */
    record->creator_id = task->creator_id;
    record->creator_pc = task->creator_pc;
    record->thread_id = task->thread_id;
    copy_name(record->name, sizeof record->name, task->name);
    for (int i = 0; i < LABEL_TASK_COUNT; i++)
        record->key.labels[i] = label_key_is_on((enum label_key)i) ? task->labels[i] : NULL;
    record->key.labels[LABEL_REASON] = task->state;
    copy_name(sight->thread, sizeof sight->thread, task->thread);
    if (!record->is_running)
        walk_parked(sight, task);
}

static void visit_tasks(struct sight *sight, void (*take)(void *context))
{
    probe_tasks_fn *visit = atomic_load(&probe_tasks);
    if (visit)
        visit(&(struct probe_visitor){.look = look, .take = take, .context = sight});
}

/* --- records --- */

static struct task_record *append(struct record_list *list, const struct task_record *record)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->items = mem_realloc(list->items, list->capacity * sizeof *list->items);
    }
    list->items[list->count] = *record;
    return &list->items[list->count++];
}

static void set_stack(struct task_dump *dump, struct task_record *record, const uintptr_t *pcs, unsigned depth,
                      enum unwind_end end)
{
    uintptr_t *copy = arena_alloc_array(&dump->memory->pcs, depth, sizeof *pcs);
    memcpy(copy, pcs, depth * sizeof *pcs);
    record->key.epoch = dump->memory->epoch;
    record->key.depth = depth;
    record->key.pcs = copy;
    record->key.function = NULL;
    dump->truncated_count += end == UNWIND_TRUNCATED;
    dump->rootless_count += end == UNWIND_LOST;
}

static void set_function(struct task_dump *dump, struct task_record *record, const char *function)
{
    record->key.depth = 0;
    record->key.pcs = NULL;
    record->key.function = function;
    dump->silent_count++;
}

/* All but its stack. */
static void set_task(struct sight *sight, struct task_record *record)
{
    *record = sight->record;
    record->key.depth = 0;
    record->key.pcs = NULL;
    record->key.function = NULL;
    record->key.is_parked = !record->is_running;
    struct task_dump_memory *memory = sight->dump->memory;
    if (label_key_is_on(LABEL_THREAD) && strcmp(sight->thread, memory->thread_name) != 0) {
        memcpy(memory->thread_name, sight->thread, sizeof sight->thread);
        memory->thread_label = label_intern(LABEL_THREAD, bytes_of_string(sight->thread));
    }
    record->key.labels[LABEL_THREAD] = label_key_is_on(LABEL_THREAD) ? memory->thread_label : NULL;
}

static void set_parked_stack(struct sight *sight, struct task_record *record)
{
    unsigned depth = sight->record.key.depth;
    if (depth > 0)
        set_stack(sight->dump, record, sight->pcs, depth, sight->end);
    else
        set_function(sight->dump, record, sight->has_begun ? FUNCTION_MOVING : FUNCTION_NOT_STARTED);
}

static void set_answer(struct task_dump *dump, struct task_record *record, const struct thread_stack *stack)
{
    if (stack->silence) {
        record->key.labels[LABEL_REASON] = STATE_SILENT;
        set_function(dump, record, stack->silence);
        return;
    }
    memcpy(record->key.labels, stack->labels, sizeof stack->labels);
    record->key.labels[LABEL_REASON] = stack->in_system_call ? STATE_SYSTEM_CALL : STATE_RUNNING;
    set_stack(dump, record, stack->pcs, stack->depth, stack->end);
}

/* The task says where it runs; what its thread knows of its own name is that of its creator for a moment. */
static void set_answer_of_task(struct task_dump *dump, struct task_record *record, const struct thread_stack *stack)
{
    const char *thread = record->key.labels[LABEL_THREAD];
    set_answer(dump, record, stack);
    record->key.labels[LABEL_THREAD] = thread;
}

/* --- the first round --- */

bool task_state_is_parked(const char *state)
{
    return strcmp(state, STATE_RUNNABLE) != 0;
}

static bool is_wanted(const struct sight *sight)
{
    return !sight->only_parked ||
           (!sight->record.is_running && sight->record.state_ns >= sight->parked_for_ns &&
            task_state_is_parked(sight->record.key.labels[LABEL_REASON]));
}

static void add_running(struct task_dump_memory *memory, size_t index)
{
    if (memory->running_count == memory->running_capacity) {
        memory->running_capacity = memory->running_capacity ? 2 * memory->running_capacity : 16;
        memory->running = mem_realloc(memory->running, memory->running_capacity * sizeof *memory->running);
    }
    memory->running[memory->running_count++] = index;
}

static void take_thread(const struct thread_stack *stack, void *context)
{
    struct task_dump *dump = context;
    struct task_dump_memory *memory = dump->memory;
    struct task_record thread = {.thread_id = stack->thread_id, .is_running = true};
    memcpy(thread.name, stack->name, sizeof stack->name);
    memcpy(thread.key.labels, stack->labels, sizeof stack->labels);
    if (!stack->silence)
        thread.id = stack->task_id;
    set_answer(dump, append(thread.id ? &memory->runners : &memory->threads, &thread), stack);
}

/* The thread that answered for this task, or that is silent and runs it. */
static struct task_record *find_runner(const struct task_dump_memory *memory, const struct task_record *task)
{
    for (size_t i = 0; i < memory->runners.count; i++)
        if (memory->runners.items[i].id == task->id && memory->runners.items[i].thread_id == task->thread_id)
            return &memory->runners.items[i];
    for (size_t i = 0; task->is_running && i < memory->threads.count; i++)
        if (memory->threads.items[i].key.function && memory->threads.items[i].thread_id == task->thread_id)
            return &memory->threads.items[i];
    return NULL;
}

static void take_over(struct task_record *task, struct task_record *runner)
{
    if (runner->key.function) {
        task->key.function = runner->key.function;
        task->key.labels[LABEL_REASON] = runner->key.labels[LABEL_REASON];
    } else {
        const char *thread = task->key.labels[LABEL_THREAD]; /* as above */
        task->key = runner->key;
        task->key.labels[LABEL_THREAD] = thread;
    }
    if (!task->is_running)
        task->state_ns = 0; /* that of a later state */
    task->is_running = true;
    runner->thread_id = 0;
}

static void take_task(void *context)
{
    struct sight *sight = context;
    struct task_dump_memory *memory = sight->dump->memory;
    if (!is_wanted(sight))
        return;
    struct task_record *record = append(&memory->tasks, &sight->record);
    set_task(sight, record);
    struct task_record *runner = find_runner(memory, record);
    if (runner)
        take_over(record, runner);
    else if (record->is_running)
        add_running(memory, memory->tasks.count - 1);
    else
        set_parked_stack(sight, record);
}

/* --- again, for those that began to run in between --- */

static void take_moved(void *context)
{
    struct sight *sight = context;
    struct task_dump_memory *memory = sight->dump->memory;
    size_t position = find_running(memory, sight->record.id);
    if (position == NOT_RUNNING)
        return;
    struct task_record *record = &memory->tasks.items[memory->running[position]];
    set_task(sight, record);
    if (record->is_running)
        return;
    set_parked_stack(sight, record);
    memory->running[position] = memory->running[--memory->running_count];
}

static void take_moved_thread(const struct thread_stack *stack, void *context)
{
    struct task_dump *dump = context;
    struct task_dump_memory *memory = dump->memory;
    size_t position = find_running(memory, stack->task_id);
    if (stack->silence || position == NOT_RUNNING)
        return;
    set_answer_of_task(dump, &memory->tasks.items[memory->running[position]], stack);
    memory->running[position] = memory->running[--memory->running_count];
}

static void look_again(struct task_dump *dump, struct sight *sight, uint64_t timeout_ns)
{
    struct task_dump_memory *memory = dump->memory;
    for (size_t i = 0; i < memory->running_count; i++)
        memory->tasks.items[memory->running[i]].thread_id = 0; /* until it is found again */
    memory->now_ns = clock_monotonic_ns();
    sight->is_again = true;
    visit_tasks(sight, take_moved);
    pid_t *threads = mem_alloc_array(memory->running_count, sizeof *threads);
    size_t thread_count = 0;
    for (size_t i = 0; i < memory->running_count; i++) {
        pid_t thread_id = memory->tasks.items[memory->running[i]].thread_id;
        if (thread_id != 0)
            threads[thread_count++] = thread_id;
    }
    struct unwinder *unwinder = profiler_unwinder(memory->profiler);
    if (thread_count > 0)
        (void)thread_stacks_ask(unwinder, threads, thread_count, timeout_ns, take_moved_thread, dump);
    mem_free(threads);
}

/* Tasks that never held still, and tasks that have ended. */
static void settle(struct task_dump *dump)
{
    struct task_dump_memory *memory = dump->memory;
    bool has_ended = false;
    for (size_t i = 0; i < memory->running_count; i++) {
        struct task_record *record = &memory->tasks.items[memory->running[i]];
        has_ended |= record->thread_id == 0;
        if (record->thread_id != 0)
            set_function(dump, record, FUNCTION_MOVING);
    }
    memory->running_count = 0;
    if (!has_ended)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < memory->tasks.count; i++)
        if (memory->tasks.items[i].thread_id != 0)
            memory->tasks.items[kept++] = memory->tasks.items[i];
    memory->tasks.count = kept;
}

/* --- the dump --- */

static int compare_ids(const void *left, const void *right)
{
    const struct task_record *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void begin(struct task_dump *dump)
{
    struct task_dump_memory *memory = dump->memory;
    memory->tasks.count = memory->threads.count = memory->runners.count = memory->running_count = 0;
    memory->thread_name[0] = '\0';
    memory->thread_label = NULL;
    arena_reset(&memory->pcs);
    dump->truncated_count = dump->rootless_count = dump->silent_count = 0;
    unwinder_refresh(profiler_unwinder(memory->profiler));
    memory->epoch = symbols_epoch(profiler_symbols(memory->profiler));
    memory->start_ns = memory->now_ns = clock_monotonic_ns();
}

/* A task that a thread answered for may have ended since; then the thread stands for itself. */
static void add_threads(struct task_dump_memory *memory, const struct record_list *threads)
{
    for (size_t i = 0; i < threads->count; i++)
        if (threads->items[i].thread_id != 0)
            append(&memory->tasks, &threads->items[i])->id = 0;
}

static void end(struct task_dump *dump)
{
    struct task_dump_memory *memory = dump->memory;
    add_threads(memory, &memory->threads);
    add_threads(memory, &memory->runners);
    dump->records = memory->tasks.items;
    dump->count = memory->tasks.count;
    dump->took_ns = clock_monotonic_ns() - memory->start_ns;
}

static void fill(struct task_dump *dump, uint64_t timeout_ns)
{
    struct sight sight = {.dump = dump};
    struct task_dump_memory *memory = dump->memory;
    begin(dump);
    struct unwinder *unwinder = profiler_unwinder(memory->profiler);
    ssize_t left_out_count = thread_stacks_ask(unwinder, NULL, 0, timeout_ns * 3 / 4, take_thread, dump);
    dump->left_out_count = left_out_count > 0 ? (size_t)left_out_count : 0;
    dump->list_error = left_out_count < 0 ? (int)left_out_count : 0;
    memory->now_ns = clock_monotonic_ns();
    visit_tasks(&sight, take_task);
    for (unsigned looks = 1; looks < LOOKS_MAX && memory->running_count > 0; looks++)
        look_again(dump, &sight, timeout_ns / 4 / (LOOKS_MAX - 1));
    settle(dump);
}

struct task_dump *task_dump_create_empty(struct profiler *profiler)
{
    struct task_dump *dump = MEM_NEW(struct task_dump);
    dump->memory = MEM_NEW(struct task_dump_memory);
    dump->memory->profiler = profiler;
    arena_init(&dump->memory->pcs);
    return dump;
}

static void sort_tasks(struct task_dump *dump)
{
    if (dump->memory->tasks.count > 0)
        qsort(dump->memory->tasks.items, dump->memory->tasks.count, sizeof *dump->records, compare_ids);
}

struct task_dump *task_dump_create(struct profiler *profiler)
{
    struct task_dump *dump = task_dump_create_empty(profiler);
    fill(dump, TASK_DUMP_TIMEOUT_NS);
    sort_tasks(dump);
    end(dump);
    return dump;
}

struct task_dump *task_dump_create_parked(struct profiler *profiler, uint64_t parked_for_ns)
{
    struct task_dump *dump = task_dump_create_empty(profiler);
    struct sight sight = {.dump = dump, .only_parked = true, .parked_for_ns = parked_for_ns};
    begin(dump);
    visit_tasks(&sight, take_task);
    sort_tasks(dump);
    end(dump);
    return dump;
}

void task_dump_renew(struct task_dump *dump, uint64_t timeout_ns)
{
    fill(dump, timeout_ns);
    end(dump);
}

void task_dump_destroy(struct task_dump *dump)
{
    if (!dump)
        return;
    arena_deinit(&dump->memory->pcs);
    mem_free(dump->memory->tasks.items);
    mem_free(dump->memory->threads.items);
    mem_free(dump->memory->runners.items);
    mem_free(dump->memory->running);
    mem_free(dump->memory);
    mem_free(dump);
}

void task_totals_add(struct task_totals *totals, const struct task_dump *dump)
{
    atomic_fetch_add(&totals->record_count, dump->count);
    atomic_fetch_add(&totals->silent_count, dump->silent_count);
    atomic_fetch_add(&totals->truncated_count, dump->truncated_count);
    atomic_fetch_add(&totals->rootless_count, dump->rootless_count);
    atomic_fetch_add(&totals->took_ns, dump->took_ns);
}

void task_totals_stats(struct task_totals *totals, struct profile_stats *stats)
{
    *stats = (struct profile_stats){
        .sample_count = atomic_load(&totals->record_count),
        .lost_count = atomic_load(&totals->silent_count),
        .truncated_count = atomic_load(&totals->truncated_count),
        .rootless_count = atomic_load(&totals->rootless_count),
        .overhead_ns = atomic_load(&totals->took_ns),
    };
}
