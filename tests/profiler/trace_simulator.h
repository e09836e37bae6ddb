/* trace_simulator.h: threads and tasks that do things at random, the records that they would write of it, and what is
 * true of them. */
#ifndef TESTS_PROFILER_TRACE_SIMULATOR_H
#define TESTS_PROFILER_TRACE_SIMULATOR_H

#include "base/mem.h"
#include "base/trace.h"
#include "profiler/trace_recorder.h"
#include "trace_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIM_REACTORS_MAX 3
#define SIM_WORKERS_MAX 2
#define SIM_THREADS_MAX (SIM_REACTORS_MAX + SIM_WORKERS_MAX + 1) /* the last is neither */
#define SIM_TASKS_MAX 200
#define SIM_LIVING_MAX 12
#define SIM_RECORD_WORDS 8 /* continuations of one */

/* A record that a thread has written. */
struct sim_item {
    uint64_t time_ns, end_ns; /* end: of a call */
    unsigned thread;
    struct trace_record records[SIM_RECORD_WORDS];
};

enum sim_status { SIM_READY, SIM_RUNS, SIM_PARKED, SIM_OFFLOADED, SIM_OVER };

struct sim_task {
    uint64_t id;
    unsigned reactor;
    enum sim_status status;
    enum trace_wait wait;
    uint64_t since_ns, call_end_ns;
    bool is_woken_by_reactor; /* its work is done: the reactor resumes it */
    bool has_request;
    unsigned region_count;
    struct rules_sums sums;
};

struct sim_thread {
    struct trace_thread facts;
    struct sim_task *task; /* that runs here, or that it works for */
    bool is_polling;
    uint64_t busy_until_ns; /* in a call */
};

struct sim {
    uint64_t seed, now_ns;
    struct sim_thread threads[SIM_THREADS_MAX];
    unsigned reactor_count, worker_count;
    struct sim_task tasks[SIM_TASKS_MAX];
    unsigned task_count;
    struct sim_item *items;
    size_t item_count, item_capacity;
};

/* --- chance --- */

static inline uint64_t sim_random(struct sim *sim)
{
    sim->seed += 0x9e3779b97f4a7c15u; /* SplitMix64 */
    uint64_t mixed = (sim->seed ^ sim->seed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

static inline unsigned sim_below(struct sim *sim, unsigned limit)
{
    return (unsigned)(sim_random(sim) % limit);
}

static inline bool sim_chance(struct sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

/* --- records --- */

/* Something that has code, and lines: where all of it happens. */
static NOINLINE UNUSED int sim_place(int x)
{
    volatile int result = x;
    return result + 1;
}

static inline uint32_t sim_where(struct sim *sim)
{
    return (uint32_t)((uintptr_t)sim_place - trace_text_start()) + 4 + sim_below(sim, 4);
}

static inline struct sim_item *sim_write(struct sim *sim, unsigned thread, enum trace_type type, enum trace_wait wait,
                                         unsigned more, uint64_t argument)
{
    if (sim->item_count == sim->item_capacity) {
        sim->item_capacity = sim->item_capacity ? 2 * sim->item_capacity : 256;
        sim->items = mem_realloc(sim->items, sim->item_capacity * sizeof *sim->items);
    }
    struct sim_item *item = &sim->items[sim->item_count++];
    *item = (struct sim_item){.time_ns = sim->now_ns, .thread = thread};
    item->records[0] = (struct trace_record){.where = sim_chance(sim, 90) ? sim_where(sim) : 0,
                                             .word = trace_word(type, wait, more, argument)};
    return item;
}

static inline void sim_write_entry(struct sim *sim, unsigned thread, enum trace_type type, const struct sim_task *task)
{
    struct trace_task_entry entry = {.run = sim_where(sim) & ~7u};
    snprintf(entry.name, sizeof entry.name, "kind %u", (unsigned)(task->id % 4));
    struct sim_item *item = sim_write(sim, thread, type, TRACE_WAIT_OTHER, 2, task->id);
    memcpy(item->records + 1, &entry, sizeof entry);
}

static inline void sim_write_value(struct sim *sim, unsigned thread, enum trace_type type, const char *text,
                                   uint64_t value)
{
    struct sim_item *item = sim_write(sim, thread, type, TRACE_WAIT_OTHER, 1, (uint64_t)(uintptr_t)text);
    memcpy(item->records + 1, &value, sizeof value);
}

static const char *const sim_names[] = {"decode", "append", "wait_acks", "respond", "Produce", "Fetch"};

static inline const char *sim_name(struct sim *sim)
{
    return sim_names[sim_below(sim, ARRAY_COUNT(sim_names))];
}

/* --- what is true --- */

static inline void sim_enter(struct sim *sim, struct sim_task *task, enum sim_status status)
{
    uint64_t took_ns = sim->now_ns - task->since_ns;
    if (task->status == SIM_READY)
        task->sums.runnable_ns += took_ns;
    else if (task->status == SIM_RUNS)
        task->sums.ran_ns += took_ns;
    else
        task->sums.waited_ns[task->wait] += took_ns;
    task->status = status;
    task->since_ns = sim->now_ns;
}

/* --- deeds of reactors --- */

static inline void sim_create(struct sim *sim, unsigned thread)
{
    if (sim->task_count == SIM_TASKS_MAX)
        return;
    unsigned living = 0;
    for (unsigned i = 0; i < sim->task_count; i++)
        living += sim->tasks[i].status != SIM_OVER;
    if (living >= SIM_LIVING_MAX)
        return;
    struct sim_task *task = &sim->tasks[sim->task_count++];
    *task = (struct sim_task){.id = 1000 + sim->task_count, .reactor = thread, .since_ns = sim->now_ns};
    sim_write_entry(sim, thread, TRACE_TASK_CREATE, task);
}

/* One of the tasks for which `fits`; NULL: there is none. */
static inline struct sim_task *sim_pick(struct sim *sim, unsigned reactor, bool (*fits)(const struct sim_task *task))
{
    unsigned offset = sim->task_count ? sim_below(sim, sim->task_count) : 0;
    for (unsigned i = 0; i < sim->task_count; i++) {
        struct sim_task *task = &sim->tasks[(i + offset) % sim->task_count];
        if ((reactor == SIM_THREADS_MAX || task->reactor == reactor) && fits(task))
            return task;
    }
    return NULL;
}

static inline bool sim_is_ready(const struct sim_task *task)
{
    return task->status == SIM_READY && !task->is_woken_by_reactor;
}
static inline bool sim_is_parked(const struct sim_task *task)
{
    return task->status == SIM_PARKED;
}
static inline bool sim_is_resumable(const struct sim_task *task)
{
    return task->status == SIM_PARKED || (task->is_woken_by_reactor && task->status != SIM_RUNS);
}
static inline bool sim_is_alive(const struct sim_task *task)
{
    return task->status != SIM_OVER;
}
static inline bool sim_wants_work(const struct sim_task *task)
{
    return task->status == SIM_OFFLOADED && !task->is_woken_by_reactor;
}

static inline void sim_start(struct sim *sim, unsigned thread, struct sim_task *task, enum trace_type type)
{
    task->is_woken_by_reactor = false;
    sim_write(sim, thread, type, TRACE_WAIT_OTHER, 0, task->id);
    task->sums.unparks += task->status != SIM_READY;
    if (task->status != SIM_READY)
        sim_enter(sim, task, SIM_READY);
    sim_enter(sim, task, SIM_RUNS);
    task->sums.starts++;
    sim->threads[thread].task = task;
}

static inline void sim_unpark(struct sim *sim, unsigned thread)
{
    struct sim_task *task = sim_pick(sim, SIM_THREADS_MAX, sim_chance(sim, 90) ? sim_is_parked : sim_is_alive);
    if (!task)
        return;
    sim_write(sim, thread, TRACE_TASK_UNPARK, TRACE_WAIT_OTHER, 0, task->id);
    if (task->status != SIM_PARKED && task->status != SIM_OFFLOADED)
        return;
    if (task->status == SIM_OFFLOADED)
        task->is_woken_by_reactor = true; /* it goes on, and a worker that takes its work later is none of its own */
    task->sums.unparks++;
    sim_enter(sim, task, SIM_READY);
}

static inline void sim_park(struct sim *sim, unsigned thread)
{
    static const char *const reasons[] = {"other", "sleep", "socket", "mutex lock", "fsync", "fetch data"};
    struct sim_task *task = sim->threads[thread].task;
    bool is_offload = sim->worker_count > 0 && sim_chance(sim, 20);
    task->wait = is_offload ? TRACE_WAIT_CONDITION : (enum trace_wait)sim_below(sim, RULES_WAITS);
    unsigned more = sim_below(sim, 3);
    struct sim_item *item = sim_write(sim, thread, TRACE_TASK_PARK, task->wait, more,
                                      (uint64_t)(uintptr_t)reasons[task->wait]);
    uint32_t pcs[2 * TRACE_PCS_PER_RECORD] = {0};
    for (unsigned i = 0; i < 1 + sim_below(sim, 5); i++)
        pcs[i] = sim_where(sim);
    memcpy(item->records + 1, pcs, more * sizeof *item->records);
    task->sums.parks[task->wait]++;
    sim_enter(sim, task, is_offload ? SIM_OFFLOADED : SIM_PARKED);
    sim->threads[thread].task = NULL;
}

static inline void sim_yield(struct sim *sim, unsigned thread)
{
    struct sim_task *task = sim->threads[thread].task;
    sim_write(sim, thread, TRACE_TASK_YIELD, TRACE_WAIT_OTHER, 0, 0);
    task->sums.yields++;
    sim_enter(sim, task, SIM_READY);
    sim->threads[thread].task = NULL;
}

static inline void sim_end(struct sim *sim, unsigned thread)
{
    struct sim_task *task = sim->threads[thread].task;
    sim_write_entry(sim, thread, TRACE_TASK_END, task);
    sim_enter(sim, task, SIM_OVER);
    task->sums.ends++;
    sim->threads[thread].task = NULL;
}

static inline void sim_call(struct sim *sim, unsigned thread)
{
    struct sim_thread *self = &sim->threads[thread];
    struct sim_item *item = sim_write(sim, thread, TRACE_CALL, TRACE_WAIT_OTHER, 1, (uint64_t)(uintptr_t)"fsync");
    item->end_ns = self->busy_until_ns = sim->now_ns + 1 + sim_below(sim, 3000);
    if (self->task) {
        self->task->sums.calls++;
        self->task->sums.call_ns += item->end_ns - sim->now_ns;
    }
}

static inline void sim_say(struct sim *sim, unsigned thread)
{
    struct sim_task *task = sim->threads[thread].task;
    switch (sim_below(sim, 8)) {
    case 0:
        if (!task->has_request && task->region_count == 0) {
            struct trace_request_facts facts = {(uint64_t)(uintptr_t)"client-1", (int32_t)sim_below(sim, 9), 100};
            struct sim_item *item = sim_write(sim, thread, TRACE_REQUEST_BEGIN, TRACE_WAIT_OTHER, 1,
                                              (uint64_t)(uintptr_t)sim_name(sim));
            memcpy(item->records + 1, &facts, sizeof facts);
            task->has_request = true;
            task->sums.requests++;
            task->sums.logs += 3;
        }
        break;
    case 1:
        if (task->has_request) {
            sim_write(sim, thread, TRACE_REQUEST_END, TRACE_WAIT_OTHER, 0, 0);
            task->has_request = false;
            task->region_count = 0;
        }
        break;
    case 2:
    case 3:
        sim_write(sim, thread, TRACE_REGION_BEGIN, TRACE_WAIT_OTHER, 0, (uint64_t)(uintptr_t)sim_name(sim));
        task->region_count++;
        task->sums.regions++;
        break;
    case 4:
        if (task->region_count > 0) {
            sim_write(sim, thread, TRACE_REGION_NEXT, TRACE_WAIT_OTHER, 0, (uint64_t)(uintptr_t)sim_name(sim));
            task->sums.regions++;
        }
        break;
    case 5:
        if (task->region_count > 0) {
            sim_write(sim, thread, TRACE_REGION_END, TRACE_WAIT_OTHER, 0, 0);
            task->region_count--;
        }
        break;
    default:
        sim_write_value(sim, thread, TRACE_LOG, "topic", (uint64_t)(uintptr_t)sim_name(sim));
        task->sums.logs++;
        break;
    }
}

static inline void sim_act_reactor(struct sim *sim, unsigned thread)
{
    struct sim_thread *self = &sim->threads[thread];
    unsigned deed = sim_below(sim, 100);
    if (self->is_polling) {
        if (deed < 40)
            return;
        self->is_polling = false;
        sim_write(sim, thread, TRACE_POLL_END, TRACE_WAIT_OTHER, 0, 0);
        return;
    }
    if (!self->task) {
        struct sim_task *task = sim_pick(sim, thread, deed < 55 ? sim_is_ready : sim_is_resumable);
        if (task && deed < 85)
            sim_start(sim, thread, task, deed < 55 ? TRACE_TASK_START : TRACE_TASK_RESUME);
        else if (deed < 92)
            sim_unpark(sim, thread);
        else if (deed < 95)
            sim_create(sim, thread);
        else {
            self->is_polling = true;
            sim_write(sim, thread, TRACE_POLL_BEGIN, TRACE_WAIT_OTHER, 0, 0);
        }
        return;
    }
    if (deed < 45)
        sim_say(sim, thread);
    else if (deed < 68)
        sim_park(sim, thread);
    else if (deed < 74)
        sim_yield(sim, thread);
    else if (deed < 80)
        sim_call(sim, thread);
    else if (deed < 90)
        sim_unpark(sim, thread);
    else if (deed < 97)
        sim_create(sim, thread);
    else
        sim_end(sim, thread);
}

/* --- deeds of the others --- */

static inline void sim_act_worker(struct sim *sim, unsigned thread)
{
    struct sim_thread *self = &sim->threads[thread];
    struct sim_task *task = self->task;
    if (!task) {
        task = sim_pick(sim, SIM_THREADS_MAX, sim_wants_work);
        for (unsigned i = 0; task && i < SIM_THREADS_MAX; i++)
            if (i != thread && i >= sim->reactor_count && sim->threads[i].task == task)
                return; /* another is at it */
        if (!task)
            return;
        self->task = task;
        sim_write(sim, thread, TRACE_WORK_BEGIN, TRACE_WAIT_OTHER, 0, task->id);
        return;
    }
    if (sim_chance(sim, 40)) {
        self->task = NULL; /* its own calls are counted apart */
        sim_call(sim, thread);
        self->task = task;
        return;
    }
    sim_write(sim, thread, TRACE_WORK_END, TRACE_WAIT_OTHER, 0, task->id);
    if (task->status == SIM_OFFLOADED || task->status == SIM_PARKED) {
        task->sums.unparks++;
        sim_enter(sim, task, SIM_READY);
        task->is_woken_by_reactor = true;
    }
    self->task = NULL;
}

static inline void sim_act_other(struct sim *sim, unsigned thread)
{
    if (sim_chance(sim, 50))
        sim_unpark(sim, thread);
    else if (sim_chance(sim, 50))
        memcpy(sim_write(sim, thread, TRACE_HEAP, TRACE_WAIT_OTHER, 1, 4096)->records + 1, &(uint64_t){8192}, 8);
    else {
        struct trace_sample sample = {.ticks = sim->now_ns, .thread_id = 100 + (int32_t)sim_below(sim, 6)};
        uintptr_t pcs[2] = {(uintptr_t)sim_place + 4, (uintptr_t)sim_place + 8};
        struct sim_item *item = sim_write(sim, thread, TRACE_SAMPLE, TRACE_WAIT_OTHER, 2, 1000 + sim_below(sim, 20));
        memcpy(item->records + 1, &sample, sizeof sample);
        memcpy(item->records + 2, pcs, sizeof pcs);
    }
}

/* --- all of it --- */

static inline void sim_run(struct sim *sim, uint64_t seed, unsigned deed_count)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->reactor_count = 1 + sim_below(sim, SIM_REACTORS_MAX);
    sim->worker_count = sim_below(sim, SIM_WORKERS_MAX + 1);
    unsigned thread_count = sim->reactor_count + sim->worker_count + 1;
    for (unsigned i = 0; i < thread_count; i++) {
        struct trace_thread *facts = &sim->threads[i].facts;
        *facts = (struct trace_thread){.index = i, .id = 100 + (int32_t)i};
        facts->kind = i < sim->reactor_count       ? TRACE_THREAD_REACTOR
                      : i + 1 < thread_count ? TRACE_THREAD_WORKER
                                             : TRACE_THREAD_OTHER;
        snprintf(facts->name, sizeof facts->name, facts->kind == TRACE_THREAD_WORKER ? "pool-%u" : "thread-%u", i % 10);
    }
    unsigned thread = 0;
    for (unsigned i = 0; i < deed_count; i++) {
        /* Now and then a thread does two things at the same time by its clock. */
        if (!sim_chance(sim, 20) || sim->threads[thread].busy_until_ns > sim->now_ns) {
            thread = sim_below(sim, thread_count);
            sim->now_ns += 1 + sim_below(sim, 1500);
        }
        if (sim->threads[thread].busy_until_ns >= sim->now_ns)
            continue;
        if (thread < sim->reactor_count)
            sim_act_reactor(sim, thread);
        else if (thread + 1 < thread_count)
            sim_act_worker(sim, thread);
        else
            sim_act_other(sim, thread);
    }
}

static inline void sim_deinit(struct sim *sim)
{
    mem_free(sim->items);
}

#endif
