/* heap_loop.h: what programs do with malloc: a block freed at once, and one of 512 that live replaced by another. */
#ifndef BENCH_HEAP_LOOP_H
#define BENCH_HEAP_LOOP_H

#include "median.h"

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define LIVE_BLOCKS 512
#define SIZE_COUNT 4096
/* Of one measurement, some milliseconds: short enough that what disturbs it is in few of them. */
#define LOOP_COUNT 100000

struct loop_input {
    uint16_t sizes[SIZE_COUNT]; /* 16 to 4095, 740 on average: as many of each doubling */
    uint16_t places[SIZE_COUNT];
};

/* A run of loops, for one pair of functions that the compiler sees. */
#define DEFINE_LOOPS(name, allocate, release)                                                                          \
    static __attribute__((noinline)) void name##_pair(const struct loop_input *input)                                  \
    {                                                                                                                  \
        for (unsigned i = 0; i < LOOP_COUNT; i++) {                                                                    \
            char *memory = allocate(input->sizes[i % SIZE_COUNT]);                                                     \
            *(volatile char *)memory = 1;                                                                              \
            release(memory);                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    static __attribute__((noinline)) void name##_window(const struct loop_input *input)                                \
    {                                                                                                                  \
        static char *blocks[LIVE_BLOCKS];                                                                              \
        for (unsigned i = 0; i < LOOP_COUNT; i++) {                                                                    \
            char **place = &blocks[input->places[i % SIZE_COUNT]];                                                     \
            release(*place);                                                                                           \
            *place = allocate(input->sizes[i % SIZE_COUNT]);                                                           \
            *(volatile char *)*place = 1;                                                                              \
        }                                                                                                              \
        for (unsigned i = 0; i < LIVE_BLOCKS; i++) {                                                                   \
            release(blocks[i]);                                                                                        \
            blocks[i] = NULL;                                                                                          \
        }                                                                                                              \
    }

typedef void (*loop_fn)(const struct loop_input *input);

static inline void loop_prepare(struct loop_input *input)
{
    uint32_t random = 1;
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t power = 16u << (random >> 29);
        input->sizes[i] = (uint16_t)(power + (random >> 13) % power);
        input->places[i] = (uint16_t)((random >> 4) % LIVE_BLOCKS);
    }
    /* glibc moves its thresholds with what it sees, and would make whoever comes later faster. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

static inline double loop_ns(loop_fn loop, const struct loop_input *input)
{
    struct timespec start, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    loop(input);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / LOOP_COUNT;
}

#endif
