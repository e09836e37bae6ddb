/* test_visit.c: the profiler's look at every task, while they run, park, start and end. */
#include "reactors.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/probe.h"

#include <stdlib.h>
#include <unistd.h>

/* A visitor that keeps what it took. */

#define FRAMES_MAX 16

struct sight {
    struct probe_task task;
    uintptr_t pc[FRAMES_MAX];
    unsigned depth;
    bool reached_root;
};

struct sights {
    struct sight *sight;
    size_t count, capacity;
};

static PROBE_RACY_LOOK void walk(struct sight *sight)
{
    uintptr_t at = sight->task.frame;
    while (at % 8 == 0 && at >= sight->task.stack_low && at < sight->task.stack_high && sight->depth < FRAMES_MAX) {
        const uintptr_t *record = (const uintptr_t *)at;
        if (record[1] == 0) {
            sight->reached_root = true;
            return;
        }
        sight->pc[sight->depth++] = record[1];
        if (record[0] <= at)
            return;
        at = record[0];
    }
}

static PROBE_RACY_LOOK void look(const struct probe_task *task, void *context)
{
    struct sights *sights = context;
    if (sights->count == sights->capacity) {
        sights->capacity = sights->capacity ? sights->capacity * 2 : 64;
        sights->sight = mem_realloc(sights->sight, sights->capacity * sizeof *sights->sight);
    }
    struct sight *sight = &sights->sight[sights->count];
    *sight = (struct sight){.task = *task};
    if (task->frame != 0)
        walk(sight);
}

static void take(void *context)
{
    ((struct sights *)context)->count++;
}

static int compare_ids(const void *left, const void *right)
{
    uint64_t a = ((const struct sight *)left)->task.id, b = ((const struct sight *)right)->task.id;
    return (a > b) - (a < b);
}

/* Sorted by id; each id is there once, or the process ends. */
static struct sights visit(void)
{
    struct sights sights = {.count = 0};
    struct probe_visitor visitor = {.look = look, .take = take, .context = &sights};
    probe_tasks_fn *tasks = atomic_load(&probe_tasks);
    CHECK(tasks != NULL);
    tasks(&visitor);
    qsort(sights.sight, sights.count, sizeof *sights.sight, compare_ids);
    for (size_t i = 1; i < sights.count; i++)
        CHECK(sights.sight[i].task.id != sights.sight[i - 1].task.id);
    return sights;
}

static const struct sight *find(const struct sights *sights, uint64_t id)
{
    struct sight key = {.task.id = id};
    return sights->count == 0 ? NULL
                              : bsearch(&key, sights->sight, sights->count, sizeof *sights->sight, compare_ids);
}

/* Look until the task is in this state. */
static struct sight see_in_state(uint64_t id, enum wait_reason reason)
{
    struct sight seen = {.depth = 0};
    bool found = false;
    while (!found) {
        struct sights sights = visit();
        const struct sight *sight = find(&sights, id);
        found = sight && sight->task.state == wait_reason_text(reason);
        if (found)
            seen = *sight;
        mem_free(sights.sight);
        sched_yield();
    }
    return seen;
}

/* Many that are parked at one place. */

struct crowd {
    unsigned count;
    atomic_uint parked, ended;
    uint64_t creator_id;
};

static void park_in_crowd(void *argument)
{
    struct crowd *crowd = argument;
    atomic_fetch_add(&crowd->parked, 1);
    while (task_park(WAIT_DATA, TIMEOUT_NEVER) == 0)
        continue;
    atomic_fetch_add(&crowd->ended, 1);
}

static NOINLINE void spawn_crowd(void *argument)
{
    struct crowd *crowd = argument;
    crowd->creator_id = task_id(task_self());
    for (unsigned i = 0; i < crowd->count; i++) {
        CHECK(task_spawn("crowd", park_in_crowd, crowd) != NULL);
        if (i % 256 == 0)
            task_yield();
    }
    while (atomic_load(&crowd->parked) < crowd->count)
        task_yield();
}

static bool is_inside(uintptr_t pc, void (*function)(void *argument))
{
    return pc > (uintptr_t)function && pc < (uintptr_t)function + 4096;
}

static void each_of_many_parked_tasks_is_seen_once_with_its_whole_stack(void **state)
{
    (void)state;
    struct crowd crowd = {.count = SCALED(100000, 2000)};
    struct reactors reactors;
    reactors_start(&reactors, 2);
    run_on(reactors.reactor[0], spawn_crowd, &crowd);
    WAIT_UNTIL(reactor_task_count(reactors.reactor[0]) == crowd.count); /* its creator has ended */
    struct sight first = see_in_state(crowd.creator_id + 1, WAIT_DATA);
    struct sights sights = visit();
    assert_int_equal(atomic_load(&probe_task_count)(), crowd.count);
    assert_int_equal(sights.count, crowd.count);
    for (size_t i = 0; i < sights.count; i++) {
        const struct sight *sight = &sights.sight[i];
        assert_ptr_equal(sight->task.state, wait_reason_text(WAIT_DATA));
        assert_false(sight->task.is_running);
        assert_int_equal(sight->task.creator_id, crowd.creator_id);
        assert_true(is_inside(sight->task.creator_pc, spawn_crowd));
        assert_true(sight->reached_root);
        assert_int_equal(sight->depth, first.depth);
        assert_memory_equal(sight->pc, first.pc, first.depth * sizeof *first.pc);
    }
    assert_true(first.depth >= 3); /* park, task_park..., park_in_crowd, task_main */
    mem_free(sights.sight);
    reactors_end(&reactors);
    assert_int_equal(atomic_load(&crowd.ended), crowd.count);
    assert_int_equal(atomic_load(&probe_task_count)(), 0);
}

/* What is said of one task. */

struct known {
    uint64_t id;
    int thread_id;
    const char *topic;
    atomic_bool is_there, go;
};

static void note_self(struct known *known)
{
    known->id = task_id(task_self());
    known->thread_id = gettid();
    atomic_store(&known->is_there, true);
}

static void spin(void *argument)
{
    struct known *known = argument;
    task_label(LABEL_TOPIC, known->topic);
    note_self(known);
    while (!atomic_load(&known->go))
        continue;
}

static void do_nothing(void *argument)
{
    (void)argument;
}

static void a_task_that_spins_is_seen_and_what_is_behind_it_too(void **state)
{
    (void)state;
    struct known known = {.topic = label_intern(LABEL_TOPIC, bytes_of_string("orders"))};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    struct crowd crowd = {.count = 3};
    run_on(reactors.reactor[0], spawn_crowd, &crowd);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "spins", spin, &known), 0);
    WAIT_UNTIL(atomic_load(&known.is_there));
    struct sights sights = visit();
    assert_int_equal(sights.count, 4);
    const struct probe_task *spins = &find(&sights, known.id)->task;
    assert_true(spins->is_running);
    assert_int_equal(spins->frame, 0);
    assert_string_equal(spins->state, "running");
    assert_string_equal(spins->name, "spins");
    assert_string_equal(spins->thread, "test-0");
    assert_int_equal(spins->thread_id, known.thread_id);
    assert_int_equal(spins->creator_id, 0); /* this thread runs no task */
    assert_true(is_inside(spins->creator_pc, (void (*)(void *))a_task_that_spins_is_seen_and_what_is_behind_it_too));
    assert_ptr_equal(spins->labels[LABEL_TOPIC], known.topic);
    assert_null(spins->labels[LABEL_API]);
    assert_true(spins->since_ns > 0 && spins->since_ns <= clock_monotonic_ns());
    assert_true(sights.sight[0].reached_root);
    mem_free(sights.sight);
    atomic_store(&known.go, true);
    reactors_end(&reactors);
}

struct blocked {
    struct known known;
    int ends[2];
};

static void block_in_read(void *argument)
{
    struct blocked *blocked = argument;
    char byte;
    note_self(&blocked->known);
    CHECK(read(blocked->ends[0], &byte, 1) == 1);
}

static void a_task_that_blocks_its_thread_in_the_kernel_is_seen(void **state)
{
    (void)state;
    struct blocked blocked = {.known = {.id = 0}};
    struct reactors reactors;
    assert_int_equal(pipe(blocked.ends), 0);
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "blocks", block_in_read, &blocked), 0);
    WAIT_UNTIL(atomic_load(&blocked.known.is_there));
    struct sights sights = visit();
    assert_int_equal(sights.count, 1);
    assert_true(sights.sight[0].task.is_running);
    assert_int_equal(sights.sight[0].task.thread_id, blocked.known.thread_id);
    mem_free(sights.sight);
    assert_int_equal(write(blocked.ends[1], "", 1), 1);
    reactors_end(&reactors);
    close(blocked.ends[0]);
    close(blocked.ends[1]);
}

/* States. */

struct states {
    struct task_mutex mutex;
    atomic_bool release;
    _Atomic uint64_t holder, waiter, sleeper, unborn, creator;
};

static void wait_for_mutex(void *argument)
{
    struct states *states = argument;
    atomic_store(&states->waiter, task_id(task_self()));
    task_mutex_lock(&states->mutex);
    task_mutex_unlock(&states->mutex);
}

static void sleep_long(void *argument)
{
    atomic_store(&((struct states *)argument)->sleeper, task_id(task_self()));
    task_sleep_ms(UINT32_MAX);
}

static void hold_and_spin(void *argument)
{
    struct states *states = argument;
    task_mutex_lock(&states->mutex);
    CHECK(task_spawn("waits", wait_for_mutex, states) != NULL);
    CHECK(task_spawn("sleeps", sleep_long, states) != NULL);
    task_yield();
    atomic_store(&states->unborn, task_id(task_spawn("unborn", do_nothing, NULL)));
    atomic_store(&states->holder, task_id(task_self()));
    WAIT_UNTIL(atomic_load(&states->release));
    task_mutex_unlock(&states->mutex);
}

static void each_state_has_its_words(void **state)
{
    (void)state;
    struct states states = {.holder = 0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "holds", hold_and_spin, &states), 0);
    WAIT_UNTIL(atomic_load(&states.holder));
    struct sights sights = visit();
    assert_int_equal(sights.count, 4);
    const struct sight *waiter = find(&sights, atomic_load(&states.waiter));
    const struct sight *sleeper = find(&sights, atomic_load(&states.sleeper));
    const struct sight *unborn = find(&sights, atomic_load(&states.unborn));
    assert_string_equal(find(&sights, atomic_load(&states.holder))->task.state, "running");
    assert_string_equal(waiter->task.state, "mutex lock");
    assert_true(waiter->reached_root);
    assert_int_equal(waiter->task.creator_id, atomic_load(&states.holder));
    assert_true(is_inside(waiter->task.creator_pc, hold_and_spin));
    assert_string_equal(sleeper->task.state, "sleep");
    assert_true(sleeper->reached_root);
    assert_string_equal(unborn->task.state, "runnable");
    assert_false(unborn->task.is_running);
    assert_int_equal(unborn->task.frame, 0);
    mem_free(sights.sight);
    atomic_store(&states.release, true);
    reactors_end(&reactors);
}

struct far {
    struct reactor *other;
    struct states states;
};

static void spawn_far(void *argument)
{
    struct far *far = argument;
    atomic_store(&far->states.creator, task_id(task_self()));
    CHECK(reactor_spawn(far->other, "far", sleep_long, &far->states) == 0);
}

static void a_task_started_from_another_reactor_names_its_creator(void **state)
{
    (void)state;
    struct reactors reactors;
    reactors_start(&reactors, 2);
    struct far far = {.other = reactors.reactor[1]};
    run_on(reactors.reactor[0], spawn_far, &far);
    WAIT_UNTIL(atomic_load(&far.states.sleeper));
    struct sight sight = see_in_state(atomic_load(&far.states.sleeper), WAIT_SLEEP);
    assert_int_equal(sight.task.creator_id, atomic_load(&far.states.creator));
    assert_true(is_inside(sight.task.creator_pc, spawn_far));
    assert_string_equal(sight.task.thread, "test-1");
    reactors_end(&reactors);
}

/* Offload: the pool of this program has one thread, see main. */

static void work_until_told(void *argument)
{
    struct known *known = argument;
    atomic_store(&known->is_there, true);
    WAIT_UNTIL(atomic_load(&known->go));
}

static void offload_until_told(void *argument)
{
    struct known *known = argument;
    known->id = task_id(task_self());
    CHECK(task_offload(WAIT_FSYNC, work_until_told, known) == 0);
}

static void offloaded_work_is_in_the_queue_or_at_work(void **state)
{
    (void)state;
    struct known first = {.id = 0}, second = {.id = 0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "first", offload_until_told, &first), 0);
    WAIT_UNTIL(atomic_load(&first.is_there));
    assert_int_equal(reactor_spawn(reactors.reactor[0], "second", offload_until_told, &second), 0);
    run_on(reactors.reactor[0], do_nothing, NULL); /* behind it, so that it has parked */
    see_in_state(first.id, WAIT_FSYNC);
    see_in_state(second.id, WAIT_OFFLOAD_QUEUE);
    atomic_store(&first.go, true);
    WAIT_UNTIL(atomic_load(&second.is_there));
    see_in_state(second.id, WAIT_FSYNC);
    atomic_store(&second.go, true);
    reactors_end(&reactors);
}

/* A look that comes too late: the task goes on in the middle of it. */

struct moving {
    struct task *task;
    struct known known;
    unsigned looks, takes;
    struct probe_task seen;
};

static void park_then_spin(void *argument)
{
    struct moving *moving = argument;
    moving->task = task_self();
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
    note_self(&moving->known);
    WAIT_UNTIL(atomic_load(&moving->known.go));
}

static void look_and_wake(const struct probe_task *task, void *context)
{
    struct moving *moving = context;
    moving->seen = *task;
    if (moving->looks++ == 0) {
        CHECK(!task->is_running && task->frame != 0);
        task_unpark(moving->task);
        WAIT_UNTIL(atomic_load(&moving->known.is_there));
    }
}

static void take_moving(void *context)
{
    ((struct moving *)context)->takes++;
}

static void a_task_that_moves_during_a_look_is_looked_at_again(void **state)
{
    (void)state;
    struct moving moving = {.looks = 0};
    struct reactors reactors;
    reactors_start(&reactors, 1);
    assert_int_equal(reactor_spawn(reactors.reactor[0], "moves", park_then_spin, &moving), 0);
    run_on(reactors.reactor[0], do_nothing, NULL); /* behind it, so that it has parked */
    WAIT_UNTIL(atomic_load(&probe_task_count)() == 1);
    atomic_load(&probe_tasks)(&(struct probe_visitor){look_and_wake, take_moving, &moving});
    assert_int_equal(moving.looks, 2);
    assert_int_equal(moving.takes, 1);
    assert_true(moving.seen.is_running);
    atomic_store(&moving.known.go, true);
    reactors_end(&reactors);
}

/* Everything at once. */

struct churn {
    struct crowd crowd; /* those that are there all the time */
    atomic_bool stop;
    atomic_uint running;
    atomic_uint yielder_count;
    _Atomic uint64_t yielder[2];
};

static void yield_always(void *argument)
{
    struct churn *churn = argument;
    atomic_store(&churn->yielder[atomic_fetch_add(&churn->yielder_count, 1)], task_id(task_self()));
    while (!atomic_load(&churn->stop))
        task_yield();
    atomic_fetch_sub(&churn->running, 1);
}

static NOINLINE void sleep_at_depth(unsigned levels)
{
    if (levels > 0)
        sleep_at_depth(levels - 1);
    else
        task_yield();
    __asm__ volatile("" ::: "memory");
}

static void short_life(void *argument)
{
    sleep_at_depth((unsigned)(uintptr_t)argument);
}

static void spawn_always(void *argument)
{
    struct churn *churn = argument;
    for (unsigned i = 0; !atomic_load(&churn->stop); i++) {
        CHECK(task_spawn("short", short_life, (void *)(uintptr_t)(i % 7)) != NULL);
        if (i % 3 == 0)
            task_yield();
    }
    atomic_fetch_sub(&churn->running, 1);
}

static bool is_live_state(const char *text)
{
    for (int reason = 0; reason < WAIT_REASON_COUNT; reason++)
        if (text == wait_reason_text((enum wait_reason)reason))
            return true;
    return false;
}

static void check_sights(const struct sights *sights, struct churn *churn)
{
    unsigned in_crowd = 0;
    for (size_t i = 0; i < sights->count; i++) {
        const struct sight *sight = &sights->sight[i];
        assert_true(is_live_state(sight->task.state));
        assert_true(sight->task.id > 0);
        in_crowd += strcmp(sight->task.name, "crowd") == 0;
        /* What was taken of a parked task was whole. */
        if (sight->task.frame != 0)
            assert_true(sight->reached_root);
    }
    assert_int_equal(in_crowd, churn->crowd.count);
    for (unsigned i = 0; i < 2; i++)
        assert_non_null(find(sights, atomic_load(&churn->yielder[i])));
}

static void tasks_that_stay_are_seen_once_while_others_come_and_go(void **state)
{
    (void)state;
    struct churn churn = {.crowd.count = 200, .running = 4};
    struct reactors reactors;
    reactors_start(&reactors, 2);
    run_on(reactors.reactor[0], spawn_crowd, &churn.crowd);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(reactor_spawn(reactors.reactor[i], "yields", yield_always, &churn), 0);
        assert_int_equal(reactor_spawn(reactors.reactor[i], "spawns", spawn_always, &churn), 0);
    }
    WAIT_UNTIL(atomic_load(&churn.yielder[0]) && atomic_load(&churn.yielder[1]));
    for (unsigned i = 0; i < SCALED(500, 60); i++) {
        struct sights sights = visit();
        check_sights(&sights, &churn);
        mem_free(sights.sight);
    }
    atomic_store(&churn.stop, true);
    WAIT_UNTIL(atomic_load(&churn.running) == 0);
    reactors_end(&reactors);
}

int main(void)
{
    setenv("UV_THREADPOOL_SIZE", "1", 1); /* libuv reads it at the first offload */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_spins_is_seen_and_what_is_behind_it_too),
        cmocka_unit_test(a_task_that_blocks_its_thread_in_the_kernel_is_seen),
        cmocka_unit_test(each_state_has_its_words),
        cmocka_unit_test(a_task_started_from_another_reactor_names_its_creator),
        cmocka_unit_test(offloaded_work_is_in_the_queue_or_at_work),
        cmocka_unit_test(a_task_that_moves_during_a_look_is_looked_at_again),
        cmocka_unit_test(tasks_that_stay_are_seen_once_while_others_come_and_go),
        /* Last: its many structs stay, and each look passes by them. */
        cmocka_unit_test(each_of_many_parked_tasks_is_seen_once_with_its_whole_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
