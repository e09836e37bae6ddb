/* load.c: a load of real Kafka clients (librdkafka): producers and consumers over several topics, with figures.
 *
 * Every message starts with a header that says when it was handed to the producer and which one it is. So a consumer
 * can tell how long it took, and whether each message came exactly once and in its place.
 * Two latencies are printed: ack (produce() to delivery report) and end to end (produce() to the consumer). */
#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TOPICS_MAX 64

struct options {
    const char *brokers, *topic_prefix, *codec, *acks;
    int topic_count, partition_count;
    double duration_s;
    int64_t message_count; /* 0: until duration_s is over */
    int64_t message_size;
    int64_t rate; /* messages a second, 0: as fast as it goes */
    bool mock, consume, idempotent;
};

/* What each message starts with. */
struct header {
    uint64_t sent_ns;
    uint64_t run;    /* of this process: another load's messages are told by it */
    uint64_t number; /* from 0 on, dealt out to the partitions in turn */
};

/* Latencies in buckets of 1/16 power of two: 6 % wide, wait-free to count. */
struct latency {
    _Atomic uint64_t bucket[64 * 16];
};

static struct {
    struct options options;
    rd_kafka_topic_t *topics[TOPICS_MAX];
    atomic_bool stop;
    atomic_llong sent, acked, failed, consumed;
    uint64_t run;
    /* Of messages that a consumer has read: not this run's; not the next one of their partition. */
    long long foreign, missing, repeated;
    uint64_t *next_number; /* that each partition of each topic has to have */
    struct latency ack, end_to_end;
} load;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void latency_add(struct latency *latency, uint64_t ns)
{
    unsigned high = ns < 16 ? 4 : 63 - (unsigned)__builtin_clzll(ns);
    unsigned fraction = (unsigned)(ns >> (high - 4)) & 15;
    atomic_fetch_add_explicit(&latency->bucket[high * 16 + fraction], 1, memory_order_relaxed);
}

static double latency_quantile_ms(struct latency *latency, double quantile)
{
    uint64_t total = 0, seen = 0;
    for (size_t i = 0; i < 64 * 16; i++)
        total += latency->bucket[i];
    for (size_t i = 0; i < 64 * 16; i++) {
        seen += latency->bucket[i];
        if (total && (double)seen >= quantile * (double)total)
            return (double)((1ull << (i / 16)) + ((i % 16 + 1) << (i / 16)) / 16) / 1e6;
    }
    return 0;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "takhin-load: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die(key, why);
}

/* False: it is not one of this run's. */
static bool read_header(const rd_kafka_message_t *message, struct header *header)
{
    if (message->len < sizeof *header)
        return false;
    memcpy(header, message->payload, sizeof *header);
    return header->run == load.run;
}

static uint64_t place_count(void)
{
    return (uint64_t)load.options.topic_count * (uint64_t)load.options.partition_count;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err) {
        if (atomic_fetch_add(&load.failed, 1) == 0)
            fprintf(stderr, "takhin-load: a message was not delivered: %s\n", rd_kafka_err2str(message->err));
        return;
    }
    atomic_fetch_add(&load.acked, 1);
    struct header header;
    if (read_header(message, &header))
        latency_add(&load.ack, now_ns() - header.sent_ns);
}

static void on_error(rd_kafka_t *client, int err, const char *reason, void *opaque)
{
    (void)client;
    (void)opaque;
    fprintf(stderr, "takhin-load: %s: %s\n", rd_kafka_err2name(err), reason);
}

static rd_kafka_t *client_create(rd_kafka_type_t type, const char *client_id)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", load.options.brokers);
    set(conf, "client.id", client_id);
    set(conf, "broker.address.family", "v4");
    rd_kafka_conf_set_error_cb(conf, on_error);
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "linger.ms", "5");
        set(conf, "acks", load.options.acks);
        set(conf, "compression.codec", load.options.codec);
        set(conf, "queue.buffering.max.messages", "200000");
        set(conf, "enable.idempotence", load.options.idempotent ? "true" : "false");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    } else {
        set(conf, "group.id", "takhin-load");
        set(conf, "enable.auto.commit", "false");
        set(conf, "auto.offset.reset", "earliest");
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client)
        die("client", why);
    return client;
}

static void topic_name(char *name, size_t capacity, int index)
{
    snprintf(name, capacity, "%s-%d", load.options.topic_prefix, index);
}

static void create_topics(rd_kafka_t *client)
{
    rd_kafka_NewTopic_t *topics[TOPICS_MAX];
    char why[256];
    for (int i = 0; i < load.options.topic_count; i++) {
        char name[128];
        topic_name(name, sizeof name, i);
        topics[i] = rd_kafka_NewTopic_new(name, load.options.partition_count, 1, why, sizeof why);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, topics, (size_t)load.options.topic_count, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 15000);
    if (!event)
        die("create topics", "no answer in 15 s");
    if (rd_kafka_event_error(event))
        die("create topics", rd_kafka_event_error_string(event));
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[i]);
        if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            die(rd_kafka_topic_result_name(results[i]), rd_kafka_err2str(err));
    }
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy_array(topics, (size_t)load.options.topic_count);
}

/* All partitions from their current end on: what this run produces, and nothing older. Before anything is produced. */
static void assign_partitions(rd_kafka_t *client)
{
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(16);
    for (int topic = 0; topic < load.options.topic_count; topic++)
        for (int partition = 0; partition < load.options.partition_count; partition++) {
            char name[128];
            int64_t low, high;
            topic_name(name, sizeof name, topic);
            rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(client, name, partition, &low, &high, 15000);
            if (err)
                die("watermark offsets", rd_kafka_err2str(err));
            rd_kafka_topic_partition_list_add(partitions, name, partition)->offset = high;
        }
    rd_kafka_resp_err_t err = rd_kafka_assign(client, partitions);
    if (err)
        die("assign", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(partitions);
    rd_kafka_poll_set_consumer(client);
}

/* Numbers are dealt out in turn, so each partition has every place_count()th, in order. */
static void check_message(const rd_kafka_message_t *message)
{
    struct header header;
    if (!read_header(message, &header)) {
        load.foreign++;
        return;
    }
    atomic_fetch_add(&load.consumed, 1);
    latency_add(&load.end_to_end, now_ns() - header.sent_ns);
    uint64_t *next = &load.next_number[header.number % place_count()];
    if (header.number < *next) {
        load.repeated++;
        return;
    }
    load.missing += (long long)((header.number - *next) / place_count());
    *next = header.number + place_count();
}

static void *consume(void *argument)
{
    rd_kafka_t *client = argument;
    while (!atomic_load(&load.stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
        if (!message)
            continue;
        if (!message->err)
            check_message(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(client);
    return NULL;
}

static void wait_until(uint64_t ns, rd_kafka_t *producer)
{
    for (uint64_t now = now_ns(); now < ns; now = now_ns()) {
        uint64_t left_ms = (ns - now) / 1000000 + 1; /* what becomes due meanwhile goes at once: polling burns a core */
        rd_kafka_poll(producer, left_ms > 10 ? 10 : (int)left_ms);
    }
}

static void produce(rd_kafka_t *producer, uint64_t start_ns)
{
    const struct options *options = &load.options;
    uint64_t end_ns = start_ns + (uint64_t)(options->duration_s * 1e9);
    char *payload = malloc((size_t)options->message_size);
    /* Neither all alike nor random: compresses about as text does. */
    for (int64_t i = 0; i < options->message_size; i++)
        payload[i] = "takhin keeps the log; the log keeps time. "[(i * i / 7 + i) % 42];

    for (int64_t i = 0; !atomic_load(&load.stop); i++) {
        if (options->message_count ? i >= options->message_count : now_ns() >= end_ns)
            break;
        if (options->rate)
            wait_until(start_ns + (uint64_t)((double)i * 1e9 / (double)options->rate), producer);
        struct header header = {.sent_ns = now_ns(), .run = load.run, .number = (uint64_t)i};
        memcpy(payload, &header, sizeof header);
        rd_kafka_topic_t *topic = load.topics[i % options->topic_count];
        int32_t partition = (int32_t)(i / options->topic_count % options->partition_count);
        while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, payload, (size_t)options->message_size, NULL, 0,
                                NULL) == -1) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                die("produce", rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(producer, 10);
        }
        atomic_fetch_add_explicit(&load.sent, 1, memory_order_relaxed);
        if (i % 64 == 0)
            rd_kafka_poll(producer, 0);
    }
    int left = INT_MAX, before;
    do {
        before = left;
        rd_kafka_flush(producer, 30000);
        left = rd_kafka_outq_len(producer);
    } while (left > 0 && left < before);
    if (left > 0)
        die("flush", "messages were left, and none was delivered for 30 s");
    free(payload);
}

static void on_signal(int number)
{
    (void)number;
    atomic_store(&load.stop, true);
}

static const char usage[] =
    "usage: takhin-load [options]\n"
    "Produces to and consumes from a Kafka broker with librdkafka, and prints messages/s and latencies.\n"
    "  -brokers HOST:PORT  default 127.0.0.1:9092\n"
    "  -mock               against librdkafka's mock cluster in this process instead\n"
    "  -duration SECONDS   default 10\n"
    "  -messages N         this many messages instead of a duration\n"
    "  -size BYTES         of a message, at least 24, default 200\n"
    "  -rate N             messages a second, default 0: as fast as it goes\n"
    "  -topics N           default 4, at most 64\n"
    "  -partitions N       of each topic, default 2\n"
    "  -prefix NAME        topics are NAME-0, NAME-1, ...; default load\n"
    "  -codec NAME         none, gzip, snappy, lz4, zstd; default none\n"
    "  -acks N             0, 1 or all; default all\n"
    "  -idempotent         each message exactly once, even where a request has to be repeated\n"
    "  -no-consume         produce only\n";

static struct options options_parse(int argc, char **argv)
{
    struct options options = {.brokers = "127.0.0.1:9092", .topic_prefix = "load", .codec = "none", .acks = "all",
                              .topic_count = 4, .partition_count = 2, .duration_s = 10, .message_size = 200,
                              .consume = true};
    static const struct option names[] = {
        {"brokers", 1, NULL, 'b'},    {"mock", 0, NULL, 'm'},  {"duration", 1, NULL, 'd'},
        {"messages", 1, NULL, 'n'},   {"size", 1, NULL, 's'},  {"rate", 1, NULL, 'r'},
        {"topics", 1, NULL, 't'},     {"partitions", 1, NULL, 'p'}, {"prefix", 1, NULL, 'x'},
        {"codec", 1, NULL, 'c'},      {"acks", 1, NULL, 'a'},  {"no-consume", 0, NULL, 'P'},
        {"idempotent", 0, NULL, 'i'}, {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long_only(argc, argv, "h", names, NULL)) != -1;)
        switch (option) {
        case 'b': options.brokers = optarg; break;
        case 'm': options.mock = true; break;
        case 'd': options.duration_s = atof(optarg); break;
        case 'n': options.message_count = atoll(optarg); break;
        case 's': options.message_size = atoll(optarg); break;
        case 'r': options.rate = atoll(optarg); break;
        case 't': options.topic_count = atoi(optarg); break;
        case 'p': options.partition_count = atoi(optarg); break;
        case 'x': options.topic_prefix = optarg; break;
        case 'c': options.codec = optarg; break;
        case 'a': options.acks = optarg; break;
        case 'i': options.idempotent = true; break;
        case 'P': options.consume = false; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    if (optind < argc || options.topic_count < 1 || options.topic_count > TOPICS_MAX || options.partition_count < 1 ||
        options.message_size < (int64_t)sizeof(struct header) || options.message_size > 900000 ||
        options.duration_s <= 0) {
        fputs(usage, stderr);
        exit(2);
    }
    return options;
}

int main(int argc, char **argv)
{
    load.options = options_parse(argc, argv);
    load.run = now_ns() ^ (uint64_t)getpid() << 48;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    rd_kafka_t *mock_host = NULL;
    rd_kafka_mock_cluster_t *mock = NULL;
    if (load.options.mock) {
        char why[256];
        mock_host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
        mock = rd_kafka_mock_cluster_new(mock_host, 1);
        load.options.brokers = rd_kafka_mock_cluster_bootstraps(mock);
        for (int i = 0; i < load.options.topic_count; i++) { /* its CreateTopics is not served */
            char name[128];
            topic_name(name, sizeof name, i);
            rd_kafka_mock_topic_create(mock, name, load.options.partition_count, 1);
        }
    }
    rd_kafka_t *producer = client_create(RD_KAFKA_PRODUCER, "load-producer");
    if (!mock)
        create_topics(producer);
    for (int i = 0; i < load.options.topic_count; i++) {
        char name[128];
        topic_name(name, sizeof name, i);
        load.topics[i] = rd_kafka_topic_new(producer, name, NULL);
    }
    rd_kafka_t *consumer = NULL;
    pthread_t consumer_thread;
    if (load.options.consume) {
        load.next_number = malloc(place_count() * sizeof load.next_number[0]);
        for (uint64_t place = 0; place < place_count(); place++)
            load.next_number[place] = place;
        consumer = client_create(RD_KAFKA_CONSUMER, "load-consumer");
        assign_partitions(consumer);
        pthread_create(&consumer_thread, NULL, consume, consumer);
    }

    uint64_t start_ns = now_ns();
    produce(producer, start_ns);
    double produced_s = (double)(now_ns() - start_ns) / 1e9;
    /* The consumer may catch up for as long as it gets on; less than everything is reported below. */
    long long consumed = 0;
    for (int i = 0; consumer && i < 100 && !atomic_load(&load.stop) && load.consumed < load.acked; i++) {
        rd_kafka_poll(producer, 100);
        if (consumed < load.consumed)
            i = 0;
        consumed = load.consumed;
    }
    double consumed_s = (double)(now_ns() - start_ns) / 1e9;
    atomic_store(&load.stop, true);

    double mib = (double)load.options.message_size / 1048576;
    printf("produced %lld messages in %.2f s: %.0f messages/s, %.1f MiB/s; ack p50 %.2f ms, p99 %.2f ms\n",
           (long long)load.acked, produced_s, (double)load.acked / produced_s, (double)load.acked * mib / produced_s,
           latency_quantile_ms(&load.ack, 0.5), latency_quantile_ms(&load.ack, 0.99));
    if (consumer) {
        pthread_join(consumer_thread, NULL);
        printf("consumed %lld messages in %.2f s: %.0f messages/s, %.1f MiB/s; end to end p50 %.2f ms, p99 %.2f ms\n",
               (long long)load.consumed, consumed_s, (double)load.consumed / consumed_s,
               (double)load.consumed * mib / consumed_s, latency_quantile_ms(&load.end_to_end, 0.5),
               latency_quantile_ms(&load.end_to_end, 0.99));
        rd_kafka_destroy(consumer);
        free(load.next_number);
        if (load.missing || load.repeated || load.foreign)
            printf("the log is not what was produced: %lld messages missing, %lld repeated, %lld of somebody else\n",
                   load.missing, load.repeated, load.foreign);
    }
    for (int i = 0; i < load.options.topic_count; i++)
        rd_kafka_topic_destroy(load.topics[i]);
    rd_kafka_destroy(producer);
    if (mock) {
        rd_kafka_mock_cluster_destroy(mock);
        rd_kafka_destroy(mock_host);
    }
    bool is_whole = !load.options.consume || (load.consumed == load.acked && !load.missing && !load.repeated &&
                                              !load.foreign);
    return load.failed || !is_whole ? 1 : 0;
}
