/* test_trace.c: what the life of a task leaves in a trace, in order and nothing else. */
#include "reactors.h"

#include "../support/trace_tape.h"
#include "base/clock.h"
#include "runtime/wait_times.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIFE_MAX 512

/* The records that are about one task, as words. */
struct life {
    char text[LIFE_MAX];
    uint64_t parked_ticks[WAIT_REASON_COUNT], runnable_ticks;
    /* Of the last of each type. */
    const struct trace_record *record[TRACE_TYPE_COUNT];
    uint64_t ticks[TRACE_TYPE_COUNT];
    int thread_id[TRACE_TYPE_COUNT];
    enum trace_thread_kind kind[TRACE_TYPE_COUNT];
};

static void say(struct life *life, const char *word)
{
    ASSERT(strlen(life->text) + strlen(word) + 2 < sizeof life->text);
    if (life->text[0])
        strcat(life->text, " ");
    strcat(life->text, word);
}

static enum wait_reason reason_of(const char *text)
{
    enum wait_reason reason = WAIT_NONE;
    while (strcmp(wait_reason_text(reason), text) != 0)
        reason++;
    return reason;
}

/* Which task runs on a thread: the records of parks and yields do not say. */
struct runner {
    int thread_id;
    uint64_t task;
};

static struct runner *runner_of(struct runner *runners, int thread_id)
{
    while (runners->thread_id != 0 && runners->thread_id != thread_id)
        runners++;
    runners->thread_id = thread_id;
    return runners;
}

static uint64_t task_named(const struct tape_item *items, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        struct trace_task_entry entry;
        memcpy(&entry, items[i].record + 1, sizeof entry);
        if (trace_type(items[i].record) == TRACE_TASK_CREATE && strcmp(entry.name, name) == 0)
            return trace_argument(items[i].record);
    }
    fail_msg("no task %s was created", name);
    return 0;
}

static struct life life_of(const char *name)
{
    static const char *const words[TRACE_TYPE_COUNT] = {
        [TRACE_TASK_CREATE] = "create", [TRACE_TASK_START] = "start", [TRACE_TASK_RESUME] = "resume",
        [TRACE_TASK_YIELD] = "yield",   [TRACE_TASK_END] = "end",     [TRACE_TASK_UNPARK] = "unpark",
        [TRACE_WORK_BEGIN] = "work",    [TRACE_WORK_END] = "done",
    };
    struct life life = {0};
    struct runner runners[16] = {{0}};
    size_t count;
    struct tape_item *items = tape_items(&count);
    uint64_t task = task_named(items, count, name), since = 0;
    enum wait_reason parked = WAIT_NONE;
    for (size_t i = 0; i < count; i++) {
        const struct trace_record *record = items[i].record;
        enum trace_type type = trace_type(record);
        struct runner *runner = runner_of(runners, items[i].thread_id);
        if (type == TRACE_TASK_START || type == TRACE_TASK_RESUME)
            runner->task = trace_argument(record);
        bool is_of_runner = type == TRACE_TASK_PARK || type == TRACE_TASK_YIELD;
        uint64_t subject = is_of_runner ? runner->task : words[type] ? trace_argument(record) : 0;
        if (subject != task)
            continue;
        if (type == TRACE_TASK_PARK) {
            char word[64];
            snprintf(word, sizeof word, "park(%s)", tape_text(record));
            say(&life, word);
            parked = reason_of(tape_text(record));
        } else {
            say(&life, words[type]);
        }
        /* Whose work has ended can run from there on, though it is parked until its reactor hears of it. */
        bool is_wake = type == TRACE_TASK_UNPARK || type == TRACE_TASK_RESUME || type == TRACE_WORK_END;
        bool is_start = type == TRACE_TASK_START || type == TRACE_TASK_RESUME;
        if (is_wake && parked != WAIT_NONE)
            life.parked_ticks[parked] += items[i].ticks - since;
        else if (is_start)
            life.runnable_ticks += items[i].ticks - since;
        if (type != TRACE_WORK_BEGIN && (type != TRACE_WORK_END || parked != WAIT_NONE))
            since = items[i].ticks;
        if (is_wake)
            parked = WAIT_NONE;
        life.record[type] = record;
        life.ticks[type] = items[i].ticks;
        life.thread_id[type] = items[i].thread_id;
        life.kind[type] = items[i].kind;
    }
    free(items);
    return life;
}

/* Run it as the task "solo" on a reactor of its own; all is on the tape when this returns. */
static struct life trace_alone(void (*run)(void *argument), void *argument)
{
    tape_start();
    run_alone(run, argument);
    tape_stop();
    return life_of("solo");
}

/* No function that is looked for is larger. */
#define FUNCTION_BYTES_MAX (CONTEXT_ASAN ? 1000 : 400)

/* One of the stack's addresses is of this function, which is not inlined and small. */
static bool stack_has(const struct trace_record *record, void *function)
{
    uint32_t first = (uint32_t)((uintptr_t)function - trace_text_start());
    uint32_t pcs[1 + TRACE_PCS_PER_RECORD * TRACE_MORE_MAX] = {record->where};
    memcpy(pcs + 1, record + 1, trace_more(record) * sizeof *record);
    for (unsigned i = 0; i < 1 + TRACE_PCS_PER_RECORD * trace_more(record); i++)
        if (pcs[i] > first && pcs[i] - first < FUNCTION_BYTES_MAX)
            return true;
    return false;
}

/* --- one task --- */

static void nothing(void *argument)
{
    (void)argument;
}

static void a_task_is_created_starts_and_ends(void **state)
{
    (void)state;
    struct life life = trace_alone(nothing, NULL);
    assert_string_equal(life.text, "create start end");

    for (enum trace_type type = TRACE_TASK_CREATE; type <= TRACE_TASK_END; type += TRACE_TASK_END - TRACE_TASK_CREATE) {
        struct trace_task_entry entry;
        memcpy(&entry, life.record[type] + 1, sizeof entry);
        assert_string_equal(entry.name, "solo");
        assert_int_equal(trace_text_start() + entry.run, (uintptr_t)solo_main);
        assert_int_equal(life.kind[type], TRACE_THREAD_REACTOR);
    }
    assert_true(stack_has(life.record[TRACE_TASK_CREATE], run_on) ||
                stack_has(life.record[TRACE_TASK_CREATE], run_alone) ||
                stack_has(life.record[TRACE_TASK_CREATE], trace_alone));
}

static void yield_once(void *argument)
{
    (void)argument;
    task_yield();
}

static void a_yield_leaves_the_task_runnable(void **state)
{
    (void)state;
    struct life life = trace_alone(yield_once, NULL);
    assert_string_equal(life.text, "create start yield start end");
    assert_true(stack_has(life.record[TRACE_TASK_YIELD], yield_once));
}

/* Long enough that it is not over before it begins: who loses his processor on the way does not park at all. */
static NOINLINE void sleep_here(void)
{
    CHECK(task_sleep_ms(100) == 0);
}

static void sleep_a_little(void *argument)
{
    (void)argument;
    sleep_here();
}

static void a_timer_wakes_once_and_the_poll_is_over_by_then(void **state)
{
    (void)state;
    struct life life = trace_alone(sleep_a_little, NULL);
    assert_string_equal(life.text, "create start park(sleep) unpark start end");
    assert_int_equal(trace_wait(life.record[TRACE_TASK_PARK]), TRACE_WAIT_SLEEP);
    assert_true(stack_has(life.record[TRACE_TASK_PARK], sleep_here));
    assert_true(stack_has(life.record[TRACE_TASK_PARK], sleep_a_little));
    assert_int_equal(life.thread_id[TRACE_TASK_UNPARK], life.thread_id[TRACE_TASK_PARK]);
    assert_int_not_equal(life.record[TRACE_TASK_UNPARK]->where, 0);

    size_t count, polls = 0;
    struct tape_item *items = tape_items(&count);
    bool in_poll = false;
    for (size_t i = 0; i < count; i++) {
        enum trace_type type = trace_type(items[i].record);
        if (items[i].thread_id != life.thread_id[TRACE_TASK_PARK])
            continue;
        if (type == TRACE_POLL_BEGIN || type == TRACE_POLL_END) {
            assert_true(in_poll == (type == TRACE_POLL_END));
            in_poll = type == TRACE_POLL_BEGIN;
            polls += items[i].ticks == life.ticks[TRACE_TASK_PARK];
        } else {
            assert_false(in_poll);
        }
    }
    assert_int_equal(polls, 1); /* the park and the poll behind it have one time */
    free(items);
}

static void park_with_a_permit(void *argument)
{
    (void)argument;
    task_unpark(task_self());
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
}

static void a_permit_that_came_first_leaves_nothing(void **state)
{
    (void)state;
    assert_string_equal(trace_alone(park_with_a_permit, NULL).text, "create start end");
}

/* --- who wakes whom --- */

struct sleeper {
    _Atomic(struct task *) task;
    atomic_bool woken, wake_sent, done;
    struct task_mutex mutex;
};

static void sleep_until_woken(void *argument)
{
    struct sleeper *sleeper = argument;
    atomic_store(&sleeper->task, task_self());
    while (!atomic_load(&sleeper->woken))
        CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
    atomic_store(&sleeper->done, true);
}

static NOINLINE void wake_here(struct sleeper *sleeper)
{
    atomic_store(&sleeper->woken, true);
    task_unpark(atomic_load(&sleeper->task));
    task_unpark(atomic_load(&sleeper->task)); /* it is awake: no event */
}

static void wake_a_neighbour(void *argument)
{
    CHECK(task_spawn("sleeper", sleep_until_woken, argument) != NULL);
    task_yield();
    wake_here(argument);
}

static void a_neighbour_is_woken_once(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct life waker = trace_alone(wake_a_neighbour, &sleeper), life = life_of("sleeper");
    assert_string_equal(waker.text, "create start yield start end");
    assert_string_equal(life.text, "create start park(data wait) unpark start end");
    assert_true(stack_has(life.record[TRACE_TASK_UNPARK], wake_here));
    assert_int_equal(life.thread_id[TRACE_TASK_UNPARK], life.thread_id[TRACE_TASK_START]);
    assert_int_equal(trace_wait(life.record[TRACE_TASK_PARK]), TRACE_WAIT_SELECT);
}

/* The state as others see it, so that a wake comes after the park. */
static void wait_parked(struct sleeper *sleeper)
{
    WAIT_UNTIL(atomic_load(&sleeper->task));
    WAIT_UNTIL(task_reason(atomic_load(&sleeper->task)) == WAIT_DATA);
}

static void another_thread_writes_the_wake_down_itself(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct reactors reactors;
    tape_start();
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "sleeper", sleep_until_woken, &sleeper), 0);
    wait_parked(&sleeper);
    atomic_store(&sleeper.woken, true);
    task_unpark(atomic_load(&sleeper.task));
    WAIT_UNTIL(atomic_load(&sleeper.done));
    reactors_end(&reactors);
    tape_stop();

    struct life life = life_of("sleeper");
    assert_string_equal(life.text, "create start park(data wait) unpark start end");
    assert_int_equal(life.thread_id[TRACE_TASK_UNPARK], gettid());
    assert_int_equal(life.kind[TRACE_TASK_UNPARK], TRACE_THREAD_OTHER);
    assert_int_not_equal(life.thread_id[TRACE_TASK_START], gettid());
}

static void park_after_the_wake_was_sent(void *argument)
{
    struct sleeper *sleeper = argument;
    atomic_store(&sleeper->task, task_self());
    WAIT_UNTIL(atomic_load(&sleeper->wake_sent));
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
    atomic_store(&sleeper->done, true);
}

/* It waits in the inbox while the task parks: the trace must not show a task that starts and was never woken. */
static void a_wake_that_was_sent_before_the_park_is_written_down_again(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct reactors reactors;
    tape_start();
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "sleeper", park_after_the_wake_was_sent, &sleeper), 0);
    WAIT_UNTIL(atomic_load(&sleeper.task));
    task_unpark(atomic_load(&sleeper.task));
    atomic_store(&sleeper.wake_sent, true);
    WAIT_UNTIL(atomic_load(&sleeper.done));
    reactors_end(&reactors);
    tape_stop();

    struct life life = life_of("sleeper");
    assert_string_equal(life.text, "create start unpark park(data wait) unpark start end");
    assert_int_equal(life.thread_id[TRACE_TASK_UNPARK], life.thread_id[TRACE_TASK_PARK]);
}

static void a_wake_from_before_the_recording_is_written_down_when_it_is_delivered(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "sleeper", park_after_the_wake_was_sent, &sleeper), 0);
    WAIT_UNTIL(atomic_load(&sleeper.task));
    task_unpark(atomic_load(&sleeper.task));
    uint64_t id = task_id(atomic_load(&sleeper.task));
    tape_start();
    atomic_store(&sleeper.wake_sent, true);
    WAIT_UNTIL(atomic_load(&sleeper.done));
    reactors_end(&reactors);
    tape_stop();

    size_t count, seen = 0;
    struct tape_item *items = tape_items(&count);
    static const enum trace_type expected[] = {TRACE_TASK_PARK, TRACE_TASK_UNPARK, TRACE_TASK_START, TRACE_TASK_END};
    for (size_t i = 0; i < count; i++) {
        enum trace_type type = trace_type(items[i].record);
        if (type == TRACE_TASK_PARK || trace_argument(items[i].record) == id) {
            assert_in_range(seen, 0, ARRAY_COUNT(expected) - 1);
            assert_int_equal(type, expected[seen++]);
        }
    }
    assert_int_equal(seen, ARRAY_COUNT(expected));
    free(items);
}

static void lock_and_unlock(void *argument)
{
    struct sleeper *sleeper = argument;
    task_mutex_lock(&sleeper->mutex);
    task_mutex_unlock(&sleeper->mutex);
}

static NOINLINE void unlock_here(struct sleeper *sleeper)
{
    task_mutex_unlock(&sleeper->mutex);
}

static void hold_a_lock(void *argument)
{
    struct sleeper *sleeper = argument;
    task_mutex_lock(&sleeper->mutex);
    CHECK(task_spawn("waiter", lock_and_unlock, sleeper) != NULL);
    task_yield();
    unlock_here(sleeper);
}

static void a_lock_wakes_where_it_is_let_go(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    trace_alone(hold_a_lock, &sleeper);
    struct life life = life_of("waiter");
    assert_string_equal(life.text, "create start park(mutex lock) unpark start end");
    assert_int_equal(trace_wait(life.record[TRACE_TASK_PARK]), TRACE_WAIT_SYNC);
    assert_true(stack_has(life.record[TRACE_TASK_PARK], lock_and_unlock));
    assert_true(stack_has(life.record[TRACE_TASK_UNPARK], unlock_here));
}

/* --- work on other threads --- */

static void work(void *argument)
{
    (void)argument;
}

static void offload_once(void *argument)
{
    (void)argument;
    CHECK(task_offload(WAIT_FSYNC, work, NULL) == 0);
}

static void offloaded_work_is_on_its_own_thread_and_resumes_the_task(void **state)
{
    (void)state;
    struct life life = trace_alone(offload_once, NULL);
    /* The pool may be faster than the park. */
    assert_true(strcmp(life.text, "create start park(fsync) work done resume end") == 0 ||
                strcmp(life.text, "create start work park(fsync) done resume end") == 0 ||
                strcmp(life.text, "create start work done park(fsync) resume end") == 0);
    assert_int_equal(trace_text_start() + life.record[TRACE_WORK_BEGIN]->where, (uintptr_t)work);
    assert_int_equal(life.kind[TRACE_WORK_BEGIN], TRACE_THREAD_WORKER);
    assert_int_equal(life.thread_id[TRACE_WORK_BEGIN], life.thread_id[TRACE_WORK_END]);
    assert_int_not_equal(life.thread_id[TRACE_WORK_BEGIN], life.thread_id[TRACE_TASK_PARK]);
    assert_int_equal(life.thread_id[TRACE_TASK_RESUME], life.thread_id[TRACE_TASK_PARK]);
    assert_int_equal(trace_wait(life.record[TRACE_TASK_PARK]), TRACE_WAIT_CONDITION);
}

static void wait_for_park(void *argument)
{
    struct sleeper *sleeper = argument;
    wait_parked(sleeper);
}

static void offload_to_thread_once(void *argument)
{
    struct sleeper *sleeper = argument;
    atomic_store(&sleeper->task, task_self());
    task_offload_to_thread(WAIT_DATA, "own thread", wait_for_park, sleeper);
}

static void a_thread_of_its_own_leaves_no_record_but_a_wake_by_the_reactor(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct life life = trace_alone(offload_to_thread_once, &sleeper);
    assert_string_equal(life.text, "create start park(data wait) unpark start end");
    assert_int_equal(life.kind[TRACE_TASK_UNPARK], TRACE_THREAD_REACTOR);
}

/* --- sockets --- */

/* A connected pair over loopback. */
struct pair {
    int fds[2];
};

static struct pair pair_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct pair pair;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(listening, (struct sockaddr *)&address, size) == 0 && listen(listening, 1) == 0);
    ASSERT(getsockname(listening, (struct sockaddr *)&address, &size) == 0);
    pair.fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(connect(pair.fds[1], (struct sockaddr *)&address, size) == 0);
    pair.fds[0] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ASSERT(pair.fds[0] >= 0);
    close(listening);
    return pair;
}

static NOINLINE void read_here(struct stream *stream)
{
    struct bytes view;
    CHECK(stream_read(stream, 1, TIMEOUT_NEVER, &view) == 0);
}

static void read_one_byte(void *argument)
{
    struct pair *pair = argument;
    struct stream_options options = {.buffer_max = 4096};
    struct stream *stream;
    CHECK(stream_open(&stream, pair->fds[0], &options) == 0);
    read_here(stream);
    stream_close(stream);
}

static void write_one_byte(void *argument)
{
    struct pair *pair = argument;
    CHECK(task_spawn("reader", read_one_byte, pair) != NULL);
    task_yield();
    CHECK(write(pair->fds[1], "x", 1) == 1);
}

static void a_socket_resumes_its_reader_in_place(void **state)
{
    (void)state;
    struct pair pair = pair_open();
    trace_alone(write_one_byte, &pair);
    close(pair.fds[1]);
    struct life life = life_of("reader");
    assert_string_equal(life.text, "create start park(IO wait) resume park(close) resume end");
    assert_int_not_equal(life.record[TRACE_TASK_RESUME]->where, 0);
    size_t count;
    struct tape_item *items = tape_items(&count);
    for (size_t i = 0; i < count; i++)
        if (trace_type(items[i].record) == TRACE_TASK_PARK && strcmp(tape_text(items[i].record), "IO wait") == 0) {
            assert_int_equal(trace_wait(items[i].record), TRACE_WAIT_NETWORK);
            assert_true(stack_has(items[i].record, read_here));
            assert_true(stack_has(items[i].record, read_one_byte));
        }
    free(items);
}

/* --- sums --- */

static void wait_in_all_ways(void *argument)
{
    wake_a_neighbour(argument);
    hold_a_lock(argument);
    task_yield();
    sleep_here();
    offload_once(NULL);
}

static void assert_ticks_equal(double sum_s, double before_s, uint64_t ticks)
{
    double expected_s = (double)ticks * trace_tick_ns() / (double)NS_PER_S;
    assert_true(fabs(sum_s - before_s - expected_s) <= 1e-9 + sum_s * 1e-3); /* how well a tick is known so early */
}

static void sums_of_waits_are_those_of_the_records(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct wait_times before, after;
    wait_times_read(&before);
    struct life lives[] = {trace_alone(wait_in_all_ways, &sleeper), life_of("sleeper"), life_of("waiter")};
    wait_times_read(&after);
    uint64_t runnable_ticks = 0;
    for (unsigned reason = WAIT_READY + 1; reason < WAIT_REASON_COUNT; reason++) {
        uint64_t ticks = 0;
        for (size_t i = 0; i < ARRAY_COUNT(lives); i++)
            ticks += lives[i].parked_ticks[reason];
        bool is_used = reason == WAIT_SLEEP || reason == WAIT_MUTEX || reason == WAIT_DATA || reason == WAIT_FSYNC;
        assert_true(is_used == (ticks > 0));
        assert_ticks_equal(after.parked_s[reason], before.parked_s[reason], ticks);
    }
    for (size_t i = 0; i < ARRAY_COUNT(lives); i++)
        runnable_ticks += lives[i].runnable_ticks;
    assert_true(runnable_ticks > 0);
    assert_ticks_equal(after.runnable_s, before.runnable_s, runnable_ticks);
}

static void nothing_is_summed_while_nobody_records(void **state)
{
    (void)state;
    struct sleeper sleeper = {.woken = false};
    struct wait_times before, after;
    wait_times_read(&before);
    run_alone(wait_in_all_ways, &sleeper);
    wait_times_read(&after);
    for (unsigned reason = 0; reason < WAIT_REASON_COUNT; reason++)
        assert_ticks_equal(after.parked_s[reason], before.parked_s[reason], 0);
    assert_ticks_equal(after.runnable_s, before.runnable_s, 0);
}

/* A task that is parked for offloaded work, and then resumed; nobody runs it. */
static void sums_of_offload(bool park_recorded, bool end_recorded, uint64_t *parked_ticks, uint64_t *runnable_ticks)
{
    static struct reactor reactor;
    struct task task;
    struct task_wake end = {0};
    reactor = (struct reactor){.now_ns = 1};
    task_init(&task, &reactor);
    tape_stop();
    if (park_recorded || end_recorded)
        tape_start();
    if (park_recorded)
        task_trace_left(&task, WAIT_FSYNC, NULL);
    task_set_reason(&task, WAIT_FSYNC);
    if (end_recorded)
        end = (struct task_wake){.session = atomic_load(&trace_session), .ticks = trace_work_ended(1)};
    if (!park_recorded && !end_recorded)
        tape_start();
    task_trace_work_ended(&task, end);
    task_trace_resumed(&task, 0);
    tape_stop();
    *parked_ticks = atomic_load(&reactor.parked_ticks[WAIT_FSYNC]);
    *runnable_ticks = atomic_load(&reactor.runnable_ticks);
}

static void only_what_was_recorded_of_an_offload_is_summed(void **state)
{
    (void)state;
    uint64_t start_ticks = trace_ticks(), parked_ticks, runnable_ticks;
    sums_of_offload(true, true, &parked_ticks, &runnable_ticks);
    assert_true(parked_ticks > 0 && runnable_ticks > 0);
    sums_of_offload(true, false, &parked_ticks, &runnable_ticks);
    assert_true(parked_ticks > 0 && runnable_ticks == 0); /* until it was resumed */
    sums_of_offload(false, true, &parked_ticks, &runnable_ticks);
    assert_true(parked_ticks == 0 && runnable_ticks > 0 && runnable_ticks < trace_ticks() - start_ticks);
    sums_of_offload(false, false, &parked_ticks, &runnable_ticks);
    assert_true(parked_ticks == 0 && runnable_ticks == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_created_starts_and_ends),
        cmocka_unit_test(a_yield_leaves_the_task_runnable),
        cmocka_unit_test(a_timer_wakes_once_and_the_poll_is_over_by_then),
        cmocka_unit_test(a_permit_that_came_first_leaves_nothing),
        cmocka_unit_test(a_neighbour_is_woken_once),
        cmocka_unit_test(another_thread_writes_the_wake_down_itself),
        cmocka_unit_test(a_wake_that_was_sent_before_the_park_is_written_down_again),
        cmocka_unit_test(a_wake_from_before_the_recording_is_written_down_when_it_is_delivered),
        cmocka_unit_test(a_lock_wakes_where_it_is_let_go),
        cmocka_unit_test(offloaded_work_is_on_its_own_thread_and_resumes_the_task),
        cmocka_unit_test(a_thread_of_its_own_leaves_no_record_but_a_wake_by_the_reactor),
        cmocka_unit_test(a_socket_resumes_its_reader_in_place),
        cmocka_unit_test(sums_of_waits_are_those_of_the_records),
        cmocka_unit_test(nothing_is_summed_while_nobody_records),
        cmocka_unit_test(only_what_was_recorded_of_an_offload_is_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
