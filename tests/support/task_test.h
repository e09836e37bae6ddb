/* task_test.h: run a test's body as a task.
 *
 * cmocka's assertions leave by longjmp, which must not happen on a task's stack; so a body asserts with TASK_CHECK,
 * which prints and ends the process, or it stores what it saw for the test to assert. */
#ifndef SUPPORT_TASK_TEST_H
#define SUPPORT_TASK_TEST_H

#include "base/check.h"
#include "runtime/reactor.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* An assertion for task bodies: the test program ends with the fact that did not hold. */
#define TASK_CHECK(fact) ((fact) ? (void)0 : task_test_failed(__FILE__, __LINE__, #fact))

NORETURN UNUSED static void task_test_failed(const char *file, int line, const char *fact)
{
    fprintf(stderr, "%s:%d: in a task: does not hold: %s\n", file, line, fact);
    abort();
}

struct task_test {
    void (*run)(void *argument);
    void *argument;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool done;
};

static void task_test_body(void *argument)
{
    struct task_test *test = argument;
    test->run(test->argument);
    pthread_mutex_lock(&test->mutex);
    test->done = true;
    pthread_cond_signal(&test->ended);
    pthread_mutex_unlock(&test->mutex);
}

/* Run run(argument) as a task on this reactor and wait for it, from a plain thread. */
UNUSED static void task_test_run_on(struct reactor *reactor, void (*run)(void *argument), void *argument)
{
    struct task_test test = {.run = run, .argument = argument};
    pthread_mutex_init(&test.mutex, NULL);
    pthread_cond_init(&test.ended, NULL);
    ASSERT(reactor_spawn(reactor, "test", task_test_body, &test) == 0);
    pthread_mutex_lock(&test.mutex);
    while (!test.done)
        pthread_cond_wait(&test.ended, &test.mutex);
    pthread_mutex_unlock(&test.mutex);
    pthread_mutex_destroy(&test.mutex);
    pthread_cond_destroy(&test.ended);
}

/* The same on a fresh reactor, which is stopped and joined afterwards: what the body spawned has then ended too. */
UNUSED static void task_test_run_with(void (*run)(void *argument), void *argument)
{
    struct reactor *reactor;
    ASSERT(reactor_start(&reactor, &(struct reactor_options){.name = "test"}) == 0);
    task_test_run_on(reactor, run, argument);
    reactor_stop(reactor);
    reactor_join(reactor);
}

/* The same for a body that takes nothing. */
UNUSED static void task_test_call(void *argument)
{
    void (*const *run)(void) = argument;
    (*run)();
}

UNUSED static void task_test_run(void (*run)(void))
{
    task_test_run_with(task_test_call, &run);
}

#endif
