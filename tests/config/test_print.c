/* test_print.c: -print-config, -h, and what a reload would leave behind. */
#include "config_test.h"

#include "config/keys.h"
#include "config/value.h"

static void each_value_is_shown_with_its_origin(void **state)
{
    (void)state;
    struct loaded loaded = load("profiler:\n  port: 7070\nstorage: {data: {dir: /srv/a b}}\n",
                                (const char *const[]){"TAKHIN_PROFILER_ENABLED=yes", NULL});
    assert_said(&loaded, "");
    struct buf text;
    buf_init(&text);
    config_print(&loaded.config, &text);
    const char *printed = buf_string(&text);
    assert_non_null(strstr(printed, "\nprofiler.enabled: true                          # TAKHIN_PROFILER_ENABLED\n"));
    assert_non_null(strstr(printed, "\nprofiler.port: 7070                             # takhin.yaml:2:9\n"));
    assert_non_null(strstr(printed, "\nstorage.data_dir: \"/srv/a b\"                    # takhin.yaml:3:23\n"));
    assert_non_null(strstr(printed, "\nprofiler.host: 127.0.0.1                        # default\n"));
    size_t lines = 0;
    for (const char *end = strchr(printed, '\n'); end; end = strchr(end + 1, '\n'))
        lines++;
    assert_int_equal(lines, config_key_count);
    buf_deinit(&text);
    unload(&loaded);
}

static void what_is_printed_loads_to_the_same(void **state)
{
    (void)state;
    static const char *const files[] = {
        "{}",
        "server: {port: 1, threads: 3}\nkafka: {max_message_bytes: 1000001, advertised_host: 'a \"b\" \\c'}\n"
        "storage: {log_retention: -1, log_flush_interval: 1500ms, log_retention_bytes: 3GiB}\n"
        "logging: {level: error, format: json}\nprofiler: {enabled: true, max_duration: 61s}\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct loaded first = load(files[i], NULL);
        assert_said(&first, "");
        struct buf text;
        buf_init(&text);
        config_print(&first.config, &text);
        struct loaded second = load(buf_string(&text), NULL);
        assert_said(&second, "");
        for (size_t k = 0; k < config_key_count; k++)
            assert_true(config_value_equal(&first.config, &second.config, &config_keys[k]));
        buf_deinit(&text);
        unload(&first);
        unload(&second);
    }
}

static void help_names_each_key(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text);
    config_write_help(&text);
    for (size_t i = 0; i < config_key_count; i++) {
        assert_non_null(strstr(buf_string(&text), config_keys[i].path));
        assert_non_null(strstr(buf_string(&text), config_keys[i].meaning));
    }
    assert_non_null(strstr(buf_string(&text), "  profiler.port (6060)\n        Port to listen on; 0 takes a free "
                                              "one.\n"));
    buf_deinit(&text);
}

static void a_reload_names_what_needs_a_restart(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *keys;
        size_t count;
    } cases[] = {
        {"profiler: {enabled: true, host: 0.0.0.0, port: 1, cpu_hz: 7, max_duration: 9s}\nlogging: {level: debug}\n",
         "", 0},
        {"server: {port: 9092, host: 127.0.0.1}\nlogging: {level: debug, format: json}\n",
         "server.host, logging.format", 2},
        {"kafka: {auto_create_topics: false}\n", "kafka.auto_create_topics", 1},
    };
    struct loaded running = load("{}", NULL);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct loaded fresh = load(cases[i].yaml, NULL);
        assert_said(&fresh, "");
        struct buf keys;
        buf_init(&keys);
        assert_int_equal(config_reload_differs(&running.config, &fresh.config, &keys), cases[i].count);
        assert_string_equal(buf_string(&keys), cases[i].keys);
        buf_deinit(&keys);
        unload(&fresh);
    }
    unload(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_is_shown_with_its_origin),
        cmocka_unit_test(what_is_printed_loads_to_the_same),
        cmocka_unit_test(help_names_each_key),
        cmocka_unit_test(a_reload_names_what_needs_a_restart),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
