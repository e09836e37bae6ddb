/* lock.c: mutex, rwlock, condition and group, all on one queue of waiting tasks. */
#include "runtime/lock.h"

#include "base/clock.h"
#include "base/probe.h"
#include "runtime/scheduler.h"

/* Some 50 us at most: sections here are shorter than the wake of another thread. */
#define SPIN_MAX 1000
/* Pauses between two looks grow up to this: each look takes the cache line away from the owner. 0.8 of the time of one
 * pause each, where two reactors share short sections. */
#define SPIN_STEP_MAX 8
/* Who was woken for a mutex and came too late so often is handed it. */
#define LATE_MAX 4

/* Lives on the waiting task's stack. */
struct lock_waiter {
    struct task *task;
    struct lock_waiter *next, *previous;
    bool linked;              /* under the queue's guard; cleared by who wakes it */
    bool writer;              /* rwlock only */
    unsigned late;            /* mutex only: how often it was woken and came too late */
    uint64_t counted_from_ns; /* mutex and rwlock: since when its delay is counted; 0: it is not */
};

static struct task *running(void)
{
    struct task *task = task_self();
    ASSERT(task != NULL);
    return task;
}

static void guard_lock(struct lock_queue *queue)
{
    pthread_mutex_lock(&queue->guard);
}

static void guard_unlock(struct lock_queue *queue)
{
    pthread_mutex_unlock(&queue->guard);
}

/* Delays: what the waiters of a mutex or rwlock have waited is charged to whoever lets go of it, all of it and once.
 * A charge costs the same however many wait, as only the sum of their starts is needed: once charged, each one's start
 * is the time of that charge. All under the guard. */

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

static void delay_begin(struct lock_queue *queue, struct lock_waiter *waiter, uint64_t start_ns)
{
    if (LIKELY(start_ns == 0))
        return;
    waiter->counted_from_ns = later(start_ns, queue->charged_ns);
    queue->counted_from_sum_ns += waiter->counted_from_ns;
    queue->counted++;
}

static void delay_end(struct lock_queue *queue, struct lock_waiter *waiter)
{
    if (LIKELY(waiter->counted_from_ns == 0))
        return;
    queue->counted_from_sum_ns -= later(waiter->counted_from_ns, queue->charged_ns);
    queue->counted--;
    waiter->counted_from_ns = 0;
}

static uint64_t delay_charge(struct lock_queue *queue)
{
    if (LIKELY(queue->counted == 0))
        return 0;
    uint64_t now_ns = clock_monotonic_ns(), now_sum_ns = queue->counted * now_ns;
    uint64_t delay_ns = now_sum_ns - queue->counted_from_sum_ns;
    if ((int64_t)delay_ns <= 0)
        return 0; /* two processors' clocks may differ by some nanoseconds */
    queue->counted_from_sum_ns = now_sum_ns;
    queue->charged_ns = now_ns;
    return delay_ns;
}

/* Now, if a probe sink listens; else 0. */
static uint64_t wait_start(void)
{
    return UNLIKELY(probe_sink_now() != NULL) ? clock_monotonic_ns() : 0;
}

/* Not under the guard: the sink may allocate, lock and take its time. Nor may it need the lock, which may be gone. */
static void tell_delayed(enum wait_reason reason, uint64_t delay_ns)
{
    const struct probe_sink *sink = delay_ns != 0 ? probe_sink_now() : NULL;
    if (sink)
        sink->delayed(wait_reason_text(reason), delay_ns);
}

/* Under the guard. */
static void queue_append(struct lock_queue *queue, struct lock_waiter *waiter)
{
    waiter->linked = true;
    waiter->next = NULL;
    waiter->previous = queue->last;
    *(queue->last ? &queue->last->next : &queue->first) = waiter;
    queue->last = waiter;
}

/* Under the guard. */
static void queue_prepend(struct lock_queue *queue, struct lock_waiter *waiter)
{
    waiter->linked = true;
    waiter->previous = NULL;
    waiter->next = queue->first;
    *(queue->first ? &queue->first->previous : &queue->last) = waiter;
    queue->first = waiter;
}

/* Under the guard. */
static void queue_remove(struct lock_queue *queue, struct lock_waiter *waiter)
{
    *(waiter->previous ? &waiter->previous->next : &queue->first) = waiter->next;
    *(waiter->next ? &waiter->next->previous : &queue->last) = waiter->previous;
    waiter->linked = false;
    delay_end(queue, waiter);
}

/* For the trace: a wake was done by who called the lock's function. */
#define CALLER ((uintptr_t)__builtin_return_address(0))

/* Under the guard, which the woken task must get before it goes on: so we are done with its memory by then. */
static void queue_wake(struct lock_queue *queue, struct lock_waiter *waiter, uintptr_t caller)
{
    struct task *task = waiter->task;
    queue_remove(queue, waiter);
    task_unpark_from(task, caller);
}

/* Park until a waker has taken us off the queue, under the guard on entry and on return. What ends the wait early
 * also takes us off; a waker that came first wins, so that no wake is lost. */
static int queue_wait(struct lock_queue *queue, struct lock_waiter *waiter, enum wait_reason reason, uint64_t deadline)
{
    for (;;) {
        guard_unlock(queue);
        int rc = task_park_until(reason, deadline);
        guard_lock(queue);
        if (!waiter->linked)
            return 0;
        if (rc != 0) {
            queue_remove(queue, waiter);
            return rc;
        }
    }
}

static void queue_wait_uncancelable(struct lock_queue *queue, struct lock_waiter *waiter, enum wait_reason reason,
                                    uint64_t start_ns)
{
    while (waiter->linked) {
        guard_unlock(queue);
        task_park_from(reason, start_ns);
        start_ns = 0;
        guard_lock(queue);
    }
}

/* Mutex. An unlock wakes one waiter but does not hand over: whoever comes first gets it, and nobody waits for a wake.
 * But an owner that unlocks and locks again before it parks would always come first, so patience has an end. */

static bool mutex_take(struct task_mutex *mutex, const struct task *task)
{
    uintptr_t owner = atomic_load_explicit(&mutex->owner, memory_order_relaxed);
    while ((owner & ~TASK_MUTEX_CONTENDED) == 0)
        if (atomic_compare_exchange_weak_explicit(&mutex->owner, &owner, (uintptr_t)task | owner,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return true;
    return false;
}

bool task_mutex_try_lock(struct task_mutex *mutex)
{
    return mutex_take(mutex, running());
}

static const struct task *mutex_owner(const struct task_mutex *mutex)
{
    return (const struct task *)(atomic_load_explicit(&mutex->owner, memory_order_acquire) & ~TASK_MUTEX_CONTENDED);
}

bool task_mutex_held(const struct task_mutex *mutex)
{
    return mutex_owner(mutex) == running();
}

/* Under the guard, by the owner: nobody else may write the word meanwhile. */
static void mutex_set_owner(struct task_mutex *mutex, const struct task *task)
{
    atomic_store_explicit(&mutex->owner, (uintptr_t)task | (mutex->queue.first ? TASK_MUTEX_CONTENDED : 0),
                          memory_order_release);
}

static void spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Worth it only while the owner makes progress on another thread; a parked owner, or one that waits for our own
 * thread, does not. Task and reactor structs are never unmapped, so looking at a stale owner is safe. */
static bool mutex_spin(struct task_mutex *mutex, const struct task *task)
{
    for (unsigned spun = 0, step = 1; spun < SPIN_MAX; spun += step, step += step < SPIN_STEP_MAX) {
        const struct task *owner = mutex_owner(mutex);
        if (!owner) {
            if (mutex_take(mutex, task))
                return true;
        } else if (owner->reactor == task->reactor || task_reason(owner) != WAIT_NONE) {
            return false;
        }
        for (unsigned i = 0; i < step; i++)
            spin_pause();
    }
    return false;
}

void task_mutex_lock_contended(struct task_mutex *mutex)
{
    struct lock_waiter waiter = {.task = running()};
    ASSERT(mutex_owner(mutex) != waiter.task);
    bool woken = false;
    while (!mutex_spin(mutex, waiter.task)) {
        uint64_t start_ns = wait_start(); /* before the guard, which is to be held for few instructions */
        guard_lock(&mutex->queue);
        if (woken) {
            mutex->waking = false;
            waiter.late++;
        }
        /* Who was woken and came too late keeps its turn. */
        (woken ? queue_prepend : queue_append)(&mutex->queue, &waiter);
        delay_begin(&mutex->queue, &waiter, start_ns);
        /* Either it is free, or whoever unlocks it sees the bit. */
        atomic_fetch_or_explicit(&mutex->owner, TASK_MUTEX_CONTENDED, memory_order_relaxed);
        if (mutex_take(mutex, waiter.task)) {
            queue_remove(&mutex->queue, &waiter);
            mutex_set_owner(mutex, waiter.task);
            guard_unlock(&mutex->queue);
            return;
        }
        queue_wait_uncancelable(&mutex->queue, &waiter, WAIT_MUTEX, start_ns);
        guard_unlock(&mutex->queue);
        if (task_mutex_held(mutex))
            return; /* handed over */
        woken = true;
    }
    if (woken) {
        guard_lock(&mutex->queue);
        mutex->waking = false;
        guard_unlock(&mutex->queue);
    }
}

/* Others may have had the mutex, and want to free it, while this still holds the guard. But whoever is queued or just
 * woken must pass the guard before it is done with the mutex, so it is not the last one's to free until then. */
void task_mutex_unlock_contended(struct task_mutex *mutex)
{
    ASSERT(task_mutex_held(mutex));
    guard_lock(&mutex->queue);
    uint64_t delay_ns = delay_charge(&mutex->queue);
    /* One on its way is enough: it wakes the next when it unlocks. */
    struct lock_waiter *first = mutex->waking ? NULL : mutex->queue.first;
    const struct task *next_owner = first && first->late >= LATE_MAX ? first->task : NULL;
    if (first) {
        mutex->waking = !next_owner;
        queue_remove(&mutex->queue, first);
    }
    mutex_set_owner(mutex, next_owner);
    if (first)
        task_unpark_from(first->task, CALLER);
    guard_unlock(&mutex->queue);
    tell_delayed(WAIT_MUTEX, delay_ns);
}

/* Rwlock. An unlock hands over, in order of arrival: readers that stand together enter together. */

/* Under the guard: let in who may enter now. */
static void rwlock_admit(struct task_rwlock *lock, uintptr_t caller)
{
    struct lock_queue *queue = &lock->queue;
    while (queue->first && !lock->writer) {
        if (queue->first->writer) {
            if (lock->reader_count != 0)
                return;
            lock->writer = queue->first->task;
        } else {
            lock->reader_count++;
        }
        queue_wake(queue, queue->first, caller);
    }
}

static void rwlock_lock(struct task_rwlock *lock, bool writer, enum wait_reason reason)
{
    struct lock_waiter waiter = {.task = running(), .writer = writer};
    uint64_t start_ns = 0;
    guard_lock(&lock->queue);
    ASSERT(lock->writer != waiter.task);
    /* Whoever waits already goes first: a waiting writer stops new readers. */
    if (lock->queue.first || lock->writer || (writer && lock->reader_count != 0)) {
        queue_append(&lock->queue, &waiter);
        start_ns = wait_start();
        delay_begin(&lock->queue, &waiter, start_ns);
    } else if (writer) {
        lock->writer = waiter.task;
    } else {
        lock->reader_count++;
    }
    queue_wait_uncancelable(&lock->queue, &waiter, reason, start_ns);
    guard_unlock(&lock->queue);
}

void task_rwlock_read_lock(struct task_rwlock *lock)
{
    rwlock_lock(lock, false, WAIT_RWLOCK_READ);
}

void task_rwlock_write_lock(struct task_rwlock *lock)
{
    rwlock_lock(lock, true, WAIT_RWLOCK_WRITE);
}

void task_rwlock_read_unlock(struct task_rwlock *lock)
{
    guard_lock(&lock->queue);
    ASSERT(lock->reader_count > 0);
    lock->reader_count--;
    uint64_t delay_ns = delay_charge(&lock->queue);
    rwlock_admit(lock, CALLER);
    guard_unlock(&lock->queue);
    tell_delayed(WAIT_RWLOCK_READ, delay_ns);
}

void task_rwlock_write_unlock(struct task_rwlock *lock)
{
    guard_lock(&lock->queue);
    ASSERT(lock->writer == running());
    lock->writer = NULL;
    uint64_t delay_ns = delay_charge(&lock->queue);
    rwlock_admit(lock, CALLER);
    guard_unlock(&lock->queue);
    tell_delayed(WAIT_RWLOCK_WRITE, delay_ns);
}

/* Condition. */

int task_condition_wait(struct task_condition *condition, struct task_mutex *mutex, uint64_t timeout_ms)
{
    struct lock_waiter waiter = {.task = running()};
    uint64_t deadline = task_deadline(timeout_ms);
    guard_lock(&condition->queue);
    queue_append(&condition->queue, &waiter);
    guard_unlock(&condition->queue);
    task_mutex_unlock(mutex);
    guard_lock(&condition->queue);
    int rc = waiter.linked ? queue_wait(&condition->queue, &waiter, WAIT_CONDITION, deadline) : 0;
    guard_unlock(&condition->queue);
    task_mutex_lock(mutex);
    return rc;
}

void task_condition_signal(struct task_condition *condition)
{
    guard_lock(&condition->queue);
    if (condition->queue.first)
        queue_wake(&condition->queue, condition->queue.first, CALLER);
    guard_unlock(&condition->queue);
}

void task_condition_broadcast(struct task_condition *condition)
{
    guard_lock(&condition->queue);
    while (condition->queue.first)
        queue_wake(&condition->queue, condition->queue.first, CALLER);
    guard_unlock(&condition->queue);
}

/* Group. */

void task_group_add(struct task_group *group, int64_t count)
{
    guard_lock(&group->queue);
    group->pending += count;
    ASSERT(group->pending >= 0);
    guard_unlock(&group->queue);
}

void task_group_done(struct task_group *group)
{
    guard_lock(&group->queue);
    ASSERT(group->pending > 0);
    if (--group->pending == 0)
        while (group->queue.first)
            queue_wake(&group->queue, group->queue.first, CALLER);
    guard_unlock(&group->queue);
}

int task_group_wait(struct task_group *group, uint64_t timeout_ms)
{
    struct lock_waiter waiter = {.task = running()};
    uint64_t deadline = task_deadline(timeout_ms);
    int rc = 0;
    guard_lock(&group->queue);
    while (group->pending != 0 && rc == 0) {
        queue_append(&group->queue, &waiter);
        rc = queue_wait(&group->queue, &waiter, WAIT_GROUP, deadline);
    }
    guard_unlock(&group->queue);
    return rc;
}
