/* test_switch.c: a sample may hit at any instruction of a switch; so each of them is stepped through and looked at.
 *
 * The processor's trap flag raises SIGTRAP after every instruction; it is no part of what a switch saves, so it goes
 * along from task to reactor to task. The handler does what a sampler does with base/probe.h. */
#include "reactors.h"

#include "base/probe.h"

#include <signal.h>
#include <ucontext.h>

#if defined(__x86_64__) && !CONTEXT_ASAN && !CONTEXT_TSAN
#define CAN_STEP 1
#else
#define CAN_STEP 0
#endif

#if CAN_STEP

#define TRAP_FLAG 0x100

static struct {
    volatile sig_atomic_t on;
    struct task *task[2];
    unsigned steps, in_switch, from_task, from_reactor, plain;
    uintptr_t bad_pc; /* the first instruction at which a sampler would have lost its way */
} step;

static bool on_stack_of(const struct task *task, uintptr_t address)
{
    return task && address >= task->context.low && address < task->context.high;
}

static const struct task *whose_stack(uintptr_t address)
{
    return on_stack_of(step.task[0], address) ? step.task[0] : on_stack_of(step.task[1], address) ? step.task[1] : NULL;
}

/* Whether the frame pointers lead from here to the task's entry, where the return address is 0. */
static bool reaches_root(const struct task *task, uintptr_t frame)
{
    while (on_stack_of(task, frame) && frame % 8 == 0) {
        const uintptr_t *record = (const uintptr_t *)frame;
        if (record[1] == 0)
            return true;
        if (record[0] <= frame)
            return false;
        frame = record[0];
    }
    return false;
}

static bool sample_is_good(uintptr_t sp, uintptr_t fp)
{
    const struct task *task = whose_stack(sp);
    /* On a task's stack the bounds and labels are that task's. */
    if (task && (probe_execution.stack_low != task->context.low || probe_execution.stack_high != task->context.high ||
                 probe_execution.labels != &task->labels))
        return false;
    uintptr_t switch_frame = probe_execution.switch_frame;
    if (switch_frame) {
        const struct task *from = whose_stack(switch_frame);
        step.in_switch++;
        *(from ? &step.from_task : &step.from_reactor) += 1;
        return !from || reaches_root(from, switch_frame);
    }
    step.plain++;
    return !task || reaches_root(task, fp);
}

static void on_step(int signal, siginfo_t *info, void *machine_context)
{
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)machine_context)->uc_mcontext.gregs;
    if (!step.on) {
        registers[REG_EFL] &= ~TRAP_FLAG;
        return;
    }
    step.steps++;
    if (!sample_is_good((uintptr_t)registers[REG_RSP], (uintptr_t)registers[REG_RBP]) && !step.bad_pc)
        step.bad_pc = (uintptr_t)registers[REG_RIP];
}

static NOINLINE void step_start(void)
{
    step.on = 1;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t" /* past the red zone */
                     "pushfq\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
}

static NOINLINE void step_stop(void)
{
    step.on = 0;
}

/* Starts fresh, parks, is resumed and ends while every instruction is looked at. */
static void stepped(void *argument)
{
    (void)argument;
    task_yield();
}

static void step_through(void *argument)
{
    (void)argument;
    step.task[0] = task_self();
    step.task[1] = task_spawn("stepped", stepped, NULL);
    step_start();
    task_yield();
    task_yield();
    step_stop();
}

#endif

static void every_instruction_of_a_switch_leads_a_sampler_to_a_root(void **state)
{
    (void)state;
#if CAN_STEP
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before;
    assert_int_equal(sigaction(SIGTRAP, &action, &before), 0);
    run_alone(step_through, NULL);
    assert_int_equal(sigaction(SIGTRAP, &before, NULL), 0);
    print_message("%u instructions; inside a switch: %u from a task, %u from the reactor\n", step.steps,
                  step.from_task, step.from_reactor);
    if (step.bad_pc)
        fail_msg("at %p", (void *)step.bad_pc);
    /* Two switches of the first task, two of the second and its end, five times back; some 20 instructions each. */
    assert_true(step.from_task > 60);
    assert_true(step.from_reactor > 60);
    assert_true(step.plain > 200);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_of_a_switch_leads_a_sampler_to_a_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
