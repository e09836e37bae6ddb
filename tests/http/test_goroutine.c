/* test_goroutine.c: dumps of the runtime's real tasks, whatever their reactors are doing. */
#include "../profiler/burn.h"
#include "../profiler/task_records.h"
#include "../support/task_test.h"
#include "base/mem.h"
#include "profiler/tasks.h"
#include "runtime/lock.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* ThreadSanitizer has room for few stacks. */
#define MANY (SIGNALS_ARE_LATE ? 200u : 5000u)

/* How often to look while things change. Each time, ThreadSanitizer's own thread is waited for in vain. */
#define DUMPS (SIGNALS_ARE_LATE ? 30u : 100u)

static struct reactor *reactor;

static struct reactor *start(const char *name)
{
    struct reactor *started;
    ASSERT(reactor_start(&started, &(struct reactor_options){.name = name}) == 0);
    return started;
}

static void end(struct reactor *ended)
{
    reactor_stop(ended);
    reactor_join(ended);
}

/* A flock of tasks that wait for the end of the test. */
struct flock {
    const char *name;
    unsigned count;
    _Atomic unsigned parked;
};

static NOINLINE void wait_for_the_end(struct flock *flock)
{
    atomic_fetch_add(&flock->parked, 1);
    while (task_park(WAIT_DATA, TIMEOUT_NEVER) == 0) {}
}

static void sheep(void *argument)
{
    wait_for_the_end(argument);
}

static void shepherd(void *argument)
{
    struct flock *flock = argument;
    for (unsigned i = 0; i < flock->count; i++)
        ASSERT(task_spawn(flock->name, sheep, flock));
    wait_for_the_end(flock);
}

static void do_nothing(void *argument)
{
    (void)argument;
}

/* Returns when all are parked. */
static void start_flock(struct reactor *home, struct flock *flock)
{
    ASSERT(reactor_spawn(home, "shepherd", shepherd, flock) == 0);
    while (atomic_load(&flock->parked) < flock->count + 1)
        sched_yield();
    task_test_run_on(home, do_nothing, NULL); /* the last one was about to park: this comes behind it */
}

/* How many tasks of this name there are; the last of them, if one is wanted. */
static unsigned find_tasks(const struct task_dump *dump, const char *name, const struct task_record **last)
{
    unsigned count = 0;
    for (size_t i = 0; i < dump->count; i++)
        if (dump->records[i].id != 0 && strcmp(dump->records[i].name, name) == 0) {
            count++;
            if (last)
                *last = &dump->records[i];
        }
    return count;
}

static void assert_each_once_in_order(const struct task_dump *dump)
{
    bool threads_began = false;
    for (size_t i = 0; i < dump->count; i++) {
        threads_began |= dump->records[i].id == 0;
        if (threads_began)
            assert_int_equal(dump->records[i].id, 0);
        else if (i > 0)
            assert_true(dump->records[i].id > dump->records[i - 1].id);
    }
}

struct stuck {
    int pipe[2];
    atomic_bool stops;
    _Atomic unsigned there;
};

static NOINLINE void spin(struct stuck *stuck)
{
    while (!atomic_load(&stuck->stops)) {
#if defined(__SANITIZE_THREAD__)
        usleep(0); /* ThreadSanitizer delivers signals in calls that it knows only */
#endif
    }
}

static void spinner(void *argument)
{
    struct stuck *stuck = argument;
    atomic_fetch_add(&stuck->there, 1);
    spin(stuck);
}

static NOINLINE void block(struct stuck *stuck)
{
#if defined(__SANITIZE_THREAD__)
    while (!atomic_load(&stuck->stops))
        usleep(1000); /* read is none of those calls */
#else
    char byte;
    while (read(stuck->pipe[0], &byte, 1) < 0) {}
#endif
}

static void blocker(void *argument)
{
    struct stuck *stuck = argument;
    atomic_fetch_add(&stuck->there, 1);
    block(stuck);
}

static void reactors_that_hang_hide_nothing(void **state)
{
    (void)state;
    struct reactor *calm = start("calm"), *spinning = start("spinning"), *blocked = start("blocked");
    struct flock flocks[] = {{.name = "calm one", .count = 100},
                             {.name = "beside the spinner", .count = 50},
                             {.name = "beside the blocker", .count = 70}};
    start_flock(calm, &flocks[0]);
    start_flock(spinning, &flocks[1]);
    start_flock(blocked, &flocks[2]);
    struct stuck stuck = {.there = 0};
    assert_int_equal(pipe(stuck.pipe), 0);
    assert_int_equal(reactor_spawn(spinning, "spinner", spinner, &stuck), 0);
    assert_int_equal(reactor_spawn(blocked, "blocker", blocker, &stuck), 0);
    while (atomic_load(&stuck.there) < 2)
        sched_yield();

    struct task_dump *dump = task_dump_create(profiler);

    assert_each_once_in_order(dump);
    task_dump_renew(dump, PATIENCE_NS);
    const struct task_record *found = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(flocks); i++) {
        assert_int_equal(find_tasks(dump, flocks[i].name, &found), flocks[i].count);
        assert_true(stands_in(found, "wait_for_the_end"));
        assert_string_equal(found->key.labels[LABEL_REASON], "data wait");
        assert_true(found->creator_id != 0);
        assert_true(found->creator_pc != 0);
    }
    assert_string_equal(found->key.labels[LABEL_THREAD], "blocked");
    assert_int_equal(find_tasks(dump, "shepherd", NULL), ARRAY_COUNT(flocks));
    assert_int_equal(find_tasks(dump, "spinner", &found), 1);
    assert_true(found->is_running);
    if (!SIGNALS_ARE_LATE) {
        assert_true(stands_in(found, "spin"));
        assert_string_equal(found->key.labels[LABEL_REASON], "running");
    }
    assert_int_equal(find_tasks(dump, "blocker", &found), 1);
    if (!SIGNALS_ARE_LATE) {
        assert_true(stands_in(found, "block"));
        assert_string_equal(found->key.labels[LABEL_REASON], "syscall");
        assert_int_equal(dump->rootless_count, 0);
        assert_int_equal(dump->silent_count, 0);
    }
    task_dump_destroy(dump);
    atomic_store(&stuck.stops, true);
    assert_int_equal(write(stuck.pipe[1], "x", 1), 1);
    end(calm);
    end(spinning);
    end(blocked);
    close(stuck.pipe[0]);
    close(stuck.pipe[1]);
}

static void many_parked_tasks_are_all_there_with_their_stacks(void **state)
{
    (void)state;
    reactor = start("busy");
    struct flock flock = {.name = "one of many", .count = MANY};
    start_flock(reactor, &flock);

    struct task_dump *dump = task_dump_create(profiler);

    assert_each_once_in_order(dump);
    assert_int_equal(find_tasks(dump, "one of many", NULL), MANY);
    task_dump_renew(dump, PATIENCE_NS);
    assert_int_equal(find_tasks(dump, "one of many", NULL), MANY);
    if (!SIGNALS_ARE_LATE) {
        assert_int_equal(dump->rootless_count, 0);
        assert_int_equal(dump->silent_count, 0);
    }
    task_dump_destroy(dump);
    end(reactor);
}

/* Tasks that come, switch and go all the time. */
struct bustle {
    atomic_bool stops;
};

static void mayfly(void *argument)
{
    (void)argument;
    task_yield();
}

static void breeder(void *argument)
{
    struct bustle *bustle = argument;
    while (!atomic_load(&bustle->stops)) {
        for (int i = 0; i < 4; i++)
            (void)task_spawn("mayfly", mayfly, NULL);
        task_yield();
        if (task_canceled())
            break;
    }
}

static void those_that_stay_are_in_every_dump_while_others_come_and_go(void **state)
{
    (void)state;
    reactor = start("busy");
    struct reactor *other = start("busier");
    struct flock flock = {.name = "stays", .count = 60}, other_flock = {.name = "stays there", .count = 60};
    start_flock(reactor, &flock);
    start_flock(other, &other_flock);
    struct bustle bustle = {false};
    assert_int_equal(reactor_spawn(reactor, "breeder", breeder, &bustle), 0);
    assert_int_equal(reactor_spawn(other, "breeder", breeder, &bustle), 0);

    for (unsigned i = 0; i < DUMPS; i++) {
        struct task_dump *dump = task_dump_create(profiler);
        assert_each_once_in_order(dump);
        assert_int_equal(find_tasks(dump, "stays", NULL), 60);
        assert_int_equal(find_tasks(dump, "stays there", NULL), 60);
        assert_int_equal(find_tasks(dump, "shepherd", NULL), 2);
        assert_true(find_tasks(dump, "breeder", NULL) <= 2);
        task_dump_destroy(dump);
    }
    atomic_store(&bustle.stops, true);
    end(reactor);
    end(other);
}

static struct profile *take(const char *name, const struct profile_query *query)
{
    return finish(open_type(name, query));
}

static void every_sampler_at_once_disturbs_none(void **state)
{
    (void)state;
    reactor = start("busy");
    struct flock flock = {.name = "stays", .count = 60};
    start_flock(reactor, &flock);
    struct bustle bustle = {false};
    assert_int_equal(reactor_spawn(reactor, "breeder", breeder, &bustle), 0);
    const struct profile_query fast = {.rate = 1000}, old = {.parked_for_ns = 1};
    struct collection *cpu = open_type("profile", &fast);
    struct collection *wall = open_type("fgprof", &fast), *other_wall = open_type("fgprof", &fast);

    for (unsigned i = 0; i < DUMPS / 3; i++) {
        struct profile *all = take("goroutine", &(struct profile_query){.rate = 0});
        struct profile *parked = take("goroutineleak", &old);
        assert_true(all->sample_count > 0);
        assert_true(parked->sample_count > 0);
        profile_destroy(all);
        profile_destroy(parked);
    }

    struct profile *profile = finish(wall);
    assert_true(labelled_ns(profile, "reason", "data wait") > 0);
    profile_destroy(profile);
    collection_close(other_wall);
    profile_destroy(finish(cpu));
    atomic_store(&bustle.stops, true);
    end(reactor);
}

/* One task for each way to wait, its name what a dump must show first. All end when the reactor stops. */
static struct task_mutex held_mutex, other_mutex;
static struct task_rwlock held_rwlock;
static struct task_condition condition;
static struct task_group group;

static void hold_them(void *argument)
{
    task_mutex_lock(&held_mutex);
    task_rwlock_write_lock(&held_rwlock);
    task_group_add(&group, 1);
    wait_for_the_end(argument);
    task_rwlock_write_unlock(&held_rwlock);
    task_mutex_unlock(&held_mutex);
}

static void wait_for_mutex(void *argument)
{
    (void)argument;
    task_mutex_lock(&held_mutex);
    task_mutex_unlock(&held_mutex);
}

static void wait_to_read(void *argument)
{
    (void)argument;
    task_rwlock_read_lock(&held_rwlock);
    task_rwlock_read_unlock(&held_rwlock);
}

static void wait_to_write(void *argument)
{
    (void)argument;
    task_rwlock_write_lock(&held_rwlock);
    task_rwlock_write_unlock(&held_rwlock);
}

static void wait_for_condition(void *argument)
{
    (void)argument;
    task_mutex_lock(&other_mutex);
    (void)task_condition_wait(&condition, &other_mutex, TIMEOUT_NEVER);
    task_mutex_unlock(&other_mutex);
}

static void wait_for_group(void *argument)
{
    (void)argument;
    (void)task_group_wait(&group, TIMEOUT_NEVER);
}

static void sleep_long(void *argument)
{
    (void)argument;
    (void)task_sleep_ms(3600 * 1000);
}

static void read_pipe(void *argument)
{
    char byte;
    (void)!read(((int *)argument)[0], &byte, 1);
}

static void wait_for_work(void *argument)
{
    (void)!task_offload(WAIT_FILE, read_pipe, argument);
}

static const struct {
    const char *name;
    void (*run)(void *argument);
} waits[] = {
    {"task_mutex_lock", wait_for_mutex},         {"task_rwlock_read_lock", wait_to_read},
    {"task_rwlock_write_lock", wait_to_write},   {"task_condition_wait", wait_for_condition},
    {"task_group_wait", wait_for_group},         {"task_sleep_ms", sleep_long},
    {"task_offload", wait_for_work},
};

static void spawn_waits(void *argument)
{
    for (size_t i = 0; i < ARRAY_COUNT(waits); i++)
        ASSERT(task_spawn(waits[i].name, waits[i].run, argument));
}

/* So that the list of what is hidden cannot grow old. The mutex's own function may be inlined into who calls it. */
static void a_parked_task_is_shown_from_what_it_called_on(void **state)
{
    (void)state;
    reactor = start("waits");
    struct flock flock = {.count = 0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(reactor_spawn(reactor, "holder", hold_them, &flock), 0);
    assert_int_equal(reactor_spawn(reactor, "spawner", spawn_waits, ends), 0);
    struct task_dump *dump = task_dump_create_parked(profiler, 0);
    while (dump->count < ARRAY_COUNT(waits) + 1) {
        task_dump_destroy(dump);
        sched_yield();
        dump = task_dump_create_parked(profiler, 0);
    }
    task_dump_destroy(dump);

    char *text = take_text("goroutine", 2, &(struct profile_query){.rate = 0});

    for (size_t i = 0; i < ARRAY_COUNT(waits); i++) {
        char *task = mem_printf(", task=%s, thread=waits]:\n", waits[i].name);
        const char *head = strstr(text, task);
        assert_non_null(head);
        char *first = mem_printf("%s(...)\n", waits[i].name);
        assert_int_equal(strncmp(head + strlen(task), first, strlen(first)), 0);
        mem_free(first);
        mem_free(task);
    }
    mem_free(text);
    assert_int_equal(write(ends[1], "x", 1), 1);
    end(reactor);
    close(ends[0]);
    close(ends[1]);
}

static void *short_life(void *argument)
{
    (void)argument;
    pthread_setname_np(pthread_self(), "short life");
    return NULL;
}

/* Threads that come and go, and reactors with them, each time under another name. */
static void *come_and_go(void *argument)
{
    struct bustle *bustle = argument;
    for (unsigned i = 0; !atomic_load(&bustle->stops); i++) {
        pthread_t thread;
        ASSERT(pthread_create(&thread, NULL, short_life, NULL) == 0);
        struct reactor *guest = start(i % 2 ? "guest" : "a guest of a longer name");
        struct flock flock = {.name = "of the guest", .count = 3};
        start_flock(guest, &flock);
        end(guest);
        pthread_join(thread, NULL);
    }
    return NULL;
}

static void threads_and_reactors_may_come_and_go_meanwhile(void **state)
{
    (void)state;
    struct bustle bustle = {false};
    pthread_t thread;
    const struct profile_query fast = {.rate = 1000};
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &bustle), 0);
    struct collection *cpu = open_type("profile", &fast), *wall = open_type("fgprof", &fast);

    for (unsigned i = 0; i < DUMPS; i++) {
        struct task_dump *dump = task_dump_create(profiler);
        assert_each_once_in_order(dump);
        for (size_t j = 0; j < dump->count; j++) {
            const char *name = dump->records[j].key.labels[LABEL_THREAD];
            if (dump->records[j].id != 0 && name)
                assert_true(strcmp(name, "guest") == 0 || strncmp(name, "a guest of a lo", 15) == 0);
        }
        task_dump_destroy(dump);
    }
    atomic_store(&bustle.stops, true);
    pthread_join(thread, NULL);
    profile_destroy(finish(cpu));
    profile_destroy(finish(wall));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reactors_that_hang_hide_nothing),
        cmocka_unit_test(many_parked_tasks_are_all_there_with_their_stacks),
        cmocka_unit_test(those_that_stay_are_in_every_dump_while_others_come_and_go),
        cmocka_unit_test(every_sampler_at_once_disturbs_none),
        cmocka_unit_test(a_parked_task_is_shown_from_what_it_called_on),
        cmocka_unit_test(threads_and_reactors_may_come_and_go_meanwhile),
    };
    return cmocka_run_group_tests(tests, create_profiler, destroy_profiler);
}
