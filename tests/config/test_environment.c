/* test_environment.c: TAKHIN_ variables, their place before the file, and those that Kubernetes makes. */
#include "config_test.h"

#define VARIABLES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void the_environment_goes_before_the_file_and_the_file_before_defaults(void **state)
{
    (void)state;
    struct loaded loaded = load("profiler: {host: 10.0.0.1, port: 7070}\n", VARIABLES("TAKHIN_PROFILER_PORT=8080"));
    assert_said(&loaded, "");
    assert_int_equal(loaded.config.profiler.port, 8080);
    assert_string_equal(loaded.config.profiler.host, "10.0.0.1");
    assert_int_equal(loaded.config.profiler.cpu_hz, 100);
    unload(&loaded);
}

static void without_a_file_the_environment_is_enough(void **state)
{
    (void)state;
    struct loaded loaded = load(NULL, VARIABLES("PATH=/bin", "TAKHIN_PROFILER_ENABLED=true",
                                                "TAKHIN_PROFILER_HOST=0.0.0.0", "TAKHIN_PROFILER_PORT=6061",
                                                "TAKHIN_STORAGE_LOG_RETENTION_HOURS=24",
                                                "XTAKHIN_PROFILER_PORT=1", "takhin_profiler_port=2"));
    assert_said(&loaded, "");
    assert_true(loaded.config.profiler.enabled);
    assert_string_equal(loaded.config.profiler.host, "0.0.0.0");
    assert_int_equal(loaded.config.profiler.port, 6061);
    assert_int_equal(loaded.config.storage.retention_ms, 24 * 3600 * 1000);
    unload(&loaded);
}

static void bad_values_name_the_variable(void **state)
{
    (void)state;
    struct loaded loaded = load(NULL, VARIABLES("TAKHIN_PROFILER_PORT=abc", "TAKHIN_PROFILER_ENABLED=",
                                                "TAKHIN_STORAGE_LOG_RETENTION=1h",
                                                "TAKHIN_STORAGE_LOG_RETENTION_HOURS=2"));
    assert_said(&loaded, "error: TAKHIN_PROFILER_PORT: expected a port from 0 to 65535, got \"abc\"\n"
                         "error: TAKHIN_PROFILER_ENABLED: expected true or false, got \"\"\n"
                         "error: TAKHIN_STORAGE_LOG_RETENTION_HOURS: set already by TAKHIN_STORAGE_LOG_RETENTION\n");
    unload(&loaded);
}

static void unknown_variables_are_warned_of(void **state)
{
    (void)state;
    struct loaded loaded = load(NULL, VARIABLES("TAKHIN_PROFILER_PROT=1", "TAKHIN_HOME=/opt", "TAKHIN_=x",
                                                "TAKHIN_SERVER=x", "TAKHIN_RAFT_ELECTION_TIMEOUT_MS=3000",
                                                "TAKHIN_A\nB=1"));
    assert_said(&loaded, "warning: TAKHIN_PROFILER_PROT: ignored: no such key (did you mean TAKHIN_PROFILER_PORT?)\n"
                         "warning: TAKHIN_HOME: ignored: no such key\n"
                         "warning: TAKHIN_: ignored: no such key\n"
                         "warning: TAKHIN_SERVER: ignored: no such key\n"
                         "warning: TAKHIN_RAFT_ELECTION_TIMEOUT_MS: ignored, as all of raft: this broker is a "
                         "cluster of one\n"
                         "warning: TAKHIN_A?B: ignored: no such key\n");
    unload(&loaded);
}

/* What a pod sees beside Services called takhin-profiler and takhin, the second with a named port. */
static void kubernetes_service_links_are_ignored(void **state)
{
    (void)state;
    struct loaded loaded = load(NULL, VARIABLES(
        "TAKHIN_PROFILER_PORT=tcp://10.0.0.7:6060", "TAKHIN_PROFILER_PORT_6060_TCP=tcp://10.0.0.7:6060",
        "TAKHIN_PROFILER_PORT_6060_TCP_PROTO=tcp", "TAKHIN_PROFILER_PORT_6060_TCP_PORT=6060",
        "TAKHIN_PROFILER_PORT_6060_TCP_ADDR=10.0.0.7", "TAKHIN_PROFILER_SERVICE_HOST=10.0.0.7",
        "TAKHIN_PROFILER_SERVICE_PORT=6060", "TAKHIN_PROFILER_SERVICE_PORT_PPROF=6060",
        "TAKHIN_PORT=udp://10.0.0.8:9092", "TAKHIN_SERVICE_HOST=10.0.0.8", "TAKHIN_SERVICE_PORT=9092",
        "TAKHIN_PORT_9092_UDP_ADDR=10.0.0.8"));
    assert_said(&loaded, "warning: TAKHIN_PROFILER_PORT and 11 more of its kind: ignored: a Kubernetes service link "
                         "(enableServiceLinks: false in the pod's specification stops them)\n");
    assert_int_equal(loaded.config.profiler.port, 6060);
    unload(&loaded);
}

static void a_service_link_does_not_hide_the_file(void **state)
{
    (void)state;
    struct loaded loaded = load("profiler: {port: 7070}\n", VARIABLES("TAKHIN_PROFILER_PORT=tcp://10.0.0.7:6060"));
    assert_said(&loaded, "warning: TAKHIN_PROFILER_PORT: ignored: a Kubernetes service link (enableServiceLinks: "
                         "false in the pod's specification stops them)\n");
    assert_int_equal(loaded.config.profiler.port, 7070);
    unload(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_goes_before_the_file_and_the_file_before_defaults),
        cmocka_unit_test(without_a_file_the_environment_is_enough),
        cmocka_unit_test(bad_values_name_the_variable),
        cmocka_unit_test(unknown_variables_are_warned_of),
        cmocka_unit_test(kubernetes_service_links_are_ignored),
        cmocka_unit_test(a_service_link_does_not_hide_the_file),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
