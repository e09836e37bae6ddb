/* go_reader_v2.c: version 1.22: generations of batches; the events of each thread (M) in a queue, and the first of them
 * that the states of tasks and Ps allow is taken, whatever its time. */
#include "go_reader_internal.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 65536
#define STRING_MAX 1024
#define STACK_FRAMES_MAX 128

enum {
    BATCH = 1, STACKS = 2, STACK = 3, STRINGS = 4, STRING = 5, CPU_SAMPLES = 6, CPU_SAMPLE = 7, FREQUENCY = 8,
    PROCS_CHANGE = 9, PROC_START = 10, PROC_STOP = 11, PROC_STATUS = 13, CREATE = 14, START = 16, DESTROY = 17,
    STOP = 19, BLOCK = 20, UNBLOCK = 21, SYSCALL_BEGIN = 22, SYSCALL_END = 23, STATUS = 25, HEAP_ALLOC = 37,
    HEAP_GOAL = 38, LABEL = 39, TASK_BEGIN = 40, TASK_END = 41, REGION_BEGIN = 42, REGION_END = 43, LOG = 44,
    TYPE_COUNT,
};

/* What the M that an event is of must have, and what its arguments are. */
enum need { ANYTHING, A_PROC, A_TASK, NO_TASK, NO_PROC };

static const struct kind {
    const char *name;
    uint8_t arguments;
    enum need need;
    uint8_t stack, string, second_string; /* which arguments are ids, from 1; 0: none */
} kinds[TYPE_COUNT] = {
    [PROCS_CHANGE] = {"ProcsChange", 2, A_TASK, 2, 0, 0},
    [PROC_START] = {"ProcStart", 2, NO_PROC, 0, 0, 0},
    [PROC_STOP] = {"ProcStop", 0, A_PROC, 0, 0, 0},
    [PROC_STATUS] = {"ProcStatus", 2, ANYTHING, 0, 0, 0},
    [CREATE] = {"GoCreate", 3, A_PROC, 3, 0, 0},
    [START] = {"GoStart", 2, NO_TASK, 0, 0, 0},
    [DESTROY] = {"GoDestroy", 0, A_TASK, 0, 0, 0},
    [STOP] = {"GoStop", 2, A_TASK, 2, 1, 0},
    [BLOCK] = {"GoBlock", 2, A_TASK, 2, 1, 0},
    [UNBLOCK] = {"GoUnblock", 3, ANYTHING, 3, 0, 0},
    [SYSCALL_BEGIN] = {"GoSyscallBegin", 2, A_TASK, 2, 0, 0},
    [SYSCALL_END] = {"GoSyscallEnd", 0, A_TASK, 0, 0, 0},
    [STATUS] = {"GoStatus", 3, ANYTHING, 0, 0, 0},
    [HEAP_ALLOC] = {"HeapAlloc", 1, A_PROC, 0, 0, 0},
    [HEAP_GOAL] = {"HeapGoal", 1, A_PROC, 0, 0, 0},
    [LABEL] = {"GoLabel", 1, A_TASK, 0, 1, 0},
    [TASK_BEGIN] = {"UserTaskBegin", 4, A_TASK, 4, 3, 0},
    [TASK_END] = {"UserTaskEnd", 2, A_TASK, 2, 0, 0},
    [REGION_BEGIN] = {"UserRegionBegin", 3, A_TASK, 3, 2, 0},
    [REGION_END] = {"UserRegionEnd", 3, A_TASK, 3, 2, 0},
    [LOG] = {"UserLog", 4, A_TASK, 4, 2, 3},
};

/* Numbers as GoStatus has them. */
enum status { DEAD, RUNNABLE, RUNNING, IN_SYSCALL, WAITING };
/* And ProcStatus. */
enum proc_status { PROC_UNKNOWN, PROC_RUNNING, PROC_IDLE, PROC_IN_SYSCALL };

struct event {
    unsigned type;
    uint64_t ticks;
    uint64_t argument[4];
};

struct machine { /* M */
    uint64_t id;
    struct event *events; /* of this generation */
    size_t count, taken;
    uint64_t task, proc; /* NONE: it has none */
};

struct sequence {
    uint64_t generation, number;
};

struct task {
    enum status status;
    struct sequence sequence;
    uint64_t since, call_since;
    unsigned wait;
    struct go_region *region;
};

struct proc {
    enum proc_status status;
    struct sequence sequence;
};

struct request {
    uint64_t begun;
};

struct v2 {
    struct reader *reader;
    struct map_entry *strings, *stacks; /* of this generation */
    struct map_entry *machine_of, *tasks, *procs, *requests, *pcs;
    struct machine **machines;
    size_t machine_count;
    uint64_t generation, first_generation, frequency;
};

static unsigned long long number(uint64_t value)
{
    return value;
}

/* --- batches --- */

static struct machine *machine_of(struct v2 *v2, uint64_t id)
{
    struct machine *machine = map_get(&v2->machine_of, id);
    if (!machine) {
        machine = arena_alloc(&v2->reader->arena, sizeof *machine);
        *machine = (struct machine){.id = id, .task = NONE, .proc = NONE};
        map_put(v2->reader, &v2->machine_of, id, machine);
        v2->machines = list_grow(v2->reader, v2->machines, v2->machine_count, sizeof *v2->machines);
        v2->machines[v2->machine_count++] = machine;
    }
    return machine;
}

static void take_stacks(struct v2 *v2, const uint8_t *end)
{
    struct reader *reader = v2->reader;
    while (reader->at < end) {
        if (*reader->at++ != STACK)
            refuse(reader, "a batch of stacks has something else");
        uint64_t id = read_varint(reader), count = read_varint(reader);
        if (count > STACK_FRAMES_MAX)
            refuse(reader, "a stack has too many frames");
        if (id == 0 || count == 0 || map_get(&v2->stacks, id))
            refuse(reader, "stack %llu has no frames, or is there twice", number(id));
        struct go_stack *stack = arena_alloc(&reader->arena, sizeof *stack);
        stack->count = count;
        stack->frames = arena_alloc_array(&reader->arena, count, sizeof *stack->frames);
        for (uint64_t i = 0; i < count; i++) {
            struct go_frame *frame = &stack->frames[i];
            frame->pc = read_varint(reader);
            frame->function = read_varint(reader);
            frame->file = read_varint(reader);
            frame->line = read_varint(reader);
        }
        map_put(reader, &v2->stacks, id, stack);
    }
}

static void take_strings(struct v2 *v2, const uint8_t *end)
{
    struct reader *reader = v2->reader;
    while (reader->at < end) {
        if (*reader->at++ != STRING)
            refuse(reader, "a batch of strings has something else");
        uint64_t id = read_varint(reader), size = read_varint(reader);
        if (size > STRING_MAX)
            refuse(reader, "invalid string size, maximum is %d", STRING_MAX);
        if (id == 0 || map_get(&v2->strings, id))
            refuse(reader, "string %llu is 0, or there twice", number(id));
        struct bytes *string = arena_alloc(&reader->arena, sizeof *string);
        *string = read_bytes(reader, size);
        map_put(reader, &v2->strings, id, string);
    }
}

static void take_samples(struct v2 *v2, struct machine *samples, const uint8_t *end)
{
    struct reader *reader = v2->reader;
    while (reader->at < end) {
        if (*reader->at++ != CPU_SAMPLE)
            refuse(reader, "a batch of CPU samples has something else");
        struct event event = {.type = CPU_SAMPLE, .ticks = read_varint(reader)};
        for (unsigned i = 0; i < 4; i++)
            event.argument[i] = read_varint(reader);
        samples->events = list_grow(reader, samples->events, samples->count, sizeof event);
        samples->events[samples->count++] = event;
    }
}

static void take_events(struct v2 *v2, struct machine *machine, uint64_t ticks, const uint8_t *end)
{
    struct reader *reader = v2->reader;
    while (reader->at < end) {
        struct event event = {.type = *reader->at++};
        if (event.type >= TYPE_COUNT || !kinds[event.type].name)
            refuse(reader, "unknown event type %u", event.type);
        ticks += read_varint(reader);
        event.ticks = ticks;
        for (unsigned i = 0; i < kinds[event.type].arguments; i++)
            event.argument[i] = read_varint(reader);
        machine->events = list_grow(reader, machine->events, machine->count, sizeof event);
        machine->events[machine->count++] = event;
    }
}

static void take_frequency(struct v2 *v2, const uint8_t *end)
{
    struct reader *reader = v2->reader;
    reader->at++;
    uint64_t frequency = read_varint(reader);
    if (frequency == 0 || reader->at != end)
        refuse(reader, "the frequency's batch is invalid");
    if (v2->frequency != 0)
        refuse(reader, "a generation has two frequencies");
    v2->frequency = frequency;
}

/* All batches up to the next generation. */
static void take_generation(struct v2 *v2, struct machine *samples)
{
    struct reader *reader = v2->reader;
    while (reader->at != reader->end) {
        const uint8_t *start = reader->at;
        if (*reader->at++ != BATCH)
            refuse(reader, "expected a batch");
        uint64_t generation = read_varint(reader);
        if (v2->generation == 0 && generation > 0)
            v2->generation = v2->first_generation = generation;
        if (generation == v2->generation + 1 && v2->generation != 0) {
            reader->at = start;
            return;
        }
        if (generation == 0 || generation != v2->generation)
            refuse(reader, "generations out of order");
        uint64_t id = read_varint(reader), ticks = read_varint(reader), size = read_varint(reader);
        if (size > BATCH_MAX)
            refuse(reader, "invalid batch size, maximum is %d", BATCH_MAX);
        if (size == 0 || size > (uint64_t)(reader->end - reader->at))
            refuse(reader, "failed to read full batch");
        const uint8_t *end = reader->at + size, *file_end = reader->end;
        reader->end = end; /* nothing of it may reach further */
        switch (*reader->at) {
        case STACKS: reader->at++; take_stacks(v2, end); break;
        case STRINGS: reader->at++; take_strings(v2, end); break;
        case CPU_SAMPLES: reader->at++; take_samples(v2, samples, end); break;
        case FREQUENCY: take_frequency(v2, end); break;
        default: take_events(v2, machine_of(v2, id), ticks, end); break;
        }
        reader->end = file_end;
    }
}

/* --- ids --- */

static struct bytes string_of(struct v2 *v2, uint64_t id)
{
    const struct bytes *string = map_get(&v2->strings, id);
    if (id != 0 && !string)
        refuse(v2->reader, "found invalid string ID %llu", number(id));
    return id ? *string : bytes_of("", 0);
}

static void check_stack(struct v2 *v2, uint64_t id)
{
    if (id != 0 && !map_get(&v2->stacks, id))
        refuse(v2->reader, "found invalid stack ID %llu", number(id));
}

static void check_frames(struct v2 *v2, const struct go_stack *stack)
{
    for (uint64_t i = 0; i < stack->count; i++) {
        struct go_frame *frame = &stack->frames[i];
        if (string_of(v2, frame->function).size == 0 || frame->pc == 0)
            refuse(v2->reader, "a frame has no function or no pc");
        string_of(v2, frame->file);
        const struct go_frame *first = map_get(&v2->pcs, frame->pc);
        if (!first)
            map_put(v2->reader, &v2->pcs, frame->pc, frame);
        else if (first->line != frame->line)
            refuse(v2->reader, "pc %#llx means two places", number(frame->pc));
    }
}

static void check_ids(struct v2 *v2, const struct event *event)
{
    const struct kind *kind = &kinds[event->type];
    if (kind->stack)
        check_stack(v2, event->argument[kind->stack - 1]);
    if (kind->string)
        string_of(v2, event->argument[kind->string - 1]);
    if (kind->second_string)
        string_of(v2, event->argument[kind->second_string - 1]);
}

/* --- states --- */

static uint64_t ns_of(const struct v2 *v2, uint64_t from, uint64_t to)
{
    return to > from ? (uint64_t)((double)(to - from) * 1e9 / (double)v2->frequency + 0.5) : 0;
}

static bool succeeds(const struct v2 *v2, uint64_t wanted, struct sequence sequence)
{
    return sequence.generation == v2->generation && wanted == sequence.number + 1;
}

static struct sequence fresh(const struct v2 *v2)
{
    return (struct sequence){v2->generation, 0};
}

static unsigned wait_of(struct bytes reason)
{
    static const struct {
        const char *prefix;
        unsigned wait;
    } waits[] = {
        {"sleep", TRACE_EVENT_WAIT_SLEEP},
        {"network", TRACE_EVENT_WAIT_NETWORK},
        {"sync", TRACE_EVENT_WAIT_SYNC},
        {"select", TRACE_EVENT_WAIT_SELECT},
    };
    for (size_t i = 0; i < ARRAY_COUNT(waits); i++)
        if (reason.size >= strlen(waits[i].prefix) &&
            memcmp(reason.data, waits[i].prefix, strlen(waits[i].prefix)) == 0)
            return waits[i].wait;
    return TRACE_EVENT_WAIT_OTHER;
}

static void need(struct v2 *v2, const struct machine *machine, const struct event *event)
{
    enum need wanted = kinds[event->type].need;
    const char *name = kinds[event->type].name;
    if (wanted != ANYTHING && machine->id == NONE)
        refuse(v2->reader, "%s: expected a thread but didn't have one", name);
    if ((wanted == A_PROC || wanted == A_TASK || wanted == NO_TASK) && machine->proc == NONE)
        refuse(v2->reader, "%s: expected a proc but didn't have one", name);
    if (wanted == NO_PROC && machine->proc != NONE)
        refuse(v2->reader, "%s: expected no proc but had one", name);
    if (wanted == A_TASK && machine->task == NONE)
        refuse(v2->reader, "%s: expected a goroutine but didn't have one", name);
    if ((wanted == NO_TASK || wanted == NO_PROC) && machine->task != NONE)
        refuse(v2->reader, "%s: expected no goroutine but had one", name);
}

static struct task *new_task(struct v2 *v2, uint64_t id, enum status status, uint64_t ticks)
{
    struct task *task = arena_alloc(&v2->reader->arena, sizeof *task);
    *task = (struct task){.status = status, .sequence = fresh(v2), .since = ticks};
    map_put(v2->reader, &v2->tasks, id, task);
    v2->reader->counts->tasks++;
    return task;
}

static void on_proc_status(struct v2 *v2, struct machine *machine, const struct event *event)
{
    uint64_t id = event->argument[0];
    enum proc_status status = (enum proc_status)event->argument[1];
    struct proc *proc = map_get(&v2->procs, id);
    if (event->argument[1] < PROC_RUNNING || event->argument[1] > PROC_IN_SYSCALL)
        refuse(v2->reader, "invalid status for proc %llu", number(id));
    if (proc && proc->status != status)
        refuse(v2->reader, "inconsistent status for proc %llu: old %d vs. new %d", number(id), proc->status, status);
    if (!proc) {
        proc = arena_alloc(&v2->reader->arena, sizeof *proc);
        proc->status = status;
        map_put(v2->reader, &v2->procs, id, proc);
    }
    proc->sequence = fresh(v2);
    if (status == PROC_IDLE)
        return;
    if (machine->id == NONE)
        refuse(v2->reader, "proc %llu runs on no thread", number(id));
    if (machine->proc != NONE && machine->proc != id)
        refuse(v2->reader, "proc %llu runs on a thread that has another", number(id));
    machine->proc = id;
}

static bool on_proc_start(struct v2 *v2, struct machine *machine, const struct event *event)
{
    struct proc *proc = map_get(&v2->procs, event->argument[0]);
    if (!proc || proc->status != PROC_IDLE || !succeeds(v2, event->argument[1], proc->sequence) ||
        machine->proc != NONE)
        return false;
    need(v2, machine, event);
    proc->status = PROC_RUNNING;
    proc->sequence.number++;
    machine->proc = event->argument[0];
    v2->reader->counts->lane_starts++;
    return true;
}

static void on_proc_stop(struct v2 *v2, struct machine *machine)
{
    struct proc *proc = map_get(&v2->procs, machine->proc);
    if (!proc || proc->status == PROC_IDLE)
        refuse(v2->reader, "ProcStop of a proc that does not run");
    if (machine->task != NONE)
        refuse(v2->reader, "ProcStop while a goroutine runs");
    proc->status = PROC_IDLE;
    machine->proc = NONE;
    v2->reader->counts->lane_stops++;
}

static void on_status(struct v2 *v2, struct machine *machine, const struct event *event)
{
    uint64_t id = event->argument[0];
    enum status status = (enum status)event->argument[2];
    if (event->argument[2] < RUNNABLE || event->argument[2] > WAITING)
        refuse(v2->reader, "invalid status for goroutine %llu", number(id));
    struct task *task = map_get(&v2->tasks, id);
    if (task && task->status != status)
        refuse(v2->reader, "inconsistent status for goroutine %llu: old %d vs. new %d", number(id), task->status,
               status);
    if (!task && v2->generation != v2->first_generation)
        refuse(v2->reader, "found goroutine status for new goroutine after the first generation: %llu", number(id));
    if (!task)
        task = new_task(v2, id, status, event->ticks);
    task->sequence = fresh(v2);
    if (status == RUNNABLE || status == WAITING)
        return;
    if (event->argument[1] == NONE || event->argument[1] != machine->id)
        refuse(v2->reader, "goroutine %llu runs, but not on this thread", number(id));
    if (machine->task != NONE && machine->task != id)
        refuse(v2->reader, "goroutine %llu runs on a thread that has another", number(id));
    machine->task = id;
}

static void on_create(struct v2 *v2, const struct event *event)
{
    if (map_get(&v2->tasks, event->argument[0]))
        refuse(v2->reader, "tried to create goroutine (%llu) that already exists", number(event->argument[0]));
    if (event->argument[1] == 0)
        refuse(v2->reader, "a goroutine is created without a stack");
    check_stack(v2, event->argument[1]);
    new_task(v2, event->argument[0], RUNNABLE, event->ticks);
}

static bool on_start(struct v2 *v2, struct machine *machine, const struct event *event)
{
    struct task *task = map_get(&v2->tasks, event->argument[0]);
    if (!task || task->status != RUNNABLE || !succeeds(v2, event->argument[1], task->sequence))
        return false;
    need(v2, machine, event);
    task->status = RUNNING;
    task->sequence.number++;
    machine->task = event->argument[0];
    v2->reader->counts->starts++;
    v2->reader->counts->runnable_ns += ns_of(v2, task->since, event->ticks);
    return true;
}

static bool on_unblock(struct v2 *v2, const struct event *event)
{
    struct task *task = map_get(&v2->tasks, event->argument[0]);
    if (!task || task->status != WAITING || !succeeds(v2, event->argument[1], task->sequence))
        return false;
    task->status = RUNNABLE;
    task->sequence.number++;
    v2->reader->counts->unparks++;
    v2->reader->counts->waited_ns[task->wait] += ns_of(v2, task->since, event->ticks);
    task->since = event->ticks;
    return true;
}

static void on_leave(struct v2 *v2, struct machine *machine, struct task *task, const struct event *event)
{
    struct go_reader_counts *counts = v2->reader->counts;
    if (task->status != RUNNING)
        refuse(v2->reader, "%s for goroutine (%llu) that is not running", kinds[event->type].name,
               number(machine->task));
    task->since = event->ticks;
    if (event->type == DESTROY) {
        map_delete(&v2->tasks, machine->task);
        counts->ends++;
    } else if (event->type == STOP) {
        task->status = RUNNABLE;
        counts->yields++;
    } else {
        task->status = WAITING;
        task->wait = wait_of(string_of(v2, event->argument[0]));
        counts->parks[task->wait]++;
    }
    machine->task = NONE;
}

static void on_syscall(struct v2 *v2, const struct machine *machine, struct task *task, const struct event *event)
{
    struct proc *proc = map_get(&v2->procs, machine->proc);
    bool begins = event->type == SYSCALL_BEGIN;
    if (task->status != (begins ? RUNNING : IN_SYSCALL) || proc->status != (begins ? PROC_RUNNING : PROC_IN_SYSCALL))
        refuse(v2->reader, "%s in the wrong state", kinds[event->type].name);
    task->status = begins ? IN_SYSCALL : RUNNING;
    proc->status = begins ? PROC_IN_SYSCALL : PROC_RUNNING;
    if (!begins) {
        v2->reader->counts->call_ns += ns_of(v2, task->call_since, event->ticks);
        return;
    }
    if (!succeeds(v2, event->argument[0], proc->sequence))
        refuse(v2->reader, "failed to advance GoSyscallBegin: can't make sequence");
    proc->sequence.number++;
    task->call_since = event->ticks;
    v2->reader->counts->calls++;
}

static void on_request(struct v2 *v2, const struct event *event)
{
    uint64_t id = event->argument[0];
    struct request *request = map_get(&v2->requests, id);
    if (event->type == TASK_BEGIN) {
        if (request)
            refuse(v2->reader, "task ID conflict: %llu", number(id));
        request = arena_alloc(&v2->reader->arena, sizeof *request);
        request->begun = event->ticks;
        map_put(v2->reader, &v2->requests, id, request);
        v2->reader->counts->requests++;
        return;
    }
    if (request)
        v2->reader->counts->request_ns += ns_of(v2, request->begun, event->ticks);
    map_delete(&v2->requests, id);
}

static void on_region(struct v2 *v2, const struct machine *machine, struct task *task, const struct event *event)
{
    struct go_region *region = task->region;
    struct bytes name = string_of(v2, event->argument[1]);
    if (event->type == REGION_BEGIN) {
        region = arena_alloc(&v2->reader->arena, sizeof *region);
        *region = (struct go_region){event->argument[0], event->ticks, name, task->region};
        task->region = region;
        v2->reader->counts->regions++;
    } else if (region) {
        if (region->request != event->argument[0] || !bytes_equal(region->name, name))
            refuse(v2->reader, "misuse of region in goroutine %llu", number(machine->task));
        v2->reader->counts->region_ns += ns_of(v2, region->begun, event->ticks);
        task->region = region->outer;
    }
}

/* False: not now. */
static bool advance(struct v2 *v2, struct machine *machine, const struct event *event)
{
    /* These wait for their turn before anything of theirs is looked at. */
    if (event->type == PROC_START)
        return on_proc_start(v2, machine, event);
    if (event->type == START)
        return on_start(v2, machine, event);
    if (event->type == UNBLOCK && !on_unblock(v2, event))
        return false;
    need(v2, machine, event);
    check_ids(v2, event);
    struct task *task = kinds[event->type].need == A_TASK ? map_get(&v2->tasks, machine->task) : NULL;
    switch (event->type) {
    case PROC_STATUS: on_proc_status(v2, machine, event); break;
    case PROC_STOP: on_proc_stop(v2, machine); break;
    case STATUS: on_status(v2, machine, event); break;
    case CREATE: on_create(v2, event); break;
    case DESTROY: case STOP: case BLOCK: on_leave(v2, machine, task, event); break;
    case SYSCALL_BEGIN: case SYSCALL_END: on_syscall(v2, machine, task, event); break;
    case TASK_BEGIN: case TASK_END: on_request(v2, event); break;
    case REGION_BEGIN: case REGION_END: on_region(v2, machine, task, event); break;
    case LOG: v2->reader->counts->logs++; break;
    case HEAP_ALLOC: v2->reader->counts->heap_sizes++; break;
    default: break;
    }
    return true;
}

static bool is_before(const struct v2 *v2, const struct machine *a, const struct machine *b)
{
    uint64_t a_ticks = a->events[a->taken].ticks, b_ticks = b->events[b->taken].ticks;
    return a_ticks < b_ticks || (a_ticks == b_ticks && v2->reader->last_of_equals);
}

static bool advance_one(struct v2 *v2)
{
    /* The earliest that can, so: in the order of time, try each. */
    struct machine *tried[256];
    size_t tried_count = 0;
    for (;;) {
        struct machine *next = NULL;
        for (size_t i = 0; i < v2->machine_count; i++) {
            struct machine *machine = v2->machines[i];
            bool was_tried = machine->taken == machine->count;
            for (size_t t = 0; t < tried_count && !was_tried; t++)
                was_tried = tried[t] == machine;
            if (!was_tried && (!next || is_before(v2, machine, next)))
                next = machine;
        }
        if (!next)
            return false;
        if (advance(v2, next, &next->events[next->taken])) {
            next->taken++;
            return true;
        }
        ASSERT(tried_count < ARRAY_COUNT(tried));
        tried[tried_count++] = next;
    }
}

static void check_generation(struct v2 *v2, struct machine *samples)
{
    size_t left = 0;
    if (v2->frequency == 0)
        refuse(v2->reader, "a generation has no frequency");
    for (struct map_entry *entry = v2->stacks; entry; entry = entry->hh.next)
        check_frames(v2, entry->value);
    for (size_t i = 0; i < samples->count; i++)
        check_stack(v2, samples->events[i].argument[3]);
    v2->reader->counts->samples += samples->count;
    for (size_t i = 0; i < v2->machine_count; i++)
        left += v2->machines[i]->count;
    for (; left > 0; left--)
        if (!advance_one(v2))
            refuse(v2->reader, "broken trace: failed to advance: frontier");
}

void go_reader_v2(struct reader *reader)
{
    struct v2 *v2 = arena_alloc(&reader->arena, sizeof *v2);
    v2->reader = reader;
    do {
        struct machine samples = {0};
        v2->frequency = 0;
        HASH_CLEAR(hh, v2->strings);
        HASH_CLEAR(hh, v2->stacks);
        HASH_CLEAR(hh, v2->pcs); /* the strings' ids are others now */
        for (size_t i = 0; i < v2->machine_count; i++) {
            v2->machines[i]->events = NULL;
            v2->machines[i]->count = v2->machines[i]->taken = 0;
        }
        if (v2->generation != 0)
            v2->generation++;
        take_generation(v2, &samples);
        check_generation(v2, &samples);
        reader->counts->generations++;
    } while (reader->at != reader->end);
}
