/* test_cpu_threads.c: CPU time is taken once, whenever its signal comes, its thread is found, and the rate changes. */
#include "profiler/cpu_threads.h"

#include "base/clock.h"
#include "burn.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <cmocka.h>

#define PERIOD_NS (20 * NS_PER_MS)
#define PERIODS 10
#define BURNT_NS (100 * NS_PER_MS)
/* So long that no timer expires by itself. */
#define FOR_EVER_NS (3600 * NS_PER_S)
#define NEWBORN "newborn"

struct fixture {
    struct unwinder *unwinder;
    struct symbols *symbols;
    struct cpu_threads *threads;
    uint64_t taken_ns;
    uint64_t newborn_ns; /* of these, what the thread of this name used */
};

static void add_up(const struct cpu_taken *taken, void *context)
{
    struct fixture *fixture = context;
    fixture->taken_ns += taken->ns;
    if (strcmp(taken->key.labels[LABEL_THREAD], NEWBORN) == 0)
        fixture->newborn_ns += taken->ns;
}

/* Blocked, signals of timers that have expired are on their way for as long as a test wants. */
static void block_signal(int how)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPROF);
    assert_int_equal(pthread_sigmask(how, &signals, NULL), 0);
}

static void start(struct fixture *fixture)
{
    *fixture = (struct fixture){.unwinder = unwinder_create(), .symbols = symbols_create()};
    fixture->threads = cpu_threads_create(fixture->unwinder, fixture->symbols, add_up, fixture);
    block_signal(SIG_BLOCK);
    assert_int_equal(cpu_threads_start(fixture->threads, PERIOD_NS), 0);
}

static void destroy(struct fixture *fixture)
{
    cpu_threads_destroy(fixture->threads);
    symbols_destroy(fixture->symbols);
    unwinder_destroy(fixture->unwinder);
}

static void a_tick_that_comes_after_the_end_is_not_taken_again(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t begin_ns = clock_process_cpu_ns();
    start(&fixture);
    uint64_t thread_count = cpu_threads_count(fixture.threads).thread_count;
    burn(PERIODS * PERIOD_NS);

    cpu_threads_settle(fixture.threads);
    uint64_t settled_ns = fixture.taken_ns, used_ns = clock_process_cpu_ns() - begin_ns;
    block_signal(SIG_UNBLOCK);
    cpu_threads_stop(fixture.threads);

    /* A period begins anywhere within the one before the timer's start. */
    assert_in_range(settled_ns, (PERIODS - 1) * PERIOD_NS, used_ns + thread_count * PERIOD_NS);
    assert_int_equal(fixture.taken_ns, settled_ns);
    destroy(&fixture);
}

static void a_tick_of_the_old_period_is_not_taken_in_the_new_one(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture);
    burn(PERIODS * PERIOD_NS);
    cpu_threads_settle(fixture.threads);
    uint64_t settled_ns = fixture.taken_ns;

    cpu_threads_restart(fixture.threads, FOR_EVER_NS);
    block_signal(SIG_UNBLOCK);
    cpu_threads_drain(fixture.threads);
    assert_int_equal(fixture.taken_ns, settled_ns);
    cpu_threads_stop(fixture.threads);
    assert_int_equal(fixture.taken_ns, settled_ns);
    destroy(&fixture);
}

struct newborn {
    pthread_t thread;
    sem_t has_burnt, may_end;
};

static void *burn_and_stay(void *argument)
{
    struct newborn *newborn = argument;
    pthread_setname_np(pthread_self(), NEWBORN);
    burn(PERIODS * PERIOD_NS);
    sem_post(&newborn->has_burnt);
    while (sem_wait(&newborn->may_end) != 0)
        continue;
    return NULL;
}

/* When it returns, the thread has burnt its time. */
static void newborn_start(struct newborn *newborn)
{
    sem_init(&newborn->has_burnt, 0, 0);
    sem_init(&newborn->may_end, 0, 0);
    assert_int_equal(pthread_create(&newborn->thread, NULL, burn_and_stay, newborn), 0);
    while (sem_wait(&newborn->has_burnt) != 0)
        continue;
}

static void newborn_end(struct newborn *newborn)
{
    sem_post(&newborn->may_end);
    pthread_join(newborn->thread, NULL);
    sem_destroy(&newborn->has_burnt);
    sem_destroy(&newborn->may_end);
}

static void what_no_scan_has_found_yet_is_taken_at_the_end(void **state)
{
    (void)state;
    struct fixture fixture;
    struct newborn newborn;
    start(&fixture);
    newborn_start(&newborn);

    cpu_threads_settle(fixture.threads);
    uint64_t settled_ns = fixture.newborn_ns;
    cpu_threads_restart(fixture.threads, PERIOD_NS);
    cpu_threads_stop(fixture.threads);

    assert_in_range(settled_ns, (PERIODS - 1) * PERIOD_NS, UINT64_MAX);
    assert_in_range(fixture.newborn_ns, settled_ns, settled_ns + PERIOD_NS);
    assert_int_equal(cpu_threads_count(fixture.threads).lost_count, 0);
    newborn_end(&newborn);
    block_signal(SIG_UNBLOCK);
    destroy(&fixture);
}

static void who_gets_no_timer_again_is_counted_and_is_not_new_when_it_does(void **state)
{
    (void)state;
    struct fixture fixture;
    struct newborn newborn;
    struct rlimit limit, none;
    start(&fixture);
    newborn_start(&newborn);
    cpu_threads_scan(fixture.threads);
    uint64_t thread_count = cpu_threads_count(fixture.threads).thread_count;
    cpu_threads_settle(fixture.threads);
    uint64_t settled_ns = fixture.newborn_ns;

    getrlimit(RLIMIT_SIGPENDING, &limit);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    cpu_threads_restart(fixture.threads, PERIOD_NS);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    assert_int_equal(cpu_threads_count(fixture.threads).thread_count, 0);
    burn((PERIODS + 1) * PERIOD_NS); /* more than the other has used in its life */
    cpu_threads_scan(fixture.threads);

    assert_int_equal(cpu_threads_count(fixture.threads).thread_count, thread_count);
    assert_int_equal(cpu_threads_count(fixture.threads).refused_count, thread_count);
    cpu_threads_stop(fixture.threads);
    assert_in_range(fixture.newborn_ns, settled_ns, settled_ns + PERIOD_NS);
    newborn_end(&newborn);
    block_signal(SIG_UNBLOCK);
    destroy(&fixture);
}

/* Each time true to one period of each thread; with signals that come at once, and with those that never do. */
static void however_often_the_rate_changes_all_time_is_taken(void **state)
{
    (void)state;
    static const uint64_t periods_ns[] = {4 * NS_PER_MS, 50 * NS_PER_MS, 10 * NS_PER_MS, 20 * NS_PER_MS};
    struct fixture fixture;
    start(&fixture);
    cpu_threads_settle(fixture.threads);
    for (size_t i = 0; i < 2 * ARRAY_COUNT(periods_ns); i++) {
        uint64_t period_ns = periods_ns[i % ARRAY_COUNT(periods_ns)], begin_ns = clock_process_cpu_ns();
        block_signal(i < ARRAY_COUNT(periods_ns) ? SIG_BLOCK : SIG_UNBLOCK);
        fixture.taken_ns = 0;
        cpu_threads_restart(fixture.threads, period_ns);
        uint64_t thread_count = cpu_threads_count(fixture.threads).thread_count;
        burn(BURNT_NS);
        cpu_threads_settle(fixture.threads);
        uint64_t used_ns = clock_process_cpu_ns() - begin_ns;
        assert_in_range(fixture.taken_ns, BURNT_NS - period_ns, used_ns + thread_count * period_ns);
    }
    cpu_threads_stop(fixture.threads);
    destroy(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tick_that_comes_after_the_end_is_not_taken_again),
        cmocka_unit_test(a_tick_of_the_old_period_is_not_taken_in_the_new_one),
        cmocka_unit_test(what_no_scan_has_found_yet_is_taken_at_the_end),
        cmocka_unit_test(who_gets_no_timer_again_is_counted_and_is_not_new_when_it_does),
        cmocka_unit_test(however_often_the_rate_changes_all_time_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
