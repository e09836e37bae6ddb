/* broker.c: starts the reactors, accepts connections and hands each to the next reactor. */
#include "broker/broker.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "broker/connection.h"
#include "broker/context.h"
#include "broker/dispatch.h"
#include "metrics/metrics.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "runtime/wait_times.h"
#include "storage/storage.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS_MAX 256
#define LIVENESS_NS (10 * NS_PER_S)

/* A message that a reactor runs when it comes round. `done` is the only field that both sides touch. */
struct heartbeat {
    struct reactor_message message;
    atomic_bool done;
    uint64_t posted_ns;
};

struct broker {
    struct broker_context context;
    struct metrics *metrics;
    struct metric_counter *refused;
    struct reactor **reactors;
    struct heartbeat *heartbeats;
    unsigned reactor_count;
    struct listener *listener;
    sem_t listening; /* posted once listen_result holds */
    int listen_result;
};

static void accept_connections(void *argument)
{
    struct broker *broker = argument;
    struct broker_context *context = &broker->context;
    bool full = false;
    int fd;

    broker->listen_result = listener_open(&broker->listener, context->options.host, context->options.port);
    if (broker->listen_result == 0)
        context->port = listener_port(broker->listener);
    sem_post(&broker->listening);
    if (broker->listen_result < 0)
        return;

    for (unsigned next = 0; listener_accept(broker->listener, &fd) == 0; next++) {
        int count = atomic_fetch_add(&context->connection_count, 1);
        if (count >= context->options.max_connections) {
            if (!full)
                log_warning("connections refused limit=%d key=kafka.max_connections", context->options.max_connections);
            full = true;
            atomic_fetch_sub(&context->connection_count, 1);
            metric_counter_add(broker->refused, 1);
            close(fd);
            continue;
        }
        full = false;
        if (connection_spawn(broker->reactors[next % broker->reactor_count], context, fd) < 0)
            break; /* stopping */
    }
    listener_close(broker->listener);
}

/* What an execution trace shows, for whoever wants to know whether it shows all. */
static void collect_wait_times(struct metrics_writer *writer)
{
    struct wait_times times;
    wait_times_read(&times);
    metrics_write_family(writer, METRIC_COUNTER, "takhin_task_wait_seconds_total",
                         "How long tasks were parked, by reason; counted while a trace is recorded.");
    for (unsigned reason = WAIT_READY + 1; reason < WAIT_REASON_COUNT; reason++)
        metrics_write_sample(writer, times.parked_s[reason],
                             METRIC_LABELS("reason", wait_reason_text((enum wait_reason)reason)));
    metrics_write_family(writer, METRIC_COUNTER, "takhin_task_runnable_seconds_total",
                         "How long tasks could have run, but others did; counted while a trace is recorded.");
    metrics_write_sample(writer, times.runnable_s, METRIC_NO_LABELS);

    struct trace_call_total calls[TRACE_CALL_NAMES_MAX];
    unsigned call_count = trace_call_totals(calls, ARRAY_COUNT(calls));
    double tick_s = trace_tick_ns() / (double)NS_PER_S;
    metrics_write_family(writer, METRIC_COUNTER, "takhin_blocking_call_seconds_total",
                         "How long system calls of 2 us and more took; counted while a trace is recorded.");
    for (unsigned i = 0; i < call_count; i++)
        metrics_write_sample(writer, tick_s * (double)calls[i].ticks, METRIC_LABELS("call", calls[i].name));
}

static void collect_metrics(struct metrics_writer *writer, void *argument)
{
    struct broker *broker = argument;
    metrics_write_family(writer, METRIC_GAUGE, "takhin_connections", "Kafka connections that are open.");
    metrics_write_sample(writer, atomic_load(&broker->context.connection_count), METRIC_NO_LABELS);
    metrics_write_family(writer, METRIC_GAUGE, "takhin_event_loop_lag_seconds",
                         "How long the oldest ready task had waited when the reactor last came round.");
    for (unsigned i = 0; i < broker->reactor_count; i++)
        metrics_write_sample(writer, (double)reactor_lag_ns(broker->reactors[i]) / (double)NS_PER_S,
                             METRIC_LABELS("reactor", reactor_name(broker->reactors[i])));
    metrics_write_family(writer, METRIC_GAUGE, "takhin_tasks", "Tasks that live on the reactor.");
    for (unsigned i = 0; i < broker->reactor_count; i++)
        metrics_write_sample(writer, reactor_task_count(broker->reactors[i]),
                             METRIC_LABELS("reactor", reactor_name(broker->reactors[i])));
    collect_wait_times(writer);
}

static unsigned thread_count(const struct broker_options *options)
{
    long wanted = options->threads > 0 ? options->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return wanted < 1 ? 1 : wanted > THREADS_MAX ? THREADS_MAX : (unsigned)wanted;
}

static void stop_reactors(struct broker *broker)
{
    for (unsigned i = 0; i < broker->reactor_count; i++)
        reactor_stop(broker->reactors[i]);
    for (unsigned i = 0; i < broker->reactor_count; i++)
        reactor_join(broker->reactors[i]);
    broker->reactor_count = 0;
}

static int start_reactors(struct broker *broker)
{
    unsigned wanted = thread_count(&broker->context.options);
    broker->reactors = mem_alloc_array(wanted, sizeof *broker->reactors);
    broker->heartbeats = mem_alloc_array(wanted, sizeof *broker->heartbeats);
    for (unsigned i = 0; i < wanted; i++) {
        char name[sizeof "reactor-4294967295"];
        snprintf(name, sizeof name, "reactor-%u", i);
        int rc = reactor_start(&broker->reactors[i], &(struct reactor_options){.name = name});
        if (rc < 0)
            return rc;
        atomic_store(&broker->heartbeats[i].done, true);
        broker->reactor_count++;
    }
    return 0;
}

static int start_listening(struct broker *broker)
{
    int rc = reactor_spawn(broker->reactors[0], "accept", accept_connections, broker);
    if (rc < 0)
        return rc;
    while (sem_wait(&broker->listening) < 0) {
        /* interrupted by a signal */
    }
    return broker->listen_result;
}

/* Which topics and clients have a name of their own in profiles follows who is in use. */
static void rank_labels(void *unused)
{
    (void)unused;
    while (task_sleep_ms(LABEL_RANKING_MS) == 0)
        label_names_rank();
}

static int start_upkeep(struct broker *broker)
{
    int rc = reactor_spawn(broker->reactors[0], "label ranking", rank_labels, NULL);
    if (rc == 0)
        rc = reactor_spawn(broker->reactors[0], "storage upkeep", storage_maintain, broker->context.storage);
    return rc;
}

static void broker_free(struct broker *broker)
{
    stop_reactors(broker);
    dispatch_destroy(broker->context.dispatch);
    sem_destroy(&broker->listening);
    mem_free((char *)(uintptr_t)broker->context.options.host);
    mem_free((char *)(uintptr_t)broker->context.options.advertised_host);
    mem_free(broker->reactors);
    mem_free(broker->heartbeats);
    mem_free(broker);
}

int broker_start(struct broker **result, const struct broker_options *options, struct storage *storage,
                 struct metrics *metrics)
{
    struct broker *broker = MEM_NEW(struct broker);
    struct broker_context *context = &broker->context;
    context->options = *options;
    context->options.host = mem_copy_string(options->host);
    context->options.advertised_host = mem_copy_string(options->advertised_host);
    context->storage = storage;
    context->dispatch = dispatch_create(metrics);
    context->bytes_in = metrics_counter(metrics, "takhin_request_bytes_total", "Bytes of requests.", METRIC_NO_LABELS);
    context->bytes_out = metrics_counter(metrics, "takhin_response_bytes_total", "Bytes of responses.",
                                         METRIC_NO_LABELS);
    broker->refused = metrics_counter(metrics, "takhin_connections_refused_total",
                                      "Connections closed at once because of kafka.max_connections.", METRIC_NO_LABELS);
    broker->metrics = metrics;
    sem_init(&broker->listening, 0, 0);

    int rc = start_reactors(broker);
    if (rc == 0)
        rc = start_listening(broker);
    if (rc == 0)
        rc = start_upkeep(broker);
    if (rc < 0) {
        log_error("cannot listen service=kafka host=%s port=%u error=\"%s\"", options->host, options->port,
                  error_text(rc));
        broker_free(broker);
        return rc;
    }
    metrics_collector_add(metrics, collect_metrics, broker);
    log_info("listening service=kafka host=%s port=%u reactors=%u", options->host, context->port,
             broker->reactor_count);
    *result = broker;
    return 0;
}

void broker_stop(struct broker *broker)
{
    metrics_collector_remove(broker->metrics, broker);
    broker_free(broker);
}

uint16_t broker_port(const struct broker *broker)
{
    return broker->context.port;
}

static void heartbeat_run(struct reactor_message *message)
{
    atomic_store(&CONTAINER_OF(message, struct heartbeat, message)->done, true);
}

bool broker_is_live(struct broker *broker)
{
    uint64_t now = clock_monotonic_ns();
    bool live = true;
    for (unsigned i = 0; i < broker->reactor_count; i++) {
        struct heartbeat *heartbeat = &broker->heartbeats[i];
        if (!atomic_load(&heartbeat->done)) {
            live &= now - heartbeat->posted_ns < LIVENESS_NS;
            continue;
        }
        heartbeat->message.run = heartbeat_run;
        heartbeat->posted_ns = now;
        atomic_store(&heartbeat->done, false);
        if (reactor_post(broker->reactors[i], &heartbeat->message) < 0)
            live = false;
    }
    return live;
}
