/* capture.c: walks the caller's own stack, from its registers as they are. */
#include "profiler/capture.h"

#include "base/clock.h"
#include "base/probe.h"
#include "profiler/stack_bounds.h"
#include "profiler/symbols.h"
#include "profiler/thread_name.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* A capture counts itself in before it looks for the unwinder, and out when it is done: once the count is seen at 0
 * after the unwinder was taken away, nobody uses it any more. (Sequentially consistent for that reason.) */
static struct unwinder *_Atomic installed_unwinder;
static struct symbols *_Atomic installed_symbols;
static atomic_uint under_way;

/* A capture is under way on this thread. */
static _Thread_local bool is_capturing;

/* Of the threads of the parent only the one that forked lives on in the child. */
static void forget_other_threads(void)
{
    atomic_store(&under_way, is_capturing);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_other_threads);
}

void capture_install(struct unwinder *unwinder, struct symbols *symbols)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    ASSERT(atomic_load(&installed_unwinder) == NULL);
    atomic_store(&installed_symbols, symbols);
    atomic_store(&installed_unwinder, unwinder);
}

void capture_remove(void)
{
    atomic_store(&installed_unwinder, NULL);
    while (atomic_load(&under_way) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_US}, NULL);
    atomic_store(&installed_symbols, NULL);
}

/* From the frame of a function of ours: what it returns to, and its caller's registers as they are then. */
static void walk(struct capture *capture, struct unwinder *unwinder, const volatile uintptr_t *frame)
{
    struct unwind_start start = {
        .pc = frame[1],
        .pc_is_return_address = true,
        .stack_pointer = (uintptr_t)(frame + 2), /* above the caller's frame pointer and the return address */
        .frame_pointer = frame[0],
    };
    start.stack_high = stack_bounds_high(start.stack_pointer);
    if (start.stack_high == 0)
        start.stack_high = start.stack_pointer; /* nothing to read: the caller alone */
    unsigned depth;
    enum unwind_end end = unwind_walk(unwinder, &start, capture->pcs, UNWIND_DEPTH_MAX, &depth);
    capture->key.depth = depth;
    capture->is_truncated = end == UNWIND_TRUNCATED;
    capture->is_rootless = end == UNWIND_LOST;
}

bool capture_begin_from(struct capture *capture, const void *frame)
{
    if (is_capturing)
        return false;
    is_capturing = true;
    atomic_fetch_add(&under_way, 1);
    struct unwinder *unwinder = atomic_load(&installed_unwinder);
    if (!unwinder) {
        capture_done();
        return false;
    }
    int saved_errno = errno; /* malloc and the locks do not change it */
    capture->key = (struct stack_key){
        .epoch = symbols_epoch_seen(atomic_load(&installed_symbols)),
        .is_parked = true, /* the first address is what a call returns to */
        .pcs = capture->pcs,
    };
    probe_labels(capture->key.labels);
    capture->key.labels[LABEL_THREAD] = thread_name_label();
    walk(capture, unwinder, frame);
    errno = saved_errno;
    return true;
}

NOINLINE bool capture_begin(struct capture *capture)
{
    return capture_begin_from(capture, __builtin_frame_address(0));
}

void capture_done(void)
{
    atomic_fetch_sub(&under_way, 1);
    is_capturing = false;
}
