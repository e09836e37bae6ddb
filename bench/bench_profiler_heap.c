/* bench_profiler_heap.c: what the heap profile costs a malloc and its free, beside what other allocators' profiles do.
 *
 * The hook is measured in one process, in turns: glibc called directly (twice: how far two measurements of one thing
 * are apart), through the hook with sampling off, and with sampling on. The others cannot share a process: they run in
 * one of their own each, so of them only large differences mean something. */
#include "base/check.h"
#include "heap_loop.h"
#include "profiler/capture.h"
#include "profiler/heap.h"
#include "profiler/symbols.h"
#include "profiler/type.h"
#include "profiler/unwind.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 201
#define OTHERS_ROUNDS 7

void *__libc_malloc(size_t size);
void __libc_free(void *memory);

DEFINE_LOOPS(bare, __libc_malloc, __libc_free)
DEFINE_LOOPS(hooked, malloc, free)

enum arm { ARM_BARE, ARM_BARE_AGAIN, ARM_OFF, ARM_ON, ARM_COUNT };

static const struct {
    loop_fn pair, window;
    int64_t rate;
} arms[] = {
    [ARM_BARE] = {bare_pair, bare_window, 0},
    [ARM_BARE_AGAIN] = {bare_pair, bare_window, 0},
    [ARM_OFF] = {hooked_pair, hooked_window, 0},
    [ARM_ON] = {hooked_pair, hooked_window, HEAP_RATE_DEFAULT},
};

static struct loop_input input;

/* In turns, forwards and backwards, as each finds what the one before left in the caches. */
static void take_turns(double ns[][ROUNDS], bool is_window, const enum arm *order, int count)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int turn = 0; turn < count; turn++) {
            enum arm arm = order[round % 2 ? count - 1 - turn : turn];
            heap_set_rate(arms[arm].rate);
            ns[arm][round] = loop_ns(is_window ? arms[arm].window : arms[arm].pair, &input);
        }
    }
    heap_set_rate(0);
}

static double median_ratio(const double *values, const double *anchors)
{
    double ratios[ROUNDS];
    for (int round = 0; round < ROUNDS; round++)
        ratios[round] = values[round] / anchors[round];
    return median(ratios, ROUNDS);
}

static void measure_off(const char *name, bool is_window)
{
    static double ns[ARM_COUNT][ROUNDS];
    take_turns(ns, is_window, (const enum arm[]){ARM_BARE, ARM_OFF, ARM_BARE_AGAIN}, 3);
    double off = median_ratio(ns[ARM_OFF], ns[ARM_BARE]), control = median_ratio(ns[ARM_BARE_AGAIN], ns[ARM_BARE]);
    printf("%-7s never sampled: glibc %5.1f ns, hook %5.1f, hook/glibc %.3f (goal 1.03); glibc/glibc %.3f\n", name,
           median(ns[ARM_BARE], ROUNDS), median(ns[ARM_OFF], ROUNDS), off, control);
}

static void measure_on(const char *name, bool is_window)
{
    static double ns[ARM_COUNT][ROUNDS];
    take_turns(ns, is_window, (const enum arm[]){ARM_OFF, ARM_ON, ARM_BARE}, 3);
    double on = median_ratio(ns[ARM_ON], ns[ARM_OFF]), bare = median_ratio(ns[ARM_ON], ns[ARM_BARE]);
    printf("%-7s one sample in 512 KiB: off %5.1f ns, on %5.1f, on/off %.3f (goal 1.02), on/glibc %.3f\n", name,
           median(ns[ARM_OFF], ROUNDS), median(ns[ARM_ON], ROUNDS), on, bare);
}

/* Each beside itself with sampling. */
static const struct other {
    const char *name, *library, *off, *on;
} others[] = {
    {"jemalloc", "libjemalloc.so.2", "MALLOC_CONF=prof:false", "MALLOC_CONF=prof:true,lg_prof_sample:19"},
    {"tcmalloc", "libtcmalloc.so.4", "TCMALLOC_SAMPLE_PARAMETER=0", "TCMALLOC_SAMPLE_PARAMETER=524288"},
};

/* False: it did not run, as the library is not there. */
static bool run_other(const char *program, const struct other *other, bool is_on, double *pair, double *window)
{
    static char command[PATH_MAX + 256];
    snprintf(command, sizeof command, "LD_PRELOAD=%s %s %s 2>&1", other->library, is_on ? other->on : other->off,
             program);
    FILE *output = popen(command, "re");
    bool has_run = output && fscanf(output, "%lf %lf", pair, window) == 2;
    return pclose(output) == 0 && has_run;
}

static void measure_other(const char *program, const struct other *other)
{
    double pair[2][OTHERS_ROUNDS], window[2][OTHERS_ROUNDS];
    for (int round = 0; round < OTHERS_ROUNDS; round++) {
        for (int is_on = 0; is_on < 2; is_on++) {
            if (!run_other(program, other, is_on, &pair[is_on][round], &window[is_on][round])) {
                printf("%s: %s is not installed\n", other->name, other->library);
                return;
            }
        }
    }
    double pair_off = median(pair[0], OTHERS_ROUNDS), pair_on = median(pair[1], OTHERS_ROUNDS);
    double window_off = median(window[0], OTHERS_ROUNDS), window_on = median(window[1], OTHERS_ROUNDS);
    printf("%s: pair off %.1f ns, on %.1f, on/off %.2f; window off %.1f ns, on %.1f, on/off %.2f\n", other->name,
           pair_off, pair_on, pair_on / pair_off, window_off, window_on, window_on / window_off);
}

int main(int argc, char **argv)
{
    struct unwinder *unwinder = unwinder_create();
    struct symbols *symbols = symbols_create();
    capture_install(unwinder, symbols);
    loop_prepare(&input);
    if (argc > 1) { /* one arm alone, to count its instructions: callgrind, twice, with N and with 2 N */
        const char *arm = argv[1];
        heap_set_rate(strcmp(arm, "on") == 0 ? HEAP_RATE_DEFAULT : 0);
        for (int i = argc > 2 ? atoi(argv[2]) : 1; i > 0; i--)
            (strcmp(arm, "bare") == 0 ? bare_pair : hooked_pair)(&input);
        return 0;
    }
    /* First what a program pays that never samples: later, the processor knows branches that were taken once. */
    measure_off("pair", false);
    measure_off("window", true);
    measure_on("pair", false);
    measure_on("window", true);
    struct profile_stats stats;
    heap_stats(&stats);
    printf("samples: %llu, %.0f ns each; lost %llu\n", (unsigned long long)stats.sample_count,
           (double)stats.overhead_ns / (double)stats.sample_count, (unsigned long long)stats.lost_count);

    static char self[PATH_MAX], program[PATH_MAX + 32];
    ASSERT(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(program, sizeof program, "%s/heap-loop", dirname(self));
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        measure_other(program, &others[i]);

    capture_remove();
    symbols_destroy(symbols);
    unwinder_destroy(unwinder);
    return 0;
}
