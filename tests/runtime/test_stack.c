/* test_stack.c: what a task costs, what lies below its stack, and that a walk up its stack ends. */
#include "reactors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* TSan has room for some 8000 fibers, and a fiber costs it much more than a page. */
#define MANY_TASKS SCALED(10000u, 1000u)

static size_t statm_field(unsigned field)
{
    char text[256] = {0};
    int fd = open("/proc/self/statm", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    char *position = text;
    size_t pages = 0;
    for (unsigned i = 0; i <= field; i++)
        pages = strtoul(position, &position, 10);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t resident_bytes(void)
{
    return statm_field(1);
}

static unsigned mapping_count(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    unsigned count = 0;
    for (int c; (c = fgetc(maps)) != EOF;)
        count += c == '\n';
    fclose(maps);
    return count;
}

/* Whether this kernel (Linux 6.13) has guards that are no mappings of their own. */
static bool light_guards(void)
{
    void *page = mmap(NULL, STACK_GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    bool light = madvise(page, STACK_GUARD_BYTES, 102) == 0;
    munmap(page, STACK_GUARD_BYTES);
    return light;
}

/* Pitfalls 5 and 6: many tasks cost a page each and, where the kernel can, no mapping. */

static void park_for_ever(void *argument)
{
    atomic_fetch_add((atomic_uint *)argument, 1);
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == UV_ECANCELED);
}

static void spawn_many(void *argument)
{
    for (unsigned i = 0; i < MANY_TASKS; i++)
        CHECK(task_spawn("parked", park_for_ever, argument) != NULL);
}

static void many_parked_tasks_cost_a_page_each(void **state)
{
    (void)state;
    struct reactors reactors;
    atomic_uint parked = 0;
    reactors_start(&reactors, 1);
    size_t before = resident_bytes();
    unsigned mappings_before = mapping_count();
    run_on(reactors.reactor[0], spawn_many, &parked);
    WAIT_UNTIL(atomic_load(&parked) == MANY_TASKS);
    assert_int_equal(reactor_task_count(reactors.reactor[0]), MANY_TASKS);
    size_t each = (resident_bytes() - before) / MANY_TASKS;
    unsigned mappings = mapping_count() - mappings_before;
    reactors_end(&reactors);
    print_message("a parked task: %zu bytes resident; %u tasks: %u more mappings\n", each, MANY_TASKS, mappings);
    if (!CONTEXT_ASAN && !CONTEXT_TSAN)
        assert_true(each < 6 * 1024);
    if (light_guards() && !CONTEXT_ASAN && !CONTEXT_TSAN)
        assert_true(mappings < MANY_TASKS / 20);
}

/* The VmFlags line of the mapping that holds an address. */
static void mapping_flags(const void *address, char flags[256])
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    CHECK(maps != NULL);
    unsigned long low, high;
    bool here = false;
    char line[512];
    flags[0] = '\0';
    while (flags[0] == '\0' && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
            here = low <= (uintptr_t)address && (uintptr_t)address < high;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(flags, 256, "%.255s", line);
    }
    fclose(maps);
}

static void note_flags(void *argument)
{
    mapping_flags(task_self(), argument);
}

static void stacks_are_never_backed_by_huge_pages(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0)
        skip();
    char flags[256];
    run_alone(note_flags, flags);
    assert_non_null(strstr(flags, " nh"));
}

struct tops {
    uintptr_t line[2 * STACK_SLAB_COUNT]; /* of the struct, within its page */
    atomic_uint count;
};

static void note_top(void *argument)
{
    struct tops *tops = argument;
    tops->line[atomic_fetch_add(&tops->count, 1)] = (uintptr_t)task_self() % STACK_SIZE_BYTES;
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == UV_ECANCELED);
}

static void spawn_tops(void *argument)
{
    for (unsigned i = 0; i < 2 * STACK_SLAB_COUNT; i++)
        CHECK(task_spawn("top", note_top, argument) != NULL);
    task_yield();
}

static void tops_of_stacks_are_spread_over_cache_lines(void **state)
{
    (void)state;
    static struct tops tops;
    struct reactors reactors;
    reactors_start(&reactors, 1);
    run_on(reactors.reactor[0], spawn_tops, &tops);
    WAIT_UNTIL(atomic_load(&tops.count) == ARRAY_COUNT(tops.line));
    reactors_end(&reactors);
    unsigned distinct = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(tops.line); i++) {
        bool seen = false;
        for (unsigned j = 0; j < i; j++)
            seen = seen || tops.line[j] == tops.line[i];
        distinct += !seen;
    }
    assert_int_equal(distinct, 32);
}

/* Pooling and trimming. */

static void touch_deep(void)
{
    volatile size_t size = 64 * 1024; /* volatile, or it counts as a frame that is too large */
    volatile char *deep = __builtin_alloca(size);
    for (size_t i = 0; i < size; i += 1024)
        deep[i] = 1;
}

static void go_deep(void *argument)
{
    atomic_uint *reached = argument;
    touch_deep();
    atomic_fetch_add(reached, 1);
    CHECK(task_park(WAIT_DATA, TIMEOUT_NEVER) == 0);
}

struct herd {
    struct task *task[512];
    atomic_uint reached;
};

static void spawn_herd(void *argument)
{
    struct herd *herd = argument;
    for (unsigned i = 0; i < ARRAY_COUNT(herd->task); i++)
        CHECK((herd->task[i] = task_spawn("deep", go_deep, &herd->reached)) != NULL);
}

static void idle_stacks_beyond_the_limit_give_their_pages_back(void **state)
{
    (void)state;
    static struct herd herd;
    struct reactor_options options = {.name = "trim", .idle_stacks_max = 1};
    struct reactor *reactor;
    assert_int_equal(reactor_start(&reactor, &options), 0);
    run_on(reactor, spawn_herd, &herd);
    WAIT_UNTIL(atomic_load(&herd.reached) == ARRAY_COUNT(herd.task));
    size_t deep = resident_bytes();
    for (unsigned i = 0; i < ARRAY_COUNT(herd.task); i++)
        task_unpark(herd.task[i]);
    WAIT_UNTIL(reactor_task_count(reactor) == 0);
    size_t trimmed = resident_bytes();
    reactor_stop(reactor);
    reactor_join(reactor);
    print_message("512 tasks that went 64 KiB deep: %zu KiB resident, %zu KiB after they ended\n", deep / 1024,
                  trimmed / 1024);
    assert_true(trimmed < deep);
    if (!CONTEXT_ASAN && !CONTEXT_TSAN)
        assert_true(deep - trimmed > ARRAY_COUNT(herd.task) * 48 * 1024);
}

static void come_and_go(void *argument)
{
    unsigned *runs = argument;
    (*runs)++;
}

static void spawn_in_turn(void *argument)
{
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    for (unsigned i = 0; i < 100000; i++) {
        struct task *task = task_spawn("short", come_and_go, argument);
        CHECK(task != NULL);
        lowest = (uintptr_t)task < lowest ? (uintptr_t)task : lowest;
        highest = (uintptr_t)task > highest ? (uintptr_t)task : highest;
        task_yield();
    }
    CHECK(highest - lowest < STACK_SLAB_COUNT * STACK_SIZE_BYTES);
}

/* Under TSan also: its shadow stack must not grow from task to task. */
static void a_stack_serves_any_number_of_tasks(void **state)
{
    (void)state;
    unsigned runs = 0;
    run_alone(spawn_in_turn, &runs);
    assert_int_equal(runs, 100000);
}

/* Pitfall 7: a walk by frame pointer from a parked task, and from a running one, ends at the entry. */

static unsigned walk(const struct task *task, const void *frame, uintptr_t *last_return)
{
    unsigned depth = 0;
    for (uintptr_t at = (uintptr_t)frame; at >= task->context.low && at < task->context.high && at % 8 == 0;) {
        const uintptr_t *record = (const uintptr_t *)at;
        depth++;
        if (record[1] == 0)
            return depth;
        *last_return = record[1];
        CHECK(record[0] == 0 || record[0] > at); /* frames of callers lie higher */
        at = record[0];
    }
    return 0; /* ran off the stack without finding the end */
}

static NOINLINE void park_nested(unsigned levels)
{
    if (levels > 0)
        park_nested(levels - 1);
    else
        while (task_park(WAIT_DATA, TIMEOUT_NEVER) == 0)
            continue;
    __asm__ volatile("" ::: "memory"); /* the call above is not the last thing: it keeps its frame */
}

static void park_at_depth(void *argument)
{
    park_nested((unsigned)(uintptr_t)argument);
}

static void walk_parked(void *argument)
{
    (void)argument;
    struct task *shallow = task_spawn("shallow", park_at_depth, (void *)0);
    struct task *deep = task_spawn("deep", park_at_depth, (void *)10);
    task_yield();
    uintptr_t root_of_shallow = 0, root_of_deep = 1;
    unsigned depth_of_shallow = walk(shallow, shallow->context.parked_frame, &root_of_shallow);
    unsigned depth_of_deep = walk(deep, deep->context.parked_frame, &root_of_deep);
    CHECK(task_reason(shallow) == WAIT_DATA && shallow->since_ns != 0);
    CHECK(depth_of_shallow >= 4); /* context_leave, task_park, park_nested, park_at_depth and ours */
    CHECK(depth_of_deep == depth_of_shallow + 10);
    CHECK(root_of_deep == root_of_shallow);
    uintptr_t own_root = 0;
    CHECK(walk(task_self(), __builtin_frame_address(0), &own_root) >= 3);
    CHECK(own_root == root_of_deep);
    task_cancel(shallow);
    task_cancel(deep);
}

static void a_walk_up_a_tasks_stack_ends_at_its_entry(void **state)
{
    (void)state;
#if defined(__x86_64__) || defined(__aarch64__)
    run_alone(walk_parked, NULL);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_parked_tasks_cost_a_page_each),
        cmocka_unit_test(stacks_are_never_backed_by_huge_pages),
        cmocka_unit_test(tops_of_stacks_are_spread_over_cache_lines),
        cmocka_unit_test(idle_stacks_beyond_the_limit_give_their_pages_back),
        cmocka_unit_test(a_stack_serves_any_number_of_tasks),
        cmocka_unit_test(a_walk_up_a_tasks_stack_ends_at_its_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
