/* test_profiler_target.c: -remote and the configuration as what is asked. */
#include "cmd/profiler/target.h"

#include "base/check.h"
#include "base/error.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_text(const char *actual, const char *expected)
{
    if (expected == NULL)
        assert_null(actual);
    else
        assert_string_equal(actual, expected);
}

static void assert_contains(struct buf *text, const char *part)
{
    if (strstr(buf_string(text), part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, buf_string(text));
}

static void each_form_becomes_what_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *remote;
        struct target target;
    } rows[] = {
        {"localhost", {"localhost:6060", "localhost_6060", "http://localhost:6060", NULL, NULL, NULL}},
        {"10.0.0.7:1", {"10.0.0.7:1", "10.0.0.7_1", "http://10.0.0.7:1", NULL, NULL, NULL}},
        {"localhost:65535/", {"localhost:65535", "localhost_65535", "http://localhost:65535", NULL, NULL, NULL}},
        {"[::1]", {"[::1]:6060", "1_6060", "http://[::1]:6060", NULL, NULL, NULL}},
        {"[2001:db8::7]:99", {"[2001:db8::7]:99", "2001_db8_7_99", "http://[2001:db8::7]:99", NULL, NULL, NULL}},
        {"a:7/debug/pprof/", {"a:7", "a_7", "http://a:7", NULL, NULL, NULL}},
        {"a:7/debug/pprof", {"a:7", "a_7", "http://a:7", NULL, NULL, NULL}},
        {"HTTP://a/debug/pprof/", {"a:6060", "a_6060", "http://a:6060", NULL, NULL, NULL}},
        {"http://a:80", {"a:80", "a_80", "http://a:80", NULL, NULL, NULL}},
        {"http://a:7/b/c/", {"a:7/b/c", "a_7_b_c", "http://a:7/b/c", NULL, NULL, NULL}},
        {"http://a:7/b/debug/pprof/", {"a:7/b", "a_7_b", "http://a:7/b", NULL, NULL, NULL}},
        {"https://a.example", {"a.example:443", "a.example_443", "https://a.example:443", NULL, NULL, NULL}},
        {"https://a:6060", {"a:6060", "a_6060", "https://a:6060", NULL, NULL, NULL}},
        {"http://u:p@a:7", {"a:7", "a_7", "http://a:7", "u", "p", NULL}},
        {"http://u@a:7", {"a:7", "a_7", "http://u@a:7", "u", NULL, NULL}},
        {"https://u%40x@a/b/", {"a:443/b", "a_443_b", "https://u%40x@a:443/b", "u@x", NULL, NULL}},
        {"https://u%40x:%2C%3a%2F%25@a/b", {"a:443/b", "a_443_b", "https://a:443/b", "u@x", ",:/%", NULL}},
        {"unix:/run/t.sock", {"unix:/run/t.sock", "unix_run_t.sock", "http://localhost", NULL, NULL, "/run/t.sock"}},
        {"unix:///run/t.sock", {"unix:/run/t.sock", "unix_run_t.sock", "http://localhost", NULL, NULL, "/run/t.sock"}},
        {"unix:t@1", {"unix:t@1", "unix_t_1", "http://localhost", NULL, NULL, "t@1"}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct target_list list;
        struct buf message;
        buf_init(&message);
        if (target_list_init(&list, rows[i].remote, NULL, &message) != 0)
            fail_msg("%s: %s", rows[i].remote, buf_string(&message));
        assert_int_equal(list.count, 1);
        assert_null(list.off_in);
        assert_text(list.targets[0].name, rows[i].target.name);
        assert_text(list.targets[0].file_part, rows[i].target.file_part);
        assert_text(list.targets[0].url, rows[i].target.url);
        assert_text(list.targets[0].user, rows[i].target.user);
        assert_text(list.targets[0].password, rows[i].target.password);
        assert_text(list.targets[0].unix_path, rows[i].target.unix_path);
        target_list_deinit(&list);
        buf_deinit(&message);
    }
}

static void what_is_wrong_is_said_with_what_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *remote, *problem;
    } rows[] = {
        {"", "-remote : an address is missing"},
        {",a", "-remote : an address is missing"},
        {"a,", "-remote : an address is missing"},
        {"a, b", "-remote  b: no address has a space in it"},
        {":6060", "-remote :6060: not an address"},
        {"::1", "not an address"},
        {"[::1", "not an address"},
        {"[::1]x", "not an address"},
        {"a b:1", "no address has a space in it"},
        {"a\\b:1", "not an address"},
        {"a:b", "not an address"},
        {"a:65536", "not an address"},
        {"a:0", "-remote a:0: its port must be from 1 to 65535"},
        {"a:", "its port must be from 1 to 65535"},
        {"http://a:", "its port must be from 1 to 65535"},
        {"a/b", "a path needs http:// or https:// in front"},
        {"a/debug/pprof/heap", "it ends behind /debug/pprof/; what to collect is said by -type"},
        {"http://a/x/debug/pprof/heap", "it ends behind /debug/pprof/; what to collect is said by -type"},
        {"u:p@a", "-remote ...@a: a user and a password need http:// or https:// in front"},
        {"ftp://a", "only http:// and https:// can be asked"},
        {"http://a?seconds=5", "nothing behind a ? or # can be part of it"},
        {"http://a/#x", "nothing behind a ? or # can be part of it"},
        {"http://u:%0a@a", "its user or password has a control character"},
        {"unix:", "a socket's path has from 1 to 107 bytes"},
        {"unix://run/t.sock", "a third slash"},
        {"a,a:6060", "-remote a:6060: it is named twice"},
        {"a:1,b:0,c:0", "-remote b:0: its port must be from 1 to 65535\n-remote c:0: its port"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct target_list list;
        struct buf message;
        buf_init(&message);
        assert_int_equal(target_list_init(&list, rows[i].remote, NULL, &message), ERR_CONFIG);
        assert_contains(&message, rows[i].problem);
        assert_contains(&message, "\nWrite HOST:PORT");
        assert_contains(&message, "a comma in a password is %2C");
        target_list_deinit(&list);
        buf_deinit(&message);
    }
}

static void a_socket_s_path_has_an_end(void **state)
{
    (void)state;
    for (size_t size = 107; size <= 108; size++) {
        char *remote = mem_printf("unix:/%0*d", (int)size - 1, 0);
        struct target_list list;
        struct buf message;
        buf_init(&message);
        assert_int_equal(target_list_init(&list, remote, NULL, &message), size == 107 ? 0 : ERR_CONFIG);
        target_list_deinit(&list);
        buf_deinit(&message);
        mem_free(remote);
    }
}

static void no_message_has_a_password(void **state)
{
    (void)state;
    static const char *const remotes[] = {
        "http://u:secret@a:0", "u:secret@a", "http://u:secret@a/?x", "http://u:secret,secret@a", "http://u:%0asecret@a",
        "http://u:secret/secret@a", "ftp://u:secret@a", "http://u:secret@b,http://u:secret@b", "http://u:secret@a@:0",
    };
    for (size_t i = 0; i < ARRAY_COUNT(remotes); i++) {
        struct target_list list;
        struct buf message;
        buf_init(&message);
        assert_int_equal(target_list_init(&list, remotes[i], NULL, &message), ERR_CONFIG);
        assert_null(strstr(buf_string(&message), "secret"));
        target_list_deinit(&list);
        buf_deinit(&message);
    }
}

static void several_keep_their_order_and_their_files_apart(void **state)
{
    (void)state;
    struct target_list list;
    struct buf message;
    buf_init(&message);
    const char *remote = "http://a/b,http://a/b-,http://a/b_,http://a/b__,http://A/b";
    assert_int_equal(target_list_init(&list, remote, NULL, &message), 0);
    static const char *const parts[] = {"a_6060_b", "a_6060_b-", "a_6060_b_2", "a_6060_b_3", "A_6060_b_4"};
    assert_int_equal(list.count, ARRAY_COUNT(parts));
    for (size_t i = 0; i < list.count; i++)
        assert_string_equal(list.targets[i].file_part, parts[i]);
    target_list_deinit(&list);
    buf_deinit(&message);
}

static void a_long_name_is_cut_for_files(void **state)
{
    (void)state;
    char *remote = mem_printf("http://a/%0*d,http://a/%0*d", 300, 0, 301, 0);
    struct target_list list;
    struct buf message;
    buf_init(&message);
    assert_int_equal(target_list_init(&list, remote, NULL, &message), 0);
    assert_true(strlen(list.targets[0].file_part) <= 100);
    assert_string_not_equal(list.targets[0].file_part, list.targets[1].file_part);
    target_list_deinit(&list);
    buf_deinit(&message);
    mem_free(remote);
}

/* --- without -remote --- */

static int forget_environment(void **state)
{
    (void)state;
    unsetenv("TAKHIN_PROFILER_HOST");
    unsetenv("TAKHIN_PROFILER_PORT");
    unsetenv("TAKHIN_PROFILER_ENABLED");
    return 0;
}

static void environment_names_it_and_everywhere_means_here(void **state)
{
    (void)state;
    static const struct {
        const char *host, *port, *name;
    } rows[] = {
        {NULL, NULL, "127.0.0.1:6060"},
        {"0.0.0.0", "7070", "127.0.0.1:7070"},
        {"::", NULL, "[::1]:6060"},
        {"2001:db8::7", "1", "[2001:db8::7]:1"},
        {"broker.example", NULL, "broker.example:6060"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct target_list list;
        struct buf message;
        buf_init(&message);
        forget_environment(NULL);
        if (rows[i].host != NULL)
            setenv("TAKHIN_PROFILER_HOST", rows[i].host, 1);
        if (rows[i].port != NULL)
            setenv("TAKHIN_PROFILER_PORT", rows[i].port, 1);
        assert_int_equal(target_list_init(&list, NULL, NULL, &message), 0);
        assert_int_equal(list.count, 1);
        assert_string_equal(list.targets[0].name, rows[i].name);
        assert_null(list.off_in); /* the environment here says nothing of a takhin that runs */
        target_list_deinit(&list);
        buf_deinit(&message);
    }
}

static void remote_makes_the_configuration_unread(void **state)
{
    (void)state;
    struct target_list list;
    struct buf message;
    buf_init(&message);
    setenv("TAKHIN_PROFILER_PORT", "nonsense", 1);
    assert_int_equal(target_list_init(&list, "a", "/none/takhin.yaml", &message), 0);
    assert_int_equal(list.warnings.size, 0);
    target_list_deinit(&list);
    buf_deinit(&message);
}

static void a_port_that_takhin_picks_cannot_be_guessed(void **state)
{
    (void)state;
    struct target_list list;
    struct buf message;
    buf_init(&message);
    setenv("TAKHIN_PROFILER_PORT", "0", 1);
    assert_int_equal(target_list_init(&list, NULL, NULL, &message), ERR_CONFIG);
    assert_contains(&message, "name it with -remote HOST:PORT");
    target_list_deinit(&list);
    buf_deinit(&message);
}

static void a_bad_configuration_is_said_line_by_line(void **state)
{
    (void)state;
    struct target_list list;
    struct buf message;
    buf_init(&message);
    assert_int_equal(target_list_init(&list, NULL, "/none/takhin.yaml", &message), ERR_CONFIG);
    assert_contains(&message, "/none/takhin.yaml");
    assert_int_equal(list.count, 0);
    target_list_deinit(&list);
    buf_deinit(&message);
}

static void a_file_says_where_and_whether_the_profiler_is_on(void **state)
{
    (void)state;
    for (int is_on = 0; is_on <= 1; is_on++) {
        char path[] = "/tmp/takhin-test-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        dprintf(fd, "profiler: {enabled: %s, host: b, port: 71}\n", is_on ? "true" : "false");
        close(fd);
        struct target_list list;
        struct buf message;
        buf_init(&message);
        int result = target_list_init(&list, NULL, path, &message);
        unlink(path);
        assert_int_equal(result, 0);
        assert_string_equal(list.targets[0].name, "b:71");
        assert_text(list.off_in, is_on ? NULL : path);
        target_list_deinit(&list);
        buf_deinit(&message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_becomes_what_is_asked),
        cmocka_unit_test(what_is_wrong_is_said_with_what_is_right),
        cmocka_unit_test(a_socket_s_path_has_an_end),
        cmocka_unit_test(no_message_has_a_password),
        cmocka_unit_test(several_keep_their_order_and_their_files_apart),
        cmocka_unit_test(a_long_name_is_cut_for_files),
        cmocka_unit_test_setup(environment_names_it_and_everywhere_means_here, forget_environment),
        cmocka_unit_test_setup_teardown(remote_makes_the_configuration_unread, forget_environment, forget_environment),
        cmocka_unit_test_setup_teardown(a_port_that_takhin_picks_cannot_be_guessed, forget_environment,
                                        forget_environment),
        cmocka_unit_test_setup(a_bad_configuration_is_said_line_by_line, forget_environment),
        cmocka_unit_test_setup(a_file_says_where_and_whether_the_profiler_is_on, forget_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
