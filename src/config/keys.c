/* keys.c: every key that can be set, a row each; YAML, environment, -print-config, -h and the example walk them. */
#include "config/keys.h"

#include "base/clock.h"

#define KIB 1024ll
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND ((int64_t)NS_PER_S)
#define DAY (24 * 3600 * SECOND)

/* The field's place; a field of another type than the row needs does not compile. */
#define IS(member, type) __builtin_types_compatible_p(__typeof__(((struct config *)0)->member), type)
#define FIELD(member, fits) \
    .offset = offsetof(struct config, member) + 0 * sizeof(char[(fits) ? 1 : -1]), \
    .size = sizeof(((struct config *)0)->member)

#define BOOL(member) .type = CONFIG_BOOL, FIELD(member, IS(member, bool)), .maximum = 1
#define INTEGER(member) .type = CONFIG_INTEGER, FIELD(member, IS(member, int32_t) || IS(member, int64_t))
#define PORT(member) .type = CONFIG_PORT, FIELD(member, IS(member, uint16_t)), .maximum = UINT16_MAX
#define SIZE(member) .type = CONFIG_SIZE, FIELD(member, IS(member, int64_t))
#define DURATION_MS(member) .type = CONFIG_DURATION, .field_ns = NS_PER_MS, FIELD(member, IS(member, int64_t))
#define DURATION_NS(member) .type = CONFIG_DURATION, .field_ns = 1, FIELD(member, IS(member, int64_t))
#define TEXT(member) .type = CONFIG_TEXT, FIELD(member, IS(member, const char *))
#define CHOICE(member, enum_type, list) .type = CONFIG_CHOICE, .choices = (list), FIELD(member, IS(member, enum_type))
#define RANGE(low, high) .minimum = (low), .maximum = (high)

/* The longest name in DNS, and Linux's PATH_MAX. */
#define HOST RANGE(1, 253)
#define PATH RANGE(1, 4095)

static const struct config_choice log_levels[] = {
    {"debug", LOG_DEBUG},  {"info", LOG_INFO},   {"warning", LOG_WARNING},
    {"warn", LOG_WARNING}, {"error", LOG_ERROR}, {NULL, 0},
};
static const struct config_choice log_formats[] = {{"text", LOG_TEXT}, {"json", LOG_JSON}, {NULL, 0}};

const struct config_section config_sections[] = {
    {"server", "The port that Kafka clients talk to."},
    {"kafka", "What clients are told, and what they may ask for."},
    {"storage", "The data folder."},
    {"logging", "What the program says on standard error."},
    {"metrics", "Prometheus reads http://HOST:9090/metrics."},
    {"health", "http://HOST:9091/health/live and /health/ready, for an orchestrator's probes."},
    {"profiler", "/debug/pprof/* for go tool pprof and takhin-profiler. Whoever reaches this port sees the program "
                 "from inside: keep it on loopback or behind a firewall."},
};
const size_t config_section_count = ARRAY_COUNT(config_sections);

const struct config_key config_keys[] = {
    {"server.host", TEXT(broker.host), HOST, .default_text = "0.0.0.0",
     .meaning = "Address that the Kafka port listens on; 0.0.0.0 is every IPv4 address of the machine."},
    {"server.port", PORT(broker.port), .default_text = "9092", .meaning = "The Kafka port; 0 takes a free one."},
    {"server.threads", INTEGER(broker.threads), RANGE(0, 1024), .default_text = "0",
     .meaning = "Threads that serve connections; 0 is one a core."},

    {"kafka.broker_id", INTEGER(broker.broker_id), RANGE(0, INT32_MAX), .default_text = "1",
     .meaning = "This broker's number; the data folder keeps it and is refused under another one."},
    {"kafka.advertised_host", TEXT(broker.advertised_host), RANGE(0, 253), .default_text = "",
     .meaning = "Host that clients are told to connect to; empty is the address they came to."},
    {"kafka.advertised_port", PORT(broker.advertised_port), .default_text = "0",
     .meaning = "Port that clients are told to connect to; 0 is the port that listens."},
    {"kafka.max_message_bytes", SIZE(broker.max_message_bytes), RANGE(KIB, GIB), .default_text = "1MiB",
     .meaning = "Largest record batch that a producer may send."},
    {"kafka.max_request_bytes", SIZE(broker.max_request_bytes), RANGE(KIB, GIB), .default_text = "100MiB",
     .meaning = "Largest request; a client that sends more is disconnected."},
    {"kafka.max_connections", INTEGER(broker.max_connections), RANGE(1, 1000000), .default_text = "1000",
     .meaning = "Connections at the same time; more are closed at once."},
    {"kafka.connection_timeout", DURATION_MS(broker.connection_idle_ms), RANGE(SECOND, DAY), .default_text = "10m",
     .meaning = "A connection that is silent for so long is closed."},
    {"kafka.auto_create_topics", BOOL(broker.auto_create_topics), .default_text = "true",
     .meaning = "A producer that names an unknown topic creates it."},
    {"kafka.default_partitions", INTEGER(broker.default_partitions), RANGE(1, 10000), .default_text = "1",
     .meaning = "Partitions of a topic that is created by auto_create_topics."},

    {"storage.data_dir", TEXT(storage.data_dir), PATH, .default_text = "data",
     .meaning = "Folder of the data, made if it is missing; a relative one starts where the program was started."},
    /* Positions in Kafka's index files have 31 bits. */
    {"storage.log_segment_size", SIZE(storage.segment_bytes), RANGE(4 * KIB, 2047 * MIB), .default_text = "1GiB",
     .meaning = "A segment file that would grow beyond this is closed, and a new one begins."},
    {"storage.log_segment_age", DURATION_MS(storage.segment_age_ms), RANGE(SECOND, INT64_MAX), .default_text = "7d",
     .meaning = "A segment whose first record is older is closed too."},
    {"storage.log_index_interval_bytes", SIZE(storage.index_interval_bytes), RANGE(1, GIB), .default_text = "4KiB",
     .meaning = "One entry of the index for so many bytes of the log."},
    {"storage.log_retention", DURATION_MS(storage.retention_ms), RANGE(SECOND, INT64_MAX), .unlimited = true,
     .default_text = "7d", .meaning = "A segment is deleted when its newest record is older."},
    {"storage.log_retention_bytes", SIZE(storage.retention_bytes), RANGE(1, INT64_MAX), .unlimited = true,
     .default_text = "-1", .meaning = "The oldest segments of a partition that is larger are deleted."},
    {"storage.log_cleanup_interval", DURATION_MS(storage.retention_check_ms), RANGE(SECOND / 10, DAY),
     .default_text = "5m", .meaning = "How often segments to delete are looked for."},
    {"storage.log_flush_messages", INTEGER(storage.flush_messages), RANGE(0, INT64_MAX), .default_text = "0",
     .meaning = "A partition is written to the disk (fsync) after so many messages; 0 leaves it to the kernel."},
    {"storage.log_flush_interval", DURATION_MS(storage.flush_ms), RANGE(0, DAY), .default_text = "0s",
     .meaning = "What has waited for so long is written to the disk; 0 leaves it to the kernel."},

    {"logging.level", CHOICE(log.level, enum log_level, log_levels), .live = true, .default_text = "info",
     .meaning = "What is below this level is not logged."},
    {"logging.format", CHOICE(log.format, enum log_format, log_formats), .default_text = "text",
     .meaning = "Lines for people, or one JSON object a line."},

    {"metrics.enabled", BOOL(metrics.enabled), .default_text = "true", .meaning = "Serve the metrics."},
    {"metrics.host", TEXT(metrics.host), HOST, .default_text = "0.0.0.0", .meaning = "Address to listen on."},
    {"metrics.port", PORT(metrics.port), .default_text = "9090", .meaning = "Port to listen on; 0 takes a free one."},

    {"health.enabled", BOOL(health.enabled), .default_text = "true", .meaning = "Answer the probes."},
    {"health.host", TEXT(health.host), HOST, .default_text = "0.0.0.0", .meaning = "Address to listen on."},
    {"health.port", PORT(health.port), .default_text = "9091", .meaning = "Port to listen on; 0 takes a free one."},

    {"profiler.enabled", BOOL(profiler.enabled), .live = true, .default_text = "false",
     .meaning = "Serve profiles; while false nothing is sampled, and no port, thread or timer exists for it."},
    {"profiler.host", TEXT(profiler.host), HOST, .live = true, .default_text = "127.0.0.1",
     .meaning = "Address to listen on; 0.0.0.0 opens it to the network."},
    {"profiler.port", PORT(profiler.port), .live = true, .default_text = "6060",
     .meaning = "Port to listen on; 0 takes a free one."},
    {"profiler.cpu_hz", INTEGER(profiler.cpu_hz), RANGE(1, PROFILER_CPU_HZ_MAX), .live = true,
     .default_text = "100",
     .meaning = "Samples per second of CPU time, where a request names no rate of its own (hz=)."},
    {"profiler.mem_rate", SIZE(profiler.mem_rate), RANGE(0, PROFILER_MEM_RATE_MAX), .live = true,
     .default_text = "512KiB",
     .meaning = "One sample of the heap for so many bytes allocated, on average; 1 samples every allocation, 0 none."},
    {"profiler.block_rate", DURATION_NS(profiler.block_rate), RANGE(0, PROFILER_BLOCK_RATE_MAX), .live = true,
     .default_text = "10us",
     .meaning = "One sample of block for so much time that tasks wait, on average; 1ns samples every wait, 0 none."},
    {"profiler.mutex_fraction", INTEGER(profiler.mutex_fraction), RANGE(0, PROFILER_MUTEX_FRACTION_MAX), .live = true,
     .default_text = "1",
     .meaning = "One in so many delays by a lock's holder is a sample of mutex; 1 samples every one, 0 none."},
    {"profiler.label_topics", BOOL(profiler.label_topics), .live = true, .default_text = "true",
     .meaning = "Samples say which topic was worked on: the 64 most used by name, the rest as other."},
    {"profiler.label_clients", BOOL(profiler.label_clients), .live = true, .default_text = "true",
     .meaning = "Samples say which client asked, by its client id: the 64 most active by name, the rest as other."},
    {"profiler.max_duration", DURATION_NS(profiler.max_duration_ns), RANGE(SECOND, DAY), .live = true,
     .default_text = "5m", .meaning = "Longest profile that one request may ask for."},
    {"profiler.trace_buffer", SIZE(profiler.trace_buffer), RANGE(0, PROFILER_TRACE_BUFFER_MAX), .live = true,
     .default_text = "16MiB",
     .meaning = "Memory of the flight recorder, which always holds the trace of the last seconds; 0 records only while "
                "somebody reads."},
    {"profiler.slow_request_ms", INTEGER(profiler.slow_request_ms), RANGE(0, PROFILER_SLOW_REQUEST_MS_MAX),
     .live = true, .default_text = "0",
     .meaning = "A request that takes so many milliseconds or more saves the trace of the time around it; 0 saves "
                "none."},
    {"profiler.capture_dir", TEXT(profiler.capture_dir), PATH, .live = true, .default_text = "captures",
     .meaning = "Folder of the saved traces, made when the first is saved; a relative one starts where the program was "
                "started."},
    {"profiler.capture_cooldown", DURATION_NS(profiler.capture_cooldown_ns), RANGE(SECOND, DAY), .live = true,
     .default_text = "1m", .meaning = "After a saved trace no other is saved for so long."},
    {"profiler.capture_bytes", SIZE(profiler.capture_bytes), RANGE(PROFILER_CAPTURE_BYTES_MIN, INT64_MAX),
     .live = true, .default_text = "256MiB",
     .meaning = "The oldest saved traces are removed when all are larger than this together."},
    {"profiler.capture_age", DURATION_NS(profiler.capture_age_ns), RANGE(60 * SECOND, INT64_MAX), .live = true,
     .default_text = "7d", .meaning = "A saved trace is removed when it is older."},
};
const size_t config_key_count = ARRAY_COUNT(config_keys);

/* The first row that fits counts, so that the exception stands above the rule. */
const struct config_foreign_key config_foreign_keys[] = {
    {"server.tls.enabled", "false", "the Kafka port has no TLS: put a proxy in front"},
    {"server.tls", NULL, "the Kafka port has no TLS"},
    {"acl.enabled", "false", "there is no authorization"},
    {"acl", NULL, "there is no authorization"},
    {"storage.encryption.enabled", "false", "the data folder is not encrypted: use an encrypted disk"},
    {"storage.encryption", NULL, "the data folder is not encrypted"},
    {"storage.cleaner_enabled", NULL, "segments are deleted by log_retention, not compacted"},
    {"storage.compaction", NULL, "segments are deleted by log_retention, not compacted"},
    {"kafka.listeners", NULL, "server.host and server.port say where to listen"},
    {"kafka.cluster_brokers", NULL, "this broker is a cluster of one"},
    {"kafka.request_timeout_ms", NULL, "requests have the timeouts that they name"},
    {"kafka.batch", NULL, "batches are stored as the producer sent them"},
    {"metrics.path", "/metrics", "it cannot be changed"},
    {"replication", NULL, "this broker is a cluster of one"},
    {"raft", NULL, "this broker is a cluster of one"},
    {"throttle", NULL, "clients are not throttled"},
};
const size_t config_foreign_key_count = ARRAY_COUNT(config_foreign_keys);

const struct config_guess config_guesses[] = {
    {"host", "server.host"},
    {"port", "server.port"},
    {"threads", "server.threads"},
    {"kafka.host", "server.host"},
    {"kafka.port", "server.port"},
    {"kafka.threads", "server.threads"},
    {"broker.id", "kafka.broker_id"},
    {"data.dir", "storage.data_dir"},
    {"log.dir", "storage.data_dir"},
    {"log.dirs", "storage.data_dir"},
    {"log.level", "logging.level"},
    {"log.format", "logging.format"},
};
const size_t config_guess_count = ARRAY_COUNT(config_guesses);
