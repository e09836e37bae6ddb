/* test_yaml.c: the file, as people and the Go broker write it, and as it comes out of a broken editor. */
#include "config_test.h"

static void nesting_and_underscores_are_the_same(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "storage:\n  data_dir: /x\n",
        "storage:\n  data:\n    dir: /x\n",
        "storage: {data: {dir: /x}}\n",
        "storage.data_dir: \"/x\"\n",
        "storage.data: {dir: '/x'}\n",
        "storage_data_dir: /x",
        "{\"storage\": {\"data_dir\": \"/x\"}}",
        "\xef\xbb\xbfstorage:\r\n  data_dir: /x\r\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        struct loaded loaded = load(forms[i], NULL);
        assert_said(&loaded, "");
        assert_string_equal(loaded.config.storage.data_dir, "/x");
        assert_int_equal(loaded.config.broker.port, 9092);
        unload(&loaded);
    }
}

static void nothing_in_the_file_is_no_error(void **state)
{
    (void)state;
    static const char *const forms[] = {"", "# only a comment\n", "---\n", "---\n...\n", "{}", "~", "null\n",
                                        "profiler:\n  # enabled: true\nstorage: {log: }\n",
                                        "storage: {log_retention: {}}\n"};
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        struct loaded loaded = load(forms[i], NULL);
        assert_said(&loaded, "");
        assert_int_equal(loaded.config.profiler.port, 6060);
        unload(&loaded);
    }
}

static void every_error_is_found_in_one_go(void **state)
{
    (void)state;
    struct loaded loaded = load("profiler:\n"
                                "  prot: 6060\n"
                                "  port: abc\n"
                                "  enabled: maybe\n"
                                "  host: [127.0.0.1]\n"
                                "  cpu_hz: {rate: 100}\n"
                                "storage:\n"
                                "  log: {cleanup_interval: 10}\n"
                                "  data_dir:\n"
                                "servers:\n"
                                "  port: 1\n"
                                "  other: [1, {2: 3}]\n"
                                "health: true\n"
                                "metrics: [true]\n"
                                "logging: {level: loud, \"for\\x1bmat\": text, [a]: b}\n",
                                (const char *const[]){"TAKHIN_KAFKA_BROKER_ID=one", "TAKHIN_PROFILR_PORT=6061", NULL});
    assert_said(&loaded,
                "error: takhin.yaml:2:3: profiler.prot: unknown key (did you mean profiler.port?)\n"
                "error: takhin.yaml:3:9: profiler.port: expected a port from 0 to 65535, got \"abc\"\n"
                "error: takhin.yaml:4:12: profiler.enabled: expected true or false, got \"maybe\"\n"
                "error: takhin.yaml:5:9: profiler.host: expected a text of 1 to 253 printable characters, got a list\n"
                "error: takhin.yaml:6:11: profiler.cpu_hz: expected a whole number from 1 to 1000, got keys below it\n"
                "error: takhin.yaml:8:27: storage.log.cleanup_interval: expected a duration from 100ms to 24h "
                "(such as 30s, 1h30m), got \"10\"\n"
                "error: takhin.yaml:9:12: storage.data_dir: expected a text of 1 to 4095 printable characters, got "
                "nothing\n"
                "error: takhin.yaml:10:1: servers: unknown key (did you mean server?)\n"
                "error: takhin.yaml:13:9: health: expected keys below it, got a value\n"
                "error: takhin.yaml:14:10: metrics: expected keys below it, got a list\n"
                "error: takhin.yaml:15:18: logging.level: expected one of debug, info, warning, warn, error, "
                "got \"loud\"\n"
                "error: takhin.yaml:15:24: logging.for?mat: unknown key (did you mean logging.format?)\n"
                "error: takhin.yaml:15:44: expected a key, got something else\n"
                "error: TAKHIN_KAFKA_BROKER_ID: expected a whole number from 0 to 2147483647, got \"one\"\n"
                "warning: TAKHIN_PROFILR_PORT: ignored: no such key (did you mean TAKHIN_PROFILER_PORT?)\n");
    assert_null(loaded.config.storage.data_dir);
    unload(&loaded);
}

static void a_key_stands_once_in_whatever_form(void **state)
{
    (void)state;
    struct loaded loaded = load("storage:\n  data_dir: /a\n  data:\n    dir: /b\n"
                                "storage.log_retention: 1h\nstorage.log_retention_hours: 2\n", NULL);
    assert_said(&loaded, "error: takhin.yaml:4:10: storage.data.dir: set already by takhin.yaml:2:13\n"
                         "error: takhin.yaml:6:30: storage.log_retention_hours: set already by takhin.yaml:5:24\n");
    unload(&loaded);
}

static void broken_yaml_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *said;
    } cases[] = {
        {"server:\n  port: \"90\n", "error: takhin.yaml:3:1: not YAML: while scanning a quoted scalar: found "
                                    "unexpected end of stream\n"},
        {"server:\n\tport: 1\n", "error: takhin.yaml:2:1: not YAML: while scanning for the next token: found character "
                                 "that cannot start any token\n"},
        {"server:\n  port: 1\n host: x\n", "error: takhin.yaml:3:2: not YAML: while parsing a block mapping: did not "
                                           "find expected key\n"},
        {"server:\n  host: \"\x01\"\n", "error: takhin.yaml:2:10: not YAML: control characters are not allowed\n"},
        {"a\n", "error: takhin.yaml:1:1: expected keys such as server.port\n"},
        {"- server\n", "error: takhin.yaml:1:1: expected keys such as server.port\n"},
        {"server: {port: 1}\n---\nserver: {port: 2}\n",
         "error: takhin.yaml:2:1: a second document (---) begins; only one may stand here\n"},
        {"server: {host: \"a\\0b\"}\n",
         "error: takhin.yaml:1:16: server.host: expected a text of 1 to 253 printable characters, got a text with "
         "a zero byte\n"},
        /* What was wrong before the break is said too. */
        {"server: {prot: 1}\n}", "error: takhin.yaml:1:10: server.prot: unknown key (did you mean server.port?)\n"
                                 "error: takhin.yaml:2:1: not YAML: while parsing a block mapping: did not find "
                                 "expected key\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct loaded loaded = load(cases[i].yaml, NULL);
        assert_said(&loaded, cases[i].said);
        unload(&loaded);
    }
}

static void aliases_are_refused(void **state)
{
    (void)state;
    struct loaded loaded = load("server: &a {port: 1}\nmetrics: *a\nhealth: {<<: *a, port: *b}\n", NULL);
    assert_said(&loaded, "error: takhin.yaml:2:10: aliases (*name) are not supported: write the value out\n"
                         "error: takhin.yaml:3:14: aliases (*name) are not supported: write the value out\n"
                         "error: takhin.yaml:3:24: aliases (*name) are not supported: write the value out\n");
    unload(&loaded);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml);
    buf_append_string(&yaml, "raft: ");
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&yaml, '[');
    struct loaded loaded = load(buf_string(&yaml), NULL);
    assert_said(&loaded, "warning: takhin.yaml:1:7: raft: ignored: this broker is a cluster of one\n"
                         "error: takhin.yaml:1:22: more than 16 levels deep\n");
    unload(&loaded);
    buf_deinit(&yaml);
}

static void errors_and_bytes_are_bounded(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml);
    for (int i = 0; i < 1000; i++)
        buf_printf(&yaml, "key%d: 1\n", i);
    struct loaded loaded = load(buf_string(&yaml), NULL);
    assert_int_equal(loaded.report.errors, 101);
    unload(&loaded);

    while (yaml.size <= 1024 * 1024)
        buf_append_string(&yaml, "# a comment that is repeated until the file is too large\n");
    loaded = load(buf_string(&yaml), NULL);
    assert_said(&loaded, "error: takhin.yaml: larger than 1 MiB, so it is no configuration\n");
    unload(&loaded);
    buf_deinit(&yaml);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct loaded loaded;
    loaded.rc = config_load(&(struct config_sources){.file = "missing.yaml"}, &loaded.config, &loaded.report);
    assert_said(&loaded, "error: missing.yaml: No such file or directory\n");
    unload(&loaded);
    loaded.rc = config_load(&(struct config_sources){.file = "."}, &loaded.config, &loaded.report);
    assert_said(&loaded, "error: .: Is a directory\n");
    unload(&loaded);
}

static void limits_that_exclude_each_other_are_an_error(void **state)
{
    (void)state;
    struct loaded loaded = load("kafka: {max_message_bytes: 2MiB, max_request_bytes: 1MiB}\n", NULL);
    assert_said(&loaded, "error: kafka.max_message_bytes: more than kafka.max_request_bytes, so no such message can "
                         "come\n");
    unload(&loaded);
}

/* The keys of the Go broker's file, as deep as it nests them. */
static const char go_file[] =
    "server: {host: 127.0.0.1, port: 19092, tls: {enabled: false, cert: {file: ''}, cipher: {suites: []}}}\n"
    "kafka:\n"
    "  broker: {id: 3}\n"
    "  cluster: {brokers: [3]}\n"
    "  listeners: ['tcp://0.0.0.0:9092']\n"
    "  advertised: {host: localhost, port: 9092}\n"
    "  max: {message: {bytes: 2097152}, connections: 500}\n"
    "  request: {timeout: {ms: 30000}}\n"
    "  connection: {timeout: {ms: 60000}}\n"
    "storage:\n"
    "  data: {dir: /srv/takhin}\n"
    "  log:\n"
    "    segment: {size: 536870912}\n"
    "    retention: {hours: 24, bytes: 0}\n"
    "    cleanup: {interval: {ms: 60000}}\n"
    "    flush: {interval: {ms: 1000}, messages: 10000}\n"
    "  cleaner: {enabled: true}\n"
    "  compaction: {interval: {ms: 600000}, min: {cleanable: {ratio: 0.5}}}\n"
    "  encryption: {enabled: false, algorithm: none, key: {dir: ''}}\n"
    "replication: {default: {replication: {factor: 1}}}\n"
    "raft: {heartbeat: {timeout: {ms: 1000}}, leader: {lease: {timeout: {ms: 500}}}}\n"
    "logging: {level: warn, format: json}\n"
    "metrics: {enabled: true, host: 0.0.0.0, port: 9090, path: /metrics}\n"
    "health: {enabled: true, host: 0.0.0.0, port: 9091}\n"
    "acl: {enabled: false}\n"
    "throttle: {producer: {bytes: {per: {second: 10485760}}, burst: 20971520}}\n"
    "profiler: {enabled: true, host: 0.0.0.0, port: 6060}\n";

static void the_go_brokers_file_loads(void **state)
{
    (void)state;
    struct loaded loaded = load(go_file, NULL);
    assert_said(&loaded,
                "warning: takhin.yaml:1:75: server.tls.cert.file: ignored, as all of server.tls: the Kafka port has "
                "no TLS\n"
                "warning: takhin.yaml:4:22: kafka.cluster.brokers: ignored: this broker is a cluster of one\n"
                "warning: takhin.yaml:5:14: kafka.listeners: ignored: server.host and server.port say where to listen\n"
                "warning: takhin.yaml:8:27: kafka.request.timeout.ms: ignored: requests have the timeouts that they "
                "name\n"
                "warning: takhin.yaml:17:22: storage.cleaner.enabled: ignored: segments are deleted by log_retention, "
                "not compacted\n"
                "warning: takhin.yaml:18:31: storage.compaction.interval.ms: ignored, as all of storage.compaction: "
                "segments are deleted by log_retention, not compacted\n"
                "warning: takhin.yaml:19:43: storage.encryption.algorithm: ignored, as all of storage.encryption: "
                "the data folder is not encrypted\n"
                "warning: takhin.yaml:20:47: replication.default.replication.factor: ignored, as all of replication: "
                "this broker is a cluster of one\n"
                "warning: takhin.yaml:21:34: raft.heartbeat.timeout.ms: ignored, as all of raft: this broker is a "
                "cluster of one\n"
                "warning: takhin.yaml:26:45: throttle.producer.bytes.per.second: ignored, as all of throttle: "
                "clients are not throttled\n");
    const struct config *config = &loaded.config;
    assert_int_equal(config->broker.port, 19092);
    assert_int_equal(config->broker.broker_id, 3);
    assert_string_equal(config->broker.advertised_host, "localhost");
    assert_int_equal(config->broker.max_message_bytes, 2097152);
    assert_int_equal(config->broker.max_connections, 500);
    assert_int_equal(config->broker.connection_idle_ms, 60000);
    assert_string_equal(config->storage.data_dir, "/srv/takhin");
    assert_int_equal(config->storage.segment_bytes, 536870912);
    assert_int_equal(config->storage.retention_ms, 24 * 3600 * 1000);
    assert_int_equal(config->storage.retention_bytes, -1);
    assert_int_equal(config->storage.retention_check_ms, 60000);
    assert_int_equal(config->storage.flush_ms, 1000);
    assert_int_equal(config->storage.flush_messages, 10000);
    assert_int_equal(config->log.level, LOG_WARNING);
    assert_int_equal(config->log.format, LOG_JSON);
    assert_true(config->profiler.enabled);
    unload(&loaded);
}

static void a_protection_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct loaded loaded = load("server: {tls: {enabled: true}}\nacl: {enabled: true}\n"
                                "storage: {encryption: {enabled: true}}\nmetrics: {path: /m}\n",
                                (const char *const[]){"TAKHIN_ACL_ENABLED=yes", NULL});
    assert_said(&loaded, "error: takhin.yaml:1:25: server.tls.enabled: only false is possible: the Kafka port has no "
                         "TLS: put a proxy in front\n"
                         "error: takhin.yaml:2:16: acl.enabled: only false is possible: there is no authorization\n"
                         "error: takhin.yaml:3:33: storage.encryption.enabled: only false is possible: the data "
                         "folder is not encrypted: use an encrypted disk\n"
                         "error: takhin.yaml:4:17: metrics.path: only /metrics is possible: it cannot be changed\n"
                         "error: TAKHIN_ACL_ENABLED: only false is possible: there is no authorization\n");
    unload(&loaded);
}

static void a_cut_file_never_harms(void **state)
{
    (void)state;
    for (size_t size = 0; size <= strlen(go_file); size++) {
        write_test_file(go_file, size);
        struct loaded loaded;
        loaded.rc = config_load(&(struct config_sources){.file = TEST_FILE}, &loaded.config, &loaded.report);
        assert_true(loaded.rc == 0 ? loaded.report.errors == 0 : loaded.report.errors > 0);
        unload(&loaded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_underscores_are_the_same),
        cmocka_unit_test(nothing_in_the_file_is_no_error),
        cmocka_unit_test(every_error_is_found_in_one_go),
        cmocka_unit_test(a_key_stands_once_in_whatever_form),
        cmocka_unit_test(broken_yaml_says_where),
        cmocka_unit_test(aliases_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(errors_and_bytes_are_bounded),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
        cmocka_unit_test(limits_that_exclude_each_other_are_an_error),
        cmocka_unit_test(the_go_brokers_file_loads),
        cmocka_unit_test(a_protection_that_is_not_there_is_an_error),
        cmocka_unit_test(a_cut_file_never_harms),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
