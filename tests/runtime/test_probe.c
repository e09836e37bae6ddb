/* test_probe.c: what the probe sink hears of waits and of locks that are let go of, on a clock that stands still. */
#include "reactors.h"

#include "base/clock.h"
#include "base/probe.h"

#include <stdlib.h>

/* A recorder in the profiler's place. */

#define EVENTS_MAX 64

struct event {
    bool is_delay;
    const char *reason;
    uint64_t start_ns, ns;
    uint64_t task_id;
    const char *api;
};

static struct {
    pthread_mutex_t lock;
    struct event event[EVENTS_MAX];
    unsigned count;
    uint64_t waited_ns, delayed_ns;
    pthread_mutex_t *guard; /* must be free when the sink is called */
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hear(const struct event *event)
{
    pthread_mutex_lock(&heard.lock);
    if (heard.count < EVENTS_MAX)
        heard.event[heard.count] = *event;
    heard.count++;
    *(event->is_delay ? &heard.delayed_ns : &heard.waited_ns) += event->ns;
    if (heard.guard) {
        CHECK(pthread_mutex_trylock(heard.guard) == 0);
        pthread_mutex_unlock(heard.guard);
    }
    pthread_mutex_unlock(&heard.lock);
}

static unsigned heard_count(void)
{
    pthread_mutex_lock(&heard.lock);
    unsigned count = heard.count;
    pthread_mutex_unlock(&heard.lock);
    return count;
}

static struct event event_here(const char *reason)
{
    const char *labels[LABEL_KEY_COUNT];
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    CHECK(here > probe_execution.stack_low && here < probe_execution.stack_high);
    probe_labels(labels);
    return (struct event){.reason = reason, .task_id = probe_execution.task_id, .api = labels[LABEL_API]};
}

static void hear_waited(const char *reason, uint64_t start_ns, uint64_t end_ns)
{
    struct event event = event_here(reason);
    event.start_ns = start_ns;
    event.ns = end_ns - start_ns;
    hear(&event);
}

static void hear_delayed(const char *reason, uint64_t delay_ns)
{
    struct event event = event_here(reason);
    event.is_delay = true;
    event.ns = delay_ns;
    hear(&event);
}

static const struct probe_sink recorder = {.waited = hear_waited, .delayed = hear_delayed};

#define START_NS 1000000

static int clock_stops(void **state)
{
    (void)state;
    heard.count = 0;
    heard.waited_ns = heard.delayed_ns = 0;
    heard.guard = NULL;
    clock_test_freeze(START_NS, 0);
    atomic_store(&probe_sink, &recorder);
    return 0;
}

static int clock_goes_on(void **state)
{
    (void)state;
    atomic_store(&probe_sink, NULL);
    clock_test_real();
    return 0;
}

static void assert_waited(unsigned index, enum wait_reason reason, uint64_t start_ns, uint64_t ns)
{
    assert_true(index < heard.count);
    const struct event *event = &heard.event[index];
    assert_false(event->is_delay);
    assert_ptr_equal(event->reason, wait_reason_text(reason));
    assert_int_equal(event->start_ns, start_ns);
    assert_int_equal(event->ns, ns);
}

static void assert_delayed(unsigned index, enum wait_reason reason, uint64_t ns)
{
    assert_true(index < heard.count);
    const struct event *event = &heard.event[index];
    assert_true(event->is_delay);
    assert_ptr_equal(event->reason, wait_reason_text(reason));
    assert_int_equal(event->ns, ns);
}

/* Parks. */

struct parker {
    enum wait_reason reason;
    struct task *task;
    uint64_t id;
    bool done;
};

static void park_once(void *argument)
{
    struct parker *parker = argument;
    parker->task = task_self();
    parker->id = task_id(parker->task);
    task_label(LABEL_API, label_intern(LABEL_API, bytes_of_string("Fetch")));
    CHECK(task_park(parker->reason, TIMEOUT_NEVER) == 0);
    parker->done = true;
}

/* Spawn it and let it park, let time pass, wake it and let it end. */
static void park_for(struct parker *parker, uint64_t ns)
{
    CHECK(task_spawn("parker", park_once, parker) != NULL);
    task_yield();
    clock_test_advance(ns);
    task_unpark(parker->task);
    task_yield();
    CHECK(parker->done);
}

static void park_for_each_reason(void *argument)
{
    for (int reason = WAIT_READY + 1; reason < WAIT_REASON_COUNT; reason++) {
        struct parker *parker = (struct parker *)argument + reason;
        parker->reason = (enum wait_reason)reason;
        park_for(parker, 100 + (unsigned)reason);
    }
}

static void waits_are_told_but_for_those_for_clients_and_for_time(void **state)
{
    (void)state;
    struct parker parkers[WAIT_REASON_COUNT] = {{.done = false}};
    run_alone(park_for_each_reason, parkers);
    static const enum wait_reason told[] = {
        WAIT_MUTEX, WAIT_RWLOCK_READ, WAIT_RWLOCK_WRITE, WAIT_CONDITION, WAIT_GROUP, WAIT_WRITE,
        WAIT_OFFLOAD_QUEUE, WAIT_OFFLOAD, WAIT_FSYNC, WAIT_FILE, WAIT_DATA,
    };
    assert_int_equal(heard.count, ARRAY_COUNT(told));
    for (unsigned i = 0; i < ARRAY_COUNT(told); i++) {
        uint64_t start_ns = START_NS;
        for (unsigned before = WAIT_READY + 1; before < told[i]; before++)
            start_ns += 100 + before;
        assert_waited(i, told[i], start_ns, 100 + told[i]);
        assert_int_equal(heard.event[i].task_id, parkers[told[i]].id);
        assert_string_equal(heard.event[i].api, "Fetch");
    }
}

static void park_without_sink(void *argument)
{
    (void)argument;
    atomic_store(&probe_sink, NULL);
    park_for(&(struct parker){.reason = WAIT_DATA}, 1000);
}

static void nobody_listening_hears_nothing(void **state)
{
    (void)state;
    run_alone(park_without_sink, NULL);
    assert_int_equal(heard.count, 0);
}

static void change_sink_during_parks(void *argument)
{
    (void)argument;
    struct parker before = {.reason = WAIT_DATA}, after = before;
    atomic_store(&probe_sink, NULL);
    CHECK(task_spawn("before", park_once, &before) != NULL);
    task_yield();
    atomic_store(&probe_sink, &recorder);
    clock_test_advance(1000);
    CHECK(task_spawn("after", park_once, &after) != NULL);
    task_unpark(before.task);
    task_yield();
    atomic_store(&probe_sink, NULL);
    clock_test_advance(1000);
    task_unpark(after.task);
    task_yield();
    CHECK(before.done && after.done);
}

static void a_wait_that_began_or_ended_unheard_is_not_told(void **state)
{
    (void)state;
    run_alone(change_sink_during_parks, NULL);
    assert_int_equal(heard.count, 0);
}

/* Locks. */

struct locks {
    struct task_mutex mutex;
    struct task_rwlock rwlock;
    struct task_condition condition;
    struct task_group group;
    unsigned done;
};

static void lock_mutex(void *argument)
{
    struct locks *locks = argument;
    task_mutex_lock(&locks->mutex);
    task_mutex_unlock(&locks->mutex);
    locks->done++;
}

static void let_others_run(void)
{
    for (unsigned i = 0; i < 8; i++)
        task_yield();
}

/* Two wait, the second half as long. */
static void hold_mutex(void *argument)
{
    struct locks *locks = argument;
    task_label(LABEL_API, label_intern(LABEL_API, bytes_of_string("Holder")));
    task_mutex_lock(&locks->mutex);
    CHECK(task_spawn("first", lock_mutex, locks) != NULL);
    task_yield();
    clock_test_advance(500);
    CHECK(task_spawn("second", lock_mutex, locks) != NULL);
    task_yield();
    clock_test_advance(500);
    task_mutex_unlock(&locks->mutex);
    let_others_run();
    CHECK(locks->done == 2);
}

static void a_mutex_tells_the_holder_what_it_cost_and_each_waiter_what_it_waited(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    heard.guard = &locks.mutex.queue.guard;
    run_alone(hold_mutex, &locks);
    assert_int_equal(heard.count, 3);
    assert_delayed(0, WAIT_MUTEX, 1000 + 500);
    assert_string_equal(heard.event[0].api, "Holder");
    assert_waited(1, WAIT_MUTEX, START_NS, 1000);
    assert_waited(2, WAIT_MUTEX, START_NS + 500, 500);
    assert_int_equal(locks.mutex.queue.counted, 0);
}

/* Each holds it for a while after it got it: who waits longer is charged to each of them in turn, once. */
static void hold_in_turn(void *argument)
{
    struct locks *locks = argument;
    task_mutex_lock(&locks->mutex);
    task_yield();
    clock_test_advance(100);
    task_mutex_unlock(&locks->mutex);
    locks->done++;
}

static void hold_before_three(void *argument)
{
    struct locks *locks = argument;
    task_mutex_lock(&locks->mutex);
    for (unsigned i = 0; i < 3; i++)
        CHECK(task_spawn("next", hold_in_turn, locks) != NULL);
    task_yield();
    clock_test_advance(100);
    task_mutex_unlock(&locks->mutex);
    while (locks->done < 3)
        task_yield();
}

static void a_waiters_time_is_charged_once_to_each_who_held(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    run_alone(hold_before_three, &locks);
    uint64_t delays[3] = {0};
    unsigned count = 0;
    for (unsigned i = 0; i < heard.count; i++)
        if (heard.event[i].is_delay && count < 3)
            delays[count++] = heard.event[i].ns;
    assert_int_equal(count, 3);
    assert_int_equal(delays[0], 3 * 100);
    assert_int_equal(delays[1], 2 * 100);
    assert_int_equal(delays[2], 1 * 100);
    assert_int_equal(heard.waited_ns, 100 + 200 + 300);
}

/* Who lines up while nobody listens has no start: the first charge must not take it for one since the beginning. */
static void wait_before_the_sink(void *argument)
{
    struct locks *locks = argument;
    atomic_store(&probe_sink, NULL);
    task_mutex_lock(&locks->mutex);
    CHECK(task_spawn("unheard", lock_mutex, locks) != NULL);
    task_yield();
    clock_test_advance(1000);
    atomic_store(&probe_sink, &recorder);
    CHECK(task_spawn("heard", lock_mutex, locks) != NULL);
    task_yield();
    clock_test_advance(10);
    task_mutex_unlock(&locks->mutex);
    let_others_run();
    CHECK(locks->done == 2);
}

static void a_waiter_from_before_the_sink_is_not_charged(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    run_alone(wait_before_the_sink, &locks);
    assert_int_equal(heard.count, 2);
    assert_delayed(0, WAIT_MUTEX, 10);
    assert_waited(1, WAIT_MUTEX, START_NS + 1000, 10);
    assert_int_equal(locks.mutex.queue.counted, 0);
    assert_int_equal(locks.mutex.queue.counted_from_sum_ns, 0);
}

/* What was let go of while nobody listened is not told to who listens later. */
static void unlock_between_two_sinks(void *argument)
{
    struct locks *locks = argument;
    task_mutex_lock(&locks->mutex);
    CHECK(task_spawn("first", hold_in_turn, locks) != NULL);
    CHECK(task_spawn("second", lock_mutex, locks) != NULL);
    task_yield();
    clock_test_advance(1000);
    atomic_store(&probe_sink, NULL);
    task_mutex_unlock(&locks->mutex);
    atomic_store(&probe_sink, &recorder);
    let_others_run();
    CHECK(locks->done == 2);
}

static void a_delay_that_nobody_heard_of_is_not_charged_later(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    run_alone(unlock_between_two_sinks, &locks);
    assert_int_equal(heard.delayed_ns, 100);
    assert_int_equal(locks.mutex.queue.counted, 0);
    assert_int_equal(locks.mutex.queue.counted_from_sum_ns, 0);
}

static void wait_beyond_the_sink(void *argument)
{
    struct locks *locks = argument;
    task_mutex_lock(&locks->mutex);
    CHECK(task_spawn("waiter", lock_mutex, locks) != NULL);
    task_yield();
    clock_test_advance(1000);
    atomic_store(&probe_sink, NULL);
    task_mutex_unlock(&locks->mutex);
    let_others_run();
    CHECK(locks->done == 1);
}

static void a_sink_that_goes_leaves_nothing_counted(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    run_alone(wait_beyond_the_sink, &locks);
    assert_int_equal(heard.count, 0);
    assert_int_equal(locks.mutex.queue.counted, 0);
    assert_int_equal(locks.mutex.queue.counted_from_sum_ns, 0);
}

static void lock_for_reading(void *argument)
{
    struct locks *locks = argument;
    task_rwlock_read_lock(&locks->rwlock);
    task_rwlock_read_unlock(&locks->rwlock);
    locks->done++;
}

static void lock_for_writing(void *argument)
{
    struct locks *locks = argument;
    task_rwlock_write_lock(&locks->rwlock);
    clock_test_advance(30);
    task_rwlock_write_unlock(&locks->rwlock);
    locks->done++;
}

/* A reader before a writer before a reader. */
static void hold_rwlock(void *argument)
{
    struct locks *locks = argument;
    task_rwlock_read_lock(&locks->rwlock);
    CHECK(task_spawn("writer", lock_for_writing, locks) != NULL);
    CHECK(task_spawn("reader", lock_for_reading, locks) != NULL);
    task_yield();
    clock_test_advance(1000);
    task_rwlock_read_unlock(&locks->rwlock);
    let_others_run();
    CHECK(locks->done == 2);
}

static void an_rwlock_tells_for_what_it_was_held_and_wanted(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    heard.guard = &locks.rwlock.queue.guard;
    run_alone(hold_rwlock, &locks);
    assert_int_equal(heard.count, 4);
    assert_delayed(0, WAIT_RWLOCK_READ, 2 * 1000);
    assert_waited(1, WAIT_RWLOCK_WRITE, START_NS, 1000);
    assert_delayed(2, WAIT_RWLOCK_WRITE, 30);
    assert_waited(3, WAIT_RWLOCK_READ, START_NS, 1000 + 30);
}

static void wait_for_condition_and_group(void *argument)
{
    struct locks *locks = argument;
    task_mutex_lock(&locks->mutex);
    CHECK(task_condition_wait(&locks->condition, &locks->mutex, TIMEOUT_NEVER) == 0);
    task_mutex_unlock(&locks->mutex);
    CHECK(task_group_wait(&locks->group, TIMEOUT_NEVER) == 0);
    locks->done++;
}

static void signal_and_be_done(void *argument)
{
    struct locks *locks = argument;
    task_group_add(&locks->group, 1);
    CHECK(task_spawn("waiter", wait_for_condition_and_group, locks) != NULL);
    task_yield();
    clock_test_advance(70);
    task_condition_signal(&locks->condition);
    task_yield();
    clock_test_advance(80);
    task_group_done(&locks->group);
    task_yield();
    CHECK(locks->done == 1);
}

static void a_condition_and_a_group_tell_their_waiters(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    run_alone(signal_and_be_done, &locks);
    assert_int_equal(heard.count, 2);
    assert_waited(0, WAIT_CONDITION, START_NS, 70);
    assert_waited(1, WAIT_GROUP, START_NS + 70, 80);
}

/* Many who come, wait, are overtaken and handed it: what the holders are charged is what the waiters have waited. */

static void lock_often(void *argument)
{
    struct locks *locks = argument;
    uint32_t random = (uint32_t)task_id(task_self());
    for (unsigned i = 0; i < 100; i++) {
        task_mutex_lock(&locks->mutex);
        for (unsigned turns = random % 4; turns > 0; turns--)
            task_yield();
        random = random * 1664525 + 1013904223;
        clock_test_advance(random >> 20);
        task_mutex_unlock(&locks->mutex);
        if (random >> 31)
            task_yield();
    }
    locks->done++;
}

static void lock_often_together(void *argument)
{
    struct locks *locks = argument;
    for (unsigned i = 0; i < 12; i++)
        CHECK(task_spawn("often", lock_often, locks) != NULL);
    while (locks->done < 12)
        task_yield();
}

static void holders_are_charged_what_waiters_wait(void **state)
{
    (void)state;
    struct locks locks = {.done = 0};
    run_alone(lock_often_together, &locks);
    assert_true(heard.count > 1000);
    print_message("waited %llu ns, charged %llu ns\n", (unsigned long long)heard.waited_ns,
                  (unsigned long long)heard.delayed_ns);
    assert_in_range(heard.delayed_ns, heard.waited_ns - heard.waited_ns / 20, heard.waited_ns);
}

/* Offload: the pool of this program has one thread, see main. */

struct occupied {
    atomic_bool go;
    unsigned done;
    uint64_t sync_id;
};

static void occupy_thread(void *argument)
{
    struct occupied *occupied = argument;
    WAIT_UNTIL(atomic_load(&occupied->go));
}

static void occupy_pool(void *argument)
{
    struct occupied *occupied = argument;
    CHECK(task_offload(WAIT_OFFLOAD, occupy_thread, occupied) == 0);
    occupied->done++;
}

static void take_time(void *argument)
{
    (void)argument;
    clock_test_advance(7000);
}

static void sync_behind_it(void *argument)
{
    struct occupied *occupied = argument;
    occupied->sync_id = task_id(task_self());
    CHECK(task_offload(WAIT_FSYNC, take_time, NULL) == 0);
    occupied->done++;
}

static void queue_for_the_pool(void *argument)
{
    struct occupied *occupied = argument;
    CHECK(task_spawn("occupies", occupy_pool, occupied) != NULL);
    task_yield();
    CHECK(task_spawn("syncs", sync_behind_it, occupied) != NULL);
    task_yield();
    clock_test_advance(500);
    atomic_store(&occupied->go, true);
    while (occupied->done < 2)
        task_yield();
}

static unsigned find_event(uint64_t of_task)
{
    unsigned index = 0;
    while (index < heard.count && heard.event[index].task_id != of_task)
        index++;
    return index;
}

static void an_offloads_wait_is_the_queues_until_a_thread_takes_it_up(void **state)
{
    (void)state;
    struct occupied occupied = {.done = 0};
    run_alone(queue_for_the_pool, &occupied);
    unsigned index = find_event(occupied.sync_id);
    assert_waited(index, WAIT_OFFLOAD_QUEUE, START_NS, 500);
    assert_waited(index + 1, WAIT_FSYNC, START_NS + 500, 7000);
}

/* A cancel wakes it for nothing while it is still queued. */
static void cancel_in_the_queue(void *argument)
{
    struct occupied *occupied = argument;
    CHECK(task_spawn("occupies", occupy_pool, occupied) != NULL);
    task_yield();
    struct task *syncs = task_spawn("syncs", sync_behind_it, occupied);
    task_yield();
    clock_test_advance(500);
    task_cancel(syncs);
    task_yield();
    clock_test_advance(300);
    atomic_store(&occupied->go, true);
    while (occupied->done < 2)
        task_yield();
}

static void a_spurious_wake_in_the_queue_leaves_it_the_queues(void **state)
{
    (void)state;
    struct occupied occupied = {.done = 0};
    run_alone(cancel_in_the_queue, &occupied);
    unsigned index = find_event(occupied.sync_id);
    assert_waited(index, WAIT_OFFLOAD_QUEUE, START_NS, 500);
    unsigned next = index + 1;
    while (next < heard.count && heard.event[next].task_id != occupied.sync_id)
        next++;
    assert_waited(next, WAIT_OFFLOAD_QUEUE, START_NS + 500, 300);
    assert_waited(next + 1, WAIT_FSYNC, START_NS + 800, 7000);
}

static void take_time_once_parked(void *task)
{
    WAIT_UNTIL(task_reason(task) == WAIT_FILE);
    take_time(NULL);
}

static void offload_to_thread(void *argument)
{
    (void)argument;
    task_offload_to_thread(WAIT_FILE, "aside", take_time_once_parked, task_self());
}

static void work_on_a_thread_of_its_own_has_no_queue(void **state)
{
    (void)state;
    run_alone(offload_to_thread, NULL);
    assert_int_equal(heard.count, 1);
    assert_waited(0, WAIT_FILE, START_NS, 7000);
}

/* Two reactors, and a sink that comes and goes. */

struct hammered {
    struct locks locks;
    struct task_group group;
    atomic_uint done;
};

static void hammer(void *argument)
{
    struct hammered *hammered = argument;
    for (unsigned i = 0; i < SCALED(20000, 2000); i++) {
        task_mutex_lock(&hammered->locks.mutex);
        if (i % 64 == 0)
            task_yield();
        task_mutex_unlock(&hammered->locks.mutex);
        if (i % 5 == 0) {
            task_rwlock_write_lock(&hammered->locks.rwlock);
            task_rwlock_write_unlock(&hammered->locks.rwlock);
        } else {
            task_rwlock_read_lock(&hammered->locks.rwlock);
            if (i % 8 == 0)
                task_yield();
            task_rwlock_read_unlock(&hammered->locks.rwlock);
        }
    }
    atomic_fetch_add(&hammered->done, 1);
}

static void a_sink_may_come_and_go_at_any_time(void **state)
{
    (void)state;
    clock_test_real();
    struct hammered hammered = {.done = 0};
    struct reactors reactors;
    reactors_start(&reactors, 2);
    uint64_t start_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(reactor_spawn(reactors.reactor[i % 2], "hammer", hammer, &hammered), 0);
    WAIT_UNTIL(heard_count() > 0 || atomic_load(&hammered.done) == 8);
    for (bool on = false; atomic_load(&hammered.done) < 8; on = !on) {
        atomic_store(&probe_sink, on ? &recorder : NULL);
        sched_yield();
    }
    reactors_end(&reactors);
    uint64_t elapsed_ns = clock_monotonic_ns() - start_ns;
    assert_true(heard.count > 0);
    assert_true(heard.waited_ns <= 8 * elapsed_ns);
    assert_true(heard.delayed_ns <= 8 * elapsed_ns);
    assert_int_equal(hammered.locks.mutex.queue.counted, 0);
    assert_int_equal(hammered.locks.mutex.queue.counted_from_sum_ns, 0);
    assert_int_equal(hammered.locks.rwlock.queue.counted, 0);
    assert_int_equal(hammered.locks.rwlock.queue.counted_from_sum_ns, 0);
}

#define WITH_CLOCK(test) cmocka_unit_test_setup_teardown(test, clock_stops, clock_goes_on)

int main(void)
{
    setenv("UV_THREADPOOL_SIZE", "1", 1); /* libuv reads it at the first offload */
    const struct CMUnitTest tests[] = {
        WITH_CLOCK(waits_are_told_but_for_those_for_clients_and_for_time),
        WITH_CLOCK(nobody_listening_hears_nothing),
        WITH_CLOCK(a_wait_that_began_or_ended_unheard_is_not_told),
        WITH_CLOCK(a_mutex_tells_the_holder_what_it_cost_and_each_waiter_what_it_waited),
        WITH_CLOCK(a_waiters_time_is_charged_once_to_each_who_held),
        WITH_CLOCK(a_waiter_from_before_the_sink_is_not_charged),
        WITH_CLOCK(a_delay_that_nobody_heard_of_is_not_charged_later),
        WITH_CLOCK(a_sink_that_goes_leaves_nothing_counted),
        WITH_CLOCK(an_rwlock_tells_for_what_it_was_held_and_wanted),
        WITH_CLOCK(a_condition_and_a_group_tell_their_waiters),
        WITH_CLOCK(holders_are_charged_what_waiters_wait),
        WITH_CLOCK(an_offloads_wait_is_the_queues_until_a_thread_takes_it_up),
        WITH_CLOCK(a_spurious_wake_in_the_queue_leaves_it_the_queues),
        WITH_CLOCK(work_on_a_thread_of_its_own_has_no_queue),
        WITH_CLOCK(a_sink_may_come_and_go_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
