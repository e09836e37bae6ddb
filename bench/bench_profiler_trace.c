/* bench_profiler_trace.c: what a record costs the thread that writes it, what of that is changing chunks, and how fast
 * readers get through them. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/trace.h"
#include "median.h"
#include "profiler/trace_recorder.h"

#include <pthread.h>
#include <stdio.h>

#define ROUNDS 15
#define RECORDS 2000000u
#define THREADS 4

/* Nothing but the records themselves: the anchor. */
static uint64_t write_again_ns(unsigned count)
{
    struct trace_chunk *chunk = trace_writer.chunk;
    uint64_t start_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < count; i++) {
        if (atomic_load_explicit(&chunk->used, memory_order_relaxed) + 2 > chunk->capacity)
            atomic_store_explicit(&chunk->used, 1, memory_order_relaxed); /* the same chunk for ever */
        trace_task_unparked(i, 0);
    }
    return clock_monotonic_ns() - start_ns;
}

static uint64_t write_ns(unsigned count)
{
    uint64_t start_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < count; i++)
        trace_task_unparked(i, 0);
    return clock_monotonic_ns() - start_ns;
}

static uint64_t next_chunk_ns(unsigned count)
{
    const struct trace_sink *sink = atomic_load(&trace_sink);
    uint64_t start_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < count; i++)
        sink->next_chunk(&trace_writer);
    return clock_monotonic_ns() - start_ns;
}

static void *write_some(void *argument)
{
    (void)argument;
    write_ns(RECORDS / THREADS);
    return NULL;
}

/* Each record of all threads once. */
static uint64_t read_ns(struct trace_reader *reader, uint64_t *count)
{
    struct trace_item item;
    uint64_t start_ns = clock_monotonic_ns();
    while (trace_reader_next(reader, &item) == TRACE_PROGRESS_ITEM)
        ++*count;
    return clock_monotonic_ns() - start_ns;
}

static double merge(struct trace_recorder *recorder, unsigned thread_count)
{
    pthread_t threads[THREADS];
    uint64_t count = 0;
    for (unsigned i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, write_some, NULL) != 0)
            return 0;
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    struct trace_reader *reader = trace_reader_open(recorder, 3600 * NS_PER_S, false);
    uint64_t ns = read_ns(reader, &count);
    trace_reader_close(reader);
    return (double)ns / (double)count;
}

int main(void)
{
    struct trace_recorder *recorder = trace_recorder_create();
    double same[ROUNDS], circle[ROUNDS], chunk[ROUNDS], one[ROUNDS], several[ROUNDS];
    trace_recorder_configure(recorder, 16 << 20);
    write_ns(RECORDS); /* all memory has been touched */
    for (unsigned round = 0; round < ROUNDS; round++) {
        same[round] = (double)write_again_ns(RECORDS) / RECORDS;
        circle[round] = (double)write_ns(RECORDS) / RECORDS;
        chunk[round] = (double)next_chunk_ns(RECORDS / 2000) / (RECORDS / 2000);
        trace_recorder_configure(recorder, 0); /* forgets all */
        trace_recorder_configure(recorder, 16 << 20);
        one[round] = merge(recorder, 1);
        trace_recorder_configure(recorder, 0);
        trace_recorder_configure(recorder, 16 << 20);
        several[round] = merge(recorder, THREADS);
    }
    printf("a record                       %6.1f ns in one chunk, %.1f ns round the memory\n", median(same, ROUNDS),
           median(circle, ROUNDS));
    printf("the next chunk                 %6.1f ns, each some 2000 records\n", median(chunk, ROUNDS));
    printf("reading, one thread's records  %6.1f ns each: %.1f million a second\n", median(one, ROUNDS),
           1000 / median(one, ROUNDS));
    printf("merging those of %d threads     %6.1f ns each: %.1f million a second\n", THREADS, median(several, ROUNDS),
           1000 / median(several, ROUNDS));
    trace_recorder_destroy(recorder);
    return 0;
}
