/* lock.h: locks that park a task instead of its thread, and say who holds them.
 *
 * They work between tasks of all reactors. A holder may park (in an offloaded fsync, say) while it holds. None may be
 * used outside of a task, but for task_group_add and task_group_done. Zeroed memory is a valid, free lock. */
#ifndef RUNTIME_LOCK_H
#define RUNTIME_LOCK_H

#include "base/check.h"
#include "runtime/task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock_waiter;

/* Waiters in order of arrival. The pthread mutex is held for a few instructions only, never across a park. */
struct lock_queue {
    pthread_mutex_t guard;
    struct lock_waiter *first, *last;
    /* While a probe sink listens: how many waiters' delays are counted, and the sum of the times from which on they
     * are; charged_ns is when they were last charged to somebody. */
    unsigned counted;
    uint64_t counted_from_sum_ns, charged_ns;
};

/* Mutual exclusion. Contended: spins a bounded time if the owner runs on another reactor just now, else parks. Whoever
 * comes first gets it, but one who was woken in vain a few times is handed it, so that nobody waits for ever.
 * Not recursive; not cancelable. Its memory may go once the last unlock has returned. */
struct task_mutex {
    _Atomic uintptr_t owner; /* the task that holds it, 0: free; and TASK_MUTEX_CONTENDED. First: {0} must be valid */
    struct lock_queue queue;
    bool waking; /* one waiter is awake and about to try; under the queue's guard */
};
bool task_mutex_try_lock(struct task_mutex *mutex) MUST_USE;
/* For assertions: the running task holds it. */
bool task_mutex_held(const struct task_mutex *mutex);

/* Somebody is queued, so whoever unlocks must look. Changed under the queue's guard only. */
#define TASK_MUTEX_CONTENDED ((uintptr_t)1)
void task_mutex_lock_contended(struct task_mutex *mutex);
void task_mutex_unlock_contended(struct task_mutex *mutex);

/* Uncontended, each is one locked instruction; that of the lock is a release too, as others look at the owner. What is
 * wrong (no task runs, it holds the mutex already, or does not hold it) fails the test and is asserted over there. */
static inline void task_mutex_lock(struct task_mutex *mutex)
{
    uintptr_t self = (uintptr_t)task_self(), expected = 0;
    if (UNLIKELY(self == 0 || !atomic_compare_exchange_strong_explicit(&mutex->owner, &expected, self,
                                                                       memory_order_acq_rel, memory_order_relaxed)))
        task_mutex_lock_contended(mutex);
}

static inline void task_mutex_unlock(struct task_mutex *mutex)
{
    uintptr_t self = (uintptr_t)task_self(), expected = self;
    if (UNLIKELY(self == 0 || !atomic_compare_exchange_strong_explicit(&mutex->owner, &expected, 0,
                                                                       memory_order_release, memory_order_relaxed)))
        task_mutex_unlock_contended(mutex);
}

/* Many readers or one writer, in order of arrival: a waiting writer stops new readers. Not recursive, not even for
 * readers; not cancelable. */
struct task_rwlock {
    struct lock_queue queue;
    struct task *writer;
    unsigned reader_count;
};
void task_rwlock_read_lock(struct task_rwlock *lock);
void task_rwlock_read_unlock(struct task_rwlock *lock);
void task_rwlock_write_lock(struct task_rwlock *lock);
void task_rwlock_write_unlock(struct task_rwlock *lock);

/* A condition under a task_mutex. */
struct task_condition {
    struct lock_queue queue;
};
/* Unlock, wait, lock again. 0 (perhaps spuriously), UV_ETIMEDOUT, UV_ECANCELED; the mutex is held in each case. */
int task_condition_wait(struct task_condition *condition, struct task_mutex *mutex, uint64_t timeout_ms);
void task_condition_signal(struct task_condition *condition);
void task_condition_broadcast(struct task_condition *condition);

/* Waits for a number of things to be done. It may live on the waiter's stack. */
struct task_group {
    struct lock_queue queue;
    int64_t pending;
};
/* Before the thing starts. [any] */
void task_group_add(struct task_group *group, int64_t count);
/* [any] */
void task_group_done(struct task_group *group);
/* 0, UV_ETIMEDOUT or UV_ECANCELED (things may then still be pending). */
int task_group_wait(struct task_group *group, uint64_t timeout_ms);

#endif
