/* bench_runtime_trace.c: what the probe points of the execution trace cost: each record, a wake and wait, and a Produce
 * that the broker serves; medians of interleaved rounds, beside a control that is the same thing again. */
#include "../tests/support/kafka_client.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/probe.h"
#include "base/trace.h"
#include "broker/broker.h"
#include "median.h"
#include "metrics/metrics.h"
#include "runtime/reactor.h"
#include "runtime/task.h"
#include "storage/storage.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 31

/* --- a recorder that keeps nothing: each thread writes into two chunks in turn --- */

#define CHUNK_RECORDS 2047
#define THREADS_MAX 8

/* A thread's. Written by it alone. */
struct notebook {
    struct trace_chunk *chunks[2], *_Atomic current;
    _Atomic uint64_t filled; /* records in chunks that were full */
};
static struct notebook notebooks[THREADS_MAX];

static void next_chunk(struct trace_writer *writer)
{
    static atomic_uint count;
    static _Thread_local struct notebook *notebook;
    if (!notebook) {
        unsigned index = atomic_fetch_add(&count, 1);
        ASSERT(index < THREADS_MAX);
        notebook = &notebooks[index];
        for (unsigned i = 0; i < 2; i++) {
            notebook->chunks[i] = calloc(1 + CHUNK_RECORDS, sizeof(struct trace_record));
            ASSERT(notebook->chunks[i]);
            notebook->chunks[i]->capacity = CHUNK_RECORDS;
        }
    }
    struct trace_chunk *chunk = notebook->chunks[writer->chunk == notebook->chunks[0]];
    if (writer->chunk)
        atomic_fetch_add(&notebook->filled, atomic_load(&writer->chunk->used));
    atomic_store(&chunk->used, 0);
    atomic_store(&notebook->current, chunk);
    writer->chunk = chunk;
    writer->session = atomic_load(&trace_session);
}

/* By all threads so far; right while none writes. */
static uint64_t records_written(void)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        const struct trace_chunk *current = atomic_load(&notebooks[i].current);
        count += atomic_load(&notebooks[i].filled) + (current ? atomic_load(&current->used) : 0);
    }
    return count;
}

static void slow_request(const char *name, uint64_t duration_ns)
{
    (void)name, (void)duration_ns;
}

static void record(bool on)
{
    static uint32_t session;
    atomic_store(&trace_session, on ? ++session : 0);
}

/* What other programs take away is not counted. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* --- single records --- */

#define CALLS 20000

static NOINLINE void clock_only(void)
{
    uint64_t ticks = trace_ticks();
    __asm__ volatile("" : : "r"(ticks));
}

static NOINLINE void region(void)
{
    trace_region_next("append");
}

static NOINLINE void fact(void)
{
    trace_log("topic", "orders");
}

static NOINLINE void park_record(void)
{
    trace_task_parked("IO wait", TRACE_WAIT_NETWORK, __builtin_frame_address(0));
}

static NOINLINE void park_in_depth(unsigned depth)
{
    if (depth > 0)
        park_in_depth(depth - 1);
    else
        park_record();
    __asm__ volatile("");
}

static void park_deep(void)
{
    park_in_depth(6);
}

static NOINLINE void resume_record(void)
{
    trace_task_resumed(1, 0);
}

static NOINLINE void request(void)
{
    trace_request_begin("Produce", "client", 1, 100);
    trace_region_begin("decode");
}

static NOINLINE void call(void)
{
    trace_call_end("pwrite", trace_call_begin());
}

static NOINLINE void long_call(const char *name)
{
    uint64_t begun = trace_call_begin();
    if (begun != 0)
        trace_call_done(name, begun - 1000000);
}

static NOINLINE void pwrite_call(void)
{
    long_call("pwrite");
}

/* What the broker does for a Produce of one batch, from the wake to the next wait. */
static NOINLINE void served_produce(void)
{
    trace_poll_ended();
    trace_task_resumed(1, (uintptr_t)clock_only);
    request();
    trace_region_next("append");
    trace_log("topic", "orders");
    long_call("pwrite");
    trace_region_next("respond");
    long_call("write");
    trace_request_end("Produce", 1);
    park_in_depth(4);
    trace_poll_begun();
}

static NOINLINE void nothing(void)
{
    __asm__ volatile("");
}

static double time_of(void (*run)(void))
{
    uint64_t start_ns = thread_cpu_ns();
    for (unsigned i = 0; i < CALLS; i++)
        run();
    return (double)(thread_cpu_ns() - start_ns) / CALLS;
}

static const struct {
    const char *what;
    void (*run)(void);
    bool on;
} singles[] = {
    {"nothing: a call in a loop", nothing, false},
    {"a reading of the clock", clock_only, false},
    {"a region, nobody records", region, false},
    {"a region", region, true},
    {"a fact, at the time of the record before", fact, true},
    {"a start in place", resume_record, true},
    {"a park, five addresses of its stack", park_deep, true},
    {"a request's begin with its first region", request, true},
    {"a call that is too short to be told", call, true},
    {"a call that is told", pwrite_call, true},
    {"all of a Produce that is served", served_produce, true},
};

/* Returns what the last one costs. */
static double compare_singles(void)
{
    static double ns[ARRAY_COUNT(singles)][ROUNDS];
    pthread_attr_t attributes;
    void *low;
    size_t size;
    ASSERT(pthread_getattr_np(pthread_self(), &attributes) == 0);
    ASSERT(pthread_attr_getstack(&attributes, &low, &size) == 0);
    pthread_attr_destroy(&attributes);
    probe_execution.stack_low = (uintptr_t)low;
    probe_execution.stack_high = (uintptr_t)low + size;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < ARRAY_COUNT(singles); i++) {
            record(singles[i].on);
            ns[i][round] = time_of(singles[i].run);
        }
    record(false);
    double call_ns = median(ns[0], ROUNDS);
    for (unsigned i = 0; i < ARRAY_COUNT(singles); i++)
        printf("%-44s %6.1f ns\n", singles[i].what, median(ns[i], ROUNDS) - (i == 0 ? 0 : call_ns));
    return median(ns[ARRAY_COUNT(singles) - 1], ROUNDS) - call_ns;
}

/* --- a wake and a wait --- */

#define TURNS 20000

struct turns {
    struct task *side[2];
    unsigned turn, ended;
    uint64_t elapsed_ns;
    sem_t done;
};

static void take_turns(struct turns *turns, unsigned me)
{
    turns->side[me] = task_self();
    for (unsigned i = 0; i < TURNS / 2; i++) {
        while (turns->turn % 2 != me)
            (void)task_park(WAIT_DATA, TIMEOUT_NEVER);
        turns->turn++;
        if (turns->side[!me])
            task_unpark(turns->side[!me]);
    }
    turns->ended++;
}

static void take_second(void *argument)
{
    take_turns(argument, 1);
}

static void take_first(void *argument)
{
    struct turns *turns = argument;
    uint64_t start_ns = thread_cpu_ns(); /* of the reactor's, which runs both */
    ASSERT(task_spawn("second", take_second, turns));
    take_turns(turns, 0);
    while (turns->ended < 2)
        task_yield();
    turns->elapsed_ns = thread_cpu_ns() - start_ns;
    sem_post(&turns->done);
}

static double wake_and_wait(struct reactor *reactor)
{
    struct turns turns = {0};
    sem_init(&turns.done, 0, 0);
    ASSERT(reactor_spawn(reactor, "first", take_first, &turns) == 0);
    sem_wait(&turns.done);
    sem_destroy(&turns.done);
    return (double)turns.elapsed_ns / TURNS;
}

static void print_arms(const char *what, const char *unit, double off[], double again[], double on[], unsigned rounds)
{
    double *control = calloc(rounds, sizeof *control), *ratio = calloc(rounds, sizeof *ratio);
    double *difference = calloc(rounds, sizeof *difference);
    ASSERT(control && ratio && difference);
    for (unsigned i = 0; i < rounds; i++) {
        control[i] = again[i] / off[i];
        ratio[i] = on[i] / off[i];
        difference[i] = on[i] - off[i];
    }
    printf("%-44s %6.1f %s off, %.1f on (+%.1f)   x%.3f, control x%.3f\n", what, median(off, rounds), unit,
           median(on, rounds), median(difference, rounds), median(ratio, rounds), median(control, rounds));
    free(control);
    free(ratio);
    free(difference);
}

static void compare_cycle(void)
{
    struct reactor *reactor;
    double off[ROUNDS], again[ROUNDS], on[ROUNDS];
    ASSERT(reactor_start(&reactor, &(struct reactor_options){.name = "bench"}) == 0);
    (void)wake_and_wait(reactor);
    for (unsigned i = 0; i < ROUNDS; i++) {
        off[i] = wake_and_wait(reactor);
        record(true);
        on[i] = wake_and_wait(reactor);
        record(false);
        again[i] = wake_and_wait(reactor);
    }
    print_arms("a wake and a wait, same reactor", "ns", off, again, on, ROUNDS);
    reactor_stop(reactor);
    reactor_join(reactor);
}

/* --- a Produce --- */

#define REQUESTS 1000
#define PRODUCE_ROUNDS 41

struct produce_bench {
    char folder[32];
    struct storage *storage;
    struct metrics *metrics;
    struct broker *broker;
    int client;
    struct buf frame, response;
};

static void ask(struct produce_bench *bench)
{
    kafka_send(bench->client, &bench->frame);
    (void)kafka_receive(bench->client, &bench->response);
}

static void produce_begin(struct produce_bench *bench)
{
    strcpy(bench->folder, "/tmp/takhin-bench-XXXXXX");
    ASSERT(mkdtemp(bench->folder));
    log_configure((struct log_options){.level = LOG_WARNING});
    bench->metrics = metrics_create();
    struct storage_options storage = {.data_dir = bench->folder, .node_id = 1, .segment_bytes = 1 << 30,
                                      .segment_age_ms = 1000000, .index_interval_bytes = 4096, .retention_ms = -1,
                                      .retention_bytes = -1, .retention_check_ms = 1000000};
    ASSERT(storage_open(&bench->storage, &storage, NULL, NULL) == 0);
    struct broker_options options = {.host = "127.0.0.1", .threads = 1, .broker_id = 1, .advertised_host = "",
                                     .max_message_bytes = 1 << 20, .max_request_bytes = 1 << 20,
                                     .max_connections = 10, .connection_idle_ms = 600000, .default_partitions = 1,
                                     .auto_create_topics = true};
    ASSERT(broker_start(&bench->broker, &options, bench->storage, bench->metrics) == 0);
    bench->client = kafka_connect(broker_port(bench->broker));
    kafka_metadata(&bench->frame, 1, "bench", "orders");
    ask(bench);
    kafka_produce(&bench->frame, 2, "bench", "orders", "a message of some thirty bytes");
}

static void produce_end(struct produce_bench *bench)
{
    close(bench->client);
    broker_stop(bench->broker);
    storage_close(bench->storage);
    metrics_destroy(bench->metrics);
    buf_deinit(&bench->frame);
    buf_deinit(&bench->response);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", bench->folder);
    ASSERT(system(command) == 0);
}

/* CPU time of all threads but this one, which is the client, for each request. */
static double produce(struct produce_bench *bench)
{
    uint64_t others_ns = clock_process_cpu_ns() - thread_cpu_ns();
    for (unsigned i = 0; i < REQUESTS; i++)
        ask(bench);
    return (double)(clock_process_cpu_ns() - thread_cpu_ns() - others_ns) / REQUESTS;
}

static void compare_produce(double records_ns)
{
    struct produce_bench bench = {0};
    double off[PRODUCE_ROUNDS], again[PRODUCE_ROUNDS], on[PRODUCE_ROUNDS];
    produce_begin(&bench);
    (void)produce(&bench);
    uint64_t records = records_written();
    for (unsigned i = 0; i < PRODUCE_ROUNDS; i++) {
        off[i] = produce(&bench);
        record(true);
        on[i] = produce(&bench);
        record(false);
        again[i] = produce(&bench);
    }
    print_arms("a Produce of one message, CPU", "ns", off, again, on, PRODUCE_ROUNDS);
    records = records_written() - records;
    printf("%-44s %6.1f records of 16 bytes, by their cost %.2f %% of it\n", "",
           (double)records / (REQUESTS * PRODUCE_ROUNDS), 100 * records_ns / median(off, PRODUCE_ROUNDS));
    produce_end(&bench);
}

int main(void)
{
    static const struct trace_sink sink = {.next_chunk = next_chunk, .slow_request = slow_request};
    atomic_store(&trace_sink, &sink);
    double records_ns = compare_singles();
    compare_cycle();
    compare_produce(records_ns);
    return 0;
}
