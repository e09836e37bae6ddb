/* test_reactor.c: threads, messages, wakes from other threads, stop. */
#include "reactors.h"

#include "base/error.h"

#include <signal.h>

/* Messages. */

struct numbered {
    struct reactor_message message;
    unsigned number;
    unsigned *next;
};

static void expect_number(struct reactor_message *message)
{
    struct numbered *numbered = CONTAINER_OF(message, struct numbered, message);
    CHECK(task_self() == NULL && reactor_self() != NULL);
    CHECK(*numbered->next == numbered->number);
    (*numbered->next)++;
}

static void messages_run_in_order_between_tasks(void **state)
{
    (void)state;
    struct reactors reactors;
    struct numbered numbered[100];
    unsigned next = 0;
    reactors_start(&reactors, 1);
    for (unsigned i = 0; i < ARRAY_COUNT(numbered); i++) {
        numbered[i] = (struct numbered){.message.run = expect_number, .number = i, .next = &next};
        assert_int_equal(reactor_post(reactors.reactor[0], &numbered[i].message), 0);
    }
    reactors_end(&reactors);
    assert_int_equal(next, ARRAY_COUNT(numbered));
}

struct again {
    struct reactor_message message;
    unsigned left;
};

static void post_again(struct reactor_message *message)
{
    struct again *again = CONTAINER_OF(message, struct again, message);
    if (--again->left > 0)
        CHECK(reactor_post(reactor_self(), message) == 0);
}

static void a_message_may_post_itself_again(void **state)
{
    (void)state;
    struct reactors reactors;
    struct again again = {.message.run = post_again, .left = 1000};
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_post(reactors.reactor[0], &again.message), 0);
    reactors_end(&reactors);
    assert_int_equal(again.left, 0);
}

static void nothing(void *argument)
{
    (void)argument;
}

static void a_stopped_reactor_refuses(void **state)
{
    (void)state;
    struct reactors reactors;
    struct again again = {.message.run = post_again, .left = 1};
    reactors_start(&reactors, 1);
    reactor_stop(reactors.reactor[0]);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "late", nothing, NULL), ERR_CLOSED);
    reactors_end(&reactors);
    assert_int_equal(reactor_post(reactors.reactor[0], &again.message), ERR_CLOSED);
    assert_int_equal(again.left, 1);
}

static void spawn_late(void *argument)
{
    bool *refused = argument;
    while (task_sleep_ms(1000) == 0)
        continue;
    *refused = task_spawn("late", nothing, NULL) == NULL;
}

static void a_task_of_a_stopping_reactor_cannot_spawn(void **state)
{
    (void)state;
    bool refused = false;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "early", spawn_late, &refused), 0);
    reactors_end(&reactors);
    assert_true(refused);
}

static void count_run(void *argument)
{
    atomic_fetch_add((atomic_uint *)argument, 1);
}

struct hasty {
    struct reactor *reactor;
    atomic_uint accepted, ran;
};

static void *spawn_until_refused(void *argument)
{
    struct hasty *hasty = argument;
    while (atomic_load(&hasty->accepted) < 200 &&
           reactor_spawn(hasty->reactor, "hasty", count_run, &hasty->ran) == 0)
        atomic_fetch_add(&hasty->accepted, 1);
    return NULL;
}

static void what_was_accepted_runs_though_the_stop_comes_at_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < SCALED(50, 10); round++) {
        struct reactors reactors;
        reactors_start(&reactors, 1);
        struct hasty hasty = {.reactor = reactors.reactor[0]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, spawn_until_refused, &hasty), 0);
        WAIT_UNTIL(atomic_load(&hasty.accepted) > 10);
        reactors_end(&reactors);
        pthread_join(thread, NULL);
        assert_int_equal(atomic_load(&hasty.ran), atomic_load(&hasty.accepted));
    }
}

/* Wakes from another reactor. */

struct ping_pong {
    _Atomic(struct task *) side[2];
    atomic_uint turn;
    unsigned rounds;
    struct task_group *group;
};

static void play(struct ping_pong *game, unsigned me)
{
    atomic_store(&game->side[me], task_self());
    for (unsigned i = 0; i < game->rounds; i++) {
        while (atomic_load(&game->turn) % 2 != me)
            CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
        atomic_fetch_add(&game->turn, 1);
        struct task *other = atomic_load(&game->side[!me]);
        if (other)
            task_unpark(other);
    }
    task_group_done(game->group);
}

static void play_first(void *argument)
{
    play(argument, 0);
}

static void play_second(void *argument)
{
    play(argument, 1);
}

static void wait_for_group(void *argument)
{
    CHECK(task_group_wait(argument, TIMEOUT_NEVER) == 0);
}

static void a_storm_of_wakes_between_reactors_loses_none(void **state)
{
    (void)state;
    struct ping_pong games[16] = {{.rounds = 0}};
    struct task_group group = {.pending = 2 * ARRAY_COUNT(games)};
    struct reactors reactors;
    reactors_start(&reactors, 2);
    for (unsigned i = 0; i < ARRAY_COUNT(games); i++) {
        games[i].rounds = SCALED(2000, 300);
        games[i].group = &group;
        assert_int_equal(reactor_spawn(reactors.reactor[i % 2], "first", play_first, &games[i]), 0);
        assert_int_equal(reactor_spawn(reactors.reactor[!(i % 2)], "second", play_second, &games[i]), 0);
    }
    run_on(reactors.reactor[0], wait_for_group, &group);
    reactors_end(&reactors);
    for (unsigned i = 0; i < ARRAY_COUNT(games); i++)
        assert_int_equal(atomic_load(&games[i].turn), 2 * games[i].rounds);
}

/* Pitfall 10: task structs are never unmapped, so a late wake hurts nobody. */

static void publish_self(void *argument)
{
    atomic_store((_Atomic(struct task *) *)argument, task_self());
}

static void a_wake_that_comes_after_the_end_is_harmless(void **state)
{
    (void)state;
    _Atomic(struct task *) gone;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    run_on(reactors.reactor[0], publish_self, &gone);
    WAIT_UNTIL(reactor_task_count(reactors.reactor[0]) == 0);
    task_unpark(gone);
    task_unpark(gone);
    run_on(reactors.reactor[0], nothing, NULL); /* on the same stack, most likely, with that permit gone */
    reactors_end(&reactors);
    task_unpark(gone); /* and after its reactor has ended */

    reactors_start(&reactors, 1); /* which is then used again */
    task_unpark(gone);
    run_on(reactors.reactor[0], publish_self, &gone);
    reactors_end(&reactors);
}

/* Stop, with tasks in every kind of wait. */

struct waits {
    struct task_mutex mutex;
    struct task_condition condition;
    struct task_group group;
    struct task_rwlock rwlock;
    atomic_uint parked, ended;
};

static void wait_sleeping(struct waits *waits)
{
    (void)waits;
    CHECK(task_sleep_ms(UINT32_MAX) == UV_ECANCELED);
}

static void wait_parked(struct waits *waits)
{
    (void)waits;
    int rc;
    while ((rc = task_park(WAIT_DATA, TIMEOUT_NEVER)) == 0)
        continue;
    CHECK(rc == UV_ECANCELED);
}

static void wait_on_condition(struct waits *waits)
{
    task_mutex_lock(&waits->mutex);
    int rc;
    while ((rc = task_condition_wait(&waits->condition, &waits->mutex, TIMEOUT_NEVER)) == 0)
        continue;
    task_mutex_unlock(&waits->mutex);
    CHECK(rc == UV_ECANCELED);
}

static void wait_on_group(struct waits *waits)
{
    CHECK(task_group_wait(&waits->group, TIMEOUT_NEVER) == UV_ECANCELED);
}

static void wait_accepting(struct waits *waits)
{
    (void)waits;
    struct listener *listener;
    int fd, rc = listener_open(&listener, "127.0.0.1", 0);
    if (rc == 0) {
        rc = listener_accept(listener, &fd);
        listener_close(listener);
    }
    CHECK(rc == UV_ECANCELED);
}

static void wait_between_locks(struct waits *waits)
{
    while (!task_canceled()) {
        task_rwlock_write_lock(&waits->rwlock);
        task_yield();
        task_rwlock_write_unlock(&waits->rwlock);
    }
}

static void wait_offloading(struct waits *waits)
{
    (void)waits;
    while (task_offload(WAIT_OFFLOAD, nothing, NULL) == 0)
        continue;
}

static void (*const wait_kinds[])(struct waits *waits) = {
    wait_sleeping, wait_parked, wait_on_condition, wait_on_group, wait_accepting, wait_between_locks, wait_offloading,
};

struct waiting {
    struct waits *waits;
    unsigned kind;
};

static void wait_for_the_end(void *argument)
{
    struct waiting *waiting = argument;
    atomic_fetch_add(&waiting->waits->parked, 1);
    wait_kinds[waiting->kind](waiting->waits);
    CHECK(task_canceled());
    atomic_fetch_add(&waiting->waits->ended, 1);
}

static void stop_unwinds_every_kind_of_wait(void **state)
{
    (void)state;
    struct waits waits = {.group.pending = 1};
    struct waiting waiting[210];
    struct reactors reactors;
    reactors_start(&reactors, 2);
    for (unsigned i = 0; i < ARRAY_COUNT(waiting); i++) {
        waiting[i] = (struct waiting){.waits = &waits, .kind = i % ARRAY_COUNT(wait_kinds)};
        assert_int_equal(reactor_spawn(reactors.reactor[i / 7 % 2], "waits", wait_for_the_end, &waiting[i]), 0);
    }
    WAIT_UNTIL(atomic_load(&waits.parked) == ARRAY_COUNT(waiting));
    reactors_end(&reactors);
    assert_int_equal(atomic_load(&waits.ended), ARRAY_COUNT(waiting));
    assert_int_equal(reactor_task_count(reactors.reactor[0]), 0);
    assert_int_equal(reactor_task_count(reactors.reactor[1]), 0);
}

static void stop_may_be_asked_for_twice(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    reactor_stop(reactors.reactor[0]);
    reactor_stop(reactors.reactor[0]);
    reactors_end(&reactors);
}

/* The thread. */

static void check_signals(void *argument)
{
    (void)argument;
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
    CHECK(sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP));
    CHECK(sigismember(&mask, SIGPIPE) && !sigismember(&mask, SIGPROF) && !sigismember(&mask, SIGSEGV));
    stack_t stack;
    CHECK(sigaltstack(NULL, &stack) == 0);
    CHECK(!(stack.ss_flags & SS_DISABLE) && stack.ss_size >= 64 * 1024);
}

static void signals_that_main_waits_for_are_blocked_and_the_samplers_is_not(void **state)
{
    (void)state;
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    run_alone(check_signals, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int signal = 1; signal < NSIG; signal++)
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
}

static volatile sig_atomic_t handler_ran;
static uintptr_t handler_frame;

static void on_signal(int signal)
{
    (void)signal;
    handler_frame = (uintptr_t)__builtin_frame_address(0);
    handler_ran = 1;
}

static void take_signal(void *argument)
{
    (void)argument;
    struct task *task = task_self();
    raise(SIGPROF);
    CHECK(handler_ran == 1);
    CHECK(handler_frame < task->context.low || handler_frame >= task->context.high);
}

static void a_handler_runs_on_the_signal_stack_and_not_on_the_tasks(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK}, before;
    assert_int_equal(sigaction(SIGPROF, &action, &before), 0);
    run_alone(take_signal, NULL);
    assert_int_equal(sigaction(SIGPROF, &before, NULL), 0);
}

static void passes_are_counted(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    uint64_t before = reactor_pass_count(reactors.reactor[0]);
    run_on(reactors.reactor[0], nothing, NULL);
    WAIT_UNTIL(reactor_pass_count(reactors.reactor[0]) > before);
    reactors_end(&reactors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_run_in_order_between_tasks),
        cmocka_unit_test(a_message_may_post_itself_again),
        cmocka_unit_test(a_stopped_reactor_refuses),
        cmocka_unit_test(a_task_of_a_stopping_reactor_cannot_spawn),
        cmocka_unit_test(what_was_accepted_runs_though_the_stop_comes_at_once),
        cmocka_unit_test(a_storm_of_wakes_between_reactors_loses_none),
        cmocka_unit_test(a_wake_that_comes_after_the_end_is_harmless),
        cmocka_unit_test(stop_unwinds_every_kind_of_wait),
        cmocka_unit_test(stop_may_be_asked_for_twice),
        cmocka_unit_test(signals_that_main_waits_for_are_blocked_and_the_samplers_is_not),
        cmocka_unit_test(a_handler_runs_on_the_signal_stack_and_not_on_the_tasks),
        cmocka_unit_test(passes_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
