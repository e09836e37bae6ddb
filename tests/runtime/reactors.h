/* reactors.h: what the tests of the runtime share: reactors to run a task on, and counters to wait for. */
#ifndef TESTS_RUNTIME_REACTORS_H
#define TESTS_RUNTIME_REACTORS_H

#include "runtime/lock.h"
#include "runtime/reactor.h"
#include "runtime/scheduler.h"
#include "runtime/stream.h"
#include "runtime/task.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define REACTORS_MAX 2

/* Sanitizers have their own ideas of how many stacks there can be and how long things take. */
#if CONTEXT_TSAN
#define SCALED(plain, sanitized) (sanitized)
#else
#define SCALED(plain, sanitized) (plain)
#endif

/* A fact cannot be asserted by cmocka on a task's stack (it would longjmp off it): end the process instead. */
#define CHECK(fact) ASSERT(fact)

struct reactors {
    struct reactor *reactor[REACTORS_MAX];
    unsigned count;
};

static inline void reactors_start(struct reactors *reactors, unsigned count)
{
    static const char *const names[REACTORS_MAX] = {"test-0", "test-1"};
    reactors->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct reactor_options options = {.name = names[i]};
        ASSERT(reactor_start(&reactors->reactor[i], &options) == 0);
    }
}

static inline void reactors_end(struct reactors *reactors)
{
    for (unsigned i = 0; i < reactors->count; i++)
        reactor_stop(reactors->reactor[i]);
    for (unsigned i = 0; i < reactors->count; i++)
        reactor_join(reactors->reactor[i]);
}

/* A reactor's queue may need a few passes: wait without a clock. */
#define WAIT_UNTIL(fact) \
    do { \
        while (!(fact)) \
            sched_yield(); \
    } while (0)

/* Run one function as a task on a reactor of its own, to its end. */
struct solo {
    void (*run)(void *argument);
    void *argument;
    atomic_bool done;
};

static inline void solo_main(void *argument)
{
    struct solo *solo = argument;
    solo->run(solo->argument);
    atomic_store(&solo->done, true);
}

static inline void run_on(struct reactor *reactor, void (*run)(void *argument), void *argument)
{
    struct solo solo = {.run = run, .argument = argument};
    ASSERT(reactor_spawn(reactor, "solo", solo_main, &solo) == 0);
    WAIT_UNTIL(atomic_load(&solo.done));
}

static inline void run_alone(void (*run)(void *argument), void *argument)
{
    struct reactors reactors;
    reactors_start(&reactors, 1);
    run_on(reactors.reactor[0], run, argument);
    reactors_end(&reactors);
}

#endif
