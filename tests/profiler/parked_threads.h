/* parked_threads.h: threads for tests that are known to be at some place: computing, in a system call, deaf. */
#ifndef TESTS_PROFILER_PARKED_THREADS_H
#define TESTS_PROFILER_PARKED_THREADS_H

#include "base/check.h"
#include "base/probe.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct test_thread {
    const char *name;
    uint64_t task_id;         /* what it claims to run */
    bool blocks_signal;       /* SIGPROF */
    bool reads;               /* waits in read; else it computes */
    pthread_t thread;
    int pipe[2];
    _Atomic int id;           /* 0 until it is at its place */
    atomic_bool stops;
};

static NOINLINE UNUSED void test_thread_compute(struct test_thread *self)
{
    volatile uint64_t sink = 0;
    atomic_store(&self->id, (int)syscall(SYS_gettid));
    while (!atomic_load_explicit(&self->stops, memory_order_relaxed)) {
        for (int i = 0; i < 1000; i++)
            sink = sink + 1;
#if defined(__SANITIZE_THREAD__)
        usleep(0); /* ThreadSanitizer delivers signals in calls that it knows only */
#endif
    }
}

static NOINLINE UNUSED void test_thread_read(struct test_thread *self)
{
    atomic_store(&self->id, (int)syscall(SYS_gettid)); /* who has started it waits until it sleeps */
#if defined(__SANITIZE_THREAD__)
    while (!atomic_load(&self->stops))
        usleep(1000); /* read is none of those calls */
#else
    char byte;
    while (read(self->pipe[0], &byte, 1) < 0) {}
#endif
}

static inline void *test_thread_main(void *argument)
{
    struct test_thread *self = argument;
    pthread_setname_np(pthread_self(), self->name);
    probe_execution.task_id = self->task_id;
    if (self->blocks_signal) {
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGPROF);
        pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    }
    if (self->reads)
        test_thread_read(self);
    else
        test_thread_compute(self);
    return NULL;
}

/* What the kernel says that it does: 'R', 'S', 'D' ... (proc(5), /proc/PID/stat). */
static inline char thread_state(int thread_id)
{
    char path[64], stat[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
    FILE *file = fopen(path, "r");
    ASSERT(file && fgets(stat, sizeof stat, file));
    fclose(file);
    return strrchr(stat, ')')[2];
}

static inline void test_thread_start(struct test_thread *self)
{
    ASSERT(pipe(self->pipe) == 0);
    ASSERT(pthread_create(&self->thread, NULL, test_thread_main, self) == 0);
    while (atomic_load(&self->id) == 0 || (self->reads && thread_state(self->id) != 'S'))
        sched_yield();
}

static inline void test_thread_end(struct test_thread *self)
{
    atomic_store(&self->stops, true);
    ASSERT(write(self->pipe[1], "x", 1) == 1);
    ASSERT(pthread_join(self->thread, NULL) == 0);
    /* Joined is when it has let go of its stack; until it is off the kernel's list too, a look may find it silent. */
    while (syscall(SYS_tgkill, getpid(), self->id, 0) == 0)
        sched_yield();
    close(self->pipe[0]);
    close(self->pipe[1]);
}

#endif
