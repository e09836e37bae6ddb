/* test_cpu_timer.c: what a thread brings along when it gets its timer, and how its end is seen. */
#include "profiler/cpu_timer.h"

#include "base/clock.h"
#include "burn.h"
#include "profiler/unwind.h"

#include <setjmp.h>
#include <signal.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#define PERIOD_NS (20 * NS_PER_MS)

static struct cpu_timer_table *table;

/* The signal stays blocked, so that no sample takes away what a test wants to see. */
static int create(void **state)
{
    (void)state;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    table = calloc(1, sizeof *table);
    table->unwinder = unwinder_create();
    return cpu_timer_install(table);
}

static int destroy(void **state)
{
    (void)state;
    cpu_timer_uninstall(table);
    unwinder_destroy(table->unwinder);
    free(table);
    return 0;
}

static pid_t own_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static uint64_t carried_if_absent_at(uint64_t absent_ns)
{
    struct cpu_timer *timer;
    assert_int_equal(cpu_timer_start(table, own_id(), PERIOD_NS, absent_ns, &timer), 0);
    uint64_t carried_ns = atomic_load(&timer->carried_ns);
    cpu_timer_stop(timer);
    cpu_timer_wait_for_handlers();
    assert_true(cpu_timer_is_quiet(timer));
    cpu_timer_release(timer);
    return carried_ns;
}

static void a_newborn_thread_brings_all_that_it_used(void **state)
{
    (void)state;
    burn(5 * PERIOD_NS);
    uint64_t carried_ns = carried_if_absent_at(1);
    assert_true(carried_ns >= 5 * PERIOD_NS);
    assert_int_equal(carried_ns % PERIOD_NS, 0);
}

/* One that a scan missed, or that the kernel had refused a timer: it is found late and has used hours. */
static void a_thread_that_used_more_than_its_age_brings_nothing(void **state)
{
    (void)state;
    uint64_t now_ns = clock_monotonic_ns();
    burn(5 * PERIOD_NS);
    clock_test_freeze(now_ns, 0);
    assert_int_equal(carried_if_absent_at(now_ns), 0);
    clock_test_real();
    assert_int_equal(carried_if_absent_at(0), 0);
}

static void *tell_id(void *id)
{
    *(pid_t *)id = own_id();
    return NULL;
}

static void the_end_of_a_thread_is_seen(void **state)
{
    (void)state;
    struct cpu_timer timer = {.thread_id = own_id()};
    assert_true(cpu_timer_thread_lives(&timer));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, tell_id, &timer.thread_id), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* Joined is when the thread has let go of its stack; its clock goes a moment later. */
    while (cpu_timer_thread_lives(&timer))
        sched_yield();
    struct cpu_timer *started;
    assert_true(cpu_timer_start(table, timer.thread_id, PERIOD_NS, 0, &started) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newborn_thread_brings_all_that_it_used),
        cmocka_unit_test(a_thread_that_used_more_than_its_age_brings_nothing),
        cmocka_unit_test(the_end_of_a_thread_is_seen),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
