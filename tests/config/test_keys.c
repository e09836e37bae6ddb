/* test_keys.c: what must hold for every row of the table, and how names find their rows. */
#include "config/keys.h"

#include "config_test.h"

static void no_two_names_are_the_same(void **state)
{
    (void)state;
    struct config_name name;
    for (size_t i = 0; i < config_key_count; i++) {
        assert_true(config_find_key(config_keys[i].path, &name));
        assert_ptr_equal(name.key, &config_keys[i]);
        assert_int_equal(name.number_ns, 0);
        assert_null(config_find_foreign(config_keys[i].path));
        for (size_t j = 0; j < i; j++) {
            assert_false(config_names_equal(config_keys[i].path, config_keys[j].path));
            assert_int_not_equal(config_keys[i].offset, config_keys[j].offset);
        }
    }
    for (size_t i = 0; i < config_foreign_key_count; i++)
        assert_false(config_find_key(config_foreign_keys[i].path, &name));
}

static void each_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        assert_non_null(key->default_text);
        assert_int_equal(key->meaning[strlen(key->meaning) - 1], '.');
        if (key->type == CONFIG_CHOICE)
            assert_non_null(key->choices[0].name);
        else
            assert_true(key->minimum < key->maximum);
        assert_true(key->type == CONFIG_DURATION ? key->field_ns > 0 : key->field_ns == 0);
    }
}

static void each_key_stands_in_one_section(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        int sections = 0;
        for (size_t s = 0; s < config_section_count; s++)
            sections += config_name_below(config_keys[i].path, config_sections[s].name);
        assert_int_equal(sections, 1);
    }
}

static void dots_and_underscores_are_the_same(void **state)
{
    (void)state;
    static const char *const forms[] = {"storage.data_dir", "storage.data.dir", "storage_data_dir", "storage_data.dir"};
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        struct config_name name;
        assert_true(config_find_key(forms[i], &name));
        assert_string_equal(name.key->path, "storage.data_dir");
    }
    static const char *const others[] = {"",                   "storage",         "storage.data",
                                         "storage.data.dir.x", "storage.datadir", "xstorage.data_dir"};
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        struct config_name name;
        assert_false(config_find_key(others[i], &name));
    }
}

static void a_duration_may_name_its_unit(void **state)
{
    (void)state;
    struct config_name name;
    assert_true(config_find_key("storage.log.retention.hours", &name));
    assert_string_equal(name.key->path, "storage.log_retention");
    assert_int_equal(name.number_ns, 3600000000000);
    assert_true(config_find_key("storage.log_flush_interval_ms", &name));
    assert_int_equal(name.number_ns, 1000000);
    assert_false(config_find_key("storage.log_flush_interval_weeks", &name));
    assert_false(config_find_key("server.port_ms", &name));
}

static void sections_are_what_has_keys_below(void **state)
{
    (void)state;
    static const char *const sections[] = {"storage", "storage.data", "storage.log.retention", "server.tls",
                                           "raft.a.b"};
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++)
        assert_true(config_is_section(sections[i]));
    static const char *const others[] = {"server.port", "serv", "storage.da", "nothing", "storage.data_dir"};
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        assert_false(config_is_section(others[i]));
}

static void each_guess_is_no_key_and_leads_to_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_guess_count; i++) {
        struct config_name name;
        assert_false(config_find_key(config_guesses[i].guess, &name));
        assert_true(config_find_key(config_guesses[i].key, &name));
        assert_string_equal(name.key->path, config_guesses[i].key);
    }
}

static void the_nearest_key_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *path, *nearest;
    } cases[] = {
        {"profiler.prot", "profiler.port"},
        {"profiller.enabled", "profiler.enabled"},
        {"Profiler.Enabled", "profiler.enabled"},
        {"profiler.cpu.hertz", "profiler.cpu_hz"},
        {"storage.segment_size", "storage.log_segment_size"},
        {"kafka.brokerid", "kafka.broker_id"},
        {"kafka.port", "server.port"},
        {"kafka_host", "server.host"},
        {"broker.id", "kafka.broker_id"},
        {"log_level", "logging.level"},
        {"zzz", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const char *nearest = config_nearest_key(cases[i].path);
        if (cases[i].nearest)
            assert_string_equal(nearest, cases[i].nearest);
        else
            assert_null(nearest);
    }
    assert_string_equal(config_nearest_section("profiller"), "profiler");
    assert_string_equal(config_nearest_section("port"), "server.port");
    assert_null(config_nearest_section("zookeeper"));
    char endless[4096];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_null(config_nearest_key(endless));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_names_are_the_same),
        cmocka_unit_test(each_row_is_whole),
        cmocka_unit_test(each_key_stands_in_one_section),
        cmocka_unit_test(dots_and_underscores_are_the_same),
        cmocka_unit_test(a_duration_may_name_its_unit),
        cmocka_unit_test(sections_are_what_has_keys_below),
        cmocka_unit_test(each_guess_is_no_key_and_leads_to_one),
        cmocka_unit_test(the_nearest_key_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
