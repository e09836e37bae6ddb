/* thread_name.c: a table of thread names that needs neither lock nor allocation, and each thread's copy of its own. */
#include "profiler/thread_name.h"

#include "base/clock.h"
#include "base/label.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define NAME_BYTES 16 /* the kernel's TASK_COMM_LEN */
/* Threads are often named a little after they start. Asking costs a system call, about as much as walking a stack. */
#define REFRESH_NS (10 * NS_PER_MS)

/* Not label_intern, which allocates under a lock: a thread whose malloc is being captured may be inside of it. Filled
 * from the front; a text never changes once it is ready. */
enum name_state { NAME_FREE, NAME_CLAIMED, NAME_READY };
static struct {
    _Atomic(enum name_state) state;
    char text[NAME_BYTES];
} names[LABEL_VALUES_MAX];

static const char *intern(const char text[NAME_BYTES])
{
    for (unsigned i = 0; i < LABEL_VALUES_MAX; i++) {
        enum name_state expected = NAME_FREE;
        if (atomic_compare_exchange_strong(&names[i].state, &expected, NAME_CLAIMED)) {
            memcpy(names[i].text, text, NAME_BYTES);
            atomic_store(&names[i].state, NAME_READY);
            return names[i].text;
        }
        /* One that another thread is just writing is passed by: at worst a name is there twice. */
        if (expected == NAME_READY && strncmp(names[i].text, text, NAME_BYTES) == 0)
            return names[i].text;
    }
    return label_other;
}

const char *thread_name_label(void)
{
    static _Thread_local struct {
        const char *label;
        uint64_t read_ns;
    } own;
    if (!label_key_is_on(LABEL_THREAD))
        return NULL;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* 5 ns, where the exact one costs 25 */
    uint64_t now_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
    if (!own.label || now_ns - own.read_ns >= REFRESH_NS) {
        char text[NAME_BYTES] = "";
        prctl(PR_GET_NAME, text);
        own.label = intern(text);
        own.read_ns = now_ns;
    }
    return own.label;
}
