/* test_lock.c: mutex, rwlock, condition and group, between the tasks of two reactors. */
#include "reactors.h"

#include "base/mem.h"

/* Tasks that do one thing together on two reactors, and end together. */
struct crew {
    struct task_group group;
    struct task_mutex mutex;
    struct task_rwlock rwlock;
    struct task_condition condition;
    unsigned rounds;
    unsigned counter, other_counter; /* plain: guarded by the lock under test, and TSan looks */
    unsigned queued;
    bool closed;
};

static void wait_for_crew(void *argument)
{
    CHECK(task_group_wait(&((struct crew *)argument)->group, TIMEOUT_NEVER) == 0);
}

static void crew_start(struct crew *crew, struct reactors *reactors, unsigned count, void (*run)(void *argument))
{
    task_group_add(&crew->group, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(reactor_spawn(reactors->reactor[i % reactors->count], "crew", run, crew), 0);
}

static void crew_run(struct crew *crew, unsigned reactor_count, unsigned count, void (*run)(void *argument))
{
    struct reactors reactors;
    reactors_start(&reactors, reactor_count);
    crew_start(crew, &reactors, count, run);
    run_on(reactors.reactor[0], wait_for_crew, crew);
    reactors_end(&reactors);
}

/* Mutex. */

static void count_under_mutex(void *argument)
{
    struct crew *crew = argument;
    for (unsigned i = 0; i < crew->rounds; i++) {
        task_mutex_lock(&crew->mutex);
        CHECK(task_mutex_held(&crew->mutex));
        unsigned before = crew->counter;
        if (i % 16 == 0)
            task_yield(); /* a holder may park: others must wait, not spin for ever */
        crew->counter = before + 1;
        task_mutex_unlock(&crew->mutex);
        CHECK(!task_mutex_held(&crew->mutex));
    }
    task_group_done(&crew->group);
}

static void a_mutex_excludes_across_reactors(void **state)
{
    (void)state;
    struct crew crew = {.rounds = SCALED(5000, 500)};
    crew_run(&crew, 2, 20, count_under_mutex);
    assert_int_equal(crew.counter, 20 * crew.rounds);
    assert_int_equal(atomic_load(&crew.mutex.owner), 0);
    assert_null(crew.mutex.queue.first);
    assert_false(crew.mutex.waking);
}

/* One owner parks and unlocks just while the other lines up, and nobody comes after who could make good a wake that
 * was missed: each round ends only when both had the mutex. */
struct duel {
    struct crew crew;
    atomic_uint arrived;
};

static void meet_and_lock(void *argument)
{
    struct crew *crew = argument;
    struct duel *duel = CONTAINER_OF(crew, struct duel, crew);
    for (unsigned i = 0; i < crew->rounds; i++) {
        atomic_fetch_add(&duel->arrived, 1);
        while (atomic_load(&duel->arrived) < 2 * (i + 1)) {
            task_yield();
            sched_yield(); /* the reactors may share a processor */
        }
        task_mutex_lock(&crew->mutex);
        task_yield();
        crew->counter++;
        task_mutex_unlock(&crew->mutex);
    }
    task_group_done(&crew->group);
}

static void an_unlock_is_not_missed_by_one_who_lines_up(void **state)
{
    (void)state;
    struct duel duel = {.crew.rounds = SCALED(20000, 1000)};
    crew_run(&duel.crew, 2, 2, meet_and_lock);
    assert_int_equal(duel.crew.counter, 2 * duel.crew.rounds);
}

static void a_mutex_excludes_on_one_reactor(void **state)
{
    (void)state;
    struct crew crew = {.rounds = SCALED(2000, 500)};
    crew_run(&crew, 1, 10, count_under_mutex);
    assert_int_equal(crew.counter, 10 * crew.rounds);
}

static void nothing(void *argument)
{
    (void)argument;
}

static void hold_over_offload(void *argument)
{
    struct crew *crew = argument;
    for (unsigned i = 0; i < 50; i++) {
        task_mutex_lock(&crew->mutex);
        unsigned before = crew->counter;
        CHECK(task_offload(WAIT_OFFLOAD, nothing, NULL) == 0);
        crew->counter = before + 1;
        task_mutex_unlock(&crew->mutex);
    }
    task_group_done(&crew->group);
}

static void a_holder_may_offload(void **state)
{
    (void)state;
    struct crew crew = {0};
    crew_run(&crew, 2, 8, hold_over_offload);
    assert_int_equal(crew.counter, 8 * 50);
}

/* One that parks while it holds and never otherwise: the others' turns come only at its unlocks. */
struct greed {
    struct crew crew;
    unsigned rounds_before_other;
    bool other_waits, other_had_it;
};

static void hold_again_and_again(void *argument)
{
    struct greed *greed = CONTAINER_OF((struct crew *)argument, struct greed, crew);
    while (!greed->other_waits)
        task_yield();
    while (!greed->other_had_it && greed->rounds_before_other < 1000) {
        task_mutex_lock(&greed->crew.mutex);
        greed->rounds_before_other += !greed->other_had_it;
        task_yield();
        task_mutex_unlock(&greed->crew.mutex);
    }
    task_group_done(&greed->crew.group);
}

static void lock_once(void *argument)
{
    struct greed *greed = argument;
    greed->other_waits = true;
    task_yield();
    task_mutex_lock(&greed->crew.mutex);
    greed->other_had_it = true;
    task_mutex_unlock(&greed->crew.mutex);
}

static void a_waiter_gets_its_turn_beside_one_who_locks_again_at_once(void **state)
{
    (void)state;
    struct greed greed = {.crew = {.rounds = 0}};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    crew_start(&greed.crew, &reactors, 1, hold_again_and_again);
    run_on(reactors.reactor[0], lock_once, &greed);
    run_on(reactors.reactor[0], wait_for_crew, &greed.crew);
    reactors_end(&reactors);
    assert_in_range(greed.rounds_before_other, 1, 20);
    assert_int_equal(atomic_load(&greed.crew.mutex.owner), 0);
}

/* The holder goes as soon as it has handed over; nobody else comes who could wake the second. */

static void lock_and_count(void *argument)
{
    struct crew *crew = argument;
    task_mutex_lock(&crew->mutex);
    crew->counter++;
    task_mutex_unlock(&crew->mutex);
}

static void hold_until_handed_over(void *argument)
{
    struct crew *crew = argument;
    task_mutex_lock(&crew->mutex);
    CHECK(task_spawn("first", lock_and_count, crew) != NULL);
    CHECK(task_spawn("second", lock_and_count, crew) != NULL);
    for (;;) {
        task_yield();
        task_mutex_unlock(&crew->mutex);
        if ((atomic_load(&crew->mutex.owner) & ~TASK_MUTEX_CONTENDED) != 0)
            break;
        task_mutex_lock(&crew->mutex);
    }
    while (crew->counter < 2)
        task_yield();
}

static void who_is_handed_the_mutex_wakes_the_next(void **state)
{
    (void)state;
    struct crew crew = {.counter = 0};
    run_alone(hold_until_handed_over, &crew);
    assert_int_equal(crew.counter, 2);
    assert_int_equal(atomic_load(&crew.mutex.owner), 0);
}

static void try_while_held(void *argument)
{
    struct crew *crew = argument;
    CHECK(!task_mutex_try_lock(&crew->mutex));
    crew->counter++;
}

static void hold_and_let_try(void *argument)
{
    struct crew *crew = argument;
    CHECK(task_mutex_try_lock(&crew->mutex));
    CHECK(task_spawn("try", try_while_held, crew) != NULL);
    task_yield();
    CHECK(crew->counter == 1);
    task_mutex_unlock(&crew->mutex);
    CHECK(task_mutex_try_lock(&crew->mutex));
    task_mutex_unlock(&crew->mutex);
}

static void try_lock_does_not_wait(void **state)
{
    (void)state;
    struct crew crew = {0};
    run_alone(hold_and_let_try, &crew);
}

/* Whoever finds himself the last one frees the mutex after his unlock, as with a counted object. */

struct counted {
    struct task_mutex mutex;
    unsigned references;
};

struct sharing {
    struct counted *counted;
    struct task_group *group;
};

static void use_and_release(void *argument)
{
    struct sharing *sharing = argument;
    struct counted *counted = sharing->counted;
    task_mutex_lock(&counted->mutex);
    if (counted->references % 3 == 0)
        task_yield();
    bool is_last = --counted->references == 0;
    task_mutex_unlock(&counted->mutex);
    if (is_last)
        mem_free(counted); /* so that ASan sees a late touch */
    task_group_done(sharing->group);
}

static void share_mutexes(void *argument)
{
    struct reactors *reactors = argument;
    for (unsigned i = 0; i < SCALED(3000, 300); i++) {
        struct task_group group = {.pending = 6};
        struct sharing sharing = {.counted = MEM_NEW(struct counted), .group = &group};
        sharing.counted->references = 6;
        for (unsigned j = 0; j < 6; j++)
            CHECK(reactor_spawn(reactors->reactor[j % 2], "user", use_and_release, &sharing) == 0);
        CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    }
}

static void a_mutex_may_go_with_its_last_user(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 2);
    run_on(reactors.reactor[0], share_mutexes, &reactors);
    reactors_end(&reactors);
}

/* Rwlock. */

static void read_and_write(void *argument)
{
    struct crew *crew = argument;
    for (unsigned i = 0; i < crew->rounds; i++) {
        if (i % 5 == 0) {
            task_rwlock_write_lock(&crew->rwlock);
            crew->counter++;
            if (i % 3 == 0)
                task_yield();
            crew->other_counter++;
            task_rwlock_write_unlock(&crew->rwlock);
        } else {
            task_rwlock_read_lock(&crew->rwlock);
            unsigned before = crew->counter;
            CHECK(before == crew->other_counter);
            if (i % 3 == 0)
                task_yield();
            CHECK(before == crew->counter);
            task_rwlock_read_unlock(&crew->rwlock);
        }
    }
    task_group_done(&crew->group);
}

static void readers_never_see_a_half_written_state(void **state)
{
    (void)state;
    struct crew crew = {.rounds = SCALED(2000, 300)};
    crew_run(&crew, 2, 20, read_and_write);
    assert_int_equal(crew.counter, 20 * (crew.rounds / 5));
    assert_int_equal(crew.rwlock.reader_count, 0);
    assert_null(crew.rwlock.writer);
}

struct order {
    struct task_rwlock lock;
    char text[8];
    unsigned size;
};

static void order_write(void *argument)
{
    struct order *order = argument;
    task_rwlock_write_lock(&order->lock);
    order->text[order->size++] = 'w';
    task_rwlock_write_unlock(&order->lock);
}

static void order_read(void *argument)
{
    struct order *order = argument;
    task_rwlock_read_lock(&order->lock);
    order->text[order->size++] = 'r';
    task_yield(); /* so the next reader enters while we are inside, or not at all */
    order->text[order->size++] = 'R';
    task_rwlock_read_unlock(&order->lock);
}

static void order_main(void *argument)
{
    struct order *order = argument;
    task_rwlock_read_lock(&order->lock);
    CHECK(task_spawn("w", order_write, order) != NULL);
    CHECK(task_spawn("r", order_read, order) != NULL);
    CHECK(task_spawn("r", order_read, order) != NULL);
    for (unsigned i = 0; i < 5; i++)
        task_yield();
    CHECK(order->size == 0); /* the waiting writer stops the new readers too */
    task_rwlock_read_unlock(&order->lock);
    for (unsigned i = 0; i < 5; i++)
        task_yield();
}

static void a_waiting_writer_goes_before_new_readers_who_then_enter_together(void **state)
{
    (void)state;
    struct order order = {.size = 0};
    run_alone(order_main, &order);
    assert_string_equal(order.text, "wrrRR");
}

/* Condition. */

static void produce(void *argument)
{
    struct crew *crew = argument;
    for (unsigned i = 0; i < crew->rounds; i++) {
        task_mutex_lock(&crew->mutex);
        crew->queued++;
        task_condition_signal(&crew->condition);
        task_mutex_unlock(&crew->mutex);
        if (i % 8 == 0)
            task_yield();
    }
    task_group_done(&crew->group);
}

static void consume(void *argument)
{
    struct crew *crew = argument;
    task_mutex_lock(&crew->mutex);
    for (;;) {
        while (crew->queued == 0 && !crew->closed)
            CHECK(task_condition_wait(&crew->condition, &crew->mutex, TIMEOUT_NEVER) == 0);
        if (crew->queued == 0)
            break;
        crew->queued--;
        crew->counter++;
    }
    task_mutex_unlock(&crew->mutex);
    task_group_done(&crew->group);
}

static void close_crew(void *argument)
{
    struct crew *crew = argument;
    task_mutex_lock(&crew->mutex);
    crew->closed = true;
    task_condition_broadcast(&crew->condition);
    task_mutex_unlock(&crew->mutex);
}

static void each_signal_is_consumed_once(void **state)
{
    (void)state;
    struct crew crew = {.rounds = SCALED(3000, 500)};
    struct reactors reactors;
    reactors_start(&reactors, 2);
    /* The producers count themselves out of the same group; consumers stay until the close. */
    crew_start(&crew, &reactors, 6, produce);
    run_on(reactors.reactor[0], wait_for_crew, &crew);
    crew_start(&crew, &reactors, 7, consume);
    crew_start(&crew, &reactors, 5, produce);
    run_on(reactors.reactor[1], close_crew, &crew);
    run_on(reactors.reactor[0], wait_for_crew, &crew);
    reactors_end(&reactors);
    /* What was produced after the close and after the last consumer had gone is still queued. */
    assert_int_equal(crew.counter + crew.queued, 11 * crew.rounds);
    assert_true(crew.counter >= 6 * crew.rounds);
}

static void time_out_on_condition(void *argument)
{
    struct crew *crew = argument;
    task_mutex_lock(&crew->mutex);
    CHECK(task_condition_wait(&crew->condition, &crew->mutex, 1) == UV_ETIMEDOUT);
    CHECK(task_mutex_held(&crew->mutex));
    CHECK(crew->condition.queue.first == NULL);
    task_cancel(task_self());
    CHECK(task_condition_wait(&crew->condition, &crew->mutex, TIMEOUT_NEVER) == UV_ECANCELED);
    CHECK(task_mutex_held(&crew->mutex));
    task_mutex_unlock(&crew->mutex);
}

static void a_condition_wait_that_ends_early_holds_the_mutex(void **state)
{
    (void)state;
    struct crew crew = {0};
    run_alone(time_out_on_condition, &crew);
}

/* Waits that end by signal, by timeout and by both at once: no signal may be lost to a waiter that gave up. */

struct tickets {
    struct crew crew;
    unsigned issued, taken, timed_out;
};

static void take_tickets(void *argument)
{
    struct tickets *tickets = CONTAINER_OF(argument, struct tickets, crew);
    struct crew *crew = argument;
    task_mutex_lock(&crew->mutex);
    while (!(crew->closed && crew->queued == 0)) {
        if (crew->queued > 0) {
            crew->queued--;
            tickets->taken++;
        } else if (task_condition_wait(&crew->condition, &crew->mutex, 1) == UV_ETIMEDOUT) {
            tickets->timed_out++;
        }
    }
    task_mutex_unlock(&crew->mutex);
    task_group_done(&crew->group);
}

static void issue_tickets(void *argument)
{
    struct tickets *tickets = CONTAINER_OF(argument, struct tickets, crew);
    struct crew *crew = argument;
    for (unsigned i = 0; i < 30; i++) {
        CHECK(task_sleep_ms(1) == 0);
        task_mutex_lock(&crew->mutex);
        crew->queued += 3;
        tickets->issued += 3;
        for (unsigned j = 0; j < 3; j++)
            task_condition_signal(&crew->condition);
        task_mutex_unlock(&crew->mutex);
    }
    close_crew(crew);
    task_group_done(&crew->group);
}

static void timeouts_and_signals_race_without_loss(void **state)
{
    (void)state;
    struct tickets tickets = {.issued = 0};
    struct reactors reactors;
    reactors_start(&reactors, 2);
    crew_start(&tickets.crew, &reactors, 12, take_tickets);
    crew_start(&tickets.crew, &reactors, 1, issue_tickets);
    run_on(reactors.reactor[0], wait_for_crew, &tickets.crew);
    reactors_end(&reactors);
    assert_int_equal(tickets.taken, tickets.issued);
    assert_null(tickets.crew.condition.queue.first);
}

/* The same at one certain moment: the timer, made due by hand, has readied the waiter, and before it runs it is
 * signalled. */

struct late_signal {
    struct task_mutex mutex;
    struct task_condition condition;
    struct task *waiter;
    int rc;
    bool done;
};

static void wait_an_hour(void *argument)
{
    struct late_signal *late = argument;
    late->waiter = task_self();
    task_mutex_lock(&late->mutex);
    late->rc = task_condition_wait(&late->condition, &late->mutex, 3600 * 1000);
    task_mutex_unlock(&late->mutex);
    late->done = true;
}

static void signal_late(void *argument)
{
    struct late_signal *late = argument;
    CHECK(task_spawn("waiter", wait_an_hour, late) != NULL);
    task_yield();
    CHECK(task_reason(late->waiter) == WAIT_CONDITION);
    uv_timer_start(&late->waiter->timer, late->waiter->timer.timer_cb, 0, 0);
    while (task_reason(late->waiter) == WAIT_CONDITION)
        task_yield();
    CHECK(late->waiter->timed_out && task_reason(late->waiter) == WAIT_READY);
    task_condition_signal(&late->condition);
    while (!late->done)
        task_yield();
    CHECK(late->rc == 0); /* it must not be lost: nobody else got it */
}

static void a_signal_that_meets_a_timeout_counts(void **state)
{
    (void)state;
    struct late_signal late = {.rc = -1};
    run_alone(signal_late, &late);
}

/* Pitfall 10: the group lives on the waiter's stack and is gone right after the last done. */

static void done_soon(void *argument)
{
    task_group_done(argument);
}

struct spawner {
    struct reactor *other;
    unsigned rounds;
};

static void wait_on_own_stack(void *argument)
{
    const struct spawner *spawner = argument;
    for (unsigned i = 0; i < spawner->rounds; i++) {
        struct task_group *group = MEM_NEW(struct task_group); /* freed at once, so that ASan sees a late touch */
        task_group_add(group, 3);
        for (unsigned j = 0; j < 3; j++)
            CHECK(reactor_spawn(spawner->other, "done", done_soon, group) == 0);
        CHECK(task_group_wait(group, TIMEOUT_NEVER) == 0);
        mem_free(group);
    }
}

static void a_group_may_go_as_soon_as_its_wait_returns(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 2);
    struct spawner spawner = {.other = reactors.reactor[1], .rounds = SCALED(3000, 500)};
    run_on(reactors.reactor[0], wait_on_own_stack, &spawner);
    reactors_end(&reactors);
}

static void group_waits_that_end_early(void *argument)
{
    (void)argument;
    struct task_group group = {.pending = 0};
    CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0);
    task_group_add(&group, 1);
    CHECK(task_group_wait(&group, 1) == UV_ETIMEDOUT);
    task_cancel(task_self());
    CHECK(task_group_wait(&group, TIMEOUT_NEVER) == UV_ECANCELED);
    task_group_done(&group);
    CHECK(task_group_wait(&group, TIMEOUT_NEVER) == 0); /* nothing to wait for is no wait */
}

static void a_group_wait_times_out_and_is_cancelled(void **state)
{
    (void)state;
    run_alone(group_waits_that_end_early, NULL);
}

static void done_from_any_thread(void **state)
{
    (void)state;
    struct crew crew = {0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    task_group_add(&crew.group, 1);
    struct solo solo = {.run = wait_for_crew, .argument = &crew};
    assert_int_equal(reactor_spawn(reactors.reactor[0], "waiter", solo_main, &solo), 0);
    task_group_done(&crew.group);
    WAIT_UNTIL(atomic_load(&solo.done));
    reactors_end(&reactors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutex_excludes_across_reactors),
        cmocka_unit_test(an_unlock_is_not_missed_by_one_who_lines_up),
        cmocka_unit_test(a_mutex_excludes_on_one_reactor),
        cmocka_unit_test(a_holder_may_offload),
        cmocka_unit_test(a_waiter_gets_its_turn_beside_one_who_locks_again_at_once),
        cmocka_unit_test(who_is_handed_the_mutex_wakes_the_next),
        cmocka_unit_test(try_lock_does_not_wait),
        cmocka_unit_test(a_mutex_may_go_with_its_last_user),
        cmocka_unit_test(readers_never_see_a_half_written_state),
        cmocka_unit_test(a_waiting_writer_goes_before_new_readers_who_then_enter_together),
        cmocka_unit_test(each_signal_is_consumed_once),
        cmocka_unit_test(a_condition_wait_that_ends_early_holds_the_mutex),
        cmocka_unit_test(timeouts_and_signals_race_without_loss),
        cmocka_unit_test(a_signal_that_meets_a_timeout_counts),
        cmocka_unit_test(a_group_may_go_as_soon_as_its_wait_returns),
        cmocka_unit_test(a_group_wait_times_out_and_is_cancelled),
        cmocka_unit_test(done_from_any_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
