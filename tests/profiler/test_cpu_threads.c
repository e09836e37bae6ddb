/* test_cpu_threads.c: CPU time is taken once, whether its signal comes before its timer ends or after. */
#include "profiler/cpu_threads.h"

#include "base/clock.h"
#include "burn.h"
#include "profiler/symbols.h"
#include "profiler/unwind.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define PERIOD_NS (20 * NS_PER_MS)
#define PERIODS 10
/* So long that no timer expires by itself. */
#define FOR_EVER_NS (3600 * NS_PER_S)

struct fixture {
    struct unwinder *unwinder;
    struct symbols *symbols;
    struct cpu_threads *threads;
    uint64_t taken_ns;
};

static void add_up(const struct cpu_taken *taken, void *context)
{
    struct fixture *fixture = context;
    fixture->taken_ns += taken->ns;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tick_that_comes_after_the_end_is_not_taken_again),
        cmocka_unit_test(a_tick_of_the_old_period_is_not_taken_in_the_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
