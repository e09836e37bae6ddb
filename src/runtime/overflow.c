/* overflow.c: the SIGSEGV handler that recognises a guard page; it runs on the reactor's signal stack. */
#include "runtime/overflow.h"

#include "runtime/scheduler.h"

#include <signal.h>
#include <unistd.h>

static struct sigaction action_before;

/* A line built without printf, which a signal handler may not call. */
struct line {
    char text[256];
    size_t size;
};

static void line_add(struct line *line, const char *text)
{
    while (*text && line->size < sizeof line->text)
        line->text[line->size++] = *text++;
}

static void line_add_number(struct line *line, uint64_t number, unsigned base)
{
    char digits[24];
    size_t i = sizeof digits - 1;
    digits[i] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    line_add(line, digits + i);
}

static void say_overflow(const struct task *task, uintptr_t address)
{
    struct line line = {.size = 0};
    line_add(&line, "stack overflow: task ");
    line_add_number(&line, task->id, 10);
    line_add(&line, " '");
    line_add(&line, task->name);
    line_add(&line, "' (stack ");
    line_add_number(&line, STACK_SIZE_BYTES / 1024, 10);
    line_add(&line, " KiB, fault at 0x");
    line_add_number(&line, address, 16);
    line_add(&line, ")\n");
    ssize_t written = write(STDERR_FILENO, line.text, line.size);
    (void)written; /* The process ends either way. */
}

static void on_fault(int signal, siginfo_t *info, void *machine_context)
{
    (void)machine_context;
    const struct task *task = task_self();
    uintptr_t address = (uintptr_t)info->si_addr;
    if (task && address < task->context.low && address >= task->context.low - STACK_GUARD_BYTES)
        say_overflow(task, address);
    /* On return the instruction faults again and meets the old action; a signal that was sent must be sent again. */
    sigaction(SIGSEGV, &action_before, NULL);
    if (info->si_code <= 0)
        raise(signal);
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    ASSERT(sigaction(SIGSEGV, &action, &action_before) == 0);
}

void overflow_handler_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}
