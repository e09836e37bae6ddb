/* test_value.c: each type of key with what it takes and what it refuses. */
#include "config/value.h"

#include "config_test.h"

static struct config_name key_of(const char *path)
{
    struct config_name name;
    assert_true(config_find_key(path, &name));
    return name;
}

/* What the key holds after it was given the text, as it is printed; "error" if the text is refused. */
static void assert_reads(const char *path, const char *text, const char *expected)
{
    struct loaded loaded = load(NULL, NULL);
    assert_int_equal(loaded.rc, 0);
    struct config_name name = key_of(path);
    struct buf got;
    buf_init(&got);
    if (config_value_set(&loaded.config, &name, text) < 0)
        buf_append_string(&got, "error");
    else
        config_value_write(&loaded.config, name.key, &got);
    if (strcmp(buf_string(&got), expected) != 0)
        fail_msg("%s: \"%s\" reads as %s, not %s", path, text, buf_string(&got), expected);
    buf_deinit(&got);
    unload(&loaded);
}

static void each_type_takes_its_texts_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *expected;
    } cases[] = {
        {"profiler.enabled", "true", "true"},
        {"profiler.enabled", "True", "true"},
        {"profiler.enabled", "yes", "true"},
        {"profiler.enabled", "on", "true"},
        {"profiler.enabled", "1", "true"},
        {"metrics.enabled", "off", "false"},
        {"metrics.enabled", "FALSE", "false"},
        {"metrics.enabled", "0", "false"},
        {"metrics.enabled", "no", "false"},
        {"profiler.enabled", "", "error"},
        {"profiler.enabled", "tru", "error"},
        {"profiler.enabled", "2", "error"},

        {"profiler.cpu_hz", "1", "1"},
        {"profiler.cpu_hz", "1000", "1000"},
        {"profiler.cpu_hz", "0", "error"},
        {"profiler.cpu_hz", "1001", "error"},
        {"profiler.cpu_hz", "-5", "error"},
        {"profiler.cpu_hz", " 5", "error"},
        {"profiler.cpu_hz", "5 ", "error"},
        {"profiler.cpu_hz", "+5", "error"},
        {"profiler.cpu_hz", "0x10", "error"},
        {"profiler.cpu_hz", "1e2", "error"},
        {"profiler.cpu_hz", "99999999999999999999", "error"},
        {"profiler.cpu_hz", "4294967396", "error"}, /* 100 in 32 bits */
        {"kafka.broker_id", "2147483647", "2147483647"},
        {"kafka.broker_id", "2147483648", "error"},
        {"storage.log_flush_messages", "9223372036854775807", "9223372036854775807"},

        {"profiler.port", "0", "0"},
        {"profiler.port", "65535", "65535"},
        {"profiler.port", "65536", "error"},
        {"profiler.port", "-1", "error"},
        {"profiler.port", "abc", "error"},

        {"storage.log_segment_size", "1048576", "1MiB"},
        {"storage.log_segment_size", "64 KiB", "64KiB"},
        {"storage.log_segment_size", "10MB", "10000000"},
        {"storage.log_segment_size", "4095", "error"},
        {"storage.log_segment_size", "2GiB", "error"},
        {"storage.log_segment_size", "-1", "error"},
        {"storage.log_segment_size", "big", "error"},
        {"storage.log_retention_bytes", "-1", "-1"},
        {"storage.log_retention_bytes", "0", "-1"}, /* as in the Go broker: no limit, not "keep nothing" */
        {"storage.log_retention_bytes", "1GiB", "1GiB"},
        {"storage.log_retention_bytes", "-2", "error"},

        {"storage.log_cleanup_interval", "30s", "30s"},
        {"storage.log_cleanup_interval", "500ms", "500ms"},
        {"storage.log_cleanup_interval", "1m30s", "1m30s"},
        {"storage.log_cleanup_interval", "99ms", "error"},
        {"storage.log_cleanup_interval", "25h", "error"},
        {"storage.log_cleanup_interval", "30", "error"},
        {"storage.log_cleanup_interval_ms", "1500", "1.5s"},
        {"storage.log_cleanup_interval_ms", "1500ms", "error"},
        {"storage.log_cleanup_interval_ms", "9223372036854775807", "error"},
        {"storage.log_flush_interval", "0", "0s"},
        {"storage.log_flush_interval", "1us", "1ms"}, /* not 0, which would be "never" */
        {"storage.log_retention_hours", "168", "168h"},
        {"storage.log_retention_hours", "-1", "-1"},
        {"storage.log_retention_hours", "0", "-1"},
        {"storage.log_retention_hours", "-2", "error"},
        {"storage.log_retention", "7d", "168h"},
        {"storage.log_retention", "-1", "-1"},
        {"profiler.max_duration", "1500000001ns", "1.500000001s"},
        {"profiler.trace_buffer", "0", "0"},
        {"profiler.trace_buffer", "1GiB", "1GiB"},
        {"profiler.trace_buffer", "1025MiB", "error"},
        {"profiler.slow_request_ms", "3600000", "3600000"},
        {"profiler.slow_request_ms", "3600001", "error"},
        {"profiler.slow_request_ms", "100ms", "error"},
        {"profiler.capture_cooldown", "0s", "error"},
        {"profiler.capture_bytes", "32MiB", "32MiB"},
        {"profiler.capture_bytes", "31MiB", "error"},
        {"profiler.capture_age", "59s", "error"},
        {"profiler.capture_age_hours", "24", "24h"},
        {"profiler.capture_dir", "", "error"},

        {"profiler.host", "::1", "\"::1\""},
        {"profiler.host", "", "error"},
        {"profiler.host", "a\nb", "error"},
        {"profiler.host", "\x7f", "error"},
        {"storage.data_dir", "/srv/\xc2\x85", "error"},
        {"storage.data_dir", "/srv/\xe2\x80\xa8", "error"},
        {"storage.data_dir", "/srv/\xef\xbb\xbf", "error"},
        {"storage.data_dir", "/srv/d\xc3\xa4ta", "\"/srv/d\xc3\xa4ta\""},
        {"profiler.host", "10.0.0.7", "10.0.0.7"},
        {"kafka.advertised_host", "", "\"\""},
        {"kafka.advertised_host", "Null", "\"Null\""}, /* not YAML's nothing */
        {"kafka.advertised_host", "-a", "\"-a\""},
        {"storage.data_dir", "/srv/\"a\\b\"", "\"/srv/\\\"a\\\\b\\\"\""},

        {"logging.level", "debug", "debug"},
        {"logging.level", "warn", "warning"},
        {"logging.level", "warning", "warning"},
        {"logging.level", "Info", "error"},
        {"logging.level", "", "error"},
        {"logging.format", "json", "json"},
        {"logging.format", "xml", "error"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_reads(cases[i].path, cases[i].text, cases[i].expected);
}

static void a_long_host_is_refused(void **state)
{
    (void)state;
    char host[255];
    memset(host, 'h', sizeof host);
    host[254] = 0;
    assert_reads("profiler.host", host, "error");
    assert_reads("profiler.host", host + 200, "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh");
}

static void fields_get_their_own_unit(void **state)
{
    (void)state;
    struct loaded loaded = load("storage: {log_retention_hours: 2, log_flush_interval: 3s, log_segment_size: 1MiB}\n"
                                "profiler: {max_duration: 2s}\n"
                                "kafka: {broker_id: 7}\n", NULL);
    assert_said(&loaded, "");
    assert_int_equal(loaded.config.storage.retention_ms, 2 * 3600 * 1000);
    assert_int_equal(loaded.config.storage.flush_ms, 3000);
    assert_int_equal(loaded.config.storage.segment_bytes, 1048576);
    assert_int_equal(loaded.config.profiler.max_duration_ns, 2000000000);
    assert_int_equal(loaded.config.broker.broker_id, 7);
    assert_int_equal(loaded.config.storage.node_id, 7);
    unload(&loaded);
}

static void what_is_expected_is_said_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *path, *expected;
    } cases[] = {
        {"profiler.enabled", "true or false"},
        {"profiler.port", "a port from 0 to 65535"},
        {"profiler.cpu_hz", "a whole number from 1 to 1000"},
        {"storage.log_flush_messages", "a whole number from 0"},
        {"storage.log_segment_size", "a size from 4KiB to 2047MiB"},
        {"storage.log_retention_bytes", "a size from 1, or -1 or 0 for no limit"},
        {"storage.log_cleanup_interval", "a duration from 100ms to 24h"},
        {"storage.log_cleanup_interval_ms", "a whole number from 100 to 86400000"},
        {"storage.log_retention_hours", "a whole number from 1, or -1 or 0 for no limit"},
        {"profiler.host", "a text of 1 to 253 printable characters"},
        {"kafka.advertised_host", "a text of at most 253 printable characters"},
        {"logging.level", "one of debug, info, warning, warn, error"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config_name name = key_of(cases[i].path);
        struct buf text;
        buf_init(&text);
        config_value_expected(&name, &text);
        assert_string_equal(buf_string(&text), cases[i].expected);
        buf_deinit(&text);
    }
}

static void quotes_cut_and_escape(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text);
    config_quote(&text, "a\"b\\c\n\x1b[31m", 6);
    assert_string_equal(buf_string(&text), "\"a\\\"b\\\\c\\x0a...\"");
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_takes_its_texts_and_no_others),
        cmocka_unit_test(a_long_host_is_refused),
        cmocka_unit_test(fields_get_their_own_unit),
        cmocka_unit_test(what_is_expected_is_said_in_words),
        cmocka_unit_test(quotes_cut_and_escape),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
