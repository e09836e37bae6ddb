/* test_cpu.c: CPU profiles say who used how much, to every reader, and leave nothing behind. */
#include "profiler/cpu.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/probe.h"
#include "burn.h"
#include "one_profiler.h"
#include "own_threads.h"
#include "task_stack.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#define MS NS_PER_MS
#define WALL_NS (1700000000 * (int64_t)NS_PER_S)

static struct cpu_sampler *sampler; /* the profiler's */

static int create(void **state)
{
    if (create_profiler(state) != 0)
        return -1;
    sampler = profiler_cpu(profiler);
    return 0;
}

static struct collection *start(int hz)
{
    struct collection *reader = NULL;
    assert_int_equal(open_cpu(profiler, hz, &reader), 0);
    return reader;
}

/* What the process used from begin to end, as its profile has it. */
static uint64_t process_ns(const struct profile *profile)
{
    double profiled_s, used_s;
    const char *cpu_time = comment_with(profile, "CPU time: ");
    assert_non_null(cpu_time);
    assert_int_equal(sscanf(cpu_time, "CPU time: %lf s here, %lf s by", &profiled_s, &used_s), 2);
    return (uint64_t)(used_s * (double)NS_PER_S);
}

/* A living thread's sum is true to one period, however late its ticks come: what none of them met by the end is in the
 * profile as [between ticks]. Allowed for: both ends of two threads, this one and the sampler's own. */
#define INEXACT_PERIODS 4

/* Not less than was used within the window for certain, and not more than in all of it: so a busy machine, which only
 * makes these two and the ticks come later, changes nothing. */
static void assert_time(uint64_t value, uint64_t at_least_ns, uint64_t at_most_ns, uint64_t period_ns)
{
    uint64_t inexact_ns = INEXACT_PERIODS * period_ns;
    if (!SIGNALS_ARE_LATE)
        assert_in_range(value, at_least_ns - inexact_ns, at_most_ns + inexact_ns);
}

static void assert_process_time(const struct profile *profile, uint64_t at_least_ns)
{
    assert_true(process_ns(profile) + MS >= at_least_ns); /* to the comment's last digit */
    assert_time(labelled_ns(profile, NULL, NULL), at_least_ns, process_ns(profile), (uint64_t)profile->period);
}

/* Burn, and on until a sample is taken of it: all up to there has its function's name and its labels then. A busy
 * machine may let 100 ms of CPU time pass without a tick; had it ended there, that would be [between ticks], or gone
 * with the thread's clock. One thread at a time. */
static NOINLINE void burn_until_seen(uint64_t cpu_ns)
{
    burn(cpu_ns);
    uint64_t sample_count = cpu_sampler_stats(sampler).sample_count;
    while (!SIGNALS_ARE_LATE && cpu_sampler_stats(sampler).sample_count == sample_count)
        burn(MS);
}

struct burner {
    pthread_t thread;
    const char *name;
    void (*burn)(uint64_t cpu_ns);
    uint64_t cpu_ns;
    const struct label_set *labels;
    pthread_barrier_t *stays; /* passed when all have burned, and when they may end; NULL: it ends at once */
    uint64_t used_ns;         /* what it did use */
};

static void *run_burner(void *argument)
{
    struct burner *burner = argument;
    pthread_setname_np(pthread_self(), burner->name);
    probe_execution.labels = burner->labels;
    burner->burn(burner->cpu_ns);
    burner->used_ns = thread_cpu_ns();
    probe_execution.labels = NULL;
    for (int i = 0; i < 2 && burner->stays; i++)
        pthread_barrier_wait(burner->stays);
    return NULL;
}

static void start_burner(struct burner *burner)
{
    assert_int_equal(pthread_create(&burner->thread, NULL, run_burner, burner), 0);
}

static void run_burner_alone(struct burner *burner)
{
    start_burner(burner);
    assert_int_equal(pthread_join(burner->thread, NULL), 0);
}

static void two_busy_threads_get_what_each_used(void **state)
{
    (void)state;
    pthread_barrier_t stays;
    pthread_barrier_init(&stays, NULL, 3);
    struct burner burners[] = {{.name = "one", .burn = burn, .cpu_ns = 800 * MS, .stays = &stays},
                               {.name = "two", .burn = burn, .cpu_ns = 400 * MS, .stays = &stays}};
    struct collection *reader = start(250);
    for (unsigned i = 0; i < ARRAY_COUNT(burners); i++)
        start_burner(&burners[i]);
    pthread_barrier_wait(&stays);
    struct profile *profile = finish(reader);
    pthread_barrier_wait(&stays);
    for (unsigned i = 0; i < ARRAY_COUNT(burners); i++)
        assert_int_equal(pthread_join(burners[i].thread, NULL), 0);
    pthread_barrier_destroy(&stays);

    uint64_t period_ns = (uint64_t)profile->period;
    assert_time(labelled_ns(profile, "thread", "one"), burners[0].used_ns, burners[0].used_ns, period_ns);
    assert_time(labelled_ns(profile, "thread", "two"), burners[1].used_ns, burners[1].used_ns, period_ns);
    profile_destroy(profile);
}

static void samples_add_up_to_the_process_cpu_time(void **state)
{
    (void)state;
    static const int rates[] = {50, 100, 250};
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++) {
        struct collection *reader = start(rates[i]);
        uint64_t cpu_ns = clock_process_cpu_ns();
        burn(800 * MS);
        cpu_ns = clock_process_cpu_ns() - cpu_ns;
        struct profile *profile = finish(reader);
        assert_process_time(profile, cpu_ns);
        assert_int_equal(profile->period, (int64_t)(NS_PER_S / (uint64_t)rates[i]));
        profile_destroy(profile);
    }
}

/* The kernel's tick hardly ever meets such a thread at work. */
static void brief_bursts_add_up_too(void **state)
{
    (void)state;
    struct collection *reader = start(250);
    uint64_t cpu_ns = clock_process_cpu_ns();
    for (int i = 0; i < 1000; i++) {
        burn(100 * NS_PER_US);
        nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_US}, NULL);
    }
    cpu_ns = clock_process_cpu_ns() - cpu_ns;
    struct profile *profile = finish(reader);
    assert_process_time(profile, cpu_ns);
    profile_destroy(profile);
}

static void the_head_of_a_profile_says_how_it_was_made(void **state)
{
    (void)state;
    clock_test_freeze(clock_monotonic_ns(), WALL_NS);
    struct collection *reader = start(100);
    burn(50 * MS);
    clock_test_advance(70 * MS);
    struct profile *profile = finish(reader);
    clock_test_real();

    assert_int_equal(profile->sample_type_count, 2);
    assert_string_equal(profile_text(profile, profile->sample_types[0].type), "samples");
    assert_string_equal(profile_text(profile, profile->sample_types[0].unit), "count");
    assert_string_equal(profile_text(profile, profile->sample_types[1].type), "cpu");
    assert_string_equal(profile_text(profile, profile->sample_types[1].unit), "nanoseconds");
    assert_string_equal(profile_text(profile, profile->period_type.type), "cpu");
    assert_string_equal(profile_text(profile, profile->period_type.unit), "nanoseconds");
    assert_int_equal(profile->default_sample_type, 0);
    assert_int_equal(profile->time_ns, WALL_NS);
    assert_int_equal(profile->duration_ns, 70 * MS);
    assert_true(has_comment(profile, "hz asked: 100, period: 10.000 ms"));
    assert_true(has_comment(profile, "lost: 0"));
    double profiled_s;
    assert_int_equal(sscanf(comment_with(profile, "CPU time: "), "CPU time: %lf s here", &profiled_s), 1);
    assert_true(fabs(profiled_s * (double)NS_PER_S - (double)labelled_ns(profile, NULL, NULL)) <= (double)MS);
    assert_process_time(profile, 50 * MS);
    for (uint32_t i = 0; i < profile->sample_count; i++) { /* count x period is the CPU time */
        const int64_t *values = profile_sample_values(profile, &profile->samples[i]);
        assert_int_equal(values[0] * profile->period, values[1]);
    }
    profile_destroy(profile);
}

static void a_period_is_never_shorter_than_the_kernels_tick(void **state)
{
    (void)state;
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    struct collection *reader = start(CPU_HZ_MAX);
    burn(300 * MS);
    struct profile *profile = finish(reader);
    int64_t floor_ns = tick.tv_nsec > 1000000 ? tick.tv_nsec : 1000000;
    assert_int_equal(profile->period, floor_ns);
    assert_process_time(profile, 300 * MS);
    profile_destroy(profile);
}

static void overlapping_readers_each_get_everything(void **state)
{
    (void)state;
    uint64_t first_ns = clock_process_cpu_ns();
    struct collection *first = start(100);
    burn_until_seen(300 * MS);
    uint64_t second_ns = clock_process_cpu_ns();
    struct collection *second = start(250);
    assert_true(cpu_sampler_stats(sampler).thread_count >= 2);
    burn_until_seen(300 * MS);
    first_ns = clock_process_cpu_ns() - first_ns;
    struct profile *early = finish(first);
    burn_until_seen(300 * MS);
    second_ns = clock_process_cpu_ns() - second_ns;
    struct profile *late = finish(second);

    assert_time(labelled_ns(early, NULL, NULL), first_ns, process_ns(early), NS_PER_S / 100);
    assert_process_time(late, second_ns);
    assert_time(function_ns(early, "burn_until_seen"), 600 * MS, first_ns, NS_PER_S / 100);
    assert_time(function_ns(late, "burn_until_seen"), 600 * MS, second_ns, NS_PER_S / 100);
    assert_true(has_comment(early, "hz asked: 100"));
    assert_true(has_comment(early, "changed by other readers"));
    assert_true(has_comment(late, "hz asked: 250"));
    profile_destroy(early);
    profile_destroy(late);
}

static void a_reader_that_gives_up_does_not_disturb_the_others(void **state)
{
    (void)state;
    uint64_t cpu_ns = clock_process_cpu_ns();
    struct collection *kept = start(50);
    struct collection *dropped = start(250);
    burn_until_seen(200 * MS);
    collection_close(dropped);
    burn_until_seen(400 * MS);
    cpu_ns = clock_process_cpu_ns() - cpu_ns;
    struct profile *profile = finish(kept);
    assert_time(labelled_ns(profile, NULL, NULL), cpu_ns, process_ns(profile), NS_PER_S / 50);
    assert_time(function_ns(profile, "burn_until_seen"), 600 * MS, cpu_ns, NS_PER_S / 50);
    profile_destroy(profile);
}

static void threads_that_come_and_go_are_counted_whole(void **state)
{
    (void)state;
    struct collection *reader = start(100);
    uint64_t used_ns = 0;
    enum { ROUNDS = 8 };
    for (int round = 0; round < ROUNDS; round++) {
        struct burner brief = {.name = "brief", .burn = burn_until_seen, .cpu_ns = 150 * MS};
        run_burner_alone(&brief);
        used_ns += brief.used_ns;
    }
    struct profile *profile = finish(reader);
    /* What a thread used before it was found is carried by its first sample. */
    assert_time(labelled_ns(profile, "thread", "brief"), used_ns, used_ns, ROUNDS * (uint64_t)profile->period / 2);
    profile_destroy(profile);
}

static void samples_carry_the_labels_of_what_runs(void **state)
{
    (void)state;
    struct label_set produce = {{NULL}}, fetch = {{NULL}};
    produce.value[LABEL_API] = label_intern(LABEL_API, bytes_of_string("Produce"));
    produce.value[LABEL_TOPIC] = label_intern(LABEL_TOPIC, bytes_of_string("orders"));
    fetch.value[LABEL_API] = label_intern(LABEL_API, bytes_of_string("Fetch"));
    struct burner burners[] = {{.name = "p", .burn = burn_until_seen, .cpu_ns = 200 * MS, .labels = &produce},
                               {.name = "f", .burn = burn_until_seen, .cpu_ns = 400 * MS, .labels = &fetch}};
    struct collection *reader = start(250);
    for (size_t i = 0; i < ARRAY_COUNT(burners); i++)
        run_burner_alone(&burners[i]);
    struct profile *profile = finish(reader);

    uint64_t produce_ns = burners[0].used_ns, fetch_ns = burners[1].used_ns, period_ns = (uint64_t)profile->period;
    assert_time(labelled_ns(profile, "api", "Produce"), produce_ns, produce_ns, period_ns);
    assert_time(labelled_ns(profile, "topic", "orders"), produce_ns, produce_ns, period_ns);
    assert_time(labelled_ns(profile, "api", "Fetch"), fetch_ns, fetch_ns, period_ns);
    for (uint32_t i = 0; i < profile->sample_count; i++)
        assert_string_not_equal(sample_label(profile, &profile->samples[i], "thread"), "");
    profile_destroy(profile);
}

static void task_main(void)
{
    burn_until_seen(300 * MS);
}

static struct profile *profile_of_task(bool tells_bounds)
{
    struct collection *reader = start(250);
    run_on_task_stack(task_main, tells_bounds);
    return finish(reader);
}

static void the_stack_of_a_task_is_walked_within_its_bounds(void **state)
{
    (void)state;
    if (SIGNALS_ARE_LATE)
        skip();
    struct profile *profile = profile_of_task(true);
    assert_time(function_ns(profile, "burn_until_seen"), 300 * MS, process_ns(profile), (uint64_t)profile->period);
    assert_time(function_ns(profile, "task_main"), 300 * MS, process_ns(profile), (uint64_t)profile->period);
    assert_int_equal(function_ns(profile, "run_on_task_stack"), 0); /* the thread's frames are not the task's */
    profile_destroy(profile);
}

static void an_unknown_stack_gives_the_place_alone(void **state)
{
    (void)state;
    if (SIGNALS_ARE_LATE)
        skip();
    struct profile *profile = profile_of_task(false);
    assert_process_time(profile, 300 * MS);
    assert_int_equal(function_ns(profile, "task_main"), 0);
    for (uint32_t i = 0; i < profile->sample_count; i++)
        assert_true(profile->samples[i].location_count == 1 || !stack_holds(profile, &profile->samples[i], "burn"));
    profile_destroy(profile);
}

static void without_a_reader_there_is_no_thread_and_no_timer(void **state)
{
    (void)state;
    wait_for_own_threads(0);
    struct collection *reader = start(100);
    wait_for_own_threads(1);
    burn(20 * MS);
    assert_true(cpu_sampler_stats(sampler).thread_count >= 1);
    collection_close(reader);
    wait_for_own_threads(0);
    assert_int_equal(cpu_sampler_stats(sampler).thread_count, 0);
    uint64_t taken = cpu_sampler_stats(sampler).sample_count;
    burn(100 * MS);
    assert_int_equal(cpu_sampler_stats(sampler).sample_count, taken);
}

static void rates_beyond_the_limits_are_refused(void **state)
{
    (void)state;
    struct collection *collection;
    assert_int_equal(open_cpu(profiler, CPU_HZ_MAX + 1, &collection), ERR_OUT_OF_RANGE);
    assert_int_equal(open_cpu(profiler, -100, &collection), ERR_OUT_OF_RANGE);
    struct stack_table *stacks = stack_table_create(2);
    struct cpu_reader *reader;
    assert_int_equal(cpu_reader_start(sampler, CPU_HZ_MIN - 1, stacks, &reader), ERR_OUT_OF_RANGE);
    assert_int_equal(cpu_reader_start(sampler, CPU_HZ_MAX + 1, stacks, &reader), ERR_OUT_OF_RANGE);
    stack_table_destroy(stacks);
}

static void a_second_sampler_is_told_that_the_signal_is_taken(void **state)
{
    (void)state;
    collection_close(start(100));
    struct cpu_sampler *second = cpu_sampler_create(profiler_unwinder(profiler), profiler_symbols(profiler));
    struct stack_table *stacks = stack_table_create(2);
    struct cpu_reader *reader;
    assert_int_equal(cpu_reader_start(second, 100, stacks, &reader), ERR_BUSY);
    stack_table_destroy(stacks);
    cpu_sampler_destroy(second);
    collection_close(start(100));
}

static void threads_that_the_kernel_refuses_a_timer_are_told_of(void **state)
{
    (void)state;
    struct rlimit limit, none;
    getrlimit(RLIMIT_SIGPENDING, &limit);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    pthread_barrier_t stays;
    pthread_barrier_init(&stays, NULL, 2);
    struct burner burner = {.name = "refused", .burn = burn, .cpu_ns = 50 * MS, .stays = &stays};
    struct collection *reader = start(100), *second;
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    start_burner(&burner);
    pthread_barrier_wait(&stays);
    struct profile *profile = finish(reader); /* it looks for threads a last time */
    pthread_barrier_wait(&stays);
    assert_int_equal(pthread_join(burner.thread, NULL), 0);
    pthread_barrier_destroy(&stays);

    assert_int_equal(open_cpu(profiler, 100, &second), -EAGAIN);
    assert_int_equal(cpu_sampler_stats(sampler).thread_count, 0);
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    assert_true(has_comment(profile, "threads that are missing: 2;")); /* and the sampler's own */
    assert_int_equal(labelled_ns(profile, "thread", "refused"), 0);
    profile_destroy(profile);
    profile = finish(start(100));
    assert_false(has_comment(profile, "threads that are missing"));
    profile_destroy(profile);
}

/* Like a timer's signal, with any value in it. */
static void send_timer_signal(uintptr_t value)
{
    siginfo_t info = {.si_signo = SIGPROF, .si_code = SI_TIMER};
    info.si_value.sival_ptr = (void *)value;
    assert_int_equal(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGPROF, &info), 0);
}

static void signals_of_others_and_late_ones_are_ignored(void **state)
{
    (void)state;
    enum { ROUNDS = 4 };
    struct collection *reader = start(CPU_HZ_MIN);
    uint64_t taken = cpu_sampler_stats(sampler).sample_count;
    static const uintptr_t values[] = {0, 1, 0xffffffff, 1ull << 32 | 0xffffffff, 0xfffffff000000000, UINTPTR_MAX};
    for (int round = 0; round < ROUNDS; round++) {
        raise(SIGPROF);
        for (size_t i = 0; i < ARRAY_COUNT(values); i++)
            send_timer_signal(values[i]);
    }
    /* In this moment the timers of this thread and of the sampler's own may tick once, by chance. */
    assert_in_range(cpu_sampler_stats(sampler).sample_count - taken, 0, ROUNDS - 1);
    collection_close(reader);
    taken = cpu_sampler_stats(sampler).sample_count;
    raise(SIGPROF);
    send_timer_signal(1ull << 32); /* the first generation of the first slot: long gone */
    assert_int_equal(cpu_sampler_stats(sampler).sample_count, taken);
}

static void note_signal(int signal_number)
{
    (void)signal_number;
}

static void the_signal_goes_back_to_whom_it_was_taken_from(void **state)
{
    (void)state;
    profiler_destroy(profiler);
    struct sigaction action = {.sa_handler = note_signal}, now;
    sigaction(SIGPROF, &action, NULL);
    create(state);
    collection_close(start(100));
    sigaction(SIGPROF, NULL, &now);
    assert_ptr_not_equal(now.sa_handler, note_signal);

    /* One is pending while the sampler goes: it must not come out afterwards. */
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    raise(SIGPROF);
    profiler_destroy(profiler);
    sigpending(&blocked);
    assert_false(sigismember(&blocked, SIGPROF));
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPROF);
    pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);

    sigaction(SIGPROF, NULL, &now);
    assert_ptr_equal(now.sa_handler, note_signal);
    action.sa_handler = SIG_DFL;
    sigaction(SIGPROF, &action, NULL);
    create(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_busy_threads_get_what_each_used),
        cmocka_unit_test(samples_add_up_to_the_process_cpu_time),
        cmocka_unit_test(brief_bursts_add_up_too),
        cmocka_unit_test(the_head_of_a_profile_says_how_it_was_made),
        cmocka_unit_test(a_period_is_never_shorter_than_the_kernels_tick),
        cmocka_unit_test(overlapping_readers_each_get_everything),
        cmocka_unit_test(a_reader_that_gives_up_does_not_disturb_the_others),
        cmocka_unit_test(threads_that_come_and_go_are_counted_whole),
        cmocka_unit_test(samples_carry_the_labels_of_what_runs),
        cmocka_unit_test(the_stack_of_a_task_is_walked_within_its_bounds),
        cmocka_unit_test(an_unknown_stack_gives_the_place_alone),
        cmocka_unit_test(without_a_reader_there_is_no_thread_and_no_timer),
        cmocka_unit_test(rates_beyond_the_limits_are_refused),
        cmocka_unit_test(a_second_sampler_is_told_that_the_signal_is_taken),
        cmocka_unit_test(threads_that_the_kernel_refuses_a_timer_are_told_of),
        cmocka_unit_test(signals_of_others_and_late_ones_are_ignored),
        cmocka_unit_test(the_signal_goes_back_to_whom_it_was_taken_from),
    };
    return cmocka_run_group_tests(tests, create, destroy_profiler);
}
