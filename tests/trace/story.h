/* story.h: traces that are made up, told event by event, for tests of what is said of them. */
#ifndef TESTS_TRACE_STORY_H
#define TESTS_TRACE_STORY_H

#include "base/buf.h"
#include "base/clock.h"
#include "event_rules.h"
#include "trace/analysis.h"
#include "trace/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What happens does so now, on this lane, in the task that runs there. */
struct story {
    struct trace_tables *tables;
    struct trace_analysis *analysis;
    struct event_rules rules;
    uint64_t now_us;
    uint64_t running[8]; /* by lane */
    uint64_t requests[8]; /* of these tasks, by their last digit */
    struct buf text;     /* what the analysis says */
};

static inline void add(struct story *story, struct trace_event event)
{
    if (event.time_ns == 0)
        event.time_ns = story->now_us * NS_PER_US;
    const char *broken = event_rules_check(&story->rules, &event);
    if (broken)
        fail_msg("the story breaks a rule at %d us: %s", (int)story->now_us, broken);
    trace_analysis_add(story->analysis, &event);
}

static inline uint32_t place(struct story *story, const char *function, const char *file, uint32_t line)
{
    struct trace_frame frames[] = {
        {trace_string_of(story->tables, "task_mutex_lock"), trace_string_of(story->tables, "src/runtime/lock.c"), 7},
        {trace_string_of(story->tables, function), trace_string_of(story->tables, file), line},
        {trace_string_of(story->tables, "kafka connection"), trace_string_of(story->tables, "src/broker/c.c"), 9},
    };
    return trace_stack(story->tables, frames, 3);
}

static inline void add_lane(struct story *story, uint32_t lane, const char *name, bool is_worker)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_LANE, .lane = lane, .thread_id = 100 + (int32_t)lane,
                                    .name = trace_string_of(story->tables, name), .is_worker = is_worker});
}

/* file: of its function; NULL: it stands for a thread. */
static inline void add_task(struct story *story, uint64_t task, const char *name, const char *file)
{
    struct trace_frame entry = {.function = trace_string_of(story->tables, name), .line = 9};
    if (file)
        entry.file = trace_string_of(story->tables, file);
    add(story, (struct trace_event){.type = TRACE_EVENT_TASK_EXISTS, .lane = TRACE_NO_LANE, .task = task,
                                    .entry = trace_stack(story->tables, &entry, 1),
                                    .name = trace_string_of(story->tables, name), .is_waiting = true});
}

/* Two reactors, lanes 0 and 1; a worker, lane 2, with task 9; connections 1 to 4. */
static inline struct story begin_story(void)
{
    struct story story = {.tables = trace_tables_create(), .now_us = 1};
    story.analysis = trace_analysis_create(story.tables);
    event_rules_init(&story.rules, story.tables);
    buf_init(&story.text);
    add_lane(&story, 0, "reactor-0", false);
    add_lane(&story, 1, "reactor-1", false);
    add_lane(&story, 2, "pool-0", true);
    for (uint64_t task = 1; task <= 4; task++)
        add_task(&story, task, "kafka connection", "src/broker/c.c");
    add_task(&story, 9, "pool worker", NULL);
    return story;
}

static inline void end_story(struct story *story)
{
    event_rules_deinit(&story->rules);
    trace_analysis_destroy(story->analysis);
    trace_tables_destroy(story->tables);
    buf_deinit(&story->text);
}

static inline void pass(struct story *story, uint64_t us)
{
    story->now_us += us;
}

static inline void lane_starts(struct story *story, uint32_t lane)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_LANE_START, .lane = lane});
}

static inline void lane_stops(struct story *story, uint32_t lane)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_LANE_STOP, .lane = lane});
}

/* By what runs on the lane, or by the lane. */
static inline void wake(struct story *story, uint32_t lane, uint64_t task)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_TASK_UNPARK, .lane = lane, .task = task,
                                    .stack = place(story, "let_go", "src/storage/log.c", 260)});
}

static inline void start(struct story *story, uint32_t lane, uint64_t task)
{
    story->running[lane] = task;
    add(story, (struct trace_event){.type = TRACE_EVENT_TASK_START, .lane = lane, .task = task});
}

static inline void resume(struct story *story, uint32_t lane, uint64_t task)
{
    wake(story, lane, task);
    start(story, lane, task);
}

static inline void park(struct story *story, uint32_t lane, enum trace_event_wait wait, const char *reason)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_TASK_PARK, .lane = lane, .task = story->running[lane],
                                    .wait = wait, .text = trace_string_of(story->tables, reason),
                                    .stack = place(story, "storage_log_append", "src/storage/log.c", 231)});
}

/* One with the task that runs as it is, and the request that it serves. */
static inline void say(struct story *story, uint32_t lane, enum trace_event_type type, const char *text, uint32_t stack)
{
    uint64_t task = story->running[lane];
    add(story, (struct trace_event){.type = type, .lane = lane, .task = task, .stack = stack,
                                    .request = type >= TRACE_EVENT_REQUEST_BEGIN ? story->requests[task] : 0,
                                    .text = trace_string_of(story->tables, text)});
}

static inline void begin_request(struct story *story, uint32_t lane, uint64_t request, const char *name)
{
    story->requests[story->running[lane]] = request;
    say(story, lane, TRACE_EVENT_REQUEST_BEGIN, name, place(story, "serve", "src/broker/connection.c", 150));
}

static inline void end_request(struct story *story, uint32_t lane)
{
    say(story, lane, TRACE_EVENT_REQUEST_END, "", 0);
    story->requests[story->running[lane]] = 0;
}

static inline void begin_region(struct story *story, uint32_t lane, const char *name)
{
    say(story, lane, TRACE_EVENT_REGION_BEGIN, name, place(story, "kafka_handler_produce", "src/broker/p.c", 54));
}

static inline void end_region(struct story *story, uint32_t lane, const char *name)
{
    say(story, lane, TRACE_EVENT_REGION_END, name, place(story, "kafka_handler_produce", "src/broker/p.c", 80));
}

static inline void call(struct story *story, uint32_t lane, const char *name, uint64_t us)
{
    say(story, lane, TRACE_EVENT_CALL_BEGIN, name, place(story, "file_write_at", "src/storage/files.c", 37));
    pass(story, us);
    say(story, lane, TRACE_EVENT_CALL_END, "", 0);
}

static inline void sample(struct story *story, uint32_t lane, uint64_t before_us)
{
    add(story, (struct trace_event){.type = TRACE_EVENT_SAMPLE, .lane = lane, .task = story->running[lane],
                                    .time_ns = (story->now_us - before_us) * NS_PER_US,
                                    .stack = place(story, "busy_loop", "src/broker/busy.c", 5)});
}

/* A request that only runs, from an idle lane to an idle lane. */
static inline void serve(struct story *story, uint32_t lane, uint64_t task, uint64_t request, const char *name,
                         uint64_t us)
{
    lane_starts(story, lane);
    resume(story, lane, task);
    begin_request(story, lane, request, name);
    pass(story, us);
    end_request(story, lane);
    park(story, lane, TRACE_EVENT_WAIT_NETWORK, "IO wait");
    lane_stops(story, lane);
}

#endif
