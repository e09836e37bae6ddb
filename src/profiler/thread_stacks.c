/* thread_stacks.c: sends the requests, answers them in the signal handler, waits for the answers. */
#include "profiler/thread_stacks.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/probe.h"
#include "profiler/signal.h"
#include "profiler/thread_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How often it is looked whether all have answered: often at first, as most do within microseconds. */
#define FIRST_NAP_NS (20 * NS_PER_US)
#define LONGEST_NAP_NS NS_PER_MS
/* The kernel drops a signal if the thread has another SIGPROF pending, so who does not answer is asked again. */
#define ASK_AGAIN_NS (10 * NS_PER_MS)
/* In a longer nap the machine stood still, or gave this thread no processor: others had no time to answer, either. */
#define COUNTED_NAP_NS (5 * NS_PER_MS)

enum slot_state {
    SLOT_FREE,
    SLOT_ASKED,
    SLOT_WRITING, /* the thread is in the handler */
    SLOT_ANSWERED,
};

/* One request. Signals name a slot and a generation, so that one which comes late finds that it is no longer meant. */
struct slot {
    _Atomic uint64_t state; /* generation << 32 | enum slot_state */
    pid_t thread_id;        /* the asker's; 0: it has ended */
    /* Written by the thread itself between SLOT_WRITING and SLOT_ANSWERED. */
    struct thread_stack stack;
    uintptr_t pcs[UNWIND_DEPTH_MAX];
};

/* Never freed, because a signal may come at any time. Pages that no thread was asked on are never touched. */
static struct slot slots[THREAD_STACKS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held by who asks */
static uint32_t generation;                              /* of the last who asked */

static uint64_t slot_state(uint32_t slot_generation, enum slot_state state)
{
    return (uint64_t)slot_generation << 32 | state;
}

/* --- in the handler --- */

/* An interrupted call either has failed with EINTR or is about to be made again, so its instruction lies just before
 * the pc or at it. Only bytes of the pc's own page are looked at. */
static bool in_system_call(const ucontext_t *context)
{
    uintptr_t pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP], in_page = pc & 4095;
    if (in_page < 2 || in_page > 4094 || pc >> 47 != 0)
        return false;
    const volatile uint8_t *code = (const volatile uint8_t *)pc;
    bool is_restarted = code[0] == 0x0f && code[1] == 0x05;
    bool is_over = code[-2] == 0x0f && code[-1] == 0x05;
    return is_restarted || (is_over && context->uc_mcontext.gregs[REG_RAX] == -EINTR);
}

static void answer(struct slot *slot, struct unwinder *unwinder, const ucontext_t *context)
{
    struct thread_stack *stack = &slot->stack;
    probe_labels(stack->labels);
    stack->labels[LABEL_THREAD] = thread_name_label();
    stack->task_id = probe_execution.task_id;
    stack->in_system_call = in_system_call(context);
    prctl(PR_GET_NAME, stack->name);
    stack->end = signal_walk(unwinder, context, slot->pcs, &stack->depth);
}

static void on_request(const siginfo_t *info, const ucontext_t *context, void *argument)
{
    uintptr_t value = (uintptr_t)info->si_value.sival_ptr;
    uint32_t index = (uint32_t)value, slot_generation = (uint32_t)(value >> 32);
    if (index >= THREAD_STACKS_MAX)
        return;
    struct slot *slot = &slots[index];
    uint64_t asked = slot_state(slot_generation, SLOT_ASKED);
    if (!atomic_compare_exchange_strong(&slot->state, &asked, slot_state(slot_generation, SLOT_WRITING)))
        return;
    answer(slot, argument, context);
    atomic_store(&slot->state, slot_state(slot_generation, SLOT_ANSWERED));
}

/* --- outside --- */

/* False: the thread has ended. */
static bool send_request(unsigned index)
{
    siginfo_t info = {.si_signo = SIGPROF, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)((uintptr_t)generation << 32 | index);
    /* Any other error (no room for one more queued signal) may be gone when it is asked again. */
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), slots[index].thread_id, SIGPROF, &info) == 0 || errno != ESRCH;
}

/* How many slots are in use then. */
static unsigned ask(unsigned index, pid_t thread_id)
{
    struct slot *slot = &slots[index];
    slot->thread_id = thread_id;
    atomic_store(&slot->state, slot_state(generation, SLOT_ASKED));
    if (send_request(index))
        return index + 1;
    atomic_store(&slot->state, SLOT_FREE);
    return index;
}

/* -errno: the kernel's list of threads cannot be read, for want of a file descriptor. */
static int ask_all(unsigned *count, size_t *left_out_count)
{
    DIR *threads = opendir("/proc/self/task");
    if (!threads)
        return -errno;
    for (struct dirent *entry; (entry = readdir(threads));) {
        pid_t id = (pid_t)atoi(entry->d_name); /* 0 for "." and ".." */
        if (id > 0 && *count == THREAD_STACKS_MAX)
            ++*left_out_count;
        else if (id > 0)
            *count = ask(*count, id);
    }
    closedir(threads);
    return 0;
}

static bool is_awaited(const struct slot *slot)
{
    return slot->thread_id != 0 && (atomic_load(&slot->state) & UINT32_MAX) != SLOT_ANSWERED;
}

static bool all_are_done(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (is_awaited(&slots[i]))
            return false;
    return true;
}

static void ask_again(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (is_awaited(&slots[i]) && !send_request(i))
            slots[i].thread_id = 0;
}

static uint64_t true_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* not a test's clock, which may stand still */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void wait_for_answers(unsigned count, uint64_t timeout_ns)
{
    uint64_t waited_ns = 0, asked_ns = 0, nap_ns = FIRST_NAP_NS;
    while (!all_are_done(count) && waited_ns < timeout_ns) {
        if (waited_ns - asked_ns >= ASK_AGAIN_NS) {
            ask_again(count);
            asked_ns = waited_ns;
        }
        uint64_t begin_ns = true_clock_ns();
        nanosleep(&(struct timespec){.tv_nsec = (long)nap_ns}, NULL);
        uint64_t took_ns = true_clock_ns() - begin_ns;
        waited_ns += took_ns < COUNTED_NAP_NS ? took_ns : COUNTED_NAP_NS;
        nap_ns = nap_ns * 2 < LONGEST_NAP_NS ? nap_ns * 2 : LONGEST_NAP_NS;
    }
}

/* One of the thread's files under /proc, as text; false if there is none, as the thread has ended. */
static bool read_thread_file(pid_t thread_id, const char *file, char *text, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", (int)thread_id, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, capacity - 1);
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size >= 0;
}

static const char *state_text(char state)
{
    switch (state) {
    case 'R': return "running";
    case 'S': return "sleeping";
    case 'D': return "disk sleep";
    case 'T': return "stopped";
    case 't': return "traced";
    default: return "in an unknown state";
    }
}

/* What the kernel says of a thread that has not answered (proc(5), /proc/PID/stat and wchan). False: it has ended. */
static bool describe_silence(struct thread_stack *stack)
{
    char stat[256], wait_channel[64], text[LABEL_TEXT_MAX];
    if (!read_thread_file(stack->thread_id, "stat", stat, sizeof stat))
        return false;
    char *name = strchr(stat, '('), *end = strrchr(stat, ')');
    if (!name || !end || end[1] != ' ' || end[2] == 'Z' || end[2] == 'X')
        return false;
    char state = end[2];
    *end = '\0';
    snprintf(stack->name, sizeof stack->name, "%s", name + 1);
    bool has_channel = read_thread_file(stack->thread_id, "wchan", wait_channel, sizeof wait_channel) &&
                       wait_channel[0] != '\0' && strcmp(wait_channel, "0") != 0; /* often hidden */
    snprintf(text, sizeof text, "[not answering: %s%s%s]", state_text(state), has_channel ? " in " : "",
             has_channel ? wait_channel : "");
    stack->silence = label_intern(LABEL_REASON, bytes_of_string(text));
    if (label_key_is_on(LABEL_THREAD))
        stack->labels[LABEL_THREAD] = label_intern(LABEL_THREAD, bytes_of_string(stack->name));
    return true;
}

static void deliver(struct slot *slot, thread_stack_take_fn *take, void *context)
{
    struct thread_stack stack = {.thread_id = slot->thread_id};
    bool is_there = slot->thread_id != 0;
    if (is_there && is_awaited(slot)) {
        is_there = describe_silence(&stack);
    } else if (is_there) {
        stack = slot->stack;
        stack.thread_id = slot->thread_id;
        stack.silence = NULL;
        stack.pcs = slot->pcs;
    }
    atomic_store(&slot->state, SLOT_FREE);
    if (is_there)
        take(&stack, context);
}

ssize_t thread_stacks_ask(struct unwinder *unwinder, const pid_t *ids, size_t count, uint64_t timeout_ns,
                          thread_stack_take_fn *take, void *context)
{
    unsigned asked_count = 0;
    size_t left_out_count = 0;
    pthread_mutex_lock(&lock);
    int rc = signal_install(SIGNAL_REQUEST, on_request, unwinder);
    ASSERT(rc == 0); /* nobody else sends requests */
    if (++generation == 0)
        generation = 1;
    if (!ids)
        rc = ask_all(&asked_count, &left_out_count);
    for (size_t i = 0; ids && i < count; i++) {
        if (asked_count == THREAD_STACKS_MAX)
            left_out_count++;
        else
            asked_count = ask(asked_count, ids[i]);
    }
    wait_for_answers(asked_count, timeout_ns);
    /* From here on no handler runs, so no slot changes any more. */
    signal_remove(SIGNAL_REQUEST);
    for (unsigned i = 0; i < asked_count; i++)
        deliver(&slots[i], take, context);
    pthread_mutex_unlock(&lock);
    return rc < 0 ? rc : (ssize_t)left_out_count;
}
