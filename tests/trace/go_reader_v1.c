/* go_reader_v1.c: version 1.19: records of each P in a queue, taken in the one order that their sequence numbers allow,
 * and then held against what tasks and Ps can do. */
#include "go_reader_internal.h"

#include <stdlib.h>
#include <string.h>

#define STACK_FRAMES_MAX 128
#define LENGTH_MAX 2048
#define STRING_MAX 1000000
#define P_MAX (1u << 20)
#define PROFILE_P (NONE - 1) /* the queue of CPU samples */

enum {
    BATCH = 1, FREQUENCY = 2, STACK = 3, PROCS = 4, PROC_START = 5, PROC_STOP = 6, CREATE = 13, START = 14, END = 15,
    SCHED = 17, PREEMPT = 18, SLEEP = 19, BLOCK = 20, UNBLOCK = 21, BLOCK_SEND = 22, BLOCK_RECV = 23,
    BLOCK_SELECT = 24, BLOCK_SYNC = 25, BLOCK_COND = 26, BLOCK_NET = 27, SYSCALL = 28, SYSEXIT = 29, SYSBLOCK = 30,
    WAITING = 31, IN_SYSCALL = 32, HEAP_ALLOC = 33, HEAP_GOAL = 34, STRING = 37, START_LOCAL = 38,
    UNBLOCK_LOCAL = 39, TASK_CREATE = 45, TASK_END = 46, REGION = 47, LOG = 48, CPU_SAMPLE = 49, TYPE_COUNT,
};

/* How a record moves a task: only from this state, and with this sequence number. */
enum status { DEAD, RUNNABLE, RUNNING, PARKED };
enum sequence { FREE, FIRST, SECOND, OF_RECORD, NEXT }; /* FREE: any, and it stays; NEXT: any */

static const struct kind {
    const char *name;
    uint8_t arguments; /* behind the time; a stack counts */
    bool has_stack;
    bool is_known, is_of_task, orders;
    enum status from, to;
    enum sequence sequence;
} kinds[TYPE_COUNT] = {
    [PROCS] = {"Gomaxprocs", 2, true, true, false, false, DEAD, DEAD, FREE},
    [PROC_START] = {"ProcStart", 1, false, true, false, false, DEAD, DEAD, FREE},
    [PROC_STOP] = {"ProcStop", 0, false, true, false, false, DEAD, DEAD, FREE},
    [CREATE] = {"GoCreate", 3, true, true, false, true, DEAD, RUNNABLE, FIRST},
    [START] = {"GoStart", 2, false, true, false, true, RUNNABLE, RUNNING, OF_RECORD},
    [END] = {"GoEnd", 0, false, true, true, false, DEAD, DEAD, FREE},
    [SCHED] = {"GoSched", 1, true, true, true, true, RUNNING, RUNNABLE, FREE},
    [PREEMPT] = {"GoPreempt", 1, true, true, true, true, RUNNING, RUNNABLE, FREE},
    [SLEEP] = {"GoSleep", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [BLOCK] = {"GoBlock", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [UNBLOCK] = {"GoUnblock", 3, true, true, false, true, PARKED, RUNNABLE, OF_RECORD},
    [START_LOCAL] = {"GoStartLocal", 1, false, true, false, true, RUNNABLE, RUNNING, NEXT},
    [UNBLOCK_LOCAL] = {"GoUnblockLocal", 2, true, true, false, true, PARKED, RUNNABLE, NEXT},
    [BLOCK_SEND] = {"GoBlockSend", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [BLOCK_RECV] = {"GoBlockRecv", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [BLOCK_SELECT] = {"GoBlockSelect", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [BLOCK_SYNC] = {"GoBlockSync", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [BLOCK_COND] = {"GoBlockCond", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [BLOCK_NET] = {"GoBlockNet", 1, true, true, true, true, RUNNING, PARKED, FREE},
    [SYSCALL] = {"GoSysCall", 1, true, true, true, false, DEAD, DEAD, FREE},
    [SYSEXIT] = {"GoSysExit", 3, false, true, false, true, PARKED, RUNNABLE, OF_RECORD},
    [SYSBLOCK] = {"GoSysBlock", 0, false, true, true, true, RUNNING, PARKED, FREE},
    [WAITING] = {"GoWaiting", 1, false, true, false, true, RUNNABLE, PARKED, SECOND},
    [IN_SYSCALL] = {"GoInSyscall", 1, false, true, false, true, RUNNABLE, PARKED, SECOND},
    [HEAP_ALLOC] = {"HeapAlloc", 1, false, true, false, false, DEAD, DEAD, FREE},
    [HEAP_GOAL] = {"HeapGoal", 1, false, true, false, false, DEAD, DEAD, FREE},
    [TASK_CREATE] = {"UserTaskCreate", 4, true, true, false, false, DEAD, DEAD, FREE},
    [TASK_END] = {"UserTaskEnd", 2, true, true, false, false, DEAD, DEAD, FREE},
    [REGION] = {"UserRegion", 4, true, true, true, false, DEAD, DEAD, FREE},
    [LOG] = {"UserLog", 3, true, true, false, false, DEAD, DEAD, FREE},
    [CPU_SAMPLE] = {"CPUSample", 4, true, true, false, false, DEAD, DEAD, FREE},
};

#define NAME(event) kinds[(event)->type].name

struct event {
    unsigned type;
    uint64_t ticks, order; /* order: in its queue */
    uint64_t p, task;
    uint64_t argument[4];
};

struct queue {
    uint64_t p;
    struct event *events;
    size_t count, taken;
    bool is_selected;
    uint64_t ticks; /* of its last record */
    uint64_t task;  /* what its records say runs there */
};

struct task {
    /* while they are put in order */
    enum status order_status;
    uint64_t sequence;
    /* afterwards */
    enum status status;
    bool exists, is_sampled;
    uint64_t since, call_since;
    unsigned wait;
    bool is_in_call;
    struct go_region *region;
};

struct p {
    bool is_running, must_stop;
    uint64_t task;
};

struct request {
    uint64_t begun;
};

struct v1 {
    struct reader *reader;
    struct map_entry *strings, *stacks, *queue_of, *tasks, *ps, *requests, *pcs;
    struct queue *queues;
    size_t queue_count;
    struct queue *current;
    uint64_t frequency;
    struct event *events;
    size_t event_count;
    uint64_t last_call_begin;
};

/* --- records --- */

static struct queue *queue_of(struct v1 *v1, uint64_t p)
{
    uintptr_t index = (uintptr_t)map_get(&v1->queue_of, p);
    if (index == 0) {
        v1->queues = list_grow(v1->reader, v1->queues, v1->queue_count, sizeof *v1->queues);
        v1->queues[v1->queue_count] = (struct queue){.p = p};
        index = ++v1->queue_count;
        map_put(v1->reader, &v1->queue_of, p, (void *)index);
    }
    return &v1->queues[index - 1];
}

static void push(struct v1 *v1, struct queue *queue, struct event event)
{
    queue->events = list_grow(v1->reader, queue->events, queue->count, sizeof event);
    event.order = queue->count;
    queue->events[queue->count++] = event;
}

static void take_batch(struct v1 *v1)
{
    uint64_t p = read_varint(v1->reader), ticks = read_varint(v1->reader);
    if (p != NONE && p >= P_MAX)
        refuse(v1->reader, "a P's number is too large");
    v1->current = queue_of(v1, p);
    if (ticks < v1->current->ticks)
        refuse(v1->reader, "a batch of P %llu goes back in time", (unsigned long long)p);
    v1->current->ticks = ticks;
}

static void take_frequency(struct v1 *v1)
{
    uint64_t frequency = read_varint(v1->reader);
    if (frequency == 0)
        refuse(v1->reader, "Frequency is 0");
    if (v1->frequency != 0)
        refuse(v1->reader, "Frequency is there twice");
    v1->frequency = frequency;
}

static void take_string(struct v1 *v1)
{
    uint64_t id = read_varint(v1->reader), size = read_varint(v1->reader);
    if (id == 0)
        refuse(v1->reader, "a string has id 0");
    if (map_get(&v1->strings, id))
        refuse(v1->reader, "string %llu is there twice", (unsigned long long)id);
    if (size == 0 || size > STRING_MAX)
        refuse(v1->reader, "a string has an invalid length");
    struct bytes *string = arena_alloc(&v1->reader->arena, sizeof *string);
    *string = read_bytes(v1->reader, size);
    map_put(v1->reader, &v1->strings, id, string);
}

static const uint8_t *take_length(struct v1 *v1)
{
    uint64_t length = read_varint(v1->reader);
    if (length > LENGTH_MAX)
        refuse(v1->reader, "a record is longer than %d", LENGTH_MAX);
    if (length > (uint64_t)(v1->reader->end - v1->reader->at))
        refuse(v1->reader, "truncated");
    return v1->reader->at + length;
}

static void take_stack(struct v1 *v1)
{
    struct reader *reader = v1->reader;
    const uint8_t *end = take_length(v1);
    uint64_t id = read_varint(reader), count = read_varint(reader);
    if (count > STACK_FRAMES_MAX)
        refuse(reader, "a stack has too many frames");
    if (id == 0 || count == 0)
        refuse(reader, "a stack has no id or no frames");
    if (map_get(&v1->stacks, id))
        refuse(reader, "stack %llu is there twice", (unsigned long long)id);
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
    if (reader->at != end)
        refuse(reader, "a stack has the wrong length");
    map_put(reader, &v1->stacks, id, stack);
}

/* What runs on a P by what its own records say: the task that they are of. */
static void follow(struct queue *queue, struct event *event)
{
    event->task = queue->task;
    if (event->type == START || event->type == START_LOCAL)
        queue->task = event->task = event->argument[0];
    else if (event->type == SYSEXIT || event->type == WAITING || event->type == IN_SYSCALL)
        event->task = event->argument[0];
    else if (event->type == END || (kinds[event->type].orders && kinds[event->type].from == RUNNING))
        queue->task = 0;
}

static void take_timed(struct v1 *v1, unsigned type, unsigned k)
{
    struct reader *reader = v1->reader;
    if (type >= TYPE_COUNT || !kinds[type].is_known)
        refuse(reader, "unknown record type %u", type);
    const struct kind *kind = &kinds[type];
    if (k != (kind->arguments < 3 ? kind->arguments : 3))
        refuse(reader, "%s has the wrong number of arguments", kind->name);
    const uint8_t *end = k == 3 ? take_length(v1) : NULL;
    uint64_t delta = read_varint(reader);
    struct event event = {.type = type, .p = v1->current->p, .ticks = v1->current->ticks + delta};
    if (event.ticks < v1->current->ticks)
        refuse(reader, "time goes back");
    v1->current->ticks = event.ticks;
    for (unsigned i = 0; i < kind->arguments; i++)
        event.argument[i] = read_varint(reader);
    if (end && reader->at != end)
        refuse(reader, "%s has the wrong length", kind->name);
    if (type == LOG)
        read_bytes(reader, read_varint(reader));
    if (type == CPU_SAMPLE) {
        event.ticks = event.argument[0];
        event.p = event.argument[1];
        push(v1, queue_of(v1, PROFILE_P), event);
        return;
    }
    follow(v1->current, &event);
    push(v1, v1->current, event);
}

static void take_records(struct v1 *v1)
{
    struct reader *reader = v1->reader;
    uint64_t current = 0; /* queues move as they become more */
    while (reader->at != reader->end) {
        unsigned type = *reader->at & 0x3f, k = *reader->at >> 6;
        static const uint8_t untimed_k[TYPE_COUNT] = {[BATCH] = 1, [FREQUENCY] = 0, [STACK] = 3, [STRING] = 0};
        bool is_untimed = type == BATCH || type == FREQUENCY || type == STACK || type == STRING;
        reader->at++;
        if (is_untimed && k != untimed_k[type])
            refuse(reader, "record type %u has the wrong number of arguments", type);
        if (type != BATCH && !v1->current)
            refuse(reader, "a record stands before the first batch");
        if (type == BATCH) {
            take_batch(v1);
            current = v1->current->p;
            continue;
        }
        v1->current = queue_of(v1, current);
        if (type == FREQUENCY)
            take_frequency(v1);
        else if (type == STRING)
            take_string(v1);
        else if (type == STACK)
            take_stack(v1);
        else
            take_timed(v1, type, k);
    }
    if (v1->queue_count == 0)
        refuse(reader, "the trace is empty");
    if (v1->frequency == 0)
        refuse(reader, "there is no Frequency");
}

/* --- ids --- */

static struct bytes string_of(struct v1 *v1, uint64_t id)
{
    const struct bytes *string = map_get(&v1->strings, id);
    if (id != 0 && !string)
        refuse(v1->reader, "string %llu is not defined", (unsigned long long)id);
    return id ? *string : bytes_of("", 0);
}

static const struct go_stack *stack_of(struct v1 *v1, uint64_t id)
{
    const struct go_stack *stack = map_get(&v1->stacks, id);
    if (id != 0 && !stack)
        refuse(v1->reader, "stack %llu is not defined", (unsigned long long)id);
    return stack;
}

/* Viewers key places by pc, so each means one. */
static void check_frames(struct v1 *v1, const struct go_stack *stack)
{
    for (uint64_t i = 0; i < stack->count; i++) {
        struct go_frame *frame = &stack->frames[i];
        if (string_of(v1, frame->function).size == 0)
            refuse(v1->reader, "a frame has no function");
        string_of(v1, frame->file);
        if (frame->pc == 0)
            refuse(v1->reader, "a frame has pc 0");
        const struct go_frame *first = map_get(&v1->pcs, frame->pc);
        if (!first)
            map_put(v1->reader, &v1->pcs, frame->pc, frame);
        else if (first->function != frame->function || first->file != frame->file || first->line != frame->line)
            refuse(v1->reader, "pc %#llx means two places", (unsigned long long)frame->pc);
    }
}

static void check_ids(struct v1 *v1)
{
    for (struct map_entry *entry = v1->stacks; entry; entry = entry->hh.next)
        check_frames(v1, entry->value);
    for (size_t q = 0; q < v1->queue_count; q++)
        for (size_t i = 0; i < v1->queues[q].count; i++) {
            const struct event *event = &v1->queues[q].events[i];
            const struct kind *kind = &kinds[event->type];
            if (kind->has_stack)
                stack_of(v1, event->argument[kind->arguments - 1]);
        }
}

/* --- the one order --- */

static struct task *task_of(struct v1 *v1, uint64_t id)
{
    struct task *task = map_get(&v1->tasks, id);
    if (!task) {
        task = arena_alloc(&v1->reader->arena, sizeof *task);
        map_put(v1->reader, &v1->tasks, id, task);
    }
    return task;
}

/* The task that a record moves: not always the one that does it. */
static struct task *moved(struct v1 *v1, const struct event *event)
{
    bool is_other = event->type == CREATE || event->type == UNBLOCK || event->type == UNBLOCK_LOCAL;
    return task_of(v1, is_other ? event->argument[0] : event->task);
}

static bool is_ready(struct v1 *v1, const struct event *event)
{
    const struct kind *kind = &kinds[event->type];
    if (!kind->orders)
        return true;
    const struct task *task = moved(v1, event);
    const uint64_t wanted[] = {[FREE] = task->sequence, [FIRST] = 0, [SECOND] = 1, [OF_RECORD] = event->argument[1],
                               [NEXT] = task->sequence};
    return task->order_status == kind->from && task->sequence == wanted[kind->sequence];
}

static void move(struct v1 *v1, const struct event *event)
{
    const struct kind *kind = &kinds[event->type];
    if (!kind->orders)
        return;
    if (!is_ready(v1, event))
        refuse(v1->reader, "event sequences are broken: %s", kind->name);
    struct task *task = moved(v1, event);
    task->order_status = kind->to;
    task->sequence += kind->sequence != FREE;
}

static bool is_before(const struct v1 *v1, const struct queue *a, const struct queue *b)
{
    uint64_t a_ticks = a->events[a->taken].ticks, b_ticks = b->events[b->taken].ticks;
    return a_ticks < b_ticks || (a_ticks == b_ticks && v1->reader->last_of_equals);
}

/* Of the records at the heads that could come next: the earliest. A head that was ready once stays a candidate. */
static struct queue *next_queue(struct v1 *v1)
{
    struct queue *next = NULL;
    for (size_t q = 0; q < v1->queue_count; q++) {
        struct queue *queue = &v1->queues[q];
        if (queue->taken == queue->count)
            continue;
        if (!queue->is_selected)
            queue->is_selected = is_ready(v1, &queue->events[queue->taken]);
        if (queue->is_selected && (!next || is_before(v1, queue, next)))
            next = queue;
    }
    return next;
}

static int compare_samples(const void *a, const void *b)
{
    const struct event *left = a, *right = b;
    if (left->ticks != right->ticks)
        return left->ticks < right->ticks ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

static void put_in_order(struct v1 *v1)
{
    size_t total = 0;
    for (size_t q = 0; q < v1->queue_count; q++)
        total += v1->queues[q].count;
    struct queue *samples = queue_of(v1, PROFILE_P);
    if (samples->count > 0)
        qsort(samples->events, samples->count, sizeof *samples->events, compare_samples);
    v1->events = arena_alloc_array(&v1->reader->arena, total, sizeof *v1->events);
    while (v1->event_count < total) {
        struct queue *queue = next_queue(v1);
        if (!queue)
            refuse(v1->reader, "no consistent ordering of events possible");
        const struct event *event = &queue->events[queue->taken++];
        queue->is_selected = false;
        move(v1, event);
        if (v1->event_count > 0 && event->ticks < v1->events[v1->event_count - 1].ticks)
            refuse(v1->reader, "time stamps out of order: %s", NAME(event));
        v1->events[v1->event_count++] = *event;
    }
}

/* --- what tasks and Ps can do --- */

static struct p *p_of(struct v1 *v1, uint64_t number)
{
    struct p *p = map_get(&v1->ps, number);
    if (!p) {
        p = arena_alloc(&v1->reader->arena, sizeof *p);
        map_put(v1->reader, &v1->ps, number, p);
    }
    return p;
}

static uint64_t ns_of(const struct v1 *v1, uint64_t ticks)
{
    return (uint64_t)((double)ticks * 1e9 / (double)v1->frequency + 0.5);
}

static unsigned wait_of(unsigned type)
{
    switch (type) {
    case SLEEP: return TRACE_EVENT_WAIT_SLEEP;
    case BLOCK_NET: return TRACE_EVENT_WAIT_NETWORK;
    case BLOCK_SYNC: return TRACE_EVENT_WAIT_SYNC;
    case BLOCK_COND: return TRACE_EVENT_WAIT_CONDITION;
    case BLOCK_SELECT: return TRACE_EVENT_WAIT_SELECT;
    default: return TRACE_EVENT_WAIT_OTHER;
    }
}

static void need_running(struct v1 *v1, const struct p *p, const struct task *task, const struct event *event,
                         bool may_be_none)
{
    if (event->task != 0 && task->status != RUNNING)
        refuse(v1->reader, "g %llu is not running while %s", (unsigned long long)event->task, NAME(event));
    if (p->task != event->task)
        refuse(v1->reader, "p %llu is not running g %llu while %s", (unsigned long long)event->p,
               (unsigned long long)event->task, NAME(event));
    if (!may_be_none && event->task == 0)
        refuse(v1->reader, "g 0 did %s", NAME(event));
}

static void check_entry(struct v1 *v1, uint64_t stack_id)
{
    const struct go_stack *stack = stack_of(v1, stack_id);
    if (!stack)
        refuse(v1->reader, "missing stack information");
    struct bytes function = string_of(v1, stack->frames[0].function);
    if (function.size >= 8 && memcmp(function.data, "runtime.", 8) == 0)
        refuse(v1->reader, "a task's function hides it");
}

static void on_create(struct v1 *v1, const struct event *event)
{
    need_running(v1, p_of(v1, event->p), task_of(v1, event->task), event, true);
    struct task *task = task_of(v1, event->argument[0]);
    if (event->argument[0] == 0 || task->exists || task->is_sampled)
        refuse(v1->reader, "g %llu already exists", (unsigned long long)event->argument[0]);
    check_entry(v1, event->argument[1]);
    task->exists = true;
    task->status = RUNNABLE;
    task->since = event->ticks;
    v1->reader->counts->tasks++;
}

static void on_start(struct v1 *v1, const struct event *event)
{
    struct p *p = p_of(v1, event->p);
    struct task *task = task_of(v1, event->task);
    if (task->status != RUNNABLE)
        refuse(v1->reader, "g %llu is not runnable before start", (unsigned long long)event->task);
    if (p->task != 0)
        refuse(v1->reader, "p %llu is already running g %llu while start g %llu", (unsigned long long)event->p,
               (unsigned long long)p->task, (unsigned long long)event->task);
    if (!p->is_running)
        refuse(v1->reader, "p %llu is not running before start", (unsigned long long)event->p);
    p->task = event->task;
    task->status = RUNNING;
    if (task->is_in_call) { /* going on after it is no new start */
        task->is_in_call = false;
        return;
    }
    v1->reader->counts->starts++;
    v1->reader->counts->runnable_ns += ns_of(v1, event->ticks - task->since);
}

static void on_leave(struct v1 *v1, const struct event *event)
{
    struct go_reader_counts *counts = v1->reader->counts;
    struct p *p = p_of(v1, event->p);
    struct task *task = task_of(v1, event->task);
    need_running(v1, p, task, event, false);
    p->task = 0;
    task->since = event->ticks;
    if (event->type == END) {
        task->status = DEAD;
        counts->ends++;
        return;
    }
    task->status = kinds[event->type].to;
    if (event->type == SYSBLOCK) {
        p->must_stop = true;
        task->is_in_call = true;
        task->call_since = event->ticks;
        counts->calls++;
    } else if (task->status == RUNNABLE) {
        counts->yields += event->type == SCHED; /* GoPreempt: the trace ends */
    } else {
        task->wait = wait_of(event->type);
        counts->parks[task->wait]++;
    }
}

static void on_unblock(struct v1 *v1, const struct event *event)
{
    if (event->task != 0 && task_of(v1, event->task)->status != RUNNING)
        refuse(v1->reader, "g %llu is not running while unpark", (unsigned long long)event->task);
    if (p_of(v1, event->p)->task != event->task)
        refuse(v1->reader, "p %llu is not running g %llu while unpark", (unsigned long long)event->p,
               (unsigned long long)event->task);
    struct task *task = task_of(v1, event->argument[0]);
    if (task->status != PARKED || task->is_in_call)
        refuse(v1->reader, "g %llu is not waiting before unpark", (unsigned long long)event->argument[0]);
    v1->reader->counts->waited_ns[task->wait] += ns_of(v1, event->ticks - task->since);
    v1->reader->counts->unparks++;
    task->status = RUNNABLE;
    task->since = event->ticks;
}

static void on_sysexit(struct v1 *v1, const struct event *event)
{
    struct task *task = task_of(v1, event->task);
    if (task->status != PARKED)
        refuse(v1->reader, "g %llu is not waiting during syscall exit", (unsigned long long)event->task);
    if (!task->is_in_call)
        refuse(v1->reader, "stray syscall exit");
    uint64_t ticks = event->argument[2] ? event->argument[2] : event->ticks;
    if (ticks < task->call_since)
        refuse(v1->reader, "time stamps out of order: GoSysExit");
    v1->reader->counts->call_ns += ns_of(v1, ticks - task->call_since);
    task->status = RUNNABLE;
}

static void on_proc(struct v1 *v1, const struct event *event)
{
    struct p *p = p_of(v1, event->p);
    bool starts = event->type == PROC_START;
    if (starts && p->is_running)
        refuse(v1->reader, "p %llu is running before start", (unsigned long long)event->p);
    if (!starts && !p->is_running)
        refuse(v1->reader, "p %llu is not running before stop", (unsigned long long)event->p);
    if (!starts && p->task != 0)
        refuse(v1->reader, "p %llu is running a goroutine %llu during stop", (unsigned long long)event->p,
               (unsigned long long)p->task);
    p->is_running = starts;
    if (starts)
        v1->reader->counts->lane_starts++;
    else
        v1->reader->counts->lane_stops++;
}

static void on_task(struct v1 *v1, const struct event *event)
{
    uint64_t id = event->argument[0];
    struct request *request = map_get(&v1->requests, id);
    if (event->type == TASK_END) {
        if (request)
            v1->reader->counts->request_ns += ns_of(v1, event->ticks - request->begun);
        map_delete(&v1->requests, id);
        return;
    }
    if (request)
        refuse(v1->reader, "task id conflicts (id:%llu)", (unsigned long long)id);
    string_of(v1, event->argument[2]);
    request = arena_alloc(&v1->reader->arena, sizeof *request);
    request->begun = event->ticks;
    map_put(v1->reader, &v1->requests, id, request);
    v1->reader->counts->requests++;
}

static void on_region(struct v1 *v1, const struct event *event)
{
    if (event->task == 0)
        refuse(v1->reader, "a region without a running task");
    need_running(v1, p_of(v1, event->p), task_of(v1, event->task), event, false);
    struct task *task = task_of(v1, event->task);
    struct bytes name = string_of(v1, event->argument[2]);
    struct go_region *region = task->region;
    if (event->argument[1] > 1)
        refuse(v1->reader, "invalid user region mode");
    if (event->argument[1] == 0) {
        region = arena_alloc(&v1->reader->arena, sizeof *region);
        *region = (struct go_region){event->argument[0], event->ticks, name, task->region};
        task->region = region;
        v1->reader->counts->regions++;
    } else if (region) {
        if (region->request != event->argument[0] || !bytes_equal(region->name, name))
            refuse(v1->reader, "misuse of region in goroutine %llu", (unsigned long long)event->task);
        v1->reader->counts->region_ns += ns_of(v1, event->ticks - region->begun);
        task->region = region->outer;
    }
}

static void check_event(struct v1 *v1, const struct event *event)
{
    struct go_reader_counts *counts = v1->reader->counts;
    if (event->type == CPU_SAMPLE) {
        counts->samples++;
        if (event->argument[2] != 0) /* from here on it is known */
            task_of(v1, event->argument[2])->is_sampled = true;
        return;
    }
    struct p *p = p_of(v1, event->p);
    if (p->must_stop && event->type != PROC_STOP)
        refuse(v1->reader, "%s stands behind GoSysBlock, where ProcStop must", NAME(event));
    p->must_stop = false;
    switch (event->type) {
    case PROC_START: case PROC_STOP: on_proc(v1, event); break;
    case CREATE: on_create(v1, event); break;
    case START: case START_LOCAL: on_start(v1, event); break;
    case UNBLOCK: case UNBLOCK_LOCAL: on_unblock(v1, event); break;
    case SYSEXIT: on_sysexit(v1, event); break;
    case SYSCALL: need_running(v1, p, task_of(v1, event->task), event, false); break;
    case WAITING:
        task_of(v1, event->task)->status = PARKED;
        task_of(v1, event->task)->since = event->ticks;
        break;
    case IN_SYSCALL: refuse(v1->reader, "GoInSyscall: a task must not begin in a call");
    case TASK_CREATE: case TASK_END: on_task(v1, event); break;
    case REGION: on_region(v1, event); break;
    case LOG:
        string_of(v1, event->argument[1]);
        counts->logs++;
        break;
    case HEAP_ALLOC: counts->heap_sizes++; break;
    case PROCS: case HEAP_GOAL: break;
    default: on_leave(v1, event); break;
    }
}

/* Everything before the first Gomaxprocs is what was there before the trace. */
static void check_procs(struct v1 *v1)
{
    size_t first_procs = 0, first_start = 0;
    while (first_procs < v1->event_count && v1->events[first_procs].type != PROCS)
        first_procs++;
    while (first_start < v1->event_count && v1->events[first_start].type != START &&
           v1->events[first_start].type != START_LOCAL)
        first_start++;
    if (first_procs == v1->event_count)
        refuse(v1->reader, "there is no Gomaxprocs");
    if (first_start < first_procs)
        refuse(v1->reader, "GoStart stands before the first Gomaxprocs");
}

/* The viewer of Go 1.19 looks for the end of each GoStart, and fails where there is none. */
static void check_end(struct v1 *v1)
{
    for (const struct map_entry *entry = v1->ps; entry; entry = entry->hh.next) {
        const struct p *p = entry->value;
        if (p->task != 0)
            refuse(v1->reader, "g %llu runs on at the end", (unsigned long long)p->task);
    }
}

void go_reader_v1(struct reader *reader)
{
    struct v1 *v1 = arena_alloc(&reader->arena, sizeof *v1);
    v1->reader = reader;
    take_records(v1);
    check_ids(v1);
    put_in_order(v1);
    check_procs(v1);
    for (size_t i = 0; i < v1->event_count; i++)
        check_event(v1, &v1->events[i]);
    check_end(v1);
    reader->counts->generations = 1;
}
