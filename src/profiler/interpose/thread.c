/* thread.c: stands in front of pthread_create, for this program and all its libraries. */
#include "profiler/threadcreate.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

typedef int (*pthread_create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

const bool threadcreate_hook_is_linked = true;

/* libc's; or a sanitizer's, which stands in front of libc's. */
static pthread_create_fn next_pthread_create(void)
{
    static _Atomic(void *) next;
    void *function = atomic_load_explicit(&next, memory_order_acquire);
    if (!function) {
        function = dlsym(RTLD_NEXT, "pthread_create");
        ASSERT(function);
        atomic_store_explicit(&next, function, memory_order_release);
    }
    pthread_create_fn create;
    memcpy(&create, &function, sizeof create);
    return create;
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
                   void *restrict argument)
{
    struct stack_record *record = threadcreate_look(__builtin_frame_address(0));
    int rc = next_pthread_create()(thread, attributes, run, argument);
    if (rc == 0)
        threadcreate_add(record);
    return rc;
}
