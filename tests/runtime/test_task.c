/* test_task.c: tasks start, wait, wake, are cancelled and end. */
#include "reactors.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"

#include <errno.h>
#include <string.h>

static void order_of_two(void *argument)
{
    char **position = argument;
    *(*position)++ = task_name(task_self())[0];
    task_yield();
    *(*position)++ = task_name(task_self())[0];
}

static void spawn_two(void *argument)
{
    CHECK(task_spawn("a", order_of_two, argument) != NULL);
    CHECK(task_spawn("b", order_of_two, argument) != NULL);
    char **position = argument;
    *(*position)++ = '-';
    task_yield();
    *(*position)++ = '+';
    task_yield();
    task_yield();
}

static void tasks_take_turns_in_order(void **state)
{
    (void)state;
    char order[16] = {0}, *position = order;
    run_alone(spawn_two, &position);
    assert_string_equal(order, "-ab+ab");
}

static void check_identity(void *argument)
{
    (void)argument;
    struct task *task = task_self();
    CHECK(strcmp(task_name(task), "solo") == 0);
    CHECK(task_id(task) != 0);
    CHECK(reactor_self() != NULL && strcmp(reactor_name(reactor_self()), "test-0") == 0);
    char thread[16];
    CHECK(pthread_getname_np(pthread_self(), thread, sizeof thread) == 0 && strcmp(thread, "test-0") == 0);
}

static void a_task_knows_itself_and_its_thread_is_named(void **state)
{
    (void)state;
    assert_null(task_self());
    assert_null(reactor_self());
    run_alone(check_identity, NULL);
}

static void long_name(void *argument)
{
    (void)argument;
    CHECK(strlen(task_name(task_self())) == TASK_NAME_SIZE - 1);
}

static void spawn_long_name(void *argument)
{
    (void)argument;
    CHECK(task_spawn("a-name-that-is-longer-than-a-task-has-room-for", long_name, NULL) != NULL);
    task_yield();
}

static void a_long_name_is_cut(void **state)
{
    (void)state;
    run_alone(spawn_long_name, NULL);
}

static void keep_looping(void *argument)
{
    const bool *stop = argument;
    while (!*stop)
        task_yield();
}

static void sleep_at_least(void *argument)
{
    (void)argument;
    static bool stop;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t ms = i % 4, before = clock_monotonic_ns();
        CHECK(task_sleep_ms(ms) == 0);
        CHECK(clock_monotonic_ns() - before >= ms * NS_PER_MS);
        if (i == 10) /* from here on the loop looks at its timers all the time, and not only when one is due */
            CHECK(task_spawn("busy", keep_looping, &stop) != NULL);
    }
    stop = true;
}

static void a_sleep_is_never_too_short(void **state)
{
    (void)state;
    run_alone(sleep_at_least, NULL);
}

static void park_and_time_out(void *argument)
{
    (void)argument;
    CHECK(task_park(WAIT_DATA, 1) == UV_ETIMEDOUT);
    CHECK(task_park(WAIT_DATA, 0) == UV_ETIMEDOUT);
}

static void a_park_times_out(void **state)
{
    (void)state;
    run_alone(park_and_time_out, NULL);
}

static void permit_counts(void *argument)
{
    (void)argument;
    task_unpark(task_self());
    task_unpark(task_self());
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
    CHECK(task_park(WAIT_DATA, 1) == UV_ETIMEDOUT); /* two permits are one */
}

static void a_permit_before_the_park_counts(void **state)
{
    (void)state;
    run_alone(permit_counts, NULL);
}

static void unpark_while_ready(void *argument)
{
    task_unpark(*(struct task **)argument);
}

static void yield_then_park(void *argument)
{
    struct task *task = task_self();
    *(struct task **)argument = task;
    CHECK(task_spawn("waker", unpark_while_ready, argument) != NULL);
    task_yield(); /* the waker runs while we are ready */
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
}

static void a_permit_given_to_a_ready_task_counts(void **state)
{
    (void)state;
    struct task *task;
    run_alone(yield_then_park, &task);
}

/* Pitfall 4: cancel is sticky. */

struct canceled {
    struct task_mutex mutex;
    int sleep_rc, park_rc, again_rc, offload_rc;
    bool offload_ran;
    atomic_bool ready, done;
};

static void note_ran(void *argument)
{
    *(bool *)argument = true;
}

static void wait_until_canceled(void *argument)
{
    struct canceled *seen = argument;
    atomic_store(&seen->ready, true);
    seen->sleep_rc = task_sleep_ms(UINT32_MAX);
    task_mutex_lock(&seen->mutex); /* an uncancelable wait does not eat it */
    task_mutex_unlock(&seen->mutex);
    seen->park_rc = task_park(WAIT_DATA, TIMEOUT_NEVER);
    seen->again_rc = task_park(WAIT_DATA, 1);
    seen->offload_rc = task_offload(WAIT_OFFLOAD, note_ran, &seen->offload_ran);
    atomic_store(&seen->done, true);
}

static void cancel_is_sticky(void **state)
{
    (void)state;
    struct canceled seen = {0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "waits", wait_until_canceled, &seen), 0);
    WAIT_UNTIL(atomic_load(&seen.ready));
    reactors_end(&reactors);
    assert_true(atomic_load(&seen.done));
    assert_int_equal(seen.sleep_rc, UV_ECANCELED);
    assert_int_equal(seen.park_rc, UV_ECANCELED);
    assert_int_equal(seen.again_rc, UV_ECANCELED);
    assert_int_equal(seen.offload_rc, UV_ECANCELED);
    assert_false(seen.offload_ran);
}

static void uncancelable_main(void *argument)
{
    atomic_bool *go = argument;
    task_cancel(task_self());
    unsigned spurious = 0;
    while (!atomic_load(go)) {
        task_park_uncancelable(WAIT_DATA);
        if (++spurious == 1) { /* the cancel's own permit */
            atomic_store(go, true);
            task_unpark(task_self());
        }
    }
    CHECK(spurious == 1);
    CHECK(task_canceled());
}

static void an_uncancelable_park_outlives_a_cancel(void **state)
{
    (void)state;
    atomic_bool go = false;
    run_alone(uncancelable_main, &go);
}

/* Pitfall 1: libuv blocks in the poll of the same pass that ran the timer. */

static void burn(void *argument)
{
    uint64_t start = clock_monotonic_ns();
    while (clock_monotonic_ns() - start < *(uint64_t *)argument)
        continue;
}

/* The timer is due when libuv's pass starts, and no other event comes: without the stop before the poll, the task
 * would wait for ever. */
static void only_a_timer(void *argument)
{
    (void)argument;
    uint64_t burn_ns = 4 * NS_PER_MS;
    for (unsigned i = 0; i < 5; i++) {
        CHECK(task_spawn("burn", burn, &burn_ns) != NULL);
        CHECK(task_sleep_ms(1) == 0);
    }
}

static void a_task_that_a_timer_readied_does_not_sleep_through_the_poll(void **state)
{
    (void)state;
    run_alone(only_a_timer, NULL);
}

/* Pitfall 8: what a task has in registers and on its stack survives; errno is the thread's. */

static void set_errno(void *argument)
{
    (void)argument;
    errno = EDOM;
}

static void errno_is_shared(void *argument)
{
    (void)argument;
    int *address = &errno;
    errno = ERANGE;
    CHECK(task_spawn("other", set_errno, NULL) != NULL);
    task_yield();
    CHECK(address == &errno); /* pinned: thread-local addresses stay good */
    CHECK(errno == EDOM);     /* their content does not */
}

static void errno_does_not_survive_a_wait_but_its_address_does(void **state)
{
    (void)state;
    run_alone(errno_is_shared, NULL);
}

/* Pitfall 9: the loop gets its turn while tasks stay ready, and the lag says what a burst cost. */

static void tick(void *argument)
{
    bool *fired = argument;
    CHECK(task_sleep_ms(1) == 0);
    *fired = true;
}

static void spin_yielding(void *argument)
{
    bool fired = false;
    (void)argument;
    CHECK(task_spawn("tick", tick, &fired) != NULL);
    while (!fired)
        task_yield();
}

static void yielding_lets_timers_fire(void **state)
{
    (void)state;
    run_alone(spin_yielding, NULL);
}

static void a_long_burst_shows_as_lag(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    uint64_t burst_ns = 5 * NS_PER_MS;
    run_on(reactors.reactor[0], burn, &burst_ns);
    WAIT_UNTIL(reactor_lag_ns(reactors.reactor[0]) >= burst_ns);
    reactors_end(&reactors);
}

/* What the sampler reads. */

static void check_execution(void *argument)
{
    (void)argument;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    CHECK(probe_execution.stack_low < here && here < probe_execution.stack_high);
    CHECK(probe_execution.stack_high - probe_execution.stack_low <= STACK_SIZE_BYTES);
    CHECK(probe_execution.switch_frame == 0);
    CHECK(probe_execution.labels->value[LABEL_API] == NULL);
    const char *produce = label_intern(LABEL_API, bytes_of_string("Produce"));
    task_label(LABEL_API, produce);
    task_yield();
    CHECK(probe_execution.labels->value[LABEL_API] == produce);
}

static void between_tasks(struct reactor_message *message)
{
    CHECK(probe_execution.labels == NULL && probe_execution.stack_low == 0 && probe_execution.stack_high == 0);
    message->run = NULL;
}

static void execution_shows_the_task_that_runs(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    run_on(reactors.reactor[0], check_execution, NULL);
    run_on(reactors.reactor[0], check_execution, NULL); /* a reused stack has no labels left */
    struct reactor_message message = {.run = between_tasks};
    assert_int_equal(reactor_post(reactors.reactor[0], &message), 0);
    reactors_end(&reactors);
    assert_null(message.run);
}

/* Offload. */

struct offloaded {
    const char *label;
    char thread[16];
    struct task *self;
    pthread_t id;
};

static void on_pool(void *argument)
{
    struct offloaded *seen = argument;
    seen->label = probe_execution.labels->value[LABEL_API];
    seen->self = task_self();
    seen->id = pthread_self();
    pthread_getname_np(pthread_self(), seen->thread, sizeof seen->thread);
}

static void offload_main(void *argument)
{
    struct offloaded *seen = argument;
    task_label(LABEL_API, label_intern(LABEL_API, bytes_of_string("Fetch")));
    CHECK(task_offload(WAIT_OFFLOAD, on_pool, seen) == 0);
    CHECK(!pthread_equal(seen->id, pthread_self()));
}

static void offloaded_work_carries_the_labels_on_a_named_thread(void **state)
{
    (void)state;
    struct offloaded seen = {0};
    run_alone(offload_main, &seen);
    assert_string_equal(seen.label, "Fetch");
    assert_int_equal(strncmp(seen.thread, "pool-", 5), 0);
    assert_null(seen.self);
}

/* Pitfall 3: the request on the task's stack outlives its callback. */

struct slow_work {
    atomic_bool started, go, returned;
};

static void wait_for_go(void *argument)
{
    struct slow_work *work = argument;
    atomic_store(&work->started, true);
    WAIT_UNTIL(atomic_load(&work->go));
}

static void offload_slow(void *argument)
{
    struct slow_work *work = argument;
    CHECK(task_offload(WAIT_OFFLOAD, wait_for_go, work) == 0);
    CHECK(task_canceled());
    atomic_store(&work->returned, true);
}

static void a_cancel_does_not_end_an_offload(void **state)
{
    (void)state;
    struct slow_work work = {0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "slow", offload_slow, &work), 0);
    WAIT_UNTIL(atomic_load(&work.started));
    reactor_stop(reactors.reactor[0]);
    uint64_t pass = reactor_pass_count(reactors.reactor[0]);
    struct reactor_message ping = {.run = between_tasks};
    assert_int_equal(reactor_post(reactors.reactor[0], &ping), 0);
    WAIT_UNTIL(reactor_pass_count(reactors.reactor[0]) > pass); /* the cancel has reached it */
    assert_false(atomic_load(&work.returned));
    atomic_store(&work.go, true);
    reactors_end(&reactors);
    assert_true(atomic_load(&work.returned));
}

struct thread_work {
    char thread_name[16];
    const char *api;
    bool ran, was_canceled;
};

static void see_the_thread(void *argument)
{
    struct thread_work *work = argument;
    CHECK(task_self() == NULL);
    pthread_getname_np(pthread_self(), work->thread_name, sizeof work->thread_name);
    work->api = probe_execution.labels->value[LABEL_API];
    work->ran = true;
}

static void offload_to_thread_when_canceled(void *argument)
{
    struct thread_work *work = argument;
    task_label(LABEL_API, label_intern(LABEL_API, bytes_of_string("Aside")));
    task_cancel(task_self());
    task_offload_to_thread(WAIT_OFFLOAD, "a thread's name of its own", see_the_thread, work);
    work->was_canceled = task_canceled();
}

static void a_thread_of_its_own_works_for_a_canceled_task_too(void **state)
{
    (void)state;
    struct thread_work work = {.ran = false};
    run_alone(offload_to_thread_when_canceled, &work);
    assert_true(work.ran);
    assert_true(work.was_canceled);
    assert_string_equal(work.thread_name, "a thread's name");
    assert_string_equal(work.api, "Aside");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_take_turns_in_order),
        cmocka_unit_test(a_task_knows_itself_and_its_thread_is_named),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(a_sleep_is_never_too_short),
        cmocka_unit_test(a_park_times_out),
        cmocka_unit_test(a_permit_before_the_park_counts),
        cmocka_unit_test(a_permit_given_to_a_ready_task_counts),
        cmocka_unit_test(cancel_is_sticky),
        cmocka_unit_test(an_uncancelable_park_outlives_a_cancel),
        cmocka_unit_test(a_task_that_a_timer_readied_does_not_sleep_through_the_poll),
        cmocka_unit_test(errno_does_not_survive_a_wait_but_its_address_does),
        cmocka_unit_test(yielding_lets_timers_fire),
        cmocka_unit_test(a_long_burst_shows_as_lag),
        cmocka_unit_test(execution_shows_the_task_that_runs),
        cmocka_unit_test(offloaded_work_carries_the_labels_on_a_named_thread),
        cmocka_unit_test(a_cancel_does_not_end_an_offload),
        cmocka_unit_test(a_thread_of_its_own_works_for_a_canceled_task_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
